"""What a penalty declares, asked of any: one that declares nothing is smooth and no ridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast, get_args, runtime_checkable

import numpy as np

from gradline.base.errors import ArgumentTypeError, SolverError
from gradline.base.types import Array, IntArray
from gradline.penalties.protocol import Penalty, PenaltyKind, ProximalPenalty, QuadraticPenalty, SmoothPenalty

_NEEDS: Mapping[PenaltyKind, tuple[tuple[str, ...], str]] = {
    "quadratic": (("gradient", "curvature", "ridge_strength"), "gradient(slopes), curvature(slopes) and ridge_strength"),
    "smooth": (("gradient", "curvature"), "gradient(slopes) and curvature(slopes)"),
    "proximal": (("prox", "subgradient_distance"), "prox(slopes, step) and subgradient_distance(slopes, gradient)"),
}


def kind_of(penalty: Penalty | None) -> PenaltyKind | None:
    """The kind of a penalty; None for no penalty. Raises TypeError for a kind that there is none of, or whose members are missing.

    Members are asked for by name: a path asks thousands of times, and Python 3.11 takes 0.1 ms to compare an object with a protocol.
    """
    if penalty is None:
        return None
    kind: PenaltyKind = getattr(penalty, "kind", "smooth")
    if kind not in _NEEDS:
        raise ArgumentTypeError(f"the penalty {penalty.name!r} is of kind {kind!r}; known are {', '.join(get_args(PenaltyKind))}")
    members, words = _NEEDS[kind]
    if not all(hasattr(penalty, member) for member in (*members, "name", "value")):
        raise ArgumentTypeError(f"the penalty {penalty.name!r} is of kind {kind!r}, and needs {words} beside name and value(slopes)")
    return kind


def as_proximal(penalty: Penalty | None) -> ProximalPenalty | None:
    """The penalty where it has kinks; None for any other."""
    return penalty if isinstance(penalty, ProximalPenalty) and kind_of(penalty) == "proximal" else None


def ridge_strength(penalty: Any) -> float | None:
    """The strength of a ridge, 0 for no penalty at all; None for any other penalty, whatever it is called and whatever it holds."""
    if penalty is None:
        return 0.0
    return penalty.ridge_strength if isinstance(penalty, QuadraticPenalty) else None


def is_convex(penalty: Penalty | None) -> bool:
    """Whether a smooth penalty is known to be convex: a quadratic is, as is no penalty; any other says so in ``convex``."""
    if penalty is None or kind_of(penalty) == "quadratic":
        return True
    return isinstance(penalty, _SaysConvex) and bool(penalty.convex)


@runtime_checkable
class _SaysConvex(Protocol):
    @property
    def convex(self) -> bool: ...


@runtime_checkable
class _HasParameters(Protocol):
    @property
    def parameters(self) -> Mapping[str, Any]: ...


def parameters_of(penalty: Penalty) -> Mapping[str, Any]:
    """What a summary shows of a penalty beside its name: its ``parameters`` where it has them, else what it holds."""
    return (penalty.parameters if isinstance(penalty, _HasParameters) else None) or getattr(penalty, "__dict__", {})


class PenaltyTerms(NamedTuple):
    """A penalty's part of the objective at coefficients (P, k), of which the intercept has none.

    value; gradient (P, k), None below order 1; curvature, None below order 2: its diagonal (P, k), or all of it, (k P, k P), ordered by
    linear predictor.
    """

    value: float
    gradient: Array | None = None
    curvature: Array | None = None


def terms_of(penalty: Penalty | None, coefficients: Array, intercept: bool, order: int) -> PenaltyTerms:
    """The terms up to the order, zero where there is no penalty. Raises ValueError for derivatives of a proximal penalty."""
    shape, first = (coefficients.shape[0], coefficients.shape[1]), int(intercept)
    if penalty is None:
        zeros = np.zeros(shape)
        return PenaltyTerms(0.0, zeros if order >= 1 else None, zeros if order >= 2 else None)
    slopes = coefficients[first:]
    value = penalty.value(slopes)
    if order == 0:
        return PenaltyTerms(value)
    if kind_of(penalty) == "proximal":
        raise SolverError(f"the penalty {penalty.name!r} has kinks, and no derivatives")
    smooth, gradient = cast(SmoothPenalty, penalty), np.zeros(shape)
    gradient[first:] = smooth.gradient(slopes)
    return PenaltyTerms(value, gradient, None if order == 1 else with_intercept(penalty, smooth.curvature(slopes), shape, first))


def with_intercept(penalty: Penalty, curvature: Array, shape: tuple[int, int], first: int) -> Array:
    """A curvature of slopes as one of all coefficients (P, k). Raises TypeError for a curvature of another shape."""
    size, k = shape
    p = size - first
    if curvature.shape == (p, k):
        diagonal = np.zeros(shape)
        diagonal[first:] = curvature
        return diagonal
    if curvature.shape != (k * p, k * p):
        raise ArgumentTypeError(
            f"the penalty {penalty.name!r} has a curvature of shape {curvature.shape}: give its diagonal, {(p, k)}, or all of it,"
            f" {(k * p, k * p)}"
        )
    places = (size * np.arange(k)[:, None] + np.arange(first, size)).ravel()
    whole = np.zeros((k * size, k * size))
    whole[np.ix_(places, places)] = curvature
    return whole


@runtime_checkable
class HasParts(Protocol):
    """A smooth penalty that is a sum, of whose parts one may be stronger than another by more than all digits."""

    def curvatures(self, slopes: Array) -> Sequence[Array]:
        """The curvature of each part that is charged for, (p, k) or (k p, k p)."""


def curvatures_of(penalty: Penalty | None, slopes: Array) -> Sequence[Array]:
    """The curvatures of a smooth penalty's parts at slopes (p, k), each its diagonal (p, k) or all of it, (k p, k p)."""
    if penalty is None:
        return ()
    if isinstance(penalty, HasParts):
        return penalty.curvatures(slopes)
    return (penalty.curvature(slopes),) if isinstance(penalty, SmoothPenalty) else ()


