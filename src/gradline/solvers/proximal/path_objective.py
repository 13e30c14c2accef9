"""What each strength of a path minimises over the free coefficients: the loss, as a pass gives it, and its own penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradline.base.types import Array
from gradline.objective.objective import Problem
from gradline.penalties.kinds import terms_of
from gradline.penalties.kinked import KinkedPart
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.solvers.protocol import Solution
from gradline.solvers.proximal.gap import duality_gap
from gradline.solvers.proximal.quadratic_model import minimise_model
from gradline.solvers.proximal.steps import CONVERGED, slope_places, solution_at


@dataclass(frozen=True, eq=False)
class PathObjective:
    """By the place of the strength: penalties, their kinked parts and the scales (d,) of the free coefficients x (d,).

    problem: without a penalty. lowest: a lower bound of the mean loss, None for none. A loss, its gradient (d,) and its curvature (d, d)
    are those of the mean loss alone.
    """

    problem: Problem
    penalties: Sequence[KinkedPenalty]
    parts: list[KinkedPart]
    scales: list[Array]
    lowest: float | None

    @classmethod
    def of(cls, problem: Problem, penalties: Sequence[KinkedPenalty], lowest: float | None) -> PathObjective:
        places = slope_places(problem.free, problem.rows.intercept)
        parts = [penalty.part.restricted(places) for penalty in penalties]
        return cls(problem, penalties, parts, [np.where(places >= 0, penalty.scales[places], 1.0) for penalty in penalties], lowest)

    def value(self, place: int, x: Array, loss: float) -> float:
        smooth, total = self.penalties[place].smooth_part, loss + self.parts[place].value(self.scales[place] * x)
        return total if smooth is None else total + terms_of(smooth, self.problem.free.expand(x), self.problem.rows.intercept, 0).value

    def gradient(self, place: int, x: Array, gradient: Array) -> Array:
        """With that of the smooth part of the penalty, (d,)."""
        smooth, free = self.penalties[place].smooth_part, self.problem.free
        if smooth is None:
            return gradient
        terms = terms_of(smooth, free.expand(x), self.problem.rows.intercept, 1)
        assert terms.gradient is not None
        return np.asarray(gradient + free.restrict_gradient(terms.gradient))

    def violation(self, place: int, x: Array, gradient: Array) -> float:
        """The largest, in units of scaled coefficients."""
        scales = self.scales[place]
        left = self.parts[place].violation(scales * x, self.gradient(place, x, gradient) / scales)
        return float(np.abs(left).max(initial=0.0))

    def minimum(self, place: int, x: Array, gradient: Array, curvature: Array, start: Array) -> tuple[float, Array | None]:
        """(what it promises to take off, the scaled coefficients (d,)): the minimum of the penalty and the parabola of the loss at x; None
        where that falls without end. start: a guess at it."""
        scales, part, smooth, free = self.scales[place], self.parts[place], self.penalties[place].smooth_part, self.problem.free
        if smooth is not None:
            more = terms_of(smooth, free.expand(x), self.problem.rows.intercept, 2).curvature
            assert more is not None
            curvature = curvature + free.restrict_curvature(np.diag(more.T.ravel()) if more.shape == self.problem.shape else more)
        matrix, scaled = curvature / np.outer(scales, scales), scales * x
        slope = self.gradient(place, x, gradient) / scales
        found = minimise_model(matrix, slope - matrix @ scaled, part, start)
        if not found.bounded:
            return 0.0, None
        change = found.x - scaled
        return -(float(slope @ change) + 0.5 * float(change @ matrix @ change) + part.value(found.x) - part.value(scaled)), found.x

    def move(self, place: int, x: Array, found: Array) -> Array:
        """The step (d,) from x to scaled coefficients."""
        scales = self.scales[place]
        return np.where(found == 0, 0.0, x + (found - scales * x) / scales) - x

    def gap(self, place: int, x: Array, gradient: Array, objective: float) -> float:
        """How far the objective can be above its minimum; zero where nothing says so."""
        part, scales = self.parts[place], self.scales[place]
        if self.lowest is None or not part.homogeneous:
            return 0.0
        return duality_gap(part, scales * x, self.gradient(place, x, gradient) / scales, objective, self.lowest)

    def solution(self, place: int, x: Array, gradient: Array, objective: float) -> Solution:
        """With its certificate."""
        problem = replace(self.problem, penalty=self.penalties[place].smooth_part)
        whole = self.gradient(place, x, gradient)
        return solution_at(problem, self.problem.free, self.parts[place], self.scales[place], x, objective, whole, CONVERGED, self.lowest)
