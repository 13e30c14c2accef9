"""Any smooth loss with a category of very many levels: against the score equations, statsmodels, and the same model in columns."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import gradline as gl
from gradline.design.categorical import CategoricalDesign
from gradline.linalg.bordered import BorderedGram
from gradline.preparing import from_table

N, LEVELS = 4_000, 70


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    g, x, z = rng.integers(0, LEVELS, N), rng.normal(size=N), rng.uniform(0.2, 1, N)
    effects = 0.7 * rng.normal(size=LEVELS)
    y = 1 + 0.3 * x - 0.2 * z + effects[g] + np.exp(0.2 * z) * rng.standard_t(4, size=N)
    columns = {"y": y, "x": x, "z": z, "g": g.astype(str), "h": rng.integers(0, 60, N).astype(str), "w": rng.integers(0, 3, N)}
    columns |= {"count": rng.poisson(np.exp(1 + effects[g]) * z), "label": (y > 1) * 1.0, "kind": rng.integers(0, 3, N)}
    frame = pd.DataFrame(columns | {"log_z": np.log(z), "x2": 2 * x})
    frame.loc[frame.g == "7", "w"] = 0
    return frame


@pytest.fixture
def streaming(monkeypatch):
    monkeypatch.setattr(from_table, "MOST_HELD", 10)


def test_a_poisson_fit_with_two_thousand_levels_never_becomes_columns(streaming, monkeypatch):
    for owner, name in ((CategoricalDesign, "dense"), (CategoricalDesign, "gram"), (BorderedGram, "dense")):
        monkeypatch.setattr(owner, name, lambda *arguments, name=name: pytest.fail(f"{name} was called"))
    rng = np.random.default_rng(1)
    n, levels = 30_000, 2_000
    g, x = np.concatenate([np.arange(levels), rng.integers(0, levels, n - levels)]), rng.normal(size=n)
    y = rng.poisson(np.exp(1 + 0.3 * x + 0.7 * rng.normal(size=levels)[g]))
    y[:levels] += 1  # no level without a count
    fit = gl.fit("y ~ x + C(g)", {"y": y, "x": x, "g": g}, loss="poisson")
    assert fit.certificate.converged
    assert fit.solver == "Newton"
    assert len(fit.names) == levels + 1
    # The optimum of a convex loss is where the score equations hold: one for the intercept, x and each level.
    intercept, slope, *effects = fit.coefficients
    left = y - np.exp(intercept + slope * x + np.concatenate([[0.0], effects])[g])
    assert abs(left.sum()) < 1e-7
    assert abs(left @ x) < 1e-7
    assert np.abs(np.bincount(g, left)).max() < 1e-7


def test_l_bfgs_keeps_the_codes_too(streaming, monkeypatch):
    for owner in (CategoricalDesign, BorderedGram):
        monkeypatch.setattr(owner, "dense", lambda *arguments: pytest.fail("dense was called"))
    rng = np.random.default_rng(1)
    n, levels = 24_000, 4_000
    g, x = np.arange(n) % levels, rng.normal(size=n)
    y = 0.3 * x + rng.normal(size=levels)[g] + rng.standard_t(3, size=n)
    fit = gl.fit("y ~ x + C(g) - 1", {"y": y, "x": x, "g": g}, loss="log_cosh", solver=gl.LBFGS(tolerance=1e-9))
    assert fit.solver == "L-BFGS"
    assert fit.certificate.converged
    slope, *effects = fit.coefficients
    left = np.tanh(y - slope * x - np.asarray(effects)[g])
    assert abs(left @ x) < 1e-4
    assert np.abs(np.bincount(g, left)).max() < 1e-4


def test_how_far_a_step_reaches_needs_no_columns(data, streaming, monkeypatch):
    monkeypatch.setattr(CategoricalDesign, "dense", lambda *arguments: pytest.fail("dense was called"))
    apart = data.assign(label=data.g.isin(["3", "5"]) * 1.0)
    with pytest.warns(gl.GradlineWarning, match="keeps falling"):
        fit = gl.fit("label ~ C(g)", apart, loss="logistic", solver=gl.LBFGS())
    assert not fit.certificate.converged


def test_it_equals_statsmodels(data, streaming):
    theirs = smf.glm("count ~ x + C(g)", data, family=sm.families.Poisson(), offset=data.log_z).fit(tol=1e-12)
    ours = gl.fit("count ~ x + C(g)", data, loss="poisson", offset="log_z")
    np.testing.assert_allclose(ours.coefficients, theirs.params[list(ours.names)], rtol=1e-8, atol=1e-9)
    assert ours.loss * N == pytest.approx(-theirs.llf, rel=1e-10)


CASES = {
    "logistic, two categories": ("label ~ x + C(g) + C(h)", {"loss": "logistic"}),
    "logistic, a slope a level": ("label ~ x + C(g):x", {"loss": "logistic"}),
    "poisson, a ridge": ("count ~ x + C(g)", {"loss": "poisson", "penalty": gl.penalties.ridge(0.01)}),
    "poisson, an offset": ("count ~ x + C(g)", {"loss": "poisson", "offset": "log_z"}),
    "poisson, no intercept": ("count ~ C(g) + x - 1", {"loss": "poisson"}),
    "poisson, a start": ("count ~ x + C(g)", {"loss": "poisson", "start": np.zeros(LEVELS + 1)}),
    "poisson, Newton asked for": ("count ~ x + C(g)", {"loss": "poisson", "solver": gl.Newton()}),
    "huber, a level of weight zero": ("y ~ x + C(g)", {"loss": gl.losses.huber(0.5), "weights": "w"}),
    "huber, its scale too": ("y ~ x + C(g)", {"loss": gl.losses.huber(1.35, scale="joint")}),
    "a column that says the same": ("y ~ x + x2 + C(g)", {"loss": "log_cosh"}),
    "a loss that is not convex": ("y ~ x + C(g)", {"loss": gl.losses.student_t(3.0)}),
    "a mean and a spread": ("y ~ x + C(g)", {"loss": "normal", "offset": "z"}),
    "a formula each": ({"mean": "y ~ x + C(g)", "log_scale": "~ z"}, {"loss": "normal"}),
    "several classes": ("kind ~ x + C(g)", {"loss": "multinomial"}),
    "two targets": ("y + count ~ x + C(g)", {"loss": "squared"}),
}


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize("case", CASES)
def test_codes_give_what_columns_give(case, data, monkeypatch):
    formula, options = CASES[case]
    held = gl.fit(formula, data, **options)
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    coded = gl.fit(formula, data, **options)
    assert coded.certificate.converged
    assert coded.aliased == held.aliased
    np.testing.assert_allclose(coded.coefficients, held.coefficients, rtol=1e-7, atol=1e-8)
    assert coded.loss == pytest.approx(held.loss, rel=1e-12)


def test_levels_beyond_the_reach_of_huber_are_found(streaming):
    """A level whose rows all lie in the loss's straight part has no curvature: medians of levels, nearly."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(80), 25)
    y = 50.0 * rng.normal(size=80)[g] + rng.normal(size=2000)
    fit = gl.fit("y ~ C(g) - 1", {"y": y, "g": g}, loss=gl.losses.huber(0.01))
    assert fit.certificate.converged
    medians = np.array([np.median(y[g == level]) for level in range(80)])
    np.testing.assert_allclose(fit.coefficients, medians, atol=0.02)
    left = np.clip(y - fit.coefficients[g], -0.01, 0.01)
    assert np.abs(np.bincount(g, left)).max() < 1e-12


