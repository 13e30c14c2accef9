"""The loops behind gradient descent: one per way of holding the objective.

Each satisfies :class:`gradline.autodiff.tape.Descent`. A user's loss on data in memory runs in its own framework's compiled loop;
squared loss runs on second moments; everything else, a penalty included, takes one pass over the rows per step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradline.autodiff.tape import Descent, Step, Trace
from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray
from gradline.losses.catalogue import squared
from gradline.objective.objective import Problem


class Units(NamedTuple):
    """What a loop walks down, beside the mean over the rows that a Problem is: how many times that for all rows, and for a mini-batch.

    A user's loss that adds up over the rows is the sum, as it would be in a loop written by hand: a step of the same learning rate is n
    times as long.
    """

    whole: float = 1.0
    batch: float = 1.0


def units_of(problem: Problem, batch: int | None) -> Units:
    """batch: rows in a mini-batch, None where every step takes all rows."""
    if not problem.loss.adds_up:
        return Units()
    whole = problem.total_weight
    return Units(whole, whole if batch is None else whole * batch / problem.rows.n_rows)


def descent_for(problem: Problem, full: bool, units: Units | None = None) -> Descent:
    """The fastest loop for a problem; ``full`` when every step uses all rows."""
    loss = problem.loss
    if loss.tape is not None and problem.penalty is None and not problem.rows.sparse_columns:
        block = problem.rows.in_memory()
        if block is not None:
            return loss.tape.descent(block.without_zero_weights())
    if problem.joint and not problem.rows.resident:
        raise SolverError(problem.joint_message)
    by_moments = full and problem.penalty is None and loss.squared_scale() is not None and not problem.rows.sparse_columns
    mean = MomentsDescent(problem) if by_moments else RowsDescent(problem)
    return mean if units is None or units == Units() else InUnits(mean, units)


class InUnits:
    """A loop down a multiple of what another loop walks down: the same path at as many times the rate."""

    def __init__(self, mean: Descent, units: Units) -> None:
        self._mean, self._units = mean, units

    def run(self, coefficients: Array, velocity: Array, count: int, step: Step, batches: IntArray | None) -> tuple[Array, Array, Trace]:
        whole, rate = self._units.whole, step.rate * (self._units.whole if batches is None else self._units.batch)
        b, v, trace = self._mean.run(coefficients, velocity, count, step._replace(rate=rate), batches)
        return b, v, Trace(trace.loss * whole, trace.gradient_norm * whole, trace.coefficients)


class RowsDescent:
    """One pass over the rows per step."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    def run(self, coefficients: Array, velocity: Array, count: int, step: Step, batches: IntArray | None) -> tuple[Array, Array, Trace]:
        b, v = coefficients.copy(), velocity.copy()
        loss, norm, path = np.empty(count), np.empty(count), np.empty((count, *b.shape))
        for t in range(count):
            value, gradient, _ = self._problem.evaluate(b, 1)
            assert gradient is not None
            loss[t], norm[t], path[t] = value, np.linalg.norm(gradient), b
            if batches is not None:
                gradient = self._problem.block_gradient(self._problem.rows.take(batches[t]), b)
            b, v = step.move(b, v, gradient)
        return b, v, Trace(loss, norm, path)


class MomentsDescent:
    """The whole trajectory of squared loss from second moments, so that a step costs nothing per row.

    With S the (P, P) second moments over the total weight, b* a least-squares solution and loss* its loss, c the scale of the loss,

        loss(b) = loss* + c (b - b*)' S (b - b*)      gradient(b) = 2 c S (b - b*)

    so in the eigenvectors of S every coordinate is a linear recurrence of its own, in (error, velocity), and t steps are its t-th power.
    loss* comes from residuals, since differences of raw moments cancel when the fit is good.
    """

    def __init__(self, problem: Problem) -> None:
        from gradline.solvers.least_squares.least_squares import LeastSquares

        scale = problem.loss.squared_scale()
        assert scale is not None
        plain = replace(problem, loss=squared)
        size = problem.rows.n_columns
        curvature = plain.evaluate(np.zeros(problem.shape), 2).curvature
        assert curvature is not None
        best = LeastSquares().solve(plain)
        self._best, self._lowest = best.coefficients, scale * best.loss
        eigenvalues, self._vectors = np.linalg.eigh(0.5 * curvature[:size, :size])
        self._curvature = 2.0 * scale * np.maximum(eigenvalues, 0.0)

    def run(self, coefficients: Array, velocity: Array, count: int, step: Step, batches: IntArray | None) -> tuple[Array, Array, Trace]:
        assert batches is None
        error = self._vectors.T @ (coefficients - self._best)
        errors, speed = self._powers(error, self._vectors.T @ velocity, count, step)
        before = errors[:count]
        gradient = self._curvature[:, None] * before
        loss = self._lowest + 0.5 * np.einsum("tpk,tpk->t", gradient, before)
        norm = np.sqrt(np.einsum("tpk,tpk->t", gradient, gradient))
        path = self._best + self._vectors @ before
        path[0] = coefficients
        return self._best + self._vectors @ errors[count], self._vectors @ speed, Trace(loss, norm, path)

    def _powers(self, error: Array, speed: Array, count: int, step: Step) -> tuple[Array, Array]:
        """Errors (count + 1, P, k) at steps 0 to count, and the velocity after the last."""
        kick = step.rate * self._curvature
        ahead = step.momentum if step.nesterov else 0.0
        # (error, velocity) -> (error + (1 + ahead or 1) ..., ...): one step of the recurrence as a 2 x 2 matrix a coordinate.
        move = step.momentum**2 if step.nesterov else step.momentum
        power = np.empty((kick.size, 2, 2))
        power[:, 0, 0], power[:, 0, 1] = 1.0 - (1.0 + ahead) * kick, move
        power[:, 1, 0], power[:, 1, 1] = -kick, step.momentum
        states = np.stack([error, speed], axis=1)[None]  # (t, P, 2, k)
        while len(states) <= count:
            # With the first T states known, T more are the T-th power of the step away.
            states = np.concatenate([states, power @ states])
            power = power @ power
        return states[: count + 1, :, 0, :], states[count, :, 1, :]
