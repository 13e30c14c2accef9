"""A Fit from a model file: nothing in the file can run, and everything in it is checked."""

from __future__ import annotations

import json
import os
import pickletools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from gradline.base.errors import ModelFileError
from gradline.base.types import Array
from gradline.base.version import __version__
from gradline.files.absorbed import read_absorbed
from gradline.files.constraints import read_constraints
from gradline.files.parts import first_problem, shown
from gradline.files.penalties import StoredPenalty, as_penalty, penalty_of_curves
from gradline.files.schema import FORMAT, PATH_FORMAT, VERSION, BuiltInLoss, Document, ModelRecord, PathDocument, checksum
from gradline.files.uncertainty import read_uncertainty
from gradline.losses.arguments import by_name
from gradline.losses.protocol import Loss
from gradline.model.path import HeldOut, PathRecord
from gradline.model.record import Model
from gradline.penalties.curves import NAME as CURVES
from gradline.smoothing.terms import FittedCurve
from gradline.solvers.protocol import Certificate, Solution
from gradline.tables.sources.paths import missing_file

if TYPE_CHECKING:
    from gradline.losses.own_loss import CustomLoss

_MOST_DIGITS = 310
"""Of a whole number within double precision, the sign included."""

_HEAD = 4096
"""Bytes that tell JSON from anything else, before a large file of another kind is read whole."""


def load(
    path: str | os.PathLike[str],
    *,
    loss: Callable[[Any, Any], Any] | CustomLoss | Loss | None = None,
    prediction: Callable[[Any], Any] | None = None,
) -> Model:
    """A model that ``save`` wrote; see :func:`gradline.load`."""
    where = Path(os.path.expanduser(path))
    return _model_of(read_model(where), where, loss, prediction)


def load_path(
    path: str | os.PathLike[str],
    *,
    loss: Callable[[Any, Any], Any] | CustomLoss | Loss | None = None,
    prediction: Callable[[Any], Any] | None = None,
) -> PathRecord:
    """A path that ``save_path`` wrote; see :func:`gradline.load`."""
    where = Path(os.path.expanduser(path))
    document = _sound(where, PATH_FORMAT, PathDocument)
    assert isinstance(document, PathDocument)
    record = document.path
    try:
        penalties = tuple(as_penalty(penalty) for penalty in record.penalties)
    except ValueError as error:
        raise ModelFileError(f"{where}: {error}") from None
    held, held_out = record.held_out, None
    if held is not None:
        of_fold = np.array(held.of_fold, dtype=np.float64).reshape(-1, len(record.strengths))
        held_out = HeldOut(_line(held.mean), _line(held.error), of_fold, _line(held.weights), held.how, held.refits)
    return PathRecord(
        strengths=_line(record.strengths),
        coefficients=np.array(record.coefficients, dtype=np.float64),
        losses=_line(record.losses),
        objectives=_line(record.objectives),
        gaps=_line(record.gaps),
        gradient_norms=_line(record.gradient_norms),
        converged=np.array(record.converged, dtype=np.bool_),
        penalties=penalties,
        held_out=held_out,
        template=_model_of(document.model, where, loss, prediction),
        passes=record.passes,
        breakpoints=None if record.breakpoints is None else _line(record.breakpoints),
    )


def holds_path(path: str | os.PathLike[str]) -> bool:
    """Whether a file says in its first line but one that it holds a path; what it is otherwise is not asked."""
    try:
        with Path(os.path.expanduser(path)).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return f'"format": "{PATH_FORMAT}"'.encode() in head


def _model_of(model: ModelRecord, where: Path, loss: Any, prediction: Any) -> Model:
    try:
        encoder = None if model.formula is None else _encoder(model.formula)
        if encoder is not None and model.absorbed is not None:
            encoder = encoder.without_intercept(formula_text(model.formula))
        if encoder is not None and encoder.names != tuple(model.names):
            raise ModelFileError("the formula makes other columns than the names of the coefficients")
        loss_function = _loss(model, loss, prediction)
        curves = tuple(FittedCurve(**{**dict(curve), "strengths": tuple(curve.strengths)}) for curve in model.curves)
        penalty = None if model.penalty is None else as_penalty(model.penalty)
        if curves and encoder is not None:
            beside = None if model.penalty is None or model.penalty.name == CURVES else StoredPenalty(model.penalty, model.smoothing)
            penalty = penalty_of_curves(encoder, curves, model) if beside is None else beside
        held = read_constraints(model.constraints, (len(model.names), len(model.predictor_names)))
    except ValueError as error:
        raise ModelFileError(f"{where}: {error}") from None
    certificate = model.certificate
    solution = Solution(
        _array(model.coefficients),
        model.objective,
        model.solver,
        Certificate(certificate.converged, certificate.gradient_norm, certificate.reason, certificate.remedy, certificate.gap),
        model.passes,
        aliased=tuple(model.aliased),
        digits=None if model.digits is None else _array(model.digits),
        learning_rate=model.learning_rate,
        notes=tuple(model.notes),
        held=held,
    )
    return Model(
        tuple(model.names),
        tuple(model.target_names),
        loss_function,
        solution,
        model.rows_used,
        dict(model.rows_dropped),
        named=model.columns_named,
        penalty=penalty,
        solver_asked=model.solver_asked,
        uncertainty=read_uncertainty(model),
        row_columns={str(keyword): column for keyword, column in model.beside.items()},
        class_labels=tuple(model.class_labels),
        fingerprint=None if model.fingerprint is None else int(model.fingerprint, 16),
        seconds=model.seconds,
        curves=curves,
        absorbed=read_absorbed(model.absorbed),
        **({} if encoder is None else {"encoder": encoder}),
    )


