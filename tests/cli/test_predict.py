"""``gradline predict`` and ``gradline plot``, as a user runs them."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from inside import call_inside

import gradline as gl

COMMAND = str(Path(sys.executable).with_name("gradline"))


def call(*arguments, folder):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=folder)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{i},{x},{'abc'[i % 3]},{6 * x - 5 + e}" for i, (x, e) in enumerate(rng.normal(size=(300, 2)) ** 2)]
    (tmp_path / "rows.csv").write_text("\n".join(["id,x,g,y", *lines]) + "\n")
    gl.fit("y ~ x + C(g)", tmp_path / "rows.csv").save(tmp_path / "model.json")
    return tmp_path


def refused(result, *words, code=1):
    assert result.returncode == code, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("gradline: ")
    for word in words:
        assert word in result.stderr


def expected(folder):
    return gl.load(folder / "model.json").predict(folder / "rows.csv")


def test_to_a_csv_file_with_columns_kept(folder):
    result = call("predict", "model.json", "rows.csv", "--out", "predictions.csv", "--keep", "id,g", folder=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "300 predictions written: predictions.csv\n", "")
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["prediction"]) for row in rows] == expected(folder).tolist()
    assert [row["id"] for row in rows] == [str(i) for i in range(300)]
    assert rows[1]["g"] == "b"


def test_to_parquet_and_to_standard_output(folder):
    assert call("predict", "model.json", "rows.csv", "--out", "predictions.parquet", folder=folder).returncode == 0
    table = pq.read_table(folder / "predictions.parquet")
    assert table.column_names == ["prediction"]
    assert table["prediction"].to_pylist() == expected(folder).tolist()
    lines = call("predict", "model.json", "rows.csv", folder=folder).stdout.splitlines()
    assert lines[0].strip('"') == "prediction"
    assert [float(line) for line in lines[1:]] == expected(folder).tolist()


def test_missing_inputs_are_empty_and_unseen_levels_refused(folder):
    (folder / "new.csv").write_text("g,x\na,1\nb,\nq,2\n")
    result = call("predict", "model.json", "new.csv", folder=folder)
    assert result.returncode == 1
    assert "column 'g' holds 'q' in row 2" in result.stderr
    result = call("predict", "model.json", "new.csv", "--unseen", "missing", "--out", "new_predictions.parquet", folder=folder)
    assert result.returncode == 0, result.stderr
    found = pq.read_table(folder / "new_predictions.parquet")["prediction"].to_pylist()
    assert found[0] is not None
    assert found[1:] == [None, None]


def test_it_never_overwrites_what_it_reads(folder):
    before = (folder / "rows.csv").read_bytes()
    refused(call("predict", "model.json", "rows.csv", "--out", "rows.csv", folder=folder), "is what is read", code=2)
    (folder / "link.csv").symlink_to(folder / "rows.csv")
    refused(call("predict", "model.json", "rows.csv", "--out", "link.csv", folder=folder), "is what is read", code=2)
    assert (folder / "rows.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["model.json"], "give the rows to predict for", 2),
        (["model.json", "rows.csv", "--out", "p.txt"], "--out must end in .parquet or .csv", 2),
        (["model.json", "rows.csv", "--kind", "median"], "--kind must be mean or linear", 2),
        (["nowhere.json", "rows.csv"], "no such file: 'nowhere.json'", 1),
        (["rows.csv", "rows.csv"], "is not a model file", 1),
        (["cut.json", "rows.csv"], "was cut short", 1),
        (["edited.json", "rows.csv"], "has been changed since it was saved", 1),
        (["newer.json", "rows.csv"], "upgrade", 1),
        (["pickle.json", "rows.csv"], "is a pickle", 1),
        (["model.json", "nowhere.csv"], "no such file: 'nowhere.csv'", 1),
        (["modell.json", "rows.csv"], "no such file: 'modell.json'; did you mean 'model.json'?", 1),
        (["list.json", "rows.csv"], "gradline models are JSON objects, and this is not", 1),
        (["empty.json", "rows.csv"], "empty.json is empty; save the model again", 1),
        (["model.json", "infinite.csv"], "column 'x' holds infinity in row 1; correct the value", 1),
        (["model.json", "ragged.csv"], "line 3", 1),
        (["model.json", "cut.parquet"], "is not a whole Parquet file", 1),
        (["model.json", "days.csv"], "holds dates, '2024-01-02' in row 0", 1),
        (["model.json", "other.csv"], "has no column 'x'", 1),
        (["model.json", "text.csv"], "column 'x'", 1),
        (["model.json", "rows.csv", "--keep", "idd"], "has no column 'idd'; did you mean 'id'?", 1),
    ],
)
def test_what_is_refused(arguments, words, code, folder):
    import pickle

    text = (folder / "model.json").read_text()
    (folder / "cut.json").write_text(text[:-40])
    (folder / "edited.json").write_text(text.replace('"rows_used":300', '"rows_used":301').replace('"rows_used": 300', '"rows_used": 301'))
    (folder / "newer.json").write_text(text.replace('"version": 2', '"version": 9'))
    (folder / "pickle.json").write_bytes(pickle.dumps({"a": 1}))
    (folder / "list.json").write_text("[1, 2]")
    (folder / "empty.json").write_text("")
    (folder / "infinite.csv").write_text("g,x\na,1\na,inf\n")
    (folder / "ragged.csv").write_text("g,x\na,1\na,2,3\nb,4\n")
    (folder / "cut.parquet").write_bytes(b"PAR1 and then nothing")
    (folder / "days.csv").write_text("g,x\na,2024-01-02\nb,2024-01-03\n")
    (folder / "other.csv").write_text("g,z\na,1\n")
    (folder / "text.csv").write_text("g,x\na,one\n")
    before = sorted(os.listdir(folder))
    refused(call_inside("predict", *arguments, folder=folder), words, code=code)
    assert sorted(os.listdir(folder)) == before


def begun(process, folder):
    """Whether the command has written to a file of the folder that has no name yet, or that of one not finished."""
    for path in [*Path(f"/proc/{process.pid}/fd").glob("*"), *folder.glob(".gradline-*.tmp")]:
        try:
            file = Path(os.path.realpath(path))
            unfinished = file.suffix == ".tmp" or not file.exists()
            if file.parent == folder.resolve() and unfinished and path.stat().st_size:
                return True
        except OSError:  # closed meanwhile
            continue
    return False


def test_ctrl_c_leaves_the_old_file_as_it_was(folder):
    (folder / "out.csv").write_text("old\n")
    query = "SELECT random() AS x, 'a' AS g FROM range(3000000000)"
    process = subprocess.Popen(
        [COMMAND, "predict", "model.json", "--query", query, "--out", "out.csv"], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        time.sleep(0.1)
        if begun(process, folder):
            break
    else:
        process.kill()
        pytest.fail("nothing was written for a minute")
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=60)
    assert (process.returncode, text) == (130, "gradline: stopped at your request\n")
    assert (folder / "out.csv").read_text() == "old\n"
    assert sorted(os.listdir(folder)) == ["model.json", "out.csv", "rows.csv"]


def test_pictures_of_what_cannot_be_drawn(folder):
    pytest.importorskip("matplotlib")
    lines = ["g,x,y", *["a,1,2"] * 100, *["a,inf,3"] * 7900]  # more than are drawn
    (folder / "infinite.csv").write_text("\n".join(lines))
    (folder / "text.csv").write_text("g,x,y\na,1,2\nb,two,3\n")
    (folder / "strange.csv").write_text("g,x,y\nq,1,2\nq,2,3\n")
    (folder / "gaps.csv").write_text("g,x,y\na,,2\nb,2,\n")
    before = sorted(os.listdir(folder))
    for data, words in (
        ("text.csv", "column 'x' of 'text.csv' holds text, 'two' in row 1"),
        ("strange.csv", "has a level that was not there when the model was fitted"),
        ("gaps.csv", "no row of 'gaps.csv' is complete"),
    ):
        refused(call_inside("plot", "model.json", data, folder=folder), words)
    refused(call_inside("report", "model.json", "text.csv", folder=folder), "column 'x' of 'text.csv' holds text, 'two' in row 1")
    refused(call_inside("plot", "model.json", "infinite.csv", folder=folder), "column 'x' holds infinity in row 100;")
    assert sorted(os.listdir(folder)) == before


def test_pictures(folder):
    pytest.importorskip("matplotlib")
    gl.fit("y ~ log(x + 1)", folder / "rows.csv").save(folder / "curve.json")
    for model, out in (("model.json", "one.png"), ("curve.json", "two.svg")):
        result = call("plot", model, "rows.csv", "--out", out, folder=folder)
        assert (result.returncode, result.stdout) == (0, f"picture written: {out}\n"), result.stderr
        assert (folder / out).stat().st_size > 5000
    refused(call("plot", "model.json", "rows.csv", "--out", "plot.gif", folder=folder), ".png or .svg or .pdf", code=2)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("unseen.csv", "g,x\na,1\nq,2\n", "column 'g' holds 'q' in row 1"),
        ("infinite.csv", "g,x\na,1\na,inf\n", "column 'x' holds infinity in row 1"),
        ("text.csv", "g,x\na,one\n", "column 'x'"),
        ("days.csv", "g,x\na,2024-01-02\n", "column 'x'"),
        ("short.csv", "g,x\na,1\nb\n", "line 3: 1 field where the first line has 2"),
    ],
)
def test_nothing_is_printed_before_it_fails(folder, name, text, words):
    (folder / name).write_text(text)
    result = call("predict", "model.json", name, "--keep", "g", folder=folder)
    assert (result.returncode, result.stdout) == (1, "")
    assert words in result.stderr


def test_no_rows_are_a_header_and_no_predictions(folder):
    result = call("predict", "model.json", "rows.csv", "--where", "x > 1e9", folder=folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().strip('"') == "prediction"