def in_units(penalty: Penalty, unit: Array) -> Penalty:
    """A penalty on slopes (p, k) of columns in other units, which times unit (p, 1) are the slopes in the penalty's own."""
    if isinstance(penalty, HasUnits):
        return penalty.in_units(unit)
    assert isinstance(penalty, SmoothPenalty)
    return _InUnits(penalty, unit)


@runtime_checkable
class HasUnits(Protocol):
    """A penalty that can be put into other units itself."""

    def in_units(self, unit: Array) -> Penalty: ...


def has_units(penalty: Penalty | None) -> bool:
    """Whether ``in_units`` knows the penalty: any that is smooth, and those with kinks that know their units."""
    return isinstance(penalty, HasUnits) or kind_of(penalty) != "proximal"


class _Wrapped:
    """A smooth penalty seen in another way: what it is called and is stays, but for a ridge, which is one no more."""

    penalty: SmoothPenalty

    @property
    def name(self) -> str:
        return self.penalty.name

    @property
    def kind(self) -> PenaltyKind:
        return kind_of(self.penalty) or "smooth"

    @property
    def convex(self) -> bool:
        return is_convex(self.penalty)

    @property
    def ridge_strength(self) -> None:
        return None


class Multiple(_Wrapped):
    """A smooth penalty times a number."""

    def __init__(self, penalty: SmoothPenalty, factor: float) -> None:
        self.penalty, self.factor = penalty, factor

    def value(self, slopes: Array) -> float:
        return self.factor * self.penalty.value(slopes)

    def gradient(self, slopes: Array) -> Array:
        return self.factor * self.penalty.gradient(slopes)

    def curvature(self, slopes: Array) -> Array:
        return self.factor * self.penalty.curvature(slopes)


class OfColumns(_Wrapped):
    """A smooth penalty of some slopes, at ``places`` among p, of which all others are zero."""

    def __init__(self, penalty: SmoothPenalty, places: IntArray, size: int) -> None:
        self.penalty, self.places, self.size = penalty, places, size

    def _all(self, slopes: Array) -> Array:
        found = np.zeros((self.size, slopes.shape[1]))
        found[self.places] = slopes
        return found

    def value(self, slopes: Array) -> float:
        return self.penalty.value(self._all(slopes))

    def gradient(self, slopes: Array) -> Array:
        return np.asarray(self.penalty.gradient(self._all(slopes))[self.places])

    def curvature(self, slopes: Array) -> Array:
        k, inner = slopes.shape[1], self.penalty.curvature(self._all(slopes))
        if inner.shape == (self.size, k):
            return np.asarray(inner[self.places])
        each = (self.size * np.arange(k)[:, None] + self.places).ravel()
        return np.asarray(inner[np.ix_(each, each)])


class AmongColumns(_Wrapped):
    """A smooth penalty of the slopes at ``places`` among p; the others cost nothing."""

    def __init__(self, penalty: SmoothPenalty, places: IntArray) -> None:
        self.penalty, self.places = penalty, places

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Those of the penalty."""
        return parameters_of(self.penalty)

    def value(self, slopes: Array) -> float:
        return self.penalty.value(slopes[self.places])

    def gradient(self, slopes: Array) -> Array:
        found = np.zeros(slopes.shape)
        found[self.places] = self.penalty.gradient(slopes[self.places])
        return found

    def curvature(self, slopes: Array) -> Array:
        (p, k), inner = slopes.shape, self.penalty.curvature(slopes[self.places])
        if inner.shape == (len(self.places), k):
            diagonal = np.zeros((p, k))
            diagonal[self.places] = inner
            return diagonal
        each = (p * np.arange(k)[:, None] + self.places).ravel()
        if inner.shape != (len(each), len(each)):
            raise ArgumentTypeError(
                f"the penalty {self.name!r} has a curvature of shape {inner.shape}: give its diagonal, {(len(self.places), k)}, or all of"
                f" it, {(len(each), len(each))}"
            )
        whole = np.zeros((k * p, k * p))
        whole[np.ix_(each, each)] = inner
        return whole


class _InUnits(_Wrapped):
    """b = unit b^, and derivatives by the chain rule. It is no ridge, whatever the penalty is."""

    def __init__(self, penalty: SmoothPenalty, unit: Array) -> None:
        self.penalty, self.unit = penalty, unit

    def value(self, slopes: Array) -> float:
        return self.penalty.value(slopes * self.unit)

    def gradient(self, slopes: Array) -> Array:
        return self.penalty.gradient(slopes * self.unit) * self.unit

    def curvature(self, slopes: Array) -> Array:
        inner = self.penalty.curvature(slopes * self.unit)
        if inner.shape == slopes.shape:
            return inner * self.unit**2
        each = np.tile(self.unit[:, 0], slopes.shape[1])
        return inner * each[:, None] * each
