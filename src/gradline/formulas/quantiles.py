"""Exact order statistics of a column too long to hold, in a few passes over it."""

from __future__ import annotations

import numpy as np

from gradline.types import Array, IntArray

HELD = 4_000_000
"""Values held at once, 32 MB."""

_BINS = 4096


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
        for bracket in self._brackets:
            inside = values[(values >= bracket.low) & (values < bracket.high)]
            if self._collecting:
                bracket.values.append(inside)
            elif not bracket.single:
                bracket.counts += np.bincount(np.searchsorted(bracket.edges, inside, side="right") - 1, minlength=_BINS)

    def finish(self) -> Array | None:
        """The quantiles at the end of a pass, (len(probabilities),); None to ask for another pass."""
        if self._first:
            self._first = False
            if self._chunks is not None:
                values = np.concatenate([np.empty(0), *self._chunks])
                self._chunks = None
                return np.quantile(values, self.probabilities) if values.size else np.full(len(self.probabilities), np.nan)
            self._brackets = [_Bracket(self.lowest, float(np.nextafter(self.highest, np.inf)), 0, self._ranks(), self.count)]
            return None
        if self._collecting:
            found: dict[int, float] = {}
            for bracket in self._brackets:
                found.update(bracket.statistics())
            return self._interpolate(found)
        self._brackets = [narrower for bracket in self._brackets for narrower in bracket.narrowed()]
        inside = sum(bracket.size for bracket in self._brackets if not bracket.single)
        self._collecting = inside <= self.held
        return None

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
    """Values from low up to, not including, high, of which ``below`` are smaller: where the order statistics ``ranks`` lie."""

    def __init__(self, low: float, high: float, below: int, ranks: IntArray, size: int) -> None:
        self.low, self.high, self.below, self.ranks, self.size = low, high, below, ranks, size
        self.single = bool(np.nextafter(low, np.inf) >= high)
        self.edges = (
            np.unique(np.append(low + (high - low) * (np.arange(_BINS) / _BINS), high)) if np.isfinite(high - low) else _split(low, high)
        )
        self.counts = np.zeros(_BINS, dtype=np.int64)
        self.values: list[Array] = []

    def narrowed(self) -> list[_Bracket]:
        if self.single:
            return [self]
        before = self.below + np.concatenate([[0], np.cumsum(self.counts)])
        bins = np.searchsorted(before, self.ranks, side="right") - 1
        return [
            _Bracket(float(self.edges[i]), float(self.edges[i + 1]), int(before[i]), self.ranks[bins == i], int(self.counts[i]))
            for i in np.unique(bins)
        ]

    def statistics(self) -> dict[int, float]:
        if self.single:
            return {int(rank): self.low for rank in self.ranks}
        values = np.sort(np.concatenate(self.values))
        return {int(rank): float(values[rank - self.below]) for rank in self.ranks}


def _split(low: float, high: float) -> Array:
    """Edges of a bracket so wide that its width overflows."""
    return np.unique(np.append(low * (1 - np.arange(_BINS) / _BINS) + high * (np.arange(_BINS) / _BINS), high))
