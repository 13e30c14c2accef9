"""A fit's uncertainty to and from its record in a model file."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.files.covariances import describe_covariance, matrix, read_covariance, vector
from gradline.files.parts import write_number
from gradline.files.uncertainty_schema import (
    AbsentRecord,
    BreadRecord,
    ResidualsRecord,
    SelectiveRecord,
    StatisticsRecord,
    SumsRecord,
)
from gradline.inference.absent import NoInference

if TYPE_CHECKING:
    from gradline.files.schema import ModelRecord
    from gradline.inference.asked import PendingInference
    from gradline.inference.bread import Bread
    from gradline.inference.conditional import Selective
    from gradline.inference.inference import Inference
    from gradline.inference.leave_one_out import ResidualQuantiles
    from gradline.inference.statistics import FitStatistics
    from gradline.model.record import Model

OLD = "the model was saved by a version that did not keep them: fit it again"


def describe_uncertainty(fit: Model) -> dict[str, Any]:
    """The record of what a fit holds; of numbers that no file can hold, only that there were such."""
    held = fit.uncertainty
    if isinstance(held, NoInference):
        return {"kind": "none", "reason": held.reason}
    pending: Any = held
    found = _sums(pending) if held.is_pending else _inference(pending)
    return found if _is_finite(found) else {"kind": "none", "reason": "they were not finite, so the model file holds none"}


def read_uncertainty(model: ModelRecord) -> Inference | PendingInference | NoInference:
    """What a model's record stands for."""
    record = model.uncertainty
    if record is None:
        return NoInference(OLD)
    if isinstance(record, AbsentRecord):
        return NoInference(record.reason)
    shape = len(model.names), len(model.predictor_names)
    if isinstance(record, SumsRecord):
        from gradline.inference.asked import PendingInference
        from gradline.solvers.squared_sums import SquaredSums, WeightSums

        weights = WeightSums(*(getattr(record.weights, name) for name in WeightSums._fields))
        sums = SquaredSums(matrix(record.root), matrix(record.products), vector(record.total_squares), weights)
        coefficients = matrix(model.coefficients)
        return PendingInference(
            sums,
            tuple(model.aliased),
            coefficients,
            model.loss.name,
            record.scale,
            record.strength,
            model.intercept,
            model.penalty is not None,
        )
    from gradline.inference.inference import Inference

    return Inference(
        _read_statistics(record.statistics),
        None if record.covariance is None else read_covariance(record.covariance, shape),
        None if record.bread is None else _read_bread(record.bread, shape),
        None if record.meat is None else matrix(record.meat),
        None if record.residuals is None else _read_residuals(record.residuals),
        record.unavailable,
        tuple(record.notes),
        None if record.selective is None else _read_selective(record.selective),
    )


def _sums(held: PendingInference) -> dict[str, Any]:
    sums = held.sums
    return {
        "kind": "sums",
        "root": sums.root.tolist(),
        "products": sums.products.tolist(),
        "total_squares": sums.total_squares.tolist(),
        "weights": dict(sums.weights._asdict()),
        "scale": float(held.scale),
        "strength": float(held.strength),
    }


def _inference(held: Inference) -> dict[str, Any]:
    return {
        "kind": "found",
        "statistics": _statistics(held.statistics),
        "covariance": None if held.covariance is None else describe_covariance(held.covariance),
        "bread": None if held.bread is None else _bread(held.bread),
        "meat": None if held.meat is None else held.meat.tolist(),
        "residuals": None if held.residuals is None else _residuals(held.residuals),
        "unavailable": held.unavailable,
        "notes": list(held.notes),
        "selective": None if held.selective is None else _selective(held.selective),
    }


def _selective(held: Selective) -> dict[str, Any]:
    tables = {name: getattr(held, name) for name in ("estimates", "spreads", "below", "above")}
    return {name: [[write_number(number) for number in row] for row in table.tolist()] for name, table in tables.items()} | {
        "description": held.description
    }


def _read_selective(record: SelectiveRecord) -> Selective:
    from gradline.inference.conditional import Selective

    return Selective(matrix(record.estimates), matrix(record.spreads), matrix(record.below), matrix(record.above), record.description)


def _statistics(held: FitStatistics) -> dict[str, Any]:
    record = dict[str, Any]()
    for field in fields(held):
        value = getattr(held, field.name)
        if isinstance(value, np.ndarray):
            value = [write_number(number) for number in value.tolist()]
        elif isinstance(value, float | np.floating):
            value = write_number(float(value))
        record[field.name] = value
    return record


def _read_statistics(record: StatisticsRecord) -> FitStatistics:
    from gradline.inference.statistics import FitStatistics

    values: dict[str, Any] = {name: getattr(record, name) for name in type(record).model_fields}
    arrays: Any = {name: vector(value) if isinstance(value, list) else value for name, value in values.items()}
    return FitStatistics(**arrays)


def _bread(held: Bread) -> dict[str, Any]:
    one = held.target_root is not None
    root = held.root if held.target_root is None else held.target_root
    free = np.asarray(abs(held.free.matrix).sum(axis=1)).ravel() > 0
    return {"root": root.tolist(), "one": one, "free": free.tolist(), "penalty": held.penalty.ravel().tolist()}


def _read_bread(record: BreadRecord, shape: tuple[int, int]) -> Bread:
    from gradline.inference.bread import Bread, of_targets
    from gradline.linalg.coefficient_map import CoefficientMap

    free = CoefficientMap.selecting(np.array(record.free, dtype=np.bool_).reshape(shape[::-1]).T)
    root, penalty = matrix(record.root), vector(record.penalty)
    size = shape[0] * shape[1]
    if len(penalty) != size:
        penalty = penalty.reshape(size, size)
    if record.one:
        return of_targets(root, shape, free, penalty)
    return Bread(root, shape, free, penalty)


def _residuals(held: ResidualQuantiles) -> dict[str, Any]:
    ranks = np.round(held.probabilities * (held.count + 1.0)).astype(int)
    return {"ranks": ranks.tolist(), "values": held.values.tolist(), "count": int(held.count), "scaled": bool(held.scaled)}


def _read_residuals(record: ResidualsRecord) -> ResidualQuantiles:
    from gradline.inference.leave_one_out import ResidualQuantiles

    return ResidualQuantiles(np.array(record.ranks) / (record.count + 1.0), matrix(record.values), record.count, record.scaled)


def _is_finite(record: Any) -> bool:
    """Whether the matrices of a record hold finite numbers only."""
    if isinstance(record, dict):
        return all(_is_finite(value) for key, value in record.items() if key not in ("statistics", "selective"))
    if isinstance(record, list) and record and isinstance(record[0], list | float):
        return bool(np.isfinite(np.array(record, dtype=np.float64)).all())
    return True
