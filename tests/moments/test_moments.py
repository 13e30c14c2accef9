import io
import json
import os
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

import gradline as gl
from gradline.moments.moments import Moments

NIST = json.loads((Path(__file__).parents[1] / "reference" / "nist_strd_linear.json").read_text())["datasets"]


def table(seed=0, n=400, p=4, offset=100.0):
    random = np.random.default_rng(seed)
    columns = {f"x{j + 1}": random.normal(size=n) * 10.0**j + offset for j in range(p)}
    columns["y"] = sum(columns[f"x{j + 1}"] / 10.0**j for j in range(p)) + random.normal(size=n)
    return columns


def rows(columns, part):
    return {name: values[part] for name, values in columns.items()}


def scaled_difference(a, b):
    """Largest difference of second moments about the means, in units of the columns' own."""
    size = np.sqrt(np.diag(b.covariance))
    means = max(abs(a.means[name] - b.means[name]) / (abs(b.means[name]) + s) for name, s in zip(b.names, size, strict=True))
    return max(means, np.abs((a.covariance - b.covariance) / np.outer(size, size)).max())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_merging_equals_the_pass_over_both(weighted, offset):
    columns = table(n=30_000, offset=offset)
    random = np.random.default_rng(1)
    weights = random.uniform(0, 2, 30_000) if weighted else None
    frequencies = random.integers(0, 3, 30_000) if weighted else None

    def part(selection):
        return Moments(
            rows(columns, selection),
            weights=None if weights is None else weights[selection],
            frequencies=None if frequencies is None else frequencies[selection],
        )

    both, first, second = part(slice(None)), part(slice(0, 9_000)), part(slice(9_000, None))
    assert (first + second).n == both.n
    assert scaled_difference(first + second, both) <= 1e-14
    assert scaled_difference(both - second, first) <= 1e-13
    assert scaled_difference(second + first, both) <= 1e-14


def test_the_thread_count_changes_no_bit():
    columns = table(n=50_000)
    one, four = Moments(columns, threads=1), Moments(columns, threads=4)
    assert np.array_equal(one.covariance, four.covariance)


def test_days_that_drift_apart():
    columns = table(n=2_000)
    columns["x1"][1000:] += 1e6
    merged = Moments(rows(columns, slice(0, 1000))) + Moments(rows(columns, slice(1000, None)))
    assert scaled_difference(merged, Moments(columns)) <= 1e-14


@pytest.mark.parametrize("features", [["x1"], ["x1", "x2", "x3", "x4"]])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_fits_are_those_of_statsmodels(features, intercept, weighted):
    statsmodels = pytest.importorskip("statsmodels.api")
    columns = table(offset=3.0)
    weights = np.random.default_rng(2).uniform(0.2, 2, 400) if weighted else np.ones(400)
    design = np.column_stack([columns[name] for name in features])
    design = statsmodels.add_constant(design) if intercept else design
    reference = statsmodels.WLS(columns["y"], design, weights=weights).fit()
    fit = Moments(columns, weights=weights if weighted else None).fit(f"y ~ {' + '.join(features)}{'' if intercept else ' - 1'}")
    assert fit.names == (("Intercept",) if intercept else ()) + tuple(features)
    np.testing.assert_allclose(fit.coefficients, reference.params, rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, reference.bse, rtol=1e-9)
    np.testing.assert_allclose(fit.covariance, reference.cov_params(), rtol=1e-8)
    for name, value in {
        "r_squared": reference.rsquared,
        "f_statistic": reference.fvalue,
        "log_likelihood": reference.llf,
        "aic": reference.aic,
        "bic": reference.bic,
        "dispersion": reference.scale,
        "degrees_of_freedom": reference.df_resid,
    }.items():
        assert getattr(fit, name) == pytest.approx(value, rel=1e-9), name
    assert fit.digits.min() > 10
    assert fit.dispersion_digits > 10


