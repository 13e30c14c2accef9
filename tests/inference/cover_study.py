"""How often 95% intervals hold the truth: one cell of the study, and the table of all.

python tests/inference/cover_study.py [replications]      writes the table to the terminal
"""

import sys
from typing import NamedTuple

import numpy as np

import gradline as gl
from gradline.inference.covariance import covariance
from gradline.inference.intervals import coefficient_interval
from gradline.losses.defaults import PerTarget
from gradline.problem import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.choice import automatic

SLOPES = np.array([1.0, 0.5, -0.5, 0.0])
N = 200


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


def draw(cell: Cell, rng: np.random.Generator):
    """(x, y, true coefficients of the first linear predictor, without the intercept where the loss moves it)."""
    x = rng.normal(size=(N, 4))
    eta = 0.5 + x @ SLOPES
    scale = np.exp(0.4 * x[:, 0]) if cell.heteroscedastic else np.ones(N)
    if cell.name == "poisson":
        mean = np.exp(0.3 * eta)
        # A gamma mixture keeps the mean and adds to the variance.
        return x, rng.poisson(mean * rng.gamma(2.0, 0.5, N) if cell.heteroscedastic else mean).astype(float), 0.3 * SLOPES
    noise = rng.standard_t(4, size=N) if cell.name in ("huber", "student_t") else rng.normal(size=N)
    return x, eta + scale * noise, SLOPES


def coverage(cell: Cell, replications: int, seed: int) -> np.ndarray:
    """The share of intervals that hold the truth, for each slope, (4,). An asymmetric loss of heteroscedastic noise has other slopes."""
    rng = np.random.default_rng(seed)
    held = np.zeros(4)
    truth = SLOPES
    for _ in range(replications):
        x, y, truth = draw(cell, rng)
        if cell.name == "asymmetric" and cell.heteroscedastic:
            truth = asymmetric_truth()
        loss = gl.losses.by_name(cell.loss) if isinstance(cell.loss, str) else cell.loss
        problem = Problem(ArrayRows(x, y[:, None], threads=1), loss)
        solution = automatic(problem).solve(problem)
        low, high = coefficient_interval(solution.coefficients, covariance(problem, solution, cell.kind))
        held += (low[1:, 0] <= truth) & (truth <= high[1:, 0])
    return held / replications


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


def main(replications: int = 2000, seed: int = 20) -> None:
    """The table."""
    print(f"n = {N}, p = 4, {replications} replications, seed {seed}; share of 95% intervals that hold the truth, by slope")
    for cell in cells():
        shares = coverage(cell, replications, seed)
        kind = cell.kind or "default"
        noise = "heteroscedastic" if cell.heteroscedastic else "homoscedastic"
        mark = "" if cell.promised else "   (not promised)"
        print(f"{cell.name:14s} {noise:16s} {kind:10s} " + " ".join(f"{share:.3f}" for share in shares) + mark, flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
