"""How often 95% intervals hold the truth: one cell of the study, and the rows of the table in docs/inference.md.

python tests/inference/cover_study.py [replications [first cell [last cell]]]
"""

import sys
from typing import NamedTuple

import numpy as np

import gradline as gl
from gradline.losses.defaults import PerTarget
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.registry import automatic

SLOPES = np.array([1.0, 0.5, -0.5, 0.0])
N, CALIBRATION, NEW = 200, 199, 50
"""Rows of a fit, of its calibration, and new ones."""

REPLICATIONS, SEED = 2000, 20


def pull(r):
    """A user's asymmetric loss: sqrt-like above, log cosh below. Its derivative in r, for the truth of the intercept."""
    return np.where(r > 0, 2.0 * r / np.sqrt(1.0 + r * r), np.tanh(r))


class Asymmetric(PerTarget):
    """The loss of tests/inference/test_other_losses.py with derivatives by hand, since thousands of fits need no tape."""

    name = "asymmetric"
    is_convex = True

    def elementwise(self, targets, predictors, order):
        r = targets - predictors
        root = np.sqrt(1.0 + r * r)
        value = np.where(r > 0, 2.0 * (root - 1.0), np.logaddexp(r, -r) - np.log(2.0))
        return value, -pull(r), np.where(r > 0, 2.0 / root**3, 1.0 / np.cosh(r) ** 2)


class Cell(NamedTuple):
    """A loss, whether noise grows with x, the kind of covariance (None: the default) and whether theory promises 95%."""

    name: str
    loss: object
    heteroscedastic: bool
    kind: object
    promised: bool


def cells() -> list[Cell]:
    losses = {
        "squared": "squared",
        "huber": gl.losses.huber(1.0),
        "student_t": gl.losses.student_t(4.0),
        "poisson": "poisson",
        "quantile 0.5": gl.losses.quantile(0.5),
        "asymmetric": Asymmetric(),
        "normal": "normal",
    }
    found = []
    for name, loss in losses.items():
        for heteroscedastic in (False, True):
            default_holds = not heteroscedastic or name not in ("squared", "poisson")
            found.append(Cell(name, loss, heteroscedastic, None, default_holds))
            if not default_holds:
                found.append(Cell(name, loss, heteroscedastic, "HC3", True))
    return found


def draw(cell: Cell, rng: np.random.Generator, n: int = N):
    """(x, y, true slopes of the first linear predictor)."""
    x = rng.normal(size=(n, 4))
    eta = 0.5 + x @ SLOPES
    scale = np.exp(0.4 * x[:, 0]) if cell.heteroscedastic else np.ones(n)
    if cell.name == "poisson":
        mean = np.exp(0.3 * eta)
        # A gamma mixture keeps the mean and adds to the variance.
        return x, rng.poisson(mean * rng.gamma(2.0, 0.5, n) if cell.heteroscedastic else mean).astype(float), 0.3 * SLOPES
    noise = rng.standard_t(4, size=n) if cell.name in ("huber", "student_t") else rng.normal(size=n)
    return x, eta + scale * noise, SLOPES


class Shares(NamedTuple):
    """How often 95% intervals hold what they are for. slopes (4,): the true slopes. conformal: a new target, by split conformal."""

    slopes: np.ndarray
    conformal: float


def coverage(cell: Cell, replications: int, seed: int) -> Shares:
    """One cell of the table. An asymmetric loss of heteroscedastic noise has other slopes than the mean's."""
    rng = np.random.default_rng(seed)
    held, new = np.zeros(4), 0.0
    for _ in range(replications):
        x, y, truth = draw(cell, rng)
        if cell.name == "asymmetric" and cell.heteroscedastic:
            truth = asymmetric_truth()
        fit = gl.fit(x, y, loss=cell.loss, covariance=cell.kind or "default")
        low, high = (np.reshape(end, (5, -1))[1:, 0] for end in fit.interval())
        held += (low <= truth) & (truth <= high)
        ahead, targets, _ = draw(cell, rng, NEW)
        found = fit.predict(ahead, interval="prediction", calibration=draw(cell, rng, CALIBRATION)[:2])
        new += np.mean((found.lower <= targets) & (targets <= found.upper))
    return Shares(held / replications, float(new / replications))


def asymmetric_truth() -> np.ndarray:
    """The minimiser of the expected asymmetric loss under heteroscedastic noise, from one very large sample."""
    global _TRUTH
    if _TRUTH is None:
        rng = np.random.default_rng(999)
        x = rng.normal(size=(2_000_000, 4))
        y = 0.5 + x @ SLOPES + np.exp(0.4 * x[:, 0]) * rng.normal(size=len(x))
        problem = Problem(ArrayRows(x, y[:, None]), Asymmetric())
        _TRUTH = automatic(problem).solve(problem).coefficients[1:, 0]
    return _TRUTH


_TRUTH = None


def line(cell: Cell, shares: Shares) -> str:
    """A row of the table in docs/inference.md."""
    noise = "changes with x" if cell.heteroscedastic else "one spread"
    promised = "yes" if cell.promised else "no"
    slopes = " ".join(f"{share:.3f}" for share in shares.slopes)
    return f"| {cell.name} | {noise} | {cell.kind or 'default'} | {slopes} | {promised} | {shares.conformal:.3f} |"


def main(replications: int = REPLICATIONS, first: int = 0, last: int | None = None) -> None:
    """Rows of the table, for cells first to last."""
    for cell in cells()[first:last]:
        print(line(cell, coverage(cell, replications, SEED)), flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
