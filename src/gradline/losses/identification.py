"""Directions of the linear predictors along which no row's loss changes.

A softmax cross-entropy over k columns is the same when one number is added to all k, and (y - p0 - p1)^2 when p0 takes what p1 gives. No
data tell the coefficients of such a loss apart: a solver is to decide between them, and what is said of them is to name the direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array

POINTS = 512
"""Rows evaluated, always as many: a framework that compiles for shapes compiles once."""

FLAT = 1e-9
"""Share of the gradient's size, and of the change of the loss elsewhere, that counts as none."""

DISTANCES = (0.1, 1.0, 10.0)
"""Units of linear predictor along a direction at which the loss is to be what it was."""


def flat_directions(derivatives: Callable[[Array, Array, int], RowDerivatives], targets: Array, n_predictors: int) -> Array | None:
    """An orthonormal basis (k, r) of the directions that change no row's loss; None where there are none.

    derivatives: of a loss, as ``Loss.derivatives``. targets (m, q): examples of what will be fitted.
    """
    if n_predictors == 1:
        return None
    generator = np.random.default_rng(20132)
    y = targets[np.arange(POINTS) % len(targets)]
    size = float(np.std(targets)) or float(np.abs(targets).max()) or 1.0
    near = np.repeat(y[:, :1], n_predictors, axis=1) if targets.shape[1] == 1 else np.zeros((POINTS, n_predictors))
    if targets.shape[1] == n_predictors:
        near = y
    # Some points at the size of the targets and near them, others at that of an exponent.
    wide = np.arange(POINTS)[:, None] % 2 == 0
    noise = generator.normal(size=(POINTS, n_predictors))
    points = np.where(wide, near + size * noise, noise)
    with np.errstate(all="ignore"):
        value, gradient, _ = derivatives(y, points, 1)
        assert gradient is not None
        length = np.linalg.norm(gradient, axis=1)
        usable = np.isfinite(value) & np.isfinite(length) & (length > 0)
        if usable.sum() < n_predictors:
            return None
        _, singular, vectors = np.linalg.svd(gradient[usable] / length[usable, None], full_matrices=False)
        basis = vectors[singular <= FLAT * singular[0]].T
        if not basis.shape[1]:
            return None
        for direction in basis.T:
            for distance in DISTANCES:
                moved = derivatives(y, points + size * distance * direction, 0).value
                change = np.abs(moved - value)[usable]
                # The loss is made of numbers of the size of the predictors: their rounding is no change.
                rounding = FLAT * (np.abs(value) + length * (np.abs(points).max(axis=1) + size * distance))[usable]
                if not (change <= rounding).all():
                    return None
    return np.asarray(_readable(basis))


def in_words(directions: Array, names: Sequence[str]) -> str:
    """What no row's loss changes with, and a combination that is estimable all the same. directions (k, r); names (k,)."""
    moves = ", or ".join(_move(direction, names) for direction in directions.T)
    text = f"moving {moves} changes no row's loss"
    first = directions[:, 0]
    used = np.flatnonzero(np.abs(first) > 1e-9)
    if len(used) < 2:
        return text
    a, b = (int(i) for i in used[:2])
    ratio = -first[a] / first[b]
    sign = "-" if ratio < 0 else "+"
    factor = "" if abs(abs(ratio) - 1.0) < 1e-9 else f"{abs(ratio):.4g} "
    return f"{text}; such combinations as {names[a]} {sign} {factor}{names[b]} are estimable"


def _move(direction: Array, names: Sequence[str]) -> str:
    scaled = direction / direction[np.argmax(np.abs(direction) > 1e-9)]
    used = np.flatnonzero(np.abs(scaled) > 1e-9)
    return " and ".join(f"{names[int(j)]} by {scaled[j]:.4g}" for j in used)


def _readable(basis: Array) -> Array:
    """Another orthonormal basis of the same space, with zeros where there can be: single predictors first, where the loss ignores any."""
    projector = basis @ basis.T
    alone = np.flatnonzero(np.abs(np.diag(projector) - 1.0) < 1e-8)
    projector[alone] = projector[:, alone] = 0.0
    values, vectors = np.linalg.eigh(projector)
    return np.concatenate([np.eye(len(projector))[:, alone], vectors[:, values > 0.5]], axis=1)
