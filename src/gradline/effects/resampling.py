"""Which rows a bootstrap draws: numbers that follow from the seed, the replication and the row alone, so that they are the same on every
machine, however the rows are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.inference.covariance.clusters import Groups
from gradline.rows.block import Block
from gradline.rows.protocol import Rows

Hashes = np.ndarray[Any, np.dtype[np.uint64]]

_POISSON = np.cumsum([np.exp(-1.0) / float(np.prod(np.arange(1, j + 1))) for j in range(13)])
"""Of a Poisson count of mean 1: the chance of j or fewer."""

_WEBB = np.sqrt(np.array([1.5, 1.0, 0.5]))
"""Webb's six points (2014): these and their negatives."""


@dataclass(frozen=True)
class DrawnCounts:
    """Rows, or clusters, drawn with replacement.

    seed; replications: the numbers of those asked for. size: how many rows there are where exactly as many are drawn, in memory; 0 where
    each row counts by a Poisson number of mean 1, which needs no knowledge of the others (Chamandy and others 2012). groups: clusters.
    frequencies: of rows in memory, which are drawn by.
    """

    seed: int
    replications: tuple[int, ...]
    size: int
    groups: Groups | None = None
    frequencies: Array | None = None

    def of(self, points: Sequence[int] | IntArray) -> DrawnCounts:
        return replace(self, replications=tuple(self.replications[int(i)] for i in points))

    def rows(self, rows: Rows) -> Rows:
        return rows if self.groups is None else self.groups.rows(rows)

    def split(self, block: Block) -> tuple[Block, Array]:
        if self.groups is not None:
            block, codes = self.groups.in_blocks.split(block)
            return block, self.held[codes[:, 0]].astype(np.float64)
        if self.size:
            rows = slice(block.first_row, block.first_row + block.n_rows)
            return replace(block, frequencies=None), self.held[rows].astype(np.float64)
        uniform = np.stack([uniforms(self.seed, r, block.row_numbers) for r in self.replications], axis=1)
        return block, np.searchsorted(_POISSON, uniform, side="right").astype(np.float64)

    @cached_property
    def held(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """How often each row in memory, or each cluster, was drawn, (n, S)."""
        size = self.size if self.groups is None else self.groups.sizes[0]
        found = np.empty((size, len(self.replications)), dtype=np.int32)
        for i, replication in enumerate(self.replications):
            found[:, i] = self._multinomial(replication, size)
        return found

    def _multinomial(self, replication: int, size: int) -> IntArray:
        generator = np.random.default_rng([self.seed, replication])
        if self.frequencies is None or self.groups is not None:
            return np.bincount(generator.integers(0, size, size), minlength=size)
        total = int(self.frequencies.sum())
        return np.asarray(generator.multinomial(total, self.frequencies / total))


@dataclass(frozen=True)
class WildSigns:
    """A random weight of mean 0 and variance 1 for each row, or cluster. webb: six points in place of two."""

    seed: int
    groups: Groups | None = None
    webb: bool = False

    def rows(self, rows: Rows) -> Rows:
        return rows if self.groups is None else self.groups.rows(rows)

    def split(self, block: Block) -> tuple[Block, IntArray]:
        """(the block of the fit, what tells its rows apart)."""
        if self.groups is None:
            return block, block.row_numbers
        block, codes = self.groups.in_blocks.split(block)
        return block, codes[:, 0]

    def weights(self, units: IntArray, replications: Sequence[int]) -> Array:
        """(m, S)."""
        uniform = np.stack([uniforms(self.seed, r, units) for r in replications], axis=1)
        if not self.webb:
            return np.where(uniform < 0.5, -1.0, 1.0)
        place = np.minimum((uniform * 6.0).astype(np.int64), 5)
        return np.asarray(np.where(place < 3, -1.0, 1.0) * _WEBB[place % 3])


def uniforms(seed: int, replication: int, units: IntArray) -> Array:
    """A number in [0, 1) for each unit, by the finaliser of SplitMix64 (Steele, Lea and Flood 2014), applied once for each of the three."""
    key = _mixed(_mixed(np.array([seed], dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)) ^ np.array([replication + 1], dtype=np.uint64))
    mixed = _mixed(np.asarray(units).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ key)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mixed(values: Hashes) -> Hashes:
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