def test_frequencies_count_rows():
    columns = table(n=50)
    frequencies = np.random.default_rng(3).integers(0, 4, 50)
    repeated = {name: np.repeat(values, frequencies) for name, values in columns.items()}
    a, b = Moments(columns, frequencies=frequencies).fit("y ~ x1 + x2"), Moments(repeated).fit("y ~ x1 + x2")
    assert a.n == b.n
    np.testing.assert_allclose(a.standard_errors, b.standard_errors, rtol=1e-12)
    assert a.bic == pytest.approx(b.bic, rel=1e-12)


def test_weights_as_a_column():
    columns = table()
    columns["w"] = np.linspace(0, 1, 400)
    moments = Moments(columns, weights="w")
    assert "w" not in moments.names
    assert moments.n == 399
    assert np.array_equal(moments.covariance, Moments(table(), weights=columns["w"]).covariance)


@pytest.mark.parametrize("intercept", [True, False])
def test_ridge(intercept):
    columns = table(offset=2.0)
    fit = Moments(columns).fit(target="y", features=["x1", "x2"], intercept=intercept, penalty=0.4)
    design = np.column_stack([np.ones(400), columns["x1"], columns["x2"]])[:, 1 - int(intercept) :]
    penalty = 400 * 0.4 / 2 * np.diag([0.0] * int(intercept) + [1.0, 1.0])
    inverse = np.linalg.inv(design.T @ design + penalty)
    b = inverse @ design.T @ columns["y"]
    hat = inverse @ design.T @ design
    residuals = columns["y"] - design @ b
    dispersion = residuals @ residuals / (400 - np.trace(hat))
    np.testing.assert_allclose(fit.coefficients, b, rtol=1e-9)
    assert fit.dispersion == pytest.approx(dispersion, rel=1e-9)
    np.testing.assert_allclose(fit.covariance, hat @ inverse * dispersion, rtol=1e-7)
    assert fit.f_statistic is fit.log_likelihood is fit.aic is fit.bic is None


def test_any_column_can_be_the_target():
    moments = Moments(table())
    assert moments.fit("x2 ~ .").names == ("Intercept", "x1", "x3", "x4", "y")
    assert moments.fit(target="x1").names == ("Intercept", "x2", "x3", "x4", "y")
    assert moments.fit("x1 ~ 0 + `y` + x3").names == ("y", "x3")
    assert moments.fit("x1 ~ 1").coefficients.tolist() == [moments.means["x1"]]


@pytest.mark.parametrize("name", NIST)
def test_claims_on_nist_hold(name):
    data = NIST[name]
    x, y = np.array(data["x"], dtype=float), np.array(data["y"], dtype=float)
    certified = np.array(data["certified"]["coefficients"], dtype=float)
    if "^" in data["model"]:
        x = np.column_stack([x[:, 0] ** i for i in range(1, len(certified))])
    fit = Moments.from_arrays(x, y).fit(target="y", intercept=data["intercept"])
    with np.errstate(divide="ignore"):
        right = -np.log10(np.abs(fit.coefficients - certified) / np.abs(certified))
    if not fit.aliased:
        right = np.maximum(right, 0)
        # The certified values answer to the decimals and the fit to their doubles; 13 digits are common to both.
        assert (np.minimum(fit.digits, 13) <= np.minimum(right, 13) + 1e-9).all()


@pytest.mark.parametrize("seed", range(30))
def test_claims_hold_on_collinear_columns(seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(60, 4)) + random.choice([0, 1e4])
    x[:, 3] = x[:, 0] + x[:, 1] + 10.0 ** -random.uniform(0, 6) * x[:, 3]
    y = x @ random.normal(size=4) + random.normal(size=60)
    fit = Moments.from_arrays(x, y).fit(target="y")
    from gradline.rows.arrays import ArrayRows
    from gradline.solvers.least_squares.least_squares import least_squares

    truth = least_squares(ArrayRows(x, y[:, None])).coefficients[:, 0]
    if not fit.aliased:
        with np.errstate(divide="ignore"):
            assert (fit.digits <= -np.log10(np.abs(fit.coefficients - truth) / np.abs(truth)) + 1e-9).all()


