"""A fit as the page shows it: warnings first, coefficients with errors, and the facts of its summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradline.base.numbers import counted, visible
from gradline.studio.plain import number, numbers
from gradline.summary.coefficient_table import coefficient_table
from gradline.summary.content import summarise
from gradline.summary.uncertainty import LEVEL, uncertainty_of

if TYPE_CHECKING:
    from gradline.api.result import Fit

MOST_COEFFICIENTS = 1000
MOST_CURVES = 12

TOLD_BY_THE_FIT = ("The fit did not converge", "Columns left out as redundant", "left out of the fit", "The solver says")
"""Titles of the report's concerns that a fit has warned of already."""


def fitted(fit: Fit, key: str, formula: str, notes: Sequence[str], classes: tuple[str, str] | None = None) -> dict[str, Any]:
    """What the page shows of a fit. notes: the warnings that it gave. classes: of a text target, those that count as 0 and 1."""
    table = coefficient_table(fit).columns
    uncertainty = uncertainty_of(fit)
    shown = range(min(len(table["name"]), MOST_COEFFICIENTS))
    certificate = fit.certificate
    summary = summarise(fit)
    return {
        "key": key,
        "formula": formula,
        "classes": classes,
        "rowsUsed": fit.rows_used,
        "rowsDropped": dict(fit.rows_dropped),
        "loss": fit.loss_name,
        "objective": number(fit.loss),
        "statistic": uncertainty.statistic_name or None if uncertainty is not None else None,
        "level": LEVEL,
        "coefficients": [_coefficient(table, i, len(fit.predictor_names) > 1) for i in shown],
        "coefficientsLeftOut": len(table["name"]) - len(shown),
        "certificate": {
            "converged": certificate.converged,
            "reason": certificate.reason,
            "remedy": certificate.remedy,
            "gradientNorm": number(certificate.gradient_norm),
        },
        "warnings": list(_warnings(fit, notes)),
        "facts": [{"label": fact.label, "text": fact.text, "tone": fact.tone} for fact in (*summary.head, *summary.foot)],
        "curves": list(_curves(fit)),
        "variables": list(_variables(fit)),
        "passes": fit.solution.passes,
        "seconds": number(fit.seconds) or 0.0,
    }


def _coefficient(table: Any, i: int, several: bool) -> dict[str, Any]:
    def of(name: str) -> float | None:
        return number(table[name][i]) if name in table else None

    return {
        "predictor": visible(table["predictor"][i]) if several else "",
        "name": visible(table["name"][i]),
        "estimate": None if table["left_out"][i] else of("coefficient"),
        "error": of("standard_error"),
        "statistic": of("statistic"),
        "p": of("p_value"),
        "low": of("lower"),
        "high": of("upper"),
    }


def _warnings(fit: Fit, notes: Sequence[str]) -> Iterator[dict[str, str]]:
    certificate = fit.certificate
    if not certificate.converged:
        yield _concern("serious", "The fit did not converge", certificate.reason, certificate.remedy)
    left = {reason: count for reason, count in fit.rows_dropped.items() if count}
    total = sum(left.values())
    if total:
        share = total / (total + fit.rows_used)
        yield _concern(
            "serious" if share > 0.1 else "look",
            f"{counted(total, 'row')} left out of the fit",
            f"{100 * share:.2g}% of the rows: {', '.join(f'{count:,} ({visible(reason)})' for reason, count in left.items())}.",
            "Find out whether rows with a gap differ from the others; if they do, the coefficients are biased.",
        )
    # A solver's note may have been a warning too: each is said once.
    for note in {_sentence(note): note for note in (*notes, *fit.solution.notes)}.values():
        # What did not converge is said above, in the words of its certificate.
        if certificate.converged or certificate.reason not in note:
            yield _concern("look", "", note, "")


def _concern(level: str, title: str, text: str, remedy: str) -> dict[str, str]:
    return {"level": level, "title": title, "text": _sentence(text), "remedy": _sentence(remedy)}


def _sentence(text: str) -> str:
    text = visible(text.strip())
    return text if not text else text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _curves(fit: Fit) -> Iterator[dict[str, Any]]:
    from gradline.model.curves import learned_curve

    drawn = [curve for curve in fit.curves if len(learned_curve(fit, curve).variables) == 1]
    for curve in drawn[:MOST_CURVES]:
        band = fit.curve(curve.name)
        yield {
            "name": visible(curve.name),
            "x": numbers(band.values[:, 0]),
            "y": numbers(band.estimate),
            "low": numbers(band.lower),
            "high": numbers(band.upper),
        }


def _variables(fit: Fit) -> Iterator[str]:
    """Columns of the table that the model reads."""
    if fit.encoder is None:
        yield from (name for name in fit.names[int(fit.has_intercept) :])
        return
    yield from dict.fromkeys(fit.encoder.feature_columns)
