"""The path of a fit over the contours of its loss."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array, IntArray
from gradline.plot import style
from gradline.plot.examples import history_of, read
from gradline.plot.objective import Objective
from gradline.rows.array_checks import as_weights
from gradline.rows.labels import check_same_labels, of_arguments

if TYPE_CHECKING:
    from gradline.model.record import Model

GRID, COARSE_GRID = (73, 57), (37, 29)
"""Points of the grid across and up; the coarse one where each needs a pass of its own."""

REACH = 6.0
"""How far a diverging path is followed, in multiples of its starting distance from the optimum; its loss grows as the square."""

RINGS = 12

SHAPE = 1.42
"""Width of the axes over their height in a figure of our own."""


@dataclass(frozen=True)
class _Plane:
    """Where the picture is cut: coefficients are origin + a first + b second, each (P, k)."""

    origin: Array
    first: Array
    second: Array
    labels: tuple[str, str]
    whole: bool
    """Whether the plane is all there is: a model of two coefficients."""

    def flatten(self, coefficients: Array) -> Array:
        """Coordinates (t, 2) of coefficients (t, P, k), seen at right angles to the plane."""
        away = coefficients - self.origin
        return np.stack([np.einsum("tpk,pk->t", away, self.first), np.einsum("tpk,pk->t", away, self.second)], axis=1)

    def points(self, a: Array, b: Array) -> Array:
        """Coefficients (g, P, k) at coordinates (g,)."""
        found: Array = self.origin + a[:, None, None] * self.first + b[:, None, None] * self.second
        return found


def descent(
    fit: Model,
    x: Any,
    y: Any,
    *,
    weights: Any = None,
    optimum: Model | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw the contours of the loss with the path of the fit on them; start, end and optimum are marked.

    Two coefficients: the weight across, the bias up. One: the loss over it, as a curve. More: the plane through the optimum (the final
    coefficients where none was found) along the two directions in which the loss curves most, and the path seen at right angles to it.
    A path that leaves for infinity is followed to six times its starting distance from the optimum. The rings are evenly spaced in
    the root of the loss above the lowest, and the numbers on them are the loss. Beyond 20,000 rows, a loss other than squared is drawn from
    a sample of them, and the picture says so.

    Parameters
    ----------
    fit : Fit
        One whose solver records a path, such as ``gl.GradientDescent``.
    x, y : array
        The data it was made on.
    weights : array (n,), optional
        The weights it was made with.
    optimum : Fit, optional
        One that reached the optimum. Unless given it is found from the data.
    xlabel, ylabel : str, optional
        In place of the names of the coefficients.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes

    Raises
    ------
    ValueError
        For a fit without a path, naming the solver that records one, for data that does not suit the fit or has missing values, and for
        coefficients that are nowhere finite.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.descent(gl.fit(x, y, solver=gl.GradientDescent(steps=50)), x, y)
    """
    history = history_of(fit, "descent")
    examples = read(x, y, None, fit)
    if examples.missing:
        raise ArgumentError(f"{examples.missing} rows of the data have a missing or infinite value; give the rows the fit was made on")
    row_weights = None if weights is None else as_weights(weights, "weights", examples.n_rows, whole=False)
    check_same_labels(of_arguments(x=x, y=y, weights=weights))
    objective = Objective(fit, examples.x, examples.y, row_weights)
    finite = np.isfinite(history.coefficients).all(axis=(1, 2))
    path = history.coefficients[finite]
    if not len(path):
        raise ArgumentError("the path holds no finite coefficients, so there is nothing to draw")
    final = fit.solution.coefficients
    best = optimum.solution.coefficients if optimum is not None else objective.optimum(final, float(history.gradient_norm[0]))
    axes = style.panels(ax)
    panel = axes[0, 0]
    center = final if best is None else best
    lowest = float(objective.values(center[None])[0])
    heights = history.loss[finite] if objective.problem.joint else objective.values(path)
    seen = _seen(heights, lowest)
    if final.size == 1:
        _draw_one(panel, objective, path, seen, best, fit, history.step[finite], xlabel, ylabel)
        return style.result(axes)
    plane = _plane(fit, objective, center, final)
    flat, middle = plane.flatten(path), plane.flatten(center[None])[0]
    curvature = _plane_curvature(objective, plane, center)
    left, right, bottom, top = _view(np.vstack([flat[seen], middle]), curvature, lowest, own=ax is None)
    _draw_contours(panel, objective, plane, (left, right, bottom, top), np.column_stack(_thinned(flat[seen], 0.02)))
    panel.set_xlim(left, right)
    panel.set_ylim(bottom, top)
    _draw_path(panel, flat, seen, None if best is None else middle, history.step[finite])
    panel.set_xlim(left, right)
    panel.set_ylim(bottom, top)
    style.dress(panel, xlabel or plane.labels[0], ylabel or plane.labels[1], grid="none")
    style.legend(panel)
    style.heading(panel, "Descent over the loss")
    remarks = ["contours of the loss" if plane.whole else f"contours of the loss on a plane through {final.size} dimensions"]
    if objective.rows_drawn < examples.n_rows:
        remarks.append(f"from {objective.rows_drawn:,} of {examples.n_rows:,} rows")
    style.note(panel, ", ".join(remarks))
    return style.result(axes)


