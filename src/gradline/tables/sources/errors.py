"""What DuckDB, Arrow and database drivers raise, as one clear line that names the source."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

FOREIGN = ("duckdb", "_duckdb", "pyarrow", "adbc_driver")

DAMAGED = ("Could not read enough bytes from file", "disk image is malformed", "file is not a database")
"""What databases say of a file that is not whole."""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns errors of the libraries that read ``name`` into one line: OSError where the file or database failed, else ValueError."""
    try:
        yield
    except Exception as error:
        told = translated(error, name)
        if told is None:
            raise
        raise told from error


def translated(error: Exception, name: str) -> Exception | None:
    """The error to raise instead, or None for one that is already gradline's own."""
    module = type(error).__module__.split(".")[0]
    text, kind = str(error), type(error).__name__
    if "CSV Error" in text or "Error when sniffing" in text:
        # While rows stream it arrives as an OSError of Arrow's.
        return ValueError(_csv_line(text, name))
    if any(sign in text for sign in DAMAGED):
        return ValueError(f"{name} is damaged or truncated ({first_line(text)}); copy or make it again")
    if isinstance(error, OSError) and not module.startswith(FOREIGN):
        return _of_the_system(error, name)
    if not module.startswith(FOREIGN):
        return None
    absent = re.search(r"Columns with names: (.*?) do not exist in the CSV File", text)
    if absent:
        names = absent[1].replace('"', "'").replace(",", ", ")
        return ValueError(
            f"{name}: {names} of the first file is not in every other; one table needs the same columns and delimiter in each"
        )
    line = first_line(text)
    unknown = re.search(r'Referenced column "(.*?)" not found in FROM clause', text)
    if unknown:
        near = re.search(r'Candidate bindings: "(.*?)"', text)
        return ValueError(f"{name}: there is no column {unknown[1]!r}" + (f"; did you mean {near[1]!r}?" if near else ""))
    if any(sign in text for sign in ("Parquet magic bytes", "Parquet file size", "TProtocolException", "deserialize thrift")):
        return ValueError(f"{name} is not a whole Parquet file ({line.partition('. ')[0]}); it may be truncated: write or copy it again")
    if isinstance(error, MemoryError) or kind == "OutOfMemoryException":
        return MemoryError(f"{name}: {line}")
    if isinstance(error, OSError) or kind in ("IOException", "HTTPException", "OperationalError", "ConnectionException", "FatalException"):
        return OSError(f"{name}: {line}")
    return ValueError(f"{name}: {line}")


def first_line(text: str) -> str:
    """The first line of a library's message, without the library's own name for the kind of error."""
    line = next((part.strip() for part in text.splitlines() if part.strip()), "no reason given")
    return re.sub(r"^(?:[A-Z][A-Za-z ]* Error: |[A-Z_]+: )", "", line).rstrip(".! ")


def _of_the_system(error: OSError, name: str) -> OSError | None:
    text = first_line(error.strerror or str(error))
    if error.errno is None and name in str(error):
        return None
    if error.errno == errno.ENOSPC:
        return OSError(errno.ENOSPC, f"no room left on the disk while reading {name}")
    if "Parquet" in text or "thrift" in text or "Unexpected end of stream" in text:
        # Arrow reports damage inside a Parquet file as a plain OSError.
        return OSError(f"{name} is damaged or truncated ({text}); write or copy it again")
    kind = type(error) if error.errno in (errno.ENOENT, errno.EACCES, errno.EISDIR) else OSError
    return kind(f"{name}: {text}")


def _csv_line(text: str, name: str) -> str:
    """One line out of DuckDB's page on a CSV file: which file, line, column and value."""
    file = _found(r"^\s*file = (.*)$", text)
    where = name if file is None or file in name else f"{name}, file {file!r}"
    line = _found(r"on Line: (\d+)", text)
    where = where if line is None else f"{where}, line {line}"
    converting = re.search(r'Error when converting column "(.*?)"\. (?:Could not convert string "(.*?)" to \'?(\w+)|(.*))', text, re.DOTALL)
    if converting:
        column, value, wanted, other = converting.groups()
        if value is None:
            return f"{where}: column {column!r} cannot be read ({first_line(other)})"
        meant = "numbers" if wanted in ("DOUBLE", "BIGINT", "HUGEINT", "FLOAT", "INTEGER") else f"values of type {wanted}"
        return f"{where}: column {column!r} holds {value!r}, but its first rows hold {meant}; correct it, or leave the row or column out"
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if counts:
        advice = "correct the line, or quote the fields that hold delimiters"
        return f"{where}: {counts[2]} fields where the first lines have {counts[1]}; {advice}"
    if "unterminated quote" in text.lower():
        return f"{where}: a quoted field does not end; close the quote or remove it"
    if "unicode" in text.lower() or "utf-8" in text.lower():
        return f"{where}: not UTF-8 text; convert the file, for example with iconv -f latin1 -t utf-8"
    return f"{where}: {first_line(text.replace('CSV Error on Line', 'error on line'))}"


def _found(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else found[1].strip()
