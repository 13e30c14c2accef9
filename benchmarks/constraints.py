"""Constrained fits beside what else there is, in one run: ratios are to be read, not seconds.

    python benchmarks/constraints.py [--small]

Nonnegative least squares of 1,000,000 x 100 beside the bare symmetric product and scikit-learn's positive=True; 20 inequalities on
100,000 x 50 beside cvxpy with Clarabel on the rows; a monotone Poisson model of 600,000 x 300 beside glum's. --small: a twentieth of
the rows.
"""

import os
import sys
import warnings

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

import numpy as np
from scipy.linalg.blas import dsyrk

import gradline as gl
from clock import best

SMALL = "--small" in sys.argv
SHARE = 20 if SMALL else 1
RANDOM = np.random.default_rng(15)


def show(what, seconds, beside):
    ratios = ", ".join(f"{name} {other:.2f} s: {other / seconds:.2f} times as long" for name, other in beside.items())
    print(f"{what}: {seconds:.2f} s; {ratios}", flush=True)


def nonnegative():
    from sklearn.linear_model import LinearRegression

    n, p = 1_000_000 // SHARE, 100
    X = RANDOM.normal(size=(n, p))
    y = X @ np.where(np.arange(p) % 2, 1.0, -0.2) + RANDOM.normal(size=n)
    turned = np.asfortranarray(X.T)  # dsyrk takes it without a copy
    product, _ = best(lambda: dsyrk(1.0, turned), 3)
    seconds, fit = best(lambda: gl.fit(X, y, intercept=False, constraints=gl.constraints.nonnegative(), covariance=False), 3)
    other, model = best(lambda: LinearRegression(positive=True, fit_intercept=False).fit(X, y), 1)
    show(f"nonnegative least squares, {n:,} x {p}", seconds, {"dsyrk": product, "scikit-learn": other})
    print(f"  largest difference of coefficients {np.abs(fit.coefficients - model.coef_).max():.1e}; passes {fit.solution.passes}")


def inequalities():
    import cvxpy

    n, p, m = 100_000 // SHARE, 50, 20
    X = RANDOM.normal(size=(n, p))
    y = X @ RANDOM.normal(size=p) + RANDOM.normal(size=n)
    A, b = RANDOM.normal(size=(m, p)), RANDOM.normal(size=m)
    seconds, fit = best(lambda: gl.fit(X, y, intercept=False, constraints=gl.constraints.linear(A, lower=b), covariance=False), 3)

    def by_cvxpy():
        beta = cvxpy.Variable(p)
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(X @ beta - y)), [A @ beta >= b])
        problem.solve(solver=cvxpy.CLARABEL)
        return beta.value

    other, found = best(by_cvxpy, 1)
    show(f"{m} inequalities, {n:,} x {p}", seconds, {"cvxpy with Clarabel": other})
    print(f"  missed at most by {max(0.0, (b - A @ fit.coefficients).max()):.1e}, by Clarabel {max(0.0, (b - A @ found).max()):.1e}")


def monotone():
    from glum import GeneralizedLinearRegressor

    n, p, levels = 600_000 // SHARE, 300, 30
    X = RANDOM.normal(size=(n, p))
    dose = RANDOM.integers(0, levels, size=n)
    X[:, :levels] = 0.0
    X[np.arange(n), dose] = 1.0
    effects = np.sort(RANDOM.normal(size=levels) * 0.2) + 0.1 * RANDOM.normal(size=levels)
    eta = 0.1 + X[:, levels:] @ (0.02 * RANDOM.normal(size=p - levels)) + effects[dose]
    y = RANDOM.poisson(np.exp(eta)).astype(float)
    steps = np.zeros((levels - 1, p))
    steps[np.arange(levels - 1), np.arange(levels - 1)] = -1.0
    steps[np.arange(levels - 1), np.arange(1, levels)] = 1.0
    seconds, fit = best(
        lambda: gl.fit(X, y, loss="poisson", intercept=False, constraints=gl.constraints.linear(steps, lower=0.0), covariance=False), 1
    )

    def by_glum():
        model = GeneralizedLinearRegressor(
            family="poisson", alpha=0.0, fit_intercept=False, A_ineq=-steps, b_ineq=np.zeros(levels - 1), gradient_tol=1e-8, max_iter=300
        )
        return model.fit(X, y).coef_

    name, own = f"monotone Poisson, {n:,} x {p}", f"smallest step {(steps @ fit.coefficients).min():.1e}; passes {fit.solution.passes}"
    try:
        other, found = best(by_glum, 1)
    except ValueError as error:
        print(f"{name}: {seconds:.2f} s; {own}; glum fails: {error}")
        return
    show(name, seconds, {"glum": other})
    print(f"  {own}; by glum {(steps @ found).min():.1e}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for job in (nonnegative, inequalities, monotone):
        job()
