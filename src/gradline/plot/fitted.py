"""The fitted line over its data; with several inputs, observed against predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.plot import style
from gradline.plot.examples import Examples, axis_labels, input_names, is_straight, predictions, read, true_coefficients
from gradline.plot.fit_rows import Band, BandKind, FitRows, has_probabilities, of_examples, of_table, predict_at, reads_as_given
from gradline.plot.fit_views import (
    draw_band,
    draw_curve_over,
    draw_observed_against_predicted,
    draw_plane,
    draw_probabilities_over,
    draw_shares_against_predicted,
    takes_plane,
)
from gradline.plot.scatter import draw_points, remark

if TYPE_CHECKING:
    from gradline.model.record import Model

LINE_POINTS = 200


class Curve(NamedTuple):
    """A line to draw: x (m,) and y (m,), how it looks and what the legend calls it."""

    x: Array
    y: Array
    color: str
    label: str
    dashed: bool = False


def fit(
    fit: Model | Sequence[Model] | Mapping[Any, Model],
    x: Any,
    y: Any = None,
    *,
    true: Any = None,
    by: str | int | None = None,
    groups: Any = None,
    interval: BandKind = "auto",
    level: float = 0.95,
    view: Literal["auto", "plane", "predicted"] = "auto",
    xlabel: str | None = None,
    ylabel: str | Sequence[str] | None = None,
    ax: Any = None,
    **rows: Any,
) -> Any:
    """Draw the data with what was fitted: a line or curve over one input, a plane over two, observed against predicted over more.

    One input: the points, and the line of each target over them, with a band where the fit has standard errors. Where classes are
    predicted the line is a probability, one for each class of several, and dots are the shares observed in bins of the input, with
    Wilson's intervals; of two classes the rows are spread a little around 0 and 1.

    Two inputs of numbers: the points and the plane in three dimensions. More inputs, or categories: observed against predicted, a panel for
    each target, with the diagonal on which they are equal; of classes the shares observed against the probabilities.

    Several inputs, with ``by``: a line over that input for each group, the other inputs held at the group's means (an indicator of the
    group is then its own value). Without groups there is one line, the others held at their means.

    At most 5,000 points are drawn.

    Parameters
    ----------
    fit : Fit, sequence or mapping of Fits
        Several fits of one input and one target, ``{label: fit}`` or a sequence, are a line each. Where a label is one of the groups, the
        line has its colour and spans its points.
    x, y : array or data frame
        The data. In place of both a table, as ``gl.fit`` takes it with a formula, which holds the target too: a path, a data frame.
    true : optional
        The true line, drawn as well: ``(slope, intercept)`` or an object that has them, such as a Fit. Not for several inputs without
        ``by``: ``gl.plot.coefficients(fit, true=...)`` compares with it there.
    by : str or int, optional
        One of several inputs, by name or number.
    groups : array (n,), optional
        A label per row, to colour the points by.
    interval : {"auto", "confidence", "prediction"} or None
        Which band surrounds a line, as for ``Fit.predict``. "auto" draws that of confidence where the fit has standard errors.
    level : float
        Of the band, and of the intervals of shares.
    view : {"auto", "plane", "predicted"}
        Of two inputs: the plane, or observed against predicted. "auto" draws the plane unless ``ax`` has two dimensions only.
    xlabel, ylabel : str, optional
        In place of the names of the columns; ylabel a sequence for several panels.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.
    **rows
        where, query, database: of a table, as for ``gl.fit``.

    Returns
    -------
    Matplotlib Axes
        An array (1, panels) of them for several panels: of several targets where they have a panel each (over more inputs than one, over
        a table, and with ``groups``), and of more than two classes over several inputs or categories. ``numpy.ravel`` makes a sequence of
        either.

    Raises
    ------
    ValueError
        For data that does not suit the fit, an unknown ``by``, and a ``true`` of the wrong shape or where there is no line.
    TypeError
        For data that is not numeric.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.fit(gl.fit(x, y), x, y, true=(6, -5))

    Of a formula and a table:

    >>> penguins = gl.datasets.penguins()
    >>> fit = gl.fit("I(sex == 'male') ~ body_mass_g", penguins, loss="logistic")
    >>> axes = gl.plot.fit(fit, penguins)
    """
    fits = _as_mapping(fit)
    first = next(iter(fits.values()))
    if view not in ("auto", "plane", "predicted"):
        raise ArgumentError(f'view must be "auto", "plane" or "predicted", not {view!r}')
    if y is None:
        return _over_table(fits, x, rows, {"true": true, "by": by, "groups": groups}, interval, level, view, ax, xlabel, ylabel)
    if rows:
        raise ArgumentTypeError(f"{next(iter(rows))}= goes with a table, and the target was given as an array")
    examples = read(x, y, groups, first)
    p, q = examples.x.shape[1], examples.y.shape[1]
    if len(fits) > 1 and (p > 1 or q > 1):
        raise ArgumentError(f"several fits are drawn together for one input and one target, not for {p} and {q}; draw them one by one")
    alone = len(fits) == 1 and by is None and groups is None and true is None and reads_as_given(first, examples.x_names)
    if alone and has_probabilities(first):
        return _labelled(_probabilities(first, of_examples(first, examples, remark(examples)), interval, level, ax), xlabel, ylabel)
    if alone and (view == "plane" or (p == 2 and view == "auto" and takes_plane(ax))):
        return _labelled(_plane(first, of_examples(first, examples, remark(examples)), ax), xlabel, ylabel)
    if p > 1 and by is None:
        if true is not None:
            raise ArgumentError(
                f"the model has {p} inputs, so true= has no line to draw; name one with by=, or use gl.plot.coefficients(fit, true=...)"
            )
        return _observed_against_predicted(first, examples, xlabel, ylabel, ax)
    index = 0 if by is None else _index(by, first)
    panels = q if examples.groups is not None else 1
    axes = style.panels(ax, 1, panels, style.panel_size(panels))
    names = [", ".join(examples.y_names)] if panels == 1 else list(examples.y_names)
    xname = axis_labels(xlabel, [examples.x_names[index]], "xlabel")[0]
    for j, yname in enumerate(axis_labels(ylabel, names, "ylabel")):
        shown = _of_target(examples, j) if panels > 1 else examples
        targets = [j] if panels > 1 else list(range(q))
        curves = _curves_of_several(fits, examples) if len(fits) > 1 else _curves(first, examples, index, targets, by is not None)
        if true is not None:
            curves += _true_curves(first, true, examples, index, targets, by is not None)
        _draw(axes[0, j], shown, index, curves)
        style.dress(axes[0, j], xname, yname)
        style.heading(axes[0, j], f"{yname} by {xname}")
    band = _draw_bands(axes[0, 0], first, examples, interval, level) if len(fits) == 1 and p == 1 and groups is None else None
    style.note(axes[0, -1], ", ".join(part for part in (remark(examples), "" if band is None else band.name) if part))
    return style.result(axes)


def _draw_bands(panel: Any, fit: Model, examples: Examples, interval: BandKind, level: float) -> Band | None:
    """The band around the line of each target of a fit of one input."""
    if interval == "auto" and ("offset" in fit.row_columns or not reads_as_given(fit, examples.x_names)):
        return None
    grid = _grid(examples.x, 0)
    _, band = predict_at(fit, examples.x_names, grid, interval, level)
    q = examples.y.shape[1]
    for j in range(q):
        draw_band(panel, grid[:, 0], band, j, style.look().fit if q == 1 else style.color(j))
    return band


def _over_table(
    fits: Mapping[Any, Model], data: Any, how: Mapping[str, Any], arrays: Mapping[str, Any], interval: BandKind, level: float, view: str,
    ax: Any, xlabel: str | None, ylabel: str | Sequence[str] | None,
) -> Any:  # fmt: skip
    """One fit over a table. arrays: what goes with arrays alone."""
    for keyword, value in arrays.items():
        if value is not None:
            instead = "; gl.plot.effects(fit.predictions(at={...})) draws a line for each group" if keyword != "true" else ""
            raise ArgumentTypeError(f"{keyword}= goes with x and y as arrays{instead}")
    if len(fits) > 1:
        raise ArgumentError("several fits are drawn together over arrays x and y of one input; over a table draw them one by one")
    fit = next(iter(fits.values()))
    for keyword in how:
        if keyword not in ("where", "query", "database"):
            raise ArgumentTypeError(f"gl.plot.fit takes where=, query= and database= of a table, not {keyword}=")
    given = of_table(fit, data, how)
    two = given.values is not None and len(given.inputs) == 2
    if has_probabilities(fit):
        drawn = _probabilities(fit, given, interval, level, ax)
    elif view == "plane" or (two and view == "auto" and takes_plane(ax) and given.predicted.shape[1] == given.observed.shape[1]):
        drawn = _plane(fit, given, ax)
    elif given.values is not None and len(given.inputs) == 1:
        drawn = draw_curve_over(fit, given, interval, level, ax)
    else:
        drawn = draw_observed_against_predicted(fit, given, ax)
    return _labelled(drawn, xlabel, ylabel)


def _probabilities(fit: Model, given: FitRows, interval: BandKind, level: float, ax: Any) -> Any:
    if given.values is not None and len(given.inputs) == 1:
        return draw_probabilities_over(fit, given, interval, level, ax)
    return draw_shares_against_predicted(fit, given, level, ax)


def _plane(fit: Model, given: FitRows, ax: Any) -> Any:
    if given.values is None or len(given.inputs) != 2:
        raise ArgumentError(f"a plane is over two inputs of numbers, and this model reads {', '.join(given.inputs) or 'none'}")
    return draw_plane(fit, given, ax)


def _labelled(drawn: Any, xlabel: str | None, ylabel: str | Sequence[str] | None) -> Any:
    """Labels in place of the names of columns."""
    axes = np.ravel(np.asarray(drawn, dtype=object))
    for panel in axes if xlabel is not None else ():
        panel.set_xlabel(style.written(str(xlabel)))
    if ylabel is not None:
        for panel, label in zip(axes, axis_labels(ylabel, [""] * len(axes), "ylabel"), strict=True):
            panel.set_ylabel(style.written(label))
    return drawn


def _as_mapping(fit: Any) -> dict[Any, Model]:
    if isinstance(fit, Mapping):
        fits = dict(fit)
    elif isinstance(fit, list | tuple):
        fits = {f"fit {i + 1}": one for i, one in enumerate(fit)}
    else:
        fits = {"fit": fit}
    if not fits:
        raise ArgumentError("no fit was given; give a Fit, a sequence of them or {label: fit}")
    for one in fits.values():
        if not hasattr(one, "solution"):
            raise ArgumentTypeError(f"give a gl.Fit, as gl.fit returns it, not {type(one).__name__}")
    return fits


def _index(by: str | int, fit: Model) -> int:
    names = input_names(fit)
    if isinstance(by, str):
        if by not in names:
            raise ArgumentError(f"by={by!r} is no input of the fit; its inputs are {', '.join(names)}")
        return names.index(by)
    if not 0 <= by < len(names):
        raise ArgumentError(f"by={by} is no input of the fit; it has {len(names)}, numbered from 0")
    return int(by)


def _of_target(examples: Examples, j: int) -> Examples:
    return Examples(examples.x, examples.y[:, [j]], examples.x_names, (examples.y_names[j],), examples.groups, examples.missing)


def _grid(values: Array, index: int) -> Array:
    """Points (m, p) along one input, the others at their means."""
    grid = np.tile(values.mean(axis=0), (LINE_POINTS, 1))
    grid[:, index] = np.linspace(*style.reach(values[:, index]), LINE_POINTS)
    return grid


def _curves(fit: Model, examples: Examples, index: int, targets: list[int], held: bool) -> list[Curve]:
    """The lines of one fit: one a group where other inputs are held, otherwise one a target. A line in its points' colour needs no name."""
    groups = examples.labels
    curves = []
    if held and groups:
        for i, group in enumerate(groups):
            grid = _grid(examples.x[examples.groups == group], index)
            curves += [Curve(grid[:, index], predictions(fit, grid)[:, j], style.color(i), f"_fit, {group}") for j in targets]
        return curves
    grid = _grid(examples.x, index)
    predicted = predictions(fit, grid)
    for j in targets:
        color = style.look().ink if groups else style.look().fit if len(targets) == 1 else style.color(j)
        equation = "" if held else _equation(fit, j)
        alone = f"fit: {equation}" if equation else "fit"
        label = alone if len(targets) == 1 else equation or fit.observed_names[j]
        curves.append(Curve(grid[:, index], predicted[:, j], color, label))
    return curves


