"""Penalties on differences of neighbouring slopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.penalties.kinked_penalty import PenaltyColumns, places_of
from gradline.penalties.numbers import checked_number
from gradline.penalties.quadratic import Quadratic
from gradline.penalties.sums import PenaltySpec


@dataclass(frozen=True, eq=False)
class Difference(PenaltySpec):
    """See :func:`difference`."""

    columns: Sequence[str]
    strength: float
    order: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", checked_number(self.strength, "a penalty of differences"))
        if isinstance(self.order, bool) or not isinstance(self.order, int) or self.order < 1:
            raise ArgumentError(f"order of a penalty of differences must be a whole number of at least 1, not {self.order!r}")
        if isinstance(self.columns, str):
            object.__setattr__(self, "columns", (self.columns,))
        if not isinstance(self.columns, Sequence | np.ndarray):
            raise ArgumentTypeError(f"columns of a penalty of differences is a list of names, in their order, not {self.columns!r}")

    @property
    def name(self) -> str:
        return "difference"

    def bind(self, columns: PenaltyColumns) -> Quadratic:
        """The quadratic form of these columns."""
        places = list[int]()
        for key in self.columns:
            numbered = isinstance(key, int | np.integer) and 0 <= key < len(columns.names)
            places += [int(key)] if numbered else places_of(key, columns, "columns of a penalty of differences")
        if len(set(places)) != len(places):
            raise ArgumentError("columns of a penalty of differences names a column twice")
        if len(places) <= self.order:
            raise ArgumentError(f"differences of order {self.order} need more than {self.order} columns, and {len(places)} are named")
        differences = np.zeros((len(places) - self.order, len(columns.names)))
        differences[:, places] = np.diff(np.eye(len(places)), n=self.order, axis=0)
        return Quadratic(self.strength * differences.T @ differences, self.name)


def difference(columns: Sequence[str], strength: float, order: int = 1) -> Difference:
    """Neighbouring slopes should differ little: mean loss + strength / 2 * sum of squared differences of their slopes.

    Whittaker (1923), Proc. Edinburgh Math. Soc. 41; with B-splines the P-splines of Eilers and Marx (1996), Statistical Science 11.

    Parameters
    ----------
    columns : list of str
        Names of columns, in the order in which they are neighbours, or the name of a term, whose columns are in order.
    strength : float
        At least 0.
    order : int
        1 for differences, which pull towards a constant; 2 for differences of differences, which pull towards a line; and so on.

    Returns
    -------
    penalty
        For ``penalty=`` of ``gl.fit``.

    Raises
    ------
    ValueError
        For a strength that is negative and an order below 1; by the fit, for an unknown column, or too few of them.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.eye(4).repeat(5, axis=0)
    >>> fit = gl.fit(X, np.arange(20.0), names=list("abcd"), intercept=False, penalty=gl.penalties.difference(list("abcd"), 1e6))
    >>> bool(np.ptp(fit.slopes) < 1e-3)
    True
    """
    return Difference(columns, strength, order)
