"""Which constraints contradict each other: the smallest group of rows of which no one can be spared.

A linear program that misses the rows by as little as it can has multipliers on rows that contradict each other; of these one after
another is left out where the rest still does (the deletion filter of Chinneck and Dravnieks 1991, "Locating minimal infeasible constraint
sets in linear programs", ORSA J. Computing 3).
"""

from __future__ import annotations

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.constraints.polyhedron import BoolArray, Polyhedron

MISSED = 1e-7
"""What a linear program may miss rows of unit length by."""


def contradiction(polyhedron: Polyhedron) -> tuple[int, ...]:
    """The places of the rows of an irreducible group that no coefficients meet; none where all rows can be met, but for rounding."""
    used = np.flatnonzero((polyhedron.matrix != 0).any(axis=0))
    matrix, length = _balanced(polyhedron.matrix[:, used])
    right = polyhedron.right / length
    right = right / max(1.0, float(np.abs(right).max(initial=0.0)))
    chosen = np.arange(len(right))
    missed, pressed = _least_missed(matrix, right, polyhedron.equal)
    if missed <= MISSED:
        return ()
    if pressed.any() and _least_missed(matrix[pressed], right[pressed], polyhedron.equal[pressed])[0] > MISSED:
        chosen = chosen[pressed]
    for row in chosen.tolist():
        rest = chosen[chosen != row]
        if _least_missed(matrix[rest], right[rest], polyhedron.equal[rest])[0] > MISSED:
            chosen = rest
    return tuple(chosen.tolist())


def _balanced(matrix: Array) -> tuple[Array, Array]:
    """(the matrix with columns in units in which its entries are of one size, and rows of unit length; what each row was divided by).

    Columns may be in any units, of which the answer must not depend (geometric scaling; Curtis and Reid 1972, J. IMA 10).
    """
    there = matrix != 0
    size = np.log(np.where(there, np.abs(matrix), 1.0))
    rows, columns = np.zeros(len(size)), np.zeros(size.shape[1])
    for _ in range(20):
        rows = np.sum(np.where(there, size - columns, 0.0), axis=1) / there.sum(axis=1)
        columns = np.sum(np.where(there, size - rows[:, None], 0.0), axis=0) / there.sum(axis=0)
    balanced = matrix * np.exp(-columns)
    largest = np.abs(balanced).max(axis=1)
    length = largest * np.linalg.norm(balanced / largest[:, None], axis=1)
    return balanced / length[:, None], length


def check_possible(polyhedron: Polyhedron) -> None:
    """Raises ArgumentError naming a smallest group of constraints that contradict each other."""
    rows = contradiction(polyhedron)
    if rows:
        raise ArgumentError(contradiction_message([polyhedron.texts[row] for row in rows]))


def contradiction_message(texts: list[str]) -> str:
    """What is said of constraints that no coefficients meet."""
    shown = ", ".join(repr(text) for text in texts[:8]) + (f" and {len(texts) - 8} more" if len(texts) > 8 else "")
    last = "; leave one of them out, or change it" if len(texts) > 1 else ""
    return f"no coefficients meet the constraints {shown} together{last}" if len(texts) > 1 else f"nothing meets the constraint {shown}"


def _least_missed(matrix: Array, right: Array, equal: BoolArray) -> tuple[float, BoolArray]:
    """(by how much rows are missed in all, at the least; which rows press)."""
    from scipy.optimize import linprog

    rows, columns = matrix.shape
    if not rows:
        return 0.0, np.zeros(0, dtype=np.bool_)
    # matrix x + s >= right, and an equation also <= from the other side, s' of its own.
    twice = np.flatnonzero(equal)
    above = np.concatenate([matrix, -matrix[twice]])
    ends = np.concatenate([right, -right[twice]])
    count = len(ends)
    if not (np.isfinite(above).all() and np.isfinite(ends).all()):
        return 0.0, np.zeros(rows, dtype=np.bool_)  # numbers so far apart that no program can tell
    cost = np.concatenate([np.zeros(columns), np.ones(count)])
    found = linprog(
        cost,
        A_ub=np.concatenate([-above, -np.eye(count)], axis=1),
        b_ub=-ends,
        bounds=[(None, None)] * columns + [(0.0, None)] * count,
        method="highs",
    )
    if found.status != 0:
        return np.inf, np.ones(rows, dtype=np.bool_)
    force = np.abs(np.asarray(found.ineqlin.marginals))
    pressed = force[:rows] > 1e-9
    pressed[twice] |= force[rows:] > 1e-9
    return float(found.fun), pressed
