"""What a cluster refuses, and what it says: sources in one piece, workers that do not fit, files that change, losses that cannot go."""

import os
import pickle
import shutil
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from many_parts import write

import gradline as gl
from gradline.base.version import __version__
from gradline.cluster import environment as environments
from gradline.cluster.environment import environment
from gradline.tables.encoders import PlainEncoder
from gradline.tables.rows import TableRows


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def cluster(threads):
    return gl.Cluster(threads, threads=2)


class Elsewhere:
    """An executor whose tasks are bytes on their way there and back, as between processes. there: what to make of a task's result."""

    def __init__(self, before=lambda: None, there=lambda outcome: outcome):
        self.before, self.there = before, there

    def submit(self, function, *arguments):
        future = Future()
        try:
            function, arguments = pickle.loads(pickle.dumps((function, arguments)))
            self.before()
            future.set_result(self.there(pickle.loads(pickle.dumps(function(*arguments)))))
        except BaseException as error:
            future.set_exception(error)
        return future


SPLITS = r"cannot be read by several workers.*Parquet"


def test_what_cannot_be_split(tmp_path, cluster):
    frame = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": [1.0, 2.0, 3.0]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    for source in (tmp_path / "rows.csv", frame, {"y": [1.0, 2.0], "x": [1.0, 2.0]}):
        with pytest.raises(gl.DataError, match=SPLITS):
            gl.fit("y ~ x", source, cluster=cluster)
    for how in ({"where": "x > 1"}, {"query": "SELECT * FROM data"}):
        with pytest.raises(gl.DataError, match=SPLITS):
            gl.fit("y ~ x", tmp_path / "rows.parquet", cluster=cluster, **how)
    import duckdb

    with duckdb.connect(tmp_path / "rows.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1.0 AS y, 2.0 AS x")
    with pytest.raises(gl.DataError, match=SPLITS):
        gl.fit("y ~ x", "t", database=str(tmp_path / "rows.duckdb"), cluster=cluster)
    with pytest.raises(gl.DataError, match=r"it has 1 parts of .* rows or more; write it with row groups of about"):
        gl.fit("y ~ x", tmp_path / "rows.parquet", cluster=cluster)


def test_arguments_that_do_not_go_together(folder, cluster):
    with pytest.raises(gl.ArgumentTypeError, match="cluster= goes with a table"):
        gl.fit(np.ones((5, 1)), np.ones(5), cluster=cluster)
    with pytest.raises(gl.ArgumentTypeError, match=r"cluster= takes a gl.Cluster"):
        gl.fit("y ~ x", folder, cluster="local:2")
    with pytest.raises(gl.ArgumentTypeError, match="takes a Dask client or an executor"):
        gl.Cluster(object())
    with pytest.raises(gl.ArgumentTypeError, match="'ThreadPoolExecutor'"):
        gl.Cluster(ThreadPoolExecutor)
    for wrong in ({"deadline": 0}, {"no_worker": -1}, {"threads": 0}, {"threads": 1.5}, {"threads": True}):
        with pytest.raises(gl.ArgumentError, match=next(iter(wrong))):
            gl.Cluster(Elsewhere(), **wrong)
    for address in ("local:many", "somewhere", "local:0"):
        with pytest.raises(gl.ArgumentError):
            gl.Cluster.connect(address)
    with pytest.raises(TypeError, match="belongs to the process"):
        pickle.dumps(cluster)


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_that_was_shut_down(folder, kind):
    pool = kind(1)
    cluster = gl.Cluster(pool)
    pool.shutdown()
    with pytest.raises(gl.ClusterError, match=r"the executor is shut down .*; give gl\.Cluster one that is open"):
        gl.fit("y ~ x", folder, cluster=cluster)


def test_an_executor_that_is_shut_down_between_fits(folder):
    pool = ThreadPoolExecutor(1)
    cluster = gl.Cluster(pool)
    gl.fit("y ~ x", folder, cluster=cluster)
    pool.shutdown()
    with pytest.raises(gl.ClusterError, match="the executor is shut down"):
        gl.fit("y ~ x", folder, cluster=cluster)


