"""What is common to the penalties of ``gl.penalties`` that have to meet their columns first: settings, and sums of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.penalties.kinds import curvatures_of, is_convex, kind_of, parameters_of
from gradline.penalties.kinked import KinkedPart, SparseGroups
from gradline.penalties.kinked_penalty import KinkedPenalty, PenaltyColumns, UnboundPenalty
from gradline.penalties.protocol import Penalty, PenaltyKind, SmoothPenalty


class PenaltySpec:
    """A dataclass of settings. It adds up with other penalties by ``+``."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The settings that are not at their defaults, and the strength."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {
            f.name: getattr(self, f.name) for f in fields if f.default is dataclasses.MISSING or not _same(getattr(self, f.name), f.default)
        }

    @property
    def undecided(self) -> bool:
        """Whether the strength is left to the data."""
        return bool(self.chosen_by)

    @property
    def chosen_by(self) -> str:
        """How the data is to choose the strength: "auto" or "leave-one-out"; empty where it is given."""
        strength = getattr(self, "strength", None)
        return strength if isinstance(strength, str) else ""

    @property
    def minds_units(self) -> bool:
        """Whether it charges more for the slope of a column in a larger unit, though neither scales nor weights were given."""
        settings: Any = self
        scaled, weights = getattr(settings, "scaled", None), getattr(settings, "weights", None)
        return scaled is not None and not scaled and weights is None and settings.strength != 0

    def with_strength(self, strength: float) -> Any:
        """The same of another strength."""
        return dataclasses.replace(self, strength=strength)  # type: ignore[type-var]

    def __add__(self, other: Any) -> PenaltySum:
        return added(self, other)

    def __radd__(self, other: Any) -> PenaltySum:
        return added(other, self)


def minds_units(penalty: Any) -> bool:
    """Whether a penalty of ``gl.penalties`` was given neither scales nor weights, and charges for slopes by their size."""
    return isinstance(penalty, PenaltySpec) and penalty.minds_units


def _same(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, str | int | float | bool) and value == default)


def scales_of(scaled: bool, columns: PenaltyColumns, name: str) -> Array:
    """What each slope is multiplied with before it is penalised, (k p,): its column's standard deviation, or one."""
    if not isinstance(scaled, bool | np.bool_):
        raise ArgumentTypeError(f"scaled= of {name} must be True or False, not {scaled!r}")
    k = len(columns.predictors)
    if not scaled:
        return np.ones(k * len(columns.names))
    found = columns.standard_deviations()
    # A constant column has no scale; it is left out of the model anyway.
    return np.tile(np.where(found > 0, found, 1.0), k)


@dataclass(frozen=True, eq=False)
class SmoothSum:
    """A sum of smooth penalties: quadratic where each of them is."""

    parts: tuple[SmoothPenalty, ...]
    ridge_strength: ClassVar[None] = None

    @property
    def name(self) -> str:
        return " + ".join(part.name for part in self.parts)

    @property
    def kind(self) -> PenaltyKind:
        return "quadratic" if all(kind_of(part) == "quadratic" for part in self.parts) else "smooth"

    @property
    def convex(self) -> bool:
        """Whether each of them is known to be."""
        return all(is_convex(part) for part in self.parts)

    def value(self, slopes: Array) -> float:
        return sum(part.value(slopes) for part in self.parts)

    def gradient(self, slopes: Array) -> Array:
        return np.asarray(sum(part.gradient(slopes) for part in self.parts))

    def curvature(self, slopes: Array) -> Array:
        found = [part.curvature(slopes) for part in self.parts]
        if all(part.shape == slopes.shape for part in found):
            return np.asarray(sum(found))
        return np.asarray(sum(np.diag(part.T.ravel()) if part.shape == slopes.shape else part for part in found))

    def curvatures(self, slopes: Array) -> list[Array]:
        """Those of all parts."""
        return [found for part in self.parts for found in curvatures_of(part, slopes)]


