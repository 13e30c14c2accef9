"""Small convex quadratic programs to the last digit: minimise x'Hx / 2 + g'x over lower <= A x <= upper.

A dual active-set method finds which rows of A hold (Arnstrom, Bemporad and Axehill 2022, "A dual active-set solver for embedded quadratic
programming using recursive LDL' updates", IEEE Trans. Autom. Control 67; the package daqp). What it leaves in digits is then taken off on
the face of those rows, where the program is a system of equations (Nocedal and Wright 2006, Numerical Optimization, section 16.2): rows
of one coefficient are met to the bit, the others to rounding, and the multipliers belong to that point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, qr, solve_triangular

from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray

EPSILON = float(np.finfo(float).eps)

DEPENDENT = 1e-10
"""Of a row of unit length: with less left beside the rows before it, it follows from them."""

VIOLATED = 1e-13
"""By how much a row of unit length may be missed, beside the sizes of its terms."""

WRONG = 1e-12
"""Of the largest multiplier: what a multiplier may be of the wrong sign, by rounding."""

FLAT = 1e-13
"""Of a curvature of unit diagonal: a direction with less counts as straight."""

ATTEMPTS = ((0.0, 1e-9), (0.0, 1e-7), (1e-2, 1e-9), (1e-2, 1e-7), (1.0, 1e-6))
"""(curvature lent to every direction and taken back round by round, tolerance of the active-set method), one after another."""

MOST_ROUNDS = 60

INSTALL = 'constraints need the package daqp; install it with: pip install "gradline[constraints]"'


class FallsWithoutEnd(SolverError):
    """A program without a lowest point."""


@dataclass(frozen=True, eq=False)
class ProgramMinimum:
    """x (d,): the minimum. multipliers (m,): the rate at which the minimum changes with the bound a row is held at, above zero at a lower
    bound and below it at an upper one. held (m,): -1 where a row is at its lower bound, 1 at its upper one, 0 elsewhere. violation: the
    largest miss of a row of unit length in scaled coefficients; exact: whether everything is down to rounding."""

    x: Array
    multipliers: Array
    held: IntArray
    violation: float
    exact: bool
    unique: bool


class _Scaled(NamedTuple):
    """The program in coefficients of unit curvature and rows of unit length: x = z unit size."""

    curvature: Array
    linear: Array
    matrix: Array
    lower: Array
    upper: Array
    unit: Array
    length: Array
    size: float


def solve_program(
    curvature: Array, linear: Array, matrix: Array, lower: Array, upper: Array, guess: IntArray | None = None
) -> ProgramMinimum | None:
    """The minimum; None where no x meets every row. curvature (d, d), positive semidefinite; linear (d,); matrix (m, d), without rows of
    zeros; lower and upper (m,), infinite where there is no bound and equal for an equation. guess (m,): the rows that were held nearby.

    Raises FallsWithoutEnd where the objective has no lowest point, and ImportError without daqp.
    """
    if not len(matrix):
        return _without_rows(curvature, linear)
    scaled = _scaled(curvature, linear, matrix, lower, upper)
    factor = _factor(scaled.curvature)
    best: ProgramMinimum | None = None
    if guess is not None:
        best = _settled(scaled, np.zeros(len(linear)), guess, few=True)
        if best is not None and best.exact:
            return _in_units(best, scaled, matrix, lower, upper)
    asked = False
    # A degenerate program may be taken for one that cannot be met: another tolerance, or some curvature lent, tells.
    for lent, tolerance in ATTEMPTS:
        if lent == 0.0 and factor is None:
            continue
        now = _tried(scaled, lent, tolerance)
        if now is not None and (best is None or (now.exact, -now.violation) >= (best.exact, -best.violation)):
            best = now
        if best is not None and best.exact:
            break
        if factor is None and not asked:
            asked = True
            if _falls(scaled):
                raise FallsWithoutEnd("the objective has no lowest point that meets the constraints: it falls without end")
    return None if best is None else _in_units(best, scaled, matrix, lower, upper)


def _tried(scaled: _Scaled, lent: float, tolerance: float) -> ProgramMinimum | None:
    """The minimum by the active-set method and its face; None where no point is found that meets the rows.

    lent: as long as it is not zero, rounds of the proximal point method (Rockafellar 1976, SIAM J. Control Optim. 14) take it back.
    """
    count = len(scaled.linear)
    point, best = np.zeros(count), None
    for turn in range(MOST_ROUNDS if lent else 1):
        bent = scaled.curvature + lent * np.eye(count) if lent else scaled.curvature
        found = _daqp(bent, scaled.linear - lent * point, scaled.matrix, scaled.lower, scaled.upper, tolerance)
        if found is None:
            return best
        moved = float(np.abs(found[0] - point).max(initial=0.0))
        point = found[0]
        now = _settled(scaled, point, found[1])
        if now is not None and (best is None or (now.exact, -now.violation) >= (best.exact, -best.violation)):
            best = now
        if best is not None and best.exact:
            return best
        if moved <= 1e-12 * float(np.abs(point).max(initial=1.0)) and turn > 2:
            break
    return best


def nearest_point(point: Array, matrix: Array, lower: Array, upper: Array) -> tuple[Array, IntArray] | None:
    """(the x (d,) nearest to a point within rows of unit length, which rows hold), to nine digits; None where no x meets them.

    For thousands of draws, whose last digits nobody needs.
    """
    found = _daqp(np.eye(len(point)), -point, matrix, lower, upper, 1e-9)
    if found is not None:
        return found
    exact = solve_program(np.eye(len(point)), -point, matrix, lower, upper)
    return None if exact is None else (exact.x, exact.held)


def rows_of_one(matrix: Array) -> IntArray:
    """The column of each row (m, d) that has one coefficient only, (m,); -1 for the other rows."""
    found = matrix != 0
    return np.where(found.sum(axis=1) == 1, found.argmax(axis=1), -1).astype(np.int64)


def _without_rows(curvature: Array, linear: Array) -> ProgramMinimum:
    unit = _units(curvature)
    matrix, right = curvature / np.outer(unit, unit), -linear / unit
    factor = _factor(matrix)
    if factor is None:
        x = np.linalg.lstsq(matrix, right, rcond=1e-12)[0]
        unique = False
    else:
        x = cho_solve(factor, right, check_finite=False)
        x = x + cho_solve(factor, right - matrix @ x, check_finite=False)
        unique = True
    return ProgramMinimum(x / unit, np.zeros(0), np.zeros(0, dtype=np.int64), 0.0, True, unique)


def _units(curvature: Array) -> Array:
    size = np.sqrt(np.maximum(np.diag(curvature), 0.0))
    return np.where(size > 0, size, 1.0)


def _scaled(curvature: Array, linear: Array, matrix: Array, lower: Array, upper: Array) -> _Scaled:
    unit = 1.0 / _units(curvature)
    rows = matrix * unit
    largest = np.abs(rows).max(axis=1)
    length = largest * np.linalg.norm(rows / largest[:, None], axis=1)
    rows = rows / length[:, None]
    low, high, slope = lower / length, upper / length, linear * unit
    # At zero: how far rows are from being met. Nothing else has a size when the slope has none.
    missed = np.maximum(low, -high)
    size = max(float(np.abs(slope).max(initial=0.0)), float(missed[np.isfinite(missed)].max(initial=0.0)))
    if size == 0.0:
        size = 1.0
    return _Scaled(curvature * np.outer(unit, unit), slope / size, rows, low / size, high / size, unit, length, size)


def _falls(scaled: _Scaled) -> bool:
    """Whether some direction without curvature leads down and stays within the rows."""
    from scipy.optimize import linprog

    values, vectors = np.linalg.eigh(scaled.curvature)
    straight = vectors[:, values <= 1e-11 * max(float(values[-1]), 1e-300)]
    if not straight.shape[1]:
        return False
    rows = scaled.matrix @ straight
    low, high = np.isfinite(scaled.lower), np.isfinite(scaled.upper)
    found = linprog(
        scaled.linear @ straight,
        A_ub=np.concatenate([-rows[low], rows[high]]),
        b_ub=np.zeros(int(low.sum() + high.sum())),
        bounds=(-1.0, 1.0),
        method="highs",
    )
    return bool(found.status == 0 and found.fun < -1e-9)


def _in_units(found: ProgramMinimum, scaled: _Scaled, matrix: Array, lower: Array, upper: Array) -> ProgramMinimum:
    """In the units given, rows of one coefficient met to the bit there."""
    x = found.x * scaled.unit * scaled.size
    for row, column in enumerate(rows_of_one(matrix).tolist()):
        if column < 0:
            continue
        weight = matrix[row, column]
        ends = sorted((lower[row] / weight, upper[row] / weight))
        x[column] = ends[int((found.held[row] > 0) == (weight > 0))] if found.held[row] else min(max(x[column], ends[0]), ends[1])
    return ProgramMinimum(
        x,
        found.multipliers * scaled.size / scaled.length,
        found.held,
        found.violation,
        found.exact,
        found.unique,
    )


def _factor(matrix: Array) -> Any:
    """Cholesky's factor, None where a pivot is lost in rounding."""
    try:
        factor = cho_factor(matrix, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    pivots = np.abs(np.diag(factor[0]))
    return factor if np.isfinite(pivots).all() and float(pivots.min(initial=1.0)) ** 2 > FLAT * len(pivots) else None


def _daqp(curvature: Array, linear: Array, matrix: Array, lower: Array, upper: Array, tolerance: float) -> tuple[Array, IntArray] | None:
    """(x, held) by the dual active-set method; None where no x meets the rows."""
    try:
        import daqp
    except ImportError:
        raise ImportError(INSTALL) from None
    equal = lower == upper
    kept = np.ones(len(matrix), dtype=np.bool_)
    places = np.flatnonzero(equal)
    if len(places):
        # Equations that follow from others would make its first working set singular.
        chosen = independent_rows(matrix[places])
        kept[places] = False
        kept[places[chosen]] = True
        if len(chosen) < len(places) and not _consistent(matrix[places], lower[places]):
            return None
    sense = np.where(equal[kept], 5, 0).astype(np.int32)
    high = np.where(np.isfinite(upper[kept]), upper[kept], 1e30)
    low = np.where(np.isfinite(lower[kept]), lower[kept], -1e30)
    x, _, flag, info = daqp.solve(
        np.ascontiguousarray(curvature),
        np.ascontiguousarray(linear),
        np.ascontiguousarray(matrix[kept]),
        high,
        low,
        sense,
        primal_tol=tolerance,
        dual_tol=1e-12,
        iter_limit=100_000,
        eps_prox=0.0,
    )
    if flag not in (1, 2):
        return None
    multipliers = np.zeros(len(matrix))
    multipliers[kept] = np.asarray(info["lam"])
    held = np.sign(multipliers).astype(np.int64)
    held[kept & equal] = -1
    x = np.asarray(x, dtype=np.float64)
    return (x, held) if np.isfinite(x).all() else None


def _consistent(matrix: Array, right: Array) -> bool:
    near = np.linalg.lstsq(matrix, right, rcond=None)[0]
    return bool(np.abs(matrix @ near - right).max() <= 1e-9 * max(1.0, float(np.abs(right).max())))


def independent_rows(matrix: Array) -> IntArray:
    """The places of rows (m, d) of unit length that those before them do not determine, in order."""
    chosen, basis = list[int](), np.zeros((0, matrix.shape[1]))
    for place, row in enumerate(matrix):
        if len(basis) == matrix.shape[1]:
            break
        rest = row - (row @ basis.T) @ basis
        rest -= (rest @ basis.T) @ basis
        length = float(np.linalg.norm(rest))
        if length > DEPENDENT:
            chosen.append(place)
            basis = np.concatenate([basis, rest[None, :] / length])
    return np.asarray(chosen, dtype=np.int64)


def _settled(scaled: _Scaled, start: Array, held: IntArray, few: bool = False) -> ProgramMinimum | None:
    """The face solved and its rows exchanged until each that is held pushes the right way and no other is missed."""
    held = held.copy()
    equal = scaled.lower == scaled.upper
    held[equal & (held == 0)] = -1
    best: ProgramMinimum | None = None
    seen = set[bytes]()
    for _ in range(4 if few else 4 * len(start) + 20):
        if held.tobytes() in seen:
            break
        seen.add(held.tobytes())
        solved = _on_face(scaled, start, held)
        if solved is None:
            return best
        x, multipliers, used, unique = solved
        held = np.where(used | equal, held, 0)
        miss = _missed(scaled, x)
        wrong = np.where(equal, 0.0, np.where(held != 0, multipliers * held, 0.0))
        limit = WRONG * max(1.0, float(np.abs(multipliers).max(initial=0.0)))
        exact = bool((miss <= VIOLATED).all() and (wrong <= limit).all())
        signed = np.where(equal | (wrong <= 0), multipliers, 0.0)
        now = ProgramMinimum(x, signed, held.copy(), float(miss.max(initial=0.0)), exact, unique)
        if exact:
            return now
        if best is None or now.violation < best.violation:
            best = now
        free = held == 0
        worst = int(np.argmax(np.where(free, miss, -np.inf))) if free.any() else -1
        if worst >= 0 and miss[worst] > VIOLATED and len(np.flatnonzero(held)) < len(start) + len(np.flatnonzero(equal)):
            held[worst] = -1 if scaled.matrix[worst] @ x < scaled.lower[worst] else 1
        elif (wrong > limit).any():
            held[int(np.argmax(wrong))] = 0
        else:
            break
    return best


def _missed(scaled: _Scaled, x: Array) -> Array:
    """By how much each row is missed, beside the size of its terms, (m,)."""
    value = scaled.matrix @ x
    size = np.maximum(1.0, np.abs(scaled.matrix) @ np.abs(x))
    return np.asarray(np.maximum(np.maximum(scaled.lower - value, value - scaled.upper), 0.0) / size)


def _on_face(scaled: _Scaled, start: Array, held: IntArray) -> tuple[Array, Array, np.ndarray[Any, np.dtype[np.bool_]], bool] | None:
    """(x, multipliers, which rows were needed, whether x is the only minimum there): the program with the held rows as equations."""
    places = np.flatnonzero(held)
    single = rows_of_one(scaled.matrix[places])
    order = np.argsort(single < 0, kind="stable")  # single coefficients first: they are met to the bit
    places, single = places[order], single[order]
    bound = np.where(held > 0, scaled.upper, scaled.lower)
    fixed: dict[int, int] = {}
    used = np.zeros(len(held), dtype=np.bool_)
    for place, column in zip(places.tolist(), single.tolist(), strict=True):
        if column >= 0 and column not in fixed:
            fixed[column] = place
            used[place] = True
    columns = np.array(sorted(fixed), dtype=np.int64)
    rest = np.setdiff1d(np.arange(len(start)), columns)
    owners = np.array([fixed[column] for column in columns.tolist()], dtype=np.int64)
    x = start.copy()
    if len(columns):
        x[columns] = bound[owners] / scaled.matrix[owners, columns]
    general = places[single < 0]
    part = scaled.matrix[np.ix_(general, rest)]
    chosen = _independent_of(part)
    general, part = general[chosen], part[chosen]
    used[general] = True
    multipliers = np.zeros(len(held))
    if len(general):
        q, r = qr(part.T, mode="full", check_finite=False)
        count = len(general)
        across, along, triangle = q[:, :count], q[:, count:], r[:count]
    else:
        across, along, triangle = np.zeros((len(rest), 0)), np.eye(len(rest)), np.zeros((0, 0))
    inner = scaled.curvature[np.ix_(rest, rest)]
    reduced = along.T @ inner @ along if len(general) else inner
    solve, unique = _solver(reduced)
    for _ in range(4):
        before = x.copy()
        if len(general):
            miss = bound[general] - scaled.matrix[general] @ x
            x[rest] += across @ solve_triangular(triangle, miss, trans="T", check_finite=False)
        slope = scaled.linear[rest] + scaled.curvature[rest] @ x
        if reduced.shape[0]:
            x[rest] += along @ solve(-(along.T @ slope))
        if np.abs(x - before).max(initial=0.0) <= 2.0 * EPSILON * np.abs(x).max(initial=0.0):
            break
    if len(general):
        miss = bound[general] - scaled.matrix[general] @ x
        x[rest] += across @ solve_triangular(triangle, miss, trans="T", check_finite=False)
    if not np.isfinite(x).all():
        return None
    slope = scaled.linear + scaled.curvature @ x
    if len(general):
        multipliers[general] = solve_triangular(triangle, across.T @ slope[rest], check_finite=False)
    if len(columns):
        left = slope[columns] - scaled.matrix[np.ix_(general, columns)].T @ multipliers[general]
        multipliers[owners] = left / scaled.matrix[owners, columns]
    if not unique and float(np.abs(along.T @ slope[rest]).max(initial=0.0)) > 1e-10:
        return None  # it falls along a straight direction: no minimum on this face
    return x, multipliers, used, unique


def _independent_of(part: Array) -> IntArray:
    if not len(part):
        return np.zeros(0, dtype=np.int64)
    length = np.linalg.norm(part, axis=1)
    alive = np.flatnonzero(length > DEPENDENT)
    chosen = independent_rows(part[alive] / length[alive, None])
    return np.asarray(alive[chosen])


def _solver(matrix: Array) -> tuple[Any, bool]:
    """(a function that solves with the matrix, whether it is regular); the smallest solution where it is not.

    matrix: a part of a curvature of unit diagonal.
    """
    if not len(matrix):
        return (lambda right: right), True
    unit = _units(matrix)
    # What is left of a unit curvature by rounding must not be scaled up to one.
    factor = _factor(matrix / np.outer(unit, unit)) if float(matrix.diagonal().min()) > FLAT * len(matrix) else None
    if factor is not None:
        return (lambda right: cho_solve(factor, right / unit, check_finite=False) / unit), True
    values, vectors = np.linalg.eigh(matrix)
    bent = values > max(1e-11 * float(values[-1]), FLAT * len(matrix))
    inverse = np.where(bent, 1.0 / np.where(bent, values, 1.0), 0.0)
    return (lambda right: vectors @ (inverse * (vectors.T @ right))), False
