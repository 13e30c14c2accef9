"""How often 95% intervals of constrained fits hold the truth, and how wide they are: the rows of the table in docs/constraints.md.

python tests/constraints/constrained_study.py [replications [loss]]
"""

import sys
import warnings

import numpy as np

import gradline as gl

N, REPLICATIONS, SEED = 200, 2000, 15

WAYS = ("intersection", "draws", "face")

TRUTHS = {"inside": (0.5, 0.4, -0.3), "at the boundary": (0.0, 0.0, -0.3), "near it": (0.1, 0.05, -0.3)}
"""Slopes of x1, x2, which are to be zero or above, and of x3, which is free. x1 and x2 are correlated by 0.5."""

LOSSES = ("squared", "poisson")


def rows(loss, truth, random):
    """X (n, 3) and y (n,)."""
    X = random.normal(size=(N, 3))
    X[:, 1] = 0.5 * X[:, 0] + np.sqrt(0.75) * X[:, 1]
    eta = 0.2 + X @ truth
    return X, eta + random.normal(size=N) if loss == "squared" else random.poisson(np.exp(eta)).astype(float)


def coverage(loss, truth, way, replications, seed):
    """(share of intervals that hold each of three slopes, their mean widths beside those without constraints, widths of these)."""
    random = np.random.default_rng(seed)
    held, widths, plain_widths, empty = np.zeros(3), np.zeros(3), np.zeros(3), 0
    for _ in range(replications):
        X, y = rows(loss, truth, random)
        fit = gl.fit(X, y, loss=loss, constraints="x1 >= 0, x2 >= 0", inference=way)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lower, upper = (end[1:] for end in fit.interval())
        plain = gl.fit(X, y, loss=loss).interval()
        gone = np.isnan(lower)
        empty += int(gone.any())
        slack = 1e-12  # an end that is the boundary itself holds it
        held += (lower <= np.array(truth) + slack) & (np.array(truth) <= upper + slack) & ~gone
        widths += np.where(gone, 0.0, upper - lower)
        plain_widths += (plain.upper - plain.lower)[1:]
    return held / replications, widths / plain_widths, empty / replications


def line(loss, where, way, found):
    """A row of the table."""
    shares, widths, empty = found
    cells = [f"{100 * share:.1f}%" for share in shares] + [f"{width:.2f}" for width in widths]
    return f"| {loss} | {where} | {way} | " + " | ".join(cells) + f" | {100 * empty:.1f}% |"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else REPLICATIONS
    for loss in sys.argv[2:] or LOSSES:
        for where, truth in TRUTHS.items():
            for way in WAYS:
                share = {"intersection": 1.0, "face": 0.3, "draws": 0.15}[way]
                print(line(loss, where, way, coverage(loss, truth, way, int(share * count), SEED)), flush=True)
