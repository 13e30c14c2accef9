"""Which rows matter and whether the model's assumptions hold: leverage, Cook's distance, collinearity, and three classical tests."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, fdtrc

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.bread import Bread, compute_bread, quadratic_forms, row_terms
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.covariance.meat import adjust
from gradline.inference.kinked import RowLoss
from gradline.inference.leave_one_out import left_out_shift
from gradline.inference.perfect import require_spread
from gradline.inference.statistics import FitStatistics
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.losses.families.robust import squared
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.altered import with_columns, with_targets
from gradline.rows.block import Block
from gradline.rows.counted import counted
from gradline.rows.kernel import Kernel
from gradline.solvers.columns import ColumnMomentsKernel
from gradline.solvers.least_squares.least_squares import SquaresKernel, least_squares

ALIKE = 1e-10
"""Up to which numbers are the same but for rounding."""

FEW_VALUES = "the powers of the fitted values add no column: the fitted values take too few different values for RESET"


class RowDiagnostics(NamedTuple):
    """For every row, in order; NaN in rows of weight zero.

    leverage (n, k): diagonal of w H_i Q_i, the share of its own linear predictor that a row decides; for squared loss the hat matrix's
    diagonal. cooks_distance (n,): how far leaving the row out (one Newton step) moves the coefficients, in units of their covariance, over
    their number; exact for squared loss (Cook 1977, Technometrics 19; Pregibon 1981 for GLMs). left_out (n, k): linear predictors by the
    fit without the row; NaN where leverage is 1. residuals (n, q): y less prediction; standardised (n, q): over their standard
    error, dispersion^1/2 (variance (1 - h) / w)^1/2, NaN where the loss implies no variance; fitted (n, outputs): predictions.
    """

    leverage: Array
    cooks_distance: Array
    left_out: Array
    residuals: Array
    standardised: Array
    fitted: Array


def diagnose_rows(
    problem: Problem, coefficients: Array, bread: Bread, statistics: FitStatistics, covariance: Covariance | None, loss: RowLoss
) -> RowDiagnostics:
    """One pass. covariance: the metric of Cook's distance for losses that are no likelihood; squared loss and likelihoods take the
    dispersion times the inverse curvature, the textbook's."""
    kernel = row_kernel(problem, coefficients, bread, statistics, covariance, loss)
    return split_rows(problem.rows.map(kernel), kernel)


def row_kernel(
    problem: Problem, coefficients: Array, bread: Bread, statistics: FitStatistics, covariance: Covariance | None, loss: RowLoss
) -> RowDiagnosticsKernel:
    """What ``diagnose_rows`` maps over the rows; ``split_rows`` takes its results apart."""
    metric = None
    if not has_own_metric(problem.loss) and covariance is not None:
        # delta' V^+ delta with delta = root u and V = root (inner) root' needs the inverse of inner alone.
        inner = np.linalg.lstsq(bread.root, covariance.factor, rcond=None)[0]
        metric = np.linalg.pinv((inner if covariance.signs is None else inner * covariance.signs) @ inner.T, hermitian=True)
    scale = problem.loss.squared_scale()
    q = 1 if problem.loss.takes_pairs else problem.rows.n_targets
    dispersion = np.ones(q) if statistics.dispersion is None else statistics.dispersion
    outputs = np.asarray(problem.loss.predict(np.zeros((1, problem.shape[1])))).reshape(1, -1).shape[1]
    curvature = 1.0 if scale is None else 2.0 * scale
    return RowDiagnosticsKernel(loss, coefficients, bread.roots, bread.free.size, dispersion, curvature, metric, q, outputs)


def has_own_metric(loss: Loss) -> bool:
    """Whether Cook's distance is measured by the inverse curvature, times a dispersion, rather than by a covariance that was asked for."""
    return loss.squared_scale() is not None or loss.is_likelihood or loss.has_free_dispersion


def split_rows(values: Array, kernel: RowDiagnosticsKernel) -> RowDiagnostics:
    """The kernel's results (m, width), taken apart."""
    leverage, cook, left_out, fitted, residuals, standardised = np.split(values, np.cumsum(kernel.widths[:-1]), axis=1)
    return RowDiagnostics(leverage, cook[:, 0], left_out, residuals, standardised, fitted)


