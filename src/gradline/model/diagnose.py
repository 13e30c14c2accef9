"""Diagnosis: what the rows of a fit say about it, row by row and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.bread import Bread, compute_bread
from gradline.inference.covariance.estimate import free_coefficients
from gradline.inference.diagnostics import (
    Collinearity,
    RowDiagnostics,
    RowDiagnosticsKernel,
    SpecificationTest,
    breusch_pagan,
    collinearity,
    durbin_watson,
    has_own_metric,
    reset,
    row_kernel,
    split_rows,
)
from gradline.inference.kinked import RowLoss, row_loss
from gradline.inference.leave_one_out import LeaveOneOut, leave_one_out
from gradline.inference.overdispersion import Overdispersion, checks_spread, overdispersion
from gradline.inference.statistics import FitStatistics, fit_statistics
from gradline.inference.support import on_face, on_support
from gradline.losses.protocol import Loss
from gradline.model.attach_data import AttachedData, attach_data
from gradline.model.level_errors import LevelErrors
from gradline.model.level_rows import Beside
from gradline.model.level_tests import breusch_pagan_within, collinearity_within, reset_within
from gradline.objective.objective import Problem
from gradline.rows.block import Block

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_NUMBERS = 2**26
"""Numbers a row times rows that are handed over at once, 512 MiB; beyond, ``batches`` gives them some rows at a time."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What ``Fit.diagnose`` returns: nothing is computed before it is asked for, and then kept.

    One entry a row, in order, NaN where a value is missing or the weight is zero; one column each where there are several targets or
    linear predictors. The tests of the model as a whole take their own passes and never hold a row.
    """

    fit: Model
    rows: AttachedData

    @property
    def leverage(self) -> Array:
        """The share of its own linear predictor that a row decides, (n,) or (n, k): for squared loss the hat matrix's diagonal."""
        return _squeezed(self.by_row.leverage)

    @property
    def cooks_distance(self) -> Array:
        """How far leaving the row out moves the coefficients, in units of their covariance, over their number, (n,). Cook (1977)."""
        return self.by_row.cooks_distance

    @property
    def leave_one_out(self) -> Array:
        """Each row's prediction by the fit without it, (n,) or (n, outputs): exact for squared loss, one Newton step for others."""
        return _squeezed(self._forward(self.by_row.left_out))

    @property
    def fitted(self) -> Array:
        """Each row's prediction, (n,) or (n, outputs)."""
        return _squeezed(self.by_row.fitted)

    @property
    def residuals(self) -> Array:
        """y less the prediction, (n,) or (n, q)."""
        return _squeezed(self.by_row.residuals)

    @property
    def standardised(self) -> Array:
        """Residuals over their standard errors, (n,) or (n, q); NaN for a loss that implies no variance."""
        return _squeezed(self.by_row.standardised)

    @cached_property
    def by_row(self) -> RowDiagnostics:
        """Everything there is for each row, with two axes each. Raises ValueError beyond 512 MiB: take ``batches()`` then."""
        rows, width = self.rows.problem.rows.n_rows, self.kernel.width
        if rows * width > MOST_NUMBERS:
            raise InferenceError(
                f"{rows:,} rows with {width} numbers each would take {rows * width * 8 / 2**30:.1f} GiB at once: go over"
                " diagnose(...).batches(), which holds some rows at a time"
            )
        return split_rows(np.concatenate(list(self.by_row_data.iterate(self.kernel))), self.kernel)

    def batches(self) -> Iterator[RowDiagnostics]:
        """The same for some rows at a time, in order: one pass, in memory that does not grow with the rows."""
        for values in self.by_row_data.iterate(self.kernel):
            yield split_rows(values, self.kernel)

    @cached_property
    def collinearity(self) -> Collinearity:
        """Condition numbers, and the variance inflation of each column, (P,), in the order of ``Fit.names``. Two passes.

        Beside absorbed levels these are among the other columns of the inflation; condition numbers are of what they leave.
        """
        if self.rows.levels is not None:
            return collinearity_within(self.rows.levels)
        return collinearity(self.rows.problem, free_coefficients(self.rows.problem, self.fit.solution))

    @property
    def variance_inflation(self) -> dict[str, float]:
        """By the name of the column: how many times its coefficient's variance exceeds what it would be were it unrelated to the others."""
        first = int(self.fit.has_intercept)
        values = self.collinearity.variance_inflation[first:]
        return dict(zip(self.fit.names[first:], values.tolist(), strict=True))

    @cached_property
    def breusch_pagan(self) -> SpecificationTest:
        """Whether the variance changes with the columns. Raises ValueError for other losses than squared, and without an intercept."""
        if self.rows.levels is not None:
            return breusch_pagan_within(self.rows.levels, self.statistics)
        return breusch_pagan(self.rows.problem, self._coefficients)

    @cached_property
    def reset(self) -> SpecificationTest:
        """Ramsey's RESET with squares and cubes of the fitted values. Raises ValueError for other losses than squared."""
        if self.rows.levels is not None:
            return reset_within(self.rows.levels, self.statistics)
        return reset(self.rows.problem, self._coefficients)

    @cached_property
    def durbin_watson(self) -> float:
        """Near 2 without autocorrelation of consecutive rows. Raises ValueError for other losses than squared."""
        return durbin_watson(self.rows.problem, self._coefficients)

    @cached_property
    def overdispersion(self) -> Overdispersion:
        """Whether counts, or shares of several trials, vary more than their loss allows: Pearson's chi-squared over its degrees of freedom.
        Raises ValueError for other losses, and for labels."""
        return overdispersion(self.rows.problem, self._coefficients, self.statistics)

    @cached_property
    def leave_one_out_loss(self) -> LeaveOneOut:
        """The mean loss a row by the fit without it, beside that in the sample. Raises ValueError naming a row of leverage 1."""
        problem = self.by_row_data.problem
        free = free_coefficients(problem, self.fit.solution)
        return leave_one_out(problem, self._by_row_coefficients, free, self._by_row_bread, self._loss)

    @cached_property
    def _loss(self) -> RowLoss:
        return row_loss(self._kept, self._coefficients)

    @cached_property
    def bread(self) -> Bread:
        """The inverse curvature of the fit."""
        held, within = self.fit.inference, self.fit.constraints
        # Standard errors within constraints are mostly those without them, and rows are looked at on the face.
        if held is not None and held.bread is not None and (within is None or within.inference == "face"):
            return held.bread
        return compute_bread(self._kept, self._coefficients, free_coefficients(self._kept, self.fit.solution), self._loss)

    @cached_property
    def statistics(self) -> FitStatistics:
        """The sums that describe the fit as a whole."""
        held = self.fit.inference
        if held is not None:
            return held.statistics
        free = free_coefficients(self._kept, self.fit.solution)
        found = fit_statistics(self._kept, self._coefficients, free, self.bread)
        return found if self.fit.absorbed is None else found.with_levels(self.fit.absorbed.degrees)

    @cached_property
    def kernel(self) -> RowDiagnosticsKernel:
        """What makes ``by_row`` of rows, a block at a time."""
        held = self.fit.inference
        covariance = None if held is None else held.covariance
        problem, bread = self.by_row_data.problem, self._by_row_bread
        if self.rows.levels is None:
            return row_kernel(problem, self._coefficients, bread, self.statistics, covariance, self._loss)
        robust = None if self._beside != "images" else self._levels.robust
        found = row_kernel(problem, self._by_row_coefficients, bread, self.statistics, robust, self._loss)
        # Without a covariance of the levels too, how far all move together is not measured.
        measured = covariance is None or robust is not None or has_own_metric(problem.loss)
        return replace(found, parameters=self.statistics.parameters, measured=measured)

    @cached_property
    def by_row_data(self) -> AttachedData:
        """The rows with what a row's leverage takes: beside absorbed levels with columns that stand for these."""
        levels = self.rows.levels
        if levels is None:
            return replace(self.rows, problem=self._kept)
        _ = self._levels
        return AttachedData(levels.problem(self._beside), levels.whole(self._beside), self.rows.source)

    @property
    def _levels(self) -> LevelErrors:
        assert self.fit.absorbed is not None
        return self.fit.absorbed.require_errors("no leverage of rows, nor what follows from it")

    @property
    def _beside(self) -> Beside:
        """What stands for the levels: a column for each where Cook's distance is by a covariance of all of them."""
        held, errors = self.fit.inference, self._levels
        robust = (
            errors.robust is not None and held is not None and held.covariance is not None and held.covariance.kind == errors.robust.kind
        )
        return "images" if robust and not has_own_metric(self.fit.loss_function) else "lever"

    @property
    def _by_row_bread(self) -> Bread:
        return self.bread if self.rows.levels is None else self._levels.bread(self.bread, self.rows.levels.width(self._beside))

    @property
    def _by_row_coefficients(self) -> Array:
        if self.rows.levels is None:
            return self._coefficients
        return np.concatenate([self._coefficients, np.zeros((self.rows.levels.width(self._beside), 1))])

    @cached_property
    def _kept(self) -> Problem:
        """The problem, of what a penalty has left of the coefficients."""
        if self.fit.constraints is not None:
            return on_face(self.rows.problem, self.fit.constraints, self.fit.solution)
        return on_support(self.rows.problem, self._coefficients)

    @property
    def _coefficients(self) -> Array:
        return self.fit.solution.coefficients

    def _forward(self, predictors: Array) -> Array:
        from gradline.model.outputs import predict_linear

        return predict_linear(self.fit.loss_function, predictors, "mean")

    def __repr__(self) -> str:
        return (
            f"Diagnosis of {self.rows.problem.rows.n_rows:,} rows of a fit of {self.fit.loss_name} loss\n"
            "  by row: leverage, cooks_distance, leave_one_out, fitted, residuals, standardised\n"
            "  as a whole: collinearity, variance_inflation, leave_one_out_loss, breusch_pagan, reset, durbin_watson"
            + (", overdispersion" if checks_spread(self.fit.loss_function, self.rows.problem.rows.n_targets) else "")
        )


def _squeezed(array: Array) -> Array:
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def residuals(fit: Model, data: Any, target: Any = None, **rows: Any) -> Array:
    """See :meth:`gradline.Fit.residuals`."""
    found = attach_data(fit, data, target, same=False, levels=True, **rows)
    return _squeezed(np.concatenate(list(found.iterate(_ResidualsKernel(fit.loss_function, fit.solution.coefficients)))))


@dataclass(frozen=True)
class _ResidualsKernel:
    """y less the prediction, (m, q)."""

    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> Array:
        fitted = np.asarray(self.loss.predict(block.linear_predictors(self.coefficients)), dtype=np.float64).reshape(block.n_rows, -1)
        q = block.targets.shape[1]
        observed = self.loss.observed(block.targets)
        if fitted.shape[1] != observed.shape[1]:
            raise InferenceError(
                f"the loss {self.loss.name!r} predicts {fitted.shape[1]} numbers for {q} targets per row, so none is a residual"
            )
        return observed - fitted
