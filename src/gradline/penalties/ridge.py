"""Penalties on the coefficients: ``mean loss + penalty``, the intercept never penalised, strengths in the user's units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array


class Penalty(Protocol):
    """A smooth penalty on the slopes, (p, k)."""

    @property
    def name(self) -> str: ...

    def value(self, slopes: Array) -> float: ...

    def gradient(self, slopes: Array) -> Array:
        """(p, k)."""

    def curvature(self, slopes: Array) -> Array:
        """The diagonal of the second derivatives, (p, k)."""


@dataclass(frozen=True)
class Ridge:
    """``strength / 2 * sum b^2`` over the slopes. Hoerl and Kennard (1970), Technometrics 12.

    For squared loss scikit-learn's Ridge takes alpha = n * strength / 2 for the same answer.
    """

    strength: float

    @property
    def name(self) -> str:
        return "ridge"

    def value(self, slopes: Array) -> float:
        return 0.5 * self.strength * float(np.einsum("ij,ij->", slopes, slopes))

    def gradient(self, slopes: Array) -> Array:
        return self.strength * slopes

    def curvature(self, slopes: Array) -> Array:
        return np.full(slopes.shape, self.strength)


@dataclass(frozen=True)
class ChosenRidge(Ridge):
    """A ridge whose strength has the least leave-one-out loss. leave_one_out: that loss, the mean a row."""

    leave_one_out: float


def ridge_strength(penalty: Penalty | None) -> float | None:
    """The strength of a ridge, 0 for no penalty at all; None for any other penalty, whatever it is called and whatever it holds.

    The exact types: a class made from Ridge may charge for something else.
    """
    if penalty is None:
        return 0.0
    return penalty.strength if type(penalty) in (Ridge, ChosenRidge) else None  # type: ignore[attr-defined]


@dataclass(frozen=True)
class AutomaticRidge:
    """A ridge whose strength is yet to be chosen, by ``gl.fit``."""

    name: str = "ridge"
    strength: str = "auto"


def ridge(strength: float | Literal["auto"]) -> Ridge | AutomaticRidge:
    """A ridge penalty: the fit minimises mean loss + strength / 2 * sum b^2 over the slopes. The intercept is not penalised.

    Hoerl and Kennard (1970), Technometrics 12. For squared loss scikit-learn's Ridge takes alpha = n * strength / 2 for the same answer.

    Parameters
    ----------
    strength : float or "auto"
        At least 0. "auto" leaves it to the fit, which takes the strength of least leave-one-out loss (exact for squared loss, an
        approximation for others). Columns should then be on one scale, as a ridge treats them alike. Standard errors take the strength
        chosen as given.

    Returns
    -------
    Penalty
        For ``penalty=`` of ``gl.fit``.

    Raises
    ------
    ValueError
        Unless strength is "auto", or finite and at least 0.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> free, shrunk = gl.fit(x, y), gl.fit(x, y, penalty=gl.penalties.ridge(0.5))
    >>> bool(abs(shrunk.slopes[0]) < abs(free.slopes[0]))
    True
    """
    if isinstance(strength, str):
        if strength != "auto":
            raise ArgumentError(f'the strength of a ridge must be a finite number or "auto", not {strength!r}')
        return AutomaticRidge()
    if isinstance(strength, bool) or not isinstance(strength, int | float | np.integer | np.floating) or not math.isfinite(strength):
        raise ArgumentError(f'the strength of a ridge must be a finite number or "auto", not {strength!r}')
    if strength < 0:
        raise ArgumentError(f"the strength of a ridge must be zero or more, not {strength!r}")
    return Ridge(float(strength))
