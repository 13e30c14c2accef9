"""Penalties on the coefficients: ``mean loss + penalty``, the intercept never penalised, strengths in the user's units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.penalties.protocol import Penalty, PenaltyKind
from gradline.penalties.sums import PenaltySum, added


@dataclass(frozen=True)
class Ridge:
    """``strength / 2 * sum b^2`` over the slopes. Hoerl and Kennard (1970), Technometrics 12.

    For squared loss scikit-learn's Ridge takes alpha = n * strength / 2 for the same answer.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.penalties.ridge(0.1)
    Ridge(strength=0.1)
    """

    strength: float

    @property
    def name(self) -> str:
        return "ridge"

    @property
    def kind(self) -> PenaltyKind:
        """Quadratic; smooth for a class made from this one, which may charge for something else."""
        return "smooth" if self.ridge_strength is None else "quadratic"

    @property
    def ridge_strength(self) -> float | None:
        """The strength; None for a class made from this one."""
        return self.strength if type(self) in (Ridge, ChosenRidge) else None

    def value(self, slopes: Array) -> float:
        return 0.5 * self.strength * float(np.einsum("ij,ij->", slopes, slopes))

    def gradient(self, slopes: Array) -> Array:
        return self.strength * slopes

    def curvature(self, slopes: Array) -> Array:
        return np.full(slopes.shape, self.strength)

    def __add__(self, other: Any) -> PenaltySum:
        return added(self, other)


@dataclass(frozen=True)
class ChosenRidge(Ridge):
    """A ridge whose strength has the least leave-one-out loss. leave_one_out: that loss, the mean a row.

    Examples
    --------
    >>> import gradline as gl
    >>> X, y = gl.datasets.plane(n_outputs=1, n_examples=50, seed=1)
    >>> fit = gl.fit(X, y, penalty=gl.penalties.ridge("auto"))
    >>> fit.penalty.strength > 0, fit.penalty.leave_one_out > fit.loss
    (True, True)
    """

    leave_one_out: float


def was_chosen(penalty: Penalty | None) -> bool:
    """Whether the data chose the strength."""
    return isinstance(penalty, ChosenRidge)


@dataclass(frozen=True)
class AutomaticRidge:
    """A ridge whose strength is yet to be chosen, by ``gl.fit``.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.penalties.ridge("auto")
    AutomaticRidge(name='ridge', strength='auto')
    """

    name: str = "ridge"
    strength: str = "auto"

    def chosen(self, strength: float, leave_one_out: float) -> ChosenRidge:
        """The ridge of the strength chosen, which has this leave-one-out loss."""
        return ChosenRidge(strength, leave_one_out)


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
