"""Whole terms: their names, their tests, and what is refused."""

import numpy as np
import pytest
from references import MODELS, data, fitted

import gradline as gl

PENGUINS = gl.datasets.penguins()
FIT = gl.fit("body_mass_g ~ flipper_length_mm * C(species) + sex", PENGUINS)


def test_a_term_by_its_name_is_the_test_of_its_coefficients():
    whole = FIT.test("C(species)")
    by_hand = FIT.test("C(species)[T.Chinstrap] = 0, C(species)[T.Gentoo] = 0")
    assert (whole.statistic, whole.numerator, whole.p_value) == (by_hand.statistic, 2, by_hand.p_value)
    assert whole.hypothesis == "C(species): all 2 coefficients are zero"
    both = FIT.test("C(species), flipper_length_mm:C(species)")
    assert both.numerator == 4
    assert FIT.test("sex").statistic == pytest.approx(FIT.test("sex[T.male]").statistic)
    # What is a coefficient by its name stays one.
    assert FIT.test("flipper_length_mm").hypothesis == "flipper_length_mm = 0"


def test_a_category_of_many_levels_is_tested_as_a_whole():
    generator = np.random.default_rng(1)
    firm = generator.integers(0, 80, 2000).astype(str)
    x = generator.normal(size=2000)
    table = {"firm": firm, "x": x, "y": x + generator.normal(size=2000)}
    large, small = gl.fit("y ~ x + C(firm)", table), gl.fit("y ~ x", table)
    found, expected = large.test("C(firm)"), large.compare(small)
    assert found.numerator == expected.numerator == 79
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-8)
    assert large.anova()["F"][1] == pytest.approx(expected.statistic, rel=1e-8)


@pytest.mark.parametrize("asked", ["C(specis)", "specie", "C(island)"])
def test_a_term_that_does_not_exist(asked):
    with pytest.raises(gl.InferenceError, match=r"no coefficient|no term"):
        FIT.test(asked)


def test_the_nearest_term_is_named():
    with pytest.raises(gl.InferenceError, match=r"did you mean 'C\(species\)'"):
        FIT.test("C(specis)")


def test_aliased_coefficients_are_no_part_of_a_term():
    table = {**PENGUINS, "twice": np.array(PENGUINS["flipper_length_mm"]) * 2}
    with pytest.warns(gl.GradlineWarning, match="left out"):
        fit = gl.fit("body_mass_g ~ flipper_length_mm + twice + sex", table)
    rows = fit.anova()
    assert rows["df"][:3] == [1, 0, 1]
    assert rows["F"][1] is None
    with pytest.raises(gl.InferenceError, match="twice"):
        fit.test("twice")


def test_ratios_of_squared_loss_are_those_of_refits():
    """The sums of squares from the covariance alone against fits that leave terms out."""
    table = FIT.anova(2)
    without = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", PENGUINS, where="sex IS NOT NULL")
    with_sex = gl.fit("body_mass_g ~ flipper_length_mm + C(species) + sex", PENGUINS)
    interaction = with_sex.compare(FIT)
    assert table["F"][table["term"].index("flipper_length_mm:C(species)")] == pytest.approx(interaction.statistic, rel=1e-8)
    assert without.rows_used == with_sex.rows_used
    dropped = gl.fit("body_mass_g ~ flipper_length_mm * C(species)", PENGUINS, where="sex IS NOT NULL")
    assert table["F"][table["term"].index("sex")] == pytest.approx(FIT.compare(dropped).statistic, rel=1e-8)


def test_a_curve_has_the_test_of_its_own():
    fit = gl.fit("body_mass_g ~ s(flipper_length_mm) + C(species)", PENGUINS)
    curve = fit.curves[0]
    table = fit.anova()
    assert (table["F"][0], table["df"][0], table["p_value"][0]) == (curve.statistic, curve.reference, curve.p_value)
    assert fit.test("s(flipper_length_mm)").statistic == curve.statistic
    assert table["F"][1] == pytest.approx(fit.test("C(species)").statistic, rel=1e-10)
    # Its slope is that of the curve.
    at = {"flipper_length_mm": [180.0, 200.0]}
    slopes = fit.effects("flipper_length_mm", at=at)["estimate"]
    near = [fit.predict({"flipper_length_mm": [x - 1e-3, x + 1e-3], "species": ["Adelie"] * 2}) for x in at["flipper_length_mm"]]
    np.testing.assert_allclose(slopes, [(b - a) / 2e-3 for a, b in near], rtol=1e-6)


