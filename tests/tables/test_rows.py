"""A table as Rows: the same sums as arrays, the same bits for any thread count, constant memory, rows by number."""

import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradline.losses import squared
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.kernel import Kernel
from gradline.solvers.least_squares.least_squares import least_squares
from gradline.solvers.least_squares.second_moments import MomentsKernel
from gradline.tables.batches import grouped, resized
from gradline.tables.rows import PlainEncoder, PlainValues, TableRows
from gradline.tables.table import open_table

N, P = 60_003, 3
FEATURES = [f"x{j}" for j in range(P)]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=N) for name in FEATURES}
    columns |= {"y": rng.normal(size=N), "z": rng.normal(size=N), "w": rng.uniform(0, 2, N), "f": rng.integers(0, 3, N)}
    return columns | {"o": rng.normal(size=N), "i": np.arange(N)}


@pytest.fixture(scope="module")
def holes(data):
    """The same with missing values, some of them in long runs."""
    rng = np.random.default_rng(1)
    x, y = data["x1"].copy(), data["y"].copy()
    x[rng.uniform(size=N) < 0.01] = np.nan
    x[20_000:40_000] = np.nan
    y[:5] = np.nan
    return data | {"x1": x, "y": y}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data, holes):
    folder = tmp_path_factory.mktemp("rows")
    for name, columns in (("whole", data), ("holes", holes)):
        table = pa.table(columns)
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=9_000)
        pq.write_table(table, folder / f"{name}-one-group.parquet", row_group_size=N)
        pq.write_table(table, folder / f"{name}-small-groups.parquet", row_group_size=700)
        table.to_pandas().to_csv(folder / f"{name}.csv", index=False)
    return folder


def sources(folder, name, columns):
    return {
        "parquet": lambda: open_table(folder / f"{name}.parquet"),
        "one row group": lambda: open_table(folder / f"{name}-one-group.parquet"),
        "small row groups": lambda: open_table(folder / f"{name}-small-groups.parquet"),
        "csv": lambda: open_table(folder / f"{name}.csv"),
        "query": lambda: open_table(None, query=f"SELECT * FROM '{folder}/{name}.parquet'"),
        "where": lambda: open_table(folder / f"{name}.parquet", where="i >= 0"),
        "frame": lambda: open_table(pd.DataFrame(columns)),
        "generator": lambda: open_table(iter([pa.table(columns)])),
    }


KINDS = list(sources(None, "", {}))


def arrays(columns, threads=None):
    keep = ~np.isnan(columns["x1"]) & ~np.isnan(columns["y"])
    picked = {name: values[keep] for name, values in columns.items()}
    values = np.stack([picked[name] for name in FEATURES], axis=1)
    return ArrayRows(
        values,
        np.stack([picked["y"], picked["z"]], axis=1),
        weights=picked["w"],
        frequencies=picked["f"].astype(float),
        offset=picked["o"][:, None],
        threads=threads,
    ), np.flatnonzero(keep)