def read_model(path: Path) -> ModelRecord:
    """The checked content of a model file. Raises as ``load`` does."""
    return _sound(path, FORMAT, Document).model


def _sound(path: Path, wanted: str, kind: type[Document | PathDocument]) -> Document | PathDocument:
    """The checked content of a file of that format."""
    document = _document(path, _text(path))
    if document.get("format") != wanted:
        if document.get("format") == PATH_FORMAT:
            raise ModelFileError(f"{path} holds a path, not a model; read it with gl.load, and take a fit of it")
        if document.get("format") == FORMAT:
            raise ModelFileError(f"{path} holds a model, not a path; read it with gl.load")
        if document.get("format") == "gradline moments":
            raise ModelFileError(f"{path} holds moments, not a model; read it with gl.Moments.load")
        said = f"its format is {shown(document['format'])}" if "format" in document else "it names no format"
        raise ModelFileError(f"{path} is JSON, but not a gradline model: {said}, where a {wanted.split()[-1]} says {wanted!r}")
    version = document.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise ModelFileError(
            f"{path} was written by gradline {document.get('gradline')}, format version {version}; this is gradline {__version__},"
            f" which reads versions up to {VERSION}: upgrade, pip install --upgrade gradline"
        )
    try:
        # Types first: for a file that somebody edited, the name of the field helps more than a wrong checksum.
        found = kind.model_validate(document)
    except ValidationError as error:
        raise ModelFileError(f"{path} is not a sound model file: {first_problem(error)}") from None
    if document["checksum"] != checksum(document):
        raise ModelFileError(f"{path} has been changed since it was saved: its checksum does not match its content. Save the model again")
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            stripped = head.removeprefix(b"\xef\xbb\xbf").lstrip()
            if not head:
                raise ModelFileError(f"{path} is empty; save the model again")
            if head[:1] == b"\x80" or (stripped[:1] != b"{" and _is_pickle(head)):
                raise ModelFileError(f"{path} is a pickle, which could run code on loading, and is not opened. gradline models are JSON")
            if stripped[:1] != b"{":
                raise ModelFileError(f"{path} is not a model file: gradline models are JSON objects, and this is not")
            return (head + file.read()).decode("utf-8-sig")
    except FileNotFoundError:
        raise missing_file(str(path)) from None
    except IsADirectoryError:
        raise IsADirectoryError(f"{path} is a folder; give the model file itself") from None
    except UnicodeDecodeError:
        raise ModelFileError(f"{path} is damaged: it is not text throughout") from None
    except OSError as error:
        raise type(error)(f"cannot read {path}: {error.strerror or error}") from None


def _document(path: Path, text: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ModelFileError(f"{path} is not JSON: it holds {word}")

    def whole(digits: str) -> int:
        # Beyond double precision arithmetic fails, and beyond some thousand digits Python reads no number.
        if len(digits) > _MOST_DIGITS or abs(int(digits)) > sys.float_info.max:
            raise ModelFileError(f"{path} is not a sound model file: it holds a number beyond double precision, {shown(digits)}")
        return int(digits)

    try:
        document = json.loads(text, parse_constant=refuse, parse_int=whole)
    except json.JSONDecodeError as error:
        if not text.rstrip().endswith("}") or error.pos >= len(text.rstrip()):
            raise ModelFileError(f"{path} was cut short after {len(text):,} characters; copy or save it again") from None
        raise ModelFileError(f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ModelFileError(f"{path} is not a model file: its brackets nest too deeply") from None
    assert isinstance(document, dict)  # it starts with a brace
    return document


def _is_pickle(head: bytes) -> bool:
    """Whether bytes are the start of a pickle of the old text protocols; pickletools reads and never runs them."""
    try:
        names = [opcode.name for opcode, _, _ in pickletools.genops(head)]
    except Exception:  # whatever is not a pickle can fail anywhere
        return False
    return len(names) > 2 and names[-1] == "STOP"


def _loss(model: ModelRecord, given: Any, prediction: Any) -> Loss:
    names = tuple(model.predictor_names)
    if isinstance(model.loss, BuiltInLoss):
        if given is not None or prediction is not None:
            raise ModelFileError(
                f"the model's loss is gradline's own {model.loss.name!r}; loss= and prediction= are for functions of your own"
            )
        loss = by_name(model.loss.name, **model.loss.parameters)
        if loss.predictor_names(len(model.target_names)) != names:
            raise ModelFileError(f"the linear predictors of the loss {loss.name!r} are not {', '.join(names)}")
        return loss
    # What only a loss of one's own needs: predicting from a file should start at once.
    from gradline.files.own_losses import StoredLoss, given_again

    if given is None:
        if prediction is not None:
            raise ModelFileError(f"prediction= goes with loss={model.loss.name}; give both")
        return StoredLoss(model.loss, names)
    from gradline.losses.arguments import as_loss, is_loss

    bare = callable(given) and not is_loss(given)
    unbound = as_loss(given, prediction, model.loss.framework if bare else None)
    return given_again(model.loss, unbound, names, len(model.target_names))


def _encoder(saved: dict[str, Any]) -> Any:
    # Needs pyarrow, which a model without a formula does not.
    from gradline.formulas.encoder_json import encoder_from_json

    return encoder_from_json(saved)


def formula_text(saved: Any) -> str:
    """The formula as it was written."""
    return str(saved["formulas"][0]["text"])


def _line(values: list[float]) -> Array:
    return np.array(values, dtype=np.float64)


def _array(rows: list[list[float]]) -> Array:
    return np.array(rows, dtype=np.float64)
