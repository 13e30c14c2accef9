"""Fewer rows than columns: of all coefficients that fit equally well, those whose slopes have the smallest Euclidean norm.

The intercept is not part of the norm, as it is no part of a ridge, whose limit this is. With full row rank b = X' z, 1'z = 0 where there
is an intercept, and X b = y - b_0: z is refined with exact residuals as in the tall case, with X' in the place of X (Bjorck, Numerical
Methods for Least Squares Problems, 1996, section 6.6.4 treats both through one augmented system).
"""

from __future__ import annotations

import numpy as np

from gradline.rows.block import Rows
from gradline.solvers import double_double as dd
from gradline.solvers.refinement import MOST_STEPS, claimed_digits
from gradline.solvers.scaled_rows import ScaledRows, Scales, scale_rows
from gradline.solvers.solution import Certificate, Solution
from gradline.types import Array

NOTE = "fewer rows than coefficients: the slopes are those of least Euclidean norm among all that fit equally well"
WORDS = 3


def minimum_norm(rows: Rows, scales: Scales) -> Solution:
    """The minimum-norm least-squares solution. All rows are taken into memory: there are fewer of them than columns."""
    block = rows.in_memory()
    if block is None:
        block = rows.take(np.arange(rows.n_rows, dtype=np.int64))
    # One scale for all columns: the norm is in the user's units.
    slopes = scales.columns[int(rows.intercept) :]
    common = int(slopes.max(initial=-1100))
    columns = np.full_like(scales.columns, common)
    if rows.intercept:
        columns[0] = 0
    scales = Scales(columns, scales.targets, scales.weight, scales.rows, scales.total_weight)
    held = scale_rows(block, scales)
    values = held.values[int(rows.intercept) :]
    weights = np.ones(values.shape[1]) if held.weights is None else held.weights[0]
    weights = weights / weights.sum()
    centre = values @ weights if rows.intercept else np.zeros(len(values))
    root = np.sqrt(weights)
    left, singular, right = np.linalg.svd((values - centre[:, None]).T * root[:, None], full_matrices=False)
    # Centring takes one rank; what rounding leaves in its place is not counted.
    most = values.shape[1] - int(rows.intercept)
    rank = min(int((singular > max(values.shape) * 2.0**-52 * singular.max(initial=0.0)).sum()), most)
    if rank == most and rank > 0:
        scaled, digits, residuals = _interpolate(values, held, centre, rows.intercept)
    else:
        # The system itself is rank deficient: its solution moves with every rounding, and no digit is vouched for.
        targets = held.targets[:, 0]
        means = targets @ weights if rows.intercept else np.zeros(len(targets))
        inner = ((targets - means[:, None]) * root) @ left[:, :rank] / singular[:rank]
        scaled = inner @ right[:rank]
        if rows.intercept:
            scaled = np.concatenate([(means - scaled @ centre)[:, None], scaled], axis=1)
        digits, residuals = np.zeros(scaled.shape), targets - scaled @ held.values
    coefficients = scales.coefficients(scaled)
    gradient = np.ldexp((weights * residuals) @ held.values.T, scales.targets[:, None] + scales.columns[None, :])
    squares = np.ldexp((weights * residuals**2).sum(axis=1), 2 * scales.targets)
    certificate = Certificate(True, 2.0 * float(np.linalg.norm(gradient)), "minimum-norm solution found")
    return Solution(coefficients, float(squares.sum()), "least_squares", certificate, 2, digits=digits.T, notes=(NOTE,))


def _interpolate(values: Array, held: ScaledRows, centre: Array, intercept: bool) -> tuple[Array, Array, Array]:
    """(coefficients (k, P), digits (k, P), residuals (k, m)) of the interpolating solution. values: (p, m), of full row rank.

    Weights do not matter where every row is met exactly.
    """
    plain = (values - values.mean(axis=1, keepdims=intercept) if intercept else values).T
    left, singular, _ = np.linalg.svd(plain, full_matrices=False)
    rank = values.shape[1] - int(intercept)
    left, singular = left[:, :rank], singular[:rank]
    condition = float(singular[0] / singular[-1])
    proven = min(0.9, 16.0 * dd.UNIT * np.sqrt(rank) * condition)
    halves, (p, m) = dd.split(values), values.shape
    terms = 64.0 * max(p, m)
    ones = np.ones((1, m))
    results, digits, residuals = [], [], []
    for target in held.targets:
        z, first = np.zeros((WORDS, m)), 0.0
        length, best = np.inf, np.inf
        for _ in range(MOST_STEPS):
            b = dd.product_sum(values, *halves, z[:, None, :], 1)
            residual = dd.renormalise([*target, *-dd.product_sum(values, *halves, b[:, :, None], 0)], WORDS)
            if intercept:
                # Taken twice: the first mean is rounded, and the rest of it would be left in the residuals.
                rough = float(residual[0].mean())
                residual = dd.renormalise([*residual, np.full(m, -rough)], WORDS)
                rest = float(residual[0].mean())
                residual = dd.renormalise([*residual, np.full(m, -rest)], WORDS)
                first = rough + rest
            inner = (dd.round_to_double(residual) @ left) / singular
            length = float(np.linalg.norm(inner))
            if not length < 0.5 * best:
                break
            best = length
            z = dd.renormalise([*z, left @ (inner / singular)], WORDS)
            if intercept:
                # 1'z = 0 keeps b in the span of differences of rows.
                total = dd.product_sum(ones, *dd.split(ones), z[:, None, :], 1)[:, 0]
                z = dd.renormalise([*z, np.full(m, -float(total.sum()) / m)], WORDS)
        b = dd.product_sum(values, *halves, z[:, None, :], 1)
        rounded = dd.round_to_double(b)
        size = float(np.linalg.norm(rounded))
        limit = dd.UNIT**WORDS * terms * (float(np.linalg.norm(target[0])) + float(singular[0]) * size) / float(singular[-1])
        error = 2.0 * proven / (1.0 - proven) * min(length, best) + max(length, 0.0) + condition * limit
        errors = np.full(p, error)
        if intercept:
            rounded = np.concatenate([[first], rounded])
            errors = np.concatenate([[error * (1.0 + float(np.linalg.norm(centre))) + dd.UNIT * abs(first)], errors])
        rounded[np.abs(rounded) <= errors] = 0.0
        results.append(rounded)
        digits.append(claimed_digits(rounded, errors))
        residuals.append(dd.round_to_double(residual))
    return np.array(results), np.array(digits), np.array(residuals)
