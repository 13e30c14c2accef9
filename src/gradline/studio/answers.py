"""What the studio answers: from a table, losses of a file, and the fits that it has made of them."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gradline.base import listening
from gradline.base.errors import DataError, FormulaError, GradlineError
from gradline.base.numbers import counted
from gradline.base.version import __version__
from gradline.studio import messages, points
from gradline.studio.columns import describe, heads
from gradline.studio.fitted import fitted
from gradline.studio.held import ColumnStore, HeldSource, comes_whole, hold
from gradline.studio.messages import PROTOCOL, ModelSpec, PenaltyChoice, Problem, Question, of_a_moment
from gradline.studio.notes import collected
from gradline.studio.plain import numbers, rows_of
from gradline.studio.spec import (
    DataPlace,
    FileLoss,
    arguments_of,
    as_command,
    as_python,
    columns_of,
    file_loss,
    formula_of,
    loss_of,
    penalty_of,
)
from gradline.tables.sources.columns import kind_of
from gradline.tables.table import Table

if TYPE_CHECKING:
    from gradline.api.result import Fit

MOST_FITS = 8
MOST_FILES = 16


@dataclass(frozen=True)
class KeptFit:
    """A fit that was answered: the question, None where the fit was given from Python, and what the page was told."""

    fit: Fit
    spec: ModelSpec | None
    answer: dict[str, Any]


@dataclass(frozen=True)
class KeptFile:
    """A file to be taken away."""

    name: str
    content: bytes
    kind: str


class Studio:
    """table: None where there is none. losses: by name. given: a fit that the page begins with. reopen: opens the table anew, for a
    page that is loaded once its file has changed; None where it cannot be."""

    def __init__(
        self,
        table: Table | None = None,
        place: DataPlace | None = None,
        losses: Sequence[FileLoss] = (),
        given: Fit | None = None,
        reopen: Callable[[], Table] | None = None,
    ) -> None:
        self._reopen = reopen
        self._hold(table)
        self._place = place or DataPlace(None)
        self._losses = {loss.name: loss for loss in losses}
        self._lock = threading.Lock()
        self._fits: dict[str, KeptFit] = {}
        self._files: dict[str, KeptFile] = {}
        self._given: str | None = None
        if given is not None:
            self._given = "given"
            formula = "" if given.encoder is None else str(given.encoder.saved["formulas"][0].get("text", ""))
            self._fits["given"] = KeptFit(given, None, fitted(given, "given", formula, ()))

    def hello(self) -> dict[str, Any]:
        """What a page is told first. A file that has changed is read anew for it."""
        self._renew()
        table = self._table
        return {
            "protocol": PROTOCOL,
            "version": __version__,
            "table": None if table is None else {"name": _plain_name(table.name), "rows": table.n_rows, "columns": heads(table)},
            "losses": [{"file": loss.file, "name": loss.name} for loss in self._losses.values()],
            "given": None if self._given is None else self._fits[self._given].answer,
        }

    def _hold(self, table: Table | None) -> None:
        self._store = ColumnStore()
        self._table = None if table is None else Table(HeldSource(table.source, self._store))

    def _renew(self) -> None:
        if self._table is None or self._reopen is None:
            return
        try:
            self._table.source.check_unchanged()
        except DataError:
            try:
                table = self._reopen()
            except (GradlineError, OSError):
                return  # it is being written: what is asked of it says so
            with self._lock:
                self._hold(table)
                self._fits = {key: kept for key, kept in self._fits.items() if key == self._given}
        except OSError:
            return  # it is gone

    def file(self, key: str) -> KeptFile | None:
        """A file that was offered; None for one that was not, or that is forgotten."""
        with self._lock:
            return self._files.get(key)

    def answer(self, question: Question) -> Any:
        """The answer. Raises Problem, whatever gradline raises for what it refuses, and Stopped."""
        answers: Mapping[str, Callable[[Any], Any]] = {
            "columns": self._columns,
            "fit": lambda asked: self._fit(asked).answer,
            "effects": self._effects,
            "diagnostics": self._diagnostics,
            "path": self._path,
            "predict": self._predict,
            "take": self._take,
            "walk": lambda asked: points.walk(asked, self._load),
            "optimum": lambda asked: points.optimum(asked, self._load),
            "stability": lambda asked: points.stability(asked, self._load),
            "surface": lambda asked: points.surface(asked, self._load),
            "compare": lambda asked: points.compare(asked, self._load),
        }
        if not of_a_moment(question):
            # What gradline warns of on its way is for the page, where it is for anybody.
            with collected():
                return answers[question.ask](question.content)
        return answers[question.ask](question.content)

    def _load(self, name: str) -> Any:
        return file_loss(name, self._losses)

    def _open(self, names: Sequence[str] = ()) -> Table:
        """The table, with the columns named in memory where they fit. Raises Problem where there is none."""
        if self._table is None:
            raise Problem("", "the studio has no table: start it with one, as in gradline studio flats.csv, or gl.studio(table)")
        try:
            self._table.source.check_unchanged()
        except DataError as error:
            if self._reopen is None:
                raise
            name = _plain_name(self._table.name)
            raise Problem("", f"{name} has changed since it was read: load this page again to work with what it holds now") from error
        hold(self._table, self._store, [name for name in names if name in self._table.schema.names])
        return self._table

    def _columns(self, asked: messages.Columns) -> dict[str, Any]:
        table = self._open()
        if self._store.takes_all and comes_whole(table.source):
            # Facts and pictures take several passes, and a fit follows: the text is read once.
            self._open(asked.names)
        return {"columns": describe(table, asked.names)}

    def _fit(self, asked: messages.Fitting) -> KeptFit:
        spec, classes = self._coded(asked.model)
        key = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:16]
        kept = None if spec.loss.kind == "file" else self._fits.get(key)
        if kept is not None:
            return kept
        formula, arguments = formula_of(spec), arguments_of(spec, self._losses)
        table = self._open(columns_of(spec, list(self._open().columns)))
        from gradline.api.fitting import fit

        with collected() as notes, _places(spec):
            found = fit(formula, table, progress=False, **arguments)
            answer = fitted(found, key, formula, notes, classes)
        kept = KeptFit(found, spec, answer)
        with self._lock:
            self._fits[key] = kept
            for old in [old for old in self._fits if old not in (key, self._given)][: max(0, len(self._fits) - MOST_FITS)]:
                del self._fits[old]
        return kept

    def _coded(self, spec: ModelSpec) -> tuple[ModelSpec, tuple[str, str] | None]:
        """The model with the class of its target that counts as 1, and the classes that count as 0 and 1.

        None, and no class in the model, where the target is no text or the loss takes no labels 0 and 1. Raises Problem where a text
        target of such a loss has not two classes in all rows of the table, and for a class that is none of them.
        """
        plain = spec.model_copy(update={"target_class": None})
        labels = spec.loss.kind == "catalogue" and loss_of(spec.loss, self._losses).target_kind == "label"
        if spec.formula is not None or not spec.target or spec.target_transform != "none" or not labels:
            return plain, None
        table = self._open([spec.target])
        if table.columns.get(spec.target) not in ("text", "category"):
            return plain, None
        try:
            classes = table.levels(spec.target)
        except GradlineError as error:
            raise Problem("model, target", str(error)) from error
        if not all(isinstance(one, str) for one in classes):
            return plain, None
        if len(classes) != 2:
            raise Problem(
                "model, target",
                f"column {spec.target!r} holds {counted(len(classes), 'class', 'classes')}, and {spec.loss.name} loss takes two: choose the"
                " multinomial loss, which takes any number, or type a formula that names one class",
            )
        low, high = classes
        one = high if spec.target_class is None else spec.target_class
        if one not in classes:
            raise Problem("model, target", f"{one!r} is no class of column {spec.target!r}: choose {low!r} or {high!r}")
        return spec.model_copy(update={"target_class": one}), (low if one == high else high, one)

    def _kept(self, key: str) -> KeptFit:
        kept = self._fits.get(key)
        if kept is None:
            raise Problem("fit", "the studio does not know this fit any more: fit the model again")
        return kept

    def _rows(self, kept: KeptFit) -> Table:
        if self._table is None:
            raise Problem("", "this needs the rows, and a fit holds none: gl.studio(fit, data=...) gives them beside it")
        names = [] if kept.spec is None else columns_of(kept.spec, list(self._table.columns))
        return self._open(names)

    def _effects(self, asked: messages.Effects) -> dict[str, Any]:
        kept = self._kept(asked.fit)
        variables = None if asked.variables is None else list(asked.variables)
        data = None if self._table is None else self._rows(kept)
        if data is not None and asked.by is not None:
            data = self._open([asked.by])
        with collected() as notes:
            table = kept.fit.effects(variables, by=asked.by, data=data)
        columns = {
            name: values for name, values in table.columns.items() if name != "p_value" or any(value is not None for value in values)
        }
        return {
            "title": table.title,
            "columns": list(columns),
            "rows": rows_of(columns),
            "note": " ".join(_sentence(note) for note in (*table.notes, *notes)),
        }

    def _diagnostics(self, asked: messages.OfFit) -> dict[str, Any]:
        from gradline.studio.pictures import diagnostics

        kept = self._kept(asked.fit)
        return diagnostics(kept.fit, self._rows(kept), _plain_name(self._rows(kept).name))

    def _path(self, asked: messages.Fitting) -> dict[str, Any]:
        from gradline.api.path import path
        from gradline.penalties.arguments import left_to_data
        from gradline.studio.pictures import path_answer

        spec, _ = self._coded(asked.model)
        choice = spec.penalty or PenaltyChoice(name="lasso")
        if choice.name == "ridge":
            raise Problem("model, penalty", "a path is for penalties that set slopes to zero: lasso, elastic net, groups, SCAD or MCP")
        penalty: Any = left_to_data(penalty_of(PenaltyChoice(name=choice.name, strength="auto", share=choice.share)))
        formula, arguments = formula_of(spec), arguments_of(spec.model_copy(update={"penalty": None, "covariance": "none"}), self._losses)
        del arguments["covariance"]
        table = self._open(columns_of(spec, list(self._open().columns)))
        with _places(spec):
            return path_answer(path(formula, table, penalty=penalty, choose="folds", progress=False, **arguments), choice.name)

    def _predict(self, asked: messages.Predict) -> dict[str, Any]:
        kept = self._kept(asked.fit)
        if not asked.rows:
            raise Problem("rows", "give at least one row to predict for")
        data = self._typed_in(kept, asked.rows)
        try:
            return self._predicted(kept, data, asked)
        except FormulaError as error:
            raise Problem("rows", _of_a_form(str(error))) from error

    def _predicted(self, kept: KeptFit, data: Any, asked: messages.Predict) -> dict[str, Any]:
        if asked.interval is not None:
            try:
                found = kept.fit.predict(data, interval=asked.interval)
            except FormulaError:
                raise
            except GradlineError as error:
                plain = kept.fit.predict(data)
                return {"prediction": numbers(plain.ravel()), "low": None, "high": None, "guarantee": _sentence(str(error))}
            low, high = numbers(found.lower.ravel()), numbers(found.upper.ravel())
            return {"prediction": numbers(found.prediction.ravel()), "low": low, "high": high, "guarantee": _sentence(found.guarantee)}
        return {"prediction": numbers(kept.fit.predict(data).ravel()), "low": None, "high": None, "guarantee": ""}

    def _typed_in(self, kept: KeptFit, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Rows typed in, as a table whose columns are of the types of the studio's."""
        import pyarrow as pa

        names = list(dict.fromkeys(name for row in rows for name in row))
        if kept.fit.encoder is None:
            import numpy as np

            return np.array([[float("nan") if row.get(name) is None else float(row[name]) for name in names] for row in rows])
        columns = {}
        for name in names:
            values = [row.get(name) for row in rows]
            kind = pa.float64() if all(value is None or isinstance(value, float | int) for value in values) else pa.string()
            if self._table is not None and name in self._table.schema.names:
                kind = self._table.schema.field(name).type
                kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            try:
                columns[name] = pa.array([None if value is None else str(value) for value in values], pa.string()).cast(kind)
            except pa.ArrowInvalid:
                shown = next(value for value in values if value is not None)
                raise Problem(f"rows, {name}", f"column {name!r} holds {_in_words(kind)}, and {shown!r} is none: correct it") from None
        return pa.table(columns)

    def _take(self, asked: messages.Take) -> dict[str, Any]:
        kept = self._kept(asked.fit)
        if asked.what in ("python", "command"):
            if kept.spec is None:
                raise Problem("what", "this fit was given from Python: the code that made it is where it was made")
            write = as_python if asked.what == "python" else as_command
            return {"text": write(kept.spec, self._place, self._losses), "name": None, "address": None}
        if asked.what == "model":
            with TemporaryDirectory() as folder:
                kept.fit.save(Path(folder) / "model.json")
                return self._offer(KeptFile("model.json", (Path(folder) / "model.json").read_bytes(), "application/json"))
        report = kept.fit.report(self._rows(kept))
        return self._offer(KeptFile("report.html", report.html.encode(), "text/html; charset=utf-8"))

    def _offer(self, file: KeptFile) -> dict[str, Any]:
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._files[key] = file
            for old in list(self._files)[: max(0, len(self._files) - MOST_FILES)]:
                del self._files[old]
        return {"text": None, "name": file.name, "address": f"files/{key}/{file.name}"}


class _places:
    """Says where in a model the trouble is, where gradline's own error tells."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec

    def __enter__(self) -> None:
        listening.check()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, FormulaError):
            raise Problem("model, formula", str(error)) from error


def _of_a_form(message: str) -> str:
    """What is wrong with one row that was typed in: it has no number, and no argument could be given beside it."""
    return re.sub(r" \(or say unseen=[^)]*\)", "", message.replace(" in row 0,", ","))


def _in_words(kind: Any) -> str:
    """What a column holds, for those who do not know Arrow's types."""
    return {"number": "numbers", "boolean": "true and false", "date": "dates, as in 2026-01-31"}.get(kind_of(kind), str(kind))


def _plain_name(name: str) -> str:
    """What a message calls a table, without its quotes."""
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == "'" else name


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text else text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