def test_constant_and_duplicated_columns_are_aliased():
    columns = table()
    columns = {"one": np.full(400, 0.1), **columns, "again": columns["x2"], "nought": np.zeros(400)}
    fit = Moments(columns).fit("y ~ .")
    assert fit.aliased == ("one", "again", "nought")
    plain = Moments(table()).fit("y ~ .")
    np.testing.assert_allclose(fit.coefficients[[0, 2, 3, 4, 5]], plain.coefficients, rtol=1e-12)
    np.testing.assert_allclose(fit.standard_errors[[0, 2, 3, 4, 5]], plain.standard_errors, rtol=1e-10)
    assert fit.degrees_of_freedom == 395
    assert np.isnan(fit.digits[[1, 6, 7]]).all()


def test_saving_keeps_every_bit(tmp_path):
    moments = Moments(table(), weights=np.linspace(0.1, 1, 400))
    path = tmp_path / "moments.json"
    moments.save(path)
    loaded = Moments.load(path)
    assert loaded.names == moments.names
    assert loaded.means == moments.means
    assert np.array_equal(loaded.covariance, moments.covariance)
    assert loaded.fit("y ~ x1").log_likelihood == moments.fit("y ~ x1").log_likelihood
    assert [p.name for p in tmp_path.iterdir()] == ["moments.json"]


def test_thirty_columns_fit_fast_and_save_small(tmp_path):
    random = np.random.default_rng(5)
    x = random.normal(size=(2000, 30))
    moments = Moments.from_arrays(x, x @ random.normal(size=30) + random.normal(size=2000))
    moments.save(tmp_path / "m")
    assert (tmp_path / "m").stat().st_size < 50_000
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        moments.fit(target="y")
        best = min(best, time.perf_counter() - start)
    assert best < 5e-3


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: "", "cut short"),
        (lambda text: "[1, 2]", "not a moments file"),
        (lambda text: '{"format": "something"}', "not a moments file"),
        (lambda text: text.replace('"count": 400.0', '"count": 401.0'), "edited or damaged"),
        (lambda text: text.replace('"version": 1', '"version": 9'), "use a later one"),
        (lambda text: text.replace('"content"', '"contents"'), "edited or damaged"),
    ],
)
def test_damaged_files(tmp_path, damage, message):
    path = tmp_path / "moments.json"
    Moments(table()).save(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=message):
        Moments.load(path)


def test_a_checksum_does_not_make_a_file_sound(tmp_path):
    from gradline.moments import file as moments_file

    path = tmp_path / "moments.json"
    Moments(table()).save(path)
    document = json.loads(path.read_text())
    for key, value in {"products": [1.0], "names": ["a"], "weight": -1.0, "shift": None}.items():
        content = {**document["content"], key: value}
        path.write_text(json.dumps({**document, "content": content, "checksum": moments_file._checksum(content)}))
        with pytest.raises(ValueError, match="not a sound moments file"):
            Moments.load(path)


