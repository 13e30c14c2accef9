"""What an expert checks in the first hour, and where peers are silently wrong: one test a line, through the public names.

Where a line has a test file of its own, such as NIST's digits, this holds the part a user would try first.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import ndtri

import gradline as gl
from gradline.preparing import from_table

RNG = np.random.default_rng(0)
N = 300
X = RNG.normal(size=(N, 3))
Y = 1 + X @ [1.0, -0.5, 0.2] + RNG.normal(size=N)
COUNTS = RNG.poisson(np.exp(0.3 + 0.3 * X[:, 0]))
NIST = json.loads((Path(__file__).parents[1] / "reference" / "nist_strd_linear.json").read_text())["datasets"]


def close(actual, desired, tolerance=1e-8):
    np.testing.assert_allclose(actual, desired, rtol=tolerance)


# ------------------------------------------------------------------------------------------------------------- fifteen details


@pytest.mark.parametrize(("name", "digits"), [("Longley", 10), ("Filip", 7)])
def test_1_certified_digits_of_coefficients_and_errors(name, digits):
    data = NIST[name]
    x, y = np.array(data["x"], dtype=float), np.array(data["y"], dtype=float)
    certified = {key: np.array(values, dtype=float) for key, values in data["certified"].items() if isinstance(values, list)}
    if name == "Filip":
        x = np.column_stack([x[:, 0] ** i for i in range(1, len(certified["coefficients"]))])
    fit = gl.fit(x, y)
    close(fit.coefficients, certified["coefficients"], 10.0**-digits)
    close(fit.standard_errors, certified["standard_deviations"], 10.0**-digits)


@pytest.mark.parametrize("loss", ["squared", "log_cosh", "absolute"])
def test_2_column_scales_do_not_touch_t_values(loss):
    plain = gl.fit(X, Y, loss=loss, covariance="HC1")
    scaled = gl.fit(X * [1e8, 1.0, 1e-9], Y, loss=loss, covariance="HC1")
    close(scaled.statistics, plain.statistics, 1e-6)
    if loss == "squared":
        moved = gl.fit(X + np.array([1e7, 0, 0]), Y)
        close(moved.statistics[1:], gl.fit(X, Y).statistics[1:], 1e-6)


def test_2_a_column_beyond_the_range_of_squares():
    x, y = RNG.normal(size=50), RNG.normal(size=50)
    theirs = sm.OLS(y, sm.add_constant(x)).fit()
    for scale in (1e13, 1e-13):
        fit = gl.fit(x * scale, y)
        close(fit.slopes[0] * scale, theirs.params[1], 1e-9)
        close(fit.statistics[1], theirs.tvalues[1], 1e-9)


def test_3_perfect_collinearity_is_named_and_has_no_errors():
    with pytest.warns(gl.GradlineWarning, match="left out of the model.*'x4'"):
        fit = gl.fit(np.column_stack([X, X[:, 0] - 2 * X[:, 1]]), Y)
    assert fit.aliased == ("x4",)
    assert np.isnan(fit.standard_errors[-1])
    close(fit.standard_errors[:-1], gl.fit(X, Y).standard_errors)
    assert fit.covariance().degrees_of_freedom == N - 4


@pytest.mark.parametrize("keyword", ["offsets", "obs", "use_t", "cov_type", "var_weights"])
def test_4_an_unknown_keyword_raises(keyword):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{keyword}'"):
        gl.fit(X, Y, **{keyword: 1})


def test_5_weights():
    f, w = RNG.integers(0, 3, N), RNG.random(N) + 0.1
    repeated = gl.fit(np.repeat(X, f, axis=0), np.repeat(Y, f))
    counted = gl.fit(X, Y, frequencies=f)
    close(counted.standard_errors, repeated.standard_errors)
    assert counted.covariance().degrees_of_freedom == repeated.covariance().degrees_of_freedom
    weighted = gl.fit(X, Y, weights=w)
    assert weighted.covariance().degrees_of_freedom == N - 4
    close(weighted.standard_errors, sm.WLS(Y, sm.add_constant(X), weights=w).fit().bse)
    close(gl.fit(X, Y, weights=np.where(f > 0, w, 0)).standard_errors, gl.fit(X[f > 0], Y[f > 0], weights=w[f > 0]).standard_errors)
    with pytest.raises(ValueError, match="weights is negative in row 0"):
        gl.fit(X, Y, weights=-w)


def test_6_conventions_are_printed():
    def text(**options):
        return " ".join(str(gl.fit(X, Y, **options).summary()).split())

    assert "sigma^2 = RSS / (n - p) with n - p = 296; t with 296 degrees of freedom" in text()
    assert "times n / (n - p) = 300 / 296; t with 296" in text(covariance="HC1")
    clusters = text(covariance="cluster", groups=np.arange(N) // 10)
    assert "(30 clusters), times G / (G - 1) (n - 1) / (n - p); t with 29 degrees of freedom" in clusters
    assert "one-step jackknife, the form of HC3" in text(loss="log_cosh")
    assert "z, from the normal distribution" in text(loss="log_cosh")
    assert "Newey-West with 5 lags, Bartlett weights" in text(covariance="newey-west")


def test_7_kinked_losses_have_errors_of_their_own():
    for loss in ("absolute", gl.losses.quantile(0.3)):
        fit = gl.fit(X, Y, loss=loss)
        assert fit.covariance().kind == "HC0"
        theirs = sm.QuantReg(Y, sm.add_constant(X)).fit(0.5 if loss == "absolute" else 0.3)
        close(fit.standard_errors, theirs.bse, 0.35)


def test_8_the_scale_of_a_robust_loss():
    for small, large in [
        (gl.losses.huber(1.35), gl.losses.huber(1350.0)),
        (gl.losses.huber(1.35, scale="joint"), gl.losses.huber(1.35, scale="joint")),
    ]:
        one, thousand = gl.fit(X, Y, loss=small), gl.fit(X, 1000 * Y, loss=large)
        shape = one.coefficients.shape
        close(np.reshape(thousand.coefficients, (4, -1))[:, 0], 1000 * np.reshape(one.coefficients, (4, -1))[:, 0], 1e-7)
        close(np.reshape(thousand.standard_errors, (4, -1))[:, 0], 1000 * np.reshape(one.standard_errors, (4, -1))[:, 0], 1e-6)
        assert thousand.coefficients.shape == shape
    assert "target's units" in gl.losses.huber.__doc__ or "units of the target" in gl.losses.huber.__doc__


def test_9_penalties():
    from sklearn.linear_model import Ridge

    fit = gl.fit(X, Y + 100, penalty=gl.penalties.ridge(0.5))
    theirs = Ridge(alpha=N * 0.5 / 2).fit(X, Y + 100)
    close(fit.slopes, theirs.coef_)
    close(fit.intercept, theirs.intercept_)
    assert "the intercept is not penalised" in str(fit.summary())
    assert "bias not included" in " ".join(str(fit.summary()).split())
    with pytest.raises(ValueError, match="a penalised fit has no AIC"):
        _ = fit.aic


def test_10_r_squared_only_where_there_is_one():
    w = RNG.random(N) + 0.1
    close(gl.fit(X, Y, intercept=False).r_squared, sm.OLS(Y, X).fit().rsquared)
    close(gl.fit(X, Y, weights=w).r_squared, sm.WLS(Y, sm.add_constant(X), weights=w).fit().rsquared)
    for fit, absent in [(gl.fit(X, COUNTS, loss="poisson"), "r_squared"), (gl.fit(X, Y, loss="log_cosh"), "aic")]:
        with pytest.raises(ValueError, match="a fit of this loss has no"):
            getattr(fit, absent)
    assert gl.fit(X, COUNTS, loss="poisson").aic == pytest.approx(
        sm.GLM(COUNTS, sm.add_constant(X), family=sm.families.Poisson()).fit().aic, rel=1e-10
    )


def test_11_predicting():
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=Y, g=np.where(X[:, 0] > 0, "up", "down"))
    fit = gl.fit("y ~ poly(a, 2) + b + g", frame)
    new = frame.iloc[:6].copy()
    new.loc[2, "b"] = np.nan
    found = fit.predict(new[["g", "b", "a"]], interval="confidence")
    assert len(found.prediction) == 6
    assert np.flatnonzero(np.isnan(found.prediction)).tolist() == [2]
    # What a transform has learned does not depend on the rows predicted for.
    close(fit.predict(new.iloc[:1]), fit.predict(new)[:1])
    with pytest.raises(ValueError, match="'sideways'"):
        fit.predict(new.assign(g="sideways"))
    wide = fit.predict(new, interval="prediction")
    kept = ~np.isnan(wide.lower)
    assert (wide.lower[kept] < found.lower[kept]).all()


def test_12_single_precision_goes_in_and_double_comes_out():
    single = gl.fit(X.astype(np.float32), Y.astype(np.float32))
    assert single.standard_errors.dtype == np.float64
    close(single.standard_errors, gl.fit(X.astype(np.float32).astype(float), Y.astype(np.float32).astype(float)).standard_errors, 1e-12)


def test_12_frameworks_agree_on_errors():
    tf = pytest.importorskip("tensorflow")
    jnp = pytest.importorskip("jax.numpy")
    found = [
        gl.fit(X, Y, loss=loss, covariance="HC3").standard_errors
        for loss in (lambda y, p: tf.sqrt(1.0 + tf.square(y - p)), lambda y, p: jnp.sqrt(1.0 + jnp.square(y - p)))
    ]
    close(found[0], found[1], 1e-10)


def test_13_no_errors_of_a_fit_that_has_not_converged():
    with pytest.warns(gl.GradlineWarning, match="has not converged"):
        fit = gl.fit(X, Y, solver=gl.GradientDescent(learning_rate=1e-3, steps=2))
    assert not fit.certificate.converged
    with pytest.raises(ValueError, match="has not converged"):
        _ = fit.standard_errors


def test_13_what_a_loss_is_like_is_seen_and_said():
    jnp = pytest.importorskip("jax.numpy")
    # NaN in one row is reported with the row.
    with pytest.raises(ValueError, match=r"not finite at the starting coefficients: it is nan in row 41, where y = -?\d"):
        gl.fit(X, Y, loss=lambda y, p: jnp.where(y == Y[41], jnp.nan, jnp.log(jnp.cosh(y - p))))
    # A loss that is not convex is flagged, with the definiteness of its curvature.
    reason = gl.fit(X, Y, loss=lambda y, p: jnp.log1p(jnp.square(y - p))).certificate.reason
    assert "the curvature there is positive semidefinite (a minimum, of a loss not known to be convex)" in reason
    # One that is not smooth is detected, however it is written, and solved as such.
    kinked = gl.fit(X, Y, loss=lambda y, p: jnp.sqrt(jnp.square(y - p)))
    assert kinked.solver == "PiecewiseLinear"
    close(kinked.coefficients, gl.fit(X, Y, loss="absolute").coefficients, 1e-9)
    # Not converged is a warning with a remedy and a usable fit, which says so itself.
    with pytest.warns(gl.GradlineWarning, match="has not converged: 1 step done. .*max_steps"):
        fit = gl.fit(X, COUNTS, loss="poisson", solver=gl.Newton(max_steps=1))
    assert np.isfinite(fit.predict(X)).all()
    assert "converged NO: 1 step done" in " ".join(str(fit.summary()).split())
    assert fit.certificate.gradient_norm > 1e-6


def test_14_chunks_and_orders_agree(monkeypatch, tmp_path):
    frame = pd.DataFrame(X + 1000.0, columns=["a", "b", "c"]).assign(y=Y)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=7)
    held = gl.fit("y ~ a + b + c", frame, covariance="HC3")
    order = RNG.permutation(N)
    close(gl.fit("y ~ a + b + c", frame.iloc[order], covariance="HC3").standard_errors, held.standard_errors, 1e-9)
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    streamed = gl.fit("y ~ a + b + c", tmp_path / "t.parquet", covariance="HC3")
    close(streamed.standard_errors, held.standard_errors, 1e-9)
    assert streamed.fingerprint == held.fingerprint


def test_15_the_model_file_and_the_fit_hold_no_rows(tmp_path):
    rows = X.copy()
    rows[5, 1] = 123456.789
    fit = gl.fit(rows, Y, covariance="HC3")
    fit.save(tmp_path / "m.json")
    assert "123456.78" not in (tmp_path / "m.json").read_text()
    close(gl.load(tmp_path / "m.json").standard_errors, fit.standard_errors, 0)
    sizes = [len(pickle.dumps(gl.fit(RNG.normal(size=(n, 3)), RNG.normal(size=n)))) for n in (100, 20_000)]
    assert abs(sizes[0] - sizes[1]) < 200


# ------------------------------------------------------------------------------------- where peers are silently wrong, measured


def test_b1_a_small_column_beside_a_large_one():
    """scikit-learn 1.9 returns 7e-16 for the second slope."""
    rng = np.random.default_rng(1)
    x = np.column_stack([5e7 + 1e7 * rng.normal(size=500), rng.normal(size=500)])
    y = 2e-7 * x[:, 0] + 3 * x[:, 1] + 0.1 * rng.normal(size=500)
    fit = gl.fit(x, y)
    assert fit.slopes[1] == pytest.approx(3.0, abs=0.02)
    assert fit.r_squared > 0.99


def test_b2_an_offset_counts_and_is_never_forgotten():
    offset = 5 + RNG.normal(size=N)
    close(gl.fit(X, Y, offset=offset).coefficients, gl.fit(X, Y - offset).coefficients, 1e-10)
    close(gl.fit(X, Y, offset=offset).standard_errors, gl.fit(X, Y - offset).standard_errors, 1e-10)
    with pytest.raises(ValueError, match="give that of the new rows"):
        gl.fit(X, Y, offset=offset).predict(X)


def test_b2_weights_of_quantile_regression():
    f = RNG.integers(1, 3, N).astype(float)
    weighted = gl.fit(X, Y, loss=gl.losses.quantile(0.3), weights=f)
    repeated = gl.fit(np.repeat(X, f.astype(int), axis=0), np.repeat(Y, f.astype(int)), loss=gl.losses.quantile(0.3))
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-9)
    assert not np.allclose(weighted.coefficients, gl.fit(X, Y, loss=gl.losses.quantile(0.3)).coefficients)


def test_b2_a_glm_observation_interval_is_not_the_means():
    fit = gl.fit(X, COUNTS, loss="poisson")
    mean, new = fit.predict(X[:20], interval="confidence"), fit.predict(X[:20], interval="prediction")
    assert ((new.lower <= mean.lower) & (new.upper > mean.upper)).all()


def test_b3_a_quantile_regression_interval_has_the_scale_of_the_noise():
    x = RNG.normal(size=(1000, 1))
    found = gl.fit(x, 10 * RNG.normal(size=1000), loss="absolute").predict([[0.0]], interval="prediction")
    width = -2 * 10 * ndtri(0.025)
    assert found.upper[0] - found.lower[0] == pytest.approx(width, rel=0.12)


def test_b4_robust_and_penalised_fits_have_everything():
    for fit in (gl.fit(X, Y, loss=gl.losses.huber(1.0)), gl.fit(X, Y, penalty=gl.penalties.ridge(0.1))):
        assert np.isfinite(fit.standard_errors).all()
        assert (fit.predict(X[:5], interval="prediction").upper > fit.predict(X[:5], interval="confidence").upper).all()
        assert fit.summary() is not None


def test_b5_a_fit_holds_no_column_the_formula_never_used():
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=Y, secret=[f"person {i}" for i in range(N)])
    fit = gl.fit("y ~ a", frame)
    assert b"person 17" not in pickle.dumps(fit)
    assert len(pickle.dumps(fit)) < 20_000


def test_b6_no_penalty_unless_asked():
    """scikit-learn's QuantileRegressor shrinks by default."""
    fit = gl.fit(X, Y, loss=gl.losses.quantile(0.7))
    assert fit.penalty is None
    theirs = sm.QuantReg(Y, sm.add_constant(X)).fit(0.7, p_tol=1e-12, max_iter=5000)
    close(fit.coefficients, theirs.params, 1e-3)


def test_b8_a_duplicated_column_has_no_errors_of_millions():
    with pytest.warns(gl.GradlineWarning, match="left out"):
        fit = gl.fit(np.column_stack([X, X[:, 1]]), COUNTS, loss="poisson")
    kept = fit.standard_errors[~np.isnan(fit.standard_errors)]
    assert kept.max() < 1
    close(kept, gl.fit(X, COUNTS, loss="poisson").standard_errors, 1e-7)


def test_b9_the_tutorial_scaled_by_ten():
    x, y = gl.datasets.line(seed=1)
    one, ten = gl.fit(x, y), gl.fit(10 * x, y)
    close(ten.statistics, one.statistics, 1e-10)
