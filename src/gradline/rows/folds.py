"""Rows parted into folds: which fold a row is in, and the rows of some folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gradline.base.types import Array, IntArray
from gradline.rows.altered import AlteredRows
from gradline.rows.block import Block
from gradline.rows.protocol import Rows

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


FEW = 20
"""Rows a fold, below which they are dealt out."""


def dealt(n: int, count: int, seed: int) -> IntArray:
    """A fold for each of n things, (n,), in random order: folds have as many as each other, to one."""
    found = np.empty(n, dtype=np.int64)
    found[np.random.default_rng(seed).permutation(n)] = np.arange(n) % count
    return found


@dataclass(frozen=True, eq=False)
class Folds:
    """Which of ``count`` folds each row is in: a hash of its number in the data, or as ``of_row`` (n,) says of the rows used.

    A hash needs no pass, and is the same on every machine (SplitMix64: Steele, Lea and Flood 2014, OOPSLA).
    """

    count: int
    seed: int = 0
    of_row: IntArray | None = None
    grouped: bool = False
    """Whether rows are held out by groups of theirs."""
    consecutive: int | None = None
    """How many rows there are, where folds are consecutive blocks of them; None for any other folds."""

    @classmethod
    def of_rows(cls, count: int, seed: int, n: int) -> Folds:
        """Of n rows: by the hash, or where they are few dealt out one by one in random order, so that no fold is empty by chance."""
        return cls(count, seed, dealt(n, count, seed) if n < FEW * count else None)

    @classmethod
    def of_blocks(cls, count: int, n: int) -> Folds:
        """Consecutive blocks of n rows, as long as each other, to one."""
        return cls(count, consecutive=n)

    @property
    def words(self) -> str:
        """What they are."""
        if self.consecutive is not None:
            return f"{self.count} consecutive blocks of rows"
        return f"{self.count} folds of {'groups' if self.grouped else 'rows'}"

    def of(self, block: Block) -> IntArray:
        """The fold of each row, (m,)."""
        if self.consecutive is not None:
            places = np.arange(block.first_row, block.first_row + block.n_rows, dtype=np.int64)
            return np.asarray(places * self.count // self.consecutive)
        if self.of_row is not None:
            # By the place among the rows used: numbers in the data go on over rows that were left out.
            return np.asarray(self.of_row[block.first_row : block.first_row + block.n_rows], dtype=np.int64)
        return _hashed(block, self.seed, self.count)


def _hashed(block: Block, seed: int, count: int) -> IntArray:
    """SplitMix64 of each row's number, modulo ``count``, (m,); in place, for it is asked of every row of a pass."""
    with np.errstate(over="ignore"):
        if block.numbers is None:
            mixed = _multiples(block.n_rows) + np.uint64((block.first_row + seed + 1) * int(_MIX[0]) % 2**64)
        else:
            mixed = block.numbers.astype(np.uint64)
            mixed += np.uint64(seed + 1)
            mixed *= _MIX[0]
        shifted = mixed >> np.uint64(30)
        mixed ^= shifted
        mixed *= _MIX[1]
        mixed ^= np.right_shift(mixed, np.uint64(27), out=shifted)
        mixed *= _MIX[2]
        mixed ^= np.right_shift(mixed, np.uint64(31), out=shifted)
        # The remainder by a division: NumPy divides by one number several at a time.
        np.floor_divide(mixed, np.uint64(count), out=shifted)
        shifted *= np.uint64(count)
        mixed -= shifted
    return np.asarray(mixed.view(np.int64))


@lru_cache(maxsize=4)
def _multiples(n: int) -> npt.NDArray[np.uint64]:
    """(n,) of the constant that consecutive numbers are multiplied with, made once for the blocks of a pass; to be read only."""
    values = np.arange(n, dtype=np.uint64) * _MIX[0]
    values.flags.writeable = False
    return values


@dataclass(frozen=True, eq=False)
class _Without:
    """Blocks in which the rows of one fold count for nothing."""

    folds: Folds
    fold: int

    def block(self, block: Block) -> Block:
        counts = np.where(self.folds.of(block) == self.fold, 0.0, 1.0)
        return replace(block, frequencies=counts if block.frequencies is None else counts * block.frequencies)


def without_fold(rows: Rows, folds: Folds, fold: int) -> AlteredRows:
    """The rows of all other folds: those of this one have frequency zero."""
    return AlteredRows(rows, _Without(folds, fold), rows.n_columns, rows.n_targets)


def picked(block: Block, rows: IntArray) -> Block:
    """Some rows of a block, as they are."""

    def pick(column: Array | None) -> Array | None:
        return None if column is None else column[rows]

    return Block(
        block.design.take(rows),
        block.targets[rows],
        pick(block.weights),
        pick(block.frequencies),
        pick(block.offset),
        block.first_row,
        block.row_numbers[rows],
    )
