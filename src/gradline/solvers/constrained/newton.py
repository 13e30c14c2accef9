"""Any smooth loss within constraints: Newton's method whose every model keeps them, and squared loss from the sums of one pass.

The loss is replaced by its parabola at the coefficients; the lowest point of that which meets the constraints is the next one, a
quadratic program of as many coefficients as there are (sequential quadratic programming; Nocedal and Wright 2006, Numerical Optimization,
chapter 18). Rows are seen in passes that know nothing of the constraints. Near the optimum the rows of the constraints that hold have
settled, and the rest is Newton's method on their face. Squared loss is its own parabola: second moments of one pass are all it needs.
A lasso beside them stays as it is in every model, as in ``solvers/proximal/newton.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import ArgumentError, SolverError
from gradline.base.threads import small_algebra
from gradline.base.types import Array, IntArray
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.constraints.polyhedron import Polyhedron, polyhedron_of
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.curvature_factor import bent_upwards
from gradline.linalg.quadratic_program import FallsWithoutEnd
from gradline.objective.objective import Problem
from gradline.solvers.columns import aliased_columns, column_scale, gram
from gradline.solvers.constrained.beside import apart, refuses_beside
from gradline.solvers.constrained.ending import constrained_solution, not_constrained
from gradline.solvers.constrained.squared import solve_squared
from gradline.solvers.constrained.working import INFEASIBLE, NoPoint, Step, WorkingRows, without_rounding
from gradline.solvers.newton.beginning import constant_start
from gradline.solvers.protocol import Solution, as_start
from gradline.solvers.refusing import MOST_COEFFICIENTS, needs_a_loss_of_one_row, needs_a_smooth_loss, writes_codes_out

EPSILON = float(np.finfo(float).eps)

CONTRACTION = 0.2
"""Of the length of one step to the next: a curvature that does less is taken anew."""

NEAR = 1e-11
"""Of the objective: what a step promises to take off where rounding hides it."""


@dataclass(frozen=True)
class ConstrainedNewton(Options):
    """The optimum within constraints, of any smooth loss and any number of linear predictors; squared loss from the sums of one pass.

    Parameters
    ----------
    tolerance : float, optional
        Stop when the model promises to lower the objective by less than this times its size. Unless given, rounding stops it.
    max_steps : int
        Steps at most.

    Raises
    ------
    ValueError
        Unless 0 < tolerance < 1 and max_steps is at least 1.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> fit = gl.fit(X, np.exp(-X[:, 0]).round(), loss="poisson", constraints="x1 >= 0", solver=gl.ConstrainedNewton())
    >>> fit.active_constraints
    ('x1 >= 0',)
    """

    tolerance: float | None = None
    max_steps: int = 200

    def __post_init__(self) -> None:
        if self.tolerance is not None and not (isinstance(self.tolerance, float | int) and 0 < self.tolerance < 1):
            raise SolverError(f"tolerance must be between 0 and 1, not {self.tolerance!r}")
        if not isinstance(self.max_steps, int) or isinstance(self.max_steps, bool) or self.max_steps < 1:
            raise SolverError(f"max_steps must be a whole number of at least 1, not {self.max_steps!r}")

    def refuses(self, problem: Problem) -> str | None:
        """No constraints, a loss without curvature, a penalty whose kinks are not those of absolute values, codes of very many levels, very
        many coefficients."""
        if problem.constraints is None:
            return "ConstrainedNewton is for constraints, and there are none; use gl.Newton()"
        if (reason := refuses_beside(self, problem)) is not None:
            return reason
        size, k = problem.shape
        if size * k > MOST_COEFFICIENTS:
            return f"ConstrainedNewton holds a curvature of all coefficients, at most {MOST_COEFFICIENTS:,}, and here are {size * k:,}"
        return needs_a_loss_of_one_row(self, problem) or needs_a_smooth_loss(self, problem) or writes_codes_out(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The optimum, with its certificate."""
        assert problem.constraints is not None
        polyhedron = polyhedron_of(problem.constraints, problem.shape)
        begin = None if start is None else feasible_start(polyhedron, as_start(start, problem.shape))
        with small_algebra(problem.shape[0] * problem.shape[1]):
            if problem.loss.squared_scale() is not None:
                solution = solve_squared(problem, polyhedron)
            else:
                quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
                with progress_bar.bar("Newton", None, progress, patience=1.0) as advance, quiet:
                    solution = _Run.begin(problem, polyhedron, begin).run(self.max_steps, self.tolerance, advance)
        if not solution.certificate.converged:
            warn(f"ConstrainedNewton has not converged: {solution.certificate.reason}. {solution.certificate.remedy}")
        return solution


