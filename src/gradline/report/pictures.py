"""The pictures of a report, as data that a page can hold: what each shows in words, and how to read it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gradline import plot
from gradline.base.errors import GradlineError
from gradline.base.numbers import visible
from gradline.model.curves import learned_curve
from gradline.model.path import path_of
from gradline.model.record import in_curve
from gradline.plot import style
from gradline.plot.fit_rows import has_probabilities
from gradline.plot.influence import is_pearson
from gradline.plot.subject import MOST_PANELS, farthest, is_drawn
from gradline.report.findings import Findings

WIDTH, HEIGHT = 4.8, 3.9
"""Inches: letters stay readable where the picture is as wide as a telephone."""

SMALL_WIDTH, SMALL_HEIGHT = 3.5, 3.0
"""Of one of many panels."""

MOST_PARTIAL = 9

MOST_VECTORS = 400
"""Points drawn as shapes; more are drawn as dots of an image, or the page would weigh megabytes."""

MOST_CURVES = 12

APART = 30.0
"""How many times longer the widest interval may be than the narrowest before coefficients are drawn in their standard errors."""


@dataclass(frozen=True)
class Picture:
    """title; images: a data URI each, with what is on it for those who do not see it; reading: how to read them."""

    title: str
    images: tuple[tuple[str, str], ...]
    reading: str


def fitted(findings: Findings, data: Any, target: Any) -> Picture | None:
    """The fit over its rows; None where it cannot be drawn: more targets than have room, rows diagnosed before that are held no more."""
    fit, source = findings.fit, findings.given.diagnosis.rows.source
    probabilities = has_probabilities(fit)
    count = len(fit.class_names) or len(fit.observed_names) if probabilities else len(fit.observed_names)
    inputs = fit.encoder.feature_columns if fit.encoder is not None else fit.names[int(fit.has_intercept) :]
    inputs = (*inputs, *(() if fit.absorbed is None else fit.absorbed.columns))
    one = len(inputs) == 1 and (fit.encoder is None or fit.encoder.kinds[inputs[0]] == "number")
    if probabilities:
        count = 1 if one or len(fit.predictor_names) == 1 else min(len(fit.predictor_names) + 1, MOST_PANELS)
    if count > MOST_PANELS or (source is None and target is None):
        return None
    axes = _panels(count, HEIGHT)
    place = axes if count > 1 else axes[0]
    try:
        if source is not None:
            plot.fit(fit, source.table, ax=place)
        else:
            plot.fit(fit, data, target, ax=place)
    except (GradlineError, ValueError):
        for panel in axes:
            style.pyplot().close(panel.figure)
        return None
    for panel in axes:
        panel.set_title("", loc="left")
    names, across = ", ".join(visible(name) for name in fit.observed_names), ", ".join(visible(name) for name in inputs)
    if one:
        alt = f"What is predicted of {names} over {across}, with a 95% confidence band, and the rows."
        reading = (
            f"The line is what the model predicts of {names} at each value of {across}; the band around it holds it with 95% confidence."
        )
        reading += " Dots with lines are shares observed, and the 95% intervals of the shares." if probabilities else " Dots are rows."
    else:
        alt = f"Observed against predicted {names}."
        reading = "On the line what was observed is what was predicted. " + (
            "Dots with lines are the shares observed among rows of similar prediction, with 95% intervals; the rows lie at 0 and 1."
            if probabilities
            else "Each dot is a row; the farther from the line, the farther off the prediction."
        )
    return Picture("The fit", tuple((_source(panel), alt) for panel in axes), reading)


def receiver(findings: Findings) -> Picture | None:
    """The ROC curve of a classification; None for other models."""
    if findings.classes is None:
        return None
    (ax,) = _panels(1, HEIGHT)
    plot.roc(findings.classes, ax=ax)
    ax.set_title("", loc="left")
    name = visible(findings.classes.target)
    return Picture(
        "ROC curve",
        ((_source(ax), f"The share of a class of {name} that is found against the share of the others that is taken for it."),),
        "Each point is a threshold: how much of a class is found, and how much of the rest is taken for it. The area below is the"
        " probability that of a row of the class and one of the others the first is predicted higher: 0.5 by chance, 1 at best.",
    )


def intervals(findings: Findings) -> Picture | None:
    """The coefficients with their intervals; None where there are none."""
    fit = findings.fit
    inference = fit.inference
    covariance = None if inference is None else inference.covariance
    own = [
        i for i in range(int(fit.has_intercept), len(fit.names)) if not any(in_curve(fit, i, j) for j in range(len(fit.predictor_names)))
    ]
    several = bool(own)
    if covariance is None or not several or len(fit.predictor_names) > MOST_PANELS:
        return None
    errors = covariance.standard_errors[own]
    errors = errors[np.isfinite(errors) & (errors > 0)]
    if not errors.size:
        return None
    apart = bool(errors.max() > APART * errors.min())
    rows = min(len(own) + 1, 40)
    axes = _panels(len(fit.predictor_names), 1.1 + 0.32 * rows)
    plot.coefficients(fit, intercept=False, in_standard_errors=apart, ax=axes)
    if len(axes) == 1:
        axes[0].set_title("", loc="left")  # the page names it
    names = [visible(fit.names[i]) for i in own]
    reading = (
        "A dot is a coefficient, the line through it its 95% confidence interval. Where the line crosses zero, the data do not say which"
        " sign it has."
    )
    if apart:
        reading += " Each is drawn in units of its own standard error, since the columns are in very different units."
    listed = ", ".join(names[:12]) + (" and others" if len(names) > 12 else "")
    alt = f"Coefficients of {listed} with their 95% intervals; the table has the numbers."
    return Picture("Intervals", tuple((_source(panel), alt) for panel in axes), reading)


def chosen_along(findings: Findings) -> Picture | None:
    """The path that the strength of the penalty was chosen from; None where it was given."""
    found = path_of(findings.fit)
    if found is None:
        return None
    held = found.held_out
    axes = _panels(1 if held is None else 2, HEIGHT)
    plot.path(found, ax=axes)
    for panel in axes:
        panel.set_title("", loc="left")
    name, count = visible(found.penalties[0].name), len(found.strengths)
    alts = [f"Slopes at {count} strengths of the {name}, from the strongest to the weakest; the largest have their names at the ends."]
    reading = "To the left the penalty is strong and slopes are zero; to the right it lets them go, one after the other."
    if held is not None:
        alts.append(
            f"The mean loss of rows held out ({held.how}) at each strength, with a band of one standard error and two lines: the least"
            " loss, and the strongest penalty within one error of it."
        )
        reading += (
            f" The second picture is the loss of rows that were held out ({held.how}): the strength of least loss predicts best, and the"
            " strongest within one standard error of it is the simplest model that is as good, as far as these rows can tell."
        )
    return Picture("The path", tuple((_source(panel), alt) for panel, alt in zip(axes, alts, strict=True)), reading)


def diagnostics(findings: Findings) -> Iterator[Picture]:
    """Those that suit the loss and the rows."""
    fit, seen = findings.fit, findings.seen
    target = ", ".join(visible(name) for name in fit.target_names[:4])
    if seen is not None:
        far = ", ".join(f"{seen.numbers[i]:,}" for i in farthest(seen, 0))
        rows = f"{seen.drawn:,} of {seen.n:,} rows" if seen.drawn < seen.n else f"{seen.n:,} rows"
        yield _draw(
            findings,
            plot.residuals,
            "Residuals",
            f"Residuals of {target} against fitted values, {rows}, with a smooth trend. The farthest rows are {far}.",
            "The cloud should have no shape and the line should stay near zero. A bend says that a column enters otherwise than as a"
            " straight line; a funnel says that the spread changes." + _kind(findings),
        )
        yield _draw(
            findings,
            plot.quantiles,
            "Quantiles",
            f"Quantiles of the residuals of {target} against those of the normal distribution, {rows}. The farthest rows are {far}.",
            "For a loss that assumes no distribution this only shows the tails: points that leave the line at the ends are rows far out."
            if seen.kind == "raw"
            else "Dots along the line, within the shaded band, say that the residuals are distributed as the model says. Ends that bend"
            " away are heavy tails: coefficients hardly mind, prediction intervals do.",
        )
        yield _draw(
            findings,
            plot.scale_location,
            "Spread",
            f"The root of the size of the residuals of {target} against fitted values, {rows}, with a smooth trend.",
            "The line should be level. Where it rises, rows with large predictions vary more than those with small ones, and standard"
            " errors should allow for it.",
        )
        if findings.own and np.isfinite(seen.cooks_distance).any():
            yield _influence(findings, rows)
    try:
        yield _draw(
            findings,
            plot.calibration,
            "Calibration",
            f"Observed against predicted {target} in bins of equal size, with 95% intervals.",
            "Each dot stands for a bin of rows with similar predictions. Dots on the line say that predictions are right on average there;"
            " a whole interval off the line says that they are not.",
        )
    except ValueError:
        # The loss aims at no mean and no quantile.
        return


def _influence(findings: Findings, rows: str) -> Picture:
    seen = findings.seen
    assert seen is not None
    worst = ", ".join(f"{seen.numbers[i]:,}" for i in seen.influential[:3])
    if is_pearson(seen):
        alt = f"Residuals against leverage with lines of equal Cook's distance, {rows}. The most influential rows are {worst}."
        reading = (
            "To the right lie rows with unusual columns, far up or down those with unusual targets. A row that is both moves the model:"
            " beyond a broken line, leaving it out would change the coefficients noticeably. No line is drawn where no row comes near it."
        )
    else:
        alt = f"Cook's distance against leverage, {rows}. The most influential rows are {worst}."
        reading = (
            "To the right lie rows with unusual columns. The higher a row, the farther the coefficients would move without it, in units of"
            " their uncertainty: above 0.5 is worth a look, above 1 is large."
        )
        if (seen.leverage == 0.0).any():
            reading += " Rows of leverage 0 lie where the loss is straight: they count by their side alone, however far away they are."
    return _draw(findings, plot.leverage, "Influence", alt, reading)


def curves(findings: Findings) -> Picture | None:
    """The curves of the formula; None where it has none that can be drawn."""
    fit = findings.fit
    shown = [curve.name for curve in fit.curves if len(learned_curve(fit, curve).variables) <= 2][:MOST_CURVES]
    if not shown:
        return None
    axes = _panels(len(shown), SMALL_HEIGHT, SMALL_WIDTH)
    plot.smooths(fit, shown, ax=axes)
    more = f" The first {len(shown)} of {len(fit.curves)} are drawn." if len(shown) < len(fit.curves) else ""
    return Picture(
        "Curves",
        tuple((_source(panel), f"The curve {visible(name)} with its bands.") for panel, name in zip(axes, shown, strict=True)),
        "Each curve is its part of the linear predictor, and its mean over the rows is zero. The dark band holds it at any one place with"
        f" 95% probability, the pale one the whole curve. A band that holds a level line throughout leaves no effect to be seen.{more}",
    )


def partial_regressions(findings: Findings) -> Picture | None:
    """What each coefficient rests on; None where that cannot be drawn."""
    fit = findings.fit
    columns = [
        fit.names[i] for i in range(int(fit.has_intercept), len(fit.names)) if i not in fit.solution.aliased and not in_curve(fit, i, 0)
    ]
    # For counts and labels the working residuals of a few rows hide the rest; gl.plot.partial_regression draws them all the same.
    if not findings.own or len(columns) < 2 or fit.loss_function.squared_scale() is None:
        return None
    shown = columns[:MOST_PARTIAL]
    axes = _panels(len(shown), SMALL_HEIGHT, SMALL_WIDTH)
    try:
        plot.partial_regression(fit, findings.given, columns=shown, ax=axes)
    except ValueError:
        for panel in axes:
            style.pyplot().close(panel.figure)
        return None
    more = f" The first {len(shown)} of {len(columns)} columns are drawn." if len(shown) < len(columns) else ""
    if findings.seen is not None and findings.seen.drawn < findings.seen.n:
        more += f" {findings.seen.drawn:,} of {findings.seen.n:,} rows are drawn."
    alt = "What is left of the target against what is left of {}, once the other columns have explained both."
    return Picture(
        "Partial regressions",
        tuple((_source(panel), alt.format(visible(name))) for panel, name in zip(axes, shown, strict=True)),
        "Each panel shows what one coefficient rests on: its slope is the coefficient, with the other columns taken out. A few dots far to"
        f" the side decide it alone; a bend says that the column should enter otherwise.{more}",
    )


def _draw(findings: Findings, draw: Callable[..., Any], title: str, alt: str, reading: str) -> Picture:
    fit = findings.fit
    several = title not in ("Influence",)
    outputs = len(np.ravel(np.asarray(fit.loss_function.predict(np.zeros((1, len(fit.predictor_names)))))))
    count = min(outputs if title == "Calibration" else len(fit.observed_names) if several else 1, MOST_PANELS)
    axes = _panels(count, HEIGHT)
    try:
        draw(fit, findings.given, ax=axes if count > 1 else axes[0])
    except BaseException:
        for panel in axes:
            style.pyplot().close(panel.figure)
        raise
    for panel in axes:
        panel.set_title("", loc="left")  # the page names it
    return Picture(title, tuple((_source(panel), alt) for panel in axes), reading)


def _panels(count: int, height: float, width: float = WIDTH) -> list[Any]:
    """Axes, each of a figure of its own: a page arranges them as its width allows."""
    return [style.panels(None, 1, 1, (width, height))[0, 0] for _ in range(count)]


def _kind(findings: Findings) -> str:
    """What kind of residual this is, where readers may not know it."""
    seen = findings.seen
    if seen is None or seen.kind != "quantile":
        return ""
    drawn = " (for counts and labels drawn at random within their step)" if is_drawn(findings.fit) else ""
    return (
        f" Quantile residuals say where each target falls in its predicted distribution{drawn}: a right model gives standard normal ones."
    )


def _source(panel: Any) -> str:
    """The figure of a panel as a data URI, and closed. The same figure gives the same text."""
    figure = panel.figure
    for collection in panel.collections:
        if hasattr(collection, "get_offsets") and len(collection.get_offsets()) > MOST_VECTORS:
            collection.set_rasterized(True)
    held = io.BytesIO()
    plt = style.pyplot()
    with plt.rc_context({"svg.hashsalt": "gradline", "svg.fonttype": "path"}):
        figure.savefig(held, format="svg", dpi=200, metadata={"Date": None})
    plt.close(figure)
    return "data:image/svg+xml;base64," + base64.b64encode(in_two_looks(held.getvalue().decode()).encode()).decode("ascii")


_NAMED = {
    getattr(style.LIGHT, field.name): (field.name, getattr(style.DARK, field.name)) for field in fields(style.LIGHT) if field.type == "str"
}
"""The colours of light paper: their names and their counterparts on dark paper."""


def in_two_looks(svg: str) -> str:
    """An SVG drawn for light paper that takes the dark colours on a dark page: each colour has a name, which a rule sets.

    Such an image follows its page, and is drawn and held once. Clouds drawn as dots of an image are made brighter.
    """

    def named(match: re.Match[str]) -> str:
        found = _NAMED.get(match[0].lower())
        return match[0] if found is None else f"var(--{found[0]})"

    start = svg.index("</style>")
    light = "".join(f"--{name}:{color};" for color, (name, _) in _NAMED.items())
    dark = "".join(f"--{name}:{color};" for name, color in _NAMED.values())
    rules = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}image{{filter:brightness(1.5)}}}}"
    return svg[:start] + rules + re.sub(r"#[0-9a-fA-F]{6}\b", named, svg[start:])
