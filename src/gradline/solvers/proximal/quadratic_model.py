"""The minimum of a quadratic model plus a penalty with kinks: what a proximal Newton step is, and all of squared loss.

With L1 alone it is followed exactly (``homotopy``); what comes here is for other penalties, and for what that leaves. Blocks of
coefficients are minimised in turn until those at zero have settled, then all that are not zero move together by Newton's method, up to the
first that meets zero. Coordinate descent finds the support (Tseng 2001, J. Optim. Theory Appl. 109), Newton's method the digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.penalties.kinked import KinkedPart
from gradline.solvers.proximal.homotopy import minimum_from

MOST_ROUNDS = 200

FULL = 4
"""Every so many rounds coordinate descent goes over all blocks that are not zero; in between only over those that are about to leave it."""

LARGE_BLOCK = 200
"""Coefficients of a block from which its eigenvalues cost too much."""

SMALL = 1e-6
"""Of the coefficients: a Newton step that should square what is left, unless it is rounding."""

FLAT = 1e-13
"""Of a curvature: what rounding leaves where there is none."""

LEAST = 1e-10
"""Of a curvature's diagonal, added where it has no inverse."""

FAR = 1e4
"""Of the coefficients: a step that much larger is asked whether it would have an end."""

LEVEL = 1e-8
"""Of a direction's own curvatures and slopes: what rounding leaves of them along it."""

SWEEPS = 3
"""Of coordinate descent over all blocks."""


@dataclass(frozen=True)
class ModelMinimum:
    """x (d,); violation: the largest that is left, in units of the gradient; exact: whether it is down to rounding. bounded: False where
    the model falls without end, and x is the start."""

    x: Array
    violation: float
    exact: bool
    bounded: bool = True


class _Endless(ArithmeticError):
    """The model falls along a line without end."""


def minimise_model(curvature: Array, linear: Array, part: KinkedPart, start: Array, tolerance: float = 0.0) -> ModelMinimum:
    """The x (d,) that minimises ``linear' x + x' curvature x / 2 + part(x)``, from a start.

    curvature (d, d), positive semidefinite. tolerance: of the violation, beyond rounding.
    """
    try:
        return _minimised(curvature, linear, part, start, tolerance)
    except _Endless:
        return ModelMinimum(start.copy(), np.inf, False, bounded=False)


def _minimised(curvature: Array, linear: Array, part: KinkedPart, start: Array, tolerance: float) -> ModelMinimum:
    weights = part.absolute
    followed = _with_free_taken_out(curvature, linear, part, start) if weights is None else minimum_from(curvature, linear, weights, start)
    x = start.copy() if followed is None or not np.isfinite(followed).all() else followed
    return _settled(curvature, linear, part, x, tolerance)


def _with_free_taken_out(curvature: Array, linear: Array, part: KinkedPart, start: Array) -> Array | None:
    """The minimum over the penalised coefficients of what the best others leave of the model, and these. A column that the intercept can
    stand for has no curvature left, and stays out. None where all are penalised, or the others are not determined."""
    others = part.support(np.zeros_like(start))
    free, held = np.flatnonzero(others), np.flatnonzero(~others)
    if not free.size or not held.size:
        return None
    inner = curvature[np.ix_(free, free)]
    step = _newton_step(inner, np.column_stack([linear[free], curvature[np.ix_(free, held)]]))
    if step is None:
        return None
    moves = -step.T
    across = curvature[np.ix_(held, free)]
    left = curvature[np.ix_(held, held)] - across @ moves[1:].T
    pull, begin = linear[held] - across @ moves[0], start[held].copy()
    flat = left.diagonal() <= FLAT * curvature.diagonal()[held]
    left[flat], left[:, flat], pull[flat], begin[flat] = 0.0, 0.0, 0.0, 0.0
    x = start.copy()
    x[held] = _settled(left, pull, part.restricted(held), begin, 0.0).x
    x[free] = -(moves[0] + x[held] @ moves[1:])
    return x


