"""How often 95% intervals by profiles and bootstraps hold the truth: one cell of the study, and the table in docs/effects.md.

python tests/effects/cover_bootstrap_study.py [data sets]
"""

import sys
from typing import NamedTuple

import numpy as np

import gradline as gl

SLOPES = np.array([0.5, -0.5])
DATA_SETS, REPLICATIONS, SEED = 300, 199, 21


class Cell(NamedTuple):
    """A loss, the method, the kind of bootstrap, whether noise grows with x or clusters share a part of it, and how many rows there are."""

    loss: object
    method: str
    kind: str | None = None
    noise: str = "one"
    rows: int = 100

    @property
    def name(self) -> str:
        """For a table."""
        loss = self.loss if isinstance(self.loss, str) else self.loss.name
        spread = {"one": "", "growing": ", noise grows with x", "clusters": ", 25 clusters"}[self.noise]
        return f"{loss}{spread}, {self.rows} rows: {self.method if self.kind is None else self.kind}"


CELLS = (
    Cell("squared", "bootstrap", "cases"),
    Cell("squared", "bootstrap", "wild"),
    Cell("squared", "bootstrap", "cases", "growing"),
    Cell("squared", "bootstrap", "wild", "growing"),
    Cell("squared", "bootstrap", "clusters", "clusters", 250),
    Cell("squared", "bootstrap", "wild", "clusters", 250),
    Cell("logistic", "bootstrap", "cases", rows=200),
    Cell("logistic", "profile", rows=60),
    Cell("poisson", "bootstrap", "cases"),
    Cell("poisson", "profile", rows=40),
    Cell(gl.losses.huber(1.0), "bootstrap", "cases"),
)


def drawn(cell: Cell, generator: np.random.Generator):
    """(X, y, clusters or None)."""
    n = cell.rows
    groups = np.repeat(np.arange(25), n // 25) if cell.noise == "clusters" else None
    X = generator.normal(size=(n, 2))
    if groups is not None:
        X[:, 0] = generator.normal(size=25)[groups]
    eta = 0.3 + X @ SLOPES
    if cell.loss == "logistic":
        return X, (generator.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float), None
    if cell.loss == "poisson":
        return X, generator.poisson(np.exp(eta)).astype(float), None
    noise = generator.standard_t(5, size=n) if not isinstance(cell.loss, str) else generator.normal(size=n)
    if cell.noise == "growing":
        noise = noise * np.exp(0.5 * X[:, 0])
    if groups is not None:
        noise = noise + generator.normal(size=25)[groups]
    return X, eta + noise, groups


def coverage(cell: Cell, data_sets: int, seed: int) -> np.ndarray:
    """The share of intervals that hold each slope, and below it the share of plain ones, by HC3 or clusters for squared loss, (2, 2)."""
    held, count = np.zeros((2, 2)), 0
    for i in range(data_sets):
        X, y, groups = drawn(cell, np.random.default_rng([seed, CELLS.index(cell), i]))
        kind = {"covariance": "HC3" if groups is None else "cluster", "groups": groups} if cell.loss == "squared" else {}
        fit = gl.fit(X, y, loss=cell.loss, **kind)
        options = {} if cell.kind is None else {"kind": cell.kind, "replications": REPLICATIONS, "seed": i, "groups": groups}
        for j, (lower, upper) in enumerate((fit.interval(0.95, cell.method, X, y, **options), fit.interval())):
            held[j] += (lower[1:] <= SLOPES) & (upper[1:] >= SLOPES)
        count += 1
    return held / count


def main() -> None:
    """The rows of the table."""
    data_sets = int(sys.argv[1]) if len(sys.argv) > 1 else DATA_SETS
    for cell in CELLS:
        shares = coverage(cell, data_sets, SEED)
        print(f"| {cell.name} | " + " | ".join(f"{100 * share:.1f}" for share in shares.ravel()) + " |", flush=True)


if __name__ == "__main__":
    main()
