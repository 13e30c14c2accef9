"""Sentences of a summary that take some choosing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gradline.base.numbers import short, visible
from gradline.summary.parts import Fact

if TYPE_CHECKING:
    from gradline.model.absorbed import AbsorbedLevels
    from gradline.model.record import Model

_SOLVERS = {
    "least_squares": "least squares",
    "PiecewiseLinear": "piecewise linear",
    "ActiveSetNewton": "active-set Newton",
    "ProximalNewton": "proximal Newton",
    "NewtonCG": "Newton by conjugate gradients",
}

_MOST_COLUMNS = 12
"""Columns named in the line that says what the model is; the table below names them all."""


def model_line(fit: Model) -> Fact:
    """The formula as the user wrote it; otherwise the target and the columns."""
    if fit.encoder is not None:
        return Fact("formula", visible(formula_text(fit.encoder.to_json()["formulas"])))
    columns = [visible(name) for name in fit.names[int(fit.has_intercept) :]]
    terms = columns if len(columns) <= _MOST_COLUMNS else [*columns[: _MOST_COLUMNS - 1], f"... {len(columns) - _MOST_COLUMNS + 1:,} more"]
    right = " + ".join(terms or ["1"]) + ("" if fit.has_intercept else " - 1")
    targets = [visible(name) for name in fit.target_names]
    left = targets if len(targets) <= _MOST_COLUMNS else [*targets[: _MOST_COLUMNS - 1], f"... {len(targets) - _MOST_COLUMNS + 1:,} more"]
    return Fact("model", f"{', '.join(left)} ~ {right}")


def formula_text(formulas: Sequence[Mapping[str, Any]]) -> str:
    """A formula as it was written; several as "mean: y ~ x; log_scale: ~ x"."""
    return "; ".join(f"{part['predictor']}: {part['text']}" if part["predictor"] else str(part["text"]) for part in formulas)


def absorbed_line(absorbed: AbsorbedLevels) -> str:
    """Which categories, how many levels, and what they cost."""
    parts = [f"{visible(own.name)} ({len(own.levels):,} levels)" for own in absorbed.categories]
    text = f"{', '.join(parts)}; {absorbed.degrees:,} degrees of freedom"
    if absorbed.counted != absorbed.degrees:
        text += f", {absorbed.counted:,} counted for clusters, since levels nested in clusters are not"
    return text + (f"; {absorbed.sets:,} sets that no row connects" if absorbed.sets > 1 else "")


def call(name: str, parameters: Mapping[str, Any]) -> str:
    """Such as ``huber(threshold=1.35, scale=1)``; the name alone without parameters."""
    shown = ", ".join(f"{key}={short(value) if isinstance(value, float) else value}" for key, value in parameters.items())
    return f"{visible(name)}({shown})" if shown else visible(name)


def solver_line(fit: Model) -> str:
    """Which solver, and why that one."""
    name = _SOLVERS.get(fit.solver, fit.solver)
    why = "your choice" if fit.solver_asked else _why(fit)
    return f"{name}: {why}" if why else name


def _why(fit: Model) -> str:
    """What ``solvers/registry.py`` went by."""
    if fit.solver == "least_squares":
        return "squared loss is solved exactly"
    if fit.solver == "Newton":
        return "the loss is smooth, so its curvature leads straight to the minimum"
    if fit.solver == "L-BFGS":
        if fit.loss_function.joint:
            return "the loss is one number of all rows together, so a row has no curvature of its own"
        return f"{fit.solution.coefficients.size:,} coefficients are too many for a curvature matrix"
    if fit.solver == "PiecewiseLinear":
        return "the loss is piecewise linear: smoothed first, then solved to the exact vertex"
    if fit.solver == "ActiveSetNewton":
        return "the loss has kinks, on which some rows are held; the others have curvature"
    if fit.solver == "gradient descent":
        return f"the loss has kinks, and {fit.solution.coefficients.size:,} coefficients are too many for a curvature matrix"
    return ""
