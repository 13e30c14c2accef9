"""Where a loss nobody has described has kinks: its gradient jumps there, though its curvature does not say so.

Along a linear predictor the gradient should change by the integral of the curvature. Where it changes by more, the interval is divided
towards the excess until it is as narrow as doubles allow; a jump that is still there is a kink, one that has faded was curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array

Derivatives = Callable[[Array, Array, int], RowDerivatives]
"""(targets (m, q), predictors (m, k), order) to row derivatives."""

BATCH = 2048
"""Points evaluated at a time, always as many: a framework that compiles for shapes compiles once."""

JUMP = 1e-6
"""A jump of the gradient above this share of the gradient's typical size is a kink."""

MOST_KINKS = 50

MOST_INNER = 31
"""Points an interval is divided by at once, at most."""

_EVEN, _FADING, _FARTHEST, _NEAREST = 120, 60, 1e4, 1e-6


class Kinks(NamedTuple):
    """positions: as ``Loss.kinks`` answers: None for a smooth loss, residuals y - eta in rising order, or empty where they cannot be
    named; piecewise_linear: the loss is a function of y - eta alone (summed over targets), linear between those positions; convex: a
    kinked function of y - eta alone, whose values and slopes are those of a convex function wherever it was looked at;
    of_residuals: the loss is a function of y - eta alone."""

    positions: tuple[float, ...] | None
    piecewise_linear: bool
    convex: bool = False
    of_residuals: bool = False


SMOOTH = Kinks(None, False)
UNNAMED = Kinks((), False)


class _Line(NamedTuple):
    """Values, gradients and curvatures along one linear predictor."""

    value: Array
    gradient: Array
    curvature: Array


class _Jump(NamedTuple):
    """The gradient jumps between ``low`` and ``high``, neighbouring doubles or nearly so."""

    low: float
    high: float


def find_kinks(derivatives: Derivatives, targets: Array, n_predictors: int) -> Kinks:
    """Look for kinks. targets (m, q): examples of what will be fitted, for their scale; m of at least 1."""
    n_targets = targets.shape[1]
    spread = float(np.std(targets)) or float(np.abs(targets).max()) or 1.0
    generator = np.random.default_rng(20131)
    if n_targets == n_predictors:
        alone, line = _first_look(derivatives, targets, spread, generator)
        # A loss of y - eta alone may still not accept y = 0; then it is looked at where the targets are.
        if alone:
            scan = _residual_scan(derivatives, n_targets)
            jumps = _jumps(scan, spread, line)
            if jumps is not None:
                return _classified(scan, jumps, spread)
    for row in targets[np.linspace(0, len(targets) - 1, min(len(targets), 3)).astype(int)]:
        for a in range(n_predictors):
            base = row if n_targets == n_predictors else 0.5 * generator.normal(size=n_predictors)
            scale = spread if n_targets == n_predictors else max(1.0, spread)
            if _jumps(_predictor_scan(derivatives, row, base, a), scale):
                return UNNAMED
    return SMOOTH


def _residual_scan(derivatives: Derivatives, n_targets: int) -> Callable[[Array], _Line]:
    """The loss of the first target's residual, with derivatives in it; the other targets' residuals stay where they are."""

    def scan(residuals: Array) -> _Line:
        predictors = _with_residual(residuals, n_targets)
        return _along_residual(*_all_orders(derivatives, np.zeros(predictors.shape), predictors))

    return scan


def _with_residual(residuals: Array, n_targets: int) -> Array:
    """Predictors (m, q) whose first residual is this one where y = 0: minus the predictor exactly."""
    predictors = np.full((len(residuals), n_targets), -0.5)
    predictors[:, 0] = -residuals
    return predictors


def _along_residual(value: Array, gradient: Array, curvature: Array) -> _Line:
    return _Line(value, -gradient[:, 0], curvature[:, 0, 0])


def _predictor_scan(derivatives: Derivatives, target: Array, base: Array, predictor: int) -> Callable[[Array], _Line]:
    """The loss of one row along one linear predictor."""

    def scan(steps: Array) -> _Line:
        predictors = np.repeat(base[None, :], len(steps), axis=0)
        predictors[:, predictor] += steps
        value, gradient, curvature = _all_orders(derivatives, np.repeat(target[None, :], len(steps), axis=0), predictors)
        return _Line(value, gradient[:, predictor], curvature[:, predictor, predictor])

    return scan


