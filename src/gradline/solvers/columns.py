"""What solvers that work from curvature ask of the design columns: their sizes, and which of them earlier ones determine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.dependent_columns import dependent_columns
from gradline.solvers.least_squares.scaled_rows import find_scales, independent_columns, triangular_factor

PIVOT = 1e-8
"""A Cholesky pivot below this share of its column asks for a closer look by QR."""

SAMPLE = 20_000


@dataclass(frozen=True)
class _GramKernel(Kernel[Array]):
    def map(self, block: Block) -> Array:
        return block.without_zero_weights().design.gram(None)

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


def aliased_columns(rows: Rows) -> tuple[int, ...]:
    """The design columns left out because earlier ones determine them, decided on all rows; usually none.

    Columns that are independent on some rows are independent on all, so a sample clears most data; only where the sample leaves a
    doubt are all rows factored.
    """
    n = rows.n_rows
    size = max(SAMPLE, 4 * rows.n_columns)
    if n > 2 * size:
        chosen = np.unique(np.linspace(0, n - 1, size).astype(np.int64))
        gram = rows.take(chosen).without_zero_weights().design.gram(None)
    else:
        gram = rows.reduce(_GramKernel())
    if well_conditioned(gram):
        return ()
    if n > 2 * size:
        gram = rows.reduce(_GramKernel())
        if well_conditioned(gram):
            return ()
    if rows.sparse_columns:
        return dependent_columns(rows, gram)
    scales = find_scales(rows, None)
    factor = triangular_factor(rows, scales, None)
    return independent_columns(factor, rows.n_columns)[2]


def well_conditioned(gram: Array) -> bool:
    """Whether a Gram or curvature matrix is well within positive definite, its columns brought to one scale."""
    scale = np.sqrt(np.diag(gram))
    if not (np.isfinite(gram).all() and (scale > 0).all()):
        return False
    try:
        pivots = np.diag(np.linalg.cholesky(gram / np.outer(scale, scale)))
    except np.linalg.LinAlgError:
        return False
    return bool((pivots**2 > PIVOT).all())


def gram(rows: Rows) -> Array:
    """X'X (P, P) over the rows that count. A pass."""
    return rows.reduce(_GramKernel())


def independent(rows: Rows) -> bool:
    """Whether the columns are well independent on all rows: a curvature that is not then comes of few rows having any."""
    return well_conditioned(rows.reduce(_GramKernel()))


def nearly_dependent(curvature: Array, free: CoefficientMap) -> tuple[int, ...]:
    """The design columns of the direction in which the curvature, (d, d), is lost to rounding; none where it is nowhere."""
    diagonal = np.abs(np.diag(curvature))
    if not (np.isfinite(curvature).all() and (diagonal > 0).all()):
        return ()
    scale = np.sqrt(diagonal)
    eigenvalues, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    if abs(eigenvalues[0]) > 1e-13:
        return ()
    size = np.abs(free.matrix @ vectors[:, 0]).reshape(free.base.shape[::-1]).max(axis=0)
    return tuple(int(column) for column in np.flatnonzero(size > 0.1 * size.max()))


def column_scale(problem: Problem) -> Array:
    """Root mean squares of the design columns, (P,); one for a column of zeros."""
    sums = problem.rows.reduce(_SquaresKernel())
    scale = np.sqrt(sums[:-1] / sums[-1])
    return np.where(scale > 0, scale, 1.0)


@dataclass(frozen=True)
class _SquaresKernel(Kernel[Array]):
    """Sums of squares of the design columns, and the rows they were taken over."""

    def map(self, block: Block) -> Array:
        return np.append(block.design.squares(), block.n_rows)

    def merge(self, first: Array, second: Array) -> Array:
        return first + second


class ColumnMoments(NamedTuple):
    """Weighted, for each of P columns: total weight; mean; squares about it; squares about zero."""

    weight: float
    mean: Array
    centred: Array
    squares: Array


@dataclass(frozen=True)
class ColumnMomentsKernel(Kernel[ColumnMoments]):
    """The pass."""

    def map(self, block: Block) -> ColumnMoments:
        weights = block.weight_of_each_row
        return ColumnMoments(float(weights.sum()), *block.design.column_moments(weights))

    def merge(self, first: ColumnMoments, second: ColumnMoments) -> ColumnMoments:
        total = first.weight + second.weight
        if not total > 0:
            return first
        shift = second.mean - first.mean
        centred = first.centred + second.centred + np.square(shift) * (first.weight * second.weight / total)
        return ColumnMoments(total, first.mean + shift * (second.weight / total), centred, first.squares + second.squares)


CONSTANT = 1e-13
"""Of a column's size: a spread that is rounding."""


def standard_deviations(rows: Rows) -> Array:
    """Of the design columns, weighted, (P,): the root of the mean squared distance from the mean; 0 for a constant column, whatever
    rounding leaves of it. A pass."""
    moments = rows.reduce(ColumnMomentsKernel())
    constant = moments.centred <= CONSTANT**2 * moments.squares
    return np.where(constant, 0.0, np.sqrt(moments.centred / moments.weight))
