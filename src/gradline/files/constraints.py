"""Constraints in a model file: each row with its words, its multiplier, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import ModelFileError
from gradline.constraints.held import HeldConstraints
from gradline.constraints.polyhedron import Polyhedron
from gradline.files.parts import write_number

if TYPE_CHECKING:
    from gradline.files.schema import ConstraintsRecord


def describe_constraints(held: HeldConstraints | None) -> dict[str, Any] | None:
    """As the file has them; None where there are none."""
    if held is None:
        return None
    polyhedron = held.polyhedron
    rows = []
    for row, text in enumerate(polyhedron.texts):
        places = np.flatnonzero(polyhedron.matrix[row])
        rows.append(
            {
                "text": text,
                "places": places.tolist(),
                "weights": [write_number(weight) for weight in polyhedron.matrix[row, places].tolist()],
                "right": write_number(float(polyhedron.right[row])),
                "equal": bool(polyhedron.equal[row]),
                "multiplier": write_number(float(held.multipliers[row])),
                "holds": bool(held.held[row]),
            }
        )
    free = held.unconstrained
    return {
        "rows": rows,
        "unconstrained": None if free is None else [[write_number(value) for value in line] for line in free.tolist()],
        "inference": held.inference,
    }


def read_constraints(record: ConstraintsRecord | None, shape: tuple[int, int]) -> HeldConstraints | None:
    """The constraints of coefficients (P, k). Raises ValueError for rows that do not go with them."""
    if record is None:
        return None
    size = shape[0] * shape[1]
    matrix = np.zeros((len(record.rows), size))
    for number, row in enumerate(record.rows):
        if len(row.places) != len(row.weights) or any(place >= size for place in row.places):
            raise ModelFileError(f"the constraint {row.text!r} is on other coefficients than the model has")
        matrix[number, row.places] = row.weights
    if record.unconstrained is not None and np.shape(record.unconstrained) != shape:
        raise ModelFileError(f"the optimum without constraints has shape {np.shape(record.unconstrained)}, and the coefficients {shape}")
    polyhedron = Polyhedron(
        matrix,
        np.array([row.right for row in record.rows]),
        np.array([row.equal for row in record.rows], dtype=np.bool_),
        tuple(row.text for row in record.rows),
        shape,
    )
    return HeldConstraints(
        polyhedron,
        np.array([row.multiplier for row in record.rows]),
        np.array([row.holds for row in record.rows], dtype=np.bool_),
        None if record.unconstrained is None else np.array(record.unconstrained, dtype=np.float64),
        record.inference,
    )
