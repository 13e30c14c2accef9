"""Open files, buffers, pipes and standard input as data, in every format."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gradline as gl
from gradline.tables.table import open_table

FRAME = pd.DataFrame({"y": 2.0 * np.arange(9) + 1, "x": np.arange(9.0), "g": list("abcabcabc")})
TEXT = FRAME.to_csv(index=False)


def parquet():
    buffer = io.BytesIO()
    FRAME.to_parquet(buffer)
    return buffer.getvalue()


def feather():
    buffer = io.BytesIO()
    FRAME.to_feather(buffer, compression="uncompressed")
    return buffer.getvalue()


def zstd(content):
    import pyarrow as pa

    return pa.Codec("zstd").compress(content, asbytes=True)


JSON = FRAME.to_json(orient="records", lines=True)
CONTENTS = {
    "CSV": TEXT.encode(),
    "TSV": FRAME.to_csv(index=False, sep="\t").encode(),
    "byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "gzip": gzip.compress(TEXT.encode()),
    "bzip2": bz2.compress(TEXT.encode()),
    "xz": lzma.compress(TEXT.encode()),
    "Zstandard": zstd(TEXT.encode()),
    "JSON lines": JSON.encode(),
    "JSON array": FRAME.to_json(orient="records").encode(),
    "JSON lines in gzip": gzip.compress(JSON.encode()),
    "Parquet": parquet(),
    "Arrow": feather(),
}


class Slow:
    """Gives a few bytes at a time, and has nothing but read, as an answer from a network has."""

    def __init__(self, content):
        self._file = io.BytesIO(content)

    def read(self, size=-1):
        return self._file.read(min(size, 7))


def held(stream):
    return pd.concat([batch.to_pandas() for batch in open_table(stream).batches(["y", "x", "g"])], ignore_index=True)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("wrap", [io.BytesIO, Slow])
def test_bytes_in_every_format(content, wrap):
    pd.testing.assert_frame_equal(held(wrap(CONTENTS[content])), FRAME, check_dtype=False)


def test_text_and_files_that_are_open(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(TEXT.replace("a", "é"), encoding="latin-1")
    expected = FRAME.replace({"g": {"a": "é"}})
    pd.testing.assert_frame_equal(held(io.StringIO(TEXT)), FRAME, check_dtype=False)
    with open(path, encoding="latin-1") as file:  # decoded by its own encoding
        pd.testing.assert_frame_equal(held(file), expected, check_dtype=False)
        assert not file.closed
    path.write_bytes(TEXT.encode())
    with path.open("rb") as file, tempfile.NamedTemporaryFile() as temporary:
        pd.testing.assert_frame_equal(held(file), FRAME, check_dtype=False)
        temporary.write(TEXT.encode())
        temporary.seek(0)
        pd.testing.assert_frame_equal(held(temporary), FRAME, check_dtype=False)


def test_a_stream_is_read_from_where_it_stands_and_one_at_its_end_is_refused(tmp_path):
    stream = io.StringIO("not for us\n" + TEXT)
    stream.readline()
    assert gl.fit("y ~ x", stream).rows_used == 9
    with pytest.raises(ValueError, match=r"the stream gave nothing; .* \.seek\(0\)"):
        gl.fit("y ~ x", stream)
    (tmp_path / "rows.csv").write_text("")
    with open(tmp_path / "rows.csv") as file, pytest.raises(ValueError, match=r"the open file '.*rows.csv' gave nothing"):
        gl.fit("y ~ x", file)


def test_fit_predict_diagnose_and_names():
    fit = gl.fit("y ~ x + g", io.StringIO(TEXT), loss="absolute")
    assert fit.predict(io.StringIO(TEXT)) == pytest.approx(FRAME["y"])
    assert gl.fit(io.BytesIO(parquet()), target="y", features=["x"]).coefficients == pytest.approx([1, 2])
    assert gl.fit("y ~ x", io.StringIO(TEXT), where="g = 'a'").rows_used == 3
    assert gl.fit("y ~ m", io.StringIO(TEXT), query="SELECT y, x AS m FROM data").rows_used == 9
    line = gl.fit("y ~ x", io.StringIO(TEXT + "30,9,a\n"))
    assert len(line.diagnose(io.StringIO(TEXT + "30,9,a\n")).leverage) == 10


def test_messages_name_the_stream_and_not_the_copy():
    for stream, words in (
        (io.StringIO(TEXT + "1,2\n"), r"^the stream, line 11: 2 fields where the first line has 3"),
        (io.StringIO("y,x\n" + "1,2\n" * 30_000 + "a,2\n"), r"^the stream, line 30002: column 'y' holds 'a'"),
        (io.BytesIO("\ufeffy,x\n".encode("utf-16-le")), r"^the stream is UTF-16"),
        (io.BytesIO(gzip.compress(TEXT.encode() * 99)[:40]), r"^the stream"),
        (io.BytesIO(parquet()[:-30]), r"^the stream"),
        (io.BytesIO(b"PK\x03\x04" + b"0" * 99), r"^the stream is a zip archive or a spreadsheet"),
    ):
        with pytest.raises((ValueError, OSError), match=words) as told:
            gl.fit("y ~ x", stream)
        assert "gradline-" not in str(told.value)

    class Odd:
        def read(self, size=-1):
            return 7

    with pytest.raises(TypeError, match="the stream gives int where it is read"):
        gl.fit("y ~ x", Odd())


def test_the_copy_goes_with_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for content in CONTENTS.values():
        table = open_table(io.BytesIO(content), where="x > 1")
        assert list(tmp_path.iterdir())
        assert sum(batch.num_rows for batch in table.batches(["x"])) == 7
        del table
        assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="gave nothing"):
        open_table(io.BytesIO())
    assert not list(tmp_path.iterdir())


def test_a_named_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(TEXT,))
    writer.start()
    assert gl.fit("y ~ x", pipe).rows_used == 9
    writer.join()


def test_standard_input(tmp_path):
    program = "import gradline as gl; print(gl.fit('y ~ x', '-').rows_used)"
    done = subprocess.run([sys.executable, "-c", program], input=TEXT.encode(), capture_output=True, check=True)
    assert done.stdout == b"9\n"
    with (tmp_path / "t.parquet").open("wb") as file:
        file.write(parquet())
    with (tmp_path / "t.parquet").open("rb") as file:
        done = subprocess.run([sys.executable, "-c", program], stdin=file, capture_output=True, check=True)
    assert done.stdout == b"9\n"


def test_the_command_reads_standard_input(tmp_path):
    def run(*arguments, text=TEXT):
        return subprocess.run(
            [sys.executable, "-m", "gradline", *arguments], input=text, capture_output=True, text=True, cwd=tmp_path, check=False
        )

    fitted = run("fit", "-", "y ~ x", "--out", "m.json")
    assert fitted.returncode == 0, fitted.stderr
    assert "model saved: m.json" in fitted.stdout
    predicted = run("predict", "m.json", "-", "--keep", "g", text="x,g\n1,a\n2,b\n")
    assert predicted.returncode == 0, predicted.stderr
    assert predicted.stdout.splitlines()[0] == '"g","prediction"'
    assert [float(line.partition(",")[2]) for line in predicted.stdout.splitlines()[1:]] == pytest.approx([3, 5])
    refused = run("predict", "m.json", "-", text="")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("gradline: standard input gave nothing")


# ------------------------------------------------------------------------------------------------------------ paths with a tilde


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("d.csv", "old~1.csv", "back.csv~"):
        Path(name).write_text(TEXT)
    return tmp_path


@pytest.mark.parametrize("path", ["~/d.csv", "old~1.csv", "back.csv~", "~/old~1.csv"])
def test_a_path_with_a_tilde_is_no_formula(home, path):
    assert gl.fit(path, target="y", features=["x"]).rows_used == 9
    assert gl.fit("y ~ x", path).rows_used == 9
    fit = gl.fit(formula="y ~ x", data=path)
    fit.save("~/m.json")
    assert (home / "m.json").exists()
    assert gl.load("~/m.json").predict(path) == pytest.approx(FRAME["y"])


def test_a_formula_with_tildes_still_is_one_and_a_path_that_is_not_there_is_named(home):
    assert gl.fit("y~x", FRAME).rows_used == 9
    with pytest.raises(FileNotFoundError, match=r"no such file: '.*/dd\.csv'; did you mean '.*/d\.csv'"):
        gl.fit("~/dd.csv", target="y", features=["x"])
    done = subprocess.run(
        [sys.executable, "-m", "gradline", "fit", "y ~ x", "~/d.csv"], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 2
    assert "the data comes first: gradline fit '~/d.csv' 'y ~ x'" in done.stderr
