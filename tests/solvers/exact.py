"""Exact least squares in rationals, for tests: slow, and right."""

import math
from fractions import Fraction

import numpy as np


def rational(array):
    array = np.asarray(array, dtype=float)
    return [Fraction(v) for v in array.tolist()] if array.ndim == 1 else [rational(row) for row in array]


def solve(matrix, right):
    """Gauss-Jordan on Fractions; ZeroDivisionError where singular."""
    n = len(matrix)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(n):
        pivot = next((k for k in range(i, n) if rows[k][i]), i)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        head = rows[i][i]
        rows[i] = [v / head for v in rows[i]]
        for j in range(n):
            factor = rows[j][i]
            if j != i and factor:
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[-1] for row in rows]


def least_squares(design, target, weights=None, ridge=None):
    """The minimum of sum w (y - X b)^2 + sum ridge_j b_j^2 over exact doubles (or Fractions)."""
    columns = list(zip(*rational(design), strict=True))
    y = rational(target)
    w = [Fraction(1)] * len(y) if weights is None else list(weights)
    p = len(columns)
    gram = [[sum(a * b * c for a, b, c in zip(columns[i], columns[j], w, strict=True)) for j in range(p)] for i in range(p)]
    for j in range(p):
        gram[j][j] += ridge[j] if ridge is not None else 0
    return solve(gram, [sum(a * b * c for a, b, c in zip(column, y, w, strict=True)) for column in columns])


def times(design, coefficients):
    """X b for Fractions b."""
    return [sum(a * b for a, b in zip(row, coefficients, strict=True)) for row in rational(design)]


def inverse_diagonal(design):
    """The diagonal of (X' X)^-1."""
    columns = list(zip(*rational(design), strict=True))
    p = len(columns)
    gram = [[sum(a * b for a, b in zip(columns[i], columns[j], strict=True)) for j in range(p)] for i in range(p)]
    return [solve(gram, [Fraction(int(i == j)) for i in range(p)])[j] for j in range(p)]


def square_root(value):
    """To about 40 digits, as a Fraction."""
    if not value:
        return Fraction(0)
    shift = 2 * max(0, 140 - (value.numerator.bit_length() - value.denominator.bit_length()) // 2)
    return Fraction(math.isqrt((value.numerator << shift) // value.denominator), 1 << (shift // 2))


def minimum_norm(slopes, target, intercept):
    """The interpolating solution of least norm, the intercept outside the norm; first where there is one."""
    rows = rational(slopes)
    n = len(rows)
    gram = [[sum(a * b for a, b in zip(u, v, strict=True)) for v in rows] for u in rows]
    right = rational(target)
    if intercept:
        gram = [[*row, Fraction(1)] for row in gram] + [[Fraction(1)] * n + [Fraction(0)]]
        right = [*right, Fraction(0)]
    z = solve(gram, right)
    slopes = [sum(z[i] * rows[i][j] for i in range(n)) for j in range(len(rows[0]))]
    return [z[n], *slopes] if intercept else slopes


def right_digits(computed, truth):
    """-log10 of the relative error (absolute where the truth is zero); 17 where exact."""
    digits = []
    for value, true in zip(computed, truth, strict=True):
        error = abs(Fraction(float(value)) - Fraction(true))
        if not error:
            digits.append(17.0)
            continue
        error = error / abs(Fraction(true)) if true else error
        # Not float(error): it may be far below the smallest double.
        digits.append((math.log2(error.denominator) - math.log2(error.numerator)) * math.log10(2))
    return np.array(digits)
