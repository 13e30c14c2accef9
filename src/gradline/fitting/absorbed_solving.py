"""Solving a problem with absorbed levels: least squares on what the levels leave, or Newton's method whose every step is that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradline.base.errors import ArgumentError, SolverError
from gradline.base.types import Array, BoolArray
from gradline.linalg.level_columns import Category, LevelPart, LevelRows, Taken
from gradline.linalg.within import Transformed, transform
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.levelled import LevelledRows
from gradline.rows.protocol import Rows
from gradline.rows.within_rows import ColumnsAndTarget, ColumnsAtOptimum, TakesOut, WithinRows, columns_and_target
from gradline.solvers.newton.absorbed import solve_absorbed
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.registry import as_solver, solve_identified

ALIASED = 1e-9
"""Of a column's own spread: what the levels leave of it is rounding."""

START_ROWS = 100_000
"""Rows by whose targets the start of a fit is chosen, where they are read anew at each pass."""

SHOWN = 6
"""Columns named in a message."""

WELL_APART = 1e-6
"""The least pivot of a correlation matrix that leaves no doubt of its rank."""


@dataclass(frozen=True, eq=False)
class Found:
    """What solving found.

    problem: in transformed columns; within: the rows of the same problem, of which ``beside`` can be read too; inside (P,): columns
    that the levels determine; levels (L,): of the linear predictors, beside the columns; total_squares: of the target about its mean.
    """

    problem: Problem
    within: WithinRows
    solution: Solution
    inside: BoolArray
    transformed: Transformed
    levels: Array
    total_squares: float


