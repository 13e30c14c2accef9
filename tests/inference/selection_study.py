"""How often 95% intervals after selection hold what they are for, by simulation: the table in docs/penalties.md.

n = 200 rows, ten columns with correlation 0.3 between neighbours, slopes 1, -0.5, 0.25 and seven zeros. Debiased intervals are for the true
slopes, all ten of them. Selective ones are for the slopes of least squares of the true mean on the columns that were kept, pooled over the
columns kept. "naive" is a plain fit of the kept columns, held to the same. ``python tests/inference/selection_study.py`` prints the rows.
"""

import sys
from typing import NamedTuple

import numpy as np

import gradline as gl

N, P, REPLICATIONS, SEED = 200, 10, 2000, 21
SLOPES = np.array([1.0, -0.5, 0.25, 0, 0, 0, 0, 0, 0, 0])
ROOT = np.linalg.cholesky(0.3 ** np.abs(np.subtract.outer(np.arange(P), np.arange(P))))


class Cell(NamedTuple):
    """kind: of covariance, "naive" for none. promised: whether theory promises 95%. size: of the slopes, as a share of SLOPES."""

    kind: str
    loss: str
    penalty: object
    promised: bool
    size: float = 1.0
    replications: int = REPLICATIONS


def cells():
    """Every row of the table."""
    lasso, net = gl.penalties.lasso, gl.penalties.elastic_net
    return [
        Cell("debiased", "squared", lasso(0.3), True),
        Cell("debiased", "logistic", lasso(0.02), True),
        Cell("debiased", "poisson", lasso(0.05), True, 0.5),
        Cell("debiased", "huber", lasso(0.1), True),
        Cell("debiased", "squared", lasso("auto"), True, 1.0, 500),
        Cell("selective", "squared", lasso(0.15), True),
        Cell("selective", "squared", lasso(0.4), True),
        Cell("selective", "squared", net(0.3, 0.5), True),
        Cell("selective", "squared", lasso("auto"), False, 1.0, 500),
        Cell("naive", "squared", lasso(0.15), False),
        Cell("naive", "squared", lasso(0.4), False),
    ]


def draw(cell, rng):
    """(X, y, the linear predictor)."""
    X = rng.normal(size=(N, P)) @ ROOT.T
    eta = cell.size * X @ SLOPES
    if cell.loss == "logistic":
        return X, (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(float), eta
    if cell.loss == "poisson":
        return X, rng.poisson(np.exp(0.5 + eta)).astype(float), eta
    noise = rng.standard_t(4, size=N) if cell.loss == "huber" else rng.normal(size=N)
    return X, eta + noise, eta


def coverage(cell, replications=None, seed=SEED):
    """(share of intervals that hold, how many intervals)."""
    rng = np.random.default_rng(seed)
    held = count = 0
    for _ in range(replications or cell.replications):
        X, y, eta = draw(cell, rng)
        kind = "none" if cell.kind == "naive" else cell.kind
        loss = gl.losses.huber(1.345) if cell.loss == "huber" else cell.loss
        fit = gl.fit(X, y, loss=loss, penalty=cell.penalty, covariance=kind)
        if cell.kind == "debiased":
            truth, (lower, upper) = cell.size * SLOPES, (end[1:] for end in fit.interval())
        else:
            kept = np.flatnonzero(fit.slopes)
            if not kept.size:
                continue
            design = np.column_stack([np.ones(N), X[:, kept]])
            truth = np.linalg.lstsq(design, eta, rcond=None)[0][1:]
            ends = gl.fit(X[:, kept], y).interval() if cell.kind == "naive" else [end[np.append(0, 1 + kept)] for end in fit.interval()]
            lower, upper = (end[1:] for end in ends)
        held += int(((lower <= truth) & (truth <= upper)).sum())
        count += len(truth)
    return held / count, count


def line(cell, share, count):
    """A row of the table in docs/penalties.md."""
    penalty = cell.penalty.name.replace("_", " ")
    strength = cell.penalty.strength
    return f"| {cell.kind} | {cell.loss} | {penalty}, {strength} | {share:.3f} | {count:,} | {'yes' if cell.promised else 'no'} |"


def main(first=0, last=None):
    """Rows of the table, for cells first to last."""
    for cell in cells()[first:last]:
        print(line(cell, *coverage(cell)), flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
