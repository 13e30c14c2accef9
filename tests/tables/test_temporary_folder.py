"""What is copied to a temporary folder goes with it, without a warning, and a child of a process leaves its parent's alone."""

import gc
import gzip
import io
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import gradline as gl

CSV = "y,x\n" + "".join(f"{2 * i + 1},{i}\n" for i in range(40))


def lazy_frame(folder):
    return pytest.importorskip("polars").read_csv(io.StringIO(CSV)).lazy()


def batches(folder):
    import pyarrow as pa

    return iter([pa.record_batch({"y": 2.0 * np.arange(40) + 1, "x": np.arange(40.0)})])


def packed(folder):
    import bz2

    path = folder / "t.csv.bz2"
    path.write_bytes(bz2.compress(CSV.encode()))
    return path


def two_line_ends(folder):
    path = folder / "t.csv"
    path.write_bytes(CSV.replace("\n", "\r\n", 1).encode())
    return path


SOURCES = {
    "text": lambda folder: io.StringIO(CSV),
    "bytes": lambda folder: io.BytesIO(gzip.compress(CSV.encode())),
    "batches": batches,
    "lazy frame": lazy_frame,
    "bzip2": packed,
    "two line ends": two_line_ends,
}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_copied_goes_without_a_warning(source, tmp_path, temporary, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = gl.fit("y ~ x", SOURCES[source](tmp_path))
        np.testing.assert_allclose(fit.coefficients, [1, 2], rtol=1e-12)
        fit.predict(SOURCES[source](tmp_path))
        gl.Moments(SOURCES[source](tmp_path))
        with pytest.raises(ValueError, match="no column 'z'"):
            gl.fit("y ~ z", SOURCES[source](tmp_path))
        gc.collect()
    assert [str(told.exc_value) for told in unraisable] == []
    assert os.listdir(temporary) == []


def test_what_is_held_to_the_end_goes_without_a_warning(temporary):
    code = f"""
import atexit, io, os
from gradline.tables.table import open_table
table = open_table(io.StringIO({CSV!r}))
assert len(os.listdir({str(temporary)!r})) == 1
if os.fork() == 0:
    # As an interpreter ends, without the end of DuckDB's threads, which are not there.
    atexit._run_exitfuncs()
    os._exit(0)
assert os.wait()[1] == 0
print(sum(batch.num_rows for batch in table.batches(["x"])))
"""
    environment = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("40", "", 0)
    assert os.listdir(temporary) == []