def _plane(fit: Model, objective: Objective, origin: Array, final: Array) -> _Plane:
    shape = final.shape
    names = _coefficient_names(fit)
    if final.size == 2:
        # The weight goes across and the bias up; without an intercept, the columns in their order.
        order = (1, 0) if fit.has_intercept and shape[0] == 2 else (0, 1)
        axes = [np.eye(2)[i].reshape(shape) for i in order]
        return _Plane(np.zeros(shape), axes[0], axes[1], (names[order[0]], names[order[1]]), True)
    curvature = objective.curvature(origin)
    if curvature is None:
        raise ArgumentError(
            "the loss has no curvature at the final coefficients, so no plane can be chosen; a loss linear in pieces has none"
        )
    vectors = np.linalg.eigh(curvature)[1][:, ::-1][:, :2]
    # An eigenvector has no sign of its own: its largest entry is made positive.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), [0, 1]])
    first, second = (vectors[:, i].reshape(shape[::-1]).T for i in (0, 1))
    return _Plane(origin, first, second, (_direction(first, fit), _direction(second, fit)), False)


def _coefficient_names(fit: Model) -> list[str]:
    """A name for each coefficient, in the order of (P, k) raveled."""
    k = fit.solution.coefficients.shape[1]
    plain = ["bias (intercept)" if i == 0 and fit.has_intercept else f"weight of {name}" for i, name in enumerate(fit.names)]
    if k == 1:
        return plain
    return [f"{name}, {predictor}" for name in plain for predictor in fit.predictor_names]


def _direction(vector: Array, fit: Model) -> str:
    """The direction in words: its largest parts, grouped by linear predictor where there are several."""
    names = ["bias" if i == 0 and fit.has_intercept else name for i, name in enumerate(fit.names)]
    largest = [np.unravel_index(flat, vector.shape) for flat in np.argsort(-np.abs(vector).ravel(), kind="stable")[:3]]
    parts = []
    for j in range(vector.shape[1]):
        terms = [(float(vector[i, j]), names[i]) for i, column in largest if column == j and abs(vector[i, j]) > 0.25]
        text = "".join(f" {'−' if value < 0 else '+'} {abs(value):.2f} {name}" for value, name in terms).removeprefix(" + ")
        if terms:
            parts.append(text.strip() + (f" of {fit.predictor_names[j]}" if vector.shape[1] > 1 else ""))
    return "along " + ", ".join(parts)


def _plane_curvature(objective: Objective, plane: _Plane, at: Array) -> Array:
    """The curvature within the plane, (2, 2), made positive; the identity where the loss has none."""
    full = objective.curvature(at)
    if full is None:
        return np.eye(2)
    directions = np.stack([plane.first.T.ravel(), plane.second.T.ravel()], axis=1)
    small = directions.T @ full @ directions
    values, vectors = np.linalg.eigh(small)
    values = np.maximum(np.abs(values), 1e-6 * max(float(np.abs(values).max()), 1e-300))
    found: Array = (vectors * values) @ vectors.T
    return found


def _seen(heights: Array, lowest: float) -> np.ndarray[Any, Any]:
    """Which of the path's points set the view: all, or for a path that diverges those before it is far. heights (t,): the loss at each."""
    above = np.where(np.isfinite(heights), heights - lowest, np.inf)
    # A path of mini-batches that began at the optimum wanders off and stays near: the loss itself is the least that counts as far.
    far = above > max(REACH**2 * above[0], abs(lowest))
    seen = np.ones(len(heights), dtype=bool)
    if far[-1] and not far[0]:
        seen[int(np.argmax(far)) :] = False
    return seen


