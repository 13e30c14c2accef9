"""Fewer rows than columns: of all coefficients that fit equally well, those whose slopes have the smallest Euclidean norm.

The intercept is not part of the norm, as it is no part of a ridge, whose limit this is. With full row rank b = X' z, 1'z = 0 where there
is an intercept, and X b = y - b_0: z is refined with exact residuals as in the tall case, with X' in the place of X (Bjorck, Numerical
Methods for Least Squares Problems, 1996, section 6.6.4 treats both through one augmented system).
"""

from __future__ import annotations

import numpy as np

from gradline.base.types import Array
from gradline.linalg import double_double as dd
from gradline.rows.protocol import Rows
from gradline.solvers.least_squares.refinement import CHUNK_NUMBERS, MOST_STEPS, claimed_digits
from gradline.solvers.least_squares.scaled_rows import ScaledRows, Scales, scale_rows
from gradline.solvers.protocol import Certificate, Solution

NOTE = "fewer rows than coefficients: the slopes are those of least Euclidean norm among all that fit equally well"

SOLVED = 1e-10
"""A gradient below this share of the products that make it up is zero but for rounding."""

WELL_CONDITIONED = 1e4
"""Two words suffice below: the error they leave grows with the square of the condition."""


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
    # What interpolates does so whatever the weights are, and its z adds up to zero: the plain mean is the one to take off.
    # Positive weights do not change the rank. Centring takes one rank; what rounding leaves in its place is not counted.
    centred, centre = _centred(values, np.full(values.shape[1], 1.0 / values.shape[1])) if rows.intercept else (values, None)
    triangle = np.linalg.qr(centred, mode="r")
    _, singular, left = np.linalg.svd(triangle, full_matrices=False)
    most = values.shape[1] - int(rows.intercept)
    rank = min(int((singular > max(values.shape) * 2.0**-52 * singular.max(initial=0.0)).sum()), most)
    if rank == most and rank > 0:
        scaled, digits, residuals = _interpolate(values, held, centre, singular[:rank], left[:rank].T)
        counted = np.ones(len(weights))
    else:
        # The system itself is rank deficient: its solution moves with every rounding, and no digit is certain.
        scaled = _pseudo_inverse(values, held.targets[:, 0], weights, rows.intercept)
        digits, residuals = np.zeros(scaled.shape), held.targets[:, 0] - scaled @ held.values
        counted = weights
    coefficients = scales.coefficients(scaled)
    gradient = np.ldexp((weights * residuals) @ held.values.T, scales.targets[:, None] + scales.columns[None, :])
    squares = np.ldexp((weights * residuals**2).sum(axis=1), 2 * scales.targets)
    solved = _is_solved(held, scaled, residuals, counted)
    certificate = Certificate(
        solved,
        2.0 * float(np.linalg.norm(gradient)),
        "minimum-norm solution found" if solved else "the residuals are not those of a least-squares solution",
        "" if solved else "the columns are too nearly dependent for doubles: leave one out, or centre and scale them",
    )
    return Solution(coefficients, float(squares.sum()), "least_squares", certificate, 2, digits=digits.T, notes=(NOTE,))


def _centred(values: Array, weights: Array) -> tuple[Array, Array]:
    """(columns (p, m) less their weighted means, those means (p,)); weights (m,) add up to one.

    Taken off twice: a rounded mean leaves all rows the same rest, which would be a direction of its own where columns lie far from zero.
    """
    rough = values @ weights
    centred = values - rough[:, None]
    rest = centred @ weights
    centred = centred - rest[:, None]
    # Two doubles that differ do so by more than this: what is left of a column of one value is rounding, and would count as its spread.
    centred[np.abs(centred).max(axis=1, initial=0.0) <= 2.0**-60 * np.abs(rough)] = 0.0
    return centred, rough + rest


def _is_solved(held: ScaledRows, coefficients: Array, residuals: Array, weights: Array) -> bool:
    """Whether what is left of the gradient, (k, P), is rounding of the products that make it up."""
    sizes = np.abs(held.values)
    left = np.abs((weights * residuals) @ held.values.T)
    parts = (weights * (np.abs(held.targets[:, 0]) + np.abs(coefficients) @ sizes)) @ sizes.T
    return bool((left <= SOLVED * parts).all())


