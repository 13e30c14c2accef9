"""The covariance of a penalised fit where the penalty is a prior: phi A^-1, A the penalised curvature.

Of curves it is what gives intervals that cover, averaged over the curve, bias included (Nychka 1988, JASA 83; Marra and Wood 2012,
Scandinavian Journal of Statistics 39), which the covariance of the estimate around its own mean does not. phi is 1 for a likelihood;
Pearson's dispersion for squared loss and others that leave one free; for a loss that is no likelihood the ratio of the scores' mean square
to the mean curvature, at which scores vary as much as the curvature says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.bread import Bread
from gradline.inference.kinked import RowLoss
from gradline.inference.perfect import PERFECT
from gradline.inference.statistics import FitStatistics
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel

WORDS = "Bayesian, the penalty taken for a prior: the dispersion times A^-1, A the penalised curvature"


def dispersion_is_known(loss: Loss) -> bool:
    """Whether a loss is a likelihood in full: without a dispersion left out, or a scale that is a tuning constant."""
    return loss.is_likelihood and not loss.has_free_dispersion and not loss.has_tuning_scale


def bayesian_factor(problem: Problem, coefficients: Array, bread: Bread, statistics: FitStatistics, loss: RowLoss) -> tuple[Array, str]:
    """(F (k P, d) with covariance F F', description). Raises ValueError without a penalty, and without a degree of freedom."""
    if problem.penalty is None:
        raise InferenceError('covariance="bayesian" takes a penalty for a prior, and the fit has none: ask for "classical"')
    scale, q = problem.loss.squared_scale(), problem.rows.n_targets
    if scale is not None or problem.loss.has_free_dispersion:
        found = dispersion_of_squares(statistics) * (1.0 if scale is None else 2.0 * scale)
        each = np.repeat(found if len(found) == problem.shape[1] else np.full(problem.shape[1], found.mean()), problem.shape[0])
        return np.sqrt(each)[
            :, None
        ] * bread.root, f"{WORDS}; the dispersion is Pearson's over n - p = {statistics.degrees_of_freedom:,.6g}"
    if dispersion_is_known(problem.loss):
        return bread.root, f"{WORDS}; of a likelihood the dispersion is 1"
    sums = problem.rows.reduce(_ScoresKernel(loss, coefficients))
    spare = statistics.degrees_of_freedom
    if not (spare > 0 and sums.curvature > 0 and q > 0):
        raise InferenceError(f"no standard errors: the loss {problem.loss.name!r} has no curvature at the coefficients, or too few rows")
    dispersion = sums.squares / spare / (sums.curvature / sums.copies)
    words = f"{WORDS}; the dispersion {dispersion:.4g} is the scores' mean square over the mean curvature"
    return float(np.sqrt(dispersion)) * bread.root, words


def dispersion_of_squares(statistics: FitStatistics) -> Array:
    """Pearson's dispersion, (q,). Raises ValueError where it is zero or unknown."""
    spare = statistics.degrees_of_freedom
    if not spare > 0:
        raise InferenceError(f"no standard errors: {statistics.count:,.6g} rows leave no degree of freedom for the dispersion")
    if statistics.squares is None or not statistics.squares.any():
        raise InferenceError(f"no standard errors: {PERFECT}")
    return np.asarray(statistics.squares / spare)


class _Scores(NamedTuple):
    squares: float
    curvature: float
    copies: float


@dataclass(frozen=True)
class _ScoresKernel(Kernel[_Scores]):
    """sum f w |g|^2, sum f tr H and sum f."""

    loss: RowLoss
    coefficients: Array

    def map(self, block: Block) -> _Scores:
        counts = block.row_counts
        used = np.flatnonzero(counts)
        counts = counts[used]
        gradient, curvature = self.loss.both(block.targets[used], block.linear_predictors(self.coefficients)[used])
        weights = counts if block.weights is None else counts * block.weights[used]
        squares = float(np.dot(weights, np.square(gradient).sum(axis=1)))
        return _Scores(squares, float(np.dot(counts, np.einsum("ijj->i", curvature))), float(counts.sum()))

    def merge(self, first: _Scores, second: _Scores) -> _Scores:
        return _Scores(*(a + b for a, b in zip(first, second, strict=True)))
