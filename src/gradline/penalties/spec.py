"""What is common to the penalties of ``gl.penalties`` that have to meet their columns first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ArgumentTypeError
from gradline.base.types import Array
from gradline.penalties.kinked_penalty import PenaltyColumns

if TYPE_CHECKING:
    from gradline.penalties.sums import PenaltySum


class PenaltySpec:
    """A dataclass of settings. It adds up with other penalties by ``+``."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The settings that are not at their defaults, and the strength."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {
            f.name: getattr(self, f.name) for f in fields if f.default is dataclasses.MISSING or not _same(getattr(self, f.name), f.default)
        }

    def __add__(self, other: Any) -> PenaltySum:
        from gradline.penalties.sums import added

        return added(self, other)

    def __radd__(self, other: Any) -> PenaltySum:
        from gradline.penalties.sums import added

        return added(other, self)


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