@dataclass(frozen=True, eq=False)
class PenaltySum(PenaltySpec):
    """Penalties that are added up. parts: bound or not."""

    parts: tuple[Any, ...]

    @property
    def name(self) -> str:
        return " + ".join(part.name for part in self.parts)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Each part's settings, under its name where two parts have the same."""
        found = dict[str, Any]()
        for part in self.parts:
            for key, value in (part.parameters if isinstance(part, PenaltySpec) else parameters_of(part)).items():
                found[key if key not in found else f"{part.name}_{key}"] = value
        return found

    @property
    def undecided(self) -> bool:
        """Whether the strength of a part is left to the data."""
        return bool(self.chosen_by)

    @property
    def chosen_by(self) -> str:
        """How the data is to choose it."""
        return next((part.chosen_by for part in self.parts if isinstance(part, PenaltySpec) and part.undecided), "")

    @property
    def minds_units(self) -> bool:
        """Whether a part does."""
        return any(minds_units(part) for part in self.parts)

    def with_strength(self, strength: float) -> Any:
        """The same with this strength where a part leaves it to the data; the others keep theirs."""
        changed = [isinstance(part, PenaltySpec) and part.undecided for part in self.parts]
        if sum(changed) != 1:
            raise ArgumentError(f'of the penalties {self.name} exactly one must leave its strength to the data: strength="auto"')
        parts = [part.with_strength(strength) if change else part for part, change in zip(self.parts, changed, strict=True)]
        return PenaltySum(tuple(parts))

    def bind(self, columns: PenaltyColumns) -> Penalty:
        """The sum over these columns. Raises ValueError for kinks of two kinds at once, of which no solver knows the sum."""
        bound = [part.bind(columns) if isinstance(part, UnboundPenalty) else part for part in self.parts]
        kinked = [part for part in bound if isinstance(part, KinkedPenalty)]
        smooth: list[Any] = [part for part in bound if not isinstance(part, KinkedPenalty)]
        smooth += [part.smooth_part for part in kinked if part.smooth_part is not None]
        rest = None if not smooth else smooth[0] if len(smooth) == 1 else SmoothSum(tuple(smooth))
        if not kinked:
            assert rest is not None
            return rest
        if any((part.scales != kinked[0].scales).any() for part in kinked):
            raise ArgumentError(f"of the penalties {self.name} some are scaled=True and some not, which do not add up: give all the same")
        return KinkedPenalty(self.name, reduce(_both, [part.part for part in kinked]), kinked[0].scales, rest, self)


def _both(first: KinkedPart, second: KinkedPart) -> KinkedPart:
    if not (isinstance(first, SparseGroups) and isinstance(second, SparseGroups)):
        raise ArgumentError(
            "SCAD, MCP and penalties of your own do not add up with another penalty that sets slopes to zero; with ridge, difference or"
            " quadratic they do"
        )
    if not first.grouped or not second.grouped:
        grouped = second if second.grouped else first
        return SparseGroups(first.l1 + second.l1, grouped.group, grouped.weights)
    if not np.array_equal(first.group, second.group):
        raise ArgumentError("two group lassos add up only where they have the same groups: a column would be in two groups")
    return SparseGroups(first.l1 + second.l1, first.group, first.weights + second.weights)


def added(first: Any, second: Any) -> PenaltySum:
    """The sum of two penalties, each of which may be a sum. Raises TypeError for what is no penalty."""
    parts = list[Any]()
    for part in (first, second):
        if isinstance(part, PenaltySum):
            parts += part.parts
        elif isinstance(part, UnboundPenalty | SmoothPenalty):
            parts.append(part)
        else:
            # A ridge whose strength is left to the fit is the one penalty that gets here.
            meant = ": in a sum a ridge has a strength, as in gl.penalties.ridge(1)" if getattr(part, "strength", None) == "auto" else ""
            raise ArgumentTypeError(f"a penalty adds up with penalties only, not with {part!r}{meant}")
    return PenaltySum(tuple(parts))
