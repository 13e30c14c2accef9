"""Partial regression (added variable) plots: what a coefficient rests on, the other columns taken out of both axes.

With A = sum_i w_i H_i x_i x_i', the residual of column j on the others is X A^-1 e_j / (A^-1)_jj, and the working residual -g_i / H_i plus
b_j times it goes upwards: the slope through the origin, rows weighted by w_i H_i, is b_j exactly, for every smooth loss at its optimum. For
squared loss the residual of y on the other columns goes upwards (Frisch and Waugh 1933). Cook and Weisberg (1982), Residuals and Influence
in Regression, section 2.3; Wang (1985), Technometrics 27, for generalised linear models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.inference.bread import row_terms
from gradline.inference.kinked import RowLoss
from gradline.plot import style
from gradline.plot.diagnostic_sample import sample_rows
from gradline.plot.subject import PlotSubject, diagnosed
from gradline.rows.block import Block

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_PANELS = 9
ACROSS = 3
LONGEST_NAME = 24
"""Characters of a column's name below one of many panels."""


def partial_regression(
    fit: Model, data: Any, target: Any = None, *, columns: str | Sequence[str] | None = None, ax: Any = None, **rows: Any
) -> Any:
    """Draw for each column what is left of the target against what is left of the column, once the others have explained both.

    The slope of the line is the column's coefficient. A row far out to the side decides it, and a bend says that the column should enter
    otherwise. Other losses than squared: upwards on the scale of the linear predictor, larger dots for rows that count more.

    Parameters
    ----------
    fit : Fit
        The fit.
    data, target, **rows
        As for :func:`gradline.plot.residuals`, but the rows must be those of the fit.
    columns : str or sequence of str, optional
        Names among ``fit.names``. The first nine, without the intercept, unless given.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array of them for several columns.

    Raises
    ------
    ValueError
        For several linear predictors, a penalty, a loss that is flat or kinked in some row, and columns that are not in the model.

    Examples
    --------
    >>> import gradline as gl
    >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
    >>> axes = gl.plot.partial_regression(gl.fit(X, y), X, y, columns="x1")
    """
    given = diagnosed(fit, data, target, rows)
    given.require_own("partial regression")
    chosen = _chosen(fit, columns)
    across, upwards, sizes, n = partial_residuals(given, chosen)
    down = -(-len(chosen) // ACROSS)
    width = min(len(chosen), ACROSS)
    size = (style.WIDTH, style.HEIGHT) if len(chosen) == 1 else (3.1 * width, 2.8 * down)
    if len(chosen) == 1 or ax is not None:
        axes = style.panels(ax, 1, len(chosen), size)
    else:
        axes = style.panels(None, down, width, size)
        for spare in axes.ravel()[len(chosen) :]:
            spare.remove()
        axes = axes.ravel()[: len(chosen)][None, :]
    what = (
        fit.observed_names[0]
        if fit.loss_function.squared_scale() is not None
        else fit.loss_function.predictor_names(1)[0].replace("_", " ")
    )
    for i, (panel, place) in enumerate(zip(axes[0], chosen, strict=True)):
        panel.axhline(0.0, color=style.look().quiet, linewidth=0.9, zorder=1, label="_zero")
        drawn = style.points(panel, across[:, i], upwards[:, i], label="_rows")
        if sizes is not None:
            drawn.set_sizes(drawn.get_sizes()[0] * sizes / sizes.max())
        ends = np.array([across[:, i].min(), across[:, i].max()])
        slope = float(fit.solution.coefficients[place, 0])
        panel.plot(ends, slope * ends, color=style.look().fit, linewidth=2.2, zorder=5.7, label=f"slope {style.number(slope)}")
        name = fit.names[place] if len(chosen) == 1 else style.shortened(fit.names[place], LONGEST_NAME)
        style.dress(panel, f"{name} | others", f"{what} | others")
        style.heading(panel, f"slope {style.number(slope)}")
    if len(across) < n:
        style.note(axes[0, -1], f"{len(across):,} of {n:,} rows drawn")
    return style.result(axes)


def partial_residuals(given: PlotSubject, places: Sequence[int]) -> tuple[Array, Array, Array | None, int]:
    """Of sampled rows: each column less what the others say of it (m, c), the target's part (m, c), the rows' weights (m,) or None for
    equal ones, and how many rows there are. Raises as ``partial_regression`` does."""
    fit, problem = given.fit, given.diagnosis.rows.problem
    coefficients = fit.solution.coefficients
    if coefficients.shape[1] != 1:
        raise ArgumentError(
            f"a partial regression plot is of one linear predictor, and this model has {coefficients.shape[1]}:"
            f" {', '.join(fit.predictor_names)}"
        )
    if problem.penalty is not None:
        raise ArgumentError("a partial regression plot is of a fit without a penalty, which would pull its slopes from the coefficients")
    if fit.constraints is not None:
        raise ArgumentError("a partial regression plot is of a fit without constraints, which hold its slopes where they are")
    if problem.loss.kinks() is not None:
        raise ArgumentError(f"a partial regression plot divides by the loss's curvature, and {problem.loss.name!r} has kinks in its place")
    inverse = given.diagnosis.bread.inverse
    directions = inverse[:, list(places)] / inverse[list(places), list(places)]
    kernel = _PartialKernel(RowLoss(problem.loss), coefficients, np.asarray(directions))
    found, n = sample_rows(given.diagnosis.rows, kernel)
    score, curvature, across = found[:, 0], found[:, 1], found[:, 2:]
    if not (curvature > 0).all():
        raise ArgumentError(
            f"a partial regression plot divides by the loss's curvature, and {problem.loss.name!r} has none in some rows (those far out):"
            " draw it of a fit with squared loss"
        )
    upwards = -(score / curvature)[:, None] + across * coefficients[list(places), 0]
    sizes = None if np.ptp(curvature) <= 1e-9 * curvature.max() else curvature
    return across, upwards, sizes, n


@dataclass(frozen=True)
class _PartialKernel:
    """Weighted score and curvature of every row, and its columns less what the others say of them: (m, 2 + c)."""

    loss: RowLoss
    coefficients: Array
    directions: Array

    def map(self, block: Block) -> Array:
        terms = row_terms(self.loss, self.coefficients, block)
        found = np.column_stack([terms.score[:, 0], terms.curvature[:, 0, 0], block.design.predict(self.directions)])
        found[terms.frequencies == 0] = np.nan
        return found


def _chosen(fit: Model, columns: str | Sequence[str] | None) -> list[int]:
    first = int(fit.has_intercept)
    if columns is None:
        places = [i for i in range(first, len(fit.names)) if i not in fit.solution.aliased][:MOST_PANELS]
        if not places:
            raise ArgumentError("the model has no column besides its intercept, so there is no partial regression to draw")
        return places
    names = [columns] if isinstance(columns, str) else list(columns)
    for name in names:
        if name not in fit.names:
            raise ArgumentError(f"{name!r} is no column of the model; its columns are {', '.join(fit.names[first:])}")
        if name in fit.aliased:
            raise ArgumentError(f"{name!r} was left out of the model, since earlier columns determine it")
    return [fit.names.index(name) for name in names]
