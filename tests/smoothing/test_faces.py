"""Curves in all that looks at a fit: bands, pictures, summary, report, model file, tables of any kind, the command."""

import json
import subprocess
import sys

import numpy as np
import pytest

import gradline as gl


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(6)
    n = 500
    rows = {"x": rng.uniform(size=n), "z": rng.normal(size=n), "g": rng.choice(["a", "b"], n), "w": rng.normal(size=n)}
    return {**rows, "y": np.sin(6 * rows["x"]) + 0.5 * rows["z"] ** 2 + 0.4 * rng.normal(size=n)}


@pytest.fixture(scope="module")
def fit(data):
    return gl.fit("y ~ w + s(x, k=12) + s(z, by=g)", data)


def test_a_band_is_of_the_coefficients(fit, data):
    import pyarrow as pa

    band = fit.curve("s(x)", at=data["x"][:20])
    (own,) = [curve for curve in fit.curves if curve.name == "s(x, k=12)"]
    X = fit.encoder.design(pa.RecordBatch.from_pydict({name: values[:20] for name, values in data.items() if name != "y"})).dense()
    part = X[:, own.start : own.stop]
    covariance = fit.covariance().matrix[own.start : own.stop, own.start : own.stop]
    assert band.estimate == pytest.approx(part @ fit.coefficients[own.start : own.stop])
    assert band.standard_errors == pytest.approx(np.sqrt(np.einsum("ij,jk,ik->i", part, covariance, part)))
    assert (band.simultaneous_upper > band.upper).all()
    assert band.upper - band.estimate == pytest.approx(band.estimate - band.lower)


def test_a_simultaneous_band_of_a_line_is_wider_as_theory_says():
    """Of one coefficient the whole curve is known where one place is: the two bands are the same."""
    rng = np.random.default_rng(1)
    x = rng.uniform(size=400)
    fit = gl.fit("y ~ s(x, strength=1e6)", {"x": x, "y": 2 * x + rng.normal(size=400)})
    band = fit.curve(at=np.linspace(0.0, 0.3, 9))
    ratio = (band.simultaneous_upper - band.estimate) / (band.upper - band.estimate)
    assert ratio == pytest.approx(1.0, abs=0.05)


def test_bands_hold_a_curve_on_average_over_it():
    rng = np.random.default_rng(5)
    x = np.linspace(0, 1, 150)
    true = np.sin(7 * x)
    pointwise, whole = [], []
    for _ in range(60):
        fit = gl.fit("y ~ s(x, k=15)", {"x": x, "y": true + 0.5 * rng.normal(size=150)})
        band = fit.curve(at=x)
        left = true - true.mean()
        pointwise.append(np.mean((band.lower <= left) & (left <= band.upper)))
        whole.append(((band.simultaneous_lower <= left) & (left <= band.simultaneous_upper)).all())
    assert np.mean(pointwise) > 0.92
    assert np.mean(whole) > 0.85


def test_names_of_curves(fit):
    assert fit.curve("s(x)").name == fit.curve("s(x, k=12)").name == "s(x, k=12)"
    assert fit.curve("s(z, by=g)[b]", points=5).values.shape == (5, 1)
    for name, words in (("s(q)", "no curve"), (None, "name one of")):
        with pytest.raises(ValueError, match=words):
            fit.curve(name)
    with pytest.raises(ValueError, match="no curves"):
        gl.fit(*gl.datasets.line(seed=1)).curve()
    with pytest.raises(ValueError, match="level"):
        fit.curve("s(x)", level=1.0)
    with pytest.raises(ValueError, match="shape"):
        fit.curve("s(x)", at=np.ones((3, 2)))


def test_a_model_file_keeps_all_of_it(fit, data, tmp_path):
    fit.save(tmp_path / "model.json")
    loaded = gl.load(tmp_path / "model.json")
    assert loaded.curves == fit.curves
    assert loaded.penalty.chosen_by == "REML"
    new = {"x": [0.1, 1.4], "z": [0.0, -9.0], "g": ["a", "b"], "w": [0.0, 1.0]}
    assert (loaded.predict(new) == fit.predict(new)).all()
    assert (loaded.curve("s(x)").simultaneous_lower == fit.curve("s(x)").simultaneous_lower).all()
    assert loaded.with_covariance("HC1", data).standard_errors == pytest.approx(fit.with_covariance("HC1", data).standard_errors)
    assert str(loaded.summary()).splitlines()[:20] == str(fit.summary()).splitlines()[:20]


@pytest.mark.parametrize("change", [{"stop": 999}, {"predictor": 3}, {"strengths": [1.0, 2.0]}, {"start": 3}])
def test_a_model_file_whose_curves_do_not_fit_is_refused(change, fit, tmp_path):
    from gradline.files.schema import checksum

    fit.save(tmp_path / "model.json")
    document = json.loads((tmp_path / "model.json").read_text())
    document["model"]["curves"][0] |= change
    document["checksum"] = checksum(document)
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="curve"):
        gl.load(tmp_path / "model.json")