@dataclass(frozen=True)
class RowDiagnosticsKernel:
    """loss, coefficients, roots (k, P, d) of the bread; parameters: free ones; dispersion (q,); curvature: of a row of squared loss;
    metric (d, d): of Cook's distance, None for the dispersion's; q targets and numbers of a prediction (outputs); measured: whether Cook's
    distance is told."""

    loss: RowLoss
    coefficients: Array
    roots: Array
    parameters: int
    dispersion: Array
    curvature: float
    metric: Array | None
    n_targets: int
    outputs: int
    measured: bool = True

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of each kind."""
        k = self.coefficients.shape[1]
        return k, 1, k, self.outputs, self.n_targets, self.n_targets

    @property
    def width(self) -> int:
        """Numbers a row."""
        return sum(self.widths)

    def map(self, block: Block) -> Array:
        if not block.n_rows:
            return np.empty((0, self.width))
        loss, k = self.loss.loss, self.coefficients.shape[1]
        terms = row_terms(self.loss, self.coefficients, block)
        forms = quadratic_forms(block.design, self.roots)
        leverage = np.einsum("iab,iba->ia", terms.curvature, forms)
        predictors = block.linear_predictors(self.coefficients)
        counts = block.row_counts
        alone = (leverage >= 1.0 - 1e-10).any(axis=1)
        safe = replace(terms, curvature=np.where(alone[:, None, None], 0.0, terms.curvature))
        adjusted = adjust(safe, forms, 1.0, block)
        if self.metric is None:
            # The coefficients of one target move by its own dispersion.
            scale = np.broadcast_to(self.dispersion, (k,)) if self.dispersion.size in (1, k) else np.ones(k)
            with np.errstate(divide="ignore", invalid="ignore"):
                # Of a perfect fit the dispersion is zero: how far a row moves it cannot be measured.
                score = adjusted / np.sqrt(self.curvature * np.where(scale > 0, scale, np.nan))
            cook = np.einsum("ia,iab,ib->i", score, forms, score) / self.parameters
        else:
            images = np.stack([block.design.predict(root) for root in self.roots], axis=1)
            moves = np.einsum("ia,iad->id", adjusted, images)
            cook = np.einsum("id,de,ie->i", moves, self.metric, moves) / self.parameters
        left_out = predictors + left_out_shift(safe, forms, block)
        cook[alone], left_out[alone] = np.nan, np.nan
        if not self.measured:
            cook[:] = np.nan
        fitted = np.asarray(loss.predict(predictors), dtype=np.float64).reshape(block.n_rows, -1)
        q = self.n_targets
        observed = loss.observed(block.targets)
        residuals = observed - fitted if fitted.shape[1] == q else np.full(observed.shape, np.nan)
        variance = np.ones(residuals.shape) if loss.squared_scale() is not None else loss.observed_variance(block.targets, predictors)
        standardised = np.full(residuals.shape, np.nan)
        if variance is not None and variance.shape == residuals.shape:
            weights = block.precision
            left = 1.0 - (leverage if leverage.shape[1] == q else leverage[:, :1])
            with np.errstate(divide="ignore", invalid="ignore"):
                dispersion = np.where(self.dispersion > 0, self.dispersion, np.nan)
                standardised = residuals / np.sqrt(dispersion * variance * left / weights[:, None])
            standardised[alone] = np.nan
        found = np.concatenate([leverage, cook[:, None], left_out, fitted, residuals, standardised], axis=1)
        found[counts == 0] = np.nan
        return found


class Collinearity(NamedTuple):
    """condition_number: largest over smallest singular value of the weighted design, intercept included, as statsmodels reports it;
    scaled_condition_number: the same for columns of unit length (Belsley, Kuh and Welsch 1980), which units do not change.
    variance_inflation (P,): how many times the variance of a coefficient exceeds what it would be were its column unrelated to the
    others, about means where there is an intercept; NaN for the intercept and for aliased columns."""

    condition_number: float
    scaled_condition_number: float
    variance_inflation: Array


def collinearity(problem: Problem, free: CoefficientMap) -> Collinearity:
    """Of the weighted columns themselves, whatever the loss. Two passes."""
    rows = problem.rows
    size = rows.n_columns
    kept = np.flatnonzero(np.asarray(abs(free.matrix).sum(axis=1)).reshape(-1, size).any(axis=0))
    chosen = np.zeros((size, 1), dtype=np.bool_)
    chosen[kept] = True
    columns = with_targets(rows, _Zeros())
    plain = replace(problem, loss=squared, penalty=None, rows=columns)
    root = compute_bread(plain, np.zeros((size, 1)), CoefficientMap.selecting(chosen)).root[kept] * np.sqrt(2.0)
    moments = rows.reduce(ColumnMomentsKernel())
    sizes = np.sqrt(moments.squares[kept])
    # The design's singular values are one over those of its inverse root.
    values = np.linalg.svd(root, compute_uv=False)
    scaled = np.linalg.svd(root * sizes[:, None], compute_uv=False)
    inflation = np.full(size, np.nan)
    spread = moments.centred if rows.intercept else moments.squares
    inflation[kept] = np.einsum("ij,ij->i", root, root) * spread[kept]
    if rows.intercept:
        inflation[0] = np.nan
    return Collinearity(float(values[0] / values[-1]), float(scaled[0] / scaled[-1]), inflation)


class SpecificationTest(NamedTuple):
    """name; statistic and p-value of chi-squared with ``degrees``; the F form with (degrees, residual_degrees)."""

    name: str
    statistic: float
    p_value: float
    f_statistic: float
    f_p_value: float
    degrees: int
    residual_degrees: float


def breusch_pagan(problem: Problem, coefficients: Array) -> SpecificationTest:
    """Whether the variance changes with the columns: n R^2 of squared residuals on the columns, Koenker's studentised form (Breusch and
    Pagan 1979; Koenker 1981, J. Econometrics 17); equal to statsmodels' het_breuschpagan. Weighted residuals where there are weights."""
    _require_squared(problem, "Breusch-Pagan")
    if not problem.rows.intercept:
        raise InferenceError("the Breusch-Pagan test regresses squared residuals on the columns and needs an intercept among them")
    require_spread(problem, coefficients, "Breusch-Pagan test")
    rows = with_targets(problem.rows, _SquaredResiduals(coefficients), unweighted=True)
    fit = least_squares(rows)
    left = float(rows.reduce(SquaresKernel(fit.coefficients))[0])
    moments = rows.reduce(_TargetMoments())
    rank, n = rows.n_columns - len(fit.aliased), moments.weight
    if not moments.centred[0] > ALIKE**2 * n * moments.mean[0] ** 2:
        raise InferenceError(
            "no Breusch-Pagan test: every squared residual is the same, so that there is no change of the spread to explain"
        )
    return specification_test("Breusch-Pagan", n, rank - 1, n - rank, float(moments.centred[0]), left, lagrange=True)


