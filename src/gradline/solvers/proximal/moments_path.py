"""Every strength of a penalty for squared loss of which the sums are known: L1 exactly, breakpoints included; others one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array
from gradline.penalties.kinked import soft
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.solvers.proximal.homotopy import lasso_path
from gradline.solvers.proximal.moments_model import MomentsModel, PenalisedPoint

EPSILON = float(np.finfo(float).eps)


class MomentsPath(NamedTuple):
    """A point for each penalty. knots: where the support changes, in units of the first strength, falling; None where the path is not
    one of straight pieces, or was not followed to its end."""

    points: list[PenalisedPoint]
    knots: Array | None


def moments_path(model: MomentsModel, penalties: Sequence[KinkedPenalty], advance: Callable[[], None]) -> MomentsPath:
    """The minima of squared loss with each penalty, from the strongest down."""
    # Products of a matrix and a vector: threads of BLAS would wait for each other.
    with single_threaded_blas():
        shares = proportions(penalties, (model.n_slopes, model.n_targets))
        points: list[PenalisedPoint | None] = [None] * len(penalties)
        knots = None
        if shares is not None:
            points, knots = _followed(model, penalties, shares)
        found, slopes = list[PenalisedPoint](), np.zeros((model.n_slopes, model.n_targets))
        for penalty, known in zip(penalties, points, strict=True):
            point = model.solve(penalty, slopes) if known is None else known
            slopes = point.coefficients[int(model.intercept) :]
            found.append(point)
            advance()
    return MomentsPath(found, knots)


def proportions(penalties: Sequence[KinkedPenalty], shape: tuple[int, int]) -> Array | None:
    """Each penalty's strength in units of the first, where they are one sum of sizes times that and nothing else changes; else None."""
    first = penalties[0]
    weights = first.part.absolute
    if weights is None or not weights.any():
        return None
    place, shares = int(weights.argmax()), np.empty(len(penalties))
    smooth = _fixed_curvature(first, shape)
    for j, penalty in enumerate(penalties):
        own = penalty.part.absolute
        if own is None or (penalty.scales != first.scales).any():
            return None
        shares[j] = own[place] / weights[place]
        more = _fixed_curvature(penalty, shape)
        if (more is None) != (smooth is None) or (more is not None and smooth is not None and not np.array_equal(more, smooth)):
            return None
        if (np.abs(own - shares[j] * weights) > 8.0 * EPSILON * own).any():
            return None
    return shares if (np.diff(shares) <= 0).all() else None


def _fixed_curvature(penalty: KinkedPenalty, shape: tuple[int, int]) -> Array | None:
    """Of the smooth part, which is quadratic."""
    smooth = penalty.smooth_part
    return None if smooth is None else smooth.curvature(np.zeros(shape))


def _followed(model: MomentsModel, penalties: Sequence[KinkedPenalty], shares: Array) -> tuple[list[PenalisedPoint | None], Array | None]:
    """The points that are optimal to rounding, and the knots where all are."""
    first, k = penalties[0], model.n_targets
    matrix, linear = model.scaled(first)
    weights, scales = first.part.absolute, first.scales
    assert weights is not None
    path = lasso_path(matrix, linear, weights, shares)
    x = path.points
    gradient = x @ matrix + linear
    each = shares[:, None] * weights
    still = (x == 0) & (weights > 0)
    left = np.where(still, soft(gradient, each), gradient + each * np.sign(x))
    rounding = 8.0 * EPSILON * (np.abs(linear) + np.abs(x) @ np.abs(matrix) + each)
    sure = (shares >= path.reached) & (np.abs(left) <= rounding).all(axis=1)
    slopes = (x / scales).reshape(len(shares), k, -1).transpose(0, 2, 1)
    losses = model.losses(slopes)
    charges = (each * np.abs(x)).sum(axis=1)
    smooth = first.smooth_part
    rest = np.zeros(len(shares)) if smooth is None else np.array([smooth.value(point) for point in slopes])
    objectives = losses + charges + rest
    # duality_gap of gap.py, of all at once.
    held = weights > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        dual = (np.abs(gradient[:, held]) / each[:, held]).max(axis=1, initial=0.0)
    inner = np.einsum("ij,ij->i", gradient[:, held], x[:, held]) + charges
    gaps = np.maximum(inner, 0.0) + np.maximum(objectives, 0.0) * np.maximum(dual - 1.0, 0.0)
    norms = np.linalg.norm(left * scales, axis=1)
    sure &= np.isfinite(gaps)
    points: list[PenalisedPoint | None] = [
        PenalisedPoint(model.coefficients(slopes[j]), float(losses[j]), float(objectives[j]), float(gaps[j]), float(norms[j]), True)
        if sure[j]
        else None
        for j in range(len(shares))
    ]
    return points, path.knots if path.reached <= shares[-1] else None
