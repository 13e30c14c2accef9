"""Every row's prediction by the fit without it, from one fit: leverage and curvature instead of n refits.

Leaving out row i moves the coefficients by A^-1 Z_i (I - w H Q)^-1 w g, Q = Z_i' A^-1 Z_i, one Newton step from the optimum: exact for
squared loss, ridge included (Allen 1974's PRESS), and to second order for others (Rad and Maleki 2020, JRSS B 82; Beirami and others
2017). The total penalty n s stays as it is when a row is left out. A row that counts f times is left out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.inference.bread import Bread, RowTerms, compute_bread, quadratic_forms, row_terms
from gradline.inference.covariance.meat import adjust
from gradline.inference.kinked import RowLoss, row_loss
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


class LeaveOneOut(NamedTuple):
    """Mean losses a row, weighted: left_out, at each row's prediction without it; in_sample, at the fit. left_out less in_sample is what
    the fit flatters itself by."""

    left_out: float
    in_sample: float


def left_out_predictors(block: Block, coefficients: Array, loss: RowLoss, roots: Array) -> Array:
    """Linear predictors of the rows of a block by the fit without each, (m, k). Raises ValueError naming a row of leverage 1."""
    terms = row_terms(loss, coefficients, block)
    forms = quadratic_forms(block.design, roots)
    return np.asarray(block.linear_predictors(coefficients) + left_out_shift(terms, forms, block))


def left_out_shift(terms: RowTerms, forms: Array, block: Block) -> Array:
    """How far leaving a row out moves its own linear predictors, (m, k)."""
    return np.asarray(np.einsum("iab,ib->ia", forms, adjust(terms, forms, 1.0, block)))


def leave_one_out(
    problem: Problem, coefficients: Array, free: CoefficientMap, bread: Bread | None = None, loss: RowLoss | None = None
) -> LeaveOneOut:
    """The leave-one-out loss of a fit, in one pass beside the bread's.

    Raises ValueError where a row has leverage 1, naming it, and what ``bread`` and ``row_loss`` raise.
    """
    loss = row_loss(problem, coefficients) if loss is None else loss
    bread = compute_bread(problem, coefficients, free, loss) if bread is None else bread
    sums = problem.rows.reduce(_LossKernel(loss, coefficients, bread.roots))
    return LeaveOneOut(float(sums[1] / sums[0]), float(sums[2] / sums[0]))


@dataclass(frozen=True)
class _LossKernel(Kernel[Array]):
    """(sum f w, sum f w loss left out, sum f w loss)."""

    writes_columns: ClassVar[bool] = True

    loss: RowLoss
    coefficients: Array
    roots: Array

    def map(self, block: Block) -> Array:
        weights = block.weight_of_each_row
        used = np.flatnonzero(weights)
        weights, targets = weights[used], block.targets[used]
        predictors = left_out_predictors(block, self.coefficients, self.loss, self.roots)[used]
        value = self.loss.loss.derivatives(targets, predictors, 0).value
        inside = self.loss.loss.derivatives(targets, block.linear_predictors(self.coefficients)[used], 0).value
        return np.array([weights.sum(), np.dot(weights, value), np.dot(weights, inside)])

    def merge(self, first: Array, second: Array) -> Array:
        return first + second


@dataclass(frozen=True, eq=False)
class ResidualQuantiles:
    """Signed quantiles of residuals y - prediction of rows left out, over the spread that the loss gives them where it gives one.

    probabilities (t,) rising; values (t, outputs): order statistics, value j having rank probabilities[j] (count + 1). count: residuals
    behind them. scaled: residuals were divided by the root of the loss's variance.
    """

    probabilities: Array
    values: Array
    count: int
    scaled: bool

    def at(self, probability: float) -> Array:
        """The quantile, (outputs,): infinite where the residuals are too few to tell."""
        if probability < self.probabilities[0] - 1e-12:
            return np.full(self.values.shape[1], -np.inf)
        if probability > self.probabilities[-1] + 1e-12:
            return np.full(self.values.shape[1], np.inf)
        return np.array([np.interp(probability, self.probabilities, column) for column in self.values.T])


MOST_KEPT = 999
"""Quantiles kept in a fit: every residual of a small one."""


def residual_quantiles(problem: Problem, coefficients: Array, bread: Bread, loss: RowLoss) -> ResidualQuantiles | None:
    """The leave-one-out residuals' quantiles, for prediction intervals; None where predictions are not of the targets one by one.

    Frequencies count; precision weights do not, since a new row's is not known. Raises ValueError naming a row of leverage 1.
    """
    rows = problem.rows
    if not predicts_targets(problem):
        return None
    kernel = _ResidualKernel(loss, coefficients, bread.roots)
    found = (problem.sample(MOST_ROWS).rows if rows.n_rows > MOST_ROWS else rows).map(kernel)
    counts = found[:, -1].astype(np.int64)
    residuals = np.sort(np.repeat(found[:, :-1], counts, axis=0), axis=0)
    return quantile_table(residuals, spread(problem.loss, np.zeros((1, problem.shape[1])), rows.n_targets) is not None)


MOST_ROWS = 20_000
"""Rows whose residuals are sorted: their leverages cost twice a pass of curvature, and a sample of so many gives the quantiles at 0.025 to
0.0011 in probability."""


def quantile_table(residuals: Array, scaled: bool) -> ResidualQuantiles:
    """The table of sorted residuals (n, outputs)."""
    n = len(residuals)
    ranks = np.arange(1, n + 1) if n <= MOST_KEPT else np.unique(np.round(np.linspace(1, n, MOST_KEPT)).astype(np.int64))
    return ResidualQuantiles(ranks / (n + 1.0), residuals[ranks - 1], n, scaled)


def predicts_targets(problem: Problem) -> bool:
    """Whether the prediction has one column for each target."""
    outputs = np.asarray(problem.loss.predict(np.zeros((1, problem.shape[1]))))
    return (outputs.shape[1] if outputs.ndim == 2 else 1) == problem.rows.n_targets


def spread(loss: Loss, predictors: Array, n_targets: int) -> Array | None:
    """The root of the loss's variance at linear predictors, (m, q), up to a constant factor; None where it gives none or a constant."""
    if loss.squared_scale() is not None:
        return None
    variance = loss.variance(predictors)
    return np.sqrt(variance) if variance is not None and variance.shape == (len(predictors), n_targets) else None


@dataclass(frozen=True)
class _ResidualKernel:
    """Left-out residuals beside the frequency of the row, (m, q + 1)."""

    loss: RowLoss
    coefficients: Array
    roots: Array

    def map(self, block: Block) -> Array:
        predictors = left_out_predictors(block, self.coefficients, self.loss, self.roots)
        residuals = block.targets - np.asarray(self.loss.loss.predict(predictors)).reshape(block.targets.shape)
        scale = spread(self.loss.loss, predictors, block.targets.shape[1])
        if scale is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                residuals = np.where(residuals == 0, 0.0, residuals / scale)
        return np.concatenate([residuals, block.row_counts[:, None]], axis=1)