def test_different_columns_do_not_merge():
    first, second = Moments({"a": [1.0, 2], "b": [3.0, 4]}), Moments({"a": [1.0, 2], "c": [3.0, 4]})
    with pytest.raises(ValueError, match=r"only the first has b; only the second has c"):
        first + second
    with pytest.raises(ValueError, match="must be part of the first"):
        first - (first + first)
    swapped = Moments({"b": [3.0, 4], "a": [1.0, 2]})
    assert (first + swapped).means == {"a": 1.5, "b": 3.5}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Moments({"a": [1.0, np.nan]}), "column 'a' holds nan in row 1"),
        (lambda: Moments({"b": ["x", "y"]}), "no columns: column 'b' is not numeric"),
        (lambda: Moments({"a": [1.0, 2.0], "b": ["x", "y"]}, columns=["a", "b"]), "column 'b' is not numeric"),
        (lambda: Moments({"a": [1.0, 2.0], "b": ["x", "y"]}, weights="b"), "weights: column 'b' is not numeric"),
        (lambda: Moments({"a": [1.0, 2.0], "b": ["x", "y"]}).fit("a ~ b"), "'b' is not in the moments: column 'b' is not numeric"),
        (lambda: Moments({"abc": [1.0, 2.0]}, columns=["abd"]), "columns= names 'abd', which is no column; did you mean 'abc'"),
        (lambda: Moments({"abc": [1.0, 2.0]}, columns="abc"), r"as in columns=\['abc'\]"),
        (lambda: Moments({"a": [1.0, 2.0], "b": [1.0]}), "column 'b' has 1 rows, but 'a' has 2"),
        (lambda: Moments({}), "no columns"),
        (lambda: Moments({"a": []}), "no rows"),
        (lambda: Moments(np.ones((3, 2))), "from_arrays"),
        (lambda: Moments({"a": [1.0, 2.0]}, weights=[1.0, -1.0]), "weights holds -1.0 in row 1"),
        (lambda: Moments({"a": [1.0, 2.0]}, weights=[0.0, 0.0]), "every row has weight zero"),
        (lambda: Moments({"a": [1.0, 2.0]}, weights=[1.0]), "weights has 1 rows, but the columns have 2"),
        (lambda: Moments({"a": [1.0, 2.0]}, frequencies=[1.0, 0.5]), "whole numbers"),
        (lambda: Moments({"a": [1.0, 2.0]}, weights="w"), "weights='w' is not a column"),
        (lambda: Moments.from_arrays(np.ones((3, 2)), names=["a"]), "1 names for 2 columns"),
        (lambda: Moments(table()).fit("y ~ x9"), "Did you mean"),
        (lambda: Moments(table()).fit("y ~ log(x1)"), "plain column names"),
        (lambda: Moments(table()).fit("y ~ x1 +"), "ends where a column name should follow"),
        (lambda: Moments(table()).fit("y ~ x1 x2"), "after a name"),
        (lambda: Moments(table()).fit("y"), "one ~"),
        (lambda: Moments(table()).fit("y ~ y"), "cannot be a feature"),
        (lambda: Moments(table()).fit(), "either a formula"),
        (lambda: Moments(table()).fit("y ~ x1", penalty="lasso"), "a penalty with kinks such as a lasso"),
        (lambda: Moments(table()).fit("y ~ x1", penalty=-1), "from 0 up"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_frames_and_integers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2, 3, 5], "b": np.array([1, 0, 1, 1], dtype=np.float32), "c": [True, False, True, True]})
    moments = Moments(frame)
    assert moments.means == {"a": 2.75, "b": 0.75, "c": 0.75}
    assert repr(moments) == "Moments(4 rows, 3 columns: a, b, c)"


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_extreme_columns(scale):
    columns = table()
    columns["x1"] = columns["x1"] * scale
    fit, plain = Moments(columns).fit("y ~ x1 + x2"), Moments(table()).fit("y ~ x1 + x2")
    np.testing.assert_allclose(fit.coefficients * [1, scale, 1], plain.coefficients, rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors * [1, scale, 1], plain.standard_errors, rtol=1e-9)


def test_sum_of_a_list_is_the_moments_of_all_rows():
    columns = table(n=600)
    days = [Moments(rows(columns, slice(start, start + 100))) for start in range(0, 600, 100)]
    whole = sum(days)
    assert whole.n == 600
    assert scaled_difference(whole, Moments(columns)) <= 1e-14
    assert scaled_difference(sum(days[1:], days[0]), whole) == 0
    assert sum(days[:1]) is days[0]
    design = np.column_stack([np.ones(600), *(columns[f"x{j + 1}"] for j in range(4))])
    right = np.linalg.lstsq(design, columns["y"], rcond=None)[0]
    np.testing.assert_allclose(sum(days).fit("y ~ .").coefficients, right, rtol=1e-9)
    for other in (1, "0", None):
        with pytest.raises(TypeError):
            other + days[0]


