"""Piecewise-linear losses within constraints, to the exact vertex: quantile, absolute, epsilon-insensitive.

Smoothing brings Newton's method within the constraints near. The rows nearest a kink, and the constraints, are then a linear program, all
other rows entering by the line they are on; rows that turn out to be on another line join it, until there are none (Portnoy and Koenker
1997, "The Gaussian hare and the Laplacian tortoise", Statistical Science 12; Koenker and Ng 2005, "Inequality constrained quantile
regression", Sankhya 67). The vertex is solved anew from its own equations, to the last digit. A lasso beside them is as many more absolute
values as it charges slopes; with a quadratic penalty the programs are quadratic ones (``piecewise_quadratic.py``).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse

from gradline.base.errors import ArgumentError, SolverError
from gradline.base.types import Array, IntArray
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.constraints.contradictions import check_possible
from gradline.constraints.held import held_at
from gradline.constraints.polyhedron import BoolArray, nothing, polyhedron_of
from gradline.linalg.absolute_program import pushed_beyond
from gradline.linalg.quadratic_program import independent_rows, rows_of_one
from gradline.losses.smoothing import Smoothed
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import as_kinked
from gradline.solvers.constrained.beside import apart, refuses_beside
from gradline.solvers.constrained.newton import ConstrainedNewton, feasible_start, free_of_constraints
from gradline.solvers.constrained.piecewise_quadratic import PiecewiseQuadratic, quadratic_of
from gradline.solvers.constrained.piecewise_rows import Entries, FoundWithin, entries_of
from gradline.solvers.constrained.working import WorkingRows
from gradline.solvers.kinks.pieces import PieceArray, Pieces, pieces_of
from gradline.solvers.protocol import Certificate, Solution, as_start
from gradline.solvers.refusing import MOST_COEFFICIENTS, writes_codes_out

WINDOWS = (1.0, 0.2, 0.04)
"""Of the typical residual: the windows that the loss is averaged over on the way."""

AT_LEAST = 400
"""Residuals in the linear program; ten for each coefficient where that is more."""

MOST_PROGRAMS = 60

ON_LINE = 1e-7
"""Of the size of the targets: what the linear program leaves of a distance of none."""

WRONG = 1e-7
"""Of the steepest slope: what a multiplier may be beyond its range."""


@dataclass(frozen=True)
class ConstrainedPiecewiseLinear(Options):
    """The exact optimum of a convex piecewise-linear loss of y - eta within constraints, of rows that are held in memory.

    It also solves such a loss without constraints where a lasso stands beside a quadratic penalty.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y, loss=gl.losses.absolute, constraints="x <= 5", solver=gl.ConstrainedPiecewiseLinear()).slopes
    array([5.])
    """

    def refuses(self, problem: Problem) -> str | None:
        """No constraints and no lasso beside a quadratic penalty, a loss that is not convex and piecewise linear, a penalty that is
        neither a lasso nor quadratic nor their sum, rows that are read anew at each pass, codes of very many levels, very many
        coefficients."""
        kinked = as_kinked(problem.penalty)
        if problem.constraints is None and (kinked is None or kinked.smooth_part is None):
            return "ConstrainedPiecewiseLinear is for constraints, and there are none; use gl.PiecewiseLinear()"
        if (reason := refuses_beside(self, problem)) is not None:
            return reason
        if problem.penalty is not None and apart(problem)[0].penalty_kind not in (None, "quadratic"):
            return (
                f"beside constraints a loss with kinks takes a lasso, a quadratic penalty or their sum, and {problem.penalty.name!r} is"
                " none; take a smooth loss such as gl.losses.huber, or gl.penalties.ridge(0.1)"
            )
        if problem.joint:
            return problem.joint_message
        try:
            pieces_of(problem.loss, problem.rows.n_targets)
        except ValueError:
            return (
                f"ConstrainedPiecewiseLinear solves convex losses that are piecewise linear in y - eta, and {problem.loss.name!r} is not"
                " known to be one; constraints beside other kinks are not solved: take a smooth loss such as gl.losses.huber"
            )
        if not problem.rows.resident:
            return "ConstrainedPiecewiseLinear needs its rows in memory, and these are read anew at each pass; take a smooth loss"
        size, k = problem.shape
        if size * k > MOST_COEFFICIENTS:
            return f"ConstrainedPiecewiseLinear takes at most {MOST_COEFFICIENTS:,} coefficients, and here are {size * k:,}"
        return writes_codes_out(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The vertex, with its certificate. ``progress`` is not needed."""
        if problem.constraints is None:
            # What there is to say of constraints is then nothing.
            return replace(self.solve(replace(problem, constraints=nothing(problem.shape)), start), held=None)
        polyhedron = polyhedron_of(problem.constraints, problem.shape)
        point = None if start is None else feasible_start(polyhedron, as_start(start, problem.shape))
        pieces = pieces_of(problem.loss, problem.rows.n_targets)
        free, aliased = free_of_constraints(problem, polyhedron)
        working = WorkingRows.of(polyhedron, free, apart(problem)[1])
        # Of so few rows that the linear program holds them all, nothing is gained by coming near.
        smooth = apart(problem)[0]
        few = problem.rows.n_rows * problem.rows.n_targets <= AT_LEAST and smooth.penalty is None
        if few and point is None:
            point = np.zeros(problem.shape)
        point, passes = (point, 0) if few and point is not None else _near(problem, point)
        entries = entries_of(problem, working)
        charges = np.zeros(working.free.size)
        if working.absolute is not None:
            charges = problem.total_weight * np.asarray(abs(working.free.matrix).T @ working.absolute)
        theta = working.free.contract(point)
        if smooth.penalty is None:
            found = _Vertex(entries, pieces, working, theta, charges).solve()
        else:
            found = PiecewiseQuadratic(entries, pieces, working, quadratic_of(smooth, working), charges).solve(theta)
        coefficients = working.moved(working.free.expand(found.theta), np.zeros(len(found.theta)), None)
        held = np.zeros(len(polyhedron.right), dtype=np.bool_)
        held[working.places[found.active]] = True
        coefficients = polyhedron.snapped(coefficients, held)
        multipliers = np.zeros(len(polyhedron.right))
        multipliers[working.places] = found.multipliers / problem.total_weight
        value = problem.evaluate(coefficients, 0).value
        missed = float(polyhedron.missed(coefficients).max(initial=0.0))
        reason = found.reason
        if len(multipliers):
            reason += f"; {int(held.sum())} of {len(multipliers)} constraints hold at the vertex, none is missed by more than"
            reason += f" {missed:.0e} of its size"
        remedy = "" if found.converged else "Scale the columns, or leave nearly dependent ones out."
        certificate = Certificate(found.converged, found.violation / problem.total_weight, reason, remedy)
        if not found.converged:
            warn(f"ConstrainedPiecewiseLinear has not converged: {reason}. {remedy}")
        within = held_at(polyhedron, coefficients, multipliers)
        return Solution(
            coefficients, value, "ConstrainedPiecewiseLinear", certificate, passes + 2 + found.programs, aliased=aliased, held=within
        )


