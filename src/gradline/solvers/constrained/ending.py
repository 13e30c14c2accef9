"""What a solver within constraints ends with: coefficients, multipliers, and the proof."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradline.base.types import Array
from gradline.constraints.held import held_at
from gradline.constraints.polyhedron import Polyhedron
from gradline.objective.objective import Problem
from gradline.solvers.constrained.beside import gap_within
from gradline.solvers.constrained.working import INFEASIBLE, Step, WorkingRows
from gradline.solvers.protocol import Certificate, Solution

INVOLVED = 1e-6
"""Of columns of one size: what a column has at least of another in an equation between them."""


def not_constrained(aliased: tuple[int, ...], polyhedron: Polyhedron, products: Callable[[], Array]) -> tuple[int, ...]:
    """Those of the columns that may be left out: no constraint is on them, nor on a column that determines them.

    A column that is twice a constrained one can take what the constraint does not allow that one. products: X'X (P, P), asked for where
    there are any.
    """
    touched = (polyhedron.matrix != 0).any(axis=0).reshape(polyhedron.shape[::-1]).any(axis=0)
    if not aliased or not touched.any():
        return aliased
    squares = products()
    scale = np.sqrt(np.diag(squares))
    squares = squares / np.outer(np.where(scale > 0, scale, 1.0), np.where(scale > 0, scale, 1.0))
    kept = np.setdiff1d(np.arange(len(squares)), aliased)
    shares = np.abs(np.linalg.lstsq(squares[np.ix_(kept, kept)], squares[np.ix_(kept, np.array(aliased))], rcond=1e-13)[0])
    bound = touched[list(aliased)] | (shares[touched[kept]] > INVOLVED).any(axis=0)
    return tuple(column for column, stays in zip(aliased, bound.tolist(), strict=True) if not stays)


def constrained_solution(
    smooth: Problem,
    rows: WorkingRows,
    coefficients: Array,
    objective: float,
    gradient: Array,
    step: Step,
    ending: tuple[bool, str],
    passes: int,
    aliased: tuple[int, ...],
) -> Solution:
    """With its certificate: by how much constraints are missed, and what the multipliers leave of the gradient (d,).

    smooth: the problem without absolute values, whose gradient that is. step: the last, which is none. ending: converged, and why.
    """
    (converged, reason), program = ending, step.program
    multipliers = rows.multipliers(program)
    held = held_at(rows.polyhedron, coefficients, multipliers)
    left = gradient - multipliers[rows.places] @ rows.matrix + (0.0 if step.pull is None else step.pull)
    missed = float(rows.polyhedron.missed(coefficients).max(initial=0.0))
    count = int(held.binding.sum())
    words = f"{reason}; {count} of {len(multipliers)} constraints bind, none is missed by more than {missed:.0e} of its size"
    remedy = "" if converged and missed <= INFEASIBLE else "Scale the columns, leave out nearly dependent ones, or give another start="
    notes: tuple[str, ...] = ()
    if converged and not program.unique:
        notes = ("the optimum is not unique: other coefficients that meet the constraints give the same objective",)
    gap = gap_within(smooth, rows, coefficients, objective, multipliers, left, step)
    certificate = Certificate(converged and program.exact and missed <= INFEASIBLE, float(np.linalg.norm(left)), words, remedy, gap)
    return Solution(coefficients, objective, "ConstrainedNewton", certificate, passes, aliased=aliased, notes=notes, held=held)