@pytest.mark.parametrize("make", ["pandas.DataFrame", "polars.DataFrame", "pyarrow.table", "pyarrow.record_batch"])
def test_any_frame_gives_the_sums_of_its_columns(make):
    module, name = make.split(".")
    columns = table(n=30)
    found = Moments(getattr(pytest.importorskip(module), name)(columns))
    assert found.names == tuple(columns)
    np.testing.assert_allclose(found.covariance, np.cov(np.array(list(columns.values())), bias=True), rtol=1e-12)


SHOWN = {"y": [1.0, 3.0, 2.0, 5.0], "x": [1, 2, 3, 4], "truth": [True, False, True, True]}
ODD = {
    "text": ["a", "b", "a", "c"],
    "mixed": ["a", 1, None, 2.5],
    "category": pd.Categorical([1, 2, 1, 2]),
    "day": pd.to_datetime(["2020-01-01"] * 4),
    "complex": np.array([1 + 2j, 0, 1, 1]),
    "objects": [object(), 1, 2, 3],
}


@pytest.mark.parametrize("odd", ODD)
def test_a_column_that_holds_no_numbers_may_stand_beside_those_that_do(odd):
    frame = pd.DataFrame({**SHOWN, odd: ODD[odd]})
    for data in (frame, {name: frame[name] for name in frame}):
        moments = Moments(data)
        assert moments.names == ("y", "x", "truth")
        fit = moments.fit("y ~ x")
        np.testing.assert_allclose(fit.coefficients, np.polyfit(SHOWN["x"], SHOWN["y"], 1)[::-1], rtol=1e-12, atol=1e-14)
        for ask in (lambda m: m.fit(f"y ~ {odd}"), lambda m: m.fit(target=odd, features=["x"])):
            with pytest.raises(ValueError, match=f"^'{odd}' is not in the moments: .*column '{odd}'"):
                ask(moments + moments)
        for ask in (lambda m: m.fit("y ~ ."), lambda m: m.fit(target="y")):
            with pytest.raises(ValueError, match=rf"all other columns would leave out '{odd}'.*columns=\['y', 'x', 'truth'\]"):
                ask(moments)
        assert moments.fit(f"y ~ . - {odd}").names == ("Intercept", "x", "truth")
        # What the error says works when it is pasted.
        chosen = Moments(data, columns=["y", "x", "truth"])
        assert chosen.fit("y ~ .").names == ("Intercept", "x", "truth")
        assert (chosen + moments).n == 8


def test_columns_may_be_chosen():
    data = {**SHOWN, "gaps": [1.0, np.nan, 2.0, 3.0], "w": [1.0, 2.0, 3.0, 4.0]}
    with pytest.raises(ValueError, match="'gaps' holds nan in row 1: drop such rows first, or leave the column out with columns="):
        Moments(data)
    found = Moments(data, columns=["x", "y"], weights="w")
    assert found.names == ("x", "y")
    assert found.means["y"] == np.average(SHOWN["y"], weights=data["w"])


def as_text(frame):
    return io.StringIO(frame.to_csv(index=False))


def as_path(frame):
    path = os.path.join(tempfile.mkdtemp(), "t.parquet")
    frame.to_parquet(path)
    return path