def _all_orders(derivatives: Derivatives, targets: Array, predictors: Array) -> tuple[Array, Array, Array]:
    """Of any number of rows, in batches of one size."""
    m = len(targets)
    parts = []
    with np.errstate(all="ignore"):
        for start in range(0, m, BATCH):
            rows = np.minimum(np.arange(start, start + BATCH), m - 1)
            found = derivatives(targets[rows], predictors[rows], 2)
            assert found.gradient is not None
            assert found.curvature is not None
            parts.append((found.value, found.gradient, np.nan_to_num(found.curvature)))
    value, gradient, curvature = (np.concatenate(column)[:m] for column in zip(*parts, strict=True))
    return value, gradient, curvature


def _grid(spread: float) -> Array:
    """Even steps over the bulk, and fading ones to far away and to near zero; never on a round number, where a kink may sit."""
    even = np.linspace(-8.0, 8.0, _EVEN)
    fading = np.geomspace(_NEAREST, _FARTHEST, _FADING)
    return np.asarray(np.sort(np.concatenate([-fading, even, fading]) * (spread * 1.000618034)))


def _jumps(scan: Callable[[Array], _Line], spread: float, line: _Line | None = None) -> list[_Jump] | None:
    """Where the gradient jumps; None where the loss is not finite anywhere. line: along the grid, where that is known."""
    points = _grid(spread)
    line = scan(points) if line is None else line
    finite = np.isfinite(line.value) & np.isfinite(line.gradient)
    if not finite.any():
        return None
    points, seen = points[finite], _Line(*(column[finite] for column in line))
    bulk = finite & (np.abs(_grid(spread)) <= 2.0 * spread)
    typical = float(np.median(np.abs(line.gradient[bulk if bulk.any() else finite])))
    typical = typical or float(np.abs(line.gradient[finite]).max())
    found = list[_Jump]()
    # Each round finds one kink in an interval; another round looks at the intervals on either side of it.
    for _ in range(MOST_KINKS):
        new = _narrowed(scan, points, scan(points) if found else seen, spread, typical, found)
        if not new:
            break
        found += new
        points = np.unique(np.concatenate([points, [end for jump in new for end in jump]]))
        points = points[~_within(points, found)]
        if len(found) > MOST_KINKS:
            break
    return sorted(found)


