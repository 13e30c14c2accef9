"""The inverse of X' W X to nearly full precision, for standard errors of ill-conditioned designs.

From R alone, (R' R)^-1 is off by about eps cond(X). Here T = R^-1, as it stands in doubles, is taken for an exact change of
coordinates: the columns of B = X T are nearly orthonormal, and computed with exact products they are right to a double's last place, so
S = B' W B is the identity to within eps cond(X), known to about n eps, and

    (X' W X)^-1 = T S^-1 T'

in which nothing cancels: the same preconditioning by an approximate inverse as Rump's for extremely ill-conditioned matrices ("Inversion of
extremely ill-conditioned matrices in floating-point", Japan J. Indust. Appl. Math. 26, 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.linalg import double_double as dd
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.refinement import chunk_width
from gradline.solvers.least_squares.scaled_rows import (
    ScaledRows,
    Scales,
    chunks,
    find_scales,
    in_one_block,
    independent_columns,
    scale_rows,
    scaled_ridge,
    triangular_factor,
    with_ridge,
)


@dataclass(frozen=True)
class InverseGram:
    """(X' W X + ridge)^-1 for columns divided by 2^exponents: inverse (P, P), zero in aliased rows and columns; exponents (P,).

    Standard errors are ``sqrt(dispersion * diag) 2^-exponents``; so scaled the inverse stays in range for columns of any size.
    """

    inverse: Array
    exponents: IntArray
    aliased: tuple[int, ...]


@dataclass(frozen=True)
class _OrthonormalKernel(Kernel[Array]):
    """S = B' W B."""

    writes_columns: ClassVar[bool] = True

    scales: Scales
    transform: Array
    kept: list[int]

    def map(self, block: Block) -> Array:
        return _transformed_gram(scale_rows(block, self.scales), self.transform, self.kept)

    def merge(self, first: Array, second: Array) -> Array:
        return first + second


def _transformed_gram(held: ScaledRows, transform: Array, kept: list[int]) -> Array:
    size = len(kept)
    values = held.values[kept]
    total = np.zeros((size, size))
    words = np.stack([transform, np.zeros_like(transform)])
    for part, chunk in chunks(values, chunk_width(size)):
        high, low = dd.split(chunk)
        b = np.empty(chunk.shape)
        for j in range(size):
            # T is upper triangular: column j of B needs the first j + 1 columns only.
            head = slice(0, j + 1)
            b[j] = dd.product_sum(chunk[head], high[head], low[head], words[:, head, j, None], 0)[0]
        if held.weights is not None:
            b *= np.sqrt(held.weights[0, part])
        total += b @ b.T
    return total


def inverse_gram(rows: Rows, ridge: float = 0.0) -> InverseGram:
    """One or two passes. ridge: strength of a ridge on the mean loss, ``sum(f w) ridge / 2`` on the diagonal but for the intercept."""
    from scipy.linalg.lapack import dtrtri

    block = in_one_block(rows)
    scales = find_scales(rows, block)
    held = None if block is None else scale_rows(block, scales)
    penalty = scaled_ridge(scales, ridge, rows.intercept)[0]
    factor = with_ridge(triangular_factor(rows, scales, held), penalty)
    factor, kept, aliased = independent_columns(factor, rows.n_columns)
    size = len(kept)
    inverse = np.zeros((rows.n_columns, rows.n_columns))
    if size:
        transform = np.triu(dtrtri(factor[:size, :size])[0])
        gram = rows.reduce(_OrthonormalKernel(scales, transform, kept)) if held is None else _transformed_gram(held, transform, kept)
        gram += (transform.T * penalty[kept]) @ transform
        # T L'^-1 with S = L L': the diagonal is then a sum of squares.
        half = np.linalg.solve(np.linalg.cholesky(gram), transform.T)
        inverse[np.ix_(kept, kept)] = half.T @ half
    # The scaled rows divide the weights by 2^weight.
    return InverseGram(np.ldexp(inverse, -scales.weight), scales.columns, aliased)
