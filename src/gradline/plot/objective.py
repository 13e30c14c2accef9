"""The objective of a fit over any coefficients: its values on a grid, its curvature and its lowest point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradline.base.types import Array
from gradline.objective.objective import Problem
from gradline.plot import style
from gradline.rows.arrays import ArrayRows
from gradline.solvers.first_order.descents import descent_for

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_ROWS = 20_000
"""Rows behind the contours of a loss that has no quadratic form; the optimum is found on all of them."""

MOST_NUMBERS = 2**21
"""Row losses computed at a time, to bound the memory."""


class Objective:
    """The mean loss of (x, y) as a function of the coefficients (P, k). weights: (n,) or None."""

    def __init__(self, fit: Model, x: Array, y: Array, weights: Array | None = None) -> None:
        self.fit, self.x, self.y, self.weights = fit, x, y, weights
        self.problem = Problem(ArrayRows(x, y, weights=weights, intercept=fit.has_intercept), fit.loss_function)
        self.scale = None if self.problem.joint else fit.loss_function.squared_scale()
        self._quadratic: tuple[Array, float, Array] | None = None if self.scale is None else self._moments(self.scale)

    @property
    def rows_drawn(self) -> int:
        """How many rows the contours rest on."""
        return len(self.x) if self._quadratic is not None or self.problem.joint else min(len(self.x), MOST_ROWS)

    def values(self, points: Array) -> Array:
        """The objective at points (g, P, k): (g,). Not finite where it overflows."""
        if self._quadratic is not None:
            best, lowest, moments = self._quadratic
            error = points - best
            result: Array = lowest + np.einsum("gpk,pr,grk->g", error, moments, error)
            return result
        if self.problem.joint:
            return np.array([self._joint(point)[0] for point in points])
        return self._row_values(points)

    def curvature(self, at: Array) -> Array | None:
        """The second derivatives (kP, kP), ordered by linear predictor; None where there are none (a loss linear in pieces)."""
        if self._quadratic is not None:
            return np.asarray(np.kron(np.eye(at.shape[1]), 2.0 * self._quadratic[2]), dtype=np.float64)
        if self.problem.joint:
            matrix = self._joint_curvature(at)
        else:
            found = self.problem.evaluate(at, 2).curvature
            matrix = np.zeros((at.size, at.size)) if found is None else found
        return matrix if np.isfinite(matrix).all() and np.abs(matrix).max() > 0 else None

    def optimum(self, near: Array, path_gradient: float) -> Array | None:
        """The coefficients of the lowest loss, found from ``near``; None where none was found.

        path_gradient: the norm of the gradient where the fit began; one far smaller counts as zero.
        """
        if self._quadratic is not None:
            return self._quadratic[0]
        found, norm = self._newton(near)
        if norm <= 1e-5 * path_gradient + 1e-12:
            return found
        # A kink has no zero gradient to look for. The simplex method needs none, but loses its way in many dimensions.
        return self._simplex(found) if near.size <= 6 else None

    def _moments(self, scale: float) -> tuple[Array, float, Array]:
        """Least-squares coefficients, the loss there from residuals, and c times the second moments."""
        design = np.column_stack([np.ones(len(self.x)), self.x]) if self.fit.has_intercept else self.x
        weights = np.ones(len(self.x)) if self.weights is None else self.weights
        root, total = np.sqrt(weights)[:, None], weights.sum()
        size = design.shape[1]
        triangle = np.asarray(np.linalg.qr(np.column_stack([root * design, root * self.y]), mode="r"), dtype=np.float64)
        factor = triangle[:size, :size]
        best = np.asarray(np.linalg.lstsq(factor, triangle[:size, size:], rcond=None)[0], dtype=np.float64)
        lowest = scale * float(np.sum(np.square(root * (self.y - design @ best)))) / total
        return best, lowest, scale * (factor.T @ factor) / total

    def _row_values(self, points: Array) -> Array:
        """Many points in one call: the rows repeated for each, since a row's loss needs its own linear predictors only."""
        rows = style.sample(len(self.x), MOST_ROWS)
        block = ArrayRows(self.x, self.y, intercept=self.fit.has_intercept).take(rows)
        weights = np.ones(len(rows)) if self.weights is None else self.weights[rows]
        together = max(1, MOST_NUMBERS // len(rows))
        values = np.empty(len(points))
        for start in range(0, len(points), together):
            here = points[start : start + together]
            # The last chunk is filled up: one shape, so that a framework that compiles for shapes does it once.
            full = np.concatenate([here, np.repeat(here[-1:], together - len(here), axis=0)]) if start else here
            g, size, k = full.shape
            predictors = block.design.predict(full.transpose(1, 0, 2).reshape(size, g * k)).reshape(len(rows), g, k)
            with np.errstate(all="ignore"):
                losses = self.fit.loss_function.derivatives(
                    np.tile(block.targets, (g, 1)), np.ascontiguousarray(predictors.transpose(1, 0, 2).reshape(g * len(rows), k)), 0
                ).value.reshape(g, len(rows))
                values[start : start + len(here)] = (losses @ weights / weights.sum())[: len(here)]
        return values

    def _joint(self, at: Array) -> tuple[float, Array]:
        """Value and gradient of a loss of all rows together: the unit step of its own compiled loop."""
        from gradline.autodiff.tape import Step

        if not hasattr(self, "_descent"):
            self._descent = descent_for(self.problem, full=True)
        _, velocity, trace = self._descent.run(at, np.zeros_like(at), 1, Step(1.0, 0.0, False), None)
        return float(trace.loss[0]), -velocity

    def _joint_curvature(self, at: Array) -> Array:
        width = 1e-4 * (1.0 + float(np.abs(at).max()))
        columns = []
        for i in range(at.size):
            shift = np.zeros(at.size)
            shift[i] = width
            # vec() by linear predictor: the columns of the coefficients one after another.
            move = shift.reshape(at.shape[::-1]).T
            columns.append((self._joint(at + move)[1] - self._joint(at - move)[1]).T.ravel() / (2 * width))
        matrix = np.array(columns)
        return 0.5 * (matrix + matrix.T)

    def _newton(self, near: Array, rounds: int = 40) -> tuple[Array, float]:
        """Damped Newton steps, and the norm of the gradient where they ended."""
        at, (value, gradient) = near, self._value_and_gradient(near)
        for _ in range(rounds):
            curvature = self.curvature(at)
            if curvature is None or np.linalg.norm(gradient) <= 1e-12:
                break
            eigenvalues, vectors = np.linalg.eigh(curvature)
            safe = np.maximum(np.abs(eigenvalues), 1e-9 * np.abs(eigenvalues).max())
            step = (vectors @ ((vectors.T @ gradient.T.ravel()) / safe)).reshape(at.shape[::-1]).T
            size = 1.0
            while size > 1e-6:
                new_value, new_gradient = self._value_and_gradient(at - size * step)
                if new_value <= value:
                    break
                size /= 2
            else:
                break
            moved = float(np.abs(size * step).max()) > 1e-12 * (1.0 + float(np.abs(at).max()))
            at, value, gradient = at - size * step, new_value, new_gradient
            if not moved:
                break
        return at, float(np.linalg.norm(gradient))

    def _value_and_gradient(self, at: Array) -> tuple[float, Array]:
        if self.problem.joint:
            return self._joint(at)
        with np.errstate(all="ignore"):
            found = self.problem.evaluate(at, 1)
        assert found.gradient is not None
        return found.value, found.gradient

    def _simplex(self, near: Array) -> Array | None:
        from scipy.optimize import minimize

        problem = self.problem

        def value(flat: Array) -> float:
            at = flat.reshape(near.shape)
            return self._joint(at)[0] if problem.joint else problem.evaluate(at, 0).value

        found = minimize(value, near.ravel(), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 600 * near.size})
        return np.asarray(found.x, dtype=np.float64).reshape(near.shape) if found.success else None