def _within(points: Array, jumps: list[_Jump]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.any([(points > jump.low) & (points < jump.high) for jump in jumps], axis=0)  # type: ignore[no-any-return]


def _narrowed(scan: Callable[[Array], _Line], points: Array, line: _Line, spread: float, typical: float, known: list[_Jump]) -> list[_Jump]:
    """One jump out of every interval between neighbouring points that has one and is not known. line: at the points."""
    least = 1e-17 * spread
    # Of every interval: points, gradients and curvatures at its ends, (intervals, 2).
    x, gradient, curvature = (np.column_stack([column[:-1], column[1:]]) for column in (points, line.gradient, line.curvature))
    size = np.abs(x).max(axis=1)
    keep = (_excesses(x, gradient, curvature)[:, 0] > 1e-9 * typical) & (np.diff(x)[:, 0] > np.maximum(4e-16 * size, least))
    keep &= ~np.isin(x[:, 0], [jump.low for jump in known])
    x, gradient, curvature = x[keep], gradient[keep], curvature[keep]
    narrow = np.zeros(len(x), dtype=np.bool_)
    for _ in range(90):
        narrow |= np.diff(x)[:, 0] <= np.maximum(2.5e-16 * np.abs(x).max(axis=1), least)
        wide = np.flatnonzero(~narrow)
        if not wide.size:
            break
        # As many points in each interval as a batch has room for: what a framework's call costs depends little on their number.
        inner = _inner_points(x[wide], max(1, min(MOST_INNER, BATCH // wide.size)))
        at = scan(inner.ravel())
        on_kink = ~np.isfinite(at.gradient)
        if on_kink.any():
            # On the kink itself, where a framework may say NaN (a square root of zero): a point beside it tells as much.
            step = np.repeat(inner[:, 0] - x[wide, 0], inner.shape[1])
            inner = np.where(on_kink, inner.ravel() - 0.25 * step, inner.ravel()).reshape(inner.shape)
            at = scan(inner.ravel())
        x_all, gradient_all, curvature_all = (
            np.column_stack([ends[wide, :1], middle.reshape(inner.shape), ends[wide, 1:]])
            for ends, middle in ((x, inner), (gradient, at.gradient), (curvature, at.curvature))
        )
        for j in range(1, inner.shape[1] + 1):
            # A kink between two doubles that has none beside it to tell: the point to its left stands for it.
            lost = ~np.isfinite(gradient_all[:, j])
            for column in (x_all, gradient_all, curvature_all):
                column[lost, j] = column[lost, j - 1]
        most = _excesses(x_all, gradient_all, curvature_all).argmax(axis=1)
        rows, columns = np.arange(wide.size)[:, None], most[:, None] + np.array([0, 1])
        narrow[wide] = (x_all[rows, columns] == x[wide]).all(axis=1)
        x[wide], gradient[wide], curvature[wide] = x_all[rows, columns], gradient_all[rows, columns], curvature_all[rows, columns]
        # What has faded was curvature.
        alive = _excesses(x, gradient, curvature)[:, 0] > 1e-9 * typical
        x, gradient, curvature, narrow = x[alive], gradient[alive], curvature[alive], narrow[alive]
    jump = np.abs(np.diff(gradient)[:, 0]) > JUMP * np.maximum(typical, np.abs(gradient).max(axis=1))
    return [_Jump(float(low), float(high)) for low, high in x[jump]]


def _inner_points(ends: Array, count: int) -> Array:
    """Evenly spaced points inside each interval: (n, 2) -> (n, count)."""
    shares = np.arange(1, count + 1) / (count + 1.0)
    return np.asarray(ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * shares)


def _excesses(x: Array, gradient: Array, curvature: Array) -> Array:
    """``excess`` between neighbours along the second axis: (n, m) each -> (n, m - 1)."""
    return excess(x[:, :-1], x[:, 1:], gradient[:, :-1], gradient[:, 1:], curvature[:, :-1], curvature[:, 1:])


def excess(low: Array, high: Array, g_low: Array, g_high: Array, h_low: Array, h_high: Array) -> Array:
    """By how much the gradient changes more than its curvature says (trapezoidal rule)."""
    with np.errstate(all="ignore"):
        return np.asarray(np.nan_to_num(np.abs(g_high - g_low - 0.5 * (h_low + h_high) * (high - low))))


def _first_look(derivatives: Derivatives, targets: Array, spread: float, generator: np.random.Generator) -> tuple[bool, _Line]:
    """Whether each target's gradient is the same function of its own residual, whatever the targets are; and that function on the grid.

    One call for both, since what a framework's call costs depends little on the number of rows.
    """
    n_targets = targets.shape[1]
    rows = targets[generator.integers(0, len(targets), size=40)]
    residuals = spread * generator.normal(size=rows.shape) * np.array([0.1, 1.0, 5.0, 1.0])[np.arange(40) % 4, None]
    grid = _grid(spread)
    scanned = _with_residual(np.concatenate([grid, *residuals.T]), n_targets)
    everything = _all_orders(derivatives, np.concatenate([np.zeros(scanned.shape), rows]), np.concatenate([scanned, rows - residuals]))
    line = _along_residual(*(part[: len(scanned)] for part in everything))
    on_grid, *along = (_Line(*(column[start : start + size] for column in line)) for start, size in _spans(len(grid), n_targets))
    _, gradient, curvature = (part[len(scanned) :] for part in everything)
    of_each = zip(rows.T, residuals.T, gradient.T, np.diagonal(curvature, axis1=1, axis2=2).T, along, strict=True)
    return all(_same_function(*each, spread) for each in of_each), on_grid


def _spans(grid: int, n_targets: int) -> list[tuple[int, int]]:
    return [(0, grid), *((grid + 40 * j, 40) for j in range(n_targets))]


def _same_function(target: Array, residual: Array, gradient: Array, curvature: Array, line: _Line, spread: float) -> bool:
    """Whether derivatives at some targets (40,) are those of ``line``, at y = 0 and the same residuals."""
    size = np.abs(target) + np.abs(residual)
    scale = float(np.median(np.abs(line.gradient))) or float(np.abs(line.gradient).max())
    allowed = 1e-9 * scale + 1e-14 * np.abs(line.curvature) * size + 1e-9 * np.abs(line.gradient)
    close = np.abs(-gradient - line.gradient) <= allowed
    # A residual beside a kink may fall on its other side by rounding, but hardly more than one does.
    if not np.isfinite(gradient).all() or (~close).sum() > 1:
        return False
    bent = np.abs(curvature - line.curvature) > 1e-6 * (np.abs(line.curvature) + scale / spread)
    return int(bent.sum()) <= 1


def _classified(scan: Callable[[Array], _Line], jumps: list[_Jump], spread: float) -> Kinks:
    """Kinks of a function of the residual alone."""
    if not jumps:
        return SMOOTH._replace(of_residuals=True)
    positions = sorted({_simple(jump.low, jump.high, spread) for jump in jumps})
    if len(positions) > MOST_KINKS:
        return UNNAMED
    if any(high - low <= 1e-12 * spread for low, high in pairwise(positions)):
        return UNNAMED
    linear, convex = _is_piecewise_linear(scan, positions, spread), _is_convex(scan, positions, spread)
    return Kinks(tuple(positions), linear, convex, of_residuals=True)


def _simple(low: float, high: float, spread: float) -> float:
    """The number of fewest digits between two neighbouring doubles, give or take their last digits."""
    slack = max(2.0 * np.spacing(abs(low)), 2.0 * np.spacing(abs(high)), 1e-17 * spread)
    middle = 0.5 * (low + high)
    if low - slack <= 0.0 <= high + slack:
        return 0.0
    for digits in range(1, 18):
        rounded = float(f"{middle:.{digits - 1}e}")
        if low - slack <= rounded <= high + slack:
            return rounded
    return middle


def _is_convex(scan: Callable[[Array], _Line], positions: list[float], spread: float) -> bool:
    """Whether between neighbouring points the value rises by no less than the slope at the first says, and no more than that at the
    second: slopes rise, and no step hides between them."""
    kinks = np.array(positions)
    beside = 8.0 * np.spacing(np.maximum(np.abs(kinks), 1e-3 * spread))
    points = np.unique(np.concatenate([_grid(spread), kinks - beside, kinks + beside]))
    line = scan(points)
    finite = np.isfinite(line.value) & np.isfinite(line.gradient)
    points, value, slope = points[finite], line.value[finite], line.gradient[finite]
    rise, width = np.diff(value), np.diff(points)
    rounding = 1e-13 * (np.abs(value[1:]) + np.abs(value[:-1]) + width * (np.abs(slope[1:]) + np.abs(slope[:-1])))
    rounding += 1e-15 * float(np.abs(value[np.abs(points) <= 2.0 * spread]).max(initial=0.0))
    convex = (rise >= slope[:-1] * width - rounding) & (rise <= slope[1:] * width + rounding)
    falls = np.diff(slope) < -1e-9 * (np.abs(slope[1:]) + np.abs(slope[:-1]))
    return bool(convex.all() and not falls.any() and (line.curvature[finite] >= 0).all())


def _is_piecewise_linear(scan: Callable[[Array], _Line], positions: list[float], spread: float) -> bool:
    """Whether the gradient is constant and the curvature zero between the kinks, and the value has no step at any."""
    edges = [positions[0] - _FARTHEST * spread, *positions, positions[-1] + _FARTHEST * spread]
    grid = _grid(spread)
    slopes = list[float]()
    for low, high in pairwise(edges):
        inside = grid[(grid > low) & (grid < high)]
        margin = max(1e-9 * (high - low), 8.0 * np.spacing(max(abs(low), abs(high))))
        points = np.concatenate(
            [inside[(inside > low + margin) & (inside < high - margin)], low + (high - low) * np.array([0.1, 0.5, 0.9])]
        )
        line = scan(points)
        scale = float(np.abs(line.gradient).max())
        if not np.isfinite(line.gradient).all() or np.ptp(line.gradient) > 1e-10 * max(scale, 1e-300) + 1e-300:
            return False
        if np.abs(line.curvature).max() > 1e-10 * max(scale, 1e-300) / spread + 1e-300:
            return False
        slopes.append(float(np.median(line.gradient)))
    return _values_agree(scan, np.array(positions), np.array(slopes), grid)


def _values_agree(scan: Callable[[Array], _Line], kinks: Array, slopes: Array, grid: Array) -> bool:
    """Whether the values are those of a continuous function with these slopes: a step has no gradient to show for it."""
    points = np.concatenate([grid, kinks])
    expected = slopes[0] * (points - kinks[0])
    size = np.abs(expected)
    for kink, jump in zip(kinks, np.diff(slopes), strict=True):
        rise = jump * np.maximum(points - kink, 0.0)
        expected += rise
        size += np.abs(rise)
    values = scan(points).value
    off = values - expected
    anchor = off[len(grid)]
    return bool((np.abs(off - anchor) <= 1e-9 * (size + abs(anchor))).all())
