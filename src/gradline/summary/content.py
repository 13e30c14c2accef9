"""What a summary says, before anybody decides how it looks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import ArgumentTypeError
from gradline.base.numbers import column, counted, duration, probability, short, visible
from gradline.base.types import Array
from gradline.inference.absent import NoInference
from gradline.model.record import class_against, in_curve, set_to_zero
from gradline.penalties.curves import curves_chosen_by
from gradline.penalties.kinds import parameters_of
from gradline.penalties.kinked_penalty import chosen_by
from gradline.penalties.protocol import Penalty
from gradline.penalties.ridge import was_chosen
from gradline.summary.constraints import constraints_line, interval_facts
from gradline.summary.curves import curve_blocks
from gradline.summary.parts import Block, Fact, Row
from gradline.summary.references import reference_lines
from gradline.summary.uncertainty import LEVEL, errors_line, inference_of, measures, slopes_line, uncertainty_of
from gradline.summary.wording import absorbed_line, call, model_line, solver_line

if TYPE_CHECKING:
    from gradline.model.record import Model
    from gradline.summary.render import Summary

MOST_ROWS = 100
"""Coefficients shown of each linear predictor; ``Fit.table()`` has them all."""


def summarise(fit: Model, exponentiate: bool = False, level: float = LEVEL) -> Summary:
    """The summary of a fit. exponentiate: of exp of the coefficients. level: of the intervals. Raises TypeError and ValueError for what is
    no truth value and no level."""
    from gradline.inference.intervals import check_level
    from gradline.summary.render import Summary

    if not isinstance(exponentiate, bool | np.bool_):
        number = isinstance(exponentiate, int | float) and 0 < exponentiate < 1
        hint = f"; for the level of the intervals write level={exponentiate:g}" if number else ""
        raise ArgumentTypeError(f"exponentiate must be True or False, not {exponentiate!r}{hint}")
    check_level(level)
    return Summary(
        title=f"Linear model of {', '.join(visible(name) for name in fit.target_names[:6])}{', ...' if len(fit.target_names) > 6 else ''}",
        head=(*_head(fit), *((Fact("shown", _RATIOS),) if exponentiate else ())),
        blocks=(*(_block(fit, j, bool(exponentiate), level) for j in range(len(fit.predictor_names))), *curve_blocks(fit)),
        foot=tuple(_foot(fit)),
    )


def shown_coefficients(fit: Model, predictor: int) -> Sequence[int]:
    """The design columns that a linear predictor can use: those of its own formula; the intercept where it is one number for all rows.
    Those of curves are left out."""
    if fit.encoder is not None and fit.encoder.mask.shape[1] > 1:
        return [int(i) for i in fit.encoder.mask[:, predictor].nonzero()[0] if not in_curve(fit, int(i), predictor)]
    only, without = fit.loss_function.intercept_only, fit.loss_function.without_intercept
    first = int(fit.has_intercept) if without and without[predictor] else 0
    shown = range(first, 1 if only and only[predictor] else len(fit.names))
    return [i for i in shown if not in_curve(fit, i, predictor)] if fit.curves else shown


def _head(fit: Model) -> Iterator[Fact]:
    yield model_line(fit)
    yield Fact("loss", call(fit.loss_name, fit.loss_function.parameters) + _own(fit))
    if fit.loss_function.meaning:
        yield Fact("meaning", meaning_of(fit))
    if fit.penalty is not None:
        yield Fact(
            "penalty",
            call(fit.penalty.name, parameters_of(fit.penalty)) + "; the intercept is not penalised" + _chosen(fit.penalty),
        )
    if fit.constraints is not None:
        yield Fact("constraints", constraints_line(fit))
    yield Fact("solver", solver_line(fit))
    yield Fact("rows", _rows(fit))
    yield from reference_lines(fit)
    if fit.absorbed is not None:
        yield Fact("absorbed", absorbed_line(fit.absorbed))


def _chosen(penalty: Penalty) -> str:
    """How the data chose the penalty's strength; empty where it was given."""
    if was_chosen(penalty):
        return "; its strength was chosen by leave-one-out, and standard errors take it as given"
    of_curves = curves_chosen_by(penalty)
    if of_curves:
        return f"; strengths of curves chosen by {of_curves}"
    how = chosen_by(penalty)
    return f"; its strength has the least loss in {how}" if how else ""