@pytest.mark.parametrize(
    "door",
    [
        as_text,
        lambda frame: io.BytesIO(frame.to_csv(index=False).encode()),
        as_path,
        lambda frame: Path(as_path(frame)),
        lambda frame: [as_path(frame)],
        lambda frame: pytest.importorskip("polars").from_pandas(frame).lazy(),
        lambda frame: duckdb.from_df(frame),
    ],
)
def test_whatever_a_fit_reads(door):
    frame = pd.DataFrame({**SHOWN, "g": ["a", "b", "a", "c"]})
    found = Moments(door(frame))
    assert found.names == ("y", "x", "truth")
    numbers = frame[["y", "x", "truth"]].to_numpy(float)
    np.testing.assert_allclose(found.covariance, np.cov(numbers.T, bias=True), rtol=1e-12)
    with pytest.raises(ValueError, match="'g' is not in the moments: column 'g' is not numeric: it holds text"):
        found.fit("y ~ g")
    assert Moments(door(frame), columns=["y"], weights="x").means["y"] == np.average(SHOWN["y"], weights=SHOWN["x"])


def test_a_file_with_gaps_names_the_row():
    with pytest.raises(ValueError, match="column 'x' holds nan in row 1"):
        Moments(io.StringIO("y,x\n1,2\n3,\n4,5\n"))


def test_a_dot_without_some_columns():
    data = table()
    moments = Moments(data)
    names = [name for name in data if name not in ("y", "x2")]
    written = moments.fit("y ~ " + " + ".join(names))
    assert moments.fit("y ~ . - x2").names == written.names
    np.testing.assert_array_equal(moments.fit("y ~ . - x2").coefficients, written.coefficients)
    np.testing.assert_array_equal(moments.fit("y ~ . - x2 - 1").names, names)
    with pytest.raises(ValueError, match="no column 'x22' to take away; did you mean 'x2'"):
        moments.fit("y ~ . - x22")
    with pytest.raises(ValueError, match="have none beside 'y'"):
        Moments({"y": [1.0, 2.0, 4.0]}).fit("y ~ .")


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    "penalty",
    [
        gl.penalties.lasso(0.3),
        gl.penalties.elastic_net(0.3, 0.6, scaled=True),
        gl.penalties.group_lasso(0.2, [["x1", "x2"], ["x3"]]),
        gl.penalties.lasso(0.1, weights={"x3": 0.0}) + gl.penalties.ridge(0.2),
    ],
    ids=["lasso", "net", "groups", "sum"],
)
def test_a_penalty_with_kinks_is_fitted_as_over_rows(penalty, intercept):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 3)) * np.array([1.0, 1.2, 0.9]) + 2.0
    y = 1.5 * X[:, 0] - 0.2 * X[:, 2] + rng.normal(size=300)
    found = Moments({"x1": X[:, 0], "x2": X[:, 1], "x3": X[:, 2], "y": y}).fit(target="y", intercept=intercept, penalty=penalty)
    of_rows = gl.fit(X, y, intercept=intercept, penalty=penalty)
    np.testing.assert_allclose(found.coefficients, of_rows.coefficients, rtol=1e-9, atol=1e-12)
    left = y - X @ found.coefficients[int(intercept) :] - (found.coefficients[0] if intercept else 0.0)
    kept = np.count_nonzero(found.coefficients)
    assert found.dispersion == pytest.approx(left @ left / (300 - kept), rel=1e-9)
    assert 0 <= found.gap < 1e-10
    assert np.isnan(found.standard_errors).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": gl.penalties.lasso()}, "hold no rows out"),
        ({"penalty": gl.penalties.group_lasso(0.1, groups=[["x1"]]), "constraints": "x1 >= 0"}, "and 'group_lasso' is neither"),
        ({"penalty": gl.penalties.lasso(0.1, weights={"z": 2})}, "no column is named 'z'"),
    ],
)
def test_a_penalty_with_kinks_that_moments_cannot_fit(options, message):
    with pytest.raises(ValueError, match=message):
        Moments({"x1": np.arange(9.0), "y": np.arange(9.0) ** 2}).fit("y ~ x1", **options)