def test_thresholds_have_no_terms():
    table = {**PENGUINS, "k": [["Adelie", "Chinstrap", "Gentoo"].index(name) for name in PENGUINS["species"]]}
    fit = gl.fit("k ~ body_mass_g + sex", table, loss=gl.losses.ordinal())
    assert [term.name for term in fit.terms] == ["body_mass_g", "sex"]
    assert fit.anova(data=table)["df"] == [1, 1]
    rows = list(gl.compare_models(fit, fit).coefficients)
    assert rows == ["location:body_mass_g", "location:sex[T.male]", "threshold_1:Intercept", "threshold_2:Intercept"]
    drawn = fit.bootstrap(table, replications=5, seed=1).table()
    assert drawn["predictor"] == ["location", "location", "threshold_1", "threshold_2"]


def test_fits_within_constraints_are_refused():
    fit = gl.fit("body_mass_g ~ flipper_length_mm + bill_length_mm", PENGUINS, constraints="bill_length_mm >= 10")
    for asked in (
        lambda: fit.bootstrap(PENGUINS),
        lambda: fit.drop_each(PENGUINS),
        lambda: fit.interval(0.9, "profile", PENGUINS),
    ):
        with pytest.raises(gl.InferenceError, match="within constraints"):
            asked()


def test_several_linear_predictors_have_their_own_terms():
    fit = gl.fit({"mean": "body_mass_g ~ sex + C(species)", "log_scale": "~ sex"}, PENGUINS, loss="normal")
    assert [term.name for term in fit.terms] == ["mean:sex", "mean:C(species)", "log_scale:sex"]
    ratios = fit.anova(2, PENGUINS)
    smaller = gl.fit({"mean": "body_mass_g ~ sex + C(species)", "log_scale": "~ 1"}, PENGUINS, loss="normal", where="sex IS NOT NULL")
    assert ratios["chi2"][2] == pytest.approx(2 * (fit.log_likelihood - smaller.log_likelihood), rel=1e-6)
    assert fit.test("mean:C(species)").numerator == 2


CLASSES = {"Adelie": 0, "Chinstrap": 1, "Gentoo": 2}


def test_a_term_of_classes_is_one_whatever_their_number():
    species = np.array([CLASSES[name] for name in PENGUINS["species"]])
    table = {"y": species[::3], "year": PENGUINS["year"][::3], "heavy": (np.arange(len(species)) % 7)[::3]}
    table["y"] = (table["y"] + np.arange(len(table["y"]))) % 3  # no longer told apart by a column
    fit = gl.fit("y ~ year + heavy", table, loss="multinomial")
    assert [term.name for term in fit.terms] == ["year", "heavy"]
    without = gl.fit("y ~ heavy", table, loss="multinomial")
    ratios, dropped = fit.anova(2, table), fit.drop_each(table)
    assert ratios["df"] == [2, 2]
    assert dropped["df"] == [None, 2, 2]
    drop = 2 * (fit.log_likelihood - without.log_likelihood)
    assert ratios["chi2"][0] == pytest.approx(drop, abs=1e-9)
    assert dropped["chi2"][1] == pytest.approx(drop, abs=1e-9)
    assert fit.test("year").statistic == pytest.approx(fit.test("class_1:year = 0, class_2:year = 0").statistic)
    ordered = gl.fit("y ~ year + heavy", table, loss="ordinal")
    assert (ordered.anova()["term"], ordered.anova()["df"]) == (["year", "heavy"], [1, 1])
    assert ordered.test("location:year").statistic == ordered.test("year").statistic


def test_an_estimated_dispersion_is_no_term():
    rng = np.random.default_rng(7)
    x, g = rng.normal(size=400), np.array(["a", "b"])[rng.integers(2, size=400)]
    table = {"x": x, "g": g, "y": rng.negative_binomial(2, 1 / (1 + 0.5 * np.exp(0.5 + 0.4 * x)))}
    fit = gl.fit("y ~ x + C(g)", table, loss="negative_binomial")
    assert fit.anova(data=table)["term"] == ["x", "C(g)"]
    assert fit.drop_each(table)["term"] == ["(none)", "x", "C(g)"]
    assert fit.test("log_mean:C(g)") == fit.test("C(g)")
    table["y"] = table["y"] * (rng.random(400) > 0.3)
    both = gl.fit("y ~ x + C(g)", table, loss="zero_inflated")
    assert both.anova()["term"] == ["log_mean:x", "log_mean:C(g)", "log_odds_of_zero:x", "log_odds_of_zero:C(g)"]
    assert both.test("C(g)").numerator == 2
    assert both.test("C(g)").hypothesis == "log_mean:C(g) and log_odds_of_zero:C(g): all 2 coefficients are zero"


