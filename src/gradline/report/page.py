"""The page of a report: sections in the order in which a reader needs them, warnings first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from importlib.resources import files

import numpy as np

from gradline.base.names import INTERCEPT
from gradline.base.numbers import counted, short
from gradline.base.version import __version__
from gradline.effects.classification import Classification
from gradline.report import html
from gradline.report.concerns import Concern
from gradline.report.findings import Findings
from gradline.report.levels import levels_section
from gradline.report.pictures import Picture
from gradline.report.wording import degrees_text, p_value_text
from gradline.summary import summarise
from gradline.summary.content import meaning_of
from gradline.summary.parts import Fact

LEVELS = {"serious": "Serious", "look": "Look at this", "note": "Note"}

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page may load nothing and run nothing, whatever is written on it."""

MOST_COLUMNS = 20
"""Columns in the table of collinearity, the worst first."""

SHOWN_ROWS = 5
"""Rows in the table of those that matter most."""


def page(
    findings: Findings,
    concerns: Sequence[Concern],
    fitted: Picture | None,
    intervals: Picture | None,
    pictures: Sequence[Picture],
    wide: Sequence[Picture],
    words: Callable[[str], str] | None = None,
) -> str:
    """The whole document. fitted: the fit itself; pictures: side by side where there is room; wide: by themselves; words: of who asks."""
    title = summarise(findings.fit).title
    body = [
        _header(findings, title),
        _first(concerns),
        _fitted(findings, fitted),
        _coefficients(findings, intervals, words or str),
        levels_section(findings.fit.absorbed),
        _measures(findings),
        _diagnostics(pictures, wide),
        _tests(findings),
        _rows(findings),
        _footer(),
    ]
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta name="generator" content="gradline {__version__}">',
        html.element("title", html.text(title)),
        f"<style>\n{files('gradline.report').joinpath('page.css').read_text(encoding='utf-8')}</style>",
    ]
    return "\n".join(
        ["<!doctype html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", "<main>", *body, "</main>", "</body>", "</html>", ""]
    )


def _header(findings: Findings, title: str) -> str:
    fit = findings.fit
    where = f"{'fitted to' if findings.own else 'looked at on'} {findings.data}"
    model = summarise(fit).head[0].text
    return html.element(
        "header",
        html.element("h1", html.text(title)),
        html.element("p", html.element("code", html.text(model)), class_="formula"),
        html.paragraph(where),
    )


def _first(concerns: Sequence[Concern]) -> str:
    serious = sum(concern.level == "serious" for concern in concerns)
    look = sum(concern.level == "look" for concern in concerns)
    if serious or look:
        parts = [counted(serious, "serious warning")] if serious else []
        parts += [counted(look, "thing") + " to look at"] if look else []
        say = f"{' and '.join(parts)}."
    else:
        say = "No warning: nothing below stands out."
    items = [html.element("li", *_concern(concern), class_=concern.level) for concern in concerns]
    listed = html.element("ul", *items, class_="concerns") if items else ""
    return html.section("first", "Before you use this model", html.paragraph(say), listed)


def _concern(concern: Concern) -> Iterator[str]:
    yield html.element("h3", html.element("span", html.text(LEVELS[concern.level]), class_="level"), " " + html.text(concern.title))
    yield html.paragraph(concern.text)
    if concern.remedy:
        codes = " or ".join(html.element("code", html.text(code)) for code in concern.code)
        yield html.element("p", html.element("strong", "What to do:"), f" {html.text(concern.remedy)} {codes}".rstrip())


def _fitted(findings: Findings, picture: Picture | None) -> str:
    summary = summarise(findings.fit)
    foot = {"left out", "errors", "digits", "converged", "note", "learning rate", "time"}
    # What a coefficient means stands beside the coefficients.
    chosen: list[Fact] = [
        *(fact for fact in summary.head if fact.label != "meaning"),
        *(fact for fact in summary.foot if fact.label in foot),
    ]
    words = {"errors": "standard errors", "left out": "columns left out"}
    pairs = [(words.get(fact.label, fact.label), fact.text) for fact in chosen]
    bad = [words.get(fact.label, fact.label) for fact in chosen if fact.tone == "bad"]
    shown = [] if picture is None else [_figure(picture, "wide" if len(picture.images) == 1 else "panels")]
    return html.section("fitted", "What was fitted", *shown, html.facts(pairs, bad=bad))


RATIOS = {"odds ratio": "Odds ratios", "ratio of means": "Ratios of means"}
"""What exp of a coefficient is where that says something, and what several are called."""