def _view(points: Array, curvature: Array, lowest: float, *, own: bool) -> tuple[float, float, float, float]:
    """Limits around the points. Neither side is so narrow that the loss hardly changes along it while it changes much along the other."""
    low, high = points.min(axis=0), points.max(axis=0)
    span, middle = high - low, 0.5 * (low + high)
    root = np.sqrt(np.diag(curvature))
    # A path that began at the optimum has no width: the view is then what raises the loss by a hundredth.
    widest = max(float((span * root).max()), 0.14 * abs(lowest) ** 0.5, 1e-6 * float(((1.0 + np.abs(middle)) * root).max()))
    span = 1.36 * np.maximum(span, 0.45 * widest / root)
    # Where the units are of one size, the same length means the same on both axes: steps are then seen at right angles to the rings.
    if own and 0.4 < span[0] / (SHAPE * span[1]) < 2.5:
        span = np.array([max(span[0], SHAPE * span[1]), max(span[1], span[0] / SHAPE)])
    left, bottom = middle - span / 2
    right, top = middle + span / 2
    return float(left), float(right), float(bottom), float(top)


def _draw_contours(ax: Any, objective: Objective, plane: _Plane, view: tuple[float, float, float, float], path: Array) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    left, right, bottom, top = view
    across, up = COARSE_GRID if objective.problem.joint else GRID
    a, b = np.meshgrid(np.linspace(left, right, across), np.linspace(bottom, top, up))
    values = objective.values(plane.points(a.ravel(), b.ravel())).reshape(a.shape)
    finite = values[np.isfinite(values)]
    if not finite.size or finite.max() <= finite.min():
        return
    values = np.where(np.isfinite(values), values, np.nan)
    lowest, highest = float(finite.min()), float(np.quantile(finite, 0.995))
    levels = lowest + (highest - lowest) * np.linspace(0, 1, RINGS + 1) ** 2
    shades = LinearSegmentedColormap.from_list("depth", style.look().contours)
    ax.contourf(a, b, values, levels=levels, cmap=shades, extend="max", zorder=0)
    lines = ax.contour(a, b, values, levels=levels[1:], colors=style.look().paper, linewidths=0.9, zorder=1)
    places = [place for rings in lines.allsegs[1::3] if (place := _roomiest(rings, view, path)) is not None]
    if places:
        # Three digits, or as many as it takes to tell the rings apart.
        digits = next((d for d in range(3, 9) if len({f"{level:.{d}g}" for level in levels[2::3]}) == len(levels[2::3])), 9)
        texts = ax.clabel(
            lines, fontsize=style.NOTE_SIZE, colors=style.look().ink, fmt=lambda v: "loss " + _short(v, digits), manual=places
        )
        for text in texts or ():
            text.set_zorder(1.5)


def _short(value: float, digits: int) -> str:
    return style.number(float(f"{value:.{digits}g}")) if digits <= 4 else f"{value:.{digits}g}".replace("-", "−")


def _roomiest(rings: list[Array], view: tuple[float, float, float, float], path: Array) -> tuple[float, float] | None:
    """Where on a contour its number is farthest from the path and the edges."""
    left, right, bottom, top = view
    low, size = np.array([left, bottom]), np.array([right - left, top - bottom])
    points = np.concatenate([ring for ring in rings if len(ring)]) if any(len(ring) for ring in rings) else np.empty((0, 2))
    within = (points - low) / size
    points, within = points[(np.abs(within - 0.5) < 0.43).all(axis=1)], within[(np.abs(within - 0.5) < 0.43).all(axis=1)]
    if not len(points):
        return None
    # The line between steps counts as much as the steps.
    steps = (path - low) / size
    dense = np.concatenate([np.linspace(p, q, 30) for p, q in itertools.pairwise(steps)]) if len(steps) > 1 else steps
    room = np.hypot(*(within[:, None, :] - dense[None, :, :]).transpose(2, 0, 1)).min(axis=1)
    best = int(np.argmax(np.minimum(room, 0.25) - 0.5 * np.maximum(0, np.abs(within - 0.5).max(axis=1) - 0.36)))
    return float(points[best, 0]), float(points[best, 1])


