"""Curvature and the learning rate: how long a step of gradient descent may be, and what its steps have left to gain."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np

from gradline.autodiff.tape import Step
from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.losses.catalogue import squared
from gradline.objective.objective import Evaluation, Problem
from gradline.solvers.first_order.descents import descent_for


def largest_curvature(problem: Problem, at: Array, scale: float | None) -> float:
    """The largest eigenvalue of the objective's curvature."""
    if scale is not None and problem.penalty is None:
        # Squared loss has the same curvature everywhere and for every target: one Gram matrix, and no tracing of a user's function.
        plain = replace(problem, loss=squared).evaluate(np.zeros((problem.rows.n_columns, problem.rows.n_targets)), 2)
        size = problem.rows.n_columns
        return scale * _top_eigenvalue(_curvature(plain.curvature)[:size, :size])
    if problem.joint:
        return _power_iteration(problem, at)
    return _top_eigenvalue(_curvature(problem.evaluate(at, 2).curvature))


def _curvature(curvature: Array | None) -> Array:
    if curvature is None or not np.isfinite(curvature).all():
        raise SolverError("the loss's curvature is not finite at the starting coefficients; give another start=, or learning_rate=a number")
    return curvature


def _top_eigenvalue(matrix: Array) -> float:
    return float(np.linalg.eigvalsh(matrix)[-1])


def _power_iteration(problem: Problem, at: Array, rounds: int = 50) -> float:
    """The largest curvature of a joint loss from differences of its gradient along the current direction."""
    descent = descent_for(problem, full=True)

    def gradient(b: Array) -> Array:
        return -descent.run(b, np.zeros_like(b), 1, Step(1.0, 0.0, False), None)[1]

    direction = np.random.default_rng(0).normal(size=at.shape)
    direction /= np.linalg.norm(direction)
    width = 1e-4 * (1.0 + float(np.abs(at).max()))
    value = 0.0
    for _ in range(rounds):
        change = (gradient(at + width * direction) - gradient(at - width * direction)) / (2 * width)
        size = float(np.linalg.norm(change))
        if size == 0 or not math.isfinite(size):
            return value
        done, value, direction = abs(size - value) <= 1e-6 * size, size, change / size
        if done:
            break
    return value


def expected_smoothness(problem: Problem, at: Array, largest: float, batch: int) -> float:
    """Smoothness of a mini-batch objective in expectation: between the largest row's (batches of one) and the whole data's."""
    n = problem.rows.n_rows
    row = problem.largest_row_curvature(at)
    return float(n * (batch - 1) / (batch * (n - 1)) * largest + (n - batch) / (batch * (n - 1)) * row)


def left_to_gain(problem: Problem, at: Array, loss: float) -> float:
    """What the objective, here this large, could still fall, to second order: g' H^+ g / 2. Exact for squared loss.

    Infinite where the gradient has a part that no curvature answers, and which is no rounding error: of combinations of coefficients
    that change no row's loss, that is all there is of it.
    """
    gradient, curvature = _second_order(problem, at)
    scale = np.sqrt(np.maximum(np.diag(curvature), 1e-300))
    values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    parts = vectors.T @ (gradient / scale)
    curved = values > 1e-12 * max(float(values[-1]), 1e-300)
    if np.linalg.norm(parts[~curved]) > max(1e-6 * float(np.linalg.norm(parts)), 1e-13 * math.sqrt(abs(loss))):
        return math.inf
    return 0.5 * float(np.sum(parts[curved] ** 2 / values[curved]))


def left_to_gain_by_solving(problem: Problem, at: Array, loss: float) -> float:
    """What a kinked objective could still fall, by the solver for its kinks, from where the descent ended: coefficients and objective.

    Infinite where the coefficients are too many for that solver, and where it finds no optimum.
    """
    from gradline.solvers.kinks.exact import solver_for_kinks

    solver = solver_for_kinks(problem)
    if solver is None:
        return math.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = solver.solve(problem, at)
    return max(loss - found.loss, 0.0) if found.certificate.converged else math.inf


def _second_order(problem: Problem, at: Array) -> tuple[Array, Array]:
    """Gradient (k P,) and curvature (k P, k P) at a point; for a user's squared loss without tracing it."""
    scale = problem.loss.squared_scale()
    found: Evaluation
    if scale is not None and problem.penalty is None:
        found = replace(problem, loss=squared).evaluate(at, 2)
    else:
        scale, found = 1.0, problem.evaluate(at, 2)
    assert found.gradient is not None
    return scale * found.gradient.T.ravel(), scale * _curvature(found.curvature)
