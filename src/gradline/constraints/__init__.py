"""Constraints on the coefficients, in the units of the data: ``gl.fit(..., constraints="x1 >= 0, x2 + x3 = 1")``, or those made here.

They add up with ``+``, or as a list, with text among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from gradline.base.errors import ArgumentError
from gradline.base.words import called_here
from gradline.constraints.specs import BoundConstraints, LinearConstraints, ShapeConstraint, SumConstraint

__all__ = ["bounds", "concave", "convex", "linear", "monotone", "nonnegative", "sum_to"]


def bounds(
    lower: float | Sequence[float] | Mapping[str, float] | None = None, upper: float | Sequence[float] | Mapping[str, float] | None = None
) -> BoundConstraints:
    """Coefficients between two ends.

    Parameters
    ----------
    lower, upper : float, array (p,) or (P,), or dict, optional
        A number for every slope; one for each slope (or each coefficient, the intercept first), with NaN or an infinity where there is no
        end; or a dict from names to numbers. A name is that of a coefficient, of a column in each linear predictor, or of a term.

    Returns
    -------
    BoundConstraints
        For ``constraints=`` of :func:`gradline.fit`.

    Raises
    ------
    ValueError
        For neither end; and, once the columns are known, for unknown names and ends that cross.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y, constraints=gl.constraints.bounds(upper=5.0)).slopes
    array([5.])
    """
    if lower is None and upper is None:
        raise ArgumentError("gl.constraints.bounds needs lower=, upper=, or both")
    return BoundConstraints(lower, upper)


def nonnegative(columns: Sequence[str] | str | None = None) -> BoundConstraints:
    """Slopes that are zero or above.

    Parameters
    ----------
    columns : sequence of str, optional
        Which: names of coefficients, columns or terms. Every slope unless given.

    Returns
    -------
    BoundConstraints

    Raises
    ------
    ValueError
        Once the columns are known, for unknown names.

    Examples
    --------
    >>> import gradline as gl
    >>> penguins = gl.datasets.penguins()
    >>> fit = gl.fit("body_mass_g ~ bill_depth_mm + flipper_length_mm", penguins, constraints=gl.constraints.nonnegative("bill_depth_mm"))
    >>> fit.active_constraints
    ()
    """
    if columns is None:
        return BoundConstraints(0.0, None)
    return BoundConstraints(dict.fromkeys([columns] if isinstance(columns, str) else columns, 0.0), None)


def linear(matrix: Any, lower: Any = None, upper: Any = None) -> LinearConstraints:
    """lower <= A b <= upper for a matrix of numbers.

    Parameters
    ----------
    matrix : array (m, p) or (m, P)
        A row for each constraint, a column for each slope, or for each coefficient with the intercept first. With k linear predictors the
        coefficients of the first stand before those of the second: (m, k p) or (m, k P).
    lower, upper : float or array (m,), optional
        The ends; equal for an equation.

    Returns
    -------
    LinearConstraints

    Raises
    ------
    ValueError
        For neither end; and, once the columns are known, for a matrix that does not fit them.

    Examples
    --------
    >>> import gradline as gl
    >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
    >>> fit = gl.fit(X, y, constraints=gl.constraints.linear([[1.0, -1.0, 0.0]], lower=0.0))  # the first slope above the second
    >>> bool(fit.slopes[0] >= fit.slopes[1])
    True
    """
    if lower is None and upper is None:
        raise ArgumentError("gl.constraints.linear needs lower=, upper=, or both")
    return LinearConstraints(matrix, lower, upper)


def sum_to(value: float, columns: Sequence[str] | str | None = None) -> SumConstraint:
    """Slopes that add up to a number, in each linear predictor.

    Parameters
    ----------
    value : float
        What they add up to.
    columns : sequence of str, optional
        Which: names of coefficients, columns or terms. Every slope unless given.

    Returns
    -------
    SumConstraint

    Raises
    ------
    ValueError
        Once the columns are known, for unknown names.

    Examples
    --------
    >>> import gradline as gl
    >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
    >>> fit = gl.fit(X, y, constraints=[gl.constraints.nonnegative(), gl.constraints.sum_to(1.0)])
    >>> print(f"{fit.slopes.sum():.12f}")
    1.000000000000
    """
    return SumConstraint(value, columns if columns is None or isinstance(columns, str) else tuple(columns))


def monotone(
    variable: str,
    direction: Literal["increasing", "decreasing"],
    *,
    order: Sequence[str] | None = None,
    within: tuple[float, float] | None = None,
) -> ShapeConstraint:
    """A curve that rises, or falls, throughout: of a spline, a polynomial, a category with an order, or a plain column.

    Parameters
    ----------
    variable : str
        The column, such as "x" where the formula has ``bs(x, df=6)``, or the term itself.
    direction : {"increasing", "decreasing"}
        Which way.
    order : sequence of str, optional
        The levels of a category from the first to the last, where they are text that the data gives no order.
    within : (float, float), optional
        The range of a polynomial, which rises everywhere only if it is a line.

    Returns
    -------
    ShapeConstraint

    Raises
    ------
    ValueError
        For another direction; and, once the columns are known, for what has no order.

    Notes
    -----
    Of a spline the coefficients of its derivative in the basis of B-splines are held at zero or above, of a polynomial those in Bernstein's
    basis: the curve is monotone at every point between the outermost knots, or ends. A curve may be monotone where they are not, so that
    the condition is slightly more than needed from the second degree of the derivative on.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> x = np.linspace(0.0, 1.0, 200)
    >>> y = np.sqrt(x) + 0.3 * np.sin(40.0 * x)
    >>> fit = gl.fit("y ~ bs(x, df=8)", {"x": x, "y": y}, constraints=gl.constraints.monotone("x", "increasing"))
    >>> bool((np.diff(fit.predict({"x": x})) > -1e-12).all())
    True
    """
    if direction not in ("increasing", "decreasing"):
        raise ArgumentError(f'the direction of gl.constraints.monotone is "increasing" or "decreasing", not {direction!r}')
    return _shape(variable, direction, order, within)


def convex(variable: str, *, within: tuple[float, float] | None = None, order: Sequence[str] | None = None) -> ShapeConstraint:
    """A curve that bends upwards throughout: of a spline, a polynomial, or a category with an order.

    Parameters
    ----------
    variable, within, order
        As for :func:`monotone`.

    Returns
    -------
    ShapeConstraint

    Raises
    ------
    ValueError
        Once the columns are known, for what has no curve.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 1.0, 100)
    >>> table = {"x": x, "y": x**2 + 0.1 * np.sin(20.0 * x)}
    >>> fit = gl.fit("y ~ poly(x, 5)", table, constraints=gl.constraints.convex("x", within=(-1.0, 1.0)))
    >>> bool((np.diff(fit.predict({"x": x}), 2) > -1e-9).all())
    True
    """
    return _shape(variable, "convex", order, within)


def concave(variable: str, *, within: tuple[float, float] | None = None, order: Sequence[str] | None = None) -> ShapeConstraint:
    """A curve that bends downwards throughout; see :func:`convex`.

    Parameters
    ----------
    variable, within, order
        As for :func:`monotone`.

    Returns
    -------
    ShapeConstraint

    Raises
    ------
    ValueError
        Once the columns are known, for what has no curve.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> x = np.linspace(0, 4, 60)
    >>> table = {"x": x, "y": np.sqrt(x) + 0.1 * np.sin(9 * x)}
    >>> fit = gl.fit("y ~ bs(x, df=8)", table, constraints=gl.constraints.concave("x"))
    >>> bool((np.diff(fit.predict(table), 2) < 1e-9).all())
    True
    """
    return _shape(variable, "concave", order, within)


def _shape(
    variable: str, kind: Literal["increasing", "decreasing", "convex", "concave"], order: Sequence[str] | None, within: Any
) -> ShapeConstraint:
    return ShapeConstraint(variable, kind, None if order is None else tuple(str(level) for level in order), _range(within))


def _range(within: Any) -> tuple[float, float] | None:
    if within is None:
        return None
    try:
        low, high = (float(end) for end in within)
    except (TypeError, ValueError):
        raise ArgumentError(f"within= takes two numbers, the ends of a range, not {within!r}") from None
    if not low < high:
        raise ArgumentError(f"within= takes the lower end before the upper, not {within!r}")
    return low, high


_ELSEWHERE = {
    "nonneg": "gl.constraints.nonnegative()",
    "positive": "gl.constraints.nonnegative()",
    "non_negative": "gl.constraints.nonnegative()",
    "simplex": "gl.constraints.nonnegative() + gl.constraints.sum_to(1.0)",
    "bound": "gl.constraints.bounds(...)",
    "box": "gl.constraints.bounds(...)",
    "equality": "gl.constraints.linear(A, lower=b, upper=b)",
    "inequality": "gl.constraints.linear(A, lower, upper)",
    "increasing": 'gl.constraints.monotone("x", "increasing")',
    "decreasing": 'gl.constraints.monotone("x", "decreasing")',
    "monotonic": 'gl.constraints.monotone("x", "increasing")',
}
"""What other programs call them, in small letters."""

if not TYPE_CHECKING:  # Or else checkers of types would take any name for a constraint.

    def __getattr__(name: str) -> Any:
        if name.lower() in _ELSEWHERE:
            raise AttributeError(called_here("gl.constraints", name, _ELSEWHERE[name.lower()]))
        raise AttributeError(f"module 'gradline.constraints' has no attribute {name!r}")


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted(__all__)