def test_a_closed_cluster(folder, threads):
    with gl.Cluster(threads) as cluster:
        pass
    with pytest.raises(gl.ClusterError, match="the cluster is closed"):
        gl.fit("y ~ x", folder, cluster=cluster)
    assert repr(cluster).endswith("closed)")


def test_workers_without_gradline(folder):
    def without():
        raise ModuleNotFoundError("No module named 'gradline'")

    with pytest.raises(gl.ClusterError, match=r"cannot import gradline \(No module named 'gradline'\); run there: pip install"):
        gl.fit("y ~ x", folder, cluster=gl.Cluster(Elsewhere(without), threads=1))


def test_workers_of_another_release(folder, monkeypatch):
    other = environment() | {"gradline": "0.0.1"}
    cluster = gl.Cluster(Elsewhere(there=lambda outcome: other if isinstance(outcome, dict) else outcome), threads=1)
    with pytest.raises(gl.ClusterError, match=rf"runs gradline 0\.0\.1 and this process {__version__}"):
        gl.fit("y ~ x", folder, cluster=cluster)


def test_workers_of_another_numpy_are_told(folder):
    other = environment() | {"numpy": "1.0"}
    cluster = gl.Cluster(Elsewhere(there=lambda outcome: other if isinstance(outcome, dict) else outcome), threads=1)
    with pytest.warns(gl.GradlineWarning, match="numpy is .* here and 1.0 on .*: digits agree"):
        fit = gl.fit("y ~ x", folder, cluster=cluster)
    assert "digits agree with a fit on one machine" in str(fit.summary())


def test_a_framework_that_is_not_used_does_not_matter(monkeypatch):
    monkeypatch.setattr(environments.sys, "modules", {})
    assert environments.differences({"w": environment() | {"torch": "0.1"}}) == ""
    assert "BLAS is" in environments.differences({"w": environment() | {"BLAS": "other"}})


def test_a_worker_without_a_framework(folder):
    def own(y, prediction):
        import a_framework_that_is_not_there

        return a_framework_that_is_not_there.square(y - prediction)

    from gradline.cluster.engine import _error_of
    from gradline.cluster.tasks import Failed

    failed = Failed(pickle.dumps(ModuleNotFoundError("No module named 'tensorflow'")), "", "", "host7")
    error = _error_of(failed, None, None)
    assert isinstance(error, gl.ClusterError)
    assert "host7 lacks a package: No module named 'tensorflow'; install there" in str(error)


def test_files_that_only_this_process_sees(folder, tmp_path):
    place = tmp_path / "mine"
    shutil.copytree(folder, place)
    hidden = tmp_path / "hidden"

    class Blind(Elsewhere):
        def submit(self, function, *arguments):
            if function.__name__ != "perform":
                return super().submit(function, *arguments)
            os.rename(place, hidden)
            try:
                return super().submit(function, *arguments)
            finally:
                os.rename(hidden, place)

    with pytest.raises(gl.ClusterError, match=r"cannot read '.*part-0.*parquet', row group.*which this process can.*every worker sees"):
        gl.fit("y ~ x", place, cluster=gl.Cluster(Blind(), threads=1))


def test_a_file_that_changes_or_goes_between_passes(folder, tmp_path, cluster):
    for harm, told in (("rewrite", "has changed since it was opened"), ("remove", "is no longer there")):
        place = tmp_path / harm
        shutil.copytree(folder, place)
        rows = TableRows(cluster.table(place), PlainEncoder(["x"]), "y")
        assert rows.n_rows > 0
        victim = place / "part-030.parquet"
        if harm == "rewrite":
            pq.write_table(pq.read_table(victim).slice(1), victim)
        else:
            victim.unlink()
        with pytest.raises((gl.DataError, FileNotFoundError), match=told):
            rows.sample(20_000)


