"""A Fit as a model file, whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gradline.base.atomic_file import write_whole
from gradline.base.errors import ModelFileError
from gradline.base.version import __version__
from gradline.files.absorbed import describe_absorbed
from gradline.files.constraints import describe_constraints
from gradline.files.parts import first_problem, write_number
from gradline.files.penalties import StoredPenalty
from gradline.files.schema import FORMAT, PATH_FORMAT, VERSION, Document, PathDocument, checksum
from gradline.files.uncertainty import describe_uncertainty
from gradline.losses.arguments import by_name
from gradline.losses.protocol import Loss

if TYPE_CHECKING:
    from gradline.model.path import PathRecord
    from gradline.model.record import Model
    from gradline.smoothing.terms import FittedCurve
from gradline.penalties.curves import curves_chosen_by
from gradline.penalties.kinds import parameters_of
from gradline.penalties.kinked_penalty import chosen_by, set_to_zero
from gradline.penalties.protocol import Penalty


def save(fit: Model, path: str | os.PathLike[str]) -> None:
    """Write a fit to a model file; a reader sees the old file or the new one, and nothing between.

    Raises OSError, with one clear line, where the file cannot be written (no such folder, read-only, disk full), and ValueError for a
    model that JSON cannot hold and for a path that is no regular file; the old file is then as it was.
    """
    write_whole(Path(path), as_text(fit))


def as_text(fit: Model) -> str:
    """The text of the model file."""
    return _text({"format": FORMAT, "model": _model(fit)}, Document)


def save_path(found: PathRecord, path: str | os.PathLike[str]) -> None:
    """Write a path to a file. Raises as ``save`` does."""
    write_whole(Path(path), path_as_text(found))


def path_as_text(found: PathRecord) -> str:
    """The text of a path's file."""
    held = found.held_out
    numbers = {name: _numbers(getattr(found, name)) for name in ("strengths", "losses", "objectives", "gaps", "gradient_norms")}
    record: dict[str, Any] = numbers | {
        "coefficients": [_plain(point) for point in found.coefficients],
        "converged": found.converged.tolist(),
        "penalties": [_penalty(found.model(place).penalty or penalty, found.model(place)) for place, penalty in enumerate(found.penalties)],
        "held_out": None,
        "passes": int(found.passes),
        "breakpoints": None if found.breakpoints is None else _numbers(found.breakpoints),
    }
    if held is not None:
        record["held_out"] = {name: _numbers(getattr(held, name)) for name in ("mean", "error", "weights")} | {
            "of_fold": _plain(held.of_fold),
            "how": held.how,
            "refits": int(held.refits),
        }
    return _text({"format": PATH_FORMAT, "model": _model(found.template), "path": record}, PathDocument)


def _text(content: dict[str, Any], kind: type[Document | PathDocument]) -> str:
    try:
        empty = {"version": VERSION, "gradline": __version__, "checksum": "", **content}
        filled: dict[str, Any] = kind.model_validate(empty).model_dump()
    except ValidationError as error:
        raise ModelFileError(f"the model cannot be saved: {first_problem(error)}") from None
    filled["checksum"] = checksum(filled)
    # A line for each field: readable, and one changed coefficient is one changed line of a version control system.
    long = ("model", "path")
    lines = [f"  {json.dumps(key)}: {_compact(value)}" for key, value in filled.items() if key not in long]
    for part in long:
        if part in filled:
            fields = [f"    {json.dumps(key)}: {_compact(value)}" for key, value in filled[part].items()]
            lines.append(f"  {json.dumps(part)}: {{\n" + ",\n".join(fields) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _numbers(values: Any) -> list[Any]:
    return [write_number(value) for value in values.tolist()]


def _model(fit: Model) -> dict[str, Any]:
    solution = fit.solution
    encoder = fit.encoder
    return {
        "names": list(fit.names),
        "intercept": fit.has_intercept,
        "target_names": list(fit.target_names),
        "predictor_names": list(fit.loss_function.predictor_names(len(fit.target_names))),
        "columns_named": fit.named,
        "coefficients": _plain(solution.coefficients),
        "aliased": [int(place) for place in solution.aliased],
        "digits": None if solution.digits is None else _plain(solution.digits),
        "loss": _loss(fit.loss_function),
        "penalty": None if fit.penalty is None else _penalty(fit.penalty, fit),
        "objective": write_number(float(solution.loss)),
        "rows_used": int(fit.rows_used),
        "rows_dropped": {str(reason): int(count) for reason, count in fit.rows_dropped.items()},
        "certificate": {
            "converged": bool(solution.certificate.converged),
            "gradient_norm": write_number(float(solution.certificate.gradient_norm)),
            "reason": solution.certificate.reason,
            "remedy": solution.certificate.remedy,
            "gap": None if solution.certificate.gap is None else write_number(float(solution.certificate.gap)),
        },
        "solver": solution.solver,
        "solver_asked": fit.solver_asked,
        "passes": int(solution.passes),
        "seconds": fit.seconds,
        "learning_rate": None if solution.learning_rate is None else write_number(float(solution.learning_rate)),
        "notes": list(solution.notes),
        "formula": None if encoder is None else encoder.to_json(),
        "beside": dict(fit.row_columns),
        "class_labels": list(fit.class_labels),
        "fingerprint": None if fit.fingerprint is None else f"{fit.fingerprint:016x}",
        "constraints": describe_constraints(solution.held),
        "uncertainty": describe_uncertainty(fit),
        "absorbed": describe_absorbed(fit),
        "curves": [_curve(curve) for curve in fit.curves],
        "smoothing": curves_chosen_by(fit.penalty),
    }


def _loss(loss: Loss) -> Mapping[str, Any]:
    try:
        built_in = by_name(loss.name, **loss.parameters) == loss
    except (ValueError, TypeError):
        built_in = False
    if built_in:
        return {"kind": "built-in", "name": loss.name, "parameters": dict(loss.parameters)}
    from gradline.files.own_losses import describe_loss

    return describe_loss(loss).model_dump()


def _penalty(penalty: Penalty, fit: Model) -> dict[str, Any]:
    if isinstance(penalty, StoredPenalty):
        return penalty.record.model_dump()
    own = parameters_of(penalty)
    numbers = {name: value for name, value in own.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    slopes = fit.solution.coefficients[int(fit.has_intercept) :]
    zero, how = set_to_zero(penalty, slopes) is not None, chosen_by(penalty)
    value = write_number(float(penalty.value(slopes)))
    return {"name": penalty.name, "parameters": numbers, "value": value, "sets_to_zero": zero, "chosen_by": how}


def _curve(curve: FittedCurve) -> dict[str, Any]:
    numbers = ("degrees_of_freedom", "reference", "statistic", "p_value")
    return asdict(curve) | {"strengths": list(curve.strengths)} | {name: write_number(getattr(curve, name)) for name in numbers}


def _plain(array: Any) -> list[list[Any]]:
    return [[write_number(value) for value in row] for row in array.tolist()]


def _compact(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
