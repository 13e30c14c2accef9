"""Passes over a table as tasks of a cluster: which spans a task reads, what is sent with it, and what its outcome says."""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gradline.base.errors import ClusterError, DataError
from gradline.base.version import __version__
from gradline.base.warnings import warn
from gradline.cluster.dask_frames import DaskSource
from gradline.cluster.environment import Environment, check_release, differences
from gradline.cluster.packing import Packed, Packer
from gradline.cluster.scheduling import Avoided, Loop, Patience
from gradline.cluster.seam import Future, Seam
from gradline.cluster.tasks import Done, Failed, Needs, Outcome, PlannedChunk, Span, Work, perform
from gradline.tables.chunks import splits
from gradline.tables.passes import Job, Reading, SpanJob
from gradline.tables.sources.source import Meter, Source

Result = TypeVar("Result")

FEWEST_NUMBERS, MOST_NUMBERS = 2**20, 2**25
"""Numbers that a task reads: enough to outweigh a round trip, and few enough that a lost one is soon done again."""

SHARE_OF_REST, SMALLEST_SHARE = 2, 16
"""A task takes a half of a thread's share of the rows that are left, and a sixteenth of its share of all at least: tasks are few, since
each costs the driver some milliseconds, and at the end no thread waits long for the last."""

SENT_ALONG = 2**16
"""Bytes of a part of a job that are sent with each task; larger ones go to a worker that does not know them."""


