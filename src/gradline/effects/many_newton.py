"""Newton's method from many starts at once, each with its own rows' counts and its own free coefficients: one pass a step for all of
them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from gradline.base.types import Array
from gradline.effects.many_points import AsTheyAre, Counts, at_many, stacked, unstacked
from gradline.objective.objective import Problem

MOST_STEPS = 60

DECREMENT = 1e-20
"""Of the objective: Newton's decrement below which nothing is left to gain. The error of a coefficient is its root."""

QUADRATIC = 30.0
"""How many times as large the decrement is a step earlier, at the least, where Newton's method has an optimum to go to."""

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


class Minima(NamedTuple):
    """theta (S, k P): coefficients stacked; value (S,): total objective; converged (S,); passes."""

    theta: Array
    value: Array
    converged: Flags
    passes: int


def minima(problem: Problem, theta: Array, free: Flags, counts: Counts | None = None) -> Minima:
    """The least total objective from each of the starts (S, k P), where free (S, k P) says which coefficients may move.

    A step that does not lower the objective is halved. A point whose curvature is singular, as of resampled rows without a level, has not
    converged, nor has one whose optimum lies at infinity, as where a column tells two classes apart.
    """
    counts = AsTheyAre() if counts is None else counts
    shape, count = problem.shape, len(theta)
    theta, step = theta.copy(), np.zeros_like(theta)
    reached, value, before = theta.copy(), np.full(count, np.inf), np.full(count, np.inf)
    converged, going = np.zeros(count, dtype=np.bool_), np.arange(count)
    passes = 0
    for _ in range(MOST_STEPS):
        if not going.size:
            break
        found = at_many(problem, unstacked(theta[going], shape), counts.of(going))
        passes += 1
        gradient, left = stacked(found.gradient), []
        for i, place in enumerate(going):
            slack = 1e-13 * max(abs(value[place]), 1.0) if np.isfinite(value[place]) else 0.0
            if not np.isfinite(found.value[i]) or found.value[i] > value[place] + slack:
                step[place] *= 0.5
                if not np.isfinite(value[place]) or np.abs(step[place]).max() <= 1e-15 * np.abs(reached[place]).max(initial=1.0):
                    converged[place] = np.isfinite(value[place])
                    theta[place] = reached[place]
                    continue
                theta[place] = reached[place] + step[place]
                left.append(place)
                continue
            reached[place], value[place] = theta[place], found.value[i]
            moved = newton_step(found.curvature[i], gradient[i], free[place])
            if moved is None:
                continue
            decrement = -float(gradient[i] @ moved)
            if decrement <= DECREMENT * max(abs(value[place]), 1.0):
                # Near an optimum a step leaves next to nothing of the decrement; on the way to one at infinity it leaves a third of it.
                converged[place] = before[place] >= QUADRATIC * decrement
                theta[place] = reached[place] + moved
                continue
            before[place] = decrement
            step[place] = moved
            theta[place] = reached[place] + moved
            left.append(place)
        going = np.array(left, dtype=np.int64)
    return Minima(np.where(converged[:, None], theta, np.nan), value, converged, passes)


def newton_step(curvature: Array, gradient: Array, free: Flags) -> Array | None:
    """-H^-1 g over the free coefficients, (k P,); None where the curvature is not positive definite."""
    places = np.flatnonzero(free)
    moved = np.zeros(len(gradient))
    if not places.size:
        return moved
    factor = factor_of(curvature[np.ix_(places, places)])
    if factor is None:
        return None
    moved[places] = -solve_with(factor, gradient[places])
    return moved


def factor_of(curvature: Array) -> tuple[Array, Array] | None:
    """(Cholesky's factor of the matrix with a unit diagonal, the scales); None unless it is positive definite to eleven digits."""
    diagonal = np.diag(curvature)
    if not (np.isfinite(curvature).all() and (diagonal > 0).all()):
        return None
    scale = 1.0 / np.sqrt(diagonal)
    try:
        lower, _ = cho_factor(curvature * np.outer(scale, scale), lower=True, check_finite=False)
    except LinAlgError:
        return None
    return None if np.diag(lower).min() < 1e-7 else (lower, scale)


def solve_with(factor: tuple[Array, Array], right: Array) -> Array:
    """A^-1 b."""
    lower, scale = factor
    scaled = right * scale if right.ndim == 1 else right * scale[:, None]
    found = cho_solve((lower, True), scaled, check_finite=False)
    return np.asarray(found * scale if right.ndim == 1 else found * scale[:, None])
