"""A uniform sample of rows as they stream by, the same for any number of threads and any size of batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.tables.batches import picked

if TYPE_CHECKING:
    import pyarrow as pa


SPARE = 1.5
"""How many times the capacity is kept as candidates, so that enough are left at the end."""


def draw_rows(capacity: int, seed: int, place: int, n_rows: int) -> tuple[IntArray, Array]:
    """Candidates for a sample of ``capacity`` among ``n_rows`` rows, of which the first is number ``place``: (positions that rise, keys).

    Each row has a key between 0 and 1, but only the keys below a limit are drawn: as many as a binomial says, anywhere. The limit is
    a function of the place alone, so the sample does not depend on which thread, or machine, comes first.
    """
    limit = _limit_after(capacity, place + n_rows)
    random = np.random.Generator(np.random.SFC64([seed, place]))
    if limit == 1.0:
        return np.arange(n_rows), random.random(n_rows)
    count = int(random.binomial(n_rows, limit))
    chosen = np.sort(random.choice(n_rows, count, replace=False, shuffle=False))
    return chosen.astype(np.int64), limit * random.random(count)


def _limit_after(capacity: int, rows: int) -> float:
    return min(1.0, SPARE * (capacity + 40) / max(rows, 1))


class RowSample:
    """About ``capacity`` rows (all where there are fewer): those whose keys, drawn from the seed and the row's place, are smallest.

    ``draw`` may run in any thread, ``add`` runs in row order. Held: a few times the capacity at most.
    """

    def __init__(self, capacity: int, seed: int = 0) -> None:
        self.capacity = capacity
        self.seed = seed
        self._pieces: list[pa.Table] = []
        self._keys: list[Array] = []
        self._held = 0
        self._limit = 1.0

    def draw(self, place: int, n_rows: int) -> tuple[IntArray, Array]:
        """``draw_rows`` of this sample."""
        return draw_rows(self.capacity, self.seed, place, n_rows)

    def add(self, rows: pa.Table, keys: Array, read: int) -> None:
        """Candidates that ``draw`` found. read: rows of the table so far, these included."""
        self._limit = min(self._limit, _limit_after(self.capacity, read))
        self._pieces.append(rows)
        self._keys.append(keys)
        self._held += len(keys)
        if self._held > 4 * SPARE * self.capacity:
            self._prune()

    def table(self) -> tuple[pa.Table | None, Array]:
        """The sample in row order, and its keys; None where there were no rows."""
        self._prune()
        if not self._pieces:
            return None, np.empty(0)
        rows, keys = self._pieces[0], self._keys[0]
        if len(keys) > self.capacity:
            kept = np.flatnonzero(keys < np.partition(keys, self.capacity)[self.capacity])
            rows, keys = picked(rows, kept), keys[kept]
        return rows, keys

    def _prune(self) -> None:
        if not self._pieces:
            return
        import pyarrow as pa

        rows: Any = pa.concat_tables(self._pieces, promote_options="permissive")
        keys = np.concatenate(self._keys)
        kept = np.flatnonzero(keys < self._limit)
        if len(kept) < len(keys):
            rows, keys = picked(rows, kept), keys[kept]
        self._pieces, self._keys, self._held = [rows.combine_chunks()], [keys], len(keys)