def _pseudo_inverse(values: Array, targets: Array, weights: Array, intercept: bool) -> Array:
    """(k, P) by a singular value decomposition of the weighted rows, centred by their weighted mean."""
    root = np.sqrt(weights)
    centred, centre = _centred(values, weights) if intercept else (values, None)
    left, singular, right = np.linalg.svd(centred.T * root[:, None], full_matrices=False)
    kept = singular > max(values.shape) * 2.0**-52 * singular.max(initial=0.0)
    means = targets @ weights if intercept else np.zeros(len(targets))
    slopes = (((targets - means[:, None]) * root) @ left[:, kept] / singular[kept]) @ right[kept]
    return np.asarray(slopes) if centre is None else np.concatenate([(means - slopes @ centre)[:, None], slopes], axis=1)


def _interpolate(values: Array, held: ScaledRows, centre: Array | None, singular: Array, left: Array) -> tuple[Array, Array, Array]:
    """(coefficients (k, P), digits (k, P), residuals (k, m)) of the interpolating solution; weights do not matter to it.

    values: (p, m), of full row rank once centred; centre: (p,), the plain means, None without an intercept; singular (r,) and left (m, r):
    its singular values and vectors on the side of the rows.
    """
    (p, m), rank = values.shape, len(singular)
    condition = float(singular[0] / singular[-1])
    proven = min(0.9, 16.0 * dd.UNIT * np.sqrt(rank) * condition)
    words = 2 if condition < WELL_CONDITIONED else 3
    terms = 64.0 * max(p, m)
    ones = np.ones((1, m))
    results, digits, residuals = [], [], []
    for target in held.targets:
        z, first = np.zeros((words, m)), 0.0
        best = np.inf
        for _ in range(MOST_STEPS):
            b, fitted = _there_and_back(values, z)
            residual = dd.renormalise([*target, *-fitted], words)
            if centre is not None:
                # Taken twice: the first mean is rounded, and the rest of it would be left in the residuals.
                rough = float(residual[0].mean())
                residual = dd.renormalise([*residual, np.full(m, -rough)], words)
                rest = float(residual[0].mean())
                residual = dd.renormalise([*residual, np.full(m, -rest)], words)
                first = rough + rest
            inner = (dd.round_to_double(residual) @ left) / singular
            length = float(np.linalg.norm(inner))
            if not length < 0.5 * best or length <= 2.0**-58 * float(np.linalg.norm(b[0])):
                break
            best = length
            z = dd.renormalise([*z, left @ (inner / singular)], words)
            if centre is not None:
                # 1'z = 0 keeps b in the span of differences of rows.
                total = dd.product_sum(ones, *dd.split(ones), z[:, None, :], 1)[:, 0]
                z = dd.renormalise([*z, np.full(m, -float(total.sum()) / m)], words)
        size = float(np.linalg.norm(b[0]))
        limit = dd.UNIT**words * terms * (float(np.linalg.norm(target[0])) + float(singular[0]) * size) / float(singular[-1])
        # The coefficients are those before the correction that was not taken: its length is what they lack.
        error = 2.0 * length / (1.0 - proven) + condition * limit
        rounded, errors = b[0], np.full(p, error)
        if centre is not None:
            rounded = np.concatenate([[first], rounded])
            errors = np.concatenate([[error * (1.0 + float(np.linalg.norm(centre))) + dd.UNIT * abs(first)], errors])
        rounded = np.where(np.abs(rounded) <= errors, 0.0, rounded)
        results.append(rounded)
        digits.append(claimed_digits(rounded, errors))
        residuals.append(dd.round_to_double(residual))
    return np.array(results), np.array(digits), np.array(residuals)


def _there_and_back(values: Array, z: Array) -> tuple[Array, Array]:
    """(b, X b) with b = X' z, (words, p) and (words, m), a few columns of the design at a time."""
    b, fitted = np.zeros((len(z), values.shape[0])), np.zeros_like(z)
    step = max(8, CHUNK_NUMBERS // values.shape[1])
    for start in range(0, len(values), step):
        part = values[start : start + step]
        halves = dd.split(part)
        piece = dd.product_sum(part, *halves, z[:, None, :], 1)
        b[:, start : start + step] = piece
        fitted = dd.add(fitted, dd.product_sum(part, *halves, piece[:, :, None], 0))
    return b, fitted