def _near(problem: Problem, start: Array | None) -> tuple[Array, int]:
    """(coefficients (P, k) near the optimum, passes), by ever narrower windows."""
    from gradline.solvers.newton.smoothing_continuation import typical_residual

    point, passes = start, 0
    width = None
    for share in WINDOWS:
        if width is None:
            begin = np.zeros(problem.shape) if point is None else point
            width = typical_residual(problem, begin)
            if not width > 0:
                width = 1.0
        smoothed = replace(problem, loss=Smoothed(problem.loss, share * width))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            solution = ConstrainedNewton(tolerance=1e-4, max_steps=40).solve(smoothed, point)
        point, passes = solution.coefficients, passes + solution.passes
        if share == WINDOWS[0]:
            width = min(width, typical_residual(problem, point)) or width
    assert point is not None
    return point, passes


def _blank(rows: BoolArray, columns: int) -> sparse.csr_array:
    """Zeros beside the rows that are asked for."""
    return sparse.csr_array((int(rows.sum()), columns))


@dataclass
class _Vertex:
    entries: Entries
    pieces: Pieces
    working: WorkingRows
    theta: Array
    charges: Array
    """(d,): of ``|theta|``, in sums over rows; zero where there is none."""

    def solve(self) -> FoundWithin:
        """Linear programs of ever more rows, until no other row changes its line; then the vertex from its equations."""
        entries, pieces = self.entries, self.pieces
        scale = np.sqrt(np.einsum("ij,ij->j", entries.rows, entries.rows) / max(len(entries.rows), 1))
        self.unit = np.where(scale > 0, 1.0 / np.where(scale > 0, scale, 1.0), 1.0)
        residuals = entries.targets - entries.rows @ self.theta
        self.size = float(np.abs(entries.targets).max(initial=0.0)) or 1.0
        count = min(len(residuals), max(AT_LEAST, 10 * len(self.theta)))
        distance = pieces.distance(residuals)
        held = distance <= np.partition(distance, count - 1)[count - 1]
        piece = pieces.piece(residuals)
        for program in range(1, MOST_PROGRAMS + 1):
            theta = self._program(held, piece)
            if theta is None:
                # Without a lowest point: the rows left out were what held it.
                if held.all():
                    check_possible(self.working.polyhedron)
                    raise SolverError("the linear program of the constraints and the rows has no solution; scale the columns")
                count = min(len(residuals), 4 * count)
                held |= distance <= np.partition(distance, count - 1)[count - 1]
                continue
            residuals = entries.targets - entries.rows @ theta
            turned = ~held & (pieces.excess(residuals, piece, ON_LINE * self.size) > 0)
            if not turned.any():
                return self._exact(theta, program)
            held |= turned
        raise SolverError("rows keep changing their lines in the linear programs; scale the columns, or leave nearly dependent ones out")

    def _program(self, held: BoolArray, piece: PieceArray) -> Array | None:
        """The theta (d,) that is lowest with the held residuals on the whole loss and the others on their lines; None without one."""
        from scipy.optimize import linprog

        entries, pieces, working = self.entries, self.pieces, self.working
        rows, weights = entries.rows[held] * self.unit, entries.weights[held]
        targets = entries.targets[held] / self.size
        outside = -((entries.weights * pieces.slopes[piece])[~held] @ entries.rows[~held]) * self.unit
        count, d = len(targets), len(self.theta)
        charged = np.flatnonzero(self.charges)
        starts = np.concatenate([[0.0], np.cumsum(-pieces.jumps * pieces.kinks)])  # of each line at r = 0
        # t >= slope r + start for each line: slope (y - x'b) - t <= -start.
        none = sparse.csr_array((count, len(charged)))
        above = [sparse.hstack([sparse.csr_array(-slope * rows), -sparse.eye_array(count), none]) for slope in pieces.slopes]
        ends = [-start / self.size - slope * targets for slope, start in zip(pieces.slopes, starts, strict=True)]
        low, high = working.ends(working.free.base)
        equal = low == high
        matrix = working.matrix * self.unit
        length = np.linalg.norm(matrix, axis=1)
        matrix, low = matrix / length[:, None], low / length / self.size
        # u >= theta and u >= -theta, for each that is charged.
        own, none = sparse.eye_array(d).tocsr()[charged], sparse.csr_array((len(charged), count))
        above += [sparse.hstack([sign * own, none, -sparse.eye_array(len(charged))]) for sign in (1.0, -1.0)]
        ends += [np.zeros(len(charged))] * 2
        blank = _blank(~equal, count + len(charged))
        above.append(sparse.hstack([sparse.csr_array(-matrix[~equal]), blank]))
        ends.append(-low[~equal])
        mean = float(entries.weights.sum())
        solved = linprog(
            np.concatenate([outside, weights, (self.charges * self.unit)[charged]]) / mean * len(entries.targets),
            A_ub=sparse.vstack(above, format="csr"),
            b_ub=np.concatenate(ends),
            A_eq=sparse.hstack([sparse.csr_array(matrix[equal]), _blank(equal, count + len(charged))]) if equal.any() else None,
            b_eq=low[equal] if equal.any() else None,
            bounds=(None, None),
            method="highs-ds",
        )
        if solved.status == 2:
            check_possible(working.polyhedron)
            raise ArgumentError("no coefficients meet the constraints")
        return np.asarray(solved.x[:d] * self.unit * self.size) if solved.status == 0 else None

    def _exact(self, theta: Array, programs: int) -> FoundWithin:
        """The vertex near theta, from the rows on kinks and the constraints that hold there, and its multipliers."""
        entries, pieces, working = self.entries, self.pieces, self.working
        residuals = entries.targets - entries.rows @ theta
        low, high = working.ends(working.free.expand(theta))
        unit_rows = working.matrix * self.unit
        length = np.linalg.norm(unit_rows, axis=1)
        gap = np.where(low == high, 0.0, np.abs(low) / length / self.size)
        tight = np.flatnonzero(gap <= ON_LINE)
        single = (working.matrix[tight] != 0).sum(axis=1)
        tight = tight[np.argsort(single, kind="stable")]
        zero = np.flatnonzero((self.charges > 0) & (np.abs(theta) <= ON_LINE * self.size * self.unit))
        kinked = np.flatnonzero(pieces.distance(residuals) <= ON_LINE * self.size)
        kinked = kinked[np.argsort(pieces.distance(residuals)[kinked], kind="stable")]
        held = len(zero) + len(tight)
        all_rows = np.concatenate([np.eye(len(theta))[zero], unit_rows[tight], entries.rows[kinked] * self.unit])
        sizes = np.linalg.norm(all_rows, axis=1)
        alive = np.flatnonzero(sizes > 0)
        chosen = alive[independent_rows(all_rows[alive] / sizes[alive, None])]
        basis = all_rows[chosen]
        at_zero = zero[chosen[chosen < len(zero)]]
        on_rows = tight[chosen[(chosen >= len(zero)) & (chosen < held)] - len(zero)]
        on_kink = kinked[chosen[chosen >= held] - held]
        nearest = pieces.kinks[pieces.nearest(residuals[on_kink])]
        move = np.zeros(len(theta))
        for _ in range(3):
            there = theta + move
            off_kink = (entries.targets - entries.rows @ there)[on_kink] - nearest
            left = np.concatenate([-(there / self.unit)[at_zero], working.ends(working.free.expand(there))[0][on_rows], off_kink])
            move = move + np.linalg.lstsq(basis, left, rcond=None)[0] * self.unit
        theta = theta + move
        theta[zero] = 0.0
        residuals = entries.targets - entries.rows @ theta
        return self._proof(theta, residuals, tight, kinked, zero, programs)

    def _proof(self, theta: Array, residuals: Array, tight: IntArray, kinked: IntArray, zero: IntArray, programs: int) -> FoundWithin:
        """Multipliers of the rows on kinks, between the slopes on their two sides, of the constraints, at least zero, and of charged slopes
        at zero, up to their charge: by a linear program, since at a vertex of more rows than coefficients they are not the only ones."""
        from scipy.optimize import linprog

        entries, pieces, working = self.entries, self.pieces, self.working
        others = np.ones(len(residuals), dtype=np.bool_)
        others[kinked] = False
        slope = pieces.slopes[pieces.piece(residuals)]
        outside = -(entries.weights * slope)[others] @ entries.rows[others] + self.charges * np.sign(theta)
        which = pieces.nearest(residuals[kinked])
        equal = (working.polyhedron.equal[working.places])[tight]
        # outside - sum w s x - A' mu + sum nu = 0, s between the two slopes.
        own = (np.eye(len(theta)) * self.charges)[zero]
        on_kinks = -(entries.weights[kinked, None] * entries.rows[kinked])
        matrix = np.concatenate([on_kinks, -working.matrix[tight], own]).T * self.unit[:, None]
        bounds = list(zip(pieces.slopes[which], pieces.slopes[which + 1], strict=True))
        bounds += [(None, None) if is_equal else (0.0, None) for is_equal in equal]
        bounds += [(-1.0, 1.0)] * len(zero)
        right = -outside * self.unit
        total = float(np.abs(entries.weights).sum()) * pieces.steepest
        count = len(right)
        slack = np.concatenate([np.eye(count), -np.eye(count)], axis=1) * total
        solved = linprog(
            np.concatenate([np.zeros(matrix.shape[1]), np.ones(2 * count)]),
            A_eq=np.concatenate([matrix, slack], axis=1) / total,
            b_eq=right / total,
            bounds=bounds + [(0.0, None)] * (2 * count),
            method="highs-ds",
        )
        multipliers = np.zeros(len(working.places))
        if solved.status != 0:
            return FoundWithin(theta, multipliers, tight, False, "the multipliers of the vertex were not found", np.inf, programs)
        violation = float(solved.fun)
        pushes = np.array(solved.x[len(kinked) : len(kinked) + len(tight)])
        for place, column in enumerate(rows_of_one(working.matrix[tight]).tolist()):
            if column in zero:
                own_push = float(solved.x[len(kinked) + len(tight) + int(np.flatnonzero(zero == column)[0])]) * self.charges[column]
                pushes[place] = pushed_beyond(working.matrix[tight[place], column], pushes[place], 1.0, own_push, self.charges[column])[0]
        multipliers[tight] = np.where(equal | (pushes > 0), pushes, 0.0)
        converged = violation <= WRONG
        reason = "no row changes its line, and multipliers prove the vertex" if converged else "multipliers do not prove the vertex"
        return FoundWithin(theta, multipliers, tight, converged, reason, violation * total, programs)
