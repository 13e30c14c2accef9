"""A table in memory, in as many batches as asked for: what the state pass may rely on, and no more."""

import datetime

import numpy as np
import pyarrow as pa

KINDS = ((pa.types.is_boolean, "boolean"), (pa.types.is_string, "text"), (pa.types.is_large_string, "text"), (pa.types.is_temporal, "date"))


class MemoryTable:
    def __init__(self, data, batch_rows=None):
        self.table = data if isinstance(data, pa.Table) else pa.table(data)
        self.batch_rows = batch_rows or max(1, self.table.num_rows)
        self.read = []

    @property
    def columns(self):
        kinds = {}
        for field in self.table.schema:
            held = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            number = pa.types.is_integer(held) or pa.types.is_floating(held) or pa.types.is_decimal(held)
            kinds[field.name] = "number" if number else next((kind for test, kind in KINDS if test(held)), "other")
        return kinds

    @property
    def n_rows(self):
        return self.table.num_rows

    def batches(self, columns):
        self.read.append(tuple(columns))
        return self.table.select(list(columns)).combine_chunks().to_batches(max_chunksize=self.batch_rows)

    def levels(self, column, limit):
        values = set(self.table.column(column).to_pylist()) - {None}
        return sorted(value for value in values if value == value)

    def encode(self, encoder, **options):
        """Everything at once: (design matrix, targets)."""
        parts, first = [], 0
        for batch in self.batches(encoder.columns):
            parts.append(encoder.encode(batch, first, **options))
            first += batch.num_rows
        targets = None if parts[0].targets is None else np.concatenate([part.targets for part in parts])
        return np.concatenate([part.design.dense() for part in parts]), targets


def example(rows=60, seed=0):
    """A bit of everything."""
    rng = np.random.default_rng(seed)
    return {
        "y": rng.normal(size=rows),
        "x": rng.uniform(0.5, 4.0, size=rows),
        "z": rng.normal(3.0, 2.0, size=rows),
        "n": rng.integers(1, 9, size=rows),
        "k": rng.integers(1, 5, size=rows),
        "b": rng.uniform(size=rows) < 0.4,
        "g": np.array(["a", "b", "c"])[np.append([0, 1, 2], rng.integers(0, 3, size=rows - 3))],
        "h": np.array(["u", "v"])[np.append([0, 1], rng.integers(0, 2, size=rows - 2))],
        "day": np.array([datetime.date(2024, 1, 1 + i % 3) for i in range(rows)]),
        "my col": rng.normal(size=rows),
        "Sepal.Length": rng.uniform(1, 2, size=rows),
    }