def _own(fit: Model) -> str:
    loss = fit.loss_function
    framework = loss.written.framework
    if framework is None:
        return ""
    name = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}[framework]
    scale = loss.squared_scale()
    is_squared = "" if scale is None else "; it is squared loss" if scale == 1 else f"; it is {short(scale)} times squared loss"
    return f", your own, differentiated by {name}{is_squared}"


def _rows(fit: Model) -> str:
    text = f"{fit.rows_used:,} used"
    left = {reason: count for reason, count in fit.rows_dropped.items() if count}
    if left:
        reasons = "; ".join(f"{visible(reason)}: {count:,}" for reason, count in left.items())
        text += f", {sum(left.values()):,} left out ({reasons})"
    return text


def _block(fit: Model, predictor: int, exponentiate: bool, level: float) -> Block:
    everything = shown_coefficients(fit, predictor)
    shown = _first_of(fit, predictor, everything)
    kept = [i for i in shown if i not in fit.solution.aliased]
    columns = _columns(fit, predictor, kept, exponentiate, level)
    cells = dict(zip(kept, zip(*columns.values(), strict=True), strict=True))
    return Block(
        heading_of(fit, predictor),
        tuple(columns),
        tuple(Row(visible(fit.names[i]), cells.get(i, ("left out", *[""] * (len(columns) - 1))), i not in cells) for i in shown),
        len(everything) - len(shown),
    )


def _first_of(fit: Model, predictor: int, everything: Sequence[int]) -> Sequence[int]:
    """The coefficients that there is room for; where there is not enough, none that a penalty set to zero."""
    zero = set_to_zero(fit)
    if len(everything) <= MOST_ROWS or zero is None:
        return everything[:MOST_ROWS]
    return [i for i in everything if not zero[i, predictor]][:MOST_ROWS]


def meaning_of(fit: Model) -> str:
    """What a coefficient means, the first class by its name."""
    meaning = fit.loss_function.meaning
    return meaning.replace("against class 0 ", f"against {visible(fit.class_names[0])} ") if class_against(fit, 0) else meaning


def heading_of(fit: Model, predictor: int) -> str:
    """The name of a linear predictor, where there are several; of the log odds of one class against the first, both by their names."""
    names, against = fit.predictor_names, class_against(fit, predictor)
    if len(names) == 1:
        return ""
    return f"{visible(names[predictor])}: {against}" if against else visible(names[predictor])


_RATIOS = "exp of the coefficients and of the ends of their intervals; std errors by the delta method; the tests are the coefficients' own"

_NAMES_OF_RATIOS = {"log_odds": "odds ratio", "log_mean": "ratio of means", "class_": "odds ratio", "log_dispersion": "dispersion"}
"""What exp of a coefficient is called, by the name of its linear predictor."""


def _columns(fit: Model, predictor: int, kept: list[int], exponentiate: bool, level: float) -> Mapping[str, list[str]]:
    shape = fit.solution.coefficients.shape
    name = "coefficient"
    if exponentiate:
        called = fit.loss_function.predictor_names(len(fit.target_names))[predictor]
        name = next((words for start, words in _NAMES_OF_RATIOS.items() if called.startswith(start)), "exp(coef)")

    def shown(values: Array) -> list[float]:
        with np.errstate(over="ignore"):
            return [float(value) for value in np.exp(of(values))] if exponentiate else of(values)

    def of(values: Array) -> list[float]:
        return [float(value) for value in np.reshape(values, shape)[kept, predictor]]

    uncertainty = uncertainty_of(fit, level)
    zero = set_to_zero(fit)
    out = [zero is not None and bool(zero[i, predictor]) for i in kept]

    def marked(cells: list[str]) -> list[str]:
        return ["zero" if gone and not exponentiate else cell for cell, gone in zip(cells, out, strict=True)]

    if uncertainty is None:
        columns = {name: marked(column(shown(fit.coefficients)))}
        if fit.digits is not None:
            columns["digits"] = [f"{math.floor(value)}" if math.isfinite(value) else "" for value in of(fit.digits)]
        return columns
    # One set of decimals, so that a coefficient and the ends of its interval can be compared.
    estimates = fit.solution.coefficients if uncertainty.estimates is None else uncertainty.estimates
    alike = column(shown(fit.coefficients) + shown(uncertainty.lower) + shown(uncertainty.upper) + shown(estimates), 5)
    n = len(kept)
    columns = {name: marked(alike[:n])}
    if uncertainty.estimates is not None:
        columns[uncertainty.estimate_name] = alike[3 * n :]
    if uncertainty.standard_errors is not None and uncertainty.statistics is not None:
        errors = of(uncertainty.standard_errors)
        if exponentiate:
            errors = [error * ratio for error, ratio in zip(errors, shown(estimates), strict=True)]
        columns["std error"] = column(errors, 4)
        found = of(uncertainty.statistics)
        columns[uncertainty.statistic_name] = [f"{value:.2f}" if abs(value) < 1e5 else f"{value:.1e}" for value in found]
    columns |= {"p": [probability(value) for value in of(uncertainty.p_values)]}
    columns |= {f"{100 * level:.4g}% from": alike[n : 2 * n], "to": alike[2 * n : 3 * n]}
    only = fit.loss_function.intercept_only
    if exponentiate and only and only[predictor]:
        # That a dispersion or a scale is 1 is nobody's question.
        columns |= {untested: [""] * n for untested in (uncertainty.statistic_name, "p") if untested in columns}
    if uncertainty.standard_errors is None:
        # There is nothing to say of what was not kept.
        columns = {name: ["" if cell == "nan" else cell for cell in cells] for name, cells in columns.items()}
    return columns


