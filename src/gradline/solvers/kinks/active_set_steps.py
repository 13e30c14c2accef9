"""The steps of Newton's method on a kinked loss from one start: a model of the kinks near the point, its minimum, a pass that checks it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.losses.one_sided import ROUNDING, OneSided
from gradline.objective.objective import Problem
from gradline.penalties.kinds import curvatures_of, with_intercept
from gradline.solvers.beside import FLAT, FLAT_REMEDY, lower_beside, on_falling_kinks, rises_beside
from gradline.solvers.columns import aliased_columns, well_conditioned
from gradline.solvers.kinks.kinked_model import Hinges, IndefiniteError, KinkedModel, Minimum
from gradline.solvers.kinks.near_kinks import Kinks, NamedKinks, SoughtKinks, near_kinks
from gradline.solvers.protocol import Certificate, Solution

HELD_NUMBERS = 2_500_000
"""Numbers that rows near a kink may take in memory: 20 MB."""

CLOSED = 1e-9
"""A subgradient below this share of the slopes that make it up is zero but for rounding."""

LEVEL = 1e-9
"""Of the largest: curvature that is none."""

NOT_UNIQUE = "the optimum is not unique: other coefficients give the same objective"

RUNAWAY = 1e8
"""Linear predictors this many times the size of the targets have no optimum nearby."""

REMEDY = "Give another start=, add a ridge (penalty=gl.penalties.ridge(1e-4)), or allow more steps (gl.ActiveSetNewton(max_steps=1000))."

ALONG_SEVERAL = (
    "Kinks must be met along one linear predictor at a time, as |y - mean| is and |y - a - b| of two is not; use gl.GradientDescent for"
    " such a loss, or smooth the kink."
)


class _Point(NamedTuple):
    """The objective at free coefficients (d,), taken to one side of every kink: value, gradient (d,), curvature (d, d)."""

    theta: Array
    value: float
    gradient: Array
    curvature: Array


class ActiveSetSteps:
    """begin: coefficients (P, k) to start from. reach: how far off kinks are looked for at first, in units of the linear predictors;
    passes: those made before. rough: for what only supplies a start. order: 1 where steps are taken by ``move`` alone."""

    def __init__(
        self, problem: Problem, begin: Array, max_steps: int, *, reach: float = np.inf, passes: int = 0, rough: bool = False, order: int = 2
    ) -> None:
        self.problem, self.max_steps, self.passes, self.rough = problem, max_steps, passes, rough
        self.free = problem.free
        self._measure()
        self.aliased: tuple[int, ...] = ()
        # A penalty decides between columns that say the same; without one the later column is left out.
        if not rough and problem.penalty is None and not well_conditioned(self.columns):
            self.aliased = aliased_columns(problem.rows)
            self.free = self.free.without(self.aliased)
        self.gram = self.free.restrict_curvature(np.asarray(np.kron(np.eye(problem.n_predictors), self.columns), dtype=np.float64))
        self.point = self._evaluate(self.free.contract(begin), order)
        self.first = self.point.value
        self.reach = min(reach, 4.0 * self.spread) if self._sought else reach
        self.damping, self.step, self.last = 0.0, 0, math.inf
        self.hinges: Hinges | None = None

    def run(self, advance: Callable[[int, str], None] = lambda done, status: None) -> Solution:
        """Step until an end is reached. Raises ValueError where the loss or its curvature is not finite at the start."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self._check_start()
            while (certificate := self._once()) is None:
                advance(self.step, f"objective {self.point.value:.8g}")
        coefficients = self.free.expand(self.point.theta)
        value = self.problem.evaluate(coefficients, 0).value
        notes = (NOT_UNIQUE,) if certificate.converged and self.minimum.lowest <= 1e-9 and self._is_level() else ()
        return Solution(coefficients, value, "ActiveSetNewton", certificate, self.passes + 1, aliased=self.aliased, notes=notes)

    @property
    def coefficients(self) -> Array:
        """Where it has got to, (P, k)."""
        return self.free.expand(self.point.theta)

    def moved(self, step: Array) -> float:
        """By how much a step (d,) moves the linear predictors: root of the mean square over the rows, summed over predictors."""
        return math.sqrt(max(float(step @ self.gram @ step), 0.0))

    def move(self, step: Array) -> None:
        """Take a step (d,) unasked, with value and gradient but no curvature."""
        self.point = self._evaluate(self.point.theta + step, 1)

    def smoothed_curvature(self) -> Array:
        """With every kink spread over a window that holds enough rows for all columns: (d, d)."""
        curvature = self.point.curvature + 1e-10 * np.diag(np.diag(self.gram))
        hinges = self.hinges
        if hinges is None or not len(hinges.gaps):
            return curvature
        share = min(0.3, max(0.05, 30.0 * self.free.size / len(hinges.gaps)))
        window = float(np.quantile(hinges.gaps, share)) or 1e-3 * self.spread
        inside = np.flatnonzero(hinges.gaps <= window)
        half = hinges.directions[inside] * np.sqrt(hinges.jumps[inside] / (2.0 * window))[:, None]
        smoothed: Array = curvature + half.T @ half
        return smoothed

    @property
    def _sought(self) -> bool:
        return not self.problem.loss.kinks() or self.problem.n_predictors != self.problem.rows.n_targets

    def _measure(self) -> None:
        """What the columns and the targets are like, from a sample of the rows."""
        rows = self.problem.rows
        n = rows.n_rows
        block = rows.take(np.unique(np.linspace(0, n - 1, min(n, 20_000)).astype(np.int64))).without_zero_weights()
        self.columns = block.design.gram(None) / block.n_rows
        sizes = np.abs(block.targets[block.targets != 0])
        self.size = float(np.median(sizes)) if sizes.size else 1.0
        self.spread = float(block.targets.std()) or self.size or 1.0

    def _typical(self, theta: Array) -> float:
        """A typical size of what is added up to a linear predictor."""
        lengths = np.sqrt(np.diag(self.columns)) @ np.abs(self.free.expand(theta))
        return self.size + float(lengths.max())

    def _one_sided(self, theta: Array) -> OneSided:
        return OneSided(self.problem.loss, ROUNDING * self._typical(theta))

    def _evaluate(self, theta: Array, order: int = 2) -> _Point:
        self.passes += 1
        found = replace(self.problem, loss=self._one_sided(theta)).evaluate(self.free.expand(theta), order)
        assert found.gradient is not None
        curvature = np.zeros((0, 0)) if found.curvature is None else self.free.restrict_curvature(found.curvature)
        return _Point(theta, found.value, self.free.restrict_gradient(found.gradient), curvature)

    def _check_start(self) -> None:
        if not math.isfinite(self.point.value):
            raise SolverError(self.problem.why_not_finite(self.free.expand(self.point.theta)))
        if not (np.isfinite(self.point.curvature).all() and np.isfinite(self.point.gradient).all()):
            one_sided = replace(self.problem, loss=self._one_sided(self.point.theta))
            raise SolverError(one_sided.why_not_finite(self.free.expand(self.point.theta), 2))

    def _once(self) -> Certificate | None:
        """One step; a certificate when there is nothing more to do."""
        self.hinges = self._near()
        minimum = self.minimum = self._minimum(self.hinges)
        moved = self.moved(minimum.step)
        size = self._typical(self.point.theta)
        tiny = moved <= 1e-13 * size or (moved <= 1e-8 * size and moved > 0.5 * self.last)
        objective = max(abs(self.point.value), self.first - self.point.value)
        level = moved > 0.1 * self.last and minimum.decrease <= 1e-15 * objective and self._share(minimum) <= CLOSED
        if self.damping == 0 and (tiny or level):
            return self._ended(minimum)
        if self.rough and moved <= 1e-6 * size:
            return Certificate(True, 0.0, "near enough for a start")
        if self.step == self.max_steps:
            return Certificate(False, self._distance(minimum), f"{self.step} step{'s' if self.step > 1 else ''} done", REMEDY)
        trial = self._evaluate(self.point.theta + minimum.step)
        if self._lower(trial, minimum):
            self.step, self.last, self.point = self.step + 1, moved, trial
            if self.moved(trial.theta) > RUNAWAY * (self.size + self.spread):
                return self._unbounded()
            self.damping = 0.0 if self.damping < 1e-6 else self.damping / 16.0
            if math.isfinite(self.reach) and not self._sought:
                moves = float(np.abs(self.hinges.directions @ minimum.step).max(initial=0.0))
                self.reach = max(min(self.reach, 10.0 * moves), 1e-6 * self.spread)
        elif moved <= 1e-12 * size or self.damping > 1e12:
            return self._ended(minimum, stalled=True)
        else:
            self.damping, self.last = max(8.0 * self.damping, 1e-3), math.inf
        return None

    def _unbounded(self) -> Certificate:
        return Certificate(
            False,
            float(np.linalg.norm(self.point.gradient)),
            "the objective keeps falling as coefficients grow without end: no finite coefficients are best",
            "Check that the loss rises with the error on both sides; or leave the column out that grows, or add a ridge such as"
            " penalty=gl.penalties.ridge(1e-3).",
        )

    def _lower(self, trial: _Point, minimum: Minimum) -> bool:
        if not (math.isfinite(trial.value) and np.isfinite(trial.gradient).all() and np.isfinite(trial.curvature).all()):
            return False
        if trial.value <= self.point.value - 1e-4 * max(minimum.decrease, 0.0):
            return True
        return abs(trial.value - self.point.value) <= 1e-12 * max(abs(self.point.value), self.first - self.point.value)

    def _near(self) -> Hinges:
        """The kinks within reach of the point, as the model takes them."""
        problem, k = self.problem, self.problem.n_predictors
        loss = self._one_sided(self.point.theta)
        positions = problem.loss.kinks()
        kinks: Kinks = SoughtKinks(loss) if self._sought else NamedKinks.of(loss, positions or (), problem.rows.n_targets)
        most = max(HELD_NUMBERS // (problem.shape[0] * k), 20 * problem.shape[0] * k)
        self.passes += 1
        near = near_kinks(problem.rows, kinks, self.free.expand(self.point.theta), self.reach, most)
        directions = np.zeros((len(near.gap), self.free.size))
        for a in range(k):
            along = near.along == a
            part = self.free.matrix[a * problem.shape[0] : (a + 1) * problem.shape[0]]
            directions[along] = (near.columns[along] * near.sign[along, None]) @ part
        share = near.weights / problem.total_weight
        hinges = Hinges(directions, near.gap, share * near.jump, share * near.bend)
        return hinges.where(4.0 * loss.hair)

    def _minimum(self, hinges: Hinges) -> Minimum:
        """The model's, with damping where the last step was refused and where the quadratic is not convex."""
        gaps = np.sort(hinges.gaps[hinges.gaps > 0])
        width = float(gaps[min(len(gaps) - 1, max(10 * self.free.size, len(gaps) // 20))]) if len(gaps) else 1e-3 * self.spread
        slopes = float(hinges.jumps.sum()) + float(np.abs(self.point.gradient / self._units).max(initial=0.0))
        columns = float(np.trace(self.gram)) or 1.0  # A single row of zeros has no size.
        stiffness = slopes / self.spread + abs(float(np.trace(self.point.curvature))) / columns + 1e-300
        hair = ROUNDING * self._typical(self.point.theta)
        floor = stiffness * (self.gram + np.diag(1e-6 * np.diag(self.gram)))
        curvature = self.point.curvature + max(self.damping, 1e-12) * floor
        try:
            return KinkedModel(self.point.gradient, curvature, hinges, width, 1e-3 * floor, 4.0 * hair).minimum()
        except IndefiniteError:
            return KinkedModel(self.point.gradient, self._convex(curvature), hinges, width, 1e-3 * floor, 4.0 * hair).minimum()

    def _convex(self, curvature: Array) -> Array:
        """With negative eigenvalues, in units of the columns, left out."""
        scale = self._units
        values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
        half = scale[:, None] * vectors * np.sqrt(np.maximum(values, 1e-10 * float(np.abs(values).max())))
        positive: Array = half @ half.T
        return positive

    @property
    def _units(self) -> Array:
        """Root mean squares of the columns, (d,); for one of zeros, which has no size, that of the largest."""
        sizes = np.sqrt(np.diag(self.gram))
        return np.where(sizes > 0, sizes, sizes.max(initial=0.0) or 1.0)

    def _distance(self, minimum: Minimum) -> float:
        """How far zero is from the subdifferential at the point: the gradient with the kinks it sits on taken by their multipliers."""
        return float(np.linalg.norm(self._subgradient(minimum)))

    def _subgradient(self, minimum: Minimum) -> Array:
        hinges = self.hinges
        assert hinges is not None
        on = np.flatnonzero(hinges.gaps <= 1e-11 * self._typical(self.point.theta))
        return np.asarray(self.point.gradient + hinges.directions[on].T @ minimum.multipliers[on])

    def _is_level(self) -> bool:
        """Whether some direction changes nothing: no kink that a row is held on, no curvature of the loss, and none of any part of the
        penalty, each at its own scale, since of curves one strength may be a billion times another."""
        hinges, minimum, problem = self.hinges, self.minimum, self.problem
        assert hinges is not None
        coefficients, first = self.free.expand(self.point.theta), int(problem.rows.intercept)
        alone = replace(problem, loss=self._one_sided(self.point.theta), penalty=None).evaluate(coefficients, 2).curvature
        assert alone is not None
        parts = [alone]
        if problem.penalty is not None:
            own = curvatures_of(problem.penalty, coefficients[first:])
            whole = [with_intercept(problem.penalty, part, problem.shape, first) for part in own]
            parts += [np.diag(part.T.ravel()) if part.shape == problem.shape else part for part in whole]
        directions = hinges.directions[minimum.active] / self._units
        lengths = np.linalg.norm(directions, axis=1)
        directions = directions[lengths > 0] / lengths[lengths > 0, None]
        held = directions.T @ directions
        for part in parts:
            values, vectors = np.linalg.eigh(self.free.restrict_curvature(part) / np.outer(self._units, self._units))
            sizes = np.abs(values)
            if sizes.max(initial=0.0) > 0:
                held += (vectors * (sizes / sizes.max())) @ vectors.T
        return bool(np.linalg.eigvalsh(held)[0] <= LEVEL)

    def _share(self, minimum: Minimum) -> float:
        """The largest component of that, in units of its column, beside the slopes that make it up."""
        hinges = self.hinges
        assert hinges is not None
        slopes = float(hinges.jumps.sum()) + math.sqrt(abs(float(np.trace(self.point.curvature)) * self.point.value))
        parts = self._subgradient(minimum) / self._units
        return float(np.abs(parts).max(initial=0.0)) / max(slopes, 1e-300)

    def _ended(self, minimum: Minimum, *, stalled: bool = False) -> Certificate | None:
        """The certificate, unless the point proves nothing: a kink where the slope falls, or a start where nothing changes. Then a lower
        point beside it, to go on from, or else what is the matter."""
        if self.rough or self.problem.loss.is_convex:
            return self._certificate(minimum, stalled=stalled)
        coefficients = self.free.expand(self.point.theta)
        falling = on_falling_kinks(self.problem, coefficients, ROUNDING * self._typical(self.point.theta))
        flat = self.step == 0 and not self.point.gradient.any() and not self.point.curvature.any()
        if not falling and not flat:
            return self._certificate(minimum, stalled=stalled)
        lower = lower_beside(self.problem, self.free, self.point.theta) if self.step < self.max_steps else None
        if lower is not None:
            self.step, self.point = self.step + 1, self._evaluate(lower)
            self.damping, self.last = 0.0, math.inf
            self.reach = 4.0 * self.spread if self._sought else np.inf
            return None
        distance = self._distance(minimum)
        if not falling:
            if rises_beside(self.problem, self.free, self.point.theta):
                return self._certificate(minimum, stalled=stalled)
            return Certificate(False, distance, FLAT, FLAT_REMEDY)
        rows = f"{falling:,} row{'s sit' if falling > 1 else ' sits'}"
        reason = f"{rows} on a kink where the slope falls: the derivative there is one-sided, and no minimum is proven by it"
        return Certificate(False, distance, reason, "Give another start=.")

    def _certificate(self, minimum: Minimum, *, stalled: bool = False) -> Certificate:
        hinges = self.hinges
        assert hinges is not None
        distance, share = self._distance(minimum), self._share(minimum)
        held = int((hinges.gaps[minimum.active] == 0).sum())
        reason = (
            f"{held} row{'s are' if held != 1 else ' is'} held on a kink, every multiplier lies between the slopes of its kink, and what is"
            f" left of the gradient is {share:.1e} of its parts"
        )
        if share > CLOSED:
            reason = "no step lowers the objective any more" if stalled else "the steps have come to the end of double precision"
            remedy = ALONG_SEVERAL if self._sought and self.problem.n_predictors > 1 else REMEDY
            return Certificate(False, distance, f"{reason}, {share:.1e} of the gradient's parts from an optimum", remedy)
        if not self.problem.loss.is_convex:
            reason += "; the curvature there is positive semidefinite (a minimum, of a loss not known to be convex)"
        return Certificate(True, distance, reason)
