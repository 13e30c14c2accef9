"""Four pictures of diagnostics in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradline.base.errors import ArgumentError
from gradline.plot import style
from gradline.plot.influence import leverage
from gradline.plot.residual_plots import quantiles, residuals, scale_location
from gradline.plot.subject import diagnosed

if TYPE_CHECKING:
    from gradline.model.record import Model


def diagnostics(fit: Model, data: Any, target: Any = None, *, ax: Any = None, **rows: Any) -> Any:
    """Draw residuals, quantiles, spread and influence of a fit to one target, from one pass over its rows.

    Parameters
    ----------
    fit : Fit
        A fit to one target.
    data, target, **rows
        As for :func:`gradline.plot.residuals`, but the rows must be those of the fit.
    ax : array (2, 2) of Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    array (2, 2) of Matplotlib Axes

    Raises
    ------
    ValueError
        For several targets, for other rows than the fit's, and what the four pictures raise.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.plot.diagnostics(gl.fit(x, y), x, y).shape
    (2, 2)
    """
    if len(fit.observed_names) > 1:
        raise ArgumentError(f"the panel is of one target, and this fit has {len(fit.observed_names)}; gl.plot.residuals draws each")
    given = diagnosed(fit, data, target, rows)
    given.require_own("a panel with leverage")
    axes = style.panels(ax, 2, 2, (9.2, 7.4))
    for draw, panel in zip((residuals, quantiles, scale_location, leverage), axes.ravel(), strict=True):
        draw(fit, given, ax=panel)
        if panel is not axes[0, 1]:
            # One remark is enough for four pictures of the same rows.
            panel.set_title("", loc="right")
    return axes
