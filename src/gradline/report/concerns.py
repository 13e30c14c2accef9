"""What a reader should know before using a model: the worst first, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradline.base.numbers import counted, short, visible
from gradline.report.findings import Findings
from gradline.report.wording import degrees_text, p_value_text
from gradline.summary.constraints import constraints_line, interval_facts

CHANCE = 0.01
"""P-values below this raise a concern: three tests a report would otherwise cry wolf too often."""

LARGE_DISTANCE, HUGE_DISTANCE = 0.5, 1.0
"""Cook's distance: worth a look, and large. Cook and Weisberg (1982), Residuals and Influence in Regression, section 3.5."""

LARGE_INFLATION = 10.0
"""Variance inflation that is commonly called serious. Belsley, Kuh and Welsch (1980), Regression Diagnostics, section 3.3."""

AUTOCORRELATED = 0.5
"""How far from 2 the Durbin-Watson statistic must be, beside chance: neighbours then correlate by 0.25."""

OVERDISPERSED = 1.2

MANY_DROPPED = 0.1
"""The share of rows left out from which it is serious."""

ROBUST = ("HC0", "HC1", "HC2", "HC3", "cluster", "newey-west")
"""Kinds of covariance that hold whatever the variance of each row."""

MOST_NAMED = 10


@dataclass(frozen=True)
class Concern:
    """level: "serious" where numbers on the page cannot be taken as they are, "look" where somebody should look, "note" for the record.

    title: what, in a few words; text: what was found; remedy: what to do, a sentence; code: pieces of it to copy.
    """

    level: Literal["serious", "look", "note"]
    title: str
    text: str
    remedy: str = ""
    code: tuple[str, ...] = ()

    def in_words(self, words: Callable[[str], str]) -> Concern:
        """The same in other words."""
        return Concern(self.level, words(self.title), words(self.text), words(self.remedy), tuple(words(piece) for piece in self.code))


def concerns(findings: Findings) -> tuple[Concern, ...]:
    """All there are, serious ones first."""
    found = [
        concern
        for check in (
            _rows,
            _convergence,
            _constrained,
            _dropped,
            _aliased,
            _collinear,
            _influential,
            _spread,
            _overdispersed,
            _shape,
            _order,
        )
        for concern in check(findings)
    ]
    return tuple(sorted(found, key=lambda concern: ("serious", "look", "note").index(concern.level)))


def _rows(findings: Findings) -> Iterator[Concern]:
    if not findings.own:
        yield Concern(
            "note",
            "On new data",
            f"The rows of {findings.data} are not those the model was fitted to ({counted(findings.fit.rows_used, 'row')}): their number,"
            " targets or weights differ. Residuals and calibration below are of these rows; leverage, influence and tests of the fit itself"
            " are left out.",
        )


def _convergence(findings: Findings) -> Iterator[Concern]:
    certificate = findings.fit.certificate
    if not certificate.converged:
        yield Concern(
            "serious",
            "The fit did not converge",
            f"{_sentence(certificate.reason)} The coefficients are not those of the minimum, and nothing that rests on"
            " them can be trusted.",
            _sentence(certificate.remedy) if certificate.remedy else "",
        )
    for note in findings.fit.solution.notes:
        yield Concern("look", "The solver says" if findings.fit.absorbed is None else "Of the absorbed levels", _sentence(note))
    inference = findings.fit.inference
    if inference is not None and not inference.has_intervals and inference.unavailable:
        yield Concern("look", "No standard errors", _sentence(inference.unavailable))
    for note in () if inference is None else inference.notes:
        yield Concern("look", "About the standard errors", _sentence(note))


def _constrained(findings: Findings) -> Iterator[Concern]:
    fit = findings.fit
    if fit.constraints is None:
        return
    yield Concern("note", "Constraints", _sentence(constraints_line(fit)))
    for fact in interval_facts(fit):
        if fact.tone == "bad":
            yield Concern(
                "serious",
                "The data does not support the constraints",
                _sentence(fact.text),
                "Look at the rows and at the constraints: one of the two is not what it was taken for.",
            )