def _settled(curvature: Array, linear: Array, part: KinkedPart, x: Array, tolerance: float) -> ModelMinimum:
    """The minimum from x, which is changed."""
    blocks, largest, owner, wide = list[IntArray](), list[float](), np.zeros(0, dtype=np.int64), list[int]()
    worst, sizes = np.inf, np.abs(curvature)
    for turn in range(MOST_ROUNDS):
        gradient = linear + curvature @ x
        rounding = 8.0 * (np.finfo(float).eps * (np.abs(linear) + sizes @ np.abs(x)) + part.accuracy * np.abs(part.slope(x)))
        left = np.abs(part.violation(x, gradient))
        worst = float(left.max(initial=0.0))
        violating = left > np.maximum(rounding, tolerance)
        if not violating.any():
            return ModelMinimum(x, worst, True)
        if not turn:
            blocks = list(part.blocks)
            largest = [_largest_eigenvalue(curvature, block) for block in blocks]
            owner = np.empty(len(x), dtype=np.int64)
            for number, block in enumerate(blocks):
                owner[block] = number
            wide = [number for number, block in enumerate(blocks) if len(block) > 1]
        # A norm bends, so that its minimum takes steps: all blocks are gone over between these.
        every = 1 if wide else FULL
        before = x.copy()
        support = part.support(x)
        if turn % every == every - 1:
            work, sweeps = np.unique(owner[violating | support]), SWEEPS
        else:
            work, sweeps = np.unique(owner[violating & ~support]), 1
        _sweep(curvature, gradient, part, x, [blocks[b] for b in work], [largest[b] for b in work], sweeps)
        _together(curvature, linear, part, x, [(blocks[b], largest[b]) for b in wide])
        if turn % every == every - 1 and np.array_equal(before, x):
            break
    return ModelMinimum(x, worst, False)


def _largest_eigenvalue(curvature: Array, block: IntArray) -> float:
    if len(block) == 1:
        return float(curvature[block[0], block[0]])
    part = curvature[np.ix_(block, block)]
    if len(block) > LARGE_BLOCK:
        # Any bound from above will do.
        return float(min(np.abs(part).sum(axis=1).max(), np.linalg.norm(part)))
    return float(np.linalg.eigvalsh(part)[-1])


def _sweep(
    curvature: Array, gradient: Array, part: KinkedPart, x: Array, blocks: list[IntArray], largest: list[float], sweeps: int
) -> None:
    """Minimise over each block in turn; x and gradient are brought up to date."""
    for _ in range(sweeps):
        changed = False
        for block, size in zip(blocks, largest, strict=True):
            if not size > 0:
                continue
            old = x[block]
            new = part.minimum(block, old - gradient[block] / size, size)
            change = new - old
            if change.any():
                changed = True
                x[block] = new
                if len(block) == 1:
                    gradient += curvature[block[0]] * change[0]
                else:
                    gradient += change @ curvature[block]
        if not changed:
            return