def table_rows(table, **options):
    return TableRows(table, PlainEncoder(FEATURES), ["y", "z"], weights="w", frequencies="f", offset="o", **options)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks so small that a few rows make many of them, and several stretches."""
    monkeypatch.setattr("gradline.tables.rows.block_rows", lambda n_columns, n_predictors: 1000 - n_columns)


class Blocks(Kernel):
    """(first row, rows) of each block, in the order of merging."""

    def map(self, block):
        return [(block.first_row, block.n_rows)]

    def merge(self, first, second):
        return first + second


class Numbers:
    def __init__(self, fails_at=None):
        self.fails_at = fails_at

    def map(self, block):
        if self.fails_at is not None and block.first_row >= self.fails_at:
            raise ZeroDivisionError("the kernel's own")
        return block.design.dense()[:, 1] + block.targets[:, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["whole", "holes"])
def test_the_same_objective_as_arrays(kind, name, folder, data, holes):
    columns = data if name == "whole" else holes
    rows = table_rows(sources(folder, name, columns)[kind]())
    expected, kept = arrays(columns)
    assert (rows.n_columns, rows.n_targets, rows.intercept) == (P + 1, 2, True)
    b = np.random.default_rng(2).normal(size=(P + 1, 2))
    for order in (0, 1, 2):
        for mine, theirs in zip(Problem(rows, squared).evaluate(b, order), Problem(expected, squared).evaluate(b, order), strict=True):
            if theirs is not None:
                np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=1e-11)
    assert (rows.n_rows, rows.facts.tally.read, sum(rows.rows_dropped.values())) == (len(kept), N, N - len(kept))
    np.testing.assert_array_equal(rows.map(Numbers()), expected.map(Numbers()))
    chosen = np.array([len(kept) - 1, 7, 7, 0, 30_000])
    block, other = rows.take(chosen), expected.take(chosen)
    for mine, theirs in zip(
        (block.design.dense(), block.targets, block.weights, block.frequencies, block.offset),
        (other.design.dense(), other.targets, other.weights, other.frequencies, other.offset),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_for_any_thread_count(kind, folder, holes):
    b = np.random.default_rng(2).normal(size=(P + 1, 2))
    results = []
    for threads in (1, 2, 3):
        rows = table_rows(sources(folder, "holes", holes)[kind](), threads=threads)
        moments = rows.reduce(MomentsKernel()).sums
        sample = rows.sample(500)
        results.append([*Problem(rows, squared).evaluate(b, 2), moments.products, sample.targets, rows.reduce(Blocks())])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_streams_do_not_depend_on_how_their_rows_arrive(data):
    table = pa.table(data)
    results = []
    for size in (997, 20_000, N):
        rows = table_rows(open_table(table.to_reader(size)))
        results.append((rows.reduce(MomentsKernel()).sums.products, rows.sample(100).targets, rows.reduce(Blocks())))
    # A spool's parts follow its batches, so blocks may differ; sums agree to rounding, and samples are as good.
    for products, _, blocks in results:
        np.testing.assert_allclose(products, results[0][0], rtol=1e-11, atol=1e-8)
        assert sum(size for _, size in blocks) == N


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_follow_one_another_and_point_into_the_table(kind, folder, holes):
    rows = table_rows(sources(folder, "holes", holes)[kind]())
    _, kept = arrays(holes)
    blocks = rows.reduce(Blocks())
    starts = np.cumsum([0, *(size for _, size in blocks)])
    assert starts[-1] == len(kept)
    np.testing.assert_array_equal([first for first, _ in blocks], kept[starts[:-1]])


def test_a_sample_is_free_after_a_pass_and_uniform(folder, data):
    rows = TableRows(open_table(folder / "whole.parquet"), PlainEncoder(["i"]), "i")
    rows.reduce(Blocks())
    sample = rows.sample(5000).targets[:, 0]
    assert len(np.unique(sample)) == 5000
    assert (np.diff(sample) > 0).all()
    # Mean of 5,000 of 0..N-1: standard deviation N / sqrt(12 * 5000).
    assert abs(sample.mean() - N / 2) < 5 * N / np.sqrt(12 * 5000)
    assert not np.array_equal(rows.sample(5000, seed=1).targets[:, 0], sample)
    assert len(np.unique(rows.sample(40_000).targets)) == 40_000
    assert rows.sample(10 * N).n_rows == N


def test_blocks_number_rows_as_take_does(folder, holes):
    class Targets(Kernel):
        """Numbers and targets of the rows."""

        def map(self, block):
            return [(block.first_row + np.arange(block.n_rows), block.targets)]

        def merge(self, first, second):
            return first + second

    for name in ("holes", "holes-one-group", "holes-small-groups"):
        rows = table_rows(open_table(folder / f"{name}.parquet"))
        assert rows.n_rows < N
        numbers, targets = (np.concatenate(part) for part in zip(*rows.reduce(Targets()), strict=True))
        np.testing.assert_array_equal(numbers, np.arange(rows.n_rows))
        some = np.random.default_rng(4).integers(0, rows.n_rows, size=50)
        np.testing.assert_array_equal(rows.take(some).targets, targets[some])


def test_one_pass_for_several_kernels(folder, monkeypatch):
    rows = table_rows(open_table(folder / "whole.parquet"))
    alone = table_rows(open_table(folder / "whole.parquet")).reduce(MomentsKernel()).sums.products
    rows.prepare(MomentsKernel(), Blocks())
    passes = []
    monkeypatch.setattr(TableRows, "_run", lambda self, *rest: passes.append(1) or iter(()))
    np.testing.assert_array_equal(rows.reduce(MomentsKernel()).sums.products, alone)
    assert sum(size for _, size in rows.reduce(Blocks())) == rows.n_rows == N
    assert not passes


def test_least_squares_from_a_file(folder, data):
    table = open_table(folder / "whole.parquet")
    b = least_squares(TableRows(table, PlainEncoder(FEATURES), "y")).coefficients[:, 0]
    x = np.column_stack([np.ones(N), *(data[name] for name in FEATURES)])
    np.testing.assert_allclose(b, np.linalg.lstsq(x, data["y"], rcond=None)[0], rtol=1e-10)


def test_small_tables_become_arrays(folder, holes):
    rows = table_rows(open_table(folder / "holes.parquet"))
    held, expected = rows.as_arrays(), arrays(holes)[0]
    assert rows.n_rows == held.n_rows == expected.n_rows
    for name in ("values", "targets", "weights", "frequencies", "offset"):
        np.testing.assert_array_equal(getattr(held, name), getattr(expected, name))
    assert table_rows(open_table(folder / "holes.parquet")).as_arrays(1000) is None
    assert table_rows(open_table(folder / "holes.csv")).as_arrays(100_000) is None
    assert rows.in_memory() is None


def test_results_for_every_row_where_some_are_missing(folder, holes):
    rows = TableRows(open_table(folder / "holes.csv"), PlainEncoder(["x0", "x1"]), ["y"], missing="keep")
    expected = holes["x0"] + holes["y"]
    expected[np.isnan(holes["x1"])] = np.nan
    np.testing.assert_array_equal(rows.map(Numbers()), expected)
    found = list(rows.iterate_with(Numbers(), ["i", "x2"]))
    np.testing.assert_array_equal(np.concatenate([values for values, _ in found]), expected)
    np.testing.assert_array_equal(np.concatenate([batch["i"].to_numpy() for _, batch in found]), np.arange(N))
    assert all(batch.schema.names == ["i", "x2"] for _, batch in found)
    assert len(found) > 1


def test_prediction_needs_no_target(folder, data):
    class Predict:
        def map(self, block):
            return block.linear_predictors(np.array([[1.0], [2.0]]))

    rows = TableRows(open_table(folder / "whole.parquet"), PlainEncoder(["x0"]))
    np.testing.assert_allclose(rows.map(Predict())[:, 0], 1 + 2 * data["x0"], rtol=1e-14)
    everything = TableRows(open_table({"x0": [np.nan, np.nan]}), PlainEncoder(["x0"]), missing="keep")
    np.testing.assert_array_equal(everything.map(Predict()), np.full((2, 1), np.nan))


def test_offsets_a_predictor(data):
    table = open_table(data)
    rows = TableRows(table, PlainEncoder(["x0"]), PlainValues(("y",)), offset=["o", "w"])
    np.testing.assert_array_equal(rows.take(np.arange(5)).offset, np.column_stack([data["o"], data["w"]])[:5])


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_errors_of_a_kernel_come_through_and_leave_nothing_running(kind, folder, data):
    rows = table_rows(sources(folder, "whole", data)[kind]())
    with pytest.raises(ZeroDivisionError, match="the kernel's own"):
        rows.map(Numbers(fails_at=30_000))
    assert rows.map(Numbers()).shape == (N,)
    stream = rows.iterate(Numbers())
    next(stream)
    stream.close()
    assert rows.n_rows == N
    assert threading.active_count() < 50


def test_row_numbers_out_of_range(folder):
    rows = table_rows(open_table(folder / "whole.parquet"))
    with pytest.raises(IndexError, match="between 0 and 60002"):
        rows.take(np.array([N]))
    with pytest.raises(ValueError, match='missing must be "drop", "error" or "keep"'):
        table_rows(open_table(folder / "whole.parquet"), missing="fill")


def test_a_transform_that_makes_infinity_names_its_row(data):
    class Logarithm(PlainEncoder):
        names = ("(intercept)", "log(x)")

        def design(self, batch, first_row=0):
            design = super().design(batch)
            with np.errstate(divide="ignore"):
                return type(design)(np.log(design.values), True)

    class NotPlain:
        columns, n_columns, intercept, names = ("x",), 2, True, ("(intercept)", "log(x)")
        numeric_columns, row_numbers = (), 2

        def design(self, batch, first_row=0):
            return Logarithm(["x"]).design(batch)

    x = np.ones(100_000)
    x[[3, 5]] = np.nan
    x[77_777] = 0.0
    with pytest.raises(ValueError, match=r"log\(x\) is -inf in row 77777 of the dict of arrays"):
        TableRows(open_table({"x": x, "y": x}), NotPlain(), "y").reduce(Blocks())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 17))
def test_cutting_and_joining_keeps_rows_in_order(lengths, size):
    starts = np.cumsum([0, *lengths])
    batches = [pa.RecordBatch.from_pydict({"v": np.arange(a, a + n)}) for a, n in zip(starts[:-1], lengths, strict=True)]
    found = list(resized(batches, size))
    assert [batch.num_rows for batch in found[:-1]] == [size] * max(0, len(found) - 1)
    assert [v for batch in found for v in batch["v"].to_pylist()] == list(range(starts[-1]))
    assert sum(piece.num_rows for pieces in grouped(batches, size) for piece in pieces) == starts[-1]


def test_pieces_of_a_categorical_with_levels_of_their_own():
    pieces = [pa.RecordBatch.from_pydict({"g": pa.array(values).dictionary_encode()}) for values in (["a", "b"], ["c", "a"])]
    assert next(resized(pieces, 4))["g"].to_pylist() == ["a", "b", "c", "a"]


MEMORY = """
import resource, sys
from gradline.tables.table import open_table
from gradline.tables.rows import PlainEncoder, TableRows
from gradline.solvers.least_squares.second_moments import MomentsKernel
n = int(sys.argv[1])
names = [f"x{j}" for j in range(10)]
columns = ", ".join(f"sin(i * {j + 1}) AS {name}" for j, name in enumerate(names))
table = open_table(None, query=f"SELECT {columns}, cos(i) AS y FROM range({n}) t(i)")
rows = TableRows(table, PlainEncoder(names), "y")
rows.reduce(MomentsKernel()).sums
assert rows.n_rows == n
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_the_rows():
    def peak(n):
        return float(subprocess.run([sys.executable, "-c", MEMORY, str(n)], capture_output=True, text=True, check=True).stdout)

    # 3,000,000 rows are 264 MB; what is held of them is a few blocks a thread.
    assert peak(3_000_000) - peak(300_000) < 130
