"""CSV, TSV and JSON lines, through DuckDB's readers: which delimiter, which header, which columns are numbers, and what is wrong."""

from __future__ import annotations

import codecs
import lzma
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradline.base.errors import DataError
from gradline.tables.sources.columns import check_names, quoted, sql_text
from gradline.tables.sources.connections import own_connection
from gradline.tables.sources.errors import reading
from gradline.tables.sources.paths import Files, suffixes
from gradline.tables.sources.sql import SqlSource, sql_source
from gradline.tables.sources.temporary_folder import TemporaryFolder
from gradline.tables.sources.text_lines import (
    DELIMITERS,
    check_fields,
    delimiters,
    head_lines,
    line_ends,
    open_bytes,
    text_lines,
    write_with_one_line_end,
)
from gradline.tables.sources.written_numbers import AsNumber, looked_at, readings

if TYPE_CHECKING:
    import pyarrow as pa

MISSING_TEXTS = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None", "<NA>", "#N/A", "#NA")
"""What stands for a missing value in a text file: pandas' list."""

COMMON_TEXTS = ("", "NA")
"""Those of them looked for at first: comparing each field with all of them costs a seventh of the time of reading."""

SAMPLED = 20480
"""Rows that tell how numbers are written: as many as DuckDB looks at."""


@dataclass(frozen=True)
class DelimitedSource(SqlSource):
    """Delimited text. Integers are read as float64: DuckDB guesses types from the first rows, and would round a later 1.5 in silence."""

    integers: frozenset[str] = frozenset()
    quick: SqlSource | None = None
    """The same with fewer texts for missing values."""
    slow: list[bool] = field(default_factory=list, repr=False)
    """Holds True once a row had another."""

    @property
    def whole_numbers(self) -> frozenset[str]:
        return self.integers

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        done = 0
        if self.quick is not None and not self.slow:
            try:
                for batch in self.quick.batches(columns, rows):
                    yield batch
                    done += batch.num_rows
                return
            except ValueError as error:
                found = re.search(r'Could not convert string "(.*?)" to', str(error.__cause__))
                if found is None or found[1] not in MISSING_TEXTS:
                    raise
                self.slow.append(True)
        for batch in super().batches(columns, rows):
            left = batch.slice(min(done, batch.num_rows))
            done -= batch.num_rows - left.num_rows
            if left.num_rows:
                yield left


