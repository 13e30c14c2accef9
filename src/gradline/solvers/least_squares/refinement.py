"""Least squares to the last digit: corrected semi-normal equations with residuals and coefficients in two or three words.

    r = y - X b,    g = X' W r - L b,    R' R d = g,    b <- b + d

R comes from a QR factorisation in doubles. With g exact, an error shrinks by about eps cond(X) a step, as in Bjorck's refinement of
the augmented system (BIT 7, 1967); that system stores r as an unknown and so reaches cond^2 2^-106 |r|, where this form, recomputing r,
reaches cond^2 2^-53w (|y| + |X| |b|): with a third word taken when two do not suffice it is the more accurate of the two, and needs
neither Q nor a row's worth of memory, so one algorithm serves small and large data. (Bjorck, "Stability analysis of the method of
semi-normal equations", Lin. Alg. Appl. 88, 1987; Demmel, Hida, Riedy and Li, "Extra-precise iterative refinement for overdetermined least
squares problems", ACM TOMS 35, 2009.)

The claim. In the norm |R d| the step contracts by at most rho, so that what is left after d is below rho / (1 - rho) |R d|, and
coefficient j is off by at most that times the norm of row j of R^-1. The exactness of g limits this at |R^-1 R^-T| times a bound on its
error. Rounding to a double adds 2^-53. The claimed digits are those of the sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.linalg import double_double as dd
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.scaled_rows import ScaledRows, Scales, chunks, scale_rows

MOST_DIGITS = 15.9
"""What a rounding of the exact value to a double can be certain of: -log10(2^-53) is 15.95."""

MOST_STEPS = 60
TINY = 1e-300

CHUNK_NUMBERS = 2**14
"""Numbers in a chunk: half a dozen temporaries of this size stay in a core's second-level cache."""


class Gradient(NamedTuple):
    """X' W (y - X b) as (k, words, P), and the weighted sum of squared residuals, (k,)."""

    gradient: Array
    sum_of_squares: Array


class Refined(NamedTuple):
    """In scaled units: coefficients (k, P); digits (k, P); weighted sum of squared residuals (k,); gradient (k, P) left by rounding.

    steps: passes taken. converged: whether the corrections died out.
    """

    coefficients: Array
    digits: Array
    sum_of_squares: Array
    gradient: Array
    steps: int
    converged: bool


@dataclass(frozen=True)
class GradientKernel(Kernel[Gradient]):
    """One pass for the exact gradient at coefficients (k, words, P). kept: the design columns they belong to, or None for all."""

    writes_columns: ClassVar[bool] = True

    scales: Scales
    coefficients: Array
    kept: list[int] | None

    def map(self, block: Block) -> Gradient:
        held = scale_rows(block, self.scales)
        return exact_gradient(held.values if self.kept is None else held.values[self.kept], held, self.coefficients)

    def merge(self, first: Gradient, second: Gradient) -> Gradient:
        return Gradient(_add_words(first.gradient, second.gradient), first.sum_of_squares + second.sum_of_squares)


def exact_gradient(values: Array, held: ScaledRows, coefficients: Array) -> Gradient:
    """values: (P, m), the kept rows of held.values; coefficients: (k, words, P)."""
    n_targets, words, _ = coefficients.shape
    gradient, squares = np.zeros(coefficients.shape), np.zeros(n_targets)
    for index, (part, chunk) in enumerate(chunks(values, chunk_width(values.shape[0]))):
        halves = dd.split(chunk)
        for j in range(n_targets):
            fitted = dd.product_sum(chunk, *halves, coefficients[j][:, :, None], 0)
            residual = dd.renormalise([*held.targets[j][:, part], *-fitted], words)
            weighted = residual if held.weights is None else dd.multiply(held.weights[:, part], residual, words)
            piece = dd.product_sum(chunk, *halves, weighted[:, None, :], 1)
            gradient[j] = piece if index == 0 else dd.add(gradient[j], piece)
            squares[j] += residual[0] @ weighted[0]
    return Gradient(gradient, squares)