def _curves_of_several(fits: dict[Any, Model], examples: Examples) -> list[Curve]:
    """A line for each fit: in the colour and over the points of the group it is labelled with; others take the colours after theirs."""
    groups = {str(group): i for i, group in enumerate(examples.labels)}
    following = len(groups) or 1
    curves = []
    for label, fit in fits.items():
        values = examples.x
        if str(label) in groups and examples.groups is not None:
            values = values[examples.groups.astype(str) == str(label)]
            color, name = style.color(groups[str(label)]), f"_fit, {label}"
        else:
            color, name = style.color(following), str(label)
            following += 1
        grid = _grid(values, 0)
        curves.append(Curve(grid[:, 0], predictions(fit, grid)[:, 0], color, name))
    return curves


def _true_curves(fit: Model, true: Any, examples: Examples, index: int, targets: list[int], held: bool) -> list[Curve]:
    matrix = true_coefficients(fit, true)
    parts = [examples.x[examples.groups == group] for group in examples.labels] if held and examples.labels else [examples.x]
    grids = [_grid(values, index) for values in parts]
    lines = [(grid[:, index], predictions(fit, grid, matrix)[:, j]) for grid in grids for j in targets]
    equation = _equation(fit, targets[0], matrix) if len(lines) == 1 and not held else ""
    first = f"true: {equation}" if equation else "true"
    return [Curve(x, y, style.look().truth, "_true" if i else first, dashed=True) for i, (x, y) in enumerate(lines)]