class ClusterEngine:
    """The passes of one cluster."""

    def __init__(self, seam: Seam, patience: Patience) -> None:
        self.seam, self.patience = seam, patience
        self._packer, self._avoided = Packer(), Avoided()
        self._told: dict[str, None] = {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said of the workers in a fit's summary."""
        return tuple(self._told)

    def run(self, source: Source, meter: Meter | None, job: Job[Result], reading: Reading) -> Iterator[Result]:
        """As ``Engine``. Raises DataError for a source that cannot be split, ClusterError where workers fail, and what the job raises."""
        spans = [(chunk,) for chunk in _planned(source, reading)]
        yield from self._run(source, meter, job, reading, spans, merged=False)

    def run_spans(self, source: Source, meter: Meter | None, job: SpanJob[Result], reading: Reading, span_rows: int) -> Iterator[Result]:
        """As ``Engine``; raises as ``run`` does."""
        yield from self._run(source, meter, job, reading, _spans(_planned(source, reading), span_rows), merged=True)

    def notice(self, workers: dict[str, Environment]) -> None:
        """Hold workers' environments against this process's. Raises ClusterError for another release; warns once of other versions."""
        check_release(workers)
        told = differences(workers)
        if told and told not in self._told:
            self._told[told] = None
            warn(told)

    def _run(
        self, source: Source, meter: Meter | None, job: Job[Any], reading: Reading, spans: Sequence[Span], *, merged: bool
    ) -> Iterator[Any]:
        source.check_unchanged()
        packed = self._packer.pack(job)
        threads = max(1, self.seam.threads())
        works = [Work(group, reading.columns, reading.rows, merged) for group in _grouped(spans, len(reading.columns), threads)]
        bare = packed.bare(SENT_ALONG)
        # The first tasks bring everything along; those after find most of it there.
        frames = source if isinstance(source, DaskSource) else None
        tasks = [SpanTask(job.name, work, packed, bare, full=i < threads, frames=frames) for i, work in enumerate(works)]
        if meter is not None:
            meter.begin(sum(work.n_rows for work in works))

        def seen(index: int) -> None:
            if meter is not None:
                meter.count(works[index].n_rows)

        outcomes = Loop(self.seam, tasks, self.patience, self._avoided).outcomes(seen)
        try:
            for work, outcome in zip(works, outcomes, strict=True):
                if isinstance(outcome, Failed):
                    raise _error_of(outcome, source, work)
                assert isinstance(outcome, Done)
                self.notice({"that read " + str(work): outcome.environment})
                yield from outcome.results
        finally:
            outcomes.close()


@dataclass
class SpanTask:
    """Some spans of a pass. packed: the job; bare: without the bytes that a worker may know. full: whether the worker gets all bytes.
    frames: the collection whose partitions are brought to the task."""

    name: str
    work: Work
    packed: Packed = field(repr=False)
    bare: Packed = field(repr=False)
    full: bool
    frames: DaskSource | None = None

    def submit(self, seam: Seam, avoid: frozenset[str]) -> Future:
        brought: list[Any] = []
        if self.frames is not None:
            numbers = [chunk.part.number for span in self.work.spans for chunk in span]  # type: ignore[attr-defined]
            where = seam.elsewhere(avoid)
            brought = [self.frames.future(number, self.work.columns, where) for number in numbers]
        packed = self.packed if self.full else self.bare
        return seam.submit(self.name, perform, packed, self.work, __version__, *brought, avoid=avoid)

    def again(self, outcome: Outcome) -> bool:
        needs = isinstance(outcome, Needs)
        self.full = self.full or needs
        return needs

    def explained(self, error: BaseException, worker: str) -> Exception:
        return not_performed(error, worker)

    def __str__(self) -> str:
        return str(self.work)


def not_performed(error: BaseException, worker: str) -> Exception:
    """What to raise for an error that a worker raised before it could say anything, as one without gradline does."""
    chain, found = [error], error.__cause__ or error.__context__
    while found is not None and found not in chain:
        chain.append(found)
        found = found.__cause__ or found.__context__
    absent = next((str(part) for part in chain if isinstance(part, ImportError) or "No module named" in str(part)), None)
    who = f"worker {worker}" if worker else "a worker"
    if absent is not None:
        return ClusterError(f'{who} cannot import gradline ({absent}); run there: pip install "gradline[cluster]=={__version__}"')
    return ClusterError(f"{who} could not begin a task: {type(error).__name__}: {error}")


def _planned(source: Source, reading: Reading) -> list[PlannedChunk]:
    """The chunks of a pass. Raises DataError for rows that come in one piece."""
    parts = check_splits(source, reading.rows)
    used, first_rows = reading.used_before(), [0, *itertools.accumulate(part.n_rows for part in parts)]
    return [
        PlannedChunk(i, first_rows[i], part, None if used is None else int(used[i]))
        for i, part in enumerate(parts)
        if reading.needed is None or reading.needed[i]
    ]


def check_splits(source: Source, rows: int) -> Sequence[Any]:
    """The parts of a source for chunks of ``rows``. Raises DataError for a source that cannot be split."""
    how = "save it as Parquet files on storage that every worker sees, and give their folder or a pattern"
    if source.in_one_piece:
        raise DataError(f"{source.name} cannot be read by several workers, since {source.in_one_piece}; {how}")
    parts = source.parts(rows)
    if parts is None or not splits(parts):
        count = 0 if parts is None else len(parts)
        raise DataError(
            f"{source.name} cannot be read by several workers: it has {count} parts of {rows:,} rows or more; write it with row groups of"
            f" about {rows:,} rows, as in pyarrow.parquet.write_table(table, path, row_group_size={rows})"
        )
    return parts


def _spans(chunks: Sequence[PlannedChunk], span_rows: int) -> list[Span]:
    """The chunks in spans, which end where those of a ``SpanFold`` do."""
    spans: list[Span] = []
    held: list[PlannedChunk] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(part.n_rows for part in held) >= span_rows:
            spans.append(tuple(held))
            held = []
    return [*spans, tuple(held)] if held else spans


def _grouped(spans: Sequence[Span], columns: int, threads: int) -> Iterator[tuple[Span, ...]]:
    """Consecutive spans that go to one worker together, fewer of them towards the end. Sums do not depend on it: each span comes back by
    itself."""
    numbers = [sum(chunk.n_rows for chunk in span) * max(1, columns) for span in spans]
    left = sum(numbers)
    least = max(left // (SMALLEST_SHARE * threads), FEWEST_NUMBERS)
    group: list[Span] = []
    held = 0
    for span, count in zip(spans, numbers, strict=True):
        group.append(span)
        held += count
        if held >= min(max(left // (SHARE_OF_REST * threads), least), MOST_NUMBERS):
            yield tuple(group)
            group, held, left = [], 0, left - held
    if group:
        yield tuple(group)


def _error_of(failed: Failed, source: Source, work: Work) -> Exception:
    """What to raise here for what a worker raised."""
    error = None if failed.error is None else pickle.loads(failed.error)
    if isinstance(error, OSError):
        source.check_unchanged()
        lost = next((part for span in work.spans for part in span if _names(error, part)), None)
        if lost is not None:
            return ClusterError(
                f"a worker on {failed.worker} cannot read {lost.part} ({error}), which this process can: workers read files themselves, so"
                " put them on storage that every worker sees under the same path"
            )
    if isinstance(error, ImportError):
        return ClusterError(f"a worker on {failed.worker} lacks a package: {error}; install there what is installed here")
    if isinstance(error, Exception):
        error.add_note(f"raised by a worker on {failed.worker}")
        return error
    return ClusterError(f"a worker on {failed.worker} failed over {work}: {failed.text}\n{failed.trace}")


def _names(error: OSError, chunk: PlannedChunk) -> bool:
    """Whether an error is about the chunk's file, which this process sees."""
    path = str(chunk.part).partition("'")[2].partition("'")[0]
    return bool(path) and path in str(error) and os.path.exists(path)
