"""Second moments in two words, at the speed of BLAS: what squared loss needs of rows whose moments in doubles cancel.

A chunk of rows is shifted and cut into slices: z = h + l + r, where h keeps the first 21 bits below the largest entry of its column, l the
next 21, and r what is left. Products of h with h and of h with l, summed over 2,048 rows, fit into the 53 bits of a double, so that BLAS
adds them up without any rounding, in whatever order (Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by
using fast routines of matrix multiplication and its applications", Numerical Algorithms 59, 2012). What is rounded is 2^42 times smaller.
The sums of the chunks are kept in two words: compensated once a chunk, not once a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.errors import ArgumentTypeError
from gradline.base.types import Array
from gradline.design.dense import DenseDesign
from gradline.linalg import double_double as dd
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.least_squares.refinement import MOST_DIGITS, claimed_digits

BITS = 21
"""Bits of a slice."""

CHUNK_ROWS = 2 ** (53 - 2 * BITS)
"""Rows whose products of two slices are summed exactly; a chunk of a few dozen columns stays in a core's second-level cache."""

MOST_INFLATION = 1e4
"""Of the variance of a coefficient by the other columns: beyond, the inverse that standard errors rest on loses digits."""

LEAST_DIGITS = 15.0
"""Of every coefficient: where fewer are certain, three words may give more."""

MOST_STEPS = 12


@dataclass(frozen=True)
class WordMoments:
    """Sums over rows of M columns less their shift, in two words: products (2, M, M), sums (2, M). steps: additions behind a sum."""

    products: Array
    sums: Array
    rows: int
    steps: int


