"""Effects, contrasts, terms and profiles against statsmodels, marginaleffects, emmeans, car and R, on five data sets."""

import numpy as np
import pytest
from references import MODELS, PYTHON, R, data, fitted

CLOSE = {"rtol": 1e-6, "atol": 1e-12}


def numbers(rows, *names):
    return np.array([[row[name] for name in names] for row in rows], dtype=float)


def found(table):
    return np.array([table["estimate"], table["standard_error"]]).T


def by_label(table):
    """Estimates and errors by variable and contrast."""
    return {
        (variable, "dY/dX" if contrast == "slope" else contrast): values
        for variable, contrast, values in zip(table["variable"], table["contrast"], found(table), strict=True)
    }


@pytest.mark.parametrize(("key", "covariance"), [*((name, None) for name in MODELS), ("penguins HC3", "HC3")])
def test_average_effects_are_those_of_marginaleffects(key, covariance):
    name = key.split()[0]
    own = by_label(fitted(name, covariance).effects(data=data(name)))
    expected = PYTHON[key]["average effects"]
    assert len(own) == len(expected)
    for term, contrast, *values in expected:
        np.testing.assert_allclose(own[term, contrast], values, **CLOSE)


@pytest.mark.parametrize(("name", "variable", "by"), [("penguins", "flipper_length_mm", "species"), ("visits", "age", "clinic")])
def test_effects_by_group_are_those_of_marginaleffects(name, variable, by):
    table = fitted(name).effects(variable, by=by, data=data(name))
    expected = {group: values for group, *values in PYTHON[name][f"by {by}"]}
    for group, values in zip(table[by], found(table), strict=True):
        np.testing.assert_allclose(values, expected[group], **CLOSE)


def test_steps_ratios_and_predictions_are_those_of_marginaleffects():
    visits, breaks = fitted("visits"), fitted("warpbreaks")
    step = visits.effects("age", change=(40, 50), data=data("visits"))
    np.testing.assert_allclose(found(step), [PYTHON["visits"]["step of ten"][0][1:]], **CLOSE)
    ratio = breaks.effects("wool", compare="ratio", data=data("warpbreaks"))
    np.testing.assert_allclose(found(ratio), [PYTHON["warpbreaks"]["ratios"][0][1:]], **CLOSE)
    mean = visits.predictions(by="clinic", data=data("visits"))
    np.testing.assert_allclose(found(mean), [row[1:] for row in PYTHON["visits"]["predictions by clinic"]], **CLOSE)
    at = visits.predictions(at={"age": [30, 60], "clinic": ["north", "west"]}, kind="at means", data=data("visits"))
    expected = {(age, clinic): values for age, clinic, *values in PYTHON["visits"]["at means"]}
    for age, clinic, values in zip(at["age"], at["clinic"], found(at), strict=True):
        np.testing.assert_allclose(values, expected[age, clinic], **CLOSE)


def test_effects_at_means_are_those_of_marginaleffects():
    own = by_label(fitted("spector").effects(kind="at means", data=data("spector")))
    for term, contrast, *values in PYTHON["spector"]["at means"]:
        np.testing.assert_allclose(own[term, contrast], values, **CLOSE)


@pytest.mark.parametrize(("at", "kind"), [("overall", "average"), ("mean", "at means")])
def test_margins_are_those_of_statsmodels(at, kind):
    import gradline as gl

    fit = gl.fit("grade ~ gpa + tuce", data("spector"), loss="logistic")
    table = fit.effects(kind=kind, data=data("spector"))
    np.testing.assert_allclose(found(table), [row[1:] for row in PYTHON["spector"][f"get_margeff {at}"]], **CLOSE)


R_CONTRASTS = [
    (
        "penguins",
        "pairs tukey",
        {"contrasts": "pairs", "adjust": "tukey", "at": {"flipper_length_mm": 200}},
        "species",
        "lower.CL",
        "t.ratio",
    ),
    (
        "penguins",
        "pairs holm",
        {"contrasts": "pairs", "adjust": "holm", "at": {"flipper_length_mm": 200}},
        "species",
        "lower.CL",
        "t.ratio",
    ),
    ("visits", "reference", {"contrasts": "reference", "at": {"age": 40}}, "clinic", "asymp.LCL", "z.ratio"),
]


