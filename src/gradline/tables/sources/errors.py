"""What DuckDB, Arrow and database drivers raise, as one clear line that names the source."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from gradline.base.errors import DataError
from gradline.base.words import nearest
from gradline.tables.sources.addresses import hidden
from gradline.tables.sources.text_lines import advice_on_fields, counted_fields

FOREIGN = ("duckdb", "_duckdb", "pyarrow", "adbc_driver", "polars")

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
        # Where a password was hidden, a traceback must not show the library's own words.
        raise told from (None if hidden(str(error)) != str(error) else error)


def translated(error: Exception, name: str) -> Exception | None:
    """The error to raise instead, or None for one that is already gradline's own."""
    module = type(error).__module__.split(".")[0]
    text, kind = hidden(str(error)), type(error).__name__
    if any(sign in text for sign in ("CSV Error", "Error when sniffing", "CSV Parser state machine")):
        # While rows stream it arrives as an OSError of Arrow's.
        return DataError(_csv_line(text, name))
    if any(sign in text for sign in DAMAGED):
        return DataError(f"{name} is damaged or truncated ({first_line(text)}); copy or make it again")
    if isinstance(error, OSError) and not module.startswith(FOREIGN):
        if "Invalid Input Error: " in text:
            # What DuckDB's own error() says while rows stream.
            return DataError(f"{name}: {first_line(text)}")
        return _of_the_system(error, name)
    if not module.startswith(FOREIGN):
        return None
    absent = re.search(r"Columns with names: (.*?) do not exist in the CSV File", text)
    if absent:
        names = absent[1].replace('"', "'").replace(",", ", ")
        return DataError(f"{name}: {names} of the first file is not in every other; one table needs the same columns and delimiter in each")
    line = first_line(text)
    unknown = re.search(r'Referenced column "(.*?)" not found in FROM clause', text)
    if unknown:
        # The library names whatever columns there are, near or not.
        known = re.search(r"Candidate bindings: (.*)", text)
        near = nearest(unknown[1], [] if known is None else re.findall(r'"(.*?)"', known[1]))
        return DataError(f"{name}: there is no column {unknown[1]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    if any(sign in text for sign in ("Parquet magic bytes", "Parquet file size", "TProtocolException", "deserialize thrift")):
        return DataError(f"{name} is not a whole Parquet file ({line.partition('. ')[0]}); it may be truncated: write or copy it again")
    if isinstance(error, MemoryError) or kind == "OutOfMemoryException":
        return MemoryError(f"{name}: {line}")
    if isinstance(error, OSError) or kind in ("IOException", "HTTPException", "OperationalError", "ConnectionException", "FatalException"):
        return OSError(f"{name}: {line}")
    return DataError(f"{name}: {line}")


def first_line(text: str) -> str:
    """The first line of a library's message, without the library's own name for the kind of error."""
    line = next((part.strip() for part in text.splitlines() if part.strip()), "no reason given")
    line = re.sub(r"^(?:[A-Z][A-Za-z ]* Error: |[A-Z_]+: )", "", line)
    # PostgreSQL's reason comes last, after the names of those who hand it on.
    return re.sub(r"^.*\b(?:ERROR|FATAL):  (?=\S)", "", line).rstrip(".! ")


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
    # A copy in a temporary folder is called as what it is a copy of.
    where = name if file is None or file in name or "/gradline-" in file else f"{name}, file {file!r}"
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
        start = _found(r"^\s*Original Line: (.*)$", text) or ""
        return f"{where}: {counted_fields(int(counts[2]))} where the first lines have {counts[1]}; {advice_on_fields(start)}"
    if "state machine reached an invalid state" in text:
        return f"{where}: some of its lines end with CR LF and others with LF or CR; make them the same, for example with dos2unix"
    if "unterminated quote" in text.lower():
        return f"{where}: a quoted field does not end; close the quote or remove it"
    if "unicode" in text.lower() or "not utf-8" in text.lower():
        return f"{where}: not UTF-8 text; convert the file, for example with iconv -f latin1 -t utf-8"
    return f"{where}: {first_line(text.replace('CSV Error on Line', 'error on line'))}"


def _found(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else found[1].strip()