@dataclass(frozen=True, eq=False)
class _Columns:
    """Columns and target side by side, less what is taken out, and the rows' weights where there are any."""

    rows: LevelledRows
    weighted: bool
    taken: Taken | None = None

    def map(self, block: Block) -> Array:
        block, levels = self.rows.read(block)
        values = columns_and_target(block)
        if self.taken is not None:
            values = self.taken.out_of(values, levels)
        if not self.weighted:
            return values
        weights = block.weight_of_each_row
        return np.concatenate([values, weights[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class _SquaredRows:
    """The columns and the target of squared loss, as rows whose levels are taken out."""

    rows: LevelledRows
    weighted: bool

    @property
    def n_rows(self) -> int:
        return self.rows.n_rows

    @property
    def categories(self) -> tuple[Category, ...]:
        return tuple(own.category for own in self.rows.categories)

    def parts(self) -> Iterator[LevelPart]:
        return self._of(_Columns(self.rows, self.weighted))

    def left(self, taken: Taken) -> Iterator[LevelPart]:
        return self._of(_Columns(self.rows, self.weighted, taken))

    def _of(self, kernel: _Columns) -> Iterator[LevelPart]:
        start = 0
        for values in self.rows.run(kernel):
            stop = start + len(values)
            levels = self.rows.levels(start, stop)
            if self.weighted:
                yield LevelPart(levels, np.ascontiguousarray(values[:, -1]), np.ascontiguousarray(values[:, :-1]))
            else:
                yield LevelPart(levels, None, values)
            start = stop


def _inside(found: Transformed) -> BoolArray:
    """(P,): columns of which the levels leave nothing but rounding."""
    after, before, size = (np.sqrt(own[:-1]) for own in (np.diag(found.left), found.spread, np.maximum(found.size, 0.0)))
    return np.asarray(after <= np.maximum(ALIASED * before, 1e-13 * size))


def _dependent(found: Transformed, rows: LevelRows) -> BoolArray:
    """(P,): those, and columns that earlier ones determine in what the levels leave, whose rounding no exact test of rank sees through."""
    dependent = _inside(found)
    kept = np.flatnonzero(~dependent)
    gram = found.left[np.ix_(kept, kept)]
    root = np.sqrt(np.diag(gram))
    try:
        if np.square(np.diag(np.linalg.cholesky(gram / np.outer(root, root)))).min(initial=1.0) > WELL_APART:
            return dependent
    except np.linalg.LinAlgError:
        pass
    unit = np.zeros((0, len(kept)))
    for part in rows.left(found.taken):
        own = part.values[:, kept] if part.weights is None else part.values[:, kept] * np.sqrt(part.weights)[:, None]
        unit = np.asarray(np.linalg.qr(np.concatenate([unit, own / root]), mode="r"))
    for place in range(len(kept)):
        # A column that is left out must not stand for those after it.
        before = unit[:, [j for j in range(place) if not dependent[kept[j]]]]
        rest = unit[:, place] - before @ np.linalg.lstsq(before, unit[:, place], rcond=None)[0]
        dependent[kept[place]] = bool(np.linalg.norm(rest) <= ALIASED)
    return dependent


def solve_squared(loss: Loss, sample: LevelledRows, names: tuple[str, ...]) -> Found:
    """Least squares. Raises SolverError where levels were not absorbed, and ArgumentError where they determine every column."""
    block = sample.rows.take(np.arange(1))
    source = _SquaredRows(sample, sample.holes or block.row_weights is not None)
    transformed = transform(source)
    if not transformed.converged:
        raise SolverError(
            "the levels were not absorbed to rounding: the columns are of very different size, or hardly any rows connect levels"
        )
    inside = _inside(transformed)
    _require_some(inside, names)
    taken = ColumnsAndTarget(transformed.taken, _dependent(transformed, source))
    problem, within = _problem(loss, sample, taken, names)
    chosen = as_solver("auto", problem, "auto", None)
    problem, solution = solve_identified(problem, chosen, None, False)
    solution = replace(solution, digits=None)
    levels = transformed.levels
    own = levels[:, -1] - levels[:, :-1] @ solution.coefficients[:, 0]
    return Found(problem, within, solution, inside, transformed, own, float(transformed.spread[-1]))


def solve_newton(loss: Loss, sample: LevelledRows, names: tuple[str, ...]) -> Found:
    """Any other smooth loss. Raises as ``solve_squared``."""
    first = sample.rows.sample(START_ROWS).without_zero_weights()
    start, known = float(loss.start(first.targets)[0]), sample.rows.row_columns
    if known is not None:
        start = float(loss.start(known.targets)[0])
    if first.offset is not None:
        start -= float((first.offset if known is None or known.offset is None else known.offset).mean())
    found = solve_absorbed(loss, sample, len(names), start, _dependent)
    transformed = found.transformed
    inside = _inside(transformed)
    _require_some(inside, names)
    at = found.predictors
    taken = ColumnsAtOptimum(first_columns(transformed.taken), found.aliased, found.coefficients, at)
    problem, within = _problem(loss, sample, taken, names)
    value, gradient, _ = problem.evaluate(found.coefficients[:, None], 1)
    assert gradient is not None
    norm = float(np.linalg.norm(gradient))
    certificate = Certificate(
        found.converged,
        norm,
        "Newton's steps fell below rounding" if found.converged else "Newton's steps no longer make the loss smaller",
        "" if found.converged else "look for levels or columns that fit some targets perfectly, and leave them out",
    )
    aliased = tuple(int(place) for place in np.flatnonzero(found.aliased))
    solution = Solution(found.coefficients[:, None], float(value), "Newton", certificate, found.steps, aliased=aliased)
    levels = transformed.levels
    own = levels[:, -1] - levels[:, :-1] @ found.coefficients
    return Found(problem, within, solution, inside, transformed, own, float("nan"))


def first_columns(taken: Taken) -> Taken:
    """Of the columns alone, without the target, which comes last."""
    assert taken.levels is not None
    return Taken(taken.columns, taken.shift[:-1], np.ascontiguousarray(taken.levels[:, :-1]))


def _problem(loss: Loss, sample: LevelledRows, taken: TakesOut, names: tuple[str, ...]) -> tuple[Problem, WithinRows]:
    """The objective in columns that the levels are taken out of: in memory where the rows are, and made anew in each pass otherwise."""
    within = WithinRows(sample, taken, len(names))
    block = sample.rows.in_memory()
    rows: Rows = within if block is None else ArrayRows.of_block(within.block(block))
    return Problem(rows, loss, None, names, None), within


def _require_some(gone: BoolArray, names: tuple[str, ...]) -> None:
    if gone.all():
        listed = ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
        raise ArgumentError(
            f"the absorbed levels determine every column of the formula ({listed}), so that no coefficient is left: absorb fewer levels, or"
            " put columns before the | that vary within them"
        )