def chunk_width(n_columns: int) -> int:
    """Rows in a chunk of the exact products."""
    return max(64, CHUNK_NUMBERS // max(n_columns, 1))


def _add_words(a: Array, b: Array) -> Array:
    return dd.add(a.transpose(1, 0, 2), b.transpose(1, 0, 2)).transpose(1, 0, 2)


def gradient_pass(rows: Rows, scales: Scales, held: ScaledRows | None, kept: list[int]) -> Callable[[Array], Gradient]:
    """The pass as a function of the coefficients (k, words, P)."""
    every = len(kept) == rows.n_columns
    if held is None:
        return lambda coefficients: rows.reduce(GradientKernel(scales, coefficients, None if every else kept))
    values = held.values if every else held.values[kept]
    return lambda coefficients: exact_gradient(values, held, coefficients)


def refine(factor: Array, first: Array, evaluate: Callable[[Array], Gradient], target_norms: Array, rows: int, ridge: Array) -> Refined:
    """factor: R (P, P), of the design with the ridge's rows. first: coefficients (k, P) to start from. rows: how many there are.

    evaluate: the exact gradient without the ridge. target_norms: (k,), weighted Euclidean norms of the targets. ridge: the diagonal
    L in two words, (2, P).
    """
    from scipy.linalg.lapack import dtrtri

    size = factor.shape[0]
    inverse, _ = dtrtri(factor)
    spread = np.sqrt(np.einsum("ij,ij->i", inverse, inverse))
    column_norms = np.sqrt(np.einsum("ij,ij->j", factor, factor))
    condition = math.sqrt(size) * float(np.linalg.norm(spread * column_norms))
    proven = 8.0 * dd.UNIT * math.sqrt(size) * condition
    bound_of_gradient = np.abs(inverse @ inverse.T) @ column_norms
    terms = 64.0 * max(chunk_width(size), size) + 8.0 * rows / chunk_width(size)
    penalised = bool(ridge.any())

    b = np.zeros((2, *first.shape))
    b[0] = first
    last, step, converged = np.full(len(first), np.inf), 0, False
    while True:
        words = len(b)
        value = evaluate(b.transpose(1, 0, 2))
        gradient = value.gradient.transpose(1, 0, 2)
        if penalised:
            gradient = dd.add(gradient, -dd.multiply(ridge[:, None, :], b, words))
        correction = dd.round_to_double(gradient) @ inverse
        length = np.sqrt(np.einsum("ij,ij->i", correction, correction))
        b = dd.renormalise([*b, correction @ inverse.T], words)
        step += 1
        magnitude = np.abs(b[0])
        limit = dd.UNIT**words * terms * bound_of_gradient * (target_norms + magnitude @ column_norms)[:, None]
        ratio = length / np.maximum(last, TINY)
        rate = proven if proven <= 0.05 else np.clip(2.0 * ratio, 0.05, 0.9)
        left = (rate / (1.0 - rate) * length)[:, None] * spread
        settled = left <= np.maximum(2.0**-58 * magnitude, limit)
        if (proven <= 0.05 or step > 1) and settled.all():
            if words == 2 and (limit > 2.0**-57 * magnitude).any():
                b = np.concatenate([b, np.zeros((1, *first.shape))])
                continue
            converged = True
            break
        stalled = (ratio > 0.5) & ~settled.all(axis=1)
        if step == MOST_STEPS or (step > 2 and stalled.any()):
            left[stalled] = 8.0 * length[stalled][:, None] * spread
            break
        last = length
    squares = value.sum_of_squares
    # They belong to the coefficients before the last correction, whose length is all that parts them (Pythagoras).
    if (length**2 <= 2.0**-40 * squares).all() or (not penalised and (length**2 <= 0.1 * squares).all()):
        squares = squares if penalised else squares - length**2
    else:
        squares, step = evaluate(b.transpose(1, 0, 2)).sum_of_squares, step + 1
    error = left + limit
    # The first word is the sum rounded. A coefficient inside its own error bound cannot be told from zero.
    rounded = np.where(np.abs(b[0]) <= error, 0.0, b[0])
    remainder = (b[0] - rounded) + b[1]
    rounding_gradient = (remainder @ factor.T) @ factor
    return Refined(rounded, claimed_digits(rounded, error), squares, rounding_gradient, step, converged)


def claimed_digits(coefficients: Array, error: Array) -> Array:
    """Decimal digits of each coefficient that an absolute error bound (before rounding to a double) leaves standing."""
    magnitude = np.abs(coefficients)
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = -np.log10((error + dd.UNIT * magnitude) / magnitude)
    # 0 / 0: a zero known to be zero. NaN elsewhere (an error that overflowed) claims nothing; fmax prefers the number.
    digits[(magnitude == 0) & (error == 0)] = MOST_DIGITS
    return np.asarray(np.fmin(np.fmax(digits, 0.0), MOST_DIGITS))
