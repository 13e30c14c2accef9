"""A penalty with kinks that has met its columns, and what it met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.base.words import nearest
from gradline.penalties.kinds import Multiple, in_units, is_convex, kind_of
from gradline.penalties.kinked import BoolArray, KinkedPart
from gradline.penalties.protocol import Penalty, PenaltyKind, SmoothPenalty


class PenaltyColumns(NamedTuple):
    """What a penalty is told of the model: names (p,) of the slopes' columns, the term of the formula that each belongs to (p,), the names
    of the k linear predictors, and standard_deviations, which costs a pass and gives (p,)."""

    names: tuple[str, ...]
    terms: tuple[str, ...]
    predictors: tuple[str, ...]
    standard_deviations: Callable[[], Array]


@runtime_checkable
class UnboundPenalty(Protocol):
    """A penalty before it has met the columns: what ``gl.penalties`` makes of names, groups and scales."""

    @property
    def name(self) -> str: ...

    def bind(self, columns: PenaltyColumns) -> Penalty:
        """The penalty of these columns. Raises ValueError for names that they do not have."""


@dataclass(frozen=True, eq=False)
class KinkedPenalty:
    """``part(scales * vec(B)) + smooth_part(B)``, over slopes B (p, k).

    part: over vec(B), (k p,), each times its scale, (k p,). asked: what the penalty was made from.
    """

    name: str
    part: KinkedPart
    scales: Array
    smooth_part: SmoothPenalty | None
    asked: Any
    chosen_by: str = ""
    """How the data chose the strength; empty where it was given."""
    trail: Any = None
    """The path along which the strength was chosen (``model.path.Trail``); None where it was given."""
    kind: ClassVar[PenaltyKind] = "proximal"
    sets_to_zero: ClassVar[bool] = True

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What a summary shows beside the name."""
        return dict(self.asked.parameters)

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.parameters.items())
        return f"{self.name}({settings})"

    def value(self, slopes: Array) -> float:
        smooth = 0.0 if self.smooth_part is None else self.smooth_part.value(slopes)
        return self.part.value(self.scales * slopes.T.ravel()) + smooth

    def prox(self, slopes: Array, step: Array) -> Array:
        """Block by block. ``step`` and scales have to be one number within a group.

        Raises ValueError where a smooth penalty is a part of this one, since blocks then depend on each other.
        """
        if self.smooth_part is not None:
            raise ArgumentError(f"the penalty {self.name!r} has a smooth part, and no proximal step of its own: take the parts one by one")
        x = self.scales * slopes.T.ravel()
        curvature = 1.0 / (np.broadcast_to(step, slopes.shape).T.ravel() * np.square(self.scales))
        for block in self.part.blocks:
            x[block] = self.part.minimum(block, x[block], float(curvature[block[0]]))
        return (x / self.scales).reshape(slopes.shape[::-1]).T

    def subgradient_distance(self, slopes: Array, gradient: Array) -> float:
        whole = gradient if self.smooth_part is None else gradient + self.smooth_part.gradient(slopes)
        left = self.part.violation(self.scales * slopes.T.ravel(), whole.T.ravel() / self.scales)
        return float(np.linalg.norm(left * self.scales))

    @property
    def absolute(self) -> Array | None:
        """The factors of ``|b|``, (p k,) as vec(B), where the part with kinks is a sum of these; None for any other."""
        return None if self.part.absolute is None else self.part.absolute * self.scales

    @property
    def convex(self) -> bool:
        """Whether all of it is known to be."""
        return self.part.convex and is_convex(self.smooth_part)

    @property
    def rest_is_quadratic(self) -> bool:
        """Whether the smooth part is a parabola, whose curvature is the same at all slopes, or there is none."""
        return self.smooth_part is None or kind_of(self.smooth_part) == "quadratic"

    def times(self, factor: float) -> KinkedPenalty:
        """The part with kinks of another strength, and no smooth part."""
        return replace(self, part=self.part.times(factor), smooth_part=None)

    def whole_times(self, factor: float) -> KinkedPenalty:
        """All of it of another strength, smooth part included."""
        smooth: Any = None if self.smooth_part is None else Multiple(self.smooth_part, factor)
        return replace(self, part=self.part.times(factor), smooth_part=smooth)

    def support(self, slopes: Array) -> BoolArray:
        """The slopes (p, k) that are not zero, or not penalised."""
        return self.part.support(self.scales * slopes.T.ravel()).reshape(slopes.shape[::-1]).T

    def in_units(self, unit: Array) -> KinkedPenalty:
        """The same on slopes of columns in other units, (p, 1): times it they are the slopes in the penalty's own."""
        smooth: Any = None if self.smooth_part is None else in_units(self.smooth_part, unit)
        each = np.tile(unit[:, 0], len(self.scales) // len(unit))
        return replace(self, scales=self.scales * each, smooth_part=smooth)


@dataclass(frozen=True, eq=False)
class OnSupport:
    """A penalty with kinks where it has none: over the slopes that are not zero. Others are held at zero by whoever takes it."""

    penalty: KinkedPenalty
    kind: ClassVar[PenaltyKind] = "smooth"

    @property
    def name(self) -> str:
        return self.penalty.name

    def value(self, slopes: Array) -> float:
        return self.penalty.value(slopes)

    def gradient(self, slopes: Array) -> Array:
        scales, rest = self.penalty.scales, self.penalty.smooth_part
        own = (scales * self.penalty.part.slope(scales * slopes.T.ravel())).reshape(slopes.shape[::-1]).T
        return np.asarray(own if rest is None else own + rest.gradient(slopes))

    def curvature(self, slopes: Array) -> Array:
        scales, rest = self.penalty.scales, self.penalty.smooth_part
        bend = self.penalty.part.bend(scales * slopes.T.ravel())
        own = np.diag(bend * np.square(scales)) if bend.ndim == 1 else bend * np.outer(scales, scales)
        if rest is None:
            return np.asarray(own)
        more = rest.curvature(slopes)
        return np.asarray(own + (np.diag(more.T.ravel()) if more.shape == slopes.shape else more))


def as_kinked(penalty: Penalty | None) -> KinkedPenalty | None:
    """The penalty where it tells solvers what it does at zero; None for any other."""
    return penalty if isinstance(penalty, KinkedPenalty) else None


def with_trail(penalty: Penalty, trail: Any, chosen_by: str) -> Penalty:
    """The penalty with the path that its strength is of; any other kind as it is."""
    return replace(penalty, trail=trail, chosen_by=chosen_by) if isinstance(penalty, KinkedPenalty) else penalty


def trail_of(penalty: Penalty | None) -> Any:
    """The path along which a strength was chosen; None for one that was given."""
    return penalty.trail if isinstance(penalty, KinkedPenalty) else None


def chosen_by(penalty: Penalty | None) -> str:
    """How the data chose the strength, in words; empty where it was given, or is no matter of this kind of penalty."""
    return penalty.chosen_by if isinstance(penalty, _SetsToZero) and penalty.sets_to_zero else ""


def set_to_zero(penalty: Penalty | None, slopes: Array) -> BoolArray | None:
    """(p, k): the slopes that a penalty with kinks set to zero; None where there is no such penalty."""
    return ~penalty.support(slopes) if isinstance(penalty, _SetsToZero) and penalty.sets_to_zero else None


@runtime_checkable
class _SetsToZero(Protocol):
    """A penalty with kinks, or what a file kept of one."""

    @property
    def sets_to_zero(self) -> bool: ...

    @property
    def chosen_by(self) -> str: ...

    def support(self, slopes: Array) -> BoolArray: ...


def factors(weights: Any, columns: PenaltyColumns, name: str) -> Array:
    """One factor a column, (p,): given by column or by term, or as an array; 1 where nothing is said.

    Raises ValueError for a name that is neither, and for factors that are negative or not finite.
    """
    found = np.ones(len(columns.names))
    if weights is None:
        return found
    if hasattr(weights, "to_dict") and any(isinstance(key, str) for key in getattr(weights, "index", ())):
        weights = weights.to_dict()  # a pandas Series says by its index which column each factor is of
    if isinstance(weights, Mapping):
        for key, factor in weights.items():
            places = places_of(key, columns, f"weights= of the {name}")
            found[places] = _factor(factor, key, name)
        return found
    given = np.asarray(weights)
    if given.dtype.kind not in "iuf" or given.shape != found.shape:
        hint = "; the intercept has none, as it is never penalised" if given.shape == (len(found) + 1,) else ""
        raise ArgumentError(
            f"weights= of the {name} is a dict of a factor for each column, or an array of {len(found)} factors;"
            f" got shape {given.shape}{hint}"
        )
    return np.array([_factor(factor, columns.names[i], name) for i, factor in enumerate(given)])


def _factor(factor: Any, key: Any, name: str) -> float:
    if isinstance(factor, bool | np.bool_) or not isinstance(factor, int | float | np.integer | np.floating):
        raise ArgumentTypeError(f"weights= of the {name}: the factor of {key!r} must be a number, not {factor!r}")
    if not np.isfinite(factor) or factor < 0:
        hint = ", as one over a slope of zero is: give it a large number" if factor == np.inf else ""
        raise ArgumentError(f"weights= of the {name}: the factor of {key!r} must be finite and at least 0, not {factor:g}{hint}")
    return float(factor)


def places_of(key: Any, columns: PenaltyColumns, where: str) -> list[int]:
    """The columns of that name, or of that term of the formula. Raises ValueError where there is none, with the nearest name."""
    places = [i for i, name in enumerate(columns.names) if name == key] or [i for i, term in enumerate(columns.terms) if term == key]
    if not places:
        known = list(dict.fromkeys([*columns.terms, *columns.names]))
        near = nearest(str(key), known)
        hint = f"did you mean {near[0]!r}?" if near else f"the columns are {_some(known)}"
        raise ArgumentError(f"{where}: no column is named {key!r}; {hint}")
    return places


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
