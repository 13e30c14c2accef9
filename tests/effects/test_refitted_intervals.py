"""Intervals by profiles and bootstraps: against other ways of finding them, over streams, and what is refused."""

import pickle

import numpy as np
import pytest
from references import data, fitted
from scipy.optimize import brentq, minimize

import gradline as gl
from gradline.effects.resampling import WildSigns
from gradline.preparing import from_table

PENGUINS = gl.datasets.penguins()


def test_the_profile_of_several_predictors_by_brute_force():
    fit = gl.fit({"mean": "body_mass_g ~ sex", "log_scale": "~ sex"}, PENGUINS, loss="normal")
    kept = [i for i, sex in enumerate(PENGUINS["sex"]) if sex in ("male", "female")]
    y = np.array([PENGUINS["body_mass_g"][i] for i in kept])
    male = np.array([PENGUINS["sex"][i] == "male" for i in kept], dtype=float)

    def total(theta):
        scale = np.exp(theta[2] + theta[3] * male)
        return np.sum(0.5 * ((y - theta[0] - theta[1] * male) / scale) ** 2 + np.log(scale))

    best = fit.coefficients.T.ravel()

    def rise(value):
        others = minimize(
            lambda rest: total([*rest, value]) / 300,
            best[:3],
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-13, "maxiter": 8000},
        )
        return 2 * (others.fun * 300 - total(best)) - 1.959963984540054**2

    interval = fit.interval(0.95, "profile", PENGUINS)
    assert interval.upper.shape == (2, 2)
    error = fit.standard_errors[1, 1]
    assert interval.upper[1, 1] == pytest.approx(brentq(rise, best[3] + error, best[3] + 3 * error, xtol=1e-8), abs=1e-5 * error)
    assert interval.lower[1, 1] == pytest.approx(brentq(rise, best[3] - 3 * error, best[3] - error, xtol=1e-8), abs=1e-5 * error)


def test_an_end_that_the_likelihood_never_reaches_is_infinite():
    # Everybody above 1 is of class 1, and one of class 1 lies below: the odds can be as large as they like, not as small.
    table = {"g": ["a"] * 10 + ["b"] * 6, "y": [0, 1] * 5 + [1] * 6}
    with pytest.warns(gl.GradlineWarning):
        fit = gl.fit("y ~ g", table, loss="logistic")
    interval = fit.interval(0.9, "profile", table)
    assert interval.upper[1] == np.inf

    # Of one parameter for each group the likelihood is at its best in the other by itself: 5 of 10, and six of six of which log p is all.
    def rise(slope):
        def total(b):
            return -5 * b[0] + 10 * np.log1p(np.exp(b[0])) + 6 * np.log1p(np.exp(-b[0] - slope))

        return minimize(total, [0.0], tol=1e-14).fun - rate_at_best - 0.5 * 1.6448536269514722**2

    rate_at_best = 10 * np.log(2.0)
    assert interval.lower[1] == pytest.approx(brentq(rise, -2.0, 5.0), abs=1e-6)


def test_streamed_rows_give_the_same_profile(monkeypatch):
    fit = fitted("visits")
    held = fit.interval(0.9, "profile", data("visits"))
    monkeypatch.setattr(from_table, "MOST_HELD", 0)
    streamed = fit.interval(0.9, "profile", data("visits"))
    np.testing.assert_allclose(np.array(streamed), np.array(held), rtol=1e-9)
    assert streamed.method == "profile likelihood"


def test_of_squared_loss_profile_and_plain_interval_are_one():
    fit = gl.fit("body_mass_g ~ flipper_length_mm + sex", PENGUINS)
    np.testing.assert_allclose(np.array(fit.interval(0.8, "profile", PENGUINS)), np.array(fit.interval(0.8)), rtol=1e-9)


@pytest.mark.parametrize(("kind", "covariance"), [("cases", "HC1"), ("wild", "HC3")])
def test_bootstrap_errors_are_those_of_a_sandwich(kind, covariance):
    fit = fitted("visits", covariance)
    found = fit.bootstrap(data("visits"), replications=700, kind=kind, seed=3)
    # A standard deviation of 700 draws is off by 3% at most times; cases by the higher order terms too.
    np.testing.assert_allclose(found.standard_errors, fit.standard_errors, rtol=0.15 if kind == "cases" else 0.09)
    assert found.covariance.shape == (6, 6)


def test_a_replication_is_the_fit_of_its_rows():
    fit = gl.fit("body_mass_g ~ flipper_length_mm", PENGUINS)
    found = fit.bootstrap(PENGUINS, replications=5, seed=2)
    kept = [i for i, mass in enumerate(PENGUINS["body_mass_g"]) if mass == mass and mass is not None]
    for r in range(5):
        drawn = np.random.default_rng([2, r]).integers(0, len(kept), len(kept))
        rows = {name: [PENGUINS[name][kept[i]] for i in drawn] for name in ("body_mass_g", "flipper_length_mm")}
        np.testing.assert_allclose(found.coefficients[r, :, 0], gl.fit("body_mass_g ~ flipper_length_mm", rows).coefficients, rtol=1e-8)


