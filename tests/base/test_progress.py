"""A progress bar where somebody watches, and nothing where the output is piped."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from gradline.base import progress

CODE = """
import gradline as gl
x, y = gl.datasets.line(seed=0)
gl.fit(x, y, solver=gl.GradientDescent(0.01), progress={progress})
gl.fit(x, y, loss=gl.losses.huber(1.0), progress={progress})
print("done")
"""


def in_a_terminal(code, columns=80):
    """What a person sees who runs the code in a terminal."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=child, stderr=child, stdin=child, env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    )
    os.close(child)
    seen = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    assert process.wait() == 0
    return seen.decode()


@pytest.mark.parametrize(("wish", "shown"), [("None", False), ("False", False), ("True", True)])
def test_piped(wish, shown):
    result = subprocess.run([sys.executable, "-c", CODE.format(progress=wish)], capture_output=True, text=True, check=True)
    assert result.stdout == "done\n"
    assert ("gradient descent" in result.stderr) == shown
    if not shown:
        assert result.stderr == ""


@pytest.mark.parametrize(("wish", "shown"), [("None", True), ("False", False)])
def test_in_a_terminal(wish, shown):
    seen = in_a_terminal(CODE.format(progress=wish))
    assert "done" in seen
    assert ("gradient descent" in seen) == shown
    assert ("loss 0.9" in seen or "loss 1.0" in seen) == shown
    assert ("1000/1000" in seen) == shown
    assert "Newton" not in seen  # done in a moment


def test_a_bar_with_patience_appears_late(monkeypatch, capsys):
    clock = iter([0.0, 0.5, 1.5, 1.6])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock, 2.0))
    with progress.bar("Newton", None, True, patience=1.0) as advance:
        advance(1, "soon")
        assert "Newton" not in capsys.readouterr().err
        advance(2, "late")
    assert "Newton" in capsys.readouterr().err


PASSES = """
import time
from gradline.tables.table import open_table
from gradline.tables.progress import watching

query = "SELECT i::DOUBLE AS x FROM range(3000000) t(i)"
with watching("reading rows", True) as meter:
    table = open_table(None, query=query).counted_by(meter)
    for stop_after in (1, None, None):
        begun = time.monotonic()
        for seen, batch in enumerate(table.batches(["x"], 2**15)):
            time.sleep(0.02)
            if seen == stop_after:
                break
print("done")
"""


@pytest.mark.parametrize("columns", [60, 100])
def test_rows_of_a_table_are_counted_pass_after_pass(columns):
    seen = in_a_terminal(PASSES, columns)
    frames = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frame) for frame in re.split(r"\r\x1b\[2K|\r\n", seen)]
    second, third = ([frame for frame in frames if f"pass {i} " in frame] for i in (2, 3))
    assert all(len(frame) <= columns for frame in frames)
    assert second
    # The first pass stopped early: nobody knows how long the second will take.
    assert not any("left" in frame for frame in second)
    assert re.search(r"\d million rows, [\d.]+ (million|thousand)/s", second[-1])
    assert re.search(r"/s, \d+ s left", third[-2])
    assert ("━" in third[-2]) == (columns == 100)
