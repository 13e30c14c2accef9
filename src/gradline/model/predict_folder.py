"""Predictions as a folder of Parquet files, each written by whoever reads its rows: none of them passes through this process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradline.base.atomic_file import open_whole, remove_abandoned, write_whole
from gradline.base.errors import ArgumentError, InferenceError
from gradline.base.warnings import warn
from gradline.model.outputs import OutputKind, points
from gradline.model.predict_table import PredictJob, as_table, encoder_of, noticing_change, output_names, predict_job
from gradline.model.written_predictions import check_kept, with_predictions
from gradline.tables.chunks import run
from gradline.tables.cleaning import Tally, rounding_notes
from gradline.tables.passes import Chunk

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.cluster.cluster import Cluster
    from gradline.model.record import Model

COMPLETE = "_SUCCESS"
"""The file without content that says that a folder is complete, by the custom of Spark; readers of folders pass over it."""


def predict_folder(
    model: Model,
    folder: str | os.PathLike[str],
    data: Any,
    kind: OutputKind,
    unseen: Any,
    interval: Any,
    level: float | None,
    calibration: Any,
    weight: float | None,
    keep: Sequence[str],
    cluster: Cluster | None,
) -> list[str]:
    """See :meth:`gradline.Fit.predict_to`. Raises as it does."""
    from gradline.cluster.cluster import on_cluster

    encoder = encoder_of(model)
    outputs: Any = points(model, kind)
    names = output_names(model, kind)
    if interval is not None:
        from gradline.model.intervals import interval_outputs

        outputs = interval_outputs(model, kind, interval, 0.95 if level is None else level, calibration, weight)
        names += output_names(model, kind, "lower") + output_names(model, kind, "upper")
    elif level is not None or calibration is not None or weight is not None:
        raise InferenceError('level=, calibration= and weight= go with interval="confidence" or interval="prediction"')
    keep = [keep] if isinstance(keep, str) else list(keep)
    odd = [name for name in names if name in keep]
    if odd:
        raise ArgumentError(f"keep= names {odd[0]!r}, as the predictions are called; rename the column first")
    table = as_table(encoder, on_cluster(data, cluster))
    table.check_columns(keep)
    check_kept(table, keep, parquet=True, keyword="keep=")
    table = table.exactly([name for name in keep if name not in encoder.feature_columns])
    carried = keep or list(table.schema.names)[:1]
    table = table.restricted([*encoder.feature_columns, *(() if model.absorbed is None else model.absorbed.columns), *carried])
    predicting, reading = predict_job(model, encoder, table, outputs, unseen, carried)
    place = _empty_folder(folder)
    job = WriteJob(predicting, str(place), tuple(table.schema.field(name) for name in keep), tuple(names))
    total, written = Tally(), []
    with noticing_change(table):
        for name, tally in run(table, job, reading):
            total.add(tally)
            written.append(name)
    remove_abandoned(place)
    write_whole(place / COMPLETE, "")
    for note in rounding_notes(total, table.name):
        warn(note)
    return [os.path.join(place, name) for name in written]


@dataclass(frozen=True)
class WriteJob:
    """Writes the predictions of a chunk to a file, whole or not at all: ``part-000012.parquet`` is chunk 12. fields: of what is kept."""

    predicting: PredictJob
    folder: str
    fields: tuple[pa.Field, ...]
    names: tuple[str, ...]

    name = "predict and write"

    @property
    def lasting(self) -> tuple[Any, ...]:
        return self.predicting.lasting

    def __call__(self, chunk: Chunk) -> tuple[str, Tally]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        values, kept, tally = self.predicting(chunk)
        batch = with_predictions(kept.select([field.name for field in self.fields]), self.fields, self.names, values)
        name = f"part-{chunk.number:06d}.parquet"
        with open_whole(Path(self.folder) / name, tidy=False) as file:
            pq.write_table(pa.Table.from_batches([batch]), file)
        return name, tally


def _empty_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder, made where there is none. Raises ArgumentError for one that holds anything."""
    place = Path(os.path.abspath(os.path.expanduser(folder)))
    if place.exists() and (not place.is_dir() or any(not entry.name.startswith(".") for entry in place.iterdir())):
        raise ArgumentError(f"{str(place)!r} is there already; give a new folder, or an empty one, for the predictions")
    place.mkdir(parents=True, exist_ok=True)
    return place