@dataclass(frozen=True)
class WordMomentsKernel(Kernel[WordMoments]):
    """The pass, of dense rows without weights and offset. shift: (M,), the same for all rows, the design's columns before the targets."""

    shift: Array

    def map(self, block: Block) -> WordMoments:
        design = block.design
        if not isinstance(design, DenseDesign) or block.row_weights is not None or block.offset is not None:
            raise ArgumentTypeError("moments in two words are of dense rows without weights and offset")
        width, m = len(self.shift), block.n_rows
        products, sums = np.zeros((2, width, width)), np.zeros((2, width))
        slices, scratch = np.zeros((3 * width + 1, min(m, CHUNK_ROWS))), np.empty((3, width, min(m, CHUNK_ROWS)))
        slices[-1] = 1.0
        columns, targets = design.values.T, block.targets.T
        p = len(columns)
        for start in range(0, m, CHUNK_ROWS):
            rows = min(CHUNK_ROWS, m - start)
            values = scratch[0, :, :rows]
            values[:p], values[p:] = columns[:, start : start + rows], targets[:, start : start + rows]
            part = slices[:, :rows]
            _cut(values, self.shift[:, None], part, scratch[1:, :, :rows])
            # NumPy calls BLAS syrk, half the work of a general product, because both factors are one buffer.
            _add(products, sums, np.dot(part, part.T), width)
        return WordMoments(products, sums, m, -(-m // CHUNK_ROWS))

    def merge(self, first: WordMoments, second: WordMoments) -> WordMoments:
        return WordMoments(
            dd.add(first.products, second.products),
            dd.add(first.sums, second.sums),
            first.rows + second.rows,
            max(first.steps, second.steps) + 1,
        )


def _cut(values: Array, shift: Array, slices: Array, scratch: Array) -> None:
    """The three slices of values (M, m) less their shift into ``slices`` (3 M + 1, m); values and scratch (2, M, m) are overwritten."""
    width = len(values)
    first, second, third = (slices[i * width : (i + 1) * width] for i in range(3))
    shifted, other = scratch
    # What the subtraction rounds off, exactly (Knuth): z + third = values - shift.
    np.subtract(values, shift, out=shifted)
    np.subtract(shifted, values, out=other)
    np.subtract(shifted, other, out=third)
    np.subtract(values, third, out=third)
    np.add(other, shift, out=other)
    third -= other
    top = np.maximum(shifted.max(axis=1), -shifted.min(axis=1))
    # Adding and taking off 1.5 times a power of two leaves the bits above its last place.
    sigma = np.ldexp(1.5, np.frexp(top)[1] + (52 - BITS))[:, None]
    for out in (first, second):
        np.add(shifted, sigma, out=out)
        out -= sigma
        shifted -= out
        sigma = sigma * 2.0**-BITS
    third += shifted


def _add(products: Array, sums: Array, gram: Array, width: int) -> None:
    """Add a chunk's products of slices (3 M + 1, 3 M + 1) to the running words."""
    a, b, c = (slice(i * width, (i + 1) * width) for i in range(3))
    middle, tail, last = gram[a, b], gram[a, c], gram[b, c]
    _add_words(products, gram[a, a], middle + middle.T, (tail + tail.T) + gram[b, b] + (last + last.T) + gram[c, c])
    _add_words(sums, gram[-1, a], gram[-1, b], gram[-1, c])


def _add_words(words: Array, exact: Array, smaller: Array, rest: Array) -> None:
    total, error = dd.two_sum(words[0], exact)
    total, other = dd.two_sum(total, smaller)
    words[0], words[1] = dd.quick_two_sum(total, words[1] + ((error + other) + rest))


@dataclass(frozen=True)
class WordSolution:
    """coefficients (P,), error: bounds (P,), digits (P,); squares: of residuals, total_squares: about the mean or zero; gradient_norm: of
    X' (y - X b), left by rounding the coefficients to doubles."""

    coefficients: Array
    error: Array
    digits: Array
    squares: float
    total_squares: float
    gradient_norm: float


def solve_word_moments(moments: WordMoments, shift: Array, *, intercept: bool) -> WordSolution | None:
    """Least squares of the last column on the others; None where the moments cannot claim for the last digits.

    Without an intercept the shift must be zero. The claim is that of ``normal_equations``, for sums whose error is 2^42 times smaller,
    and the equations are solved in two words by refinement.
    """
    p, n = len(shift) - 1, float(moments.rows)
    centred = moments.products
    if intercept:
        # The shift is the mean but for rounding, so that this is as small as the rounding of a double.
        correction = np.outer(moments.sums[0], moments.sums[0]) / n
        diagonal = np.diag(centred[0])
        if (np.diag(correction) > 2.0**-40 * diagonal).any():
            return None
        centred = dd.renormalise([centred[0], centred[1] - correction], 2)
    diagonal = np.diag(centred[0])
    if not (np.isfinite(centred).all() and (diagonal > 0).all()):
        return None
    power = dd.power_of_two(np.sqrt(diagonal))
    scaled = np.ldexp(centred, -(power[:, None] + power[None, :]))
    gram, right, size = scaled[:, :p, :p], scaled[:, :p, p], np.diag(scaled[0])
    try:
        np.linalg.cholesky(gram[0])
        inverse = np.linalg.inv(gram[0])
    except np.linalg.LinAlgError:
        return None
    if p and (np.diag(inverse) * size[:p]).max() > MOST_INFLATION:
        return None
    solution, step = _refined(gram, right, inverse)
    x = solution[0]
    gamma = 2.0**-95 * (64.0 + moments.steps)
    reach = float(np.sqrt(size[:p] @ x**2 + size[p]))
    error = gamma * np.sqrt((inverse**2) @ size[:p]) * reach + 2.0 * step
    squares = _total(np.concatenate([scaled[:, p, p][:, None], -dd.multiply(right, solution, 2)], axis=1))
    # As many digits as the residuals themselves, summed in doubles, would have.
    if not squares > 2.0**40 * gamma * reach**2:
        return None
    slopes = np.ldexp(solution, power[p] - power[:p])
    errors = np.ldexp(error, power[p] - power[:p])
    if intercept:
        means = np.array(dd.two_sum(shift, moments.sums[0] / n))
        parts = np.concatenate([means[:, p][:, None], -dd.multiply(means[:, :p], slopes, 2)], axis=1)
        first = np.array(_words(parts))
        first_error = np.abs(means[0, :p]) @ errors + 2.0**-98 * (1.0 + p) * float(np.abs(parts[0]).sum())
        slopes, errors = np.concatenate([first[:, None], slopes], axis=1), np.concatenate([[first_error], errors])
    digits = claimed_digits(slopes[0], errors)
    if digits.min(initial=MOST_DIGITS) < LEAST_DIGITS:
        return None
    remainder = np.ldexp(slopes[1, int(intercept) :], power[:p] - power[p])
    gradient = np.ldexp(gram[0] @ remainder, power[:p] + power[p])
    unit = float(np.ldexp(1.0, 2 * int(power[p])))
    return WordSolution(slopes[0], errors, digits, squares * unit, float(size[p]) * unit, float(np.linalg.norm(gradient)))


def _refined(gram: Array, right: Array, inverse: Array) -> tuple[Array, Array]:
    """The solution (2, p) of gram (2, p, p) x = right (2, p), and the size of the last correction (p,)."""
    solution = np.array([inverse @ right[0], np.zeros(len(inverse))])
    halves, step = dd.split(gram[0]), np.abs(solution[0])
    for _ in range(MOST_STEPS):
        product = dd.product_sum(gram[0], *halves, solution[:, None, :], 1)
        left = dd.renormalise([right[0], -product[0], right[1], -product[1], -(gram[1] @ solution[0])], 2)
        correction = inverse @ dd.round_to_double(left)
        solution = dd.renormalise([*solution, correction], 2)
        step = np.abs(correction)
        if (step <= 2.0**-90 * np.abs(solution[0]).max(initial=0.0)).all():
            break
    return solution, step


def _words(parts: Array) -> tuple[float, float]:
    """The sum of numbers (2, t) in two words."""
    total = parts[:, 0]
    for j in range(1, parts.shape[1]):
        total = dd.add(total, parts[:, j])
    return float(total[0]), float(total[1])


def _total(parts: Array) -> float:
    return sum(_words(parts))