def test_a_fit_shows_its_curves_by_name(fit):
    assert "s(x, k=12) + s(z, by=g)[a]" in repr(fit)
    assert "s(x, k=12)[1]" not in repr(fit)


def test_the_summary_lists_curves_apart(fit):
    text = str(fit.summary())
    assert "s(z, by=g)[a]" in text
    assert "s(x, k=12)[1]" not in text
    assert "chosen by REML" in text
    assert "bayesian" in text
    assert "all zero?" not in text


def test_standard_errors_of_other_kinds(fit, data):
    assert fit.covariance().kind == "bayesian"
    other = gl.fit("y ~ w + s(x, k=12) + s(z, by=g)", data, covariance="HC1")
    assert other.covariance().kind == "HC1"
    none = gl.fit("y ~ w + s(x, k=12)", data, covariance=False)
    assert np.isnan(none.curve().lower).all()
    assert np.isnan(none.curves[0].p_value)
    with pytest.raises(ValueError, match="prior"):
        gl.fit("y ~ w", data, covariance="bayesian")


def test_pictures(fit, data):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    axes = gl.plot.smooths(fit)
    assert len(axes) == len(fit.curves)
    # A curve's line is at its values.
    line = next(line for line in axes[0].lines if line.get_label() == "_curve")
    name = fit.curves[0].name
    assert line.get_ydata() == pytest.approx(fit.curve(name).estimate)
    alone = gl.plot.smooths(fit, "s(x)")
    assert alone.get_xlabel() == "x"
    surface = gl.plot.smooths(gl.fit("y ~ te(x, z)", data))
    assert (surface.get_xlabel(), surface.get_ylabel()) == ("x", "z")
    dots = gl.plot.coefficients(fit)
    assert [label.get_text() for label in dots.get_yticklabels()] == ["Intercept", "w"]
    with pytest.raises(ValueError, match="no curves"):
        gl.plot.smooths(gl.fit("y ~ x", data))
    with pytest.raises(ValueError, match="no picture"):
        gl.plot.smooths(gl.fit("y ~ te(x, z, w, k=4)", data))
    plt.close("all")


def test_the_report_shows_them(fit, data):
    pytest.importorskip("matplotlib").use("Agg")
    page = fit.report(data).html
    assert "The curve s(x, k=12) with its bands." in page
    assert "a test that the curve is flat" in page


def test_a_file_a_stream_and_arrays_give_the_same(data, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {**data, "x": np.where(np.arange(500) == 7, np.nan, data["x"])}
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in rows.items()})
    pq.write_table(table, tmp_path / "rows.parquet")
    formula = "y ~ s(x) + g"
    held = gl.fit(formula, rows)
    from_file = gl.fit(formula, tmp_path / "rows.parquet")
    streamed = gl.fit(formula, iter(table.to_batches(max_chunksize=100)))
    assert held.rows_dropped == {"x missing": 1}
    for other in (from_file, streamed):
        assert other.coefficients == pytest.approx(held.coefficients, rel=1e-9, abs=1e-12)
        assert other.curves[0].p_value == pytest.approx(held.curves[0].p_value, rel=1e-6)
    assert held.solution.passes == 1
    assert np.isnan(held.predict({"x": [np.nan], "g": ["a"]})).all()


def test_where_weights_and_levels(data):
    some = data["z"] > 0
    there = gl.fit("y ~ s(x)", data, where="z > 0")
    apart = gl.fit("y ~ s(x)", {name: values[some] for name, values in data.items()})
    assert there.predict({"x": [0.2]}) == pytest.approx(apart.predict({"x": [0.2]}), rel=1e-9)
    fit = gl.fit("y ~ g + s(x, by=g)", data)
    with pytest.raises(ValueError, match="level"):
        fit.predict({"x": [0.2], "g": ["q"]})


@pytest.mark.parametrize("y", [lambda x: 2.0 * x, lambda x: np.ones_like(x)])
def test_what_is_fitted_perfectly_is_a_line(y, data):
    fit = gl.fit("y ~ s(x)", {"x": data["x"], "y": y(data["x"])})
    at = np.array([0.1, 0.5, 2.0])
    assert fit.predict({"x": at}) == pytest.approx(y(at), abs=1e-6)


def test_the_command(data, tmp_path):
    import pyarrow as pa
    import pyarrow.csv

    path, model = tmp_path / "rows.csv", tmp_path / "model.json"
    pyarrow.csv.write_csv(pa.table(data), path)

    def run(*arguments):
        done = subprocess.run([sys.executable, "-m", "gradline", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    text = run("fit", path, "y ~ s(x) + s(z)", "--out", model)
    assert "test df" in text
    shown = json.loads(run("fit", path, "y ~ s(x) + s(z)", "--json"))
    assert [curve["name"] for curve in shown["curves"]] == ["s(x)", "s(z)"]
    predicted = run("predict", model, path).split()[1:]
    assert np.array(predicted, dtype=float) == pytest.approx(gl.load(model).predict(data))
