"""A file appears whole or not at all, whatever stops its writer, and nothing else stays behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gradline.base import atomic_file
from gradline.base.atomic_file import open_whole, remove_abandoned, write_whole

NAMED = "import gradline.base.atomic_file as w\nw.UNNAMED = 0\n"
WRITER = """
import sys, time
from pathlib import Path
from gradline.base.atomic_file import open_whole
with open_whole(Path(sys.argv[1])) as file:
    file.write(b"half" * 1_000_000)
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and locks as elsewhere")


def kill_a_writer(place, before=""):
    process = subprocess.Popen([sys.executable, "-c", before + WRITER, str(place)], stdout=subprocess.PIPE)
    process.stdout.readline()
    held = sorted(path.name for path in place.parent.iterdir())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return held


@pytest.mark.skipif(not atomic_file.UNNAMED, reason="the system has no files without names")
@pytest.mark.parametrize("old", [None, "old"])
def test_a_killed_writer_leaves_nothing(tmp_path, old):
    place = tmp_path / "out.csv"
    if old is not None:
        place.write_text(old)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert kill_a_writer(place) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert old is None or place.read_text() == old


def test_where_files_need_names_the_next_write_removes_what_a_killed_writer_left(tmp_path):
    (held,) = kill_a_writer(tmp_path / "out.csv", NAMED)
    assert [path.name for path in tmp_path.iterdir()] == [held]
    assert held.startswith(".gradline-")
    assert held.endswith(".tmp")
    write_whole(tmp_path / "other.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


@pytest.mark.parametrize("unnamed", [0, atomic_file.UNNAMED])
def test_a_write_leaves_others_that_go_on_alone(tmp_path, monkeypatch, unnamed):
    monkeypatch.setattr(atomic_file, "UNNAMED", unnamed)
    strangers = [tmp_path / name for name in (".gradline-notes.tmp", "gradline-0123456789abcdef.tmp", ".gradline-0123456789abcdef.txt")]
    for path in strangers:
        path.write_text("mine")
    (tmp_path / ".gradline-0123456789abcdef.tmp").symlink_to(strangers[0])
    with open_whole(tmp_path / "a") as first:
        first.write(b"first")
        write_whole(tmp_path / "b", "second")
        remove_abandoned(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"first"
    assert (tmp_path / "b").read_bytes() == b"second"
    assert all(path.read_text() == "mine" for path in strangers)
    assert (tmp_path / ".gradline-0123456789abcdef.tmp").is_symlink()
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("unnamed", [0, atomic_file.UNNAMED])
@pytest.mark.parametrize("old", [None, 0o600, 0o644])
def test_permissions_are_those_of_the_old_file_or_the_usual_ones(tmp_path, monkeypatch, unnamed, old):
    monkeypatch.setattr(atomic_file, "UNNAMED", unnamed)
    place = tmp_path / "out"
    if old is not None:
        place.write_text("old")
        place.chmod(old)
    usual = tmp_path / "usual"
    usual.write_text("")
    write_whole(place, "new")
    assert place.read_text() == "new"
    assert place.stat().st_mode & 0o777 == (old if old is not None else usual.stat().st_mode & 0o777)
    assert place.stat().st_nlink == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "usual"]


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("missing", ["link", "folder of open files"])
def test_a_system_that_cannot_name_an_open_file(tmp_path, monkeypatch, missing, old):
    def refuse(*arguments, **keywords):
        raise PermissionError(1, "Operation not permitted")

    if missing == "link":
        monkeypatch.setattr(os, "link", refuse)
    else:
        monkeypatch.setattr(atomic_file, "_OPEN_FILES", str(tmp_path / "nowhere"))
    place = tmp_path / "out"
    if old is not None:
        place.write_text(old)
    write_whole(place, "new" * 1000)
    assert place.read_text() == "new" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("unnamed", [0, atomic_file.UNNAMED])
def test_many_writers_of_one_place_at_once(tmp_path, monkeypatch, unnamed):
    monkeypatch.setattr(atomic_file, "UNNAMED", unnamed)
    errors = []

    def write(i):
        try:
            for _ in range(20):
                write_whole(tmp_path / "out", str(i) * 5000)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    text = (tmp_path / "out").read_text()
    assert text in {str(i) * 5000 for i in range(4)}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_error_of_the_body_leaves_the_old_file(tmp_path):
    place = tmp_path / "out"
    place.write_text("old")
    for unnamed in (0, atomic_file.UNNAMED):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(atomic_file, "UNNAMED", unnamed)
            with pytest.raises(ZeroDivisionError), open_whole(place) as file:
                file.write(b"x" * (3_000_000 // 0))
            assert [path.name for path in tmp_path.iterdir()] == ["out"]
            assert place.read_text() == "old"
    with pytest.raises(FileNotFoundError, match="there is no folder"), open_whole(Path(tmp_path / "no" / "out")):
        pass