def test_a_file_that_goes_in_the_middle_of_a_pass(folder, tmp_path):
    place = tmp_path / "middle"
    shutil.copytree(folder, place)
    count = 0

    def before():
        nonlocal count
        count += 1
        if count == 6:
            (place / "part-063.parquet").unlink()

    with pytest.raises(FileNotFoundError, match=r"part-063.parquet' is no longer there"):
        gl.fit("y ~ x", place, cluster=gl.Cluster(Elsewhere(before), threads=2))


def test_parts_of_mixed_columns_and_empty_parts(folder, tmp_path, cluster):
    place = tmp_path / "mixed"
    shutil.copytree(folder, place)
    schema = pq.read_schema(place / "part-005.parquet")
    pq.write_table(schema.empty_table(), place / "part-005.parquet")
    assert gl.fit("y ~ x", place, cluster=cluster).coefficients.tobytes() == gl.fit("y ~ x", place).coefficients.tobytes()
    table = pq.read_table(place / "part-007.parquet")
    pq.write_table(table.drop(["x"]), place / "part-007.parquet")
    with pytest.raises(gl.DataError, match=r"column 'x' is in .* but not in .*part-007"):
        gl.fit("y ~ x", place, cluster=cluster)
    text = table.set_column(table.schema.get_field_index("x"), "x", pa.array(["a"] * len(table)))
    pq.write_table(text, place / "part-007.parquet")
    alone, spread = (_message(place, **how) for how in ({}, {"cluster": cluster}))
    assert alone == spread
    assert "part-007" in spread


def test_files_without_rows_change_nothing(folder, tmp_path, cluster):
    place, filled = tmp_path / "some empty", tmp_path / "filled"
    for copy in (place, filled):
        copy.mkdir()
        for part in range(6):
            shutil.copy(folder / f"part-00{part}.parquet", copy)
    pq.write_table(pq.read_schema(place / "part-000.parquet").empty_table(), place / "part-002-none.parquet")
    asked = {"loss": gl.losses.quantile(0.7), "covariance": "constant-density"}
    wanted = gl.fit("y ~ x + u", filled, **asked)
    for how in ({}, {"cluster": cluster}):
        found = gl.fit("y ~ x + u", place, **asked, **how)
        assert found.coefficients.tobytes() == wanted.coefficients.tobytes()
        assert found.standard_errors.tobytes() == wanted.standard_errors.tobytes()
        np.testing.assert_array_equal(wanted.predict(place, **how), wanted.predict(filled))


def _message(place, **how):
    with pytest.raises((gl.GradlineError, OSError)) as caught:
        gl.fit("y ~ x", place, **how)
    return str(caught.value)


def test_a_value_that_cannot_be_used_is_named_as_on_one_machine(tmp_path, cluster):
    place = tmp_path / "odd"
    place.mkdir()
    write(place, 6_400, 64)
    table = pq.read_table(place / "part-040.parquet")
    x = table["x"].to_numpy().copy()
    x[3] = np.inf
    pq.write_table(table.set_column(table.schema.get_field_index("x"), "x", pa.array(x)), place / "part-040.parquet")
    assert _message(place) == _message(place, cluster=cluster)
    assert "column 'x' holds infinity in row 4003" in _message(place)


def test_a_target_outside_the_domain_is_named_as_on_one_machine(folder, cluster):
    messages = []
    for how in ({}, {"cluster": cluster}, {"cluster": gl.Cluster(Elsewhere(), threads=2)}):
        with pytest.raises(gl.GradlineError) as caught:
            gl.fit("y ~ x", folder, loss="poisson", **how)
        messages.append(str(caught.value))
    assert messages[0] == messages[1] == messages[2]


LOCK = threading.Lock()


def holds_a_lock(y, prediction):
    import tensorflow as tf

    with LOCK:
        return tf.square(y - prediction) + tf.abs(y - prediction)


def test_a_loss_that_cannot_be_sent_is_named(folder, cluster):
    with pytest.raises(gl.ClusterError, match=r"the function 'holds_a_lock' cannot be sent to workers: it refers to 'LOCK', a lock"):
        gl.fit("y ~ x", folder, loss=gl.losses.custom(holds_a_lock, backend="tensorflow"), cluster=cluster)
