"""What goes wrong while the command runs: full disks, places that may not be written, files that change, Ctrl-C. One line, and no trace."""

import ctypes
import os
import pty
import resource
import select
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest

import gradline as gl

COMMAND = str(Path(sys.executable).with_name("gradline"))
MINUTE = 60.0


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{x},{6 * x - 5 + e}" for x, e in rng.normal(size=(300, 2))]
    (tmp_path / "rows.csv").write_text("\n".join(["x,y", *lines]) + "\n")
    gl.fit("y ~ x", tmp_path / "rows.csv").save(tmp_path / "model.json")
    (tmp_path / "temporary").mkdir()
    return tmp_path


def start(folder, *arguments, **options):
    environment = {**os.environ, "TMPDIR": str(folder / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([COMMAND, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, **options)


def refused(folder, before, result, *words, code=1):
    """One clear line, and every file as it was."""
    returncode, text = result
    assert (returncode, text.count("\n")) == (code, 1), text
    assert text.startswith("gradline: ")
    for word in words:
        assert word in text
    assert contents(folder) == before


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ended(process):
    _, text = process.communicate(timeout=MINUTE)
    return process.returncode, text


def wait_for(process, what):
    """Until it is so; the process is killed where it does not come to pass."""
    begun = time.monotonic()
    while not what():
        if process.poll() is not None or time.monotonic() - begun > MINUTE:
            process.kill()
            pytest.fail(f"what was waited for did not happen: {process.communicate()}, {what()}")
        time.sleep(0.002)


def copied(folder):
    """Whether rows that can be read only once are being copied."""
    return any(path.stat().st_size for path in (folder / "temporary").rglob("rows.arrow"))


class Screen:
    """A terminal that the command writes its progress and errors to."""

    def __init__(self):
        self.ours, self.theirs = pty.openpty()
        self.seen = ""

    def shows(self, text):
        while select.select([self.ours], [], [], 0.05)[0]:
            try:
                self.seen += os.read(self.ours, 65536).decode()
            except OSError:  # nobody has it open any longer
                break
            if text in self.seen:
                return True
        return text in self.seen


# ------------------------------------------------------------------------------------------------------------------ full disks


def full_disk():
    """Every write beyond some bytes fails, as on a full disk: Python leaves the signal that would end it alone."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["fit", "rows.csv", "y ~ x"], "out.json"),
        (["predict", "model.json", "rows.csv"], "out.csv"),
        (["predict", "model.json", "rows.csv"], "out.parquet"),
        (["plot", "model.json", "rows.csv"], "out.png"),
        (["report", "model.json", "rows.csv"], "out.html"),
    ],
)
def test_a_full_disk(arguments, place, folder):
    if arguments[0] in ("plot", "report"):
        pytest.importorskip("matplotlib")
    if arguments[0] != "plot":
        (folder / place).write_text("old\n")
    before = contents(folder)
    process = start(folder, *arguments, "--out", place, stderr=subprocess.PIPE, preexec_fn=full_disk)
    output, text = process.communicate(timeout=MINUTE)
    refused(folder, before, (process.returncode, text), f"cannot write {folder.resolve() / place}: File too large")
    # A fit is not lost with the place to keep it.
    assert output.startswith("Linear model of y\n" if arguments[0] == "fit" else "")


def test_a_full_disk_while_rows_are_copied(folder):
    with sqlite3.connect(folder / "rows.sqlite") as connection:
        connection.execute("CREATE TABLE flats (x REAL, y REAL)")
        connection.executemany("INSERT INTO flats VALUES (?, ?)", np.random.default_rng(0).normal(size=(100, 2)).tolist())
    connection.close()
    before = contents(folder)
    for arguments in (["fit", "flats", "y ~ x"], ["predict", "model.json", "flats"]):
        process = start(folder, *arguments, "--database", "rows.sqlite", stderr=subprocess.PIPE, preexec_fn=full_disk)
        refused(folder, before, ended(process), "gradline: no room left in", "read only once", "set TMPDIR to a folder on a larger disk")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize(
    "arguments", [["fit", "rows.csv", "y ~ x"], ["fit", "rows.csv", "y ~ x", "--json"], ["predict", "model.json", "rows.csv"]]
)
def test_standard_output_that_is_full(arguments, folder):
    with open("/dev/full", "w") as full:
        result = subprocess.run([COMMAND, *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, timeout=MINUTE)
    assert (result.returncode, result.stderr) == (1, "gradline: cannot write to standard output: No space left on device\n")


# ------------------------------------------------------------------------------------------------------------------ permissions


def bound_by_permissions():
    """Root reads and writes what it likes; without two of its capabilities it is bound as anybody else is."""
    for override in (1, 2):
        ctypes.CDLL(None).prctl(24, override, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by permissions on Linux only")
def test_what_may_not_be_written_or_read(folder):
    pytest.importorskip("matplotlib")
    (folder / "kept").mkdir()
    for name in ("secret.csv", "secret.json"):
        (folder / name).write_bytes((folder / ("rows.csv" if name.endswith("csv") else "model.json")).read_bytes())
    before = contents(folder)
    (folder / "kept").chmod(0o555)
    (folder / "secret.csv").chmod(0)
    (folder / "secret.json").chmod(0)
    cases = [
        (["fit", "rows.csv", "y ~ x", "--out", "kept/out.json"], "--out: 'kept/out.json' cannot be written: permission denied"),
        (["predict", "model.json", "rows.csv", "--out", "kept/out.csv"], "--out: 'kept/out.csv' cannot be written: permission denied"),
        (["plot", "model.json", "rows.csv", "--out", "kept/out.png"], "--out: 'kept/out.png' cannot be written: permission denied"),
        (["report", "model.json", "rows.csv", "--out", "kept/out.html"], "--out: 'kept/out.html' cannot be written: permission denied"),
        (["fit", "secret.csv", "y ~ x"], "'secret.csv': Permission denied"),
        (["predict", "secret.json", "rows.csv"], "cannot read secret.json: Permission denied"),
    ]
    running = [start(folder, *arguments, stderr=subprocess.PIPE, preexec_fn=bound_by_permissions) for arguments, _ in cases]
    results = [ended(process) for process in running]
    for name in ("kept", "secret.csv", "secret.json"):
        (folder / name).chmod(0o755)
    for result, (_, words) in zip(results, cases, strict=True):
        refused(folder, before, result, words)


# ------------------------------------------------------------------------------------------------------------------ files that change


def test_a_file_that_is_cut_while_it_is_read_again_and_again(folder):
    path = folder / "many.parquet"
    sql = "SELECT (i % 7)::DOUBLE AS x, (i % 11)::DOUBLE AS y FROM range(3000000) t(i)"
    duckdb.sql(f"COPY ({sql}) TO '{path}'")
    screen = Screen()
    options = ["--loss", "huber:1", "--solver", "gradient-descent", "--learning-rate", "1e-9", "--steps", "1000000"]
    process = start(folder, "fit", "many.parquet", "y ~ x", *options, "--out", "out.json", stderr=screen.theirs)
    wait_for(process, lambda: screen.shows("reading rows"))
    os.truncate(path, path.stat().st_size // 2)
    before = contents(folder)
    wait_for(process, lambda: screen.shows("start again once it is complete"))
    assert process.wait(MINUTE) == 1
    assert "gradline: 'many.parquet' has changed since it was opened" in screen.seen
    assert contents(folder) == before


def a_database(path):
    with sqlite3.connect(path) as connection:
        numbers = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 200000)"
        connection.execute(f"CREATE TABLE flats AS {numbers} SELECT i % 7 + 0.5 AS x, i % 11 + 0.5 AS y FROM c")
    connection.close()


def test_a_database_that_is_cut_while_it_is_read(folder):
    path = folder / "rows.sqlite"
    a_database(path)
    # More rows than anybody waits for, of a table that the database cannot keep in its cache.
    query = "SELECT a.x, b.y FROM flats a, flats b"
    process = start(folder, "fit", "y ~ x", "--database", path.name, "--query", query, "--out", "out.json", stderr=subprocess.PIPE)
    wait_for(process, lambda: copied(folder))
    os.truncate(path, path.stat().st_size // 20)
    # Its temporary folder comes and goes meanwhile.
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    refused(folder, before, ended(process), "the query in 'rows.sqlite' is damaged or truncated", "disk image is malformed")


def test_a_database_that_is_removed_while_it_is_read(folder):
    path = folder / "rows.sqlite"
    a_database(path)
    process = start(folder, "fit", "flats", "y ~ x", "--database", path.name, "--out", "out.json", stderr=subprocess.PIPE)
    wait_for(process, lambda: copied(folder))
    path.unlink()
    # Whoever has a file open keeps it.
    assert ended(process) == (0, "")
    assert gl.load(folder / "out.json").rows_used == 200_000


# ------------------------------------------------------------------------------------------------------------------ Ctrl-C


def stopped(process, screen=None):
    process.send_signal(signal.SIGINT)
    if screen is None:
        assert ended(process) == (130, "gradline: stopped at your request\n")
        return
    wait_for_end = time.monotonic() + MINUTE
    while not screen.shows("gradline: stopped at your request") and time.monotonic() < wait_for_end:
        pass
    assert process.wait(MINUTE) == 130
    assert "Traceback" not in screen.seen


@pytest.mark.parametrize("loss", ["squared", "huber:1"])
def test_ctrl_c_during_a_fit(loss, folder):
    (folder / "out.json").write_text("old\n")
    before = contents(folder)
    query = "SELECT random() AS x, random() AS y FROM range(20000000000)"
    screen = Screen()
    process = start(folder, "fit", "y ~ x", "--query", query, "--loss", loss, "--out", "out.json", stderr=screen.theirs)
    wait_for(process, lambda: screen.shows("reading rows"))
    stopped(process, screen)
    assert contents(folder) == before


@pytest.mark.parametrize("arguments", [["fit", "y ~ x"], ["predict", "model.json"]])
def test_ctrl_c_while_rows_are_copied(arguments, folder):
    sqlite3.connect(folder / "rows.sqlite").execute("CREATE TABLE empty (x)").connection.close()
    before = contents(folder)
    numbers = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 2000000000) SELECT i + 0.5 AS x, i + 0.5 AS y FROM c"
    process = start(folder, *arguments, "--database", "rows.sqlite", "--query", numbers, stderr=subprocess.PIPE)
    wait_for(process, lambda: copied(folder))
    stopped(process)
    assert contents(folder) == before
    assert os.listdir(folder / "temporary") == []
