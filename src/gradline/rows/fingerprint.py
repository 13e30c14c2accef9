"""A fingerprint of rows: a hash of their targets, weights and offsets that tells one set of rows from another, whatever their order.

Each row is hashed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA)
and the hashes are added modulo 2^64. A row that counts f times adds f times its hash, and a row of weight zero nothing, so that rows
written once with a frequency and rows written several times have one fingerprint. An offset of zero is no offset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]

MODULUS = 2**64

PART_ROWS = 2**13
"""Rows hashed at a time, which fit into a core's nearest caches."""


def fingerprint(targets: Array, weights: Array | None, frequencies: Array | None, offset: Array | None = None) -> int:
    """Of rows with targets (m, q), precision weights (m,), frequencies (m,) and offsets (m, k): below 2^64."""
    total = 0
    for start in range(0, len(targets), PART_ROWS):
        part = slice(start, start + PART_ROWS)
        own = (None if held is None else held[part] for held in (weights, frequencies, offset))
        total += int(np.add.reduce(_hashes(targets[part], *own), dtype=np.uint64))
    return total % MODULUS


def _hashes(targets: Array, weights: Array | None, frequencies: Array | None, offset: Array | None) -> Hashes:
    # The first step mixes a constant in, so that a row of zeros counts too; adding zero makes one of the two zeros.
    hashes = np.full(len(targets), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in targets.T:
        hashes = _mixed(hashes ^ _bits(column + 0.0))
    for j, column in enumerate(() if offset is None else offset.T):
        # Which linear predictor it belongs to is a part of it.
        hashes = np.where(column == 0.0, hashes, _mixed(hashes ^ _bits(column) ^ np.uint64(j + 1)))
    if weights is not None:
        hashes = np.where(weights == 1.0, hashes, _mixed(hashes ^ _bits(weights)))
        hashes[weights == 0] = 0
    if frequencies is not None:
        hashes = hashes * frequencies.astype(np.uint64)
    return hashes


def fingerprint_of(rows: Rows) -> int:
    """Of all rows: a glance at the targets where they are in memory, otherwise a pass."""
    known = rows.row_columns
    return rows.reduce(FingerprintKernel()) if known is None else fingerprint(*known)


@dataclass(frozen=True)
class FingerprintKernel(Kernel[int]):
    """The pass."""

    def map(self, block: Block) -> int:
        return fingerprint(block.targets, block.weights, block.frequencies, block.offset)

    def merge(self, first: int, second: int) -> int:
        return (first + second) % MODULUS


def _bits(column: Array) -> Hashes:
    return np.ascontiguousarray(column).view(np.uint64)


def _mixed(values: Hashes) -> Hashes:
    """The finaliser, in place: a part's temporaries would be given back to the system and asked for again at every step."""
    shifted = np.empty_like(values)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, None)):
        np.right_shift(values, np.uint64(shift), out=shifted)
        np.bitwise_xor(values, shifted, out=values)
        if factor is not None:
            np.multiply(values, np.uint64(factor), out=values)
    return values