def reset(problem: Problem, coefficients: Array, power: int = 3) -> SpecificationTest:
    """Ramsey's RESET: whether powers 2 .. ``power`` of the fitted values add to the fit (Ramsey 1969, JRSS B 31); chi-squared is Wald's,
    equal to statsmodels' linear_reset."""
    _require_squared(problem, "RESET")
    if isinstance(power, bool) or not isinstance(power, int) or power < 2:
        raise InferenceError(f"the highest power of the fitted values must be a whole number from 2 up, not {power!r}")
    require_spread(problem, coefficients, "RESET")
    moments = with_targets(problem.rows, _Fitted(coefficients)).reduce(_TargetMoments())
    spread, mean = float(np.sqrt(moments.centred[0] / moments.weight)), float(moments.mean[0])
    if not spread > ALIKE * abs(mean):
        raise InferenceError(FEW_VALUES)
    # With an intercept the powers of centred fitted values span the same columns, and are far from collinear.
    centre = mean if problem.rows.intercept else 0.0
    scale = spread if problem.rows.intercept else float(np.hypot(spread, mean))
    rows = with_columns(problem.rows, _Powers(coefficients, centre, scale, power), power - 1)
    fit = least_squares(rows)
    before = float(problem.rows.reduce(SquaresKernel(coefficients))[0])
    after = float(rows.reduce(SquaresKernel(fit.coefficients))[0])
    n = counted(problem.rows)
    first = rows.n_columns - (power - 1)
    added = power - 1 - sum(column >= first for column in fit.aliased)
    if added == 0:
        raise InferenceError(FEW_VALUES)
    return specification_test("RESET", n, added, n - (rows.n_columns - len(fit.aliased)), before, after, lagrange=False)


def durbin_watson(problem: Problem, coefficients: Array) -> float:
    """Squared differences of consecutive residuals over their squares: near 2 without autocorrelation. Durbin and Watson (1950),
    Biometrika 37; equal to statsmodels', with weighted residuals where there are weights."""
    _require_squared(problem, "Durbin-Watson")
    if problem.rows.take(np.arange(1)).frequencies is not None:
        raise InferenceError("the Durbin-Watson statistic needs rows in the order of time, and rows with frequencies have none")
    require_spread(problem, coefficients, "Durbin-Watson statistic")
    sums = problem.rows.reduce(_DifferencesKernel(coefficients))
    return sums.differences / sums.squares


