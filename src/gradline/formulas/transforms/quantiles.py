"""Exact order statistics of a column too long to hold, in a few passes over it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradline.base.types import Array, IntArray

HELD = 4_000_000
"""Values held at once, 32 MB."""

_BINS = 4096

_Keys = npt.NDArray[np.uint64]


class OrderStatistics:
    """Quantiles by linear interpolation between order statistics, as numpy.quantile's default takes them.

    Feed every value to ``update`` and call ``finish`` at the end of each pass until it answers. The first pass holds the values; if they
    are more than ``held``, later passes count them in bins and look closer at the bins that hold the wanted ranks.
    """

    def __init__(self, probabilities: Array, held: int = HELD) -> None:
        self.probabilities = np.asarray(probabilities, dtype=np.float64)
        self.held = held
        self.count = 0
        self.lowest, self.highest = np.inf, -np.inf
        self._chunks: list[Array] | None = []
        self._brackets: list[_Bracket] = []
        self._collecting = False
        self._first = True

    def update(self, values: Array) -> None:
        """Some finite values, (m,)."""
        if self._first:
            self.count += values.size
            if values.size:
                self.lowest, self.highest = min(self.lowest, float(values.min())), max(self.highest, float(values.max()))
            if self._chunks is not None:
                self._chunks.append(values.copy())
                if self.count > self.held:
                    self._chunks = None
            return
        keys = _keys(values)
        for bracket in self._brackets:
            bracket.update(values, keys, self._collecting)

    def finish(self) -> Array | None:
        """The quantiles at the end of a pass, (len(probabilities),); None to ask for another pass."""
        if self._first:
            self._first = False
            if self._chunks is not None:
                values = np.concatenate([np.empty(0), *self._chunks])
                self._chunks = None
                return np.quantile(values, self.probabilities) if values.size else np.full(len(self.probabilities), np.nan)
            low, high = _keys(np.array([self.lowest, self.highest])).tolist()
            self._brackets = [_Bracket(low, high + 1, 0, self._ranks(), self.count)]
            return None
        if not self._collecting:
            self._brackets = [narrower for bracket in self._brackets for narrower in bracket.narrowed()]
            inside = sum(bracket.size for bracket in self._brackets if not bracket.single)
            self._collecting = inside <= self.held
            if inside:
                return None
        found: dict[int, float] = {}
        for bracket in self._brackets:
            found.update(bracket.statistics())
        return self._interpolate(found)

    def _ranks(self) -> IntArray:
        positions = self.probabilities * (self.count - 1)
        return np.unique(np.concatenate([np.floor(positions), np.ceil(positions)]).astype(np.int64))

    def _interpolate(self, found: dict[int, float]) -> Array:
        """numpy.quantile's own rounding, by asking it about the two values it would stand between."""
        quantiles = np.empty(len(self.probabilities))
        for i, position in enumerate(self.probabilities * (self.count - 1)):
            below, above = found[int(np.floor(position))], found[int(np.ceil(position))]
            quantiles[i] = np.quantile(np.array([below, above]), position - np.floor(position))
        return quantiles


class DistinctValues:
    """The distinct values of a column, given up where they are more than ``held``."""

    def __init__(self, held: int) -> None:
        self.held = held
        self._known: Array | None = np.empty(0)
        self._fresh: list[Array] = []
        self._waiting = 0

    def update(self, values: Array) -> None:
        """Some finite values, (m,)."""
        if self._known is None:
            return
        self._fresh.append(values.copy())
        self._waiting += values.size
        # Merging costs a sort of everything known, so wait until as much is new.
        if self._waiting > max(self._known.size, 2**18):
            self.values()

    def values(self) -> Array | None:
        """The values, rising; None where they were too many."""
        if self._known is not None and self._fresh:
            self._known = np.unique(np.concatenate([self._known, *self._fresh]))
            self._fresh, self._waiting = [], 0
            if self._known.size > self.held:
                self._known = None
        return self._known


class _Bracket:
    """Values whose keys lie from low up to, not including, high: where the order statistics ``ranks`` are. ``below`` values are smaller."""

    def __init__(self, low: int, high: int, below: int, ranks: IntArray, size: int) -> None:
        self.low, self.high, self.below, self.ranks, self.size = low, high, below, ranks, size
        self.step = -(-(high - low) // _BINS)
        self.counts = np.zeros(_BINS, dtype=np.int64)
        self.values: list[Array] = []

    @property
    def single(self) -> bool:
        return self.high - self.low == 1

    def update(self, values: Array, keys: _Keys, collecting: bool) -> None:
        if self.single:
            return
        # Comparing with the last key inside, since the one after it may not fit.
        inside = (keys >= np.uint64(self.low)) & (keys <= np.uint64(self.high - 1))
        if collecting:
            self.values.append(values[inside])
        else:
            places = (keys[inside] - np.uint64(self.low)) // np.uint64(self.step)
            self.counts += np.bincount(places.astype(np.int64), minlength=_BINS)

    def narrowed(self) -> list[_Bracket]:
        """The bins that hold the ranks, as brackets."""
        if self.single:
            return [self]
        before = self.below + np.concatenate([[0], np.cumsum(self.counts)])
        bins = np.searchsorted(before, self.ranks, side="right") - 1
        found = []
        for i in np.unique(bins).tolist():
            low = self.low + i * self.step
            found.append(_Bracket(low, min(low + self.step, self.high), int(before[i]), self.ranks[bins == i], int(self.counts[i])))
        return found

    def statistics(self) -> dict[int, float]:
        """The order statistics by rank, once the values are collected."""
        if self.single:
            return dict.fromkeys(self.ranks.tolist(), _value(self.low))
        values = np.sort(np.concatenate(self.values))
        return {rank: float(values[rank - self.below]) for rank in self.ranks.tolist()}


_SIGN = np.uint64(1 << 63)


def _keys(values: Array) -> _Keys:
    """Whole numbers in the order of the floats: halving their range ends after 64 steps, where halving a range of floats near zero ends
    after a thousand."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _value(key: int) -> float:
    bits = np.array([key], dtype=np.uint64)
    return float(np.where(bits & _SIGN, bits ^ _SIGN, ~bits).view(np.float64)[0])
