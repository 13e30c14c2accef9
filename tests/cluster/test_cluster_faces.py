"""Everything that passes over rows goes through a cluster: diagnoses, other errors, predictions, moments, reports, effects, the command."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from many_parts import FILES, N
from typer.testing import CliRunner

import gradline as gl
from gradline.cluster.dask_frames import DaskPart
from gradline.tables.encoders import PlainEncoder
from gradline.tables.rows import TableRows

FORMULA = "y ~ x + u + C(g)"


@pytest.fixture(scope="module")
def cluster():
    with ThreadPoolExecutor(2) as pool:
        yield gl.Cluster(pool, threads=2)


@pytest.fixture(scope="module")
def fit(folder):
    return gl.fit(FORMULA, folder)


def test_diagnoses_and_errors(folder, fit, cluster):
    here, there = fit.diagnose(folder), fit.diagnose(folder, cluster=cluster)
    assert here.leave_one_out_loss == there.leave_one_out_loss
    assert here.cooks_distance.tobytes() == there.cooks_distance.tobytes()
    assert fit.residuals(folder).tobytes() == fit.residuals(folder, cluster=cluster).tobytes()
    assert (
        fit.with_covariance("HC3", folder, cluster=cluster).standard_errors.tobytes()
        == fit.with_covariance("HC3", folder).standard_errors.tobytes()
    )


def test_predictions(folder, fit, cluster, tmp_path):
    alone = fit.predict(folder)
    assert fit.predict(folder, cluster=cluster).tobytes() == alone.tobytes()
    files = fit.predict_to(tmp_path / "out", folder, keep=["i"], interval="confidence", cluster=cluster)
    assert len(files) == FILES
    assert (tmp_path / "out" / "_SUCCESS").exists()
    written = pd.concat([pq.read_table(file).to_pandas() for file in files])
    assert list(written.columns) == ["i", "prediction", "lower", "upper"]
    assert np.array_equal(written["i"], np.arange(N))
    assert written["prediction"].to_numpy().tobytes() == alone.tobytes()
    # Read as a folder it is the same table again.
    assert gl.fit("prediction ~ i", tmp_path / "out").rows_used == N
    with pytest.raises(gl.ArgumentError, match="is there already"):
        fit.predict_to(tmp_path / "out", folder, cluster=cluster)


def test_predictions_to_a_folder_on_one_machine(folder, fit, tmp_path):
    frame = pq.read_table(folder).to_pandas()
    files = fit.predict_to(tmp_path / "frame", frame)
    assert np.concatenate([pq.read_table(file)["prediction"].to_numpy() for file in files]).tobytes() == fit.predict(frame).tobytes()
    with pytest.raises(gl.ArgumentError, match="keep= names 'prediction'"):
        fit.predict_to(tmp_path / "other", frame.assign(prediction=1.0), keep="prediction")
    with pytest.raises(gl.InferenceError, match="go with interval"):
        fit.predict_to(tmp_path / "other", frame, level=0.9)


def test_moments(folder, cluster):
    columns = ["y", "x", "u"]
    here, there = gl.Moments(folder, columns=columns, weights="w"), gl.Moments(folder, columns=columns, weights="w", cluster=cluster)
    assert (there.names, there.n) == (here.names, here.n)
    np.testing.assert_allclose(there.covariance, here.covariance, rtol=1e-12)
    with pytest.raises(gl.DataError, match="column 'z' holds nan in row"):
        gl.Moments(folder, columns=["z"])
    with pytest.raises(gl.DataError, match="'z' is missing in row"):
        gl.Moments(folder, columns=["z"], cluster=cluster)


def test_effects_and_bootstrap(folder, fit, cluster):
    table = cluster.table(folder)
    assert str(fit.effects("x", data=table)) == str(fit.effects("x", data=folder))
    assert str(fit.bootstrap(folder, cluster=cluster, replications=20, seed=1)) == str(fit.bootstrap(folder, replications=20, seed=1))


def test_addresses_that_arrow_opens(folder, fit, cluster, tmp_path):
    for address in (f"file://{folder}/*.parquet", f"file://{folder}", f"file://{folder}/**.parquet"):
        found = gl.fit(FORMULA, address, cluster=cluster)
        assert found.coefficients.tobytes() == fit.coefficients.tobytes()
    with pytest.raises(FileNotFoundError, match="no Parquet file at"):
        gl.fit(FORMULA, f"file://{folder}/*.csv", cluster=cluster)
    with pytest.raises(gl.DataError, match="is no address that Arrow's file systems open"):
        gl.fit(FORMULA, "nowhere://bucket/rows.parquet", cluster=cluster)
    place = tmp_path / "changing"
    shutil.copytree(folder, place)
    rows = TableRows(cluster.table(f"file://{place}"), PlainEncoder(["x"]), "y")
    assert rows.n_rows > 0
    pq.write_table(pq.read_table(place / "part-030.parquet").slice(1), place / "part-030.parquet")
    with pytest.raises(gl.DataError, match="has changed since it was opened"):
        rows.take([0])


def test_a_report(folder, fit, cluster, tmp_path):
    pytest.importorskip("matplotlib")
    here, there = fit.report(folder), fit.report(folder, cluster=cluster)
    assert [concern.title for concern in here.concerns] == [concern.title for concern in there.concerns]


def test_the_command(folder, tmp_path, monkeypatch, cluster):
    from gradline.cli import app
    from gradline.cluster.cluster import Cluster

    monkeypatch.setattr(Cluster, "connect", classmethod(lambda cls, address, **options: cluster))
    monkeypatch.setattr(Cluster, "close", lambda self: None)
    runner, model = CliRunner(), tmp_path / "model.json"
    alone = runner.invoke(app, ["fit", str(folder), FORMULA, "--json"])
    spread = runner.invoke(app, ["fit", str(folder), FORMULA, "--json", "--cluster", "local:2", "--out", str(model)])
    assert spread.exit_code == 0, spread.output
    assert spread.stdout.split('"objective"')[0] == alone.stdout.split('"objective"')[0]
    found = runner.invoke(app, ["predict", str(model), str(folder), "--out", str(tmp_path / "out"), "--cluster", "local:2"])
    assert f"predictions written: {FILES} files" in found.output


def test_an_address_that_is_none():
    from gradline.cli import app

    found = CliRunner().invoke(app, ["fit", "rows/*.parquet", FORMULA, "--cluster", "elsewhere"])
    assert found.exit_code == 2
    assert "--cluster: 'elsewhere' is no address of a scheduler" in found.output.replace("\n", " ")


def test_frames_of_dask(folder, tmp_path):
    dask_frames = pytest.importorskip("dask.dataframe")
    from distributed import Client

    # Workers of this process: they start at once.
    with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None, set_as_default=False) as client:
        _fit_frames(dask_frames, folder, tmp_path, gl.Cluster(client))


def _fit_frames(dask_frames, folder, tmp_path, cluster):
    for part in range(5):
        shutil.copy(folder / f"part-00{part}.parquet", tmp_path)
    frame = dask_frames.read_parquet(tmp_path, split_row_groups=False)
    whole = pq.read_table(tmp_path).to_pandas()
    found = gl.fit(FORMULA, frame, cluster=cluster)
    np.testing.assert_allclose(found.coefficients, gl.fit(FORMULA, whole).coefficients, rtol=1e-12)
    # The partitions are the files here, and so are the spans.
    assert found.coefficients.tobytes() == gl.fit(FORMULA, tmp_path).coefficients.tobytes()
    assert gl.fit(FORMULA, frame.persist(), cluster=cluster).coefficients.tobytes() == found.coefficients.tobytes()
    # Rows chosen with Dask may leave a partition without any.
    later = frame[frame["i"] >= len(pq.read_table(tmp_path / "part-000.parquet"))]
    rows = gl.fit(FORMULA, whole).residuals(whole[whole["i"] >= len(whole) // 5])
    np.testing.assert_allclose(found.residuals(later, cluster=cluster), rows, rtol=0, atol=1e-10)
    with pytest.raises(gl.ArgumentError, match="where= does not go with a Dask frame"):
        gl.fit(FORMULA, frame, cluster=cluster, where="x > 0")
    with ThreadPoolExecutor(1) as pool, pytest.raises(gl.ArgumentTypeError, match="needs the Dask client"):
        gl.fit(FORMULA, frame, cluster=gl.Cluster(pool))
    _fit_frames_of_few_columns(dask_frames, tmp_path / "wide", cluster)
    few = dask_frames.from_pandas(whole.head(100), npartitions=2)
    with pytest.raises(gl.DataError, match="it has 2 parts"):
        gl.fit(FORMULA, few, cluster=cluster)


def _fit_frames_of_few_columns(dask_frames, place, cluster):
    """Dask reads several files as one partition where few of their columns are asked for; no row may be lost over that."""
    place.mkdir()
    rng = np.random.default_rng(5)
    for part in range(12):
        pq.write_table(
            pa.table({name: rng.normal(size=50 + part) for name in ["y", "x", *(f"v{j}" for j in range(30))]}),
            place / f"{part:02d}.parquet",
        )
    alone = gl.fit("y ~ x", place)
    for files in ({}, {"filesystem": "arrow"}):
        frame = dask_frames.read_parquet(place, **files)
        found = gl.fit("y ~ x", frame, cluster=cluster)
        assert found.rows_used == alone.rows_used
        assert found.coefficients.tobytes() == alone.coefficients.tobytes()
        chosen = frame[frame["x"] > 0]
        whole = chosen.compute(scheduler="threads")
        found = gl.fit("y ~ x", chosen, cluster=cluster)
        assert found.rows_used == len(whole)
        np.testing.assert_allclose(found.coefficients, gl.fit("y ~ x", whole).coefficients, rtol=1e-10)


def test_a_partition_that_changes_is_named():
    schema = pa.schema([("x", pa.float64())])
    part = DaskPart(3, 4, schema, frame=pd.DataFrame({"x": [1.0, 2.0, 3.0]}))
    with pytest.raises(gl.DataError, match="partition 3 of the Dask frame has 3 rows now and had 4 when they were counted"):
        list(part.batches(["x"], 10))