def _foot(fit: Model) -> Iterator[Fact]:
    if fit.aliased:
        names = ", ".join(visible(name) for name in fit.aliased[:MOST_ROWS]) + (", ..." if len(fit.aliased) > MOST_ROWS else "")
        others = "constant, or earlier columns" if fit.absorbed is None else "the absorbed levels or earlier columns"
        yield Fact("left out", f"{names}: {others} determine {'it' if len(fit.aliased) == 1 else 'them'}")
    yield Fact("fit", "; ".join(_measures(fit)))
    zero = set_to_zero(fit)
    if zero is not None:
        slopes, out = zero[int(fit.has_intercept) :].size - sum(curve.stop - curve.start for curve in fit.curves), int(zero.sum())
        yield Fact("kept", f"{slopes - out:,} of {slopes:,} slopes" + ("; the penalty set the others to exactly zero" if out else ""))
    inference = inference_of(fit)
    if inference is not None:
        yield from slopes_line(fit)
        yield Fact("errors", errors_line(inference))
        if fit.constraints is not None:
            yield from interval_facts(fit)
    elif isinstance(fit.uncertainty, NoInference):
        yield Fact("errors", f"none: {fit.uncertainty.reason}")
    if fit.digits is not None:
        kept = fit.solution.digits[[i for i in range(len(fit.names)) if i not in fit.solution.aliased]]  # type: ignore[index]
        if kept.size and np.isfinite(kept).all():
            yield Fact("digits", f"at least {math.floor(kept.min())} certain in every coefficient")
    certificate = fit.certificate
    if certificate.converged:
        yield Fact("converged", f"yes: {certificate.reason}", "good")
    else:
        yield Fact("converged", f"NO: {certificate.reason}" + (f". {certificate.remedy}" if certificate.remedy else ""), "bad")
    yield from (Fact("note", note) for note in (*fit.solution.notes, *(() if inference is None else inference.notes)))
    if fit.solution.learning_rate is not None:
        yield Fact("learning rate", short(fit.solution.learning_rate))
    passes = f"{counted(fit.solution.passes, 'pass', 'passes')} over the rows"
    yield Fact("time", passes if fit.seconds is None else f"{duration(fit.seconds)}, {passes}")


def _measures(fit: Model) -> Iterator[str]:
    """What there is to say of how well the model fits: a quantity that the loss does not have is absent."""
    penalised = 0.0 if fit.penalty is None else fit.penalty.value(fit.solution.coefficients[int(fit.has_intercept) :])
    mean = fit.loss - penalised
    yield f"mean loss {short(mean)}"
    if fit.penalty is not None:
        yield f"with the penalty {short(fit.loss)}"
    scale = fit.loss_function.squared_scale()
    if scale is not None and len(fit.target_names) == 1 and mean >= 0:
        yield f"root mean squared residual {short(math.sqrt(mean / scale))}"
    if fit.absorbed is not None and math.isfinite(fit.absorbed.within_r_squared):
        yield f"R-squared within the levels {short(fit.absorbed.within_r_squared)}"
    inference = inference_of(fit)
    if inference is not None:
        yield from measures(inference)
