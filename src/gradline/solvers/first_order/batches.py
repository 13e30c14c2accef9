"""Which rows each mini-batch takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradline.base.types import IntArray


def mini_batches(n_rows: int, size: int, seed: int | None, shuffle: bool = True) -> Iterator[IntArray]:
    """Row numbers of each mini-batch: one shuffled epoch after another, cut into batches of one size."""
    generator = np.random.default_rng(seed)
    left = np.empty(0, dtype=np.int64)
    while True:
        while left.size < size:
            left = np.concatenate([left, generator.permutation(n_rows) if shuffle else np.arange(n_rows)])
        yield left[:size]
        left = left[size:]


def epochs_of_batches(n_rows: int, size: int, seed: int | None, shuffle: bool = True) -> Iterator[IntArray]:
    """The same where each epoch is to end with its rows: its last batch is smaller where the size does not divide them, as in Keras."""
    generator = np.random.default_rng(seed)
    while True:
        order = generator.permutation(n_rows) if shuffle else np.arange(n_rows)
        for begin in range(0, n_rows, size):
            yield order[begin : begin + size]
