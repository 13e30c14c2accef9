"""The sums over rows that describe a fit as a whole, and what follows from them: dispersion, R-squared, deviance, likelihood, AIC, BIC."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array
from gradline.inference.bread import Bread
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.squared_sums import without_rounding

NOTHING = 1e-14
"""Of the squares: what rounding leaves of an R-squared of zero."""


class StatisticsSums(NamedTuple):
    """copies: sum f; rows; weight: sum f w; log_weight: sum f log w; loss: sum f w loss; squares (q,): of Pearson residuals, or None;
    sizes (q,): the same of the targets in place of the residuals; deviance; centre (q,) and total (q,): weighted mean of y less offset,
    and squares about it."""

    copies: float
    rows: int
    weight: float
    log_weight: float
    loss: float
    squares: Array | None
    sizes: Array | None
    deviance: float | None
    centre: Array
    total: Array


@dataclass(frozen=True, eq=False)
class FitStatistics:
    """What a fit is as a whole. Holds sums only.

    rows: those of positive weight; count: n, rows counted by frequency. parameters: free coefficients; effective_parameters: fewer where a
    ridge holds them back. degrees_of_freedom: n less the (effective) parameters; for several targets fitted together, of each target.
    loss_sum: sum f w loss. squared: whether the loss is squared loss; squares (q,): sum f w (y - mean)^2 / variance of each target (the
    residual sum of squares for squared loss), None where the loss implies no variance. total_squares (q,): of y less the offset about its
    weighted mean, or about zero without an intercept. dispersion (q,): squares over degrees of freedom where the loss leaves a dispersion
    free, otherwise None. log_likelihood, deviance: None where the loss has none. penalised: a penalty was used.
    """

    rows: int
    count: float
    weight: float
    parameters: int
    effective_parameters: float
    degrees_of_freedom: float
    loss_name: str
    loss_sum: float
    squared: bool
    intercept: bool
    penalised: bool
    squares: Array | None
    total_squares: Array
    dispersion: Array | None
    log_likelihood: float | None
    deviance: float | None

    def with_levels(self, levels: int, total_squares: float = math.nan) -> FitStatistics:
        """The same of a fit with absorbed levels, which are counted among the parameters. levels: their degrees of freedom.
        total_squares: of the target as it was, about its mean; NaN to leave them."""
        spare = self.count - self.parameters - levels
        dispersion = None if self.dispersion is None or self.squares is None else self.squares / spare
        return replace(
            self,
            parameters=self.parameters + levels,
            effective_parameters=self.effective_parameters + levels,
            degrees_of_freedom=spare,
            intercept=True,
            total_squares=self.total_squares if math.isnan(total_squares) else np.array([total_squares]),
            dispersion=dispersion,
        )

    @property
    def r_squared(self) -> Array | None:
        """1 - squares / total squares, (q,), of squared loss; weighted, and about zero without an intercept; NaN for a target that does not
        vary. None for other losses."""
        if not self.squared or self.squares is None:
            return None
        varies = self.total_squares > 0
        found = 1.0 - self.squares / np.where(varies, self.total_squares, 1.0)
        # Of a model that explains nothing, rounding is left.
        return np.where(varies, np.where(np.abs(found) < NOTHING, 0.0, found), np.nan)

    @property
    def adjusted_r_squared(self) -> Array | None:
        """1 - (1 - R^2) (n - 1) / (n - p), with n for n - 1 where there is no intercept; None where there is no R-squared."""
        r_squared = self.r_squared
        if r_squared is None or not self.degrees_of_freedom > 0:
            return None
        return np.asarray(1.0 - (1.0 - r_squared) * (self.count - int(self.intercept)) / self.degrees_of_freedom)

    @property
    def aic(self) -> float | None:
        """2 p - 2 log likelihood, p the coefficients without the dispersion, as statsmodels counts. Akaike (1974). None with a penalty."""
        if self.log_likelihood is None or self.penalised:
            return None
        return 2.0 * self.parameters - 2.0 * self.log_likelihood

    @property
    def bic(self) -> float | None:
        """log(n) p - 2 log likelihood. Schwarz (1978), Annals of Statistics 6. None with a penalty."""
        if self.log_likelihood is None or self.penalised:
            return None
        return math.log(self.count) * self.parameters - 2.0 * self.log_likelihood


def fit_statistics(
    problem: Problem, coefficients: Array, free: CoefficientMap, bread: Bread | None = None, sums: StatisticsSums | None = None
) -> FitStatistics:
    """One pass over the rows (two for gamma). bread: the bread, for the effective number of parameters of a penalised fit. sums: what
    ``statistics_kernel`` found, which saves the pass."""
    loss = problem.loss
    if sums is None:
        sums = problem.rows.reduce(statistics_kernel(problem, coefficients))
    squared = loss.squared_scale() is not None
    q = problem.rows.n_targets
    effective = float(free.size) if problem.penalty is None or bread is None else bread.effective_parameters
    squares, total = sums.squares, sums.total
    if squares is not None and sums.sizes is not None:
        squares = without_rounding(squares, sums.sizes)
        total = without_rounding(total, sums.sizes) if squared else total
    # Targets side by side share no coefficients, so each has its own degrees of freedom.
    per_target = effective / q if q > 1 and problem.shape[1] == q else effective
    spare = degrees_left(sums.copies, per_target)
    dispersion = None
    if squares is not None and (squared or loss.has_free_dispersion):
        dispersion = squares / spare if spare > 0 else np.full(q, np.nan)
    return FitStatistics(
        rows=sums.rows,
        count=sums.copies,
        weight=sums.weight,
        parameters=free.size,
        effective_parameters=effective,
        degrees_of_freedom=spare,
        loss_name=loss.name,
        loss_sum=sums.loss,
        squared=squared,
        intercept=problem.rows.intercept,
        penalised=problem.penalty is not None,
        squares=squares,
        total_squares=total,
        dispersion=dispersion,
        log_likelihood=_log_likelihood(problem, coefficients, sums._replace(squares=squares), dispersion),
        deviance=float(squares.sum()) if squared and squares is not None else sums.deviance,
    )


def statistics_kernel(problem: Problem, coefficients: Array) -> StatisticsKernel:
    """The pass of ``fit_statistics``."""
    return StatisticsKernel(problem.loss, coefficients, problem.rows.intercept)


@dataclass(frozen=True)
class StatisticsKernel(Kernel[StatisticsSums]):
    """Sums of the rows that count."""

    loss: Loss
    coefficients: Array
    intercept: bool

    def map(self, block: Block) -> StatisticsSums:
        return self.at(block, block.linear_predictors(self.coefficients))

    def at(self, block: Block, predictors: Array) -> StatisticsSums:
        """``map`` where the linear predictors are known."""
        return self.map_evaluated(block, predictors, None)

    def map_evaluated(self, block: Block, predictors: Array, derivatives: RowDerivatives | None) -> StatisticsSums:
        """``map`` where they and the losses are."""
        if block.row_weights is None:
            counts = precision = weights = np.ones(block.n_rows)
            targets, offset, known = block.targets, block.offset, derivatives
        else:
            counts = block.row_counts
            used = np.flatnonzero(counts)
            counts = counts[used]
            precision = block.precision[used]
            weights = counts * precision
            targets, predictors = block.targets[used], predictors[used]
            offset = None if block.offset is None else block.offset[used]
            known = None if derivatives is None else RowDerivatives(derivatives.value[used])
        value = self.loss.derivatives(targets, predictors, 0).value if known is None else known.value
        squares, sizes = pearson_squares(self.loss, targets, predictors)
        saturated = self.loss.saturated_loss(targets)
        total = float(weights.sum())
        shifted = targets
        if offset is not None and offset.shape[1] == targets.shape[1]:
            shifted = targets - offset
        centre = np.dot(weights, shifted) / total if self.intercept and total > 0 else np.zeros(targets.shape[1])
        with np.errstate(over="ignore"):
            spread = np.dot(weights, np.square(shifted - centre))
        return StatisticsSums(
            float(counts.sum()),
            len(counts),
            total,
            0.0 if block.weights is None else float(np.dot(counts, np.log(precision))),
            float(np.dot(weights, value)),
            None if squares is None else np.dot(weights, squares),
            None if sizes is None else np.dot(weights, sizes),
            None if saturated is None else 2.0 * float(weights @ (value - saturated)),
            np.asarray(centre),
            np.asarray(spread),
        )

    def merge(self, first: StatisticsSums, second: StatisticsSums) -> StatisticsSums:
        total = first.weight + second.weight
        centre, spread = first.centre, first.total + second.total
        if self.intercept and total > 0:
            # Chan, Golub and LeVeque (1979).
            shift = second.centre - first.centre
            centre = first.centre + shift * (second.weight / total)
            spread = spread + np.square(shift) * (first.weight * second.weight / total)
        return StatisticsSums(
            first.copies + second.copies,
            first.rows + second.rows,
            total,
            first.log_weight + second.log_weight,
            first.loss + second.loss,
            None if first.squares is None or second.squares is None else first.squares + second.squares,
            None if first.sizes is None or second.sizes is None else first.sizes + second.sizes,
            None if first.deviance is None or second.deviance is None else first.deviance + second.deviance,
            centre,
            spread,
        )


def pearson_squares(loss: Loss, targets: Array, predictors: Array) -> tuple[Array, Array] | tuple[None, None]:
    """((y - mean)^2 / variance, y^2 / variance), (m, q) each; None where the loss implies no variance of the targets one by one."""
    if loss.squared_scale() is not None:
        with np.errstate(over="ignore"):
            return np.square(targets - predictors), np.square(targets)
    targets, variance = loss.observed(targets), loss.observed_variance(targets, predictors)
    mean = loss.predict(predictors)
    if variance is None or variance.shape != targets.shape or mean.shape != targets.shape:
        return None, None
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.square(targets - mean) / variance, np.square(targets) / variance


def degrees_left(count: float, parameters: float) -> float:
    """n less the parameters; what rounding leaves of nothing is nothing."""
    spare = count - parameters
    return 0.0 if abs(spare) < 1e-9 * count else spare


def normal_log_likelihood(squares: Array, count: float, log_weight: float) -> float | None:
    """Of one target with normal errors of variance sigma^2 / w, at its maximum-likelihood estimate; None for several and for none."""
    if squares.size != 1 or not squares[0] > 0:
        return None
    return 0.5 * (log_weight - count * (math.log(2.0 * math.pi * float(squares[0]) / count) + 1.0))


def _log_likelihood(problem: Problem, coefficients: Array, sums: StatisticsSums, dispersion: Array | None) -> float | None:
    loss = problem.loss
    if loss.squared_scale() is not None:
        return None if sums.squares is None else normal_log_likelihood(sums.squares, sums.copies, sums.log_weight)
    if not loss.is_likelihood:
        return None
    if not loss.has_free_dispersion:
        return -sums.loss
    if dispersion is None or not (np.isfinite(dispersion) & (dispersion > 0)).all():
        return None
    return float(problem.rows.reduce(_DispersedKernel(loss, coefficients, dispersion)))


@dataclass(frozen=True)
class _DispersedKernel(Kernel[float]):
    """The log likelihood at a dispersion (q,) that the loss leaves out; a weight divides it."""

    loss: Loss
    coefficients: Array
    dispersion: Array

    def map(self, block: Block) -> float:
        counts = block.row_counts
        used = np.flatnonzero(counts)
        weights = block.precision[used]
        targets, predictors = block.targets[used], block.linear_predictors(self.coefficients)[used]
        value = self.loss.log_density_at_dispersion(targets, predictors, self.dispersion / weights[:, None])
        assert value is not None
        return float(counts[used] @ value.sum(axis=1))

    def merge(self, first: float, second: float) -> float:
        return first + second