def feasible_start(polyhedron: Polyhedron, start: Array) -> Array:
    """The start. Raises ArgumentError naming the first constraint that it misses."""
    missed = polyhedron.missed(start)
    if (missed > INFEASIBLE).any():
        row = int(np.argmax(missed))
        raise ArgumentError(f"start= does not meet the constraint {polyhedron.texts[row]!r}; give one that does, or none")
    return start


def free_of_constraints(problem: Problem, polyhedron: Polyhedron) -> tuple[CoefficientMap, tuple[int, ...]]:
    """(the coefficients a solver moves, columns left out): those earlier columns determine, unless a constraint is on them."""
    movable = problem.movable
    aliased = aliased_columns(problem.rows) if problem.penalty is None else ()
    if aliased:
        aliased = not_constrained(aliased, polyhedron, lambda: gram(problem.rows))
        movable[list(aliased)] = False
    return CoefficientMap.selecting(movable), aliased


LENT = 1e-3
"""Of the usual curvature: what directions without any are lent at first."""


NOTHING = 1e-26
"""Of the objective at the start: what counts as zero."""

ENDLESS = "the objective keeps falling as coefficients grow without end: no finite ones are best (separation)"


LEAST_LENT = 1e-9
"""Less would be lost in rounding of the curvature there is."""


class _Point(NamedTuple):
    """coefficients (P, k); objective; gradient (d,); curvature (d, d) or None."""

    coefficients: Array
    objective: float
    gradient: Array
    curvature: Array | None


