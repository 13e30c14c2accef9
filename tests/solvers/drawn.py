"""Random regression problems of every kind that has tripped a solver for kinked losses."""

import numpy as np


def draw(seed, n, p, kind):
    """(X (n, p), y (n,), what the rows have beside them); a kind of one test only is an ordinary problem here. seed: or a generator."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p))
    y = X @ random.normal(size=p) + random.standard_t(3, size=n)
    row_columns = {}
    # The first row always counts, so that no problem is empty.
    first = np.arange(n) == 0
    if kind == "weights":
        row_columns["weights"] = random.exponential(size=n) * (random.random(n) < 0.8) + 1e-3 * first
    elif kind == "frequencies":
        row_columns["frequencies"] = np.maximum(random.integers(0, 4, size=n), first).astype(float)
    elif kind == "offset":
        row_columns["offset"] = random.normal(size=(n, 1))
    elif kind == "integers":
        y = np.round(y)
    elif kind == "grid":
        X, y = np.round(X), np.round(y)
    elif kind == "zero inflated":
        y = np.where(random.random(n) < 0.6, 0.0, np.abs(y))
    elif kind == "levels":
        X[:, 0] = random.integers(0, 2, size=n)
    elif kind == "scales":
        X = X * 10.0 ** random.integers(-4, 5, size=p)
    elif kind == "heavy tails":
        y = y + random.standard_cauchy(n) ** 3
    return X, y, row_columns
