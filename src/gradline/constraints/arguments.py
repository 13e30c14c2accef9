"""From ``constraints=`` and the columns of a model to the coefficients that are allowed."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.constraints.columns import ConstraintColumns
from gradline.constraints.held import ConstrainedInference
from gradline.constraints.polyhedron import Polyhedron
from gradline.constraints.specs import ConstraintSpec, Row

UNUSED = "inference={!r} would not be used: it goes with constraints= or a curve that is held, s(x, monotone=...)"


def as_inference(given: Any, constraints: ConstraintSpec | None, may_follow: bool = False) -> ConstrainedInference | None:
    """What intervals of a constrained fit are to be. Raises ArgumentError for another word, and beside no constraints, unless these may
    follow from the formula."""
    if given is None:
        return None if constraints is None else "intersection"
    known = get_args(ConstrainedInference)
    if given not in known:
        raise ArgumentError(f"inference= is one of {', '.join(map(repr, known))}, not {given!r}")
    if constraints is None and not may_follow:
        raise ArgumentError(UNUSED.format(given))
    found: ConstrainedInference = given
    return found


def bound_to(spec: ConstraintSpec, columns: ConstraintColumns) -> Polyhedron:
    """The constraints of these columns. Raises ArgumentError for unknown names, coefficients the model has not, and what cannot be."""
    rows = spec.rows(columns)
    if not rows:
        raise ArgumentError(
            "the constraints hold no coefficient: every end is infinite, or there are no slopes but those of curves; leave constraints= out"
        )
    for row in rows:
        _check(row, columns)
    rows = list({(row.text, row.right, row.weights.tobytes()): row for row in rows}.values())
    shape = (len(columns.names), len(columns.predictors))
    matrix = np.array([row.weights for row in rows])
    right, equal = np.array([row.right for row in rows], dtype=np.float64), np.array([row.equal for row in rows], dtype=np.bool_)
    return Polyhedron(matrix, right, equal, tuple(row.text for row in rows), shape)


def _check(row: Row, columns: ConstraintColumns) -> None:
    for place in np.flatnonzero(row.weights).tolist():
        if not columns.movable[place]:
            raise ArgumentError(
                f"the constraint {row.text!r} is on {columns.labels[place]!r}, which the formula of that linear predictor has not: its"
                " coefficient is zero"
            )
    if not np.isfinite(row.right):
        if row.right == -np.inf and not row.equal:
            return
        raise ArgumentError(f"the constraint {row.text!r} has an end that is not finite")