def _dropped(findings: Findings) -> Iterator[Concern]:
    fit = findings.fit
    of_levels = () if fit.absorbed is None else ("singletons", "separated")
    left = {visible(reason): count for reason, count in fit.rows_dropped.items() if count and reason not in of_levels}
    total = sum(left.values())
    if not total:
        return
    share = total / (total + fit.rows_used)
    reasons = ", ".join(f"{count:,} ({reason})" for reason, count in left.items())
    yield Concern(
        "serious" if share > MANY_DROPPED else "look",
        f"{counted(total, 'row')} left out of the fit",
        f"{100 * share:.2g}% of the rows: {reasons}. The model speaks for complete rows only.",
        "Find out whether rows with a gap differ from the others; if they do, the coefficients are biased.",
    )


def _aliased(findings: Findings) -> Iterator[Concern]:
    names = [visible(name) for name in findings.fit.aliased]
    levels = "" if findings.fit.absorbed is None else "the absorbed levels or "
    others = f"{levels}earlier columns determine"
    if names:
        yield Concern(
            "look",
            "Columns left out as redundant",
            f"{_listed(names)}: {others} {'it' if len(names) == 1 else 'them'} exactly, so that"
            f" {'it has' if len(names) == 1 else 'they have'} no coefficient of {'its' if len(names) == 1 else 'their'} own.",
            "Nothing is wrong with predictions; leave the columns out of the formula to have a model without gaps.",
        )


def _collinear(findings: Findings) -> Iterator[Concern]:
    found = findings.collinearity
    if found is None:
        return
    order = np.argsort(-np.nan_to_num(found.variance_inflation, nan=0.0), kind="stable")
    high = [int(i) for i in order if found.variance_inflation[i] > LARGE_INFLATION]
    if not high:
        return
    named = [f"{visible(findings.fit.names[i])} ({short(float(found.variance_inflation[i]), 3)})" for i in high]
    alone = findings.fit.absorbed is None
    yield Concern(
        "look",
        "Collinear columns",
        f"Variance inflation above {LARGE_INFLATION:g}: {_listed(named)}. These columns nearly repeat one another (scaled condition number"
        f" {short(found.scaled_condition_number, 3)}): their coefficients are uncertain one by one, though predictions need not be.",
        "Read them together, leave some out, or add a ridge." if alone else "Read them together, or leave some out.",
        ('penalty=gl.penalties.ridge("auto")',) if alone else (),
    )


def _influential(findings: Findings) -> Iterator[Concern]:
    seen = findings.seen
    if seen is None or not findings.own:
        return
    rows = [int(i) for i in seen.influential if seen.cooks_distance[i] > LARGE_DISTANCE]
    if rows:
        worst = float(seen.cooks_distance[rows[0]])
        named = [f"row {seen.numbers[i]:,} ({short(float(seen.cooks_distance[i]), 3)})" for i in rows]
        more = " and perhaps more" if len(rows) == len(seen.influential) else ""
        yield Concern(
            "serious" if worst > HUGE_DISTANCE else "look",
            f"{counted(len(rows), 'influential row')}",
            f"Cook's distance above {LARGE_DISTANCE:g}: {_listed(named)}{more}, counted from row 0. Leaving"
            f" {'it' if len(rows) == 1 and not more else 'one of them'} out would move the coefficients a large part of the way to the edge"
            " of their joint confidence region, or beyond it.",
            "Look at these rows first: a wrong unit or a typing error? If they are right, a robust loss lets no row decide alone.",
            (_robust_loss(findings),) if findings.fit.loss_function.squared_scale() is not None else (),
        )
    alone = int((seen.leverage >= 1.0 - 1e-10).any(axis=1).sum())
    if alone:
        where = seen.numbers[(seen.leverage >= 1.0 - 1e-10).any(axis=1)][:MOST_NAMED]
        yield Concern(
            "look",
            f"{counted(alone, 'row')} with a coefficient to themselves" if alone > 1 else "A row with a coefficient to itself",
            f"{_listed([f'row {number:,}' for number in where])}: leverage 1, so that the model passes through"
            f" {'it' if alone == 1 else 'them'} whatever the target is, as for the only row of a level.",
            "Join rare levels, or leave the column out.",
        )


def _robust_loss(findings: Findings) -> str:
    """Huber's, whose scale absorbed levels do not let be estimated beside them."""
    inference = findings.fit.inference
    if findings.fit.absorbed is None or inference is None or inference.statistics.dispersion is None:
        return 'loss=gl.losses.huber(1.35, scale="joint")'
    return f"loss=gl.losses.huber({1.35 * float(np.sqrt(inference.statistics.dispersion[0])):.3g})"