def test_a_wild_replication_is_the_fit_of_its_targets():
    """Of squared loss the score bootstrap is least squares on fitted values plus signed residuals."""
    fit = gl.fit("body_mass_g ~ flipper_length_mm", PENGUINS)
    found = fit.bootstrap(PENGUINS, replications=4, kind="wild", seed=5)
    kept = [i for i, mass in enumerate(PENGUINS["body_mass_g"]) if mass == mass and mass is not None]
    x = np.array([PENGUINS["flipper_length_mm"][i] for i in kept])
    y = np.array([PENGUINS["body_mass_g"][i] for i in kept])
    design = np.column_stack([np.ones(len(x)), x])
    leverage = np.einsum("ij,ij->i", design @ np.linalg.inv(design.T @ design), design)
    residuals = (y - design @ fit.coefficients) / (1 - leverage)
    for r in range(4):
        signs = WildSigns(5).weights(np.array(kept), (r,))[:, 0]
        assert set(signs) == {-1.0, 1.0}
        expected = np.linalg.lstsq(design, design @ fit.coefficients + signs * residuals, rcond=None)[0]
        np.testing.assert_allclose(found.coefficients[r, :, 0], expected, rtol=1e-7)


@pytest.mark.parametrize("kind", ["clusters", "wild"])
def test_clusters_by_column_by_labels_and_streamed_are_the_same(kind, monkeypatch):
    generator = np.random.default_rng(8)
    firm = np.repeat(np.arange(30), 10)
    x = generator.normal(size=300)
    y = x + np.repeat(generator.normal(size=30), 10) + generator.normal(size=300)
    table = {"x": x, "y": y, "firm": firm}
    fit = gl.fit("y ~ x", table, groups="firm", covariance="cluster")
    options = {"replications": 300, "kind": kind, "groups": "firm", "seed": 1}
    found = fit.bootstrap(table, **options)
    np.testing.assert_allclose(found.standard_errors, fit.standard_errors, rtol=0.2)
    assert found.clusters == 30
    arrays = gl.fit(x, y).bootstrap(x, y, **{**options, "groups": firm})
    np.testing.assert_allclose(arrays.coefficients, found.coefficients, rtol=1e-8, atol=1e-10)
    monkeypatch.setattr(from_table, "MOST_HELD", 0)
    streamed = fit.bootstrap(table, **options)
    np.testing.assert_allclose(streamed.coefficients, found.coefficients, rtol=1e-8, atol=1e-10)


def test_streamed_cases_are_drawn_by_poisson_counts(monkeypatch):
    fit = fitted("visits", "HC1")
    monkeypatch.setattr(from_table, "MOST_HELD", 0)
    found = fit.bootstrap(data("visits"), replications=300, seed=1)
    np.testing.assert_allclose(found.standard_errors, fit.standard_errors, rtol=0.2)
    again = fit.bootstrap(data("visits"), replications=2, seed=1)
    np.testing.assert_allclose(again.coefficients, found.coefficients[:2], rtol=1e-9)


@pytest.mark.parametrize("loss", [gl.losses.quantile(0.5), gl.losses.huber(300.0)], ids=["median", "huber"])
def test_losses_with_kinks_and_without(loss):
    fit = gl.fit("body_mass_g ~ flipper_length_mm", PENGUINS, loss=loss)
    found = fit.bootstrap(PENGUINS, replications=60, seed=1)
    np.testing.assert_allclose(found.standard_errors, fit.standard_errors, rtol=0.5)


def test_a_penalised_fit_is_drawn_at_its_penalty():
    generator = np.random.default_rng(5)
    X = generator.normal(size=(80, 3))
    y = X @ [1.0, 0.0, 0.5] + generator.normal(size=80)
    for penalty in (gl.penalties.ridge(0.2), gl.penalties.lasso(0.3)):
        fit = gl.fit(X, y, penalty=penalty)
        found = fit.bootstrap(X, y, replications=3, seed=1)
        drawn = np.random.default_rng([1, 2]).integers(0, 80, 80)
        again = gl.fit(X[drawn], y[drawn], penalty=penalty)
        np.testing.assert_allclose(found.coefficients[2, :, 0], again.coefficients, rtol=1e-5, atol=1e-7)