def _together(curvature: Array, linear: Array, part: KinkedPart, x: Array, wide: list[tuple[IntArray, float]]) -> None:
    """Newton's method over the support, x changed in place; a coefficient that meets zero stays there and leaves the support.

    wide: blocks of several coefficients, with their largest eigenvalues.
    """
    before = np.inf
    for _ in range(4 * len(x) + 10):
        support = np.flatnonzero(part.support(x))
        if not support.size:
            return
        gradient = linear[support] + curvature[np.ix_(support, support)] @ x[support] + part.slope(x)[support]
        bend = part.bend(x)
        if bend.ndim == 1:
            matrix = curvature[np.ix_(support, support)]
            matrix[np.diag_indices_from(matrix)] += bend[support]
        else:
            matrix = curvature[np.ix_(support, support)] + bend[np.ix_(support, support)]
        step = _newton_step(matrix, gradient)
        if step is None:
            # More of them than rows, say: there is a line along which only the penalty changes, as far as a zero.
            step = _newton_step(matrix, gradient, LEAST)
        if step is None:
            return
        if np.abs(step).max() > FAR * np.abs(x).max() and _endless(curvature, linear, part, x, support, step):
            raise _Endless
        meets = _meets_zero(part, x, support, step)
        share = float(meets.min(initial=np.inf))
        if share <= 1.0:
            met = support[meets <= share]
            x[support] += share * step
            x[met] = 0.0
            continue
        share = _descended(curvature, linear, part, x, support, step)
        if share < 1.0:
            # The norm of a block that belongs at zero bends without end on the way there, so that Newton's method only creeps: the block's
            # own minimum is at zero all at once.
            inside = [(block, size) for block, size in wide if x[block].any()]
            if inside:
                _sweep(curvature, linear + curvature @ x, part, x, [block for block, _ in inside], [size for _, size in inside], 1)
                if not all(x[block].any() for block, _ in inside):
                    before = np.inf
                    continue
        if not share:
            return
        # Along a direction that is nearly flat steps of rounding go on for ever.
        left, small = float(np.abs(gradient).max()), float(np.abs(step).max()) / float(np.abs(x).max() or 1.0)
        if small <= 4.0 * np.finfo(float).eps or (small <= SMALL and left > 0.5 * before):
            return
        before = left
        if bend.ndim == 1 and not bend.any():
            # The objective is a parabola here: that was its minimum. A second step takes off what rounding left of the first.
            gradient = linear[support] + curvature[np.ix_(support, support)] @ x[support] + part.slope(x)[support]
            step = _newton_step(matrix, gradient)
            if step is not None and not (_meets_zero(part, x, support, step) <= 1.0).any():
                x[support] += step
            return


def _endless(curvature: Array, linear: Array, part: KinkedPart, x: Array, support: IntArray, step: Array) -> bool:
    """Whether the model falls along the step for ever: it has no curvature there, and slopes down more than the penalty rises far out."""
    inner = curvature[np.ix_(support, support)]
    bend, own = float(step @ inner @ step), float(np.square(step) @ inner.diagonal())
    if bend > LEVEL * own:
        return False
    away, far = np.zeros_like(x), FAR**2
    away[support] = step
    rise, slope = part.value(far * away) / far, linear[support] + curvature[support] @ x
    return float(slope @ step) + rise < -LEVEL * (float(np.abs(slope) @ np.abs(step)) + rise)


def _newton_step(matrix: Array, gradient: Array, ridge: float = 0.0) -> Array | None:
    """-matrix^-1 gradient, one (d,) or several (d, m); None where the matrix is not positive definite. ridge: what is
    added to its diagonal, as a share of it."""
    from scipy.linalg import cho_factor, cho_solve

    size = np.sqrt(np.maximum(matrix.diagonal(), 0.0))
    if not (size > 0).all() or not np.isfinite(matrix).all():
        return None
    unit_matrix = matrix / np.outer(size, size)
    unit_matrix[np.diag_indices_from(unit_matrix)] += ridge
    try:
        factor = cho_factor(unit_matrix, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    unit = size if gradient.ndim == 1 else size[:, None]
    return np.asarray(-cho_solve(factor, gradient / unit, check_finite=False) / unit)


def _meets_zero(part: KinkedPart, x: Array, support: IntArray, step: Array) -> Array:
    """The share of the step at which each coefficient of the support would meet a kink of its own; infinite where it meets none."""
    ahead = x[support] * step < 0
    kinked = ~part.passes_zero(x)[support]
    meets = np.full(len(support), np.inf)
    chosen = ahead & kinked
    meets[chosen] = -x[support][chosen] / step[chosen]
    return meets


def _descended(curvature: Array, linear: Array, part: KinkedPart, x: Array, support: IntArray, step: Array) -> float:
    """Take as much of the step as does not raise the model; which share of it, 0 for nothing."""
    share, matrix = 1.0, curvature[np.ix_(support, support)]
    slope = linear[support] + matrix @ x[support]
    before = part.value(x)
    for _ in range(30):
        trial, change = x.copy(), share * step
        trial[support] += change
        rise = float(slope @ change) + 0.5 * float(change @ matrix @ change) + part.value(trial) - before
        if rise <= 1e-14 * abs(before):
            x[support] = trial[support]
            return share
        share *= 0.5
    return 0.0
