"""A uniform sample of rows as they stream by, the same for any number of threads and any size of batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.rows.sources.batches import picked
from gradline.types import Array, IntArray

if TYPE_CHECKING:
    import pyarrow as pa


class RowSample:
    """The ``capacity`` rows with the smallest keys; a row's key is drawn from the seed and the row's place.

    ``draw`` may run in any thread, ``add`` runs in row order. Held: about twice the capacity at most.
    """

    def __init__(self, capacity: int, seed: int = 0) -> None:
        self.capacity = capacity
        self.seed = seed
        self._pieces: list[pa.Table] = []
        self._keys: list[Array] = []
        self._held = 0
        self._limit = 1.0

    def draw(self, place: int, n_rows: int) -> tuple[IntArray, Array]:
        """Candidates among ``n_rows`` rows, of which the first is number ``place``: (positions, keys)."""
        keys = np.random.Generator(np.random.SFC64([self.seed, place])).random(n_rows)
        # The limit only falls: one that another thread is about to lower lets too many through, never too few.
        chosen = np.flatnonzero(keys < self._limit)
        return chosen, keys[chosen]

    def add(self, rows: pa.Table, keys: Array) -> None:
        """Candidates that ``draw`` found."""
        self._pieces.append(rows)
        self._keys.append(keys)
        self._held += len(keys)
        if self._held > 2 * self.capacity:
            self._prune()

    def table(self) -> tuple[pa.Table | None, Array]:
        """The sample in row order, and its keys; None where there were no rows."""
        self._prune()
        if not self._pieces:
            return None, np.empty(0)
        return self._pieces[0], self._keys[0]

    def _prune(self) -> None:
        if not self._pieces:
            return
        import pyarrow as pa

        rows: Any = pa.concat_tables(self._pieces, promote_options="permissive")
        keys = np.concatenate(self._keys)
        if len(keys) > self.capacity:
            self._limit = float(np.partition(keys, self.capacity)[self.capacity])
            kept = np.flatnonzero(keys < self._limit)
            rows, keys = picked(rows, kept), keys[kept]
        self._pieces, self._keys, self._held = [rows.combine_chunks()], [keys], len(keys)
