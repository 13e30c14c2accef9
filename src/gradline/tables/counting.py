"""Rows counted on their way: what a progress bar is fed with."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradline.tables.sources.source import Meter, Part

if TYPE_CHECKING:
    import pyarrow as pa


def counted(batches: Iterator[pa.RecordBatch], meter: Meter, total: int | None) -> Iterator[pa.RecordBatch]:
    """The batches of a pass, each counted once whoever asked for it comes back for the next."""
    meter.begin(total)
    yield from _each(batches, meter)


def counted_parts(parts: Sequence[Part], meter: Meter) -> Sequence[Part]:
    """The parts of a pass. It begins when the first of them is read: whoever asked may take the rows in one stream instead."""
    start = _Start(meter, sum(part.n_rows for part in parts))
    return [_CountedPart(part, start) for part in parts]


def _each(batches: Iterator[pa.RecordBatch], meter: Meter) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        meter.count(batch.num_rows)


class _Start:
    """Begins a pass once, whichever thread comes first."""

    def __init__(self, meter: Meter, total: int) -> None:
        self.meter, self._total, self._lock, self._begun = meter, total, threading.Lock(), False

    def now(self) -> None:
        with self._lock:
            if not self._begun:
                self._begun = True
                self.meter.begin(self._total)


@dataclass(frozen=True)
class _CountedPart:
    part: Part
    start: _Start

    @property
    def n_rows(self) -> int:
        return self.part.n_rows

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        self.start.now()
        yield from _each(self.part.batches(columns, rows), self.start.meter)
