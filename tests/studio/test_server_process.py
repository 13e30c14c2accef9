"""The command gradline studio as a process: its address, a port in use, kill -9 and a new start, files that cannot be used."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest
from talking import Talk, model
from typer.testing import CliRunner

import gradline as gl
from gradline.cli import app
from gradline.studio import serving
from gradline.studio.serving import open_port


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Process:
    """gradline studio, once it has printed its address."""

    def __init__(self, home, *arguments):
        environment = {**os.environ, "XDG_STATE_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "gradline", "studio", "--no-browser", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
        if found is None:
            self.process.kill()
            raise AssertionError(line + self.process.stderr.read())
        self.address = found[0]

    def enter(self):
        answer = httpx.get(self.address, follow_redirects=False)
        return self.address.partition("/?")[0] + answer.headers["location"]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=20)


@pytest.fixture
def table(tmp_path):
    place = tmp_path / "line.csv"
    x, y = gl.datasets.line(seed=1)
    place.write_text("x,y\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    return place


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_server_that_was_killed_knows_its_pages_when_it_is_started_again(tmp_path, table):
    port = free_port()
    first = Process(tmp_path, table, "--port", port)
    page = first.enter()
    with Talk(page) as talk:
        answer = talk.ask("fit", model=model("y", "x"))
    first.kill()
    with pytest.raises(httpx.ConnectError):
        httpx.get(page)
    second = Process(tmp_path, table, "--port", port)
    try:
        assert httpx.get(first.address).status_code == 403  # the token of before is worth nothing
        with Talk(page) as talk:
            assert talk.problem("effects", fit=answer["key"])["path"] == "fit"
            again = talk.ask("fit", model=model("y", "x"))
        assert again["key"] == answer["key"]
        assert again["coefficients"] == answer["coefficients"]
    finally:
        assert second.interrupt() == 0
    assert "Traceback" not in second.process.stderr.read()


@pytest.mark.skipif(os.name == "nt", reason="state folders are POSIX's")
def test_another_users_server_does_not_know_the_page(tmp_path):
    port = free_port()
    first = Process(tmp_path / "one", "--port", port)
    page = first.enter()
    first.kill()
    second = Process(tmp_path / "two", "--port", port)
    assert httpx.get(page).status_code == 403
    second.kill()


def command(*arguments):
    return CliRunner().invoke(app, ["studio", "--no-browser", *map(str, arguments)], catch_exceptions=True)


def test_a_port_in_use_is_an_error_that_names_a_free_one():
    with open_port(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"port {port} is in use, perhaps by another studio; port \d+ is free") as refused:
            open_port(port)
        free = int(re.search(r"port (\d+) is free", str(refused.value))[1])
        with open_port(free):
            pass
        found = command("--port", port)
        assert isinstance(found.exception, OSError)
        assert f"port {port} is in use" in str(found.exception)


def test_without_a_port_the_next_free_one_is_taken(monkeypatch):
    monkeypatch.setattr(serving, "PORT", free_port())
    with open_port(None) as first, open_port(None) as second:
        assert first.getsockname()[1] != second.getsockname()[1]


@pytest.mark.parametrize("port", [-1, 65536, True, 1.5, "8765"])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(ValueError, match="port must be a whole number"):
        open_port(port)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("raise ValueError('not today')", ValueError, "not today"),
        ("import no_such_package", ImportError, "no_such_package"),
        ("def other(y, p): return y", ValueError, "no function 'loss'"),
        ("def loss(y, p) return y", ValueError, "SyntaxError"),
    ],
)
def test_a_loss_file_that_cannot_be_used_is_said_before_anything_opens(tmp_path, text, error, words):
    (tmp_path / "wrong_loss.py").write_text(text)
    found = command("--loss", f"{tmp_path / 'wrong_loss.py'}:loss")
    assert isinstance(found.exception, error)
    assert words in str(found.exception)
    assert "--loss-from" not in str(found.exception)


def test_files_that_are_not_there_are_said(tmp_path):
    assert isinstance(command(tmp_path / "none.csv").exception, FileNotFoundError)
    found = command("--loss", f"{tmp_path / 'none.py'}:loss")
    assert "--loss: no such file" in str(found.exception)


def test_a_condition_without_a_table_is_wrong_usage():
    found = command("--where", "x > 1")
    assert found.exit_code == 2 or "go with a table" in str(found.exception)


def test_help_says_what_it_is_for():
    found = CliRunner().invoke(app, ["studio", "--help"])
    assert found.exit_code == 0
    for words in ("--loss", "--port", "--no-browser", "good for one visit"):
        assert words in found.output
