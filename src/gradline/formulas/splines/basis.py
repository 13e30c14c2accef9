"""Spline bases, given their knots."""

from __future__ import annotations

import numpy as np

from gradline.base.types import Array


def basis_spline(x: Array, knots: Array, degree: int, extend: bool) -> Array:
    """B-splines by the recurrence of de Boor (1978, A Practical Guide to Splines, chapter X): (m,) -> (m, len(knots) - degree - 1).

    knots: rising, the outermost repeated degree + 1 times. The last interval includes its right end. Outside the knots the basis is
    zero, or, with ``extend``, the outermost polynomials go on.
    """
    count = len(knots) - 1
    last = count - degree - 1
    lowest, highest = (-np.inf, np.inf) if extend else (knots[degree], knots[last + 1])
    basis = np.zeros((count, len(x)))
    for i in range(degree, last + 1):
        above = x >= (lowest if i == degree else knots[i])
        below = x <= highest if i == last else x < knots[i + 1]
        basis[i] = above & below
    for d in range(1, degree + 1):
        for i in range(count - d):
            rising, falling = knots[i + d] - knots[i], knots[i + d + 1] - knots[i + 1]
            left = basis[i] * ((x - knots[i]) / rising) if rising > 0 else 0.0
            right = basis[i + 1] * ((knots[i + d + 1] - x) / falling) if falling > 0 else 0.0
            basis[i] = left + right
    found: Array = basis[: count - degree].T
    found[np.isnan(x)] = np.nan
    return found


def cubic_spline(x: Array, knots: Array, cyclic: bool) -> Array:
    """Cubic splines by their values at the knots: natural (m, len(knots)), or cyclic with one column less.

    Wood 2017, Generalized Additive Models, section 5.3.1. Outside the knots a natural spline goes on as a line, a cyclic one wraps.
    """
    lowest, highest = knots[0], knots[-1]
    if cyclic:
        x = np.where(x > highest, lowest + (x - highest) % (highest - lowest), x)
        x = np.where(x < lowest, highest - (lowest - x) % (highest - lowest), x)
    at = np.clip(np.searchsorted(knots, x) - 1, 0, len(knots) - 2)
    width = np.diff(knots)[at]
    to_right, from_left = knots[at + 1] - x, x - knots[at]
    cubic_left = np.where(x > highest, 0.0, to_right**3 / (6.0 * width)) - width * to_right / 6.0
    cubic_right = np.where(x < lowest, 0.0, from_left**3 / (6.0 * width)) - width * from_left / 6.0
    second = _cyclic_second_derivatives(knots) if cyclic else _natural_second_derivatives(knots)
    size = len(second)
    right = (at + 1) % size
    rows = np.arange(len(x))
    basis = cubic_left[:, None] * second[at] + cubic_right[:, None] * second[right]
    basis[rows, at] += to_right / width
    basis[rows, right] += from_left / width
    basis[np.isnan(x)] = np.nan
    return basis


def _natural_second_derivatives(knots: Array) -> Array:
    """The matrix from values at the knots to second derivatives there; zero at both ends."""
    from scipy.linalg import solve_banded

    h, n = np.diff(knots), len(knots)
    second = np.zeros((n, n))
    if n == 2:
        return second
    i = np.arange(n - 2)
    differences = np.zeros((n - 2, n))
    differences[i, i] = 1.0 / h[:-1]
    differences[i, i + 1] = -1.0 / h[:-1] - 1.0 / h[1:]
    differences[i, i + 2] = 1.0 / h[1:]
    bands = np.zeros((3, n - 2))
    bands[0, 1:] = bands[2, :-1] = h[1:-1] / 6.0
    bands[1] = (h[:-1] + h[1:]) / 3.0
    second[1:-1] = solve_banded((1, 1), bands, differences)
    return second


def _cyclic_second_derivatives(knots: Array) -> Array:
    h = np.diff(knots)
    n = len(h)
    i, before = np.arange(n), np.arange(n) - 1
    moments, differences = np.zeros((n, n)), np.zeros((n, n))
    for matrix, here, there in ((moments, (h[before] + h) / 3.0, h / 6.0), (differences, -1.0 / h[before] - 1.0 / h, 1.0 / h)):
        matrix[i, i] += here
        # With two knots the neighbours on both sides are the same one.
        np.add.at(matrix, (i, (i + 1) % n), there)
        np.add.at(matrix, ((i + 1) % n, i), there)
    return np.asarray(np.linalg.solve(moments, differences))


def absorb_constraints(basis: Array, constraints: Array) -> Array:
    """The basis of the splines whose coefficients meet ``constraints @ b = 0``: (m, c) and (r, c) -> (m, c - r)."""
    q = np.linalg.qr(constraints.T, mode="complete")[0]
    # Column by column rather than by BLAS, whose rounding depends on how many rows come at once.
    found = np.zeros((len(basis), basis.shape[1] - len(constraints)))
    for column, weights in zip(basis.T, q[:, len(constraints) :], strict=True):
        found += column[:, None] * weights
    return found
