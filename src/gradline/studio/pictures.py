"""The pictures of a fit's diagnostics as points to draw: the same numbers that ``gl.plot`` draws, for a page that draws itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import betaincinv, ndtri

from gradline.base.errors import GradlineError
from gradline.base.numbers import visible
from gradline.base.types import Array
from gradline.plot.calibrated import calibration_bins
from gradline.plot.diagnostic_sample import DiagnosticSample
from gradline.plot.influence import is_pearson
from gradline.plot.residual_plots import normal_quantiles
from gradline.plot.smooth import lowess, trend
from gradline.plot.subject import farthest, fitted_values, residual_name
from gradline.report.concerns import concerns
from gradline.report.findings import Findings, find
from gradline.studio.fitted import TOLD_BY_THE_FIT
from gradline.studio.plain import numbers

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_DRAWN = 2000
"""Points of a picture that travel to the page; the farthest are always among them."""

MOST_BINS = 4


def diagnostics(fit: Model, data: Any, name: str) -> dict[str, Any]:
    """Pictures, the concerns of the report, and what there is not, with the reason. In a few passes over the rows."""
    findings = find(fit, data, None, {}, name)
    pictures: list[dict[str, Any]] = []
    absent = [{"what": what.replace("_", " "), "why": why} for what, why in findings.absent.items() if what == "rows"]
    seen = findings.seen
    makers: list[tuple[str, Callable[[], Sequence[dict[str, Any]]]]] = []
    if seen is not None and seen.deviates.shape[0]:
        makers += [
            ("residuals", lambda: [_residuals(fit, seen)]),
            ("quantiles", lambda: [_quantiles(fit, seen)]),
            ("spread", lambda: [_spread(fit, seen)]),
            ("influence", lambda: [_leverage(fit, seen)] if findings.own and np.isfinite(seen.cooks_distance).any() else []),
        ]
    makers.append(("calibration", lambda: list(_calibration(findings))))
    for what, make in makers:
        try:
            pictures += make()
        except (GradlineError, np.linalg.LinAlgError) as error:
            absent.append({"what": what, "why": str(error)})
    told = [
        {"level": one.level, "title": one.title, "text": one.text, "remedy": one.remedy}
        for one in concerns(findings)
        if not one.title.endswith(TOLD_BY_THE_FIT)
    ]
    return {"pictures": pictures, "concerns": told, "absent": absent}


def _cloud(
    seen: DiagnosticSample,
    places: np.ndarray[Any, Any],
    x: Array,
    y: Array,
    far: Sequence[int],
    *,
    title: str,
    across: str,
    up: str,
    reading: str,
    line: tuple[Array, Array] | None = None,
    band: tuple[Array, Array, Array] | None = None,
) -> dict[str, Any]:
    """x, y: of the rows at ``places`` among those seen. far: of these places, the ones whose rows are named."""
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    kept = finite
    if len(finite) > MOST_DRAWN:
        always = np.isin(places[finite], np.asarray(far))
        others = np.flatnonzero(~always)
        drawn = others[np.linspace(0, len(others) - 1, MOST_DRAWN - int(always.sum())).astype(int)]
        kept = finite[np.sort(np.concatenate([np.flatnonzero(always), drawn]))]
    named = [int(i) for i in np.flatnonzero(np.isin(places[kept], np.asarray(far)))]
    return {
        "title": title,
        "across": visible(across),
        "up": visible(up),
        "reading": reading,
        "x": numbers(x[kept]),
        "y": numbers(y[kept]),
        "rows": [int(number) for number in seen.numbers[places[kept]]],
        "line": None if line is None else {"x": numbers(line[0]), "y": numbers(line[1])},
        "band": None if band is None else {"x": numbers(band[0]), "low": numbers(band[1]), "high": numbers(band[2])},
        "bars": None,
        "far": named,
        "drawn": len(kept),
        "of": seen.n,
    }


def _residuals(fit: Model, seen: DiagnosticSample) -> dict[str, Any]:
    x, across = fitted_values(fit, seen, 0)
    y = seen.residuals[:, 0] if seen.kind in ("standardised", "raw") else seen.deviates[:, 0]
    name = f"residual of {fit.observed_names[0]}" if seen.kind == "standardised" else residual_name(fit, seen, 0)
    return _cloud(
        *(seen, np.arange(len(x)), x, y, list(farthest(seen, 0))),
        title="Residuals",
        across=across,
        up=name,
        line=trend(fit.loss_function, seen, x, y, 0),
        reading="The cloud should have no shape and the line should stay near zero. A bend says that a column enters otherwise than as a"
        " straight line; a funnel says that the spread changes.",
    )


def _quantiles(fit: Model, seen: DiagnosticSample) -> dict[str, Any]:
    normal, places = normal_quantiles(seen, 0)
    y = seen.deviates[places, 0]
    ends = np.array([normal.min(), normal.max()])
    heights, band = ends, None
    if seen.kind == "raw":
        low, high = np.interp(ndtri([0.25, 0.75]), normal, y)
        slope = float((high - low) / (ndtri(0.75) - ndtri(0.25)))
        heights = low - slope * float(ndtri(0.25)) + slope * ends
    else:
        band = _band(seen.n)
    return _cloud(
        *(seen, places, normal, y, list(farthest(seen, 0))),
        title="Quantiles",
        across="quantile of the normal distribution",
        up=residual_name(fit, seen, 0),
        line=(ends, heights),
        band=band,
        reading="For a loss that assumes no distribution this only shows the tails: points that leave the line are rows far out."
        if seen.kind == "raw"
        else "Dots along the line, within the band, say that residuals are distributed as the model says. Ends that bend away are heavy"
        " tails: coefficients hardly mind, prediction intervals do.",
    )


def _band(n: int) -> tuple[Array, Array, Array]:
    """Where 95% of the order statistics of n standard normal deviates fall, each by itself, as in ``gl.plot.quantiles``."""
    ranks = np.unique(np.concatenate([np.arange(1, min(n, 20) + 1), np.geomspace(1, n, 60), n + 1 - np.geomspace(1, n, 60)]).round())
    ranks = ranks[(ranks >= 1) & (ranks <= n)]
    low, high = (ndtri(betaincinv(ranks, n + 1.0 - ranks, level)) for level in (0.025, 0.975))
    return ndtri((ranks - 0.5) / n), low, high


def _spread(fit: Model, seen: DiagnosticSample) -> dict[str, Any]:
    x, across = fitted_values(fit, seen, 0)
    y = np.sqrt(np.abs(seen.deviates[:, 0]))
    kept = seen.sampled & np.isfinite(y)
    return _cloud(
        *(seen, np.arange(len(x)), x, y, list(farthest(seen, 0))),
        title="Spread",
        across=across,
        up="root of the size of residuals",
        line=lowess(x[kept], y[kept]),
        reading="The line should be level. Where it rises, rows with large predictions vary more than those with small ones, and standard"
        " errors should allow for it.",
    )


def _leverage(fit: Model, seen: DiagnosticSample) -> dict[str, Any]:
    x = seen.leverage.sum(axis=1)
    pearson = is_pearson(seen)
    y = seen.pearson[:, 0] if pearson else seen.cooks_distance
    return _cloud(
        *(seen, np.arange(len(x)), x, y, [int(i) for i in seen.influential[:3]]),
        title="Influence",
        across="leverage",
        up=f"standardised residual of {fit.observed_names[0]}" if pearson else "Cook's distance",
        reading="To the right lie rows with unusual columns, far up or down those with unusual targets. A row that is both moves the"
        " model.",
    )


def _calibration(findings: Findings) -> Iterator[dict[str, Any]]:
    fit = findings.fit
    bins = calibration_bins(findings.given.diagnosis.rows.problem, fit.solution.coefficients)
    quantile = fit.loss_function.quantile_level
    names = fit.observed_names
    for j, one in enumerate(bins[:MOST_BINS]):
        name = visible(names[min(j, len(names) - 1)])
        if fit.loss_function.target_kind == "class" and j < len(fit.class_names):
            name = f"{name} = {visible(fit.class_names[j])}"
        ends = np.array([float(one.predicted.min()), float(one.predicted.max())])
        heights = ends if quantile is None else np.full(2, quantile)
        yield {
            "title": "Calibration" if len(bins) == 1 else f"Calibration, {name}",
            "across": f"predicted {name}",
            "up": f"observed {name}" if quantile is None else "share of rows not above their prediction",
            "reading": "Each dot stands for a bin of rows with similar predictions, and its line for the interval of what is observed."
            " Dots on the line say that predictions are right on average there.",
            "x": numbers(one.predicted),
            "y": numbers(one.observed),
            "rows": [],
            "line": {"x": numbers(ends), "y": numbers(heights)},
            "band": None,
            "bars": {"low": numbers(one.lower), "high": numbers(one.upper)},
            "far": [],
            "drawn": int(one.counts.sum()),
            "of": int(one.counts.sum()),
        }


def path_answer(found: Any, penalty: str) -> dict[str, Any]:
    """A path of a penalty: the coefficients that grow largest, and what was held out."""
    first = int(found.template.has_intercept)
    slopes = found.coefficients[:, first:, 0]
    order = np.argsort(-np.abs(slopes).max(axis=0), kind="stable")[:20]
    held = found.held_out
    return {
        "penalty": penalty,
        "strengths": numbers(found.strengths),
        "names": [visible(found.names[first + int(i)]) for i in order],
        "coefficients": [numbers(slopes[:, int(i)]) for i in order],
        "columns": int(slopes.shape[1]),
        "nonzero": [int(count) for count in found.nonzero],
        "heldOut": {"mean": numbers(held.mean), "error": numbers(held.error), "how": held.how},
        "best": int(found.best_place),
        "withinOneError": int(found.within_one_error_place),
    }