def delimited_source(files: Files) -> SqlSource:
    """CSV or TSV files as a source.

    Raises ValueError for an empty file, a ragged one, a column name that appears twice, and text that is not UTF-8.
    """
    for path in files.paths:
        with reading(files.called(path)):
            _check_text(path, files.called(path))
    readable, folder, ends = _with_one_line_end(files, *_decompressed(files))
    first = readable[0]
    dialect = _sniff(first, files)
    if len(ends) > 1:
        # With a line end that is not its own a file would give no rows, and no error.
        dialect["NewLineDelimiter"] = ""
    names = [column["name"] for column in dialect["Columns"]]
    options = _options(dialect)
    note = ""
    if dialect["HasHeader"]:
        _check_header(first, options, names, files.name)
    elif dialect["SkipRows"]:
        line = next(text_lines(first), "").strip()
        shown = f", {line[:60]!r}," if line else ""
        note = f"its first line{shown} does not part into as many fields as the lines below it; use one delimiter throughout"
    else:
        note = f"its first line seems to hold data, not names, so its columns are called {names[0]}, ...; add a line of names at its top"
    if len(names) == 1:
        mark = max(DELIMITERS, key=names[0].count)
        if mark in names[0]:
            check_fields(first, files.name, mark)
        if not names[0].replace("_", "").isalnum():
            note = (
                f"it was read as one column, {names[0]!r}; gradline finds commas, semicolons, tabs and bars by itself, and for another"
                f" delimiter takes query=\"SELECT * FROM read_csv('...', delim = '^')\""
            )
    elif any(_looks_split(name, dialect["Delimiter"]) for name in names):
        shown = ", ".join(map(repr, names[:6])) + (", …" if len(names) > 6 else "")
        note = f"its columns are {shown}, so the delimiter may have been mistaken; use the same one in every line"
    integers = frozenset(column["name"] for column in dialect["Columns"] if column["type"] in INTEGERS)
    kinds = {column["name"]: "DOUBLE" if _is_number(column["type"]) else column["type"] for column in dialect["Columns"]}
    with reading(files.name):
        as_numbers = _as_numbers(first, dialect, kinds)
    kinds |= dict.fromkeys(as_numbers, "VARCHAR")
    options += _types(dialect, kinds, frozenset(as_numbers), len(readable) == 1)
    paths = ", ".join(map(sql_text, readable))

    def made_with(texts: Sequence[str]) -> Callable[[], Any]:
        sql = f"read_csv([{paths}], {options}, nullstr = [{', '.join(map(sql_text, texts))}])"
        # Text columns are told in full what is missing either way: there another text would be a level, not an error.
        rest = ", ".join(map(sql_text, (text for text in MISSING_TEXTS if text not in texts)))
        swaps = []
        for name in (name for name, kind in kinds.items() if kind == "VARCHAR"):
            text = f"CASE WHEN {quoted(name)} IN ({rest}) THEN NULL ELSE {quoted(name)} END" if rest else quoted(name)
            if name in as_numbers:
                text = as_numbers[name](text)
            if rest or name in as_numbers:
                swaps.append(f"{text} AS {quoted(name)}")
        chosen = f"* REPLACE ({', '.join(swaps)})" if swaps else "*"

        def make(_folder: Any = folder) -> Any:
            return own_connection().sql(f"SELECT {chosen} FROM {sql}")

        return make

    whole = sql_source(files.name, made_with(MISSING_TEXTS), files=files, note=note)
    quick = SqlSource(files.name, made_with(COMMON_TEXTS), whole.schema, files)
    return DelimitedSource(whole.name, whole.make, whole.schema, files, note=note, integers=integers, quick=quick)


def _looks_split(name: str, delimiter: str) -> bool:
    """Whether a column's name holds what may part fields: not the file's own delimiter, which was quoted, and not a mark before a space."""
    return any(re.search(f"\\S{re.escape(mark)}\\S", name) for mark in DELIMITERS if mark != delimiter)


def _types(found: dict[str, Any], kinds: dict[str, str], texts: frozenset[str], alone: bool) -> str:
    """The types of the columns. One file need not be looked at again; several are matched by their names, which DuckDB must read."""
    if not alone:
        sure = ", ".join(f"{sql_text(name)}: {sql_text(kind)}" for name, kind in kinds.items() if kind == "DOUBLE" or name in texts)
        return f", types = {{{sure}}}" if sure else ""
    columns = ", ".join(f"{sql_text(name)}: {sql_text(kind)}" for name, kind in kinds.items())
    formats = [f", {key} = {sql_text(found[name])}" for key, name in FORMATS.items() if found.get(name)]
    return f", auto_detect = false, columns = {{{columns}}}" + "".join(formats)


def json_source(files: Files) -> SqlSource:
    """JSON lines (or one array of objects) as a source. Raises ValueError for text that is no JSON."""
    readable, folder = _decompressed(files)
    paths = ", ".join(map(sql_text, readable))

    def make(_folder: Any = folder) -> Any:
        # Every row is looked at for types: a field may first appear, or first hold a fraction, anywhere.
        rows = own_connection().sql(f"SELECT * FROM read_json([{paths}], sample_size = -1)")
        # A column of texts and numbers comes as JSON, its texts in quotes: a plain value is what the user wrote.
        mixed = [quoted(name) for name, kind in zip(rows.columns, rows.types, strict=True) if str(kind) == "JSON"]
        plain = ", ".join(f"{name} ->> '$' AS {name}" for name in mixed)
        return rows.project(f"* REPLACE ({plain})") if mixed else rows

    return sql_source(files.name, make, files=files)


FORMATS = {"dateformat": "DateFormat", "timestampformat": "TimestampFormat"}

INTEGERS = frozenset(["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"])