@pytest.mark.parametrize(("name", "key", "options", "term", "end", "ratio"), R_CONTRASTS, ids=[case[1] for case in R_CONTRASTS])
def test_contrasts_are_those_of_emmeans(name, key, options, term, end, ratio):
    table = fitted(name).contrasts(term, scale="linear", **options)
    rows = {row["contrast"]: row for row in R[name][key]}
    own = zip(table["contrast"], found(table), table["t" if "t" in table.columns else "z"], table["p_value"], table["lower"], strict=True)
    for label, values, statistic, p_value, lower in own:
        row = rows[label]
        np.testing.assert_allclose(values, [row["estimate"], row["SE"]], **CLOSE)
        np.testing.assert_allclose([statistic, lower], [row[ratio], row[end]], **CLOSE)
        # R's studentized range has some ten digits.
        assert p_value == pytest.approx(row["p.value"], rel=1e-5, abs=1e-10)


@pytest.mark.parametrize(("key", "adjust"), [("pairs by wool", "tukey"), ("sequential", None)])
def test_contrasts_within_groups_are_those_of_emmeans(key, adjust):
    # R puts the levels in the order H, L, M, and so does a formula.
    table = fitted("warpbreaks").contrasts(
        "tension", "pairs" if adjust else "sequential", adjust=adjust, at={"wool": "all"}, scale="linear"
    )
    rows = {(row["wool"], row["contrast"]): row for row in R["warpbreaks"][key]}
    assert len(table) == len(rows)
    for wool, label, values, p_value in zip(table["wool"], table["contrast"], found(table), table["p_value"], strict=True):
        row = rows[wool, label]
        np.testing.assert_allclose(values, [row["estimate"], row["SE"]], **CLOSE)
        assert p_value == pytest.approx(row["p.value"], rel=1e-5, abs=1e-10)


def test_trends_of_an_interaction_are_those_of_emmeans():
    table = fitted("visits").effects("age", at={"smokes": "all"}, scale="linear")
    np.testing.assert_allclose(found(table), numbers(R["visits"]["trends"], "age.trend", "SE"), **CLOSE)


def of_rows(rows, statistic):
    """Statistic and degrees of freedom by term; R writes a column in two ways."""
    statistic = statistic if any(statistic in row for row in rows) else f"{statistic}s"
    return {row["term"]: (row[statistic], row["Df"]) for row in rows if row["term"] not in ("(Intercept)", "Residuals", "<none>", "NULL")}


def check_terms(table, expected, p_values):
    name = "F" if "F" in table.columns else "chi2"
    own = {
        term: values
        for term, *values in zip(table["term"], table[name], table["df"], table["p_value"], strict=True)
        if values[0] is not None
    }
    assert set(own) == set(expected)
    for term, (statistic, count) in expected.items():
        np.testing.assert_allclose(own[term][:2], [statistic, count], rtol=1e-6)
        assert own[term][2] == pytest.approx(p_values[term], rel=1e-6)


def p_of(rows):
    return {row["term"]: next((row[name] for name in row if name.startswith("Pr(")), None) for row in rows}


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("penguins", "scotland")])
def test_likelihood_ratios_of_terms_are_those_of_car(name, kind):
    rows = R[name][f"Anova {kind}"]
    check_terms(fitted(name).anova(kind, data(name)), of_rows(rows, "LR Chisq"), p_of(rows))


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "penguins"])
def test_wald_tests_of_terms_are_those_of_car_and_need_no_rows(name, kind):
    rows = R[name][f"Wald {kind}"]
    check_terms(fitted(name).anova(kind, test="Wald"), of_rows(rows, "Chisq"), p_of(rows))


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_sums_of_squares_are_those_of_r_and_need_no_rows(kind):
    rows = R["penguins"]["anova 1" if kind == 1 else f"Anova {kind}"]
    table = fitted("penguins").anova(kind)
    check_terms(table, of_rows(rows, "F value"), p_of(rows))
    squares = {row["term"]: row["Sum Sq"] for row in rows}
    for term, value in zip(table["term"], table["sum_of_squares"], strict=True):
        assert value == pytest.approx(squares["Residuals" if term == "Residual" else term], rel=1e-8)


