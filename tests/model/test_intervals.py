"""Fit.predict(..., interval=...): statsmodels' intervals, other losses' guarantees, streams, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from typer.testing import CliRunner

import gradline as gl
from gradline.cli import app

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 2))
Y = 1 + X @ [1.0, -0.5] + RNG.normal(size=150)
NEW = RNG.normal(size=(12, 2))
COUNTS = RNG.poisson(np.exp(0.5 + 0.3 * X[:, 0]))
TABLE = pd.DataFrame(X, columns=["a", "b"]).assign(y=Y, n=COUNTS, o=0.3)


def close(actual, desired, tolerance=1e-8):
    np.testing.assert_allclose(actual, desired, rtol=tolerance)


@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_equal_statsmodels(weighted):
    w = RNG.random(150) + 0.2 if weighted else None
    model = sm.OLS(Y, sm.add_constant(X)).fit() if w is None else sm.WLS(Y, sm.add_constant(X), weights=w).fit()
    theirs = model.get_prediction(sm.add_constant(NEW)).summary_frame(0.1)
    fit = gl.fit(X, Y, weights=w)
    mean = fit.predict(NEW, interval="confidence", level=0.9)
    close(mean.prediction, theirs["mean"])
    close(mean.lower, theirs["mean_ci_lower"])
    close(mean.upper, theirs["mean_ci_upper"])
    new = fit.predict(NEW, interval="prediction", level=0.9)
    close(new.lower, theirs["obs_ci_lower"])
    close(new.upper, theirs["obs_ci_upper"])
    assert new.guarantee == "exact for normal errors of one variance"
    assert mean.guarantee == "for the prediction itself, by the classical covariance and Student's t"


def test_confidence_of_another_kind_and_of_the_linear_predictor():
    model = sm.GLM(COUNTS, sm.add_constant(X), family=sm.families.Poisson()).fit(tol=1e-14)
    fit = gl.fit(X, COUNTS, loss="poisson")
    theirs = model.get_prediction(sm.add_constant(NEW)).summary_frame()
    found = fit.predict(NEW, interval="confidence")
    close(found.lower, theirs["mean_ci_lower"], 1e-7)
    linear = fit.predict(NEW, "linear", interval="confidence")
    close(np.exp(linear.upper), found.upper)
    robust = sm.OLS(Y, sm.add_constant(X)).fit(cov_type="HC3", use_t=True).get_prediction(sm.add_constant(NEW)).summary_frame()
    close(gl.fit(X, Y, covariance="HC3").predict(NEW, interval="confidence").upper, robust["mean_ci_upper"])


def test_an_interval_for_a_count_is_not_that_of_its_mean():
    """statsmodels' GLM gives the mean's whatever it is asked for."""
    fit = gl.fit(X, COUNTS, loss="poisson")
    mean, new = (fit.predict(NEW, interval=interval) for interval in ("confidence", "prediction"))
    assert (new.upper - new.lower > 2 * (mean.upper - mean.lower)).all()
    assert (new.lower == np.round(new.lower)).all()
    assert new.guarantee == "where targets have the poisson distribution"


def test_a_robust_loss_has_jackknife_intervals_and_split_conformal_ones():
    fit = gl.fit(X, Y, loss=gl.losses.huber(1.0))
    found = fit.predict(NEW, interval="prediction", level=0.9)
    assert found.guarantee.startswith("jackknife, asymptotic")
    x = RNG.normal(size=(4000, 2))
    y = 1 + x @ [1.0, -0.5] + RNG.normal(size=4000)
    conformal = fit.predict(x, interval="prediction", level=0.9, calibration=(x[:500] * 0.9, y[:500]))
    assert conformal.guarantee.startswith("split conformal: at least the level")
    assert 0.86 < np.mean((y >= conformal.lower) & (y <= conformal.upper)) < 0.95
    table = {"a": x[:500, 0], "b": x[:500, 1], "y": y[:500]}
    by_formula = gl.fit("y ~ a + b", TABLE, loss=gl.losses.huber(1.0)).predict(TABLE, interval="prediction", calibration=table)
    assert by_formula.guarantee.startswith("split conformal")


def test_one_row_out_for_each_row_in():
    new = NEW.copy()
    new[3, 0] = np.nan
    fit, table = gl.fit(X, Y), gl.fit("y ~ a + b", TABLE)
    for found in (fit.predict(new, interval="prediction"), table.predict(pd.DataFrame(new, columns=["a", "b"]), interval="prediction")):
        for part in found[:3]:
            assert np.flatnonzero(np.isnan(part)).tolist() == [3]
        kept = np.delete(np.arange(12), 3)
        close(found.lower[kept], fit.predict(NEW[kept], interval="prediction").lower)
    assert np.isnan(fit.predict(np.full((2, 2), np.nan), interval="confidence").lower).all()
    one = gl.fit(X[:, 0], Y).predict(0.5, interval="prediction")
    assert one.lower < one.prediction < one.upper


def test_several_targets_and_the_precision_of_new_rows():
    both = np.stack([Y, 2 * Y + RNG.normal(size=150)], axis=1)
    found = gl.fit(X, both).predict(NEW, interval="prediction")
    assert found.lower.shape == (12, 2)
    close(found.upper[:, 0], gl.fit(X, Y).predict(NEW, interval="prediction").upper)
    wide = gl.fit(X, Y).predict(NEW, interval="prediction", weight=0.25)
    theirs = sm.OLS(Y, sm.add_constant(X)).fit().get_prediction(sm.add_constant(NEW), weights=0.25).summary_frame()
    close(wide.lower, theirs["obs_ci_lower"])


def test_an_offset_is_never_forgotten():
    fit = gl.fit(X, COUNTS, loss="poisson", offset=np.full(150, 0.3))
    table = gl.fit("n ~ a + b", TABLE, loss="poisson", offset="o")
    with pytest.raises(ValueError, match="fitted with offset=, which is a part of it"):
        fit.predict(NEW)
    close(fit.predict(X, offset=0.3), table.predict(TABLE), 1e-9)
    close(fit.predict(X, offset=np.full(150, 0.3), interval="confidence").lower, table.predict(TABLE, interval="confidence").lower, 1e-7)
    with pytest.raises(TypeError, match="of a formula it is a part"):
        table.predict(TABLE, offset=0.3)


@pytest.mark.parametrize("interval", ["confidence", "prediction"])
def test_the_command_streams_them(interval, tmp_path):
    fit = gl.fit("y ~ a + b", TABLE)
    fit.save(tmp_path / "m.json")
    gaps = TABLE[["a", "b"]].copy()
    gaps.loc[5, "b"] = np.nan
    gaps.to_csv(tmp_path / "new.csv", index=False)
    arguments = ["predict", str(tmp_path / "m.json"), str(tmp_path / "new.csv"), "--interval", interval, "--level", "0.9"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "p.csv")])
    assert result.exit_code == 0, result.output
    written = pd.read_csv(tmp_path / "p.csv")
    assert list(written) == ["prediction", "lower", "upper"]
    wanted = fit.predict(gaps, interval=interval, level=0.9)
    for name in written:
        np.testing.assert_allclose(written[name], getattr(wanted, name), rtol=1e-12)
    held = tmp_path / "held.csv"
    pd.DataFrame(RNG.normal(size=(60, 3)), columns=["a", "b", "y"]).to_csv(held, index=False)
    if interval == "prediction":
        result = CliRunner().invoke(app, [*arguments, "--calibration", str(held), "--out", str(tmp_path / "p.csv")])
        assert result.exit_code == 0, result.output
        assert (pd.read_csv(tmp_path / "p.csv").upper.dropna() > wanted.prediction[~np.isnan(wanted.prediction)]).all()


@pytest.mark.parametrize(
    ("message", "ask"),
    [
        ("level must lie between 0 and 1", lambda: gl.fit(X, Y).predict(NEW, interval="prediction", level=1.0)),
        ("did you mean 0.95", lambda: gl.fit(X, Y).predict(NEW, interval="prediction", level=95)),
        ("level= goes with interval=", lambda: gl.fit(X, Y).predict(NEW, level=0.9)),
        ("calibration= goes with interval=", lambda: gl.fit(X, Y).predict(NEW, calibration=(X, Y))),
        ('interval must be "confidence"', lambda: gl.fit(X, Y).predict(NEW, interval="credible")),
        ('goes with kind="mean"', lambda: gl.fit(X, Y).predict(NEW, "linear", interval="prediction")),
        ("rows the fit has not seen", lambda: gl.fit(X, Y).predict(NEW, interval="prediction", calibration=(X, Y))),
        (
            "at least 39 calibration rows, and there are 20",
            lambda: gl.fit(X, Y).predict(NEW, interval="prediction", calibration=(X[:20], Y[:20])),
        ),
        ("predicts a class", lambda: gl.fit(X, Y > 0, loss="logistic").predict(NEW, interval="prediction")),
        ("no standard errors", lambda: gl.fit(X, Y, covariance=False).predict(NEW, interval="confidence")),
        ("ask for them with gl.fit", lambda: gl.fit(X, Y, covariance=False).predict(NEW, interval="prediction")),
        ("leave no degree of freedom", lambda: gl.fit(X[:3], Y[:3]).predict(NEW, interval="confidence")),
        ("needs the errors' variance", lambda: gl.fit(X[:3], Y[:3]).predict(NEW, interval="prediction")),
        (
            "needs at least 40 rows, and the fit has 20",
            lambda: gl.fit(X[:20], Y[:20], loss="log_cosh").predict(NEW, interval="prediction"),
        ),
        ("weights of new rows are the precision", lambda: gl.fit(X, Y, loss="log_cosh").predict(NEW, interval="prediction", weight=2)),
        ("weight must be a number above zero", lambda: gl.fit(X, Y).predict(NEW, interval="prediction", weight=0)),
    ],
)
def test_refused(message, ask):
    with pytest.raises(ValueError, match=message):
        ask()


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("loss", [gl.losses.tweedie(1.5), gl.losses.poisson], ids=["tweedie", "poisson"])
def test_intervals_from_residuals_stay_where_targets_can_be(loss, calibrated):
    """Targets far more spread out than their mean, so that residual quantiles alone reach below zero. The cut loses no target."""
    if loss.name != "tweedie" and not calibrated:
        pytest.skip("the distribution's own quantiles")
    generator = np.random.default_rng(5)
    x = generator.normal(size=(2000, 1))
    y = np.exp(0.3 * x[:, 0]) * generator.gamma(0.3, 1 / 0.3, 2000) + 1e-9
    fit = gl.fit(x[:500], y[:500], loss=loss)
    options = {"calibration": (x[500:1000], y[500:1000])} if calibrated else {}
    found = fit.predict(x[1000:], interval="prediction", level=0.8, **options)
    assert found.lower.min() == 0.0
    assert (found.upper > found.lower).all()
    assert np.mean((found.lower <= y[1000:]) & (y[1000:] <= found.upper)) >= 0.77
    missing = fit.predict([[np.nan]], interval="prediction", level=0.8, **options)
    assert np.isnan(missing.lower).all()


def test_only_what_is_exact_is_called_exact():
    ridge = gl.penalties.ridge(0.1)
    promised = {
        (None, None): "exact for normal errors of one variance",
        ("HC3", None): "for normal errors of one variance, the coefficients' by the HC3 covariance",
        (None, ridge): "for normal errors of one variance; the bias of the penalty not included",
    }
    for (kind, penalty), guarantee in promised.items():
        fit = gl.fit(X, Y, covariance=kind, penalty=penalty)
        assert fit.predict(NEW, interval="prediction").guarantee == guarantee
    poisson = gl.fit(X, COUNTS, loss="poisson", penalty=ridge).predict(NEW, interval="prediction")
    assert poisson.guarantee == "where targets have the poisson distribution; the bias of the penalty not included"