def _is_number(kind: str) -> bool:
    return kind in INTEGERS or kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL")


def _check_text(path: str, name: str) -> None:
    """Raises ValueError for a file without text, and for UTF-16."""
    size = Path(path).stat().st_size
    if size == 0 or (size < 4096 and not Path(path).read_bytes().strip()):
        raise DataError(f"{name} is empty; it needs a line of column names and lines of values")
    with open(path, "rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise DataError(f"{name} is UTF-16 text; convert it to UTF-8, for example with iconv -f utf-16 -t utf-8")


def _sniff(path: str, files: Files) -> dict[str, Any]:
    """What DuckDB finds out about a file, with the delimiter that parts its first line as it does the others.

    Raises ValueError for the first line with another number of fields, where the file does not part into columns.
    """
    with reading(files.name), _decompressing(files.called(files.paths[0])):
        head = head_lines(path)
    marks = ("\t",) if suffixes(files.paths[0])[0] in (".tsv", ".tab") else delimiters(head)
    found: dict[str, Any] | None = None
    for mark in marks or ("",):
        fixed = f", delim = {sql_text(mark)}" if mark else ""
        try:
            with reading(files.name):
                here = _with_decimals(path, fixed)
        except ValueError:
            # DuckDB tells of a file it cannot part that it cannot, and not which line is to blame.
            if mark:
                check_fields(path, files.name, mark)
            raise
        if mark and here["SkipRows"]:
            check_fields(path, files.name, mark)
        if found is None or _texts(here) < _texts(found):
            found = here
    assert found is not None
    if not any('"' in line for line in head[:SAMPLED]):
        # A field further down may be the first that needs quotes.
        found["Quote"] = found["Escape"] = '"'
    return found


def _with_decimals(path: str, fixed: str) -> dict[str, Any]:
    found = _sniffed(path, fixed)
    if found["Delimiter"] != "," and _texts(found):
        # Where commas are decimal signs, something else parts the fields.
        other = _sniffed(path, f", delim = {sql_text(found['Delimiter'])}, decimal_separator = ','")
        other["decimal_separator"] = ","
        if _texts(other) < _texts(found):
            return other
    return found


def _sniffed(path: str, extra: str) -> dict[str, Any]:
    missing = ", ".join(map(sql_text, MISSING_TEXTS))
    # A row whose first field starts with # is a row.
    relation = own_connection().sql(f"FROM sniff_csv({sql_text(path)}, nullstr = [{missing}], comment = ''{extra})")
    return dict(zip(relation.columns, relation.fetchall()[0], strict=True))


def _texts(found: dict[str, Any]) -> int:
    return sum(column["type"] == "VARCHAR" for column in found["Columns"])


def _as_numbers(path: str, found: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, AsNumber]:
    """How columns of numbers are read that DuckDB takes for text, or for other numbers than are meant."""
    texts = [name for name, kind in kinds.items() if kind == "VARCHAR"]
    if not texts and "decimal_separator" not in found:
        return {}
    columns = ", ".join(f"{sql_text(name)}: 'VARCHAR'" for name in kinds)
    missing = ", ".join(map(sql_text, MISSING_TEXTS))
    plain = _options({name: value for name, value in found.items() if name != "decimal_separator"})
    rows = f"read_csv({sql_text(path)}, {plain}, auto_detect = false, columns = {{{columns}}}, nullstr = [{missing}])"

    def values(names: Sequence[str], count: int) -> dict[str, list[str | None]]:
        if not names:
            return {}
        held = own_connection().sql(f"SELECT {', '.join(map(quoted, names))} FROM {rows} LIMIT {count}").fetchall()
        return dict(zip(names, map(list, zip(*held, strict=True)), strict=True)) if held else {}

    # Most columns of text show soon that they hold no numbers.
    some = [name for name, column in values(texts, 100).items() if looked_at({name: column}) or not any(column)]
    numbers = looked_at(values(some, SAMPLED))
    point = found.get("decimal_separator", ".")
    commas = point == "," or any("," in column.sure for column in numbers.values())
    others = looked_at(values([name for name, kind in kinds.items() if kind == "DOUBLE"], SAMPLED)) if commas else {}
    return readings(numbers, others, point)


def _options(found: dict[str, Any]) -> str:
    """The dialect that was found, spelt out, so that each pass over each file reads the same."""
    given = {"delim": found["Delimiter"], "quote": found["Quote"], "escape": found["Escape"], "comment": found.get("Comment", "")}
    parts = [f"{key} = {sql_text('' if value == '(empty)' else value)}" for key, value in given.items()]
    parts += [f"header = {str(bool(found['HasHeader'])).lower()}", f"skip = {int(found['SkipRows'])}"]
    if found.get("NewLineDelimiter") in ("\\n", "\\r\\n"):
        # Unless told how lines end DuckDB reads on one thread.
        parts.append(f"new_line = {sql_text(found['NewLineDelimiter'])}")
    if "decimal_separator" in found:
        parts.append("decimal_separator = ','")
    return ", ".join(parts)


def _check_header(path: str, options: str, names: Sequence[str], table: str) -> None:
    """Raises ValueError for a name that the first line holds twice: DuckDB would make up another for the second."""
    columns = ", ".join(f"'{j}': 'VARCHAR'" for j in range(len(names)))
    raw = options.replace("header = true", "header = false")
    with reading(table):
        sql = f"SELECT * FROM read_csv({sql_text(path)}, {raw}, auto_detect = false, columns = {{{columns}}}) LIMIT 1"
        header = own_connection().sql(sql).fetchall()[0]
    check_names([text for text in header if text], table, by_sql=True)


def _with_one_line_end(
    files: Files, readable: list[str], folder: TemporaryFolder | None
) -> tuple[list[str], TemporaryFolder | None, frozenset[bytes]]:
    """Files whose own lines all end alike, which DuckDB asks for: a file with several line ends is copied once to a temporary folder.

    Gives the paths, the folder, and the line ends of the files.
    """
    result: list[str] = []
    all_ends: set[bytes] = set()
    try:
        for i, path in enumerate(readable):
            name = files.called(files.paths[i])
            with reading(name), _decompressing(name):
                ends = line_ends(path)
            if len(ends) > 1:
                folder = folder or TemporaryFolder()
                copy = Path(folder.name, f"{i}-lines-{Path(path).name.split('.')[0]}.csv")
                with _decompressing(name, "copying"):
                    write_with_one_line_end(path, copy)
                path, ends = str(copy), frozenset([b"\n"])
            result.append(path)
            all_ends |= ends
    except BaseException:
        if folder is not None:
            folder.cleanup()
        raise
    return result, folder, frozenset(all_ends)


def _decompressed(files: Files) -> tuple[list[str], TemporaryFolder | None]:
    """Paths that DuckDB can read: gzip and Zstandard as they are, bzip2 and xz unpacked once to a temporary folder."""
    if not any(suffixes(path)[1] in (".bz2", ".xz") for path in files.paths):
        return list(files.paths), None
    folder = TemporaryFolder()
    readable = []
    try:
        for i, path in enumerate(files.paths):
            if suffixes(path)[1] not in (".bz2", ".xz"):
                readable.append(path)
                continue
            unpacked = Path(folder.name, f"{i}-{Path(path).stem}")
            with _decompressing(files.called(path), "unpacking"), open_bytes(path) as packed, open(unpacked, "wb") as file:
                shutil.copyfileobj(packed, file, 2**20)
            readable.append(str(unpacked))
    except BaseException:
        folder.cleanup()
        raise
    return readable, folder


@contextmanager
def _decompressing(name: str, doing: str = "") -> Iterator[None]:
    """Says which file is not compressed as its name says. doing: what is written to the temporary folder, where something is."""
    try:
        yield
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            if not doing:
                raise
            where = tempfile.gettempdir()
            raise OSError(error.errno, f"{doing} {name} to {where!r} failed: {error.strerror}; see TMPDIR") from error
        raise DataError(f"{name} is truncated or not compressed as its name says ({error}); write or copy it again") from error