def test_the_seed_decides_and_intervals_are_percentiles():
    fit = fitted("visits")
    one, two, other = (fit.bootstrap(data("visits"), replications=99, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.coefficients, two.coefficients)
    assert not np.array_equal(one.coefficients, other.coefficients)
    interval = fit.interval(0.9, "bootstrap", data("visits"), replications=99, seed=1)
    np.testing.assert_allclose(interval.lower, np.sort(one.coefficients[:, :, 0], axis=0)[4])
    basic = one.interval(0.9, "basic")
    np.testing.assert_allclose(basic.lower, 2 * fit.coefficients - interval.upper)
    assert interval.p_values.shape == (6,)
    assert ((interval.p_values >= 0.02) & (interval.p_values <= 1)).all()
    copy = pickle.loads(pickle.dumps(interval))
    assert np.array_equal(copy.p_values, interval.p_values)
    assert copy.method == interval.method == "bootstrap of cases, 99 replications, percentile ends, seed 1"


def test_effects_by_a_bootstrap_are_those_of_its_coefficients():
    fit, rows = fitted("visits"), data("visits")
    found = fit.bootstrap(rows, replications=60, seed=1)
    table = fit.effects("age", data=rows, bootstrap=found)
    slopes = []
    for drawn in found.coefficients[:, :, 0]:
        yes = np.array(rows["smokes"]) == "yes"
        clinic = np.array(rows["clinic"].to_pylist())
        age = np.array(rows["age"])
        design = np.column_stack([np.ones(240), age, yes, clinic == "south", clinic == "west", age * yes])
        slopes.append(((drawn[1] + drawn[5] * yes) * np.exp(design @ drawn)).mean())
    assert table["standard_error"][0] == pytest.approx(np.std(slopes, ddof=1), rel=1e-8)
    assert table["lower"][0] == pytest.approx(np.quantile(slopes, 0.025, method="weibull"), rel=1e-8)
    # Where no rows are needed the part of the model that differs is taken, of the draws too.
    linear = fit.effects("clinic", scale="linear", bootstrap=found)
    np.testing.assert_allclose(linear["standard_error"], found.standard_errors[[3, 4]], rtol=1e-10)
    lasso = gl.fit("visits ~ age + clinic", rows, loss="poisson", penalty=gl.penalties.lasso(0.01, scaled=True))
    drawn = lasso.bootstrap(rows, replications=10, seed=1)
    assert lasso.predictions(at={"age": 40, "clinic": "all"}, bootstrap=drawn)["standard_error"][0] > 0


def test_replications_without_an_optimum_are_counted():
    table = {"g": ["a"] * 12 + ["b"] * 3, "y": [0, 1] * 6 + [0, 1, 0]}
    fit = gl.fit("y ~ g", table, loss="logistic")
    with pytest.warns(gl.GradlineWarning, match="replications have no optimum"):
        found = fit.bootstrap(table, replications=100, seed=1)
    assert found.replications + found.failed == 100
    assert found.failed > 10
    assert np.isfinite(found.coefficients).all()


FIT = fitted("visits")
ROWS = data("visits")
RIDGE = gl.fit("visits ~ age", ROWS, loss="poisson", penalty=gl.penalties.ridge(1.0))
BAD = {
    "no rows for a profile": (lambda: FIT.interval(0.9, "profile"), "a Fit holds none"),
    "no rows for a bootstrap": (lambda: FIT.bootstrap(), "a Fit holds none"),
    "no such method": (lambda: FIT.interval(0.9, "bca", ROWS), 'method must be "wald"'),
    "no level": (lambda: FIT.interval(95, "profile", ROWS), "did you mean 0.95"),
    "data for the plain one": (lambda: FIT.interval(0.9, data=ROWS), 'go with method="profile"'),
    "options of the other": (lambda: FIT.interval(0.9, "profile", ROWS, seed=1), 'goes with method="bootstrap"'),
    "a penalised profile": (lambda: RIDGE.interval(0.9, "profile", ROWS), "penalised"),
    "no likelihood": (lambda: gl.fit("visits ~ age", ROWS, loss=gl.losses.huber(1.0)).interval(0.9, "profile", ROWS), "is no likelihood"),
    "no kind": (lambda: FIT.bootstrap(ROWS, kind="parametric"), 'kind must be "cases"'),
    "clusters of what": (lambda: FIT.bootstrap(ROWS, kind="clusters"), "say which"),
    "cases of groups": (lambda: FIT.bootstrap(ROWS, kind="cases", groups="clinic"), "rows by themselves"),
    "one replication": (lambda: FIT.bootstrap(ROWS, replications=1), "replications must be"),
    "a seed of text": (lambda: FIT.bootstrap(ROWS, seed="x"), "seed must be"),
    "other rows": (lambda: FIT.bootstrap({k: list(v)[:50] for k, v in ROWS.items()}), "not the rows the model was fitted to"),
    "no such ends": (lambda: FIT.interval(0.9, "bootstrap", ROWS, replications=3, ends="bca"), 'ends must be'),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_had_is_said(case):
    asked, message = BAD[case]
    with pytest.raises(gl.GradlineError, match=message):
        asked()