def _draw_path(ax: Any, flat: Array, seen: Any, center: Array | None, steps: IntArray) -> None:
    """The path, one dot per record, and its marks. It runs on past the view if it left, so that the exit is seen."""
    inside = int(seen.sum())
    leaves = inside < len(flat)
    apart = int(np.diff(steps[:2]).sum())
    label = "path, one dot per step" if apart <= 1 else f"path, one dot every {apart:,} steps"
    start, end = flat[0], flat[inside - 1]
    ax.plot(
        *start, "o", color=style.look().paper, markersize=9, markeredgecolor=style.look().fit, markeredgewidth=2.2, zorder=6, label="start"
    )
    drawn = _thinned(flat[: inside + 1] if leaves else flat)
    ax.plot(*drawn, color=style.look().paper, linewidth=3.6, alpha=0.7, zorder=3, label="_edge")
    ax.plot(*drawn, ".-", color=style.look().fit, linewidth=1.4, markersize=5.5, solid_joinstyle="round", zorder=4, label=label)
    if leaves:
        _draw_exit(ax, flat[inside - 1], flat[inside], int(steps[inside - 1]))
    else:
        ax.plot(
            *end, "o", color=style.look().fit, markersize=7, markeredgecolor=style.look().paper, markeredgewidth=1.0, zorder=7, label="end"
        )
    if center is not None:
        ax.plot(
            *center,
            "*",
            color=style.look().yellow,
            markersize=17,
            markeredgecolor=style.look().ink,
            markeredgewidth=1.0,
            zorder=5,
            label="optimum",
        )


def _draw_exit(ax: Any, last: Array, beyond: Array, step: int) -> None:
    """An arrowhead where the path leaves the axes, whose limits are set, and what it means. last, beyond: records within and after."""
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    away = beyond - last
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        reach = np.where(away > 0, (high - last) / away, np.where(away < 0, (low - last) / away, np.inf))
    share = min(float(reach.min()), 1.0)
    ax.annotate(
        "",
        tuple(last + share * away),
        xytext=tuple(last + 0.9 * share * away),
        arrowprops={"arrowstyle": "-|>", "color": style.look().fit, "linewidth": 1.4, "mutation_scale": 20, "shrinkA": 0.0, "shrinkB": 0.0},
        annotation_clip=False,
        zorder=6,
    )
    ax.plot([], [], ">-", color=style.look().fit, linewidth=1.4, markersize=8, label=f"leaves for infinity after step {step:,}")


def _thinned(flat: Array, apart: float = 0.001) -> tuple[Array, Array]:
    """The path without points that would be drawn on top of one another: thousands of them where it has come to rest."""
    span = np.maximum(np.ptp(flat, axis=0), 1e-300)
    kept = [0]
    for i in range(1, len(flat)):
        if np.hypot(*((flat[i] - flat[kept[-1]]) / span)) > apart:
            kept.append(i)
    return flat[kept, 0], flat[kept, 1]


def _draw_one(
    ax: Any,
    objective: Objective,
    path: Array,
    seen: Any,
    best: Array | None,
    fit: Model,
    steps: IntArray,
    xlabel: str | None,
    ylabel: str | None,
) -> None:
    """A model of one coefficient: the loss as a curve over it, with the steps on it."""
    shown = path[seen, 0, 0]
    center = shown[-1] if best is None else best[0, 0]
    limits = style.tidy((min(shown.min(), center), max(shown.max(), center)), 0.18)
    grid = np.linspace(*limits, 200)
    curve = objective.values(grid[:, None, None])
    ax.plot(grid, curve, color=style.look().data, linewidth=2.4, zorder=2, label="loss")
    heights = objective.values(shown[:, None, None])
    ax.plot(shown, heights, ".-", color=style.look().fit, linewidth=1.2, markersize=7, zorder=3, label="path")
    ax.set_xlim(*limits)
    view = ax.get_ylim()
    if best is not None:
        height = objective.values(best[None])[0]
        ax.plot(
            [center], [height], "*", color=style.look().yellow, markersize=17, markeredgecolor=style.look().ink, zorder=4, label="optimum"
        )
    ax.plot(
        [shown[0]],
        [heights[0]],
        "o",
        color=style.look().paper,
        markersize=9,
        markeredgecolor=style.look().fit,
        markeredgewidth=2.2,
        zorder=5,
        label="start",
    )
    if len(shown) < len(path):
        beyond = np.array([path[len(shown), 0, 0], objective.values(path[[len(shown)]])[0]])
        ax.plot([shown[-1], beyond[0]], [heights[-1], beyond[1]], color=style.look().fit, linewidth=1.2, zorder=3, label="_beyond")
        ax.set_ylim(*view)
        _draw_exit(ax, np.array([shown[-1], heights[-1]]), beyond, int(steps[len(shown) - 1]))
    else:
        ax.plot(
            [shown[-1]],
            [heights[-1]],
            "o",
            color=style.look().fit,
            markersize=6.5,
            markeredgecolor=style.look().paper,
            zorder=6,
            label="end",
        )
    ax.set_xlim(*limits)
    style.dress(ax, xlabel or _coefficient_names(fit)[0], ylabel or "loss")
    style.heading(ax, "Descent over the loss")
    style.legend(ax)