@dataclass
class _Run:
    problem: Problem
    """With the smooth part of its penalty."""
    rows: WorkingRows
    point: _Point
    aliased: tuple[int, ...]
    passes: int = 1
    guess: IntArray | None = None
    lends: bool = False
    """Whether the last step is of a parabola that fell without end, and was lent curvature."""
    lent: float = LENT
    steepest: float = 0.0
    """Slope seen, in coefficients of unit curvature."""

    @classmethod
    def begin(cls, problem: Problem, polyhedron: Polyhedron, start: Array | None) -> _Run:
        free, aliased = free_of_constraints(problem, polyhedron)
        problem, absolute = apart(problem)
        rows = WorkingRows.of(polyhedron, free, absolute)
        begin = constant_start(problem) if start is None else start
        run = cls(problem, rows, _Point(begin, np.inf, np.zeros(0), None), aliased)
        if start is None and (polyhedron.missed(begin) > 0).any():
            scale = np.ones(free.size)
            curvature = problem.evaluate(begin, 2).curvature
            run.passes += 1
            if curvature is not None and np.isfinite(curvature).all():
                sizes = np.sqrt(np.abs(np.diag(free.restrict_curvature(curvature))))
                scale = np.where(sizes > 0, sizes, 1.0)
            begin = rows.nearest(begin, scale)
        run.point = run.at(begin, 2)
        if not np.isfinite(run.point.objective):
            raise SolverError(problem.why_not_finite(begin))
        return run

    def at(self, coefficients: Array, order: int) -> _Point:
        """The objective there: a pass."""
        self.passes += 1
        value, gradient, curvature = self.problem.evaluate(coefficients, order)
        assert gradient is not None
        free = self.rows.free
        return _Point(
            coefficients,
            value + self.rows.charge(coefficients),
            free.restrict_gradient(gradient),
            None if curvature is None else free.restrict_curvature(curvature),
        )

    def step(self, point: _Point, curvature: Array) -> Step:
        """The step of the parabola; where that falls without end, as the loss need not, it is lent curvature in every direction."""
        gradient, steepest = without_rounding(point.gradient, curvature, max(self.steepest, float(np.sqrt(np.abs(point.objective)))))
        self.steepest = max(self.steepest, steepest)
        try:
            found = self.rows.step(point.coefficients, curvature, gradient, self.guess)
        except (FallsWithoutEnd, NoPoint):
            usual = self._usual
            ratio = float((np.abs(curvature.diagonal()) / usual).max())
            if not ratio > 0:
                ratio = 1.0 / max(self.problem.target_scale, 1e-300)
            while True:
                try:
                    lent = curvature + np.diag(self.lent * ratio * usual)
                    found = self.rows.step(point.coefficients, lent, gradient, self.guess)
                    break
                except (FallsWithoutEnd, NoPoint):
                    self.lent *= 100.0
                    if self.lent > 1e6:
                        raise
            self.lends = True
        else:
            self.lends = False
        return found

    @cached_property
    def _usual(self) -> Array:
        """What the curvature of each free coefficient would be to each other if all rows curved alike, (d,)."""
        self.passes += 1
        squares = np.square(np.tile(column_scale(self.problem), self.problem.shape[1]))
        return np.asarray(squares @ np.square(self.rows.free.matrix))

    def run(self, most: int, tolerance: float | None, advance: Callable[[int, str], None]) -> Solution:
        """Steps until none lowers the objective."""
        curvature, fresh, damping, stalls = self._bent(), True, 0.0, 0
        step = self.step(self.point, curvature)
        converged, reason = False, f"{most} steps, and the objective still falls"
        begun = abs(self.point.objective)
        for _ in range(most):
            advance(1, f"objective {self.point.objective:.6g}")
            self.guess = step.program.held
            if 0.0 <= self.point.objective < NOTHING * begun:
                small = bool(np.abs(step.change).max(initial=0.0) <= 1e-6 * np.abs(self.point.coefficients).max())
                converged, reason = small, "the objective is zero: the rows are fitted exactly" if small else ENDLESS
                break
            if tolerance is not None and step.promise <= tolerance * abs(self.point.objective) and damping == 0 and not self.lends:
                converged, reason = True, "a step would lower the objective by less than the tolerance"
                break
            if step.promise <= NEAR * abs(self.point.objective) or not step.change.any():
                # The objective no longer tells one point from the next; its gradient still does.
                if not step.change.any():
                    converged, reason = True, "no step is left to take"
                    break
                there = self.rows.moved(self.point.coefficients, step.change, step.program)
                if np.array_equal(there, self.point.coefficients):
                    converged, reason = True, "no step changes a coefficient's last digit"
                    break
                trial = self.at(there, 1)
                following = self.step(trial, curvature)
                if following.length < 0.5 * step.length:
                    self.point, step, fresh = trial, following, False
                elif fresh:
                    if following.length < step.length:
                        self.point, step = trial, following
                    converged, reason = True, "no step lowers the objective beyond rounding"
                    break
                else:
                    curvature, fresh = self._anew(), True
                    step = self.step(self.point, curvature)
                continue
            found = self._searched(step)
            if found is None:
                if self.lends and fresh:
                    self.lent *= 100.0
                    stalls += 1
                    if stalls > 20:
                        reason = "no step lowers the objective, though its slope is not zero"
                        break
                elif fresh:
                    damping = max(10.0 * damping, 1e-6 * float(np.abs(curvature.diagonal()).max()))
                    curvature = curvature + damping * np.eye(len(curvature))
                    stalls += 1
                    if stalls > 20:
                        reason = "no step lowers the objective, though its slope is not zero"
                        break
                else:
                    curvature, fresh = self._anew(), True
                step = self.step(self.point, curvature)
                continue
            self.point = found
            lent = self.lends
            following = self.step(found, curvature)
            if lent or self.lends or damping > 0 or following.length > CONTRACTION * step.length:
                curvature, fresh, damping = self._anew(), True, 0.0
                following = self.step(self.point, curvature)
            else:
                fresh = False
            step = following
        return self._solution(converged, reason, step, curvature)

    def _anew(self) -> Array:
        self.point = self.at(self.point.coefficients, 2)
        return self._bent()

    def _bent(self) -> Array:
        curvature = self.point.curvature
        assert curvature is not None
        return curvature if self.problem.loss.is_convex else bent_upwards(curvature)

    def _searched(self, step: Step) -> _Point | None:
        """The point after as much of the step as lowers the objective; None where none of it does."""
        share, point = 1.0, self.point
        slack = 4.0 * EPSILON * abs(point.objective)
        for _ in range(40):
            trial = self.at(self.rows.moved(point.coefficients, share * step.change, step.program if share == 1.0 else None), 1)
            if np.isfinite(trial.objective) and trial.objective <= point.objective - 1e-4 * share * step.promise + slack:
                if self.lends:
                    self.lent = max(self.lent * (0.1 if share == 1.0 else min(10.0, 0.5 / share)), LEAST_LENT)
                return trial
            share *= 0.5
            if share * step.promise <= slack:
                return None
        return None

    def _solution(self, converged: bool, reason: str, step: Step, curvature: Array) -> Solution:
        if not self.problem.loss.is_convex and converged:
            reason += "; a local optimum, since the loss is not known to be convex"
        return constrained_solution(
            self.problem,
            self.rows,
            self.rows.without_dust(self.point.coefficients, curvature, self.point.objective),
            self.point.objective,
            self.point.gradient,
            step,
            (converged, reason),
            self.passes,
            self.aliased,
        )
