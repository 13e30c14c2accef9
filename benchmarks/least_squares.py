"""Least squares beside the peers: seconds, ratios and memory, all in one run.

    python benchmarks/least_squares.py [--quick]

Each figure is the best of a few calls; peers that take many seconds are called once. Memory is the growth of the process's peak
while gradline fits, which is asked first, before any peer has raised the peak.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import gradline as gl
from clock import seconds
from gradline.losses.catalogue import squared
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.least_squares.least_squares import LeastSquares


def solver(x, y, accuracy="auto"):
    return lambda: LeastSquares(accuracy).solve(Problem(ArrayRows(x, y[:, None]), squared))


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def dsyrk(x):
    from scipy.linalg.blas import dsyrk

    return lambda: dsyrk(1.0, x.T)


def scikit_learn(x, y):
    from sklearn.linear_model import LinearRegression

    return lambda: LinearRegression().fit(x, y)


def ridge_cholesky(x, y):
    from sklearn.linear_model import Ridge

    return lambda: Ridge(solver="cholesky").fit(x, y)


def statsmodels(x, y):
    from statsmodels.api import OLS

    def fit():
        return OLS(y, np.column_stack([np.ones(len(x)), x])).fit()

    return fit


def compare(n, p, quick):
    random = np.random.default_rng(0)
    x = random.standard_normal((n, p))
    y = x @ random.standard_normal(p) + 3.0 * random.standard_normal(n) + 2.0
    many = 300 if n * p < 10_000 else 3
    once = many if n * p < 10_000 else 1
    fit = solver(x, y)
    before = peak()
    solution = fit()
    grown = peak() - before
    ours = seconds(fit, many)
    print(f"\n{n:,} x {p}: gradline's solver {ours:.4g} s, claims {np.min(solution.digits):.1f} digits", flush=True)
    print(f"  extra memory at the peak: {grown:.0f} MB beside the array's {x.nbytes / 2**20:.0f} MB")
    rows = {
        "bare symmetric product (dsyrk)": (dsyrk(x), many),
        "gl.fit": (lambda: gl.fit(x, y), many),
        'gradline, accuracy="full"': (solver(x, y, "full"), once),
        'scikit-learn Ridge(solver="cholesky")': (ridge_cholesky(x, y), many),
        "scikit-learn LinearRegression": (scikit_learn(x, y), once),
    }
    if not quick or n * p < 10_000:
        rows["statsmodels OLS"] = (statsmodels(x, y), once)
    for name, (work, repeats) in rows.items():
        taken = seconds(work, repeats)
        print(f"  {name:40s} {taken:10.4g} s   {taken / ours:8.2f} times the solver's", flush=True)


def moments(n):
    random = np.random.default_rng(1)
    x = random.standard_normal((n, 30))
    y = x @ random.standard_normal(30) + random.standard_normal(n)
    start = time.perf_counter()
    kept = gl.Moments.from_arrays(x, y)
    print(f"\nMoments of {n:,} x 30 and a target: {time.perf_counter() - start:.3g} s")
    formula = "y ~ " + " + ".join(f"x{j}" for j in range(1, 31, 2))
    print(f"  a sub-model of 15 columns: {seconds(lambda: kept.fit(formula), 20) * 1e3:.3g} ms")
    print(f"  the model of all 30:       {seconds(lambda: kept.fit('y ~ .'), 20) * 1e3:.3g} ms")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moments.json"
        kept.save(path)
        print(f"  the file: {path.stat().st_size:,} bytes")


def main():
    warnings.simplefilter("ignore")
    quick = "--quick" in sys.argv
    compare(100, 3, quick)
    compare(1_000_000, 100, quick)
    compare(100_000, 500, quick)
    compare(10_000_000, 10, quick)
    moments(10_000_000)


if __name__ == "__main__":
    main()
