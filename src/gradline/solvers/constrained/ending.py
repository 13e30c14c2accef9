"""What a solver within constraints ends with: coefficients, multipliers, and the proof."""

from __future__ import annotations

import numpy as np

from gradline.base.types import Array
from gradline.constraints.held import held_at
from gradline.constraints.polyhedron import Polyhedron
from gradline.linalg.quadratic_program import ProgramMinimum
from gradline.solvers.constrained.working import WorkingRows
from gradline.solvers.protocol import Certificate, Solution


def not_constrained(aliased: tuple[int, ...], polyhedron: Polyhedron) -> tuple[int, ...]:
    """Those of the columns that no constraint is on."""
    touched = (polyhedron.matrix != 0).any(axis=0).reshape(polyhedron.shape[::-1]).any(axis=0)
    return tuple(column for column in aliased if not touched[column])


def constrained_solution(
    rows: WorkingRows,
    coefficients: Array,
    objective: float,
    gradient: Array,
    program: ProgramMinimum,
    converged: bool,
    reason: str,
    passes: int,
    aliased: tuple[int, ...],
) -> Solution:
    """With its certificate: by how much constraints are missed, and what the multipliers leave of the gradient (d,)."""
    multipliers = rows.multipliers(program)
    held = held_at(rows.polyhedron, coefficients, multipliers)
    left = gradient - multipliers[rows.places] @ rows.matrix
    missed = float(rows.polyhedron.missed(coefficients).max(initial=0.0))
    count = int(held.binding.sum())
    words = f"{reason}; {count} of {len(multipliers)} constraints bind, none is missed by more than {missed:.0e} of its size"
    remedy = "" if converged else "Scale the columns, leave out nearly dependent ones, or give another start="
    notes: tuple[str, ...] = ()
    if converged and not program.unique:
        notes = ("the optimum is not unique: other coefficients that meet the constraints give the same objective",)
    certificate = Certificate(converged and program.exact, float(np.linalg.norm(left)), words, remedy)
    return Solution(coefficients, objective, "ConstrainedNewton", certificate, passes, aliased=aliased, notes=notes, held=held)
