"""How well a fit knows its absorbed levels, kept for the errors of predictions and the leverages of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradline.base.errors import InferenceError
from gradline.fitting.absorbed_solving import Found, first_columns
from gradline.fitting.absorbed_uncertainty import AbsorbedProblem, AbsorbedUncertainty
from gradline.inference.absent import NoInference
from gradline.inference.covariance.estimate import Covariance, covariance
from gradline.inference.inference import Inference, needs_residuals
from gradline.inference.kinked import row_loss
from gradline.inference.leave_one_out import residual_quantiles
from gradline.linalg.level_columns import RowLevels
from gradline.linalg.level_equations import DIRECT
from gradline.linalg.level_form import LevelForm
from gradline.model.level_errors import LevelErrors
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.protocol import Rows
from gradline.rows.within_rows import TakesOut
from gradline.solvers.protocol import Solution

MOST_NUMBERS = 2**22
"""Numbers by level that are kept in a model, 32 MiB."""

MOST_TOGETHER = 500
"""Columns and levels up to which a covariance of all of them is worked out, where that is not the classical one."""

MOST_WORK = 10**9
"""Products of rows and columns squared up to which it is: a tenth of a second."""


@dataclass(frozen=True, eq=False)
class _BesideLevels:
    """What becomes of a block, and columns that stand for the levels after it. each: one for each level, or one for all."""

    taken: TakesOut
    errors: LevelErrors
    each: bool

    def of(self, block: Block, levels: RowLevels) -> Block:
        found = self.taken.of(block, levels)
        more = self.errors.images(levels) if self.each else self.errors.lever(levels)
        return replace(found, design=found.design.beside(more))


def with_level_errors(
    given: AbsorbedProblem, solution: Solution, found: Found, uncertainty: AbsorbedUncertainty, nested: str
) -> tuple[Inference | NoInference, LevelErrors | None, str]:
    """(the inference, with what jackknife intervals need; how well the levels are known; why that is not kept where it is not).

    nested: categories that lie within clusters, by name; empty where none does.
    """
    inference = uncertainty.inference
    errors, why = _classical(given, solution, found)
    if errors is None or isinstance(inference, NoInference) or inference.bread is None:
        return inference, errors, why
    if needs_residuals(given.problem):
        inference = _with_residuals(given, solution, inference, errors)
    if inference.covariance is not None and inference.covariance.kind != "classical":
        robust, why = _robust(given, solution, uncertainty, errors, nested)
        errors = replace(errors, robust=robust, without=why)
    return inference, errors, ""


def _classical(given: AbsorbedProblem, solution: Solution, found: Found) -> tuple[LevelErrors | None, str]:
    columns = len(given.problem.names or ())
    equations = found.transformed.equations
    form = LevelForm.of(equations, MOST_NUMBERS)
    if form is None or equations.bounds[-1] * (columns + form.root.shape[1] + 1) > MOST_NUMBERS:
        return None, (
            f"the levels are too many for their own errors to be kept ({MOST_NUMBERS:,} numbers, and what is beside the largest category"
            f" at most {DIRECT:,} levels): write C(...) for the category, or absorb fewer levels"
        )
    left_out = np.zeros(columns, dtype=np.bool_)
    left_out[list(solution.aliased)] = True
    squared = given.problem.loss.squared_scale()
    return LevelErrors(form, first_columns(found.transformed.taken), left_out, 1.0 if squared is None else 2.0 * squared), ""


def _together(given: AbsorbedProblem, solution: Solution, errors: LevelErrors, each: bool) -> tuple[Problem, Solution, int]:
    """The problem and the solution with the columns that stand for the levels, and how many these are: their coefficients are zero, since
    the offset has what the levels add."""
    problem, within = given.problem, given.within
    width = errors.form.width if each else 1
    own = replace(within, taken=_BesideLevels(within.taken, errors, each), n_columns=within.n_columns + width)
    block = within.levelled.rows.in_memory()
    rows: Rows = own if block is None else ArrayRows.of_block(own.block(block))
    names = (*(problem.names or ()), *("level",) * width)
    coefficients = np.concatenate([solution.coefficients, np.zeros((width, 1))])
    return Problem(rows, problem.loss, None, names, None), replace(solution, coefficients=coefficients), width


def _with_residuals(given: AbsorbedProblem, solution: Solution, inference: Inference, errors: LevelErrors) -> Inference:
    problem, together, width = _together(given, solution, errors, each=False)
    assert inference.bread is not None
    loss = row_loss(problem, together.coefficients)
    try:
        residuals = residual_quantiles(problem, together.coefficients, errors.bread(inference.bread, width), loss)
    except InferenceError as error:
        note = f"no jackknife prediction intervals: {str(error).split(':')[0]}"
        return replace(inference, notes=(*inference.notes, note))
    return replace(inference, residuals=residuals)


def _robust(
    given: AbsorbedProblem, solution: Solution, uncertainty: AbsorbedUncertainty, errors: LevelErrors, nested: str
) -> tuple[Covariance | None, str]:
    """(the covariance of columns and levels together; why there is none)."""
    inference, problem = uncertainty.inference, given.problem
    assert isinstance(inference, Inference)
    assert inference.bread is not None
    if nested:
        return None, f"the levels of {nested} lie within clusters, whose scores they bring to zero, so that these tell nothing of them"
    size = errors.form.width + problem.shape[0]
    if size > MOST_TOGETHER or not problem.rows.resident or problem.rows.n_rows * size**2 > MOST_WORK:
        return None, (
            f"that is done for at most {MOST_TOGETHER:,} levels and columns together, and so few rows that it costs little, since it takes"
            " products of all pairs"
        )
    together, own, width = _together(given, solution, errors, each=True)
    bread = errors.bread(inference.bread, width)
    loss = row_loss(together, own.coefficients)
    try:
        return covariance(together, own, uncertainty.kind, bread=bread, statistics=uncertainty.counted, loss=loss), ""
    except InferenceError as error:
        return None, str(error)
