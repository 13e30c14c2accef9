"""The lines of a text file: how they end, which delimiter parts them, and the first that parts into another number of fields."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gradline.base.errors import DataError

DELIMITERS = ",;\t|"

HEAD = 2**18
"""Bytes of a file that are looked at for its delimiter."""

SEARCHED = 2**30
"""Bytes of a file that are looked at for line ends of another kind; of a compressed one a sixty-fourth."""

_CHUNK = 2**20
_ENDS = (b"\r\n", b"\n", b"\r")


def open_bytes(path: str) -> BinaryIO:
    """The bytes of a file, decompressed where its name says that it is compressed."""
    if path.endswith(".zst"):
        import pyarrow as pa

        stream: Any = pa.input_stream(path, compression="zstd")
        return stream  # type: ignore[no-any-return]
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(Path(path).suffix.lower(), open)
    return opener(path, "rb")  # type: ignore[no-any-return]


def text_lines(path: str) -> Iterator[str]:
    """The lines of a file of text; what is not UTF-8 is replaced."""
    with open_bytes(path) as file, io.TextIOWrapper(io.BufferedReader(file), encoding="utf-8-sig", errors="replace", newline="") as text:  # type: ignore[type-var]
        yield from text


def head_lines(path: str) -> list[str]:
    """The first lines of a file, each whole, with one kind of line end."""
    with open_bytes(path) as file:
        head = file.read(HEAD)
        more = len(head) == HEAD and bool(file.read(1))
    lines = list(io.StringIO(head.decode("utf-8-sig", errors="replace"), newline=None))
    return lines[:-1] if more and len(lines) > 1 else lines


def delimiters(lines: list[str]) -> tuple[str, ...]:
    """The delimiters that part these lines best: those with which most lines have as many fields as the first one, two or more.

    Empty where no delimiter parts the first line as it does most others.
    """
    scores = {mark: _agreement(lines, mark) for mark in DELIMITERS}
    best = max(scores.values())
    return tuple(mark for mark, score in scores.items() if score == best) if best > 0.5 else ()


def _agreement(lines: list[str], mark: str) -> float:
    """The share of lines with as many fields as most have, if the first is one of them; else zero."""
    try:
        counts = [len(fields) for fields in csv.reader(lines, delimiter=mark) if fields]
    except csv.Error:
        return 0.0
    if not counts:
        return 0.0
    usual, times = Counter(counts).most_common(1)[0]
    if len(counts) == 2:
        usual, times = counts[0], 1 + (counts[0] == counts[1])
    return times / len(counts) if usual > 1 and counts[0] == usual else 0.0


def check_fields(path: str, name: str, mark: str) -> None:
    """Raises ValueError for the first of the first 100,000 lines that has another number of fields than the first line."""
    expected = None
    reader = csv.reader(text_lines(path), delimiter=mark)
    last = 0
    for fields in reader:
        number, last = last + 1, reader.line_num
        if not fields:
            continue
        expected = len(fields) if expected is None else expected
        if len(fields) != expected:
            raise DataError(
                f"{name}, line {number}: {counted_fields(len(fields))} where the first line has {expected}; {advice_on_fields(fields[0])}"
            )
        if number > 100_000:
            return


def counted_fields(count: int) -> str:
    """1 field, 2 fields."""
    return f"{count} field" if count == 1 else f"{count} fields"


def advice_on_fields(start: str) -> str:
    """What to do about a line with the wrong number of fields that starts so."""
    if start.startswith("#"):
        return "no line below the first is taken for a comment, so remove it if it is one"
    return "correct the line, or quote the fields that hold delimiters"


def line_ends(path: str) -> frozenset[bytes]:
    """The kinds of line ends that a file's lines have, those within quotes left out: CR LF, LF or CR.

    Stops at the second kind, and where a large file has been searched far enough.
    """
    found: set[bytes] = set()
    limit = SEARCHED if Path(path).suffix.lower() not in (".gz", ".zst", ".bz2", ".xz") else SEARCHED // 64
    seen = 0
    for inside, text in _pieces(path):
        seen += len(text)
        if not inside:
            found |= _ends_in(text)
        if len(found) > 1 or seen >= limit:
            break
    return frozenset(found)


def write_with_one_line_end(path: str, place: Path) -> None:
    """The same text where every line ends with LF; what is within quotes stays as it is."""
    with open(place, "wb") as file:
        for inside, text in _pieces(path):
            file.write(text if inside else text.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


def _ends_in(text: bytes) -> set[bytes]:
    if b"\r" not in text:
        return {b"\n"} if b"\n" in text else set()
    both = text.count(b"\r\n")
    counts = (both, text.count(b"\n") - both, text.count(b"\r") - both)
    return {end for end, count in zip(_ENDS, counts, strict=True) if count}


def _pieces(path: str) -> Iterator[tuple[bool, bytes]]:
    """A file's bytes in order, each piece with whether it lies within double quotes. No piece ends between CR and LF."""
    inside, held = False, b""
    with open_bytes(path) as file:
        while True:
            chunk = file.read(_CHUNK)
            text = held + chunk
            held = b""
            if chunk and text.endswith(b"\r"):
                text, held = text[:-1], b"\r"
            if b'"' not in text:
                yield inside, text
            else:
                yield from _by_quotes(text, inside)
                inside ^= bool(text.count(b'"') % 2)
            if not chunk:
                return


def _by_quotes(text: bytes, inside: bool) -> Iterator[tuple[bool, bytes]]:
    parts = text.split(b'"')
    if not inside and len(_ends_in(text)) < 2 and b"\r" not in text:
        # Nothing that quotes could protect.
        yield False, text
        return
    for i, part in enumerate(parts):
        yield inside ^ bool(i % 2), part + (b'"' if i < len(parts) - 1 else b"")