@pytest.mark.parametrize("kind", [2, 3])
def test_deviances_over_a_dispersion_are_those_of_car(kind):
    rows = R["scotland"][f"F {kind}"]
    check_terms(fitted("scotland").anova(kind, data("scotland"), test="F"), of_rows(rows, "F value"), p_of(rows))


@pytest.mark.parametrize("name", ["warpbreaks", "visits", "spector", "scotland"])
def test_terms_in_order_are_those_of_r(name):
    rows = R[name]["anova 1"]
    statistic = "F" if name == "scotland" else "Deviance"
    check_terms(fitted(name).anova(1, data(name)), of_rows(rows, statistic), p_of(rows))


def test_a_robust_covariance_makes_the_f_of_car():
    rows = R["penguins"]["HC3 Anova 2"]
    table = fitted("penguins", "HC3").anova(2)
    check_terms(table, of_rows(rows, "F"), p_of(rows))
    assert "Wald, HC3" in table.notes[0]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "scotland"])
def test_dropping_each_term_is_r_s_drop1(name):
    rows = R[name]["drop1"]
    statistic = "F value" if name == "penguins" else "LRT"
    table = fitted(name).drop_each(data(name))
    expected = {row["term"]: row for row in rows}
    named = "F" if "F" in table.columns else "chi2"
    for term, value, aic, p_value in zip(table["term"][1:], table[named][1:], table["aic"][1:], table["p_value"][1:], strict=True):
        assert value == pytest.approx(expected[term][statistic], rel=1e-6)
        assert p_value == pytest.approx(p_of(rows)[term], rel=1e-6)
        assert aic - table["aic"][0] == pytest.approx(expected[term]["AIC"] - expected["<none>"]["AIC"], rel=1e-6)


def test_dropping_terms_of_a_free_dispersion_is_the_f_of_car():
    # R's drop1 takes the dispersion from the deviance; car, like summary(), takes Pearson's.
    table = fitted("scotland").drop_each(data("scotland"))
    expected = of_rows(R["scotland"]["F 2"], "F value")
    for term, value in zip(table["term"][1:], table["F"][1:], strict=True):
        assert value == pytest.approx(expected[term][0], rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_profile_intervals_are_those_of_r(name):
    expected = numbers(R[name]["confint"], "lower", "upper")
    interval = fitted(name).interval(0.95, "profile", data(name))
    width = (expected[:, 1] - expected[:, 0])[:, None]
    assert np.abs((np.array(interval).T - expected) / width).max() < 1e-6
    np.testing.assert_allclose(np.array(interval).T, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["spector", "visits"])
def test_profile_p_values_are_likelihood_ratios(name):
    p_values = fitted(name).interval(method="profile", data=data(name)).p_values
    rows = fitted(name).anova(3, data(name))
    for term, count, p_value in zip(rows["term"], rows["df"], rows["p_value"], strict=True):
        own = next(t for t in fitted(name).terms if t.name == term)
        if count == 1:
            assert p_values[own.places[0]] == pytest.approx(p_value, rel=1e-7)


def test_pseudo_r_squared_is_that_of_statsmodels():
    import gradline as gl

    table = gl.fit("grade ~ gpa + tuce", data("spector"), loss="logistic").pseudo_r_squared(data("spector"))
    assert dict(zip(table["name"], table["value"], strict=True))["McFadden"] == pytest.approx(PYTHON["spector"]["McFadden"], rel=1e-8)


@pytest.mark.parametrize("kind", [2, 3])
def test_anova_is_that_of_statsmodels(kind):
    table = fitted("penguins").anova(kind)
    expected = {term.replace("C(", "").replace(")", ""): values for term, *values in PYTHON["penguins"][f"anova {kind}"]}
    for term, count, value in zip(table["term"][:-1], table["df"][:-1], table["F"][:-1], strict=True):
        np.testing.assert_allclose([count, value], expected[term][:2], rtol=1e-6)