def test_levels_without_an_optimum_are_named(data, streaming):
    silent = data.assign(count=np.where(data.g.isin(["3", "5"]), 0, data["count"]))
    with pytest.warns(gl.GradlineWarning, match=r"keeps falling as the coefficient of 'C\(g\)\[T.3\]' and 'C\(g\)\[T.5\]' grows"):
        fit = gl.fit("count ~ x + C(g)", silent, loss="poisson")
    assert not fit.certificate.converged
    assert "Merge such levels" in fit.certificate.remedy
    rest = gl.fit("count ~ x + C(g)", silent[~silent.g.isin(["3", "5"])], loss="poisson")
    shared = dict(zip(rest.names, rest.coefficients, strict=True))
    found = dict(zip(fit.names, fit.coefficients, strict=True))
    np.testing.assert_allclose([found[name] for name in shared], list(shared.values()), rtol=1e-5, atol=1e-6)


def test_columns_that_separate_are_noticed(data, streaming):
    apart = data.assign(s=np.where(data.label > 0, 1 + data.z, -1 - data.z))
    with pytest.warns(gl.GradlineWarning, match="separation"):
        fit = gl.fit("label ~ s + C(g)", apart, loss="logistic")
    assert not fit.certificate.converged


def test_solvers_that_would_write_the_levels_out_are_refused(streaming):
    g = np.arange(8_000) % 4_000
    data = {"y": np.random.default_rng(0).normal(size=8_000), "g": g}
    for options in ({"loss": "absolute"}, {"solver": gl.GradientDescent()}, {"accuracy": "full"}):
        with pytest.raises(ValueError, match=r"makes 4,000 columns of categories, which \w+ would write out"):
            gl.fit("y ~ C(g)", data, **options)


def test_a_start_where_the_loss_is_not_finite(data, streaming):
    with pytest.raises(ValueError, match="not finite at the starting coefficients"):
        gl.fit("count ~ x + C(g)", data, loss="poisson", start=np.full(LEVELS + 1, 1e6))


def test_a_first_level_beyond_the_bend_is_not_forgotten(streaming):
    """It has no column of its own, and without its curvature the intercept counts as the sum of the levels: no step, and a gradient."""
    levels = 60
    y = np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], levels)
    y[:5] += 10.0
    table = {"y": y, "g": [f"g{i:02d}" for i in np.repeat(np.arange(levels), 5)]}
    # Every level but the first at its best, and the rows of the first all where the loss is straight.
    fit = gl.fit("y ~ C(g)", table, loss=gl.losses.huber(0.5), start=np.zeros((levels, 1)))
    assert fit.certificate.converged
    assert fit.certificate.gradient_norm < 1e-12
    np.testing.assert_allclose(fit.coefficients, [10.0] + [-10.0] * (levels - 1), atol=1e-9)


def test_a_threshold_out_of_reach_is_told_as_one(data, streaming):
    few = gl.Newton(max_steps=3)
    with pytest.warns(gl.GradlineWarning, match="3 steps done. Give a larger threshold, about the size of the residuals"):
        gl.fit("y ~ x + C(g)", data, loss=gl.losses.huber(1e-4), solver=few)
    with pytest.warns(gl.GradlineWarning, match="1 step done. Give another start"):
        gl.fit("count ~ x + C(g)", data, loss="poisson", solver=gl.Newton(max_steps=1))