class _Differences(NamedTuple):
    differences: float
    squares: float
    first: float | None
    last: float | None


@dataclass(frozen=True)
class _DifferencesKernel(Kernel[_Differences]):
    coefficients: Array

    def map(self, block: Block) -> _Differences:
        residuals = _weighted_residuals(block, self.coefficients)[block.row_counts > 0, 0]
        if not len(residuals):
            return _Differences(0.0, 0.0, None, None)
        steps = np.diff(residuals)
        return _Differences(float(steps @ steps), float(residuals @ residuals), float(residuals[0]), float(residuals[-1]))

    def merge(self, first: _Differences, second: _Differences) -> _Differences:
        if first.last is None or second.first is None:
            return second if first.last is None else first
        between = (second.first - first.last) ** 2
        return _Differences(first.differences + between + second.differences, first.squares + second.squares, first.first, second.last)


def specification_test(
    name: str, n: float, degrees: int, spare: float, before: float, after: float, *, lagrange: bool
) -> SpecificationTest:
    """The test of columns that bring squares from ``before`` to ``after``. Raises InferenceError where no degree of freedom is left."""
    if not spare > 0 or degrees < 1:
        raise InferenceError(f"{name} needs more rows: {n:,.6g} rows leave {spare:,.6g} degrees of freedom for it")
    # What the added columns explain entirely leaves rounding.
    after = after if after > ALIKE**2 * before else 0.0
    f_statistic = max(before - after, 0.0) / degrees / (after / spare) if after > 0 else math.inf
    statistic = n * (1.0 - after / before) if lagrange else degrees * f_statistic
    return SpecificationTest(
        name, statistic, float(chdtrc(degrees, statistic)), f_statistic, float(fdtrc(degrees, spare, f_statistic)), degrees, spare
    )


class _Moments(NamedTuple):
    weight: float
    mean: Array
    centred: Array


@dataclass(frozen=True)
class _TargetMoments(Kernel[_Moments]):
    """Weighted mean of the targets and squares about it."""

    def map(self, block: Block) -> _Moments:
        weights = block.weight_of_each_row
        total = float(weights.sum())
        mean = weights @ block.targets / total if total > 0 else np.zeros(block.targets.shape[1])
        return _Moments(total, np.asarray(mean), weights @ np.square(block.targets - mean))

    def merge(self, first: _Moments, second: _Moments) -> _Moments:
        total = first.weight + second.weight
        if not total > 0:
            return first
        shift = second.mean - first.mean
        centred = first.centred + second.centred + np.square(shift) * (first.weight * second.weight / total)
        return _Moments(total, first.mean + shift * (second.weight / total), centred)


def _weighted_residuals(block: Block, coefficients: Array) -> Array:
    residuals = block.targets - block.linear_predictors(coefficients)
    return residuals if block.weights is None else np.sqrt(block.weights)[:, None] * residuals


@dataclass(frozen=True)
class _Zeros:
    """No targets to speak of, where only the columns matter."""

    def of(self, block: Block) -> Array:
        return np.zeros((block.n_rows, 1))


@dataclass(frozen=True)
class _SquaredResiduals:
    """Of each row, (m, 1), weighted where there are weights."""

    coefficients: Array

    def of(self, block: Block) -> Array:
        return np.square(_weighted_residuals(block, self.coefficients))


@dataclass(frozen=True)
class _Fitted:
    """The fitted values without the offset, (m, 1)."""

    coefficients: Array

    def of(self, block: Block) -> Array:
        return block.design.predict(self.coefficients)


@dataclass(frozen=True)
class _Powers:
    """Powers 2 .. ``highest`` of the fitted values in units of ``scale`` about ``centre``, (m, highest - 1)."""

    coefficients: Array
    centre: float
    scale: float
    highest: int

    def of(self, block: Block) -> Array:
        fitted = (block.design.predict(self.coefficients) - self.centre) / self.scale
        return np.concatenate([fitted**exponent for exponent in range(2, self.highest + 1)], axis=1)


def _require_squared(problem: Problem, name: str) -> None:
    if problem.loss.squared_scale() is None or problem.rows.n_targets != 1:
        raise InferenceError(f"{name} is defined for squared loss and one target; the loss is {problem.loss.name!r}")