def _equation(fit: Model, j: int, matrix: Array | None = None) -> str:
    """The line in words, or nothing where predictions are no straight line or the names are too long for a legend."""
    chosen = fit.solution.coefficients if matrix is None else matrix
    if not is_straight(fit, chosen):
        return ""
    slopes = chosen[int(fit.has_intercept) :, j]
    text = style.equation(fit.observed_names[j], input_names(fit), list(slopes), chosen[0, j] if fit.has_intercept else None)
    return text if len(text) <= 60 else ""


def _draw(ax: Any, examples: Examples, index: int, curves: list[Curve]) -> None:
    """Points below, lines above them."""
    across = np.repeat(examples.x[:, [index]], examples.y.shape[1], axis=1)
    several = examples.y.shape[1] > 1
    draw_points(ax, examples, across=across, named=not several)
    for curve in curves:
        draw_curve(ax, curve)
    style.legend(ax)


def draw_curve(ax: Any, curve: Curve) -> None:
    """One line; a dashed one is thinner and lies on top, so that two lines in the same place are both seen."""
    if curve.dashed:
        ax.plot(curve.x, curve.y, color=curve.color, linewidth=1.5, linestyle=(0, (5, 3)), label=curve.label, zorder=5)
        return
    ax.plot(curve.x, curve.y, color=curve.color, linewidth=2.6, solid_capstyle="round", label=curve.label, zorder=4)


