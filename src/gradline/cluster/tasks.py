"""What a worker does: some spans of a table, which it reads itself, by a job it may know already."""

from __future__ import annotations

import pickle
import socket
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradline.base.errors import ClusterError
from gradline.base.freed_memory import keep_freed_memory_of_a_worker
from gradline.base.threads import single_threaded_blas
from gradline.base.version import __version__
from gradline.cluster.environment import Environment, environment
from gradline.cluster.packing import Absent, Opener, Packed
from gradline.tables.passes import Chunk
from gradline.tables.sources.source import Part


@dataclass(frozen=True)
class PlannedChunk:
    """A chunk and the part of the table that it is."""

    number: int
    first_row: int
    part: Part
    first_used: int | None

    @property
    def n_rows(self) -> int:
        return self.part.n_rows


Span = tuple[PlannedChunk, ...]


@dataclass(frozen=True)
class Work:
    """The spans of one task. merged: whether a span's results are added up to one, or are those of each chunk."""

    spans: tuple[Span, ...]
    columns: tuple[str, ...]
    rows: int
    merged: bool

    @property
    def n_rows(self) -> int:
        return sum(chunk.n_rows for span in self.spans for chunk in span)

    def with_frames(self, frames: Sequence[Any]) -> Work:
        """The same with each chunk's rows, where there are any."""
        if not frames:
            return self
        rest = iter(frames)
        spans = [tuple(replace(chunk, part=chunk.part.with_frame(next(rest))) for chunk in span) for span in self.spans]  # type: ignore[attr-defined]
        return replace(self, spans=tuple(spans))

    def __str__(self) -> str:
        """Which rows, for messages."""
        chunks = [chunk for span in self.spans for chunk in span]
        first, last = chunks[0].part, chunks[-1].part
        return str(first) if len(chunks) == 1 else f"{first}, to {last}"


@dataclass(frozen=True)
class Done:
    """What came of a task; environment: of the worker."""

    results: list[Any]
    environment: Environment


@dataclass(frozen=True)
class Needs:
    """The worker does not know these parts of the job."""

    digests: tuple[str, ...]


@dataclass(frozen=True)
class Failed:
    """The task raised. error: as bytes, None where it does not survive pickle; text: its words; trace: where; worker: its machine."""

    error: bytes | None
    text: str
    trace: str
    worker: str


Outcome = Done | Needs | Failed

_opener = Opener()


def perform(packed: Packed, work: Work, release: str, *frames: Any) -> Outcome:
    """A worker's task. release: the driver's version of gradline; frames: the rows of each chunk, where an engine has brought them."""
    try:
        if release != __version__:
            raise ClusterError(f"the worker runs gradline {__version__} and this process {release}; every process needs the same")
        keep_freed_memory_of_a_worker()
        job = _opener.open(packed)
        with single_threaded_blas():
            return Done(list(_results(job, work.with_frames(frames))), environment())
    except Absent as absent:
        return Needs(absent.digests)
    except Exception as error:  # of the user's loss it may be anything; the driver raises it again
        return _failure(error)


def _results(job: Any, work: Work) -> Iterator[Any]:
    for span in work.spans:
        found = (job(Chunk(c.number, c.first_row, c.part.batches(work.columns, work.rows), c.first_used)) for c in span)
        if work.merged:
            yield _merged(job, found)
        else:
            yield from found


def _merged(job: Any, found: Iterable[Any]) -> Any:
    rest = iter(found)
    total = next(rest)
    for result in rest:
        total = job.merge(total, result)
    return total


def _failure(error: Exception) -> Failed:
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:  # an error of another library that holds what cannot be pickled
        data = None
    text = f"{type(error).__name__}: {error}"
    return Failed(data, text, "".join(traceback.format_exception(error)), socket.gethostname())
