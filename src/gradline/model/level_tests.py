"""Tests of a fit with absorbed levels as a whole: the levels are taken out of squared residuals and powers of fitted values too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradline.base.errors import InferenceError, SolverError
from gradline.base.types import Array
from gradline.inference.diagnostics import ALIKE, FEW_VALUES, Collinearity, SpecificationTest, specification_test
from gradline.inference.perfect import require_spread
from gradline.inference.statistics import FitStatistics
from gradline.linalg.level_columns import Category, LevelPart, Taken
from gradline.linalg.within import Transformed, transform
from gradline.model.level_rows import LevelRows
from gradline.rows.block import Block
from gradline.rows.kernel import RowKernel

POWERS = (2, 3)
"""Of the fitted values, for RESET."""


def collinearity_within(rows: LevelRows) -> Collinearity:
    """The variance inflation of columns whose others are the levels too; condition numbers of what the levels leave."""
    found = _transformed(rows, _Columns(), plain=True)
    kept = _kept(rows)
    gram = found.left[np.ix_(kept, kept)]
    sizes = np.sqrt(np.diag(gram))
    inflation = np.full(len(found.left), np.nan)
    inflation[kept] = np.diag(np.linalg.inv(gram / np.outer(sizes, sizes))) / np.square(sizes) * found.spread[kept]
    whole, scaled = (np.sqrt(np.maximum(np.linalg.eigvalsh(own), 0.0)) for own in (gram, gram / np.outer(sizes, sizes)))
    return Collinearity(float(whole[-1] / whole[0]), float(scaled[-1] / scaled[0]), inflation)


def breusch_pagan_within(rows: LevelRows, statistics: FitStatistics) -> SpecificationTest:
    """Koenker's form, as ``breusch_pagan``, with the levels among the columns."""
    _require_squared(rows, "Breusch-Pagan", "Breusch-Pagan test")
    found = _transformed(rows, _SquaredResiduals(rows.fit.solution.coefficients))
    before = float(found.spread[-1])
    if not before > ALIKE**2 * found.size[-1]:
        raise InferenceError(
            "no Breusch-Pagan test: every squared residual is the same, so that there is no change of the spread to explain"
        )
    n, rank = statistics.count, statistics.parameters
    return specification_test("Breusch-Pagan", n, rank - 1, n - rank, before, _left(found, _kept(rows)), lagrange=True)


def reset_within(rows: LevelRows, statistics: FitStatistics) -> SpecificationTest:
    """Ramsey's RESET, as ``reset``, with the levels among the columns and in the fitted values."""
    _require_squared(rows, "RESET", "RESET")
    coefficients = rows.fit.solution.coefficients
    fitted = _Fitted(coefficients)
    weight = sum(float(own.sum()) for _, own, _ in rows.parts(fitted, given=False))
    centre = sum(float(own @ values[:, 0]) for _, own, values in rows.parts(fitted, given=False)) / weight
    squares = sum(float(own @ np.square(values[:, 0] - centre)) for _, own, values in rows.parts(fitted, given=False))
    spread = float(np.sqrt(squares / weight))
    if not spread > ALIKE * abs(centre):
        raise InferenceError(FEW_VALUES)
    found = _transformed(rows, _Powers(coefficients, centre, spread), given=False)
    kept = _kept(rows)
    size = len(found.left) - 1
    added = [place for place in range(size - len(POWERS), size) if found.left[place, place] > ALIKE * found.spread[place]]
    if not added:
        raise InferenceError(FEW_VALUES)
    n = statistics.count
    before = float(found.left[-1, -1])
    after = _left(found, np.concatenate([kept, added]))
    return specification_test("RESET", n, len(added), n - statistics.parameters - len(added), before, after, lagrange=False)


def _left(found: Transformed, columns: Array) -> float:
    """The squares of the last column that others leave."""
    gram, right = found.left[np.ix_(columns, columns)], found.left[columns, -1]
    sizes = np.sqrt(np.diag(gram))
    solved = np.linalg.lstsq(gram / np.outer(sizes, sizes), right / sizes, rcond=None)[0]
    return max(float(found.left[-1, -1] - (right / sizes) @ solved), 0.0)


def _kept(rows: LevelRows) -> Array:
    """The columns that are not aliased."""
    return np.array([place for place in range(len(rows.fit.names)) if place not in rows.fit.solution.aliased], dtype=np.int64)


def _require_squared(rows: LevelRows, name: str, what: str) -> None:
    if rows.fit.loss_function.squared_scale() is None:
        raise InferenceError(f"{name} is defined for squared loss and one target; the loss is {rows.fit.loss_name!r}")
    require_spread(rows.problem(), rows.fit.solution.coefficients, what)


def _transformed(rows: LevelRows, values: RowKernel, *, plain: bool = False, given: bool = True) -> Transformed:
    try:
        return transform(_PartsOf(rows, values, plain, given))
    except SolverError as error:
        raise InferenceError(str(error)) from error


@dataclass(frozen=True, eq=False)
class _PartsOf:
    """Columns of a kernel as rows whose levels are taken out."""

    rows: LevelRows
    values: RowKernel
    plain: bool
    given: bool

    @property
    def n_rows(self) -> int:
        return self.rows.kept.n_rows

    @property
    def categories(self) -> tuple[Category, ...]:
        return self.rows.categories

    def parts(self) -> Iterator[LevelPart]:
        for levels, weights, values in self.rows.parts(self.values, plain=self.plain, given=self.given):
            yield LevelPart(levels, weights, values)

    def left(self, taken: Taken) -> Iterator[LevelPart]:
        for part in self.parts():
            yield part._replace(values=taken.out_of(part.values, part.levels))


@dataclass(frozen=True)
class _Columns:
    def map(self, block: Block) -> Array:
        return np.concatenate([block.weight_of_each_row[:, None], block.design.slopes()], axis=1)


@dataclass(frozen=True, eq=False)
class _SquaredResiduals:
    """Columns and squared residuals, weighted where there are weights; a row counts by its frequency alone."""

    coefficients: Array

    def map(self, block: Block) -> Array:
        squares = np.square(block.targets - block.linear_predictors(self.coefficients))
        if block.weights is not None:
            squares *= block.weights[:, None]
        counts = np.ones(block.n_rows) if block.frequencies is None else block.frequencies
        counts = np.where(block.weight_of_each_row > 0, counts, 0.0)
        return np.concatenate([counts[:, None], block.design.slopes(), squares], axis=1)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """The fitted values, (m, 1), after the row's weight."""

    coefficients: Array

    def map(self, block: Block) -> Array:
        return np.concatenate([block.weight_of_each_row[:, None], block.linear_predictors(self.coefficients)], axis=1)


@dataclass(frozen=True, eq=False)
class _Powers:
    """Columns, powers of the fitted values in units of ``scale`` about ``centre``, and residuals."""

    coefficients: Array
    centre: float
    scale: float

    def map(self, block: Block) -> Array:
        fitted = block.linear_predictors(self.coefficients)
        scaled = (fitted - self.centre) / self.scale
        powers = [scaled**power for power in POWERS]
        return np.concatenate([block.weight_of_each_row[:, None], block.design.slopes(), *powers, block.targets - fitted], axis=1)
