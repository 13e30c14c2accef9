"""The data as points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradline.base.types import Array
from gradline.plot import style
from gradline.plot.examples import Examples, axis_labels, read

MOST_PANELS = 4
"""Rows and columns of small multiples before they are too small to read."""


def data(
    x: Any,
    y: Any,
    *,
    groups: Any = None,
    xlabel: str | Sequence[str] | None = None,
    ylabel: str | Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw the points of ``y`` against ``x``.

    One input and one target are one cloud. One input and q targets are q clouds in their own colours. Several inputs give a panel for each
    target (down) and input (across), the first four of each. At most 5,000 points are drawn, the same ones every time, and the picture
    says so.

    Parameters
    ----------
    x, y : array or data frame
        (n,) or (n, p), and (n,) or (n, q).
    groups : array (n,), optional
        A label per row. Points are coloured by it, and each target has its own panel.
    xlabel, ylabel : str or sequence of str, optional
        In place of the names of the columns, a sequence where there are several.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array (q, p) of them for several inputs, and (q, 1) for several targets with ``groups``; of 4 and 4 at most. ``numpy.ravel``
        makes a sequence of either.

    Raises
    ------
    ValueError
        For lengths that differ, and a wrong number of labels or of Axes.
    TypeError
        For data that is not numeric.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.data(x, y)
    """
    examples = read(x, y, groups)
    p, q = examples.x.shape[1], examples.y.shape[1]
    xlabels, ylabels = axis_labels(xlabel, examples.x_names, "xlabel"), _target_labels(ylabel, examples)
    if p == 1 and (q == 1 or groups is None):
        axes = style.panels(ax)
        draw_points(axes[0, 0], examples)
        style.dress(axes[0, 0], xlabels[0], ylabels if isinstance(ylabels, str) else ylabels[0])
        label_cloud(axes[0, 0], examples)
        style.heading(axes[0, 0], "Data")
        return style.result(axes)
    rows, columns = min(q, MOST_PANELS), min(p, MOST_PANELS)
    axes = style.panels(ax, rows, columns, panel_size(rows, columns))
    for i in range(rows):
        for j in range(columns):
            panel, here = axes[i, j], column(examples, j, i)
            draw_points(panel, here)
            style.dress(panel, xlabels[j] if i == rows - 1 else "", ylabels[i] if j == 0 else "")
            if j:
                panel.tick_params(labelleft=False)
            if i < rows - 1:
                panel.tick_params(labelbottom=False)
            # Panels of a row share a target and panels of a column an input: the same limits, so that they compare by eye.
            panel.set_xlim(*style.tidy((here.x.min(), here.x.max())))
            panel.set_ylim(*style.tidy((here.y.min(), here.y.max())))
    if groups is not None:
        style.legend(axes[0, 0])
    style.heading(axes[0, 0], "Data")
    remarks = [f"first {shown} of {total} {what}" for shown, total, what in ((columns, p, "inputs"), (rows, q, "targets")) if shown < total]
    style.note(axes[0, -1], ", ".join(part for part in (*remarks, remark(examples)) if part))
    return style.result(axes)


def panel_size(rows: int, columns: int) -> tuple[float, float]:
    """Inches of a figure of small multiples."""
    width = {1: style.WIDTH, 2: 7.6, 3: 8.4}.get(columns, 9.2)
    return width, max(2.6, rows * min(style.HEIGHT, 0.86 * width / columns) + 0.3)


def column(examples: Examples, input_index: int, target_index: int) -> Examples:
    """One input and one target."""
    return Examples(
        examples.x[:, [input_index]],
        examples.y[:, [target_index]],
        (examples.x_names[input_index],),
        (examples.y_names[target_index],),
        examples.groups,
        examples.missing,
    )


def draw_points(ax: Any, examples: Examples, *, across: Array | None = None, color: str | None = None, named: bool = True) -> None:
    """The points of the first input, coloured by group or by target. across (n, q): horizontal positions in place of the input; named:
    whether the legend names them.
    """
    rows = style.sample(examples.n_rows)
    shown = examples.take(rows)
    q = shown.y.shape[1]
    positions = shown.x[:, [0] * q] if across is None else across[rows]
    if shown.groups is not None:
        for index, group in enumerate(examples.labels):
            here = shown.groups == group
            style.points(
                ax, positions[here, 0], shown.y[here, 0], style.color(index), marker=style.marker(index), label=str(group), crowd=len(rows)
            )
        return
    for j in range(q):
        own, name = (color or style.look().data, "data") if q == 1 else (style.color(j), shown.y_names[j])
        style.points(
            ax,
            positions[:, j],
            shown.y[:, j],
            own,
            marker="o" if q == 1 else style.marker(j),
            label=name if named else f"_{name}",
            crowd=len(rows) * q,
        )


def label_cloud(ax: Any, examples: Examples) -> None:
    """A legend where there is more than one cloud, and what was left out."""
    q = examples.y.shape[1]
    if q > 1 or examples.groups is not None:
        style.legend(ax)
    style.note(ax, remark(examples))


def remark(examples: Examples) -> str:
    """What the picture leaves out, in words."""
    parts = [style.sample_note(min(examples.n_rows, style.MAX_POINTS), examples.n_rows)]
    if examples.missing:
        parts.append(f"{examples.missing:,} incomplete {'row' if examples.missing == 1 else 'rows'} left out")
    return ", ".join(part for part in parts if part)


def _target_labels(ylabel: str | Sequence[str] | None, examples: Examples) -> Any:
    """One label where several targets share an axis, otherwise one for each."""
    if isinstance(ylabel, str):
        return ylabel if examples.x.shape[1] == 1 and examples.groups is None else axis_labels(ylabel, examples.y_names, "ylabel")
    if ylabel is None and examples.x.shape[1] == 1 and examples.groups is None:
        return ", ".join(examples.y_names)
    return axis_labels(ylabel, examples.y_names, "ylabel")