RNG = np.random.default_rng(3)
Z, X1 = RNG.uniform(0, 10, 300), RNG.normal(size=300)
BENT = np.sin(Z) + 0.5 * X1
CURVED = {
    "ordinal": np.digitize(BENT + RNG.logistic(size=300), [-1, 1]),
    "negative_binomial": RNG.negative_binomial(2, 1 / (1 + 0.5 * np.exp(0.5 * BENT + 1))),
    "beta": RNG.beta(3 * np.exp(BENT / 3), 3),
    "log_normal": np.exp(BENT + RNG.normal(size=300)),
}


@pytest.mark.parametrize("name", CURVED)
def test_a_curve_is_of_the_linear_predictors_that_have_slopes(name):
    table = {"x": X1, "z": Z, "y": CURVED[name], "s": np.ones(300)}
    left = "surv(y, s)" if name == "log_normal" else "y"
    fit = gl.fit(f"{left} ~ x + s(z)", table, loss=name)
    (curve,) = fit.curves
    assert curve.name == "s(z)"
    assert 3 < curve.degrees_of_freedom < 9
    assert curve.p_value < 0.01
    assert fit.anova()["p_value"][1] == curve.p_value == fit.test("s(z)").p_value
    # Held back without end it is a straight line.
    straight = gl.fit(f"{left} ~ x + s(z, strength=1e9)", table, loss=name)
    assert straight.curves[0].degrees_of_freedom == pytest.approx(1, abs=1e-4)
    plain = gl.fit(f"{left} ~ x + z", table, loss=name, covariance="classical")
    assert straight.loss == pytest.approx(plain.loss, abs=1e-6)
    effects = plain.effects("x", scale="linear", at={"z": 1.0})
    assert len(effects["estimate"]) == 1
    assert effects["estimate"][0] == pytest.approx(plain.coefficients[1, 0], rel=1e-8)


def test_several_curves_have_a_test_in_each_linear_predictor():
    table = {"z": Z, "y": np.digitize(BENT + RNG.logistic(size=300), [-1, 1])}
    fit = gl.fit("y ~ s(z)", table, loss="multinomial")
    assert fit.anova()["term"] == ["class_1:s(z)", "class_2:s(z)"]
    assert fit.anova()["p_value"] == [curve.p_value for curve in fit.curves]


def test_a_model_of_arrays_has_a_term_a_column():
    generator = np.random.default_rng(3)
    X = generator.normal(size=(60, 2))
    fit = gl.fit(X, X @ [1, 2] + generator.normal(size=60))
    assert fit.anova()["term"] == ["x1", "x2", "Residual"]
    np.testing.assert_allclose(fit.anova(3)["F"][:2], fit.statistics[1:] ** 2, rtol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_the_note_says_which_test_it_is(name):
    fit = fitted(name)
    said = fit.anova().notes[0]
    assert ("sums of squares" in said) == (name == "penguins")
    assert ("Wald, classical" in said) == (name != "penguins")
    over = fit.anova(data=data(name)).notes[0]
    expected = {"penguins": "F of the sums of squares", "scotland": "F of the deviances"}.get(name, "likelihood ratio")
    assert expected in over


FEWER = {name: list(values)[:100] for name, values in data("visits").items()}
HUBER = gl.fit("body_mass_g ~ sex", PENGUINS, loss=gl.losses.huber(300.0))
BAD = {
    "no such type": (lambda: FIT.anova(4), "type must be 1, 2 or 3"),
    "no such test": (lambda: FIT.anova(test="score"), 'test must be "F"'),
    "a ratio without rows": (lambda: fitted("visits").anova(test="likelihood ratio"), "a Fit holds no rows"),
    "a ratio of squares": (lambda: FIT.anova(test="likelihood ratio"), "F of the sums of squares"),
    "an F of counts": (lambda: fitted("visits").anova(test="F"), "no dispersion free"),
    "no likelihood": (
        lambda: gl.fit("body_mass_g ~ sex", PENGUINS, loss=gl.losses.huber(300.0)).anova(data=PENGUINS, test="likelihood ratio"),
        "is no likelihood",
    ),
    "other rows": (lambda: fitted("visits").anova(2, FEWER), "not the rows the model was fitted to"),
    "no term": (lambda: gl.fit("body_mass_g ~ 1", PENGUINS).anova(), "no term but its intercept"),
    "drops without rows": (lambda: FIT.drop_each(), "a Fit holds no rows"),
    "drops of no likelihood": (lambda: HUBER.drop_each(PENGUINS), "no likelihood"),
    "drops of a penalised": (
        lambda: gl.fit("body_mass_g ~ sex", PENGUINS, penalty=gl.penalties.ridge(0.1)).drop_each(PENGUINS),
        "penalised",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_had_is_said(case):
    asked, message = BAD[case]
    with pytest.raises(gl.GradlineError, match=message):
        asked()