def _spread(findings: Findings) -> Iterator[Concern]:
    test = findings.breusch_pagan
    if test is None or not test.p_value < CHANCE:
        return
    inference = findings.fit.inference
    kind = None if inference is None or inference.covariance is None else inference.covariance.kind
    found = f"Breusch-Pagan {short(test.statistic, 4)} on {degrees_text(test.degrees)}, {p_value_text(test.p_value)}."
    if kind in ROBUST:
        yield Concern(
            "note",
            "The spread changes",
            f"{found} The variance of the residuals depends on the columns; the standard errors on this page ({kind}) allow for that, but"
            " prediction intervals that assume one variance do not.",
        )
        return
    yield Concern(
        "serious",
        "The spread changes (heteroscedasticity)",
        f"{found} The variance of the residuals depends on the columns, and {'the ' + kind if kind else 'classical'} standard errors assume"
        " that it does not: intervals and p-values on this page are too narrow or too wide.",
        "Ask for standard errors that hold whatever the variance, or model the spread as well.",
        ('covariance="HC3"',),
    )


def _overdispersed(findings: Findings) -> Iterator[Concern]:
    if findings.overdispersion is None:
        return
    found, inference = findings.overdispersion, findings.fit.inference
    if not (found.ratio > OVERDISPERSED and found.p_value < CHANCE):
        return
    # Robust errors take the trials of a share that are its frequency for rows of their own.
    robust = inference is not None and inference.covariance is not None and inference.covariance.kind in ROBUST and not found.as_trials
    counts = findings.fit.loss_function.is_equidispersed
    varied = "counts vary more than their mean allows" if counts else "shares vary more than their trials allow"
    remedy = "Take a loss with a larger variance, or standard errors that do not assume one."
    code: tuple[str, ...] = ('loss="negative_binomial"', 'covariance="HC3"')
    if not counts:
        remedy = "The trials of a row resemble each other, or a column is missing: add it, or take standard errors that assume no variance."
        code = ('covariance="HC3"',)
    if found.as_trials:
        remedy += " They need the trials as weights= in place of frequencies=, which are rows that have nothing to do with each other."
        code = ('weights="trials"', *code)
    yield Concern(
        "note" if robust else "serious",
        f"More spread than {'a Poisson count has' if counts else 'binomial counts have'} (overdispersion)",
        f"Pearson's chi-squared is {short(found.ratio, 3)} times its degrees of freedom ({p_value_text(found.p_value)}): {varied}"
        + ("." if robust else ", and standard errors on this page are too small."),
        remedy,
        code,
    )


def _shape(findings: Findings) -> Iterator[Concern]:
    test = findings.reset
    if test is not None and test.f_p_value < CHANCE:
        yield Concern(
            "look",
            "A bend is left (misspecification)",
            f"Powers of the fitted values still explain something: RESET F = {short(test.f_statistic, 4)} on"
            f" {degrees_text(test.degrees, test.residual_degrees)}, {p_value_text(test.f_p_value)}. A straight line in these columns is"
            " not the whole story.",
            "Look at the residuals and the partial regressions for bends; transform a column, or add a curve or an interaction.",
            ("poly(x, 2)", "bs(x, df=5)", "log(x)", "x1:x2"),
        )


def _order(findings: Findings) -> Iterator[Concern]:
    statistic, absorbed = findings.durbin_watson, findings.fit.absorbed
    if statistic is None or findings.seen is None:
        return
    # Without autocorrelation the statistic is about normal with variance 4 / n.
    if abs(statistic - 2.0) > max(AUTOCORRELATED, 3.0 * 2.0 / np.sqrt(findings.seen.n)):
        alike = "alike" if statistic < 2 else "unlike"
        yield Concern(
            "look",
            "Neighbouring rows are " + alike,
            f"Durbin-Watson {short(statistic, 3)}, where 2 means that neighbours have nothing in common. If the rows are in the order of"
            " time (or of anything else), the errors are correlated, and standard errors that take them as independent are wrong.",
            "For rows in the order of time ask for errors that allow for it; for rows in groups, cluster by group."
            if absorbed is None
            else "Cluster by the groups within which errors are alike.",
            ('covariance=("newey-west", 4)', 'covariance=("cluster", groups)')
            if absorbed is None
            else (f'covariance=("cluster", {absorbed.columns[0]!r})',),
        )


def _sentence(text: str) -> str:
    text = visible(text.strip())
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def _listed(names: list[str]) -> str:
    shown = names[:MOST_NAMED]
    return ", ".join(shown) + (f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else "")
