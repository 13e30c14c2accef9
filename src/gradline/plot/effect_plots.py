"""Tables of effects, predictions and contrasts as pictures; the ROC curve of a classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.plot import style

if TYPE_CHECKING:
    from gradline.effects.classification import Classification
    from gradline.summary.result_table import ResultTable

MOST_ROWS = 40
"""Estimates that are drawn as dots; more would hide their names."""

MOST_LINES = 12

MOST_PANELS = 6

MOST_CURVES = 6
"""ROC curves in one picture."""

LONGEST_NAME = 44
"""Characters of a name beside a dot."""


def effects(table: ResultTable, *, x: str | None = None, xlabel: str | None = None, ylabel: str | None = None, ax: Any = None) -> Any:
    """Draw a table of effects, predictions or contrasts, with its intervals.

    Along a column of numbers that the table was asked for at several values a line with a band, one for each combination of the others;
    otherwise a dot for each row.

    Parameters
    ----------
    table : ResultTable
        From ``Fit.effects``, ``Fit.predictions`` or ``Fit.contrasts``.
    x : str, optional
        The column along which to draw lines. The one of numbers with the most values unless given, if it has three or more.
    xlabel, ylabel : str, optional
        In place of the names of the columns.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes

    Raises
    ------
    ValueError
        For a column that the table does not have or that holds no numbers, and for more lines or dots than can be told apart.
    TypeError
        For what is no such table.

    Examples
    --------
    >>> import gradline as gl
    >>> fit = gl.fit("body_mass_g ~ flipper_length_mm * C(species)", gl.datasets.penguins())
    >>> table = fit.predictions(at={"flipper_length_mm": range(175, 231, 5), "species": "all"})
    >>> axes = gl.plot.effects(table)
    """
    columns = _columns_of(table)
    labels = [name for name in columns if name not in _NUMBERS]
    along = _along(columns, labels, x)
    level = "" if table.level is None else f"{100 * table.level:.4g}% intervals"
    if along is None:
        axes = style.panels(ax, 1, 1, (style.WIDTH, max(2.0, 1.2 + 0.34 * min(len(table), MOST_ROWS))))
        _dots(axes[0, 0], table, labels, xlabel)
    else:
        others = [name for name in labels if name != along]
        outputs = _outputs_apart(columns, others)
        axes = style.panels(ax, 1, max(1, len(outputs)), None if not outputs else (min(12.0, 1.2 + 3.2 * len(outputs)), 3.6))
        if not outputs:
            _lines(axes[0, 0], table, range(len(table)), along, others, xlabel, ylabel)
        for j, output in enumerate(outputs):
            rows = [i for i in range(len(table)) if columns["output"][i] == output]
            _lines(axes[0, j], table, rows, along, [name for name in others if name != "output"], xlabel, ylabel, output, first=j == 0)
    style.note(axes[0, -1], level)
    return style.result(axes)


def _outputs_apart(columns: Mapping[str, list[Any]], others: list[str]) -> list[str]:
    """The outputs that get a panel each: those of several groups, whose lines would lie over each other."""
    varying = [name for name in others if len(set(map(str, columns[name]))) > 1]
    if "output" not in varying or len(varying) < 2:
        return []
    found = list(dict.fromkeys(columns["output"]))
    return found if len(found) <= MOST_PANELS else []


_NUMBERS = ("estimate", "standard_error", "t", "z", "p_value", "lower", "upper")


def _columns_of(table: Any) -> Mapping[str, list[Any]]:
    columns = getattr(table, "columns", None)
    if not isinstance(columns, Mapping) or not {"estimate", "lower", "upper"} <= set(columns):
        raise ArgumentTypeError(
            f"effects draws a table of fit.effects, fit.predictions or fit.contrasts, not {type(table).__name__}; coefficients have"
            " gl.plot.coefficients(fit)"
        )
    if not columns["estimate"]:
        raise ArgumentError("the table has no rows, so there is nothing to draw")
    return columns


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _along(columns: Mapping[str, list[Any]], labels: list[str], x: str | None) -> str | None:
    if x is not None:
        if x not in labels:
            raise ArgumentError(f"the table has no column {x!r} to draw along; it has {', '.join(labels)}")
        if not _is_numeric(columns[x]):
            raise ArgumentError(f"column {x!r} holds no numbers to draw a line along: leave x out for a dot a row")
        return x
    counts = {name: len(set(columns[name])) for name in labels if name != "row" and _is_numeric(columns[name])}
    best = max(counts, key=lambda name: counts[name], default=None)
    return best if best is not None and counts[best] >= 3 else None


def _named(columns: Mapping[str, list[Any]], labels: Sequence[str], i: int) -> str:
    return ", ".join(
        str(columns[name][i]) if name in ("variable", "contrast", "term", "prediction") else f"{name} {_shown(columns[name][i])}"
        for name in labels
        if columns[name][i] is not None
    )


def _shown(value: Any) -> str:
    return style.number(value) if isinstance(value, float) else str(value)


def _lines(
    panel: Any,
    table: ResultTable,
    rows: Sequence[int],
    along: str,
    others: list[str],
    xlabel: str | None,
    ylabel: str | None,
    output: str | None = None,
    *,
    first: bool = True,
) -> None:
    """Some rows of the table. output: which they are of, where each has a panel; first: whether this is the first of them."""
    columns = table.columns
    varying = [name for name in others if len(set(map(str, columns[name]))) > 1]
    groups: dict[str, list[int]] = {}
    for i in rows:
        groups.setdefault(_named(columns, varying, i), []).append(i)
    if len(groups) > MOST_LINES:
        raise ArgumentError(f"the table makes {len(groups)} lines, and at most {MOST_LINES} can be told apart: ask for fewer values in at=")
    for j, (name, places) in enumerate(groups.items()):
        places = sorted(places, key=lambda i: columns[along][i])
        xs, middle, lower, upper = (
            np.array([columns[key][i] for i in places], dtype=np.float64) for key in (along, "estimate", "lower", "upper")
        )
        color = style.color(j)
        panel.fill_between(xs, lower, upper, color=color, alpha=0.18, linewidth=0, zorder=2)
        marked = {"marker": style.marker(j), "markersize": 4.5} if len(xs) <= 12 else {}
        panel.plot(xs, middle, color=color, linewidth=2.0, label=style.written(name) if name else None, zorder=4, **marked)
    style.dress(panel, xlabel or along, (ylabel or _what(table)) if first else "")
    if "contrast" in columns:
        panel.axhline(_null(columns), color=style.look().quiet, linewidth=1.0, linestyle=(0, (4, 3)), zorder=3)
    style.heading(panel, table.title if output is None else f"output {output}" if output.isdigit() else output)
    if len(groups) > 1 and first:
        style.legend(panel)


def _what(table: ResultTable) -> str:
    columns = table.columns
    if "contrast" not in columns:
        return table.title.removeprefix("Predictions of ")
    names = set(zip(columns.get("variable", columns.get("term", [])), columns["contrast"], strict=True))
    if len(names) == 1:
        name, contrast = names.pop()
        return f"{contrast} in {name}" if contrast == "slope" else contrast
    return "effect"


def _null(columns: Mapping[str, list[Any]]) -> float:
    """No effect: 1 of ratios."""
    return 1.0 if all(" / " in label or label.endswith("(ratio)") for label in columns["contrast"]) else 0.0


def _dots(panel: Any, table: ResultTable, labels: list[str], xlabel: str | None) -> None:
    columns, count = table.columns, len(table)
    if count > MOST_ROWS:
        raise ArgumentError(f"the table has {count:,} rows, and at most {MOST_ROWS} are drawn as dots: ask for fewer, or say x= for lines")
    told = [name for name in labels if name in ("contrast", "variable") or len(set(map(str, columns[name]))) > 1] or labels
    if "variable" in told and len(set(columns["variable"])) == 1 and len(set(columns["contrast"])) > 1:
        told.remove("variable")
    names = [style.written(_named(columns, told, i), LONGEST_NAME) for i in range(count)]
    places = np.arange(count)[::-1]
    for i, place in enumerate(places):
        panel.plot(
            [columns["lower"][i], columns["upper"][i]],
            [place, place],
            color=style.look().data,
            linewidth=2.0,
            solid_capstyle="round",
            zorder=3,
        )
    panel.scatter(columns["estimate"], places, color=style.look().data, s=38, zorder=4, linewidths=0)
    panel.set_yticks(places, names)
    panel.set_ylim(-0.6, count - 0.4)
    style.dress(panel, xlabel or ("estimate" if "contrast" in columns else _what(table)), "", grid="x")
    if "contrast" in columns:
        panel.axvline(_null(columns), color=style.look().quiet, linewidth=1.0, linestyle=(0, (4, 3)), zorder=2)
    style.heading(panel, table.title)


def roc(classification: Classification, *, label: int | None = None, ax: Any = None) -> Any:
    """Draw the ROC curve: the share of class 1 that is found against the share of the others that is taken for it.

    Parameters
    ----------
    classification : Classification
        From ``Fit.classification``.
    label : int, optional
        Of more than two classes, which is told from the others. A curve for each unless given, of the first six.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes

    Raises
    ------
    ValueError
        For a class that there is not.

    Examples
    --------
    >>> import gradline as gl
    >>> penguins = gl.datasets.penguins()
    >>> fit = gl.fit("I(sex == 'male') ~ body_mass_g + C(species)", penguins, loss="logistic")
    >>> axes = gl.plot.roc(fit.classification(penguins))
    """
    count = classification.n_classes
    if label is not None and (isinstance(label, bool) or not isinstance(label, int | np.integer) or not 0 <= label < count):
        raise ArgumentError(f"label must be a class from 0 to {count - 1}, not {label!r}")
    shown = [1 if label is None else int(label)] if count == 2 or label is not None else list(range(count))[:MOST_CURVES]
    axes = style.panels(ax, 1, 1, (5.0, 4.8))
    panel, names = axes[0, 0], classification.class_names
    panel.plot([0, 1], [0, 1], color=style.look().quiet, linewidth=1.0, linestyle=(0, (4, 3)), label="by chance")
    for place, number in enumerate(shown):
        curve = classification.roc(number)
        area = f"area {float(np.trapezoid(curve.true_positive, curve.false_positive)):.3f}"
        name = area if len(shown) == 1 else f"{style.written(names[number], 24)}, {area}"
        panel.plot(curve.false_positive, curve.true_positive, color=style.color(place), linewidth=2.2, label=name)
    panel.set_aspect("equal")
    panel.set_xlim(-0.02, 1.02)
    panel.set_ylim(-0.02, 1.02)
    style.dress(panel, "share of the others taken for it", "share of the class found")
    which = ""
    if count > 2 and len(shown) == 1:
        which = f", {names[shown[0]]}" if classification.names else f", class {shown[0]}"
    style.heading(panel, f"ROC curve{'s' if len(shown) > 1 else ''} of {classification.target}{which}")
    style.note(panel, f"first {len(shown)} of {count} classes" if 1 < len(shown) < count else "")
    style.legend(panel, "lower right")
    return style.result(axes)
