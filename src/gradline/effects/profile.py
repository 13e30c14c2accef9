"""Intervals by the profile likelihood: the values of a coefficient at which a likelihood-ratio test would not reject it, all others free.

Each end solves l(theta) = l_max - q^2 phi / 2 with the other coefficients at their best, by Newton's method on both conditions at once
(Venzon and Moolgavkar 1988, Applied Statistics 37). All ends of all coefficients take their steps together, one pass over the rows a
step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, fdtrc

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.effects.intervals import TestedInterval
from gradline.effects.many_newton import Flags, factor_of, minima, solve_with
from gradline.effects.many_points import at_many, stacked, unstacked
from gradline.effects.refits import refuse_constraints, statistics_of
from gradline.inference.covariance.estimate import free_coefficients
from gradline.inference.intervals import critical_value
from gradline.model.attach_data import attach_data
from gradline.objective.objective import Problem

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_STEPS = 100

EXACT = 1e-11
"""Of the drop of the likelihood: how near both conditions are met at an end."""

FAR = 1e3
"""Half-widths of the plain interval beyond which Newton's method has lost its way."""

MOST_DOUBLINGS = 12
"""Of a step of a tenth of the coefficient: where the likelihood has not fallen far enough by then, the end lies at infinity."""


def profile_interval(model: Model, level: float, data: Any, target: Any, rows: dict[str, Any]) -> TestedInterval:
    """See :meth:`gradline.Fit.interval`."""
    loss = model.loss_function
    if data is None:
        raise InferenceError('method="profile" goes over the rows again, and a Fit holds none: give them, data=...')
    if model.penalty is not None:
        raise InferenceError("a penalised fit has no profile likelihood: its likelihood is not at its maximum")
    refuse_constraints(model, "a profile")
    squared = loss.squared_scale()
    if not (loss.is_likelihood or squared is not None):
        raise InferenceError(f'the loss {loss.name!r} is no likelihood, so there is none to profile: method="bootstrap" is for any loss')
    if loss.kinks() is not None:
        raise InferenceError(f'the loss {loss.name!r} has kinks, and its profile is no smooth curve: method="bootstrap" is for any loss')
    problem = attach_data(model, data, target, **rows).problem
    return _Profile.of(model, problem, level).interval(model)


