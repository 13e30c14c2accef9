"""What a pass over a table is made of: chunks, what is done with each, and engines that have other processes do it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from gradline.base.types import IntArray
from gradline.tables.sources.source import Meter, Source

if TYPE_CHECKING:
    import pyarrow as pa

Result = TypeVar("Result")
Made = TypeVar("Made", covariant=True)


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows. number: of the chunk; first_row: of its first row in the table; batches: its rows, to be read once; first_used: how
    many rows are used before it, where these are counted already."""

    number: int
    first_row: int
    batches: Iterable[pa.RecordBatch]
    first_used: int | None = None


class Job(Protocol[Made]):
    """What is done with each chunk: a frozen dataclass that keeps nothing, so that another process may do it."""

    @property
    def name(self) -> str:
        """What to call it where tasks are listed, such as "evaluate"."""

    @property
    def lasting(self) -> tuple[Any, ...]:
        """Those of its parts that are the same objects in other jobs over the table, such as the encoder: other processes may keep them."""

    def __call__(self, chunk: Chunk) -> Made: ...


class SpanJob(Job[Result], Protocol[Result]):
    """A job whose results add up over the chunks of a span."""

    def merge(self, first: Result, later: Result) -> Result:
        """The result of both, in row order. It may change ``first``."""


@dataclass(frozen=True)
class Reading:
    """What a pass reads. columns: of the table; rows: the fewest of a chunk; needed (chunks,): which chunks, None for all; used: rows used
    in each chunk, where these are counted."""

    columns: tuple[str, ...]
    rows: int
    needed: npt.NDArray[np.bool_] | None = None
    used: tuple[int, ...] | None = None

    def used_before(self) -> IntArray | None:
        """How many rows are used before each chunk."""
        return None if self.used is None else np.concatenate([[0], np.cumsum(self.used, dtype=np.int64)])


class Engine(Protocol):
    """Other processes, which read the parts of a table themselves."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the results should know of them."""

    def run(self, source: Source, meter: Meter | None, job: Job[Result], reading: Reading) -> Iterator[Result]:
        """The job's result for each chunk, in row order."""

    def run_spans(self, source: Source, meter: Meter | None, job: SpanJob[Result], reading: Reading, span_rows: int) -> Iterator[Result]:
        """The job's result for each span of at least ``span_rows`` rows, in row order."""
