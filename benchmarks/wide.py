"""Sparse and wide data: gradline beside tabmat and scikit-learn, ratios in one run.

    python benchmarks/wide.py [--rows 1000000] [--columns 100000] [--only gram,logistic,dense,summary]

Gram: X' W X of a sparse matrix of 1,000 columns at 2%, which is what a Newton step takes, beside tabmat's sandwich product on as many
threads (both from the layout each keeps: compressed rows here, compressed columns and rows there). Logistic: rows of 50 terms drawn as
words of a text are, with a ridge, to the gradient at which scikit-learn's lbfgs stopped: both norms are by one and the same function.
Dense: n rows of as many columns, memory beside that of one Gram matrix. Summary: 1,400 columns. Times are the best of a few; long ones
run once.
"""

from __future__ import annotations

import argparse
import functools
import resource
import tracemalloc
import warnings

import numpy as np
from scipy import sparse

import gradline as gl
from clock import best
from gradline.objective.objective import Problem
from gradline.objective.row_curvature import _GramKernel
from gradline.rows.arrays import ArrayRows

warnings.filterwarnings("ignore")


def uniform(n, p, share, seed=0):
    """A matrix with a share of entries anywhere."""
    rng = np.random.default_rng(seed)
    each = max(1, round(p * share))
    places = rng.integers(0, p, n * each, dtype=np.int32)
    found = sparse.csr_array((rng.normal(size=n * each), places, np.arange(0, n * each + 1, each)), shape=(n, p))
    found.sum_duplicates()
    return found


def texts(n, p, terms, seed=0):
    """Counts of terms drawn as words are, a few very often, logarithms of one more; and classes that a tenth of the terms decide."""
    rng = np.random.default_rng(seed)
    places = (p * rng.random(n * terms) ** 3).astype(np.int32)
    counts = sparse.csr_array((np.ones(n * terms), places, np.arange(0, n * terms + 1, terms)), shape=(n, p))
    counts.sum_duplicates()
    counts.data = np.log1p(counts.data)
    slopes = np.where(rng.random(p) < 0.1, rng.normal(size=p), 0.0)
    return counts, (rng.random(n) < 1.0 / (1.0 + np.exp(-(counts @ slopes)))) * 1.0


def gram(n):
    import tabmat

    x = uniform(n, 1000, 0.02)
    weights = np.random.default_rng(1).random(n)
    rows = ArrayRows(x, np.zeros((n, 1)), intercept=False)
    theirs = tabmat.SparseMatrix(sparse.csc_matrix(x))
    kernel = _GramKernel(weights[:, None, None], ())
    theirs.sandwich(weights)
    ours_time, ours = min((best(lambda: rows.reduce(kernel), 2) for _ in range(2)), key=lambda found: found[0])
    their_time, other = min((best(lambda: theirs.sandwich(weights), 2) for _ in range(2)), key=lambda found: found[0])
    print(
        f"Gram {n:,} x 1,000, 2%: gradline {ours_time:.2f} s, tabmat {their_time:.2f} s, ratio {ours_time / their_time:.2f};"
        f" largest difference {np.abs(ours - other).max() / np.abs(other).max():.1e}"
    )


def logistic(n, p, terms=50):
    from sklearn.linear_model import LogisticRegression

    x, y = texts(n, p, terms)
    strength = 1.0 / n
    problem = Problem(ArrayRows(x, y[:, None]), gl.losses.logistic, gl.penalties.ridge(strength))

    def norm(coefficients):
        return float(np.linalg.norm(problem.evaluate(coefficients, 1).gradient))

    model = LogisticRegression(C=1.0, tol=1e-4, max_iter=2000)
    their_time, _ = best(lambda: model.fit(x, y), 1)
    theirs = norm(np.concatenate([model.intercept_, model.coef_[0]])[:, None])
    for tolerance in (1e-2, 1e-3, 1e-4, 1e-5, None):
        given = {"penalty": gl.penalties.ridge(strength), "solver": gl.NewtonCG(tolerance), "covariance": "none"}
        own_time, fit = best(functools.partial(gl.fit, x, y, loss="logistic", **given), 1)
        ours = norm(fit.solution.coefficients)
        if ours <= theirs:
            break
    print(
        f"Logistic {n:,} x {p:,}, {x.nnz / n:.0f} a row, ridge 1/n: gradline {own_time:.1f} s ({fit.solution.passes} passes, gradient"
        f" {ours:.1e}), scikit-learn lbfgs {their_time:.1f} s ({model.n_iter_[0]} steps, gradient {theirs:.1e}),"
        f" ratio {own_time / their_time:.2f}"
    )


def dense(sizes):
    for p in sizes:
        rng = np.random.default_rng(0)
        n = p + p // 4
        x = rng.normal(size=(n, p)) / np.sqrt(p)
        y = (x @ rng.normal(size=p) + 0.1 * rng.normal(size=n) > 0) * 1.0
        one = 8 * (p + 1) ** 2
        for name, loss in (("least squares", "squared"), ("logistic", "logistic")):
            fit = functools.partial(gl.fit, x, y, loss=loss, penalty=gl.penalties.ridge(0.01), covariance="none")
            tracemalloc.start()
            time, found = best(fit, 1)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            print(f"Dense {name}, {n:,} x {p:,}: {time:.1f} s, {peak / one:.2f} Gram matrices beside the data, by {found.solver}")


def summary(p=1400):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3 * p, p))
    fit = gl.fit(x, x[:, 0] + rng.normal(size=3 * p))
    assert np.isfinite(fit.standard_errors).all()
    time, text = best(lambda: str(fit.summary()), 3)
    print(f"Summary of {p:,} columns: {time:.2f} s, {len(text.splitlines()):,} lines")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=100_000)
    parser.add_argument("--dense", default="2000,4000")
    parser.add_argument("--only", default="gram,logistic,dense,summary")
    given = parser.parse_args()
    wanted = given.only.split(",")
    if "gram" in wanted:
        gram(given.rows)
    if "logistic" in wanted:
        logistic(given.rows, given.columns)
    if "dense" in wanted:
        dense([int(size) for size in given.dense.split(",")])
    if "summary" in wanted:
        summary()
    print(f"peak of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main()
