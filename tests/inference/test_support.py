"""Diagnostics of fits that set coefficients to zero, against the smaller least squares and against refits without a row."""

import numpy as np
import pytest

import gradline as gl

RNG = np.random.default_rng(5)
N = 60
X = RNG.normal(size=(N, 6))
Y = 3 * X[:, 0] - 2 * X[:, 2] + RNG.normal(size=N)


def test_leverage_is_that_of_the_columns_kept():
    fit = gl.fit(X, Y, penalty=gl.penalties.lasso(0.6))
    kept = np.flatnonzero(fit.slopes)
    assert 0 < kept.size < 6
    design = np.column_stack([np.ones(N), X[:, kept]])
    hat = np.diag(design @ np.linalg.solve(design.T @ design, design.T))
    np.testing.assert_allclose(fit.diagnose(X, Y).leverage, hat, rtol=1e-10)


@pytest.mark.parametrize(
    "penalty",
    [
        lambda s: gl.penalties.lasso(s),
        lambda s: gl.penalties.lasso(s) + gl.penalties.ridge(s / 3),
    ],
    ids=["lasso", "with a ridge"],
)
def test_what_a_fit_without_one_row_leaves_is_that_of_the_refit_while_the_columns_stay(penalty):
    fit = gl.fit(X, Y, penalty=penalty(0.6))
    left = fit.diagnose(X, Y).leave_one_out
    compared = 0
    for i in range(0, N, 5):
        others = np.arange(N) != i
        # The penalty of all rows together stays what it was: the mean is over one row less.
        refit = gl.fit(X[others], Y[others], penalty=penalty(0.6 * N / (N - 1)))
        if ((refit.slopes == 0) == (fit.slopes == 0)).all():
            assert left[i] == pytest.approx(refit.predict(X[i : i + 1])[0], rel=1e-8)
            compared += 1
    assert compared >= 8


def test_pictures_and_reports_of_such_fits_are_drawn(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    y = (Y > 0) * 1.0
    for loss, target in (("squared", Y), ("logistic", y)):
        for penalty in (gl.penalties.lasso(0.05), gl.penalties.group_lasso(0.05, ["a", "a", "b", "b", "c", "c"])):
            fit = gl.fit(X, target, loss=loss, penalty=penalty)
            gl.plot.residuals(fit, X, target)
            gl.plot.diagnostics(fit, X, target)
            fit.report(X, target).save(tmp_path / "report.html")


def test_other_columns_are_told_apart_from_those_of_the_fit():
    path = gl.path(X, Y, strengths=6)
    for fit in (gl.fit(X, Y, penalty=gl.penalties.lasso(0.6)), path.fit(float(path.strengths[3]))):
        assert 0 <= fit.certificate.gradient_norm < 1e-12
        np.testing.assert_array_equal(fit.diagnose(X, Y).leverage, fit.diagnose(X.copy(), Y).leverage)
        for other in (X + 1.0, X[:, ::-1], 1.001 * X):
            with pytest.raises(gl.InferenceError, match="not the rows the model was fitted to"):
                _ = fit.diagnose(other, Y).leverage
