"""Covariances and arrays to and from their records in a model file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.types import Array
from gradline.files.uncertainty_schema import CovarianceRecord

if TYPE_CHECKING:
    from gradline.inference.covariance.estimate import Covariance


def describe_covariance(held: Covariance) -> dict[str, Any]:
    """For the model file."""
    return {
        "kind": held.kind,
        "description": held.description,
        "factor": held.factor.tolist(),
        "signs": None if held.signs is None else held.signs.tolist(),
        "estimated": held.estimated.tolist(),
        "degrees_of_freedom": None if held.degrees_of_freedom is None else float(held.degrees_of_freedom),
        "clusters": [int(count) for count in held.clusters],
        "notes": list(held.notes),
        "estimates": None if held.estimates is None else held.estimates.tolist(),
    }


def read_covariance(record: CovarianceRecord, shape: tuple[int, int]) -> Covariance:
    """What ``describe_covariance`` wrote."""
    from gradline.inference.covariance.estimate import Covariance

    return Covariance(
        record.kind,
        record.description,
        matrix(record.factor),
        shape,
        np.array(record.estimated, dtype=np.bool_),
        record.degrees_of_freedom,
        tuple(record.clusters),
        tuple(record.notes),
        None if record.signs is None else vector(record.signs),
        None if record.estimates is None else matrix(record.estimates),
    )


def matrix(rows: list[list[float]]) -> Array:
    """Lists of one length as an array."""
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1)


def vector(values: list[float]) -> Array:
    """A list as an array."""
    return np.array(values, dtype=np.float64)