def _observed_against_predicted(fit: Model, examples: Examples, xlabel: Any, ylabel: Any, ax: Any) -> Any:
    q = examples.y.shape[1]
    axes = style.panels(ax, 1, q, (4.8, 4.6) if q == 1 else style.panel_size(q))
    xlabels = axis_labels(xlabel, [f"predicted {name}" for name in examples.y_names], "xlabel")
    ylabels = axis_labels(ylabel, [f"observed {name}" for name in examples.y_names], "ylabel")
    for j in range(q):
        draw_diagonal(axes[0, j], fit, _of_target(examples, j), j)
        if j == 0:
            style.legend(axes[0, j])
        style.dress(axes[0, j], xlabels[j], ylabels[j])
        style.heading(axes[0, j], "Observed against predicted" if q == 1 else examples.y_names[j])
    style.note(axes[0, -1], remark(examples))
    return style.result(axes)


def draw_diagonal(ax: Any, fit: Model, examples: Examples, j: int, *, quiet: bool = False) -> None:
    """One target observed against predicted, on equal axes with the diagonal. examples: with that target alone; quiet: in grey."""
    predicted = predictions(fit, examples.x)[:, [j]]
    draw_points(ax, examples, across=predicted, color="#9aa5b1" if quiet else style.look().data)
    both = np.concatenate([predicted, examples.y])
    limits = style.tidy((both.min(), both.max()))
    ax.plot(limits, limits, color=style.look().ink, linewidth=1.2, label="observed = predicted", zorder=3)
    ax.set_xlim(*limits)
    ax.set_ylim(*limits)
    ax.set_aspect("equal", adjustable="box")
