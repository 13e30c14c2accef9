"""Every row's loss by the fit without it, of any smooth loss and convex penalty.

From a fit, one Newton step by leverage on the kept coefficients leads near the fit without a row (Rad and Maleki 2020, JRSS B 82). On few
rows more steps follow until it is that fit; on many, the step's error is of the order of 1 / n^2. The conditions of the optimum then tell
whether a coefficient would have left zero or come to it; where one would, the fit without the row is made anew.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array, IntArray
from gradline.inference.bread import Bread, RowTerms, compute_bread, forms_of_images, row_terms
from gradline.inference.kinked import RowLoss
from gradline.inference.support import on_support
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import KinkedPenalty, as_kinked
from gradline.rows.altered import AlteredRows
from gradline.rows.block import Block
from gradline.solvers.proximal.newton import ProximalNewton

EXACT_ROWS = 1_000
"""Rows up to which the fit without each is followed to its end."""

AT_ONCE = 200_000
"""Rows times fits whose losses are worked out together."""

STEPS, NEAR = 40, 1e-9


@dataclass(frozen=True, eq=False)
class _OneLess:
    """Blocks in which one row has one copy less."""

    row: int

    def block(self, block: Block) -> Block:
        counts = np.ones(block.n_rows) if block.frequencies is None else block.frequencies.copy()
        place = self.row - block.first_row
        if 0 <= place < block.n_rows:
            counts[place] -= 1.0
        return replace(block, frequencies=counts)


def one_step_is_exact(problem: Problem, penalty: KinkedPenalty) -> bool:
    """Whether the objective is quadratic as long as the same coefficients are kept."""
    return problem.loss.squared_scale() is not None and penalty.absolute is not None and penalty.rest_is_quadratic


def losses_left_out(problem: Problem, coefficients: Array, penalty: KinkedPenalty) -> tuple[Array, Array, int]:
    """(loss of each row by the fit without it (n,), its weight (n,), how many fits were made anew), at coefficients (P, k) of the fit."""
    block = problem.rows.in_memory()
    if block is None:
        raise ArgumentError(
            f'choose="leave-one-out" of the loss {problem.loss.name!r} needs the rows in memory, and these are read anew at each pass: use'
            ' choose="folds"'
        )
    return _Fit(replace(problem, penalty=penalty), block, coefficients).losses()


class _Fit:
    """One fit, and those without a row each."""

    def __init__(self, problem: Problem, block: Block, coefficients: Array) -> None:
        penalty = as_kinked(problem.penalty)
        assert penalty is not None
        self.problem, self.block, self.penalty, self.at = problem, block, penalty, coefficients
        self.first, self.shape = int(problem.rows.intercept), problem.shape
        self.smaller = on_support(problem, coefficients)
        self.loss = RowLoss(problem.loss)
        self.design = block.design.dense()
        weights = block.row_weights
        self.weights = np.ones(block.n_rows) if weights is None else weights
        self.total = float(self.weights.sum())
        self.precision = block.precision

    def losses(self) -> tuple[Array, Array, int]:
        problem, n = self.problem, self.block.n_rows
        bread = compute_bread(self.smaller, self.at, self.smaller.free, self.loss)
        terms = row_terms(self.loss, self.at, self.block)
        plain = replace(problem, penalty=None).evaluate(self.at, 2)
        assert plain.gradient is not None
        assert plain.curvature is not None
        self.gradient, self.curvature = self.total * plain.gradient, self.total * plain.curvature
        exact = n <= EXACT_ROWS and not one_step_is_exact(problem, self.penalty)
        found, again, used = np.zeros(n), list[int](), np.flatnonzero(self.weights > 0)
        size = max(1, AT_ONCE // n) if exact else 4096
        for start in range(0, len(used), size):
            rows = used[start : start + size]
            points, sure = self._without(rows, bread, terms, exact)
            found[rows] = self._own_losses(rows, points)
            again += rows[~sure].tolist()
        curvature = None
        for row in again:
            found[row], curvature = self._anew(row, curvature)
        return found, self.weights, len(again)

    def _without(self, rows: IntArray, bread: Bread, terms: RowTerms, exact: bool) -> tuple[Array, np.ndarray]:
        """(coefficients without each row (c, P, k), whether they are sure to be those of the fit)."""
        size, k = self.shape
        images = [self.design[rows] @ root for root in bread.roots]
        forms, hessian = forms_of_images(images), terms.curvature[rows]
        stacked = np.stack(images, axis=1)
        left = np.eye(k) - hessian @ forms
        sound = np.abs(np.linalg.det(left)) > NEAR
        left[~sound] = np.eye(k)
        root = bread.root

        def points(theta: Array) -> Array:
            """From whitened steps (c, d)."""
            return self.at + (theta @ root.T).reshape(len(rows), k, size).transpose(0, 2, 1)

        theta = np.einsum("cad,ca->cd", stacked, np.linalg.solve(left, terms.score[rows][:, :, None])[:, :, 0])
        sure = sound.copy()
        for _ in range(STEPS if exact else 0):
            found = points(theta)
            gradient = self._gradients(rows, found) + self._penalty_slopes(found)
            residual = gradient.transpose(0, 2, 1).reshape(len(rows), -1) @ root
            # (A - w Z'HZ)^-1 = R (1 + Y' (1 - w H Q)^-1 w H Y) R', Y = Z R.
            along = np.linalg.solve(left, hessian @ np.einsum("cad,cd->ca", stacked, residual)[:, :, None])[:, :, 0]
            step = residual + np.einsum("cad,ca->cd", stacked, along)
            theta = theta - step
            length = np.linalg.norm(theta, axis=1)
            sure = sound & np.isfinite(length) & (np.linalg.norm(step, axis=1) <= 1e-11 * length + 1e-300)
            theta = np.where(np.isfinite(theta), theta, 0.0)
            if (sure | ~sound).all():
                break
        found = points(theta)
        if exact:
            gradient = self._gradients(rows, found)
        else:
            change = (found - self.at).transpose(0, 2, 1).reshape(len(rows), -1)
            gradient = self.gradient + (change @ self.curvature).reshape(len(rows), k, size).transpose(0, 2, 1)
            own = self._own_scores(rows, found)
            gradient = gradient - self.design[rows][:, :, None] * own[:, None, :]
        return found, sure & self._keeps(found, gradient)

    def _gradients(self, rows: IntArray, points: Array) -> Array:
        """Of the summed loss without one copy of each row, at its own point: (c, P, k)."""
        c, (size, k), n = len(rows), self.shape, self.block.n_rows
        predictors = (self.design @ points.transpose(1, 0, 2).reshape(size, c * k)).reshape(n, c, k)
        if self.block.offset is not None:
            predictors += self.block.offset[:, None, :]
        targets = np.repeat(self.block.targets, c, axis=0)
        with np.errstate(all="ignore"):
            gradient = self.problem.loss.derivatives(targets, predictors.reshape(n * c, k), 1).gradient
        assert gradient is not None
        weighted = self.weights[:, None, None] * gradient.reshape(n, c, k)
        weighted[self.weights == 0] = 0.0
        weighted[rows, np.arange(c)] *= ((self.weights - self.precision) / np.where(self.weights > 0, self.weights, 1.0))[rows, None]
        return np.asarray((self.design.T @ weighted.reshape(n, c * k)).reshape(size, c, k).transpose(1, 0, 2))

    def _own(self, rows: IntArray, points: Array, order: int) -> tuple[Array, Array | None]:
        predictors = np.einsum("cp,cpk->ck", self.design[rows], points)
        if self.block.offset is not None:
            predictors = predictors + self.block.offset[rows]
        with np.errstate(all="ignore"):
            found = self.problem.loss.derivatives(self.block.targets[rows], predictors, order)
        return found.value, found.gradient

    def _own_losses(self, rows: IntArray, points: Array) -> Array:
        return self._own(rows, points, 0)[0]

    def _own_scores(self, rows: IntArray, points: Array) -> Array:
        gradient = self._own(rows, points, 1)[1]
        assert gradient is not None
        return self.precision[rows, None] * gradient

    def _penalty_slopes(self, points: Array) -> Array:
        """The penalty's gradient on the support, (c, P, k), as a sum over rows."""
        found, penalty = np.zeros(points.shape), self.smaller.penalty
        for i, point in enumerate(points):
            found[i, self.first :] = penalty.gradient(point[self.first :])  # type: ignore[union-attr]
        return self.total * found

    def _keeps(self, points: Array, gradient: Array) -> np.ndarray:
        """Whether the conditions of the optimum hold at coefficients (c, P, k) for those that the support leaves at zero. gradient: of
        the summed loss."""
        first, penalty, movable = self.first, self.penalty, self.problem.movable[self.first :].T.ravel()
        here = self.at[first:].T.ravel() * penalty.scales
        part, support = penalty.part, penalty.part.support(here)
        fixed = support & ~part.passes_zero(here)
        kept = np.ones(len(points), dtype=np.bool_)
        for i, point in enumerate(points):
            slopes = point[first:]
            x = slopes.T.ravel() * penalty.scales
            whole = gradient[i, first:] / self.total
            if penalty.smooth_part is not None:
                whole = whole + penalty.smooth_part.gradient(slopes)
            slope = whole.T.ravel() / penalty.scales
            outside = part.violation(x, slope)[~support & movable]
            size = float(np.abs(slope).max(initial=0.0))
            same = (part.support(x) == support).all() and (np.sign(x[fixed]) == np.sign(here[fixed])).all()
            kept[i] = same and not (np.abs(outside) > NEAR * size).any()
        return kept

    def _anew(self, row: int, curvature: Array | None) -> tuple[float, Array | None]:
        rows = AlteredRows(self.problem.rows, _OneLess(self.block.first_row + row), self.shape[0], self.problem.rows.n_targets)
        penalty = self.penalty.whole_times(self.total / (self.total - self.precision[row]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            solution = ProximalNewton().solve_from(replace(self.problem, rows=rows, penalty=penalty), self.at, curvature)
        return float(self._own_losses(np.array([row]), solution.coefficients[None])[0]), solution.curvature