def _ratios(findings: Findings) -> Iterator[str]:
    """A table of exp of the coefficients with its interval, where the linear predictor is a logarithm of odds or of means."""
    for block in summarise(findings.fit, exponentiate=True).blocks:
        kept = [i for i, name in enumerate(block.columns) if name in RATIOS or name == "to" or name.endswith(" from")]
        if not kept or block.columns[kept[0]] not in RATIOS:
            continue
        rows = [(row.name, *(row.cells[i] for i in kept)) for row in block.rows if row.name != INTERCEPT and not row.left_out]
        title = RATIOS[block.columns[kept[0]]]
        if rows:
            yield html.table(
                f"{block.title}: {title.lower()}" if block.title else title, ("column", *(block.columns[i] for i in kept)), rows
            )
            what = "odds" if title.startswith("Odds") else "mean"
            yield html.paragraph(
                f"By how much the {what} are multiplied when the column rises by one."
                if what == "odds"
                else f"By how much the {what} is multiplied when the column rises by one."
            )


def _coefficients(findings: Findings, intervals: Picture | None, words: Callable[[str], str]) -> str:
    parts = []
    for block in summarise(findings.fit).blocks:
        rows = [(row.name, *row.cells) for row in block.rows]
        caption = f"{block.title}: {block.what}" if block.title else f"{block.what[:1].upper()}{block.what[1:]}"
        parts.append(html.table(caption, ("column", *block.columns), rows, muted=[row.left_out for row in block.rows]))
        if block.more:
            parts.append(html.paragraph(words(f"{block.more:,} more are not shown: Fit.table() has them all.")))
    if findings.fit.loss_function.meaning:
        parts.append(html.paragraph(f"Here {meaning_of(findings.fit)}."))
    parts += _ratios(findings)
    if intervals is not None:
        parts.append(_figure(intervals, "wide"))
    return html.section("coefficients", "Coefficients", *parts)


def _measures(findings: Findings) -> str:
    pairs = list(_measured(findings))
    return html.section("measures", "How well it fits", html.facts(pairs)) if pairs else ""


def _measured(findings: Findings) -> Iterator[tuple[str, str]]:
    """Those that the loss has; the others are absent."""
    fit = findings.fit
    if findings.classes is not None:
        yield from _told_apart(findings.classes)
    yield "mean loss", short(fit.loss) + (", the penalty included" if fit.penalty is not None else "")
    if findings.left_out_loss is not None:
        yield "mean loss of rows left out", f"{short(findings.left_out_loss)}: what to expect of new rows (leave-one-out)"
    if fit.inference is None:
        return
    totals = fit.inference.statistics
    yield "rows and freedom", f"{short(totals.count)} rows, {short(totals.degrees_of_freedom)} degrees of freedom left"

    def numbers(value: object) -> str:
        return ", ".join(short(float(number), 4) for number in np.atleast_1d(np.asarray(value, dtype=np.float64)))

    if totals.r_squared is not None and np.isfinite(totals.r_squared).all():
        yield "R-squared", f"{numbers(totals.r_squared)}, the share of the variance that is explained"
    if totals.adjusted_r_squared is not None and np.isfinite(totals.adjusted_r_squared).all():
        yield "adjusted R-squared", numbers(totals.adjusted_r_squared)
    if fit.absorbed is not None and math.isfinite(fit.absorbed.within_r_squared):
        yield "R-squared within levels", numbers(fit.absorbed.within_r_squared)
    if totals.dispersion is not None and np.isfinite(totals.dispersion).all():
        if totals.squared:
            yield "residual standard error", numbers(np.sqrt(totals.dispersion))
        else:
            yield "dispersion", numbers(totals.dispersion)
    if findings.joint is not None:
        test = findings.joint
        name = "F" if test.distribution == "F" else "chi-squared"
        degrees = degrees_text(test.numerator, test.denominator)
        yield "all slopes zero?", f"{name} = {short(test.statistic)} on {degrees}, {p_value_text(test.p_value)}"
    for label, value in (
        ("deviance", None if totals.squared else totals.deviance),
        ("log likelihood", totals.log_likelihood),
        ("AIC", totals.aic),
        ("BIC", totals.bic),
    ):
        if value is not None and math.isfinite(value):
            yield label, short(value)


def _told_apart(classes: Classification) -> Iterator[tuple[str, str]]:
    if classes.n_classes == 2:
        yield "area under the ROC curve", f"{short(classes.auc, 4)}: 0.5 by chance, 1 at best"
    yield "accuracy", f"{100 * classes.accuracy:.3g}% of the rows are put into their class"
    yield "Brier score", f"{short(classes.brier, 4)}, the mean squared error of the probabilities"


def _diagnostics(pictures: Sequence[Picture], wide: Sequence[Picture]) -> str:
    parts = [html.element("div", *(_figure(picture) for picture in pictures), class_="pictures")] if pictures else []
    parts += [_figure(picture, "panels" if len(picture.images) > 1 else "wide") for picture in wide]
    if not parts:
        parts = [html.paragraph("This loss has no residual of one target, so that there is nothing to draw.")]
    return html.section("diagnostics", "Diagnostics", *parts)