@dataclass(frozen=True, eq=False)
class _Profile:
    """theta (d,): the free coefficients at the optimum, their places among all; lowest: the total loss there; drop: how far it may rise;
    unit: of a chi-squared; errors (d,): plain standard errors."""

    problem: Problem
    theta: Array
    places: np.ndarray[Any, Any]
    lowest: float
    drop: float
    unit: float
    reach: float
    degrees: float | None
    inverse: Array

    @classmethod
    def of(cls, model: Model, problem: Problem, level: float) -> _Profile:
        statistics = statistics_of(model, problem)
        scale = problem.loss.squared_scale()
        free = free_coefficients(problem, model.solution)
        flags = np.asarray(abs(free.matrix).sum(axis=1)).ravel() > 0
        if flags.sum() != free.size:
            raise InferenceError("the loss does not tell its linear predictors apart, so a coefficient by itself has no profile")
        places = np.flatnonzero(flags)
        if statistics.dispersion is not None and not (statistics.dispersion > 0).all():
            raise InferenceError("the target is fitted perfectly, so its likelihood has no width")
        dispersion = 1.0 if statistics.dispersion is None else float(statistics.dispersion[0])
        if statistics.dispersion is not None and statistics.dispersion.size > 1:
            raise InferenceError("several targets have a dispersion each: fit each by itself for its profile")
        degrees = statistics.degrees_of_freedom if statistics.squared else None
        if degrees is not None and not degrees > 0:
            raise InferenceError("the rows leave no degree of freedom, so there is no interval")
        unit = dispersion * (2.0 * scale if scale is not None else 1.0)
        reach = critical_value(level, degrees)
        start = stacked(model.solution.coefficients[None])
        # A solver may stop a little above the minimum; an interval starts from its bottom.
        best = minima(problem, start, flags[None])
        theta = best.theta[0] if best.converged[0] else start[0]
        sums = at_many(problem, unstacked(theta[None], problem.shape))
        factor = factor_of(sums.curvature[0][np.ix_(places, places)])
        if factor is None:
            raise InferenceError(
                "the likelihood is flat in some direction at the fit, so its profiles have no ends; see the fit's certificate"
            )
        inverse = solve_with(factor, np.eye(places.size))
        return cls(problem, theta, places, float(sums.value[0]), 0.5 * unit * reach**2, unit, reach, degrees, inverse)

    @property
    def widths(self) -> Array:
        """Half-widths of the plain interval, (d,)."""
        return np.asarray(self.reach * np.sqrt(self.unit * np.diag(self.inverse)))

    def interval(self, model: Model) -> TestedInterval:
        """All ends, and the likelihood-ratio test that each coefficient is zero."""
        d = self.places.size
        which, side = np.tile(np.arange(d), 2), np.repeat([-1.0, 1.0], d)
        ends = self._ends(which, side)
        for i in np.flatnonzero(np.isnan(ends)):
            ends[i] = self._bracketed(int(which[i]), float(side[i]))
        p_values = self._p_values()
        names = model.names
        lost = [names[int(self.places[which[i]]) % len(names)] for i in np.flatnonzero(np.isnan(ends))]
        if lost:
            warn(f"no end of the profile interval was found for {', '.join(dict.fromkeys(lost))}: it is NaN")

        def spread(values: Array) -> Array:
            full = np.full(self.theta.size, np.nan)
            full[self.places] = values
            found = unstacked(full[None], self.problem.shape)[0]
            return np.asarray(found[:, 0] if found.shape[1] == 1 else found)

        how = "profile likelihood" + (" (of squared loss the same as Student's t)" if self.degrees is not None else "")
        return TestedInterval(spread(ends[:d]), spread(ends[d:]), spread(p_values), how)

    def _ends(self, which: np.ndarray[Any, Any], side: Array) -> Array:
        count, target = len(which), self.lowest + self.drop
        moved = self.inverse[:, which] / np.diag(self.inverse)[which]
        inside = self.theta[self.places][:, None] + side * self.widths[which] * moved
        theta = np.repeat(self.theta[None], count, axis=0)
        theta[:, self.places] = inside.T
        ends, going = np.full(count, np.nan), np.arange(count)
        before = np.repeat(self.theta[None], count, axis=0)
        for _ in range(MOST_STEPS):
            if not going.size:
                break
            sums = at_many(self.problem, unstacked(theta[going], self.problem.shape))
            gradient, left = stacked(sums.gradient), []
            for i, place in enumerate(going):
                own = int(which[place])
                if not np.isfinite(sums.value[i]):
                    theta[place] = 0.5 * (theta[place] + before[place])
                    left.append(place)
                    continue
                step = self._step(sums.value[i] - target, gradient[i], sums.curvature[i], own, side[place])
                at = theta[place, self.places[own]]
                if step is None or abs(at - self.theta[self.places[own]]) > FAR * self.widths[own]:
                    continue
                change, off = step
                if off <= EXACT * self.drop:
                    ends[place] = at + change[own]
                    continue
                before[place] = theta[place]
                # Far from the end the quadratic is no guide: a step is at most as long as the interval is wide so far.
                most = 2.0 * max(self.widths[own], abs(at - self.theta[self.places[own]]))
                shrink = min(1.0, most / max(abs(change[own]), 1e-300))
                theta[place, self.places] += shrink * change
                left.append(place)
            going = np.array(left, dtype=np.int64)
        return ends

    def _bracketed(self, own: int, side: float) -> float:
        """An end that Newton's method did not find, as of an optimum at infinity: by a bracket and Brent's method on the profile itself."""
        start = float(self.theta[self.places[own]])
        free: Flags = np.zeros((1, self.theta.size), dtype=np.bool_)
        free[0, self.places] = True
        free[0, self.places[own]] = False
        held = [self.theta[None].copy()]

        def above(value: float) -> float:
            theta = held[0].copy()
            theta[0, self.places[own]] = value
            found = minima(self.problem, theta, free)
            if found.converged[0]:
                held[0] = found.theta
            return float(found.value[0]) - self.lowest - self.drop

        inner, step = start, 0.1 * max(1.0, abs(start))
        for _ in range(MOST_DOUBLINGS):
            outer = inner + side * step
            rise = above(outer)
            if np.isnan(rise):
                return np.nan
            if rise >= 0:
                return float(brentq(above, inner, outer, xtol=1e-12, rtol=1e-10))
            inner, step = outer, 2.0 * step
        return side * np.inf

    def _step(self, above: float, gradient: Array, curvature: Array, own: int, side: float) -> tuple[Array, float] | None:
        """(the step over the free coefficients, how far both conditions are off); None where the curvature is singular."""
        g, h = gradient[self.places], curvature[np.ix_(self.places, self.places)]
        others = np.arange(g.size) != own
        along, best = np.zeros(0), np.zeros(0)
        if others.any():
            factor = factor_of(h[np.ix_(others, others)])
            if factor is None:
                return None
            solved = solve_with(factor, np.stack([h[others, own], g[others]], axis=1))
            along, best = solved[:, 0], solved[:, 1]
        bend = h[own, own] - h[others, own] @ along
        slope = g[own] - h[others, own] @ best
        gain = float(g[others] @ best)
        level = above - 0.5 * gain
        if not bend > 0:
            return None
        inside = slope * slope - 2.0 * bend * level
        # The outer root of the quadratic, in the form that does not cancel near it.
        if inside < 0:
            delta = -slope / bend
        else:
            root = side * np.sqrt(inside)
            delta = -2.0 * level / (slope + root) if slope * side > 0 else (root - slope) / bend
        change = np.zeros(g.size)
        change[own] = delta
        change[others] = -best - delta * along
        return change, max(abs(above), abs(gain))

    def _p_values(self) -> Array:
        d = self.places.size
        start = np.repeat(self.theta[None], d, axis=0)
        moved = self.inverse / np.diag(self.inverse)
        start[:, self.places] = (self.theta[self.places][:, None] - moved * self.theta[self.places]).T
        start[np.arange(d), self.places] = 0.0
        free: Flags = np.zeros(start.shape, dtype=np.bool_)
        free[:, self.places] = True
        free[np.arange(d), self.places] = False
        found = minima(self.problem, start, free)
        rise = np.maximum(2.0 * (found.value - self.lowest) / self.unit, 0.0)
        if self.degrees is not None:
            return np.asarray(fdtrc(1, self.degrees, rise))
        return np.asarray(chdtrc(1, rise))
