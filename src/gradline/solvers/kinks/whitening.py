"""Coordinates in which the columns are orthonormal, found from the rows or a sample of them; and which columns are aliased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from gradline.base.types import Array, IntArray
from gradline.rows.block import Block
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.scaled_rows import Scales, find_scales, independent_columns, scale_rows, triangular_factor

HELD_NUMBERS = 2_500_000
"""n P up to which all rows are held; beyond it a sample of this size is, or less."""

CLEAR_PIVOT = 1e-8
"""A Cholesky pivot above this share of its column leaves no doubt that the column is independent of those before it."""


@dataclass(frozen=True)
class Whitening:
    """A point c = R b over the columns kept, with R'R the weighted mean of x x' (over a sample, where rows are many).

    triangle (K, K): R. kept: design columns, K of P. aliased: the others. start (K, k): least squares on the sample, a point a target.
    """

    n_columns: int
    kept: list[int]
    aliased: tuple[int, ...]
    triangle: Array
    start: Array

    def values(self, block: Block) -> Array:
        """The block's columns in these coordinates: (m, K)."""
        dense = block.design.dense()
        if self.aliased:
            dense = dense[:, self.kept]
        return np.asarray(solve_triangular(self.triangle, dense.T, trans="T", check_finite=False)).T

    def point(self, coefficients: Array) -> Array:
        """(P,) to (K,)."""
        return np.asarray(self.triangle @ coefficients[self.kept])

    def coefficients(self, point: Array) -> Array:
        """(K,) to (P,), zeros for aliased columns."""
        found = np.zeros(self.n_columns)
        found[self.kept] = solve_triangular(self.triangle, point, check_finite=False)
        return found

    def adjoint(self, gradient: Array) -> Array:
        """Sums over rows of the design's columns, (P,), to these coordinates, (K,)."""
        return np.asarray(solve_triangular(self.triangle, gradient[self.kept], trans="T", check_finite=False))

    def gram(self, curvature: Array) -> Array:
        """(P, P) to (K, K)."""
        kept = curvature[np.ix_(self.kept, self.kept)]
        half = solve_triangular(self.triangle, kept, trans="T", check_finite=False)
        return np.asarray(solve_triangular(self.triangle, half.T, trans="T", check_finite=False))


class Sample(NamedTuple):
    """block: rows of positive weight; numbers: theirs, rising; complete: whether they are all there are."""

    block: Block
    numbers: IntArray
    complete: bool


@dataclass(frozen=True)
class _CountsKernel:
    """Which rows count."""

    def map(self, block: Block) -> Array:
        weights = block.row_weights
        return np.ones(block.n_rows, dtype=np.bool_) if weights is None else weights > 0  # type: ignore[return-value]


def draw_sample(rows: Rows) -> Sample:
    """All rows of positive weight where they can be held, otherwise one at random from each of as many equal runs of rows."""
    most = _sample_size(rows.n_columns)
    numbers = np.arange(rows.n_rows) if rows.n_rows * rows.n_columns <= HELD_NUMBERS else _spread(rows.n_rows, most)
    block = rows.take(numbers)
    if 2 * block.without_zero_weights().n_rows < min(most, block.n_rows):
        # Few rows count: draw from those.
        counting = np.flatnonzero(rows.map(_CountsKernel()))
        numbers = counting if len(counting) * rows.n_columns <= HELD_NUMBERS else counting[_spread(len(counting), most)]
        return Sample(rows.take(numbers), numbers, len(numbers) == len(counting))
    complete = len(numbers) == rows.n_rows
    weights = block.row_weights
    if weights is not None:
        numbers, block = numbers[weights > 0], block.without_zero_weights()
    return Sample(block, numbers, complete)


def _sample_size(n_columns: int) -> int:
    return max(min(max(200 * n_columns, 20_000), HELD_NUMBERS // n_columns), 4 * n_columns)


def _spread(n_rows: int, size: int) -> IntArray:
    if size >= n_rows:
        return np.arange(n_rows)
    share = np.random.default_rng(0).random(size)
    return np.asarray(np.minimum(((np.arange(size) + share) * (n_rows / size)).astype(np.int64), n_rows - 1))


def whiten(rows: Rows, sample: Sample) -> Whitening:
    """From a sample, or from all rows if it leaves doubt about a column."""
    block = sample.block
    scales = find_scales(rows, block)
    weights = block.row_weights
    total = float(block.n_rows if weights is None else weights.sum())
    weighted = scale_rows(block, scales).weighted()
    clear = _clear_factor(weighted, rows.n_columns)
    if clear is not None:
        return _whitening(clear, list(range(rows.n_columns)), (), scales, total)
    factor = np.asarray(np.linalg.qr(weighted, mode="r"))
    reduced, kept, aliased = independent_columns(factor, rows.n_columns)
    if aliased and not sample.complete:
        scales = find_scales(rows, None)
        factor = triangular_factor(rows, scales, None)
        total = float(scales.total_weight[0])
        reduced, kept, aliased = independent_columns(factor, rows.n_columns)
    return _whitening(reduced, kept, aliased, scales, total)


def _clear_factor(weighted: Array, n_columns: int) -> Array | None:
    """[R z] from the Gram matrix of columns and targets, a tenth of the work of QR; None where it leaves doubt about a column."""
    gram = weighted.T @ weighted
    columns = gram[:n_columns, :n_columns]
    scale = np.sqrt(np.diag(columns))
    if not (np.isfinite(gram).all() and (scale > 0).all()):
        return None
    try:
        unit = np.linalg.cholesky(columns / np.outer(scale, scale)).T
    except np.linalg.LinAlgError:
        return None
    if not (np.square(np.diag(unit)) > CLEAR_PIVOT).all():
        return None
    projections = solve_triangular(unit, gram[:n_columns, n_columns:] / scale[:, None], trans="T", check_finite=False)
    return np.concatenate([unit * scale[None, :], projections], axis=1)


def _whitening(factor: Array, kept: list[int], aliased: tuple[int, ...], scales: Scales, total: float) -> Whitening:
    size = len(kept)
    # In scaled units sum f w is total 2^-weight.
    root = np.sqrt(np.ldexp(total, -scales.weight))
    triangle = np.ldexp(factor[:size, :size], scales.columns[kept][None, :]) / root
    start = np.ldexp(factor[:size, size:], scales.targets[None, :]) / root
    return Whitening(size + len(aliased), kept, aliased, triangle, start)