def _figure(picture: Picture, kind: str = "") -> str:
    images = "".join(f'<img src="{source}" alt="{html.text(alt)}">' for source, alt in picture.images)
    kind = kind or ("many" if len(picture.images) > 1 else "")
    if kind in ("panels", "many") and len(picture.images) in (2, 4):
        kind += " even"
    caption = html.element("figcaption", html.element("strong", html.text(picture.title)), " " + html.text(picture.reading))
    return html.element("figure", html.element("div", images), caption, **({"class_": kind} if kind else {}))


def _tests(findings: Findings) -> str:
    tested = list(_tested(findings))
    parts = [html.element("h3", html.text("Assumptions")), html.facts(tested)] if tested else []
    found = findings.collinearity
    if found is not None:
        names = findings.fit.names
        order = [int(i) for i in np.argsort(-np.nan_to_num(found.variance_inflation, nan=-1.0), kind="stable")]
        order = [i for i in order if np.isfinite(found.variance_inflation[i])][:MOST_COLUMNS]
        if order:
            listed = [(names[i], f"{found.variance_inflation[i]:.2f}") for i in order]
            parts.append(html.table("Variance inflation", ("column", "factor"), listed))
            parts.append(
                html.paragraph(
                    "How many times the variance of a coefficient exceeds what it would be were its column unrelated to the others: 1 is"
                    f" best, above 10 is serious. Condition number {short(found.condition_number, 4)}, of columns of unit length"
                    f" {short(found.scaled_condition_number, 4)}."
                )
            )
    if not parts:
        return ""
    return html.section("tests", "Tests and collinearity", *parts)


def _tested(findings: Findings) -> Iterator[tuple[str, str]]:
    test = findings.breusch_pagan
    if test is not None:
        numbers = f"{short(test.statistic, 4)} on {degrees_text(test.degrees)}, {p_value_text(test.p_value)}"
        yield "Breusch-Pagan", f"{numbers}. A small p says that the spread changes with the columns."
    test = findings.reset
    if test is not None:
        degrees = degrees_text(test.degrees, test.residual_degrees)
        numbers = f"F = {short(test.f_statistic, 4)} on {degrees}, {p_value_text(test.f_p_value)}"
        yield "Ramsey's RESET", f"{numbers}. A small p says that a bend is left in the residuals."
    if findings.durbin_watson is not None:
        numbers = short(findings.durbin_watson, 4)
        yield (
            "Durbin-Watson",
            f"{numbers}. Far from 2 says that neighbouring rows are correlated, which matters where their order means something.",
        )
    if findings.overdispersion is not None:
        ratio, p_value = findings.overdispersion.ratio, findings.overdispersion.p_value
        yield (
            "Pearson dispersion",
            f"{short(ratio, 4)}, {p_value_text(p_value)}. Above 1, with a small p, counts vary more than the loss allows.",
        )


def _rows(findings: Findings) -> str:
    seen = findings.seen
    if seen is None or not findings.own or not np.isfinite(seen.cooks_distance).any():
        return ""
    rows: list[tuple[str, ...]] = []
    for i in [place for place in seen.influential if math.isfinite(seen.cooks_distance[place])][:SHOWN_ROWS]:
        observed = ", ".join(short(float(value)) for value in seen.targets[i, :4])
        predicted = ", ".join(short(float(value)) for value in seen.predictions[i, :4])
        pearson = ", ".join("" if math.isnan(value) else f"{value:.2f}" for value in seen.pearson[i, :4])
        leverage = f"{float(seen.leverage[i].sum()):.3g}"
        rows.append((f"{seen.numbers[i]:,}", observed, predicted, pearson, leverage, f"{float(seen.cooks_distance[i]):.3g}"))
    columns: tuple[str, ...] = ("row", "observed", "predicted", "standardised residual", "leverage", "Cook's distance")
    if all(not row[3] for row in rows):
        columns, rows = columns[:3] + columns[4:], [row[:3] + row[4:] for row in rows]
    reading = (
        "Rows are counted from 0, the first row of the data. Leverage is the share of its own prediction that a row decides; Cook's"
        " distance how far the coefficients would move without the row, in units of their uncertainty: above 0.5 is worth a look, above 1"
        " is large."
    )
    return html.section("rows", "Rows that matter most", html.table("The most influential rows", columns, rows), html.paragraph(reading))


def _footer() -> str:
    return html.element(
        "footer",
        html.paragraph(
            f"Made by gradline {__version__} on {date.today().isoformat()}. This page holds everything it shows and loads nothing."
        ),
    )
