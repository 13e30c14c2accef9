"""Effects, predictions and contrasts: what they are of any model, from a file, over streams, at ends of splines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import data, fitted

import gradline as gl
from gradline.effects import passes

PENGUINS = gl.datasets.penguins()


def estimates(table):
    return np.array([table["estimate"], table["standard_error"]]).T


@pytest.fixture(scope="module")
def drawn():
    generator = np.random.default_rng(4)
    n = 400
    x, z, g = generator.uniform(0.5, 4, n), generator.normal(size=n), generator.choice(["a", "b", "c"], n)
    eta = 0.4 * np.log(x) + 0.3 * z * (g == "b") - 0.2
    return {"x": x, "z": z, "g": g, "y": generator.poisson(np.exp(eta)), "w": generator.integers(0, 4, n)}


def test_a_slope_of_a_transform_is_its_derivative(drawn):
    fit = gl.fit("y ~ log(x) + poly(z, 3)", drawn, loss="poisson")
    table = fit.effects("x", data=drawn, kind="each row")
    exact = fit.coefficients[1] / drawn["x"] * fit.predict(drawn)
    np.testing.assert_allclose(table["estimate"], exact, rtol=1e-9)
    average = fit.effects("x", data=drawn)
    assert average["estimate"][0] == pytest.approx(exact.mean(), rel=1e-10)


def test_errors_are_the_delta_method_by_hand(drawn):
    fit = gl.fit("y ~ log(x) + z", drawn, loss="poisson", covariance="HC1")
    design = np.column_stack([np.ones(400), np.log(drawn["x"]), drawn["z"]])
    mean = fit.predict(drawn)
    gradient = (design * (fit.coefficients[1] / drawn["x"] * mean)[:, None]).mean(axis=0)
    gradient[1] += (mean / drawn["x"]).mean()
    error = np.sqrt(gradient @ fit.covariance().matrix @ gradient)
    assert fit.effects("x", data=drawn)["standard_error"][0] == pytest.approx(error, rel=1e-8)


def test_a_slope_at_the_end_of_a_spline_is_that_of_its_inner_side():
    fit = gl.fit("body_mass_g ~ bs(flipper_length_mm, df=6)", PENGUINS)
    ends = [172.0, 231.0]
    table = fit.effects("flipper_length_mm", at={"flipper_length_mm": ends})
    h = 1e-2
    for end, slope, side in zip(ends, table["estimate"], (1, -1), strict=True):
        # Of a cubic the formula of four points is exact.
        near = fit.predict({"flipper_length_mm": [end + side * h * j for j in range(4)]})
        assert slope == pytest.approx(near @ [-11, 18, -9, 2] / (6 * side * h), rel=1e-8)
    # Rows that lie at the ends are averaged over like the others.
    whole = fit.effects("flipper_length_mm", data=PENGUINS, kind="each row")
    assert len(whole) == fit.rows_used
    assert np.isfinite(whole["estimate"]).all()
    assert fit.effects("flipper_length_mm", data=PENGUINS)["estimate"][0] == pytest.approx(np.mean(whole["estimate"]), rel=1e-9)


def test_a_linear_effect_needs_no_rows_and_is_the_coefficient():
    fit = gl.fit("body_mass_g ~ flipper_length_mm + C(species) + sex", PENGUINS)
    for table in (fit.effects(), fit.effects(data=PENGUINS), fit.effects(data=PENGUINS, kind="at means")):
        own = estimates(table)
        np.testing.assert_allclose(own[:, 0], fit.coefficients[1:], rtol=1e-9)
        np.testing.assert_allclose(own[:, 1], fit.standard_errors[1:], rtol=1e-8)
        np.testing.assert_allclose(table["p_value"], fit.p_values[1:], rtol=1e-7)
        np.testing.assert_allclose(table["lower"], fit.interval().lower[1:], rtol=1e-7)


def test_interactions_are_told_apart_without_rows():
    fit = gl.fit("body_mass_g ~ flipper_length_mm * C(species) + poly(bill_length_mm, 2)", PENGUINS)
    without = fit.effects("flipper_length_mm", by="species")
    over = fit.effects("flipper_length_mm", by="species", data=PENGUINS)
    np.testing.assert_allclose(estimates(without), estimates(over), rtol=1e-9)
    assert without["species"] == ["Adelie", "Chinstrap", "Gentoo"]
    with pytest.raises(gl.InferenceError, match=r"depends on species.*data=\.\.\., or their values, at=\{'species': \.\.\.\}"):
        fit.effects("flipper_length_mm")
    with pytest.raises(gl.InferenceError, match="depends on bill_length_mm"):
        fit.effects("bill_length_mm")


def test_from_a_model_file(tmp_path):
    fit = gl.fit("visits ~ age * smokes + clinic", data("visits"), loss="poisson")
    fit.save(tmp_path / "model.json")
    read = gl.load(tmp_path / "model.json")
    at = {"age": [30, 40], "smokes": "all", "clinic": "west"}
    for found, expected in (
        (read.predictions(at=at), fit.predictions(at=at)),
        (read.effects("age", at=at, scale="linear"), fit.effects("age", at=at, scale="linear")),
        (read.contrasts("clinic", scale="linear"), fit.contrasts("clinic", scale="linear")),
        (read.effects(data=data("visits")), fit.effects(data=data("visits"))),
        (read.anova(), fit.anova()),
    ):
        assert found.to_dict() == expected.to_dict()
    assert repr(read.test("clinic")) == repr(fit.test("clinic"))


def test_predictions_are_those_of_predict_with_its_intervals(drawn):
    fit = gl.fit("y ~ x + z * g", drawn, loss="poisson")
    table = fit.predictions(at={"x": [1.0, 2.0], "z": 0.5, "g": "all"})
    rows = {"x": np.repeat([1.0, 2.0], 3), "z": np.full(6, 0.5), "g": ["a", "b", "c"] * 2}
    expected = fit.predict(rows, interval="confidence")
    np.testing.assert_allclose(table["estimate"], expected.prediction, rtol=1e-12)
    np.testing.assert_allclose(table["lower"], expected.lower, rtol=1e-12)
    np.testing.assert_allclose(table["upper"], expected.upper, rtol=1e-12)
    each = fit.predictions(data=drawn, kind="each row")
    np.testing.assert_allclose(each["upper"], fit.predict(drawn, interval="confidence").upper, rtol=1e-10)
    assert "p_value" not in table.columns


def test_streamed_rows_give_the_same_and_frequencies_are_rows_repeated(drawn, monkeypatch):
    counted = gl.fit("y ~ x + z * g", drawn, loss="poisson", frequencies="w")
    times = drawn["w"]
    repeated = {name: np.repeat(values, times) for name, values in drawn.items()}
    plain = gl.fit("y ~ x + z * g", repeated, loss="poisson")
    expected = estimates(plain.effects(data=repeated))
    np.testing.assert_allclose(estimates(counted.effects(data=drawn)), expected, rtol=1e-7)
    monkeypatch.setattr(passes, "block_rows", lambda *shape: 64 // passes.CHUNK_BLOCKS)
    np.testing.assert_allclose(estimates(plain.effects(data=repeated)), expected, rtol=1e-10)
    by = plain.predictions(by=["g", "w"], data=repeated)
    cells = [repeated["y"][(repeated["g"] == g) & (repeated["w"] == w)].size for g, w in zip(by["g"], by["w"], strict=True)]
    assert sum(cells) == len(repeated["y"])


def test_rows_without_a_value_are_left_out_as_in_the_fit():
    fit = gl.fit("body_mass_g ~ flipper_length_mm + sex", PENGUINS)
    table = fit.predictions(data=PENGUINS)
    kept = [i for i, sex in enumerate(PENGUINS["sex"]) if sex in ("male", "female")]
    assert table["estimate"][0] == pytest.approx(np.mean([PENGUINS["body_mass_g"][i] for i in kept]), rel=1e-12)


def test_classes_and_several_predictors():
    table = {name: list(PENGUINS[name]) for name in PENGUINS}
    table["k"] = [["Adelie", "Chinstrap", "Gentoo"].index(name) for name in table["species"]]
    fit = gl.fit("k ~ bill_length_mm + body_mass_g", table, loss="multinomial")
    effects = fit.effects("bill_length_mm", data=table)
    assert effects["output"] == ["0", "1", "2"]
    # Probabilities add up to one, so that what one gains the others lose.
    assert abs(sum(effects["estimate"])) < 1e-10
    h = 1e-5
    moved = {**table, "bill_length_mm": np.array(table["bill_length_mm"]) + h}
    lowered = {**table, "bill_length_mm": np.array(table["bill_length_mm"]) - h}
    slopes = np.nanmean(fit.predict(moved) - fit.predict(lowered), axis=0) / (2 * h)
    np.testing.assert_allclose(effects["estimate"], slopes, rtol=1e-5, atol=1e-9)
    both = gl.fit({"mean": "body_mass_g ~ sex", "log_scale": "~ sex"}, PENGUINS, loss="normal")
    linear = both.effects("sex", scale="linear")
    assert linear["output"] == ["mean", "log_scale"]
    np.testing.assert_allclose(estimates(linear), np.stack([both.coefficients[1], both.standard_errors[1]], axis=1), rtol=1e-9)


def test_groups_at_means_are_levels():
    fit = gl.fit("body_mass_g ~ flipper_length_mm * C(species) + sex", PENGUINS)
    table = fit.effects("flipper_length_mm", by="species", kind="at means", data=PENGUINS)
    assert table["species"] == ["Adelie", "Chinstrap", "Gentoo"]
    np.testing.assert_allclose(estimates(table), estimates(fit.effects("flipper_length_mm", by="species")), rtol=1e-8)


def test_a_loss_of_ones_own_has_effects():
    jax = pytest.importorskip("jax")

    def rate(y, prediction):
        return prediction - y * jax.numpy.log(prediction)

    generator = np.random.default_rng(2)
    x = generator.normal(size=200)
    y = generator.poisson(np.exp(0.5 + 0.3 * x))
    own = gl.fit(x, y, loss=rate, prediction=lambda eta: jax.numpy.exp(eta), covariance="HC1")
    known = gl.fit(x, y, loss="poisson", covariance="HC1")
    np.testing.assert_allclose(estimates(own.effects(data=x)), estimates(known.effects(data=x)), rtol=1e-6)


def test_differences_and_ratios_agree_with_predictions():
    fit = fitted("visits")
    at = {"age": 50, "clinic": "north"}
    low, high = fit.predictions(at={**at, "smokes": ["no", "yes"]})["estimate"]
    difference = fit.effects("smokes", at=at)
    ratio = fit.effects("smokes", at=at, compare="ratio")
    assert difference["estimate"][0] == pytest.approx(high - low, rel=1e-12)
    assert ratio["estimate"][0] == pytest.approx(high / low, rel=1e-12)
    # Of a log link without interactions a ratio is exp of a coefficient, and so are the ends of its interval.
    rates = fit.effects("clinic", at={"age": 50, "smokes": "no"}, compare="ratio")
    places = [fit.names.index(f"clinic[T.{level}]") for level in ("south", "west")]
    np.testing.assert_allclose(rates["estimate"], np.exp(fit.coefficients[places]), rtol=1e-10)
    np.testing.assert_allclose(rates["lower"], np.exp(fit.interval().lower[places]), rtol=1e-8)
    np.testing.assert_allclose(rates["p_value"], fit.p_values[places], rtol=1e-6)


def test_written_contrasts_and_cells():
    fit = fitted("warpbreaks")
    table = fit.contrasts("tension", {"low against the rest": {"L": 1, "M": -0.5, "H": -0.5}}, at={"wool": "A"})
    values = dict(zip(*(fit.predictions(at={"wool": "A", "tension": "all"})[name] for name in ("tension", "estimate")), strict=True))
    assert table["estimate"][0] == pytest.approx(values["L"] - (values["M"] + values["H"]) / 2, rel=1e-12)
    cells = fit.contrasts("wool:tension", "reference")
    assert len(cells) == 5
    assert cells["contrast"][0] == "A L - A H"


def test_holm_and_bonferroni_by_hand():
    fit = fitted("warpbreaks")
    raw = np.array(fit.contrasts("wool:tension", "reference")["p_value"])
    holm = np.array(fit.contrasts("wool:tension", "reference", adjust="holm")["p_value"])
    order = np.argsort(raw)
    expected = np.minimum(1.0, np.maximum.accumulate(raw[order] * (len(raw) - np.arange(len(raw)))))
    np.testing.assert_allclose(holm[order], expected)
    bonferroni = fit.contrasts("wool:tension", "reference", adjust="bonferroni")["p_value"]
    np.testing.assert_allclose(bonferroni, np.minimum(1.0, raw * len(raw)))


def test_values_outside_of_the_rows_are_said():
    fit = gl.fit("body_mass_g ~ flipper_length_mm", PENGUINS)
    with pytest.warns(gl.GradlineWarning, match=r"flipper_length_mm = 100, 300 lies outside of the rows, which reach from 172 to 231"):
        table = fit.predictions(at={"flipper_length_mm": [100, 200, 300]}, data=PENGUINS)
    assert "extrapolates" in table.notes[0]
    assert "extrapolates" in str(table)


def test_tables_become_frames_and_pages():
    pandas, polars, pyarrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    table = fitted("visits").effects(by="clinic", data=data("visits"))
    rows = len(table)
    for frame in (table.to_pandas(), pandas.DataFrame(table), polars.DataFrame(table), pyarrow.table(table).to_pandas()):
        assert frame.shape == (rows, 9)
        assert list(frame["clinic"][:3]) == ["north", "south", "west"]
    assert next(iter(table)).estimate == table["estimate"][0]
    html = table._repr_html_()
    assert html.count("<tr>") == rows + 1
    assert "95% from" in html
    assert str(table).splitlines()[0] == "Effects on visits"
    assert "delta method, classical covariance" in str(table)


@settings(max_examples=15, deadline=None)
@given(shift=st.floats(-1e3, 1e3), unit=st.floats(1e-3, 1e3))
def test_effects_follow_the_unit_of_their_column_and_not_its_zero(shift, unit):
    generator = np.random.default_rng(3)
    x = generator.normal(size=60)
    y = (generator.uniform(size=60) < 1 / (1 + np.exp(-x))).astype(int)
    plain = gl.fit("y ~ x", {"x": x, "y": y}, loss="logistic").effects("x", data={"x": x})
    moved = x * unit + shift
    other = gl.fit("y ~ x", {"x": moved, "y": y}, loss="logistic").effects("x", data={"x": moved})
    assert other["estimate"][0] * unit == pytest.approx(plain["estimate"][0], rel=1e-6)
    assert other["p_value"][0] == pytest.approx(plain["p_value"][0], rel=1e-5)


FIT = gl.fit("body_mass_g ~ flipper_length_mm * C(species) + sex", PENGUINS)
SMALL = gl.fit("body_mass_g ~ sex", PENGUINS)
COUNTS = gl.fit("visits ~ age + clinic", data("visits"), loss="poisson")

BAD = {
    "no such column": (lambda: FIT.effects("fliper_length_mm"), r"no column 'fliper_length_mm'; did you mean 'flipper_length_mm'\?"),
    "the target": (lambda: FIT.effects("body_mass_g"), "is what the model predicts"),
    "no such level": (lambda: FIT.predictions(at={"species": "Adele", "sex": "male"}), r"no level 'Adele'; did you mean 'Adelie'\?"),
    "text for a number": (lambda: FIT.effects("sex", at={"flipper_length_mm": "long"}), "holds numbers, and 'long' is none"),
    "not finite": (lambda: FIT.effects("sex", at={"flipper_length_mm": np.inf}), "must be finite"),
    "all numbers": (lambda: FIT.predictions(at={"flipper_length_mm": "all"}), '"all" means every level, and column'),
    "at a list": (lambda: FIT.predictions(at=["species"]), "at= takes a dict"),
    "each row of nothing": (lambda: FIT.effects(kind="each row"), "a Fit holds none"),
    "no such kind": (lambda: FIT.effects(kind="mean"), 'kind must be "average"'),
    "no such scale": (lambda: FIT.effects(scale="response"), 'scale must be "mean"'),
    "no such comparison": (lambda: FIT.effects(compare="odds"), 'compare must be "difference" or "ratio"'),
    "a ratio of slopes": (lambda: FIT.effects("flipper_length_mm", compare="ratio", at={"species": "Adelie"}), "say how far"),
    "a step of a category": (lambda: FIT.effects("sex", change=1), "takes a pair"),
    "a step of nothing": (lambda: FIT.effects("flipper_length_mm", change=0, data=PENGUINS), "other than zero"),
    "at and by": (lambda: FIT.effects("sex", at={"species": "Adelie"}, by="species", data=PENGUINS), "set by at="),
    "by a number without rows": (lambda: COUNTS.effects("clinic", by="age"), "give data="),
    "by nothing there is": (lambda: FIT.effects("sex", by="colour", data=PENGUINS), "no column 'colour'"),
    "contrasts of a number": (lambda: FIT.contrasts("flipper_length_mm"), "no levels to compare"),
    "contrasts of no term": (lambda: FIT.contrasts("C(specis)"), "the model has no column"),
    "no such contrasts": (lambda: FIT.contrasts("species", "trt", at={"flipper_length_mm": 200}), '"pairs", "reference", "sequential"'),
    "tukey of others": (lambda: FIT.contrasts("species", "reference", adjust="tukey"), "for all pairs"),
    "no such adjustment": (lambda: FIT.contrasts("species", adjust="sidak"), "adjust must be"),
    "weights that add up": (
        lambda: FIT.contrasts("species", {"a": {"Adelie": 1, "Gentoo": 1}}, at={"flipper_length_mm": 200}),
        "add up to 2: those of a contrast add up to zero",
    ),
    "counts without rows": (lambda: COUNTS.effects("age"), "depends on age, clinic, and a Fit holds no rows"),
    "no errors": (lambda: gl.fit("visits ~ age", data("visits"), loss="poisson", covariance=False).effects(), "standard errors"),
    "a bootstrap of another": (lambda: FIT.effects(data=PENGUINS, bootstrap=SMALL.bootstrap(PENGUINS, replications=2)), "of another fit"),
    "no bootstrap": (lambda: FIT.effects(data=PENGUINS, bootstrap=True), "what fit.bootstrap"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_had_is_said(case):
    asked, message = BAD[case]
    with pytest.raises(gl.GradlineError, match=message):
        asked()


def test_arrays_with_an_offset_are_refused_on_the_scale_of_the_mean():
    generator = np.random.default_rng(1)
    x, offset = generator.normal(size=50), np.full(50, 0.5)
    fit = gl.fit(x, generator.poisson(2.0, 50), loss="poisson", offset=offset)
    with pytest.raises(gl.InferenceError, match="offset"):
        fit.effects(data=x)
    assert fit.effects(scale="linear")["estimate"][0] == pytest.approx(fit.coefficients[1])
