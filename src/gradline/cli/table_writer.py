"""Writing a table as its rows come, to a file that appears whole or not at all, or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradline.base.atomic_file import open_whole
from gradline.model.written_predictions import written_schema


@contextmanager
def open_writer(out: Path | None, fields: Sequence[pa.Field], names: Sequence[str]) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """A function that writes batches to a Parquet or CSV file, or as CSV to standard output.

    The file appears when the context ends without an error; after an error, or Ctrl-C, what was there before is as it was.
    Raises OSError naming the file where it cannot be written.
    """
    schema = written_schema(fields, names)
    if out is None:
        sys.stdout.flush()
        with _csv(sys.stdout.buffer, schema) as writer:
            yield writer.write_batch
        return
    with open_whole(out) as file, (_parquet if out.suffix.lower() == ".parquet" else _csv)(file, schema) as writer:
        yield writer.write_batch


def _csv(file: Any, schema: pa.Schema) -> Any:
    import pyarrow.csv

    return pyarrow.csv.CSVWriter(file, schema, write_options=pyarrow.csv.WriteOptions(quoting_style="needed"))


def _parquet(file: Any, schema: pa.Schema) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetWriter(file, schema)
