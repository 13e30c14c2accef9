"""What standard errors cost, beside a pass of curvature and beside statsmodels: ratios, all in one run.

    python benchmarks/inference.py [--quick]

Each figure is the best of a few calls, or the median of pairs of them. A pass of curvature is one evaluation of value, gradient and
curvature of the same objective at the same coefficients: what a Newton step costs. Huber's leaves out the rows beyond the bend, over a
third of them here; the meat has every row, as the curvature of log_cosh does, which is timed beside it.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np

import gradline as gl
from clock import seconds
from gradline.inference.bread import compute_bread
from gradline.inference.covariance.estimate import free_coefficients, score_products
from gradline.inference.inference import infer
from gradline.inference.kinked import row_loss
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.registry import automatic


def robust(x, y):
    """HC1 for Huber's loss, in passes of curvature."""
    problem = Problem(ArrayRows(x, y[:, None]), gl.losses.huber(1.0))
    solution = automatic(problem).solve(problem)
    coefficients = solution.coefficients
    loss, free = row_loss(problem, coefficients), free_coefficients(problem, solution)
    bread = compute_bread(problem, coefficients, free, loss)
    passes = {"a pass of curvature": seconds(lambda: problem.evaluate(coefficients, 2))}
    one = passes["a pass of curvature"]
    every = Problem(problem.rows, gl.losses.log_cosh)
    passes["one where every row has curvature"] = full = seconds(lambda: every.evaluate(coefficients, 2))
    passes["the bread, by itself"] = seconds(lambda: compute_bread(problem, coefficients, free, loss))
    passes["HC1's meat, where the bread is known"] = seconds(lambda: score_products(problem, coefficients, bread, loss))
    # Bread, meat and fit measures in one pass, and quantiles of left-out residuals.
    passes["all of HC1, of a fit that left no curvature"] = seconds(lambda: infer(problem, solution, "HC1", keep_meat=True))
    # The fit's own last pass takes the bread along. A difference of two times is told from the noise by pairs only.
    pairs = []
    for _ in range(9):
        with_errors = seconds(lambda: gl.fit(x, y, loss=gl.losses.huber(1.0), covariance="HC1"), 1)
        pairs.append((with_errors, seconds(lambda: gl.fit(x, y, loss=gl.losses.huber(1.0), covariance=False), 1)))
    passes['what covariance="HC1" adds to gl.fit'] = float(np.median([a - b for a, b in pairs]))
    passes["gl.fit without it"] = float(np.median([b for _, b in pairs]))
    for name, taken in passes.items():
        print(f"  {name:46s} {taken:8.3g} s   {taken / one:6.2f} passes of curvature   {taken / full:6.2f} of one of every row")


def least_squares(x, y):
    """Squared loss with HC1, beside statsmodels."""
    from statsmodels.api import OLS

    plain = seconds(lambda: gl.fit(x, y, covariance=False))
    classical = seconds(lambda: gl.fit(x, y).standard_errors)
    ours = seconds(lambda: gl.fit(x, y, covariance="HC1").standard_errors)
    theirs = seconds(lambda: OLS(y, np.column_stack([np.ones(len(x)), x])).fit(cov_type="HC1").bse, 1)
    print(f"  gl.fit without standard errors           {plain:8.3g} s")
    print(f"  gl.fit with classical ones               {classical:8.3g} s   {classical / plain:6.2f} times as long")
    print(f"  gl.fit with HC1                          {ours:8.3g} s   {ours / plain:6.2f} times as long")
    print(f"  statsmodels OLS with HC1                 {theirs:8.3g} s   {theirs / ours:6.2f} times gl.fit with HC1")


def main():
    warnings.simplefilter("ignore")
    random = np.random.default_rng(0)
    n = 100_000 if "--quick" in sys.argv else 1_000_000
    x = random.standard_normal((n, 100))
    y = x @ random.standard_normal(100) + 2.0 + random.standard_t(4, size=n)
    print(f"Huber, {n:,} x 100", flush=True)
    robust(x, y)
    print(f"squared, {n:,} x 100", flush=True)
    least_squares(x, y)


if __name__ == "__main__":
    main()
