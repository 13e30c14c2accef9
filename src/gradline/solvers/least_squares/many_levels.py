"""Squared loss with a category of very many levels: the levels are eliminated one by one, and never become columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradline.base.types import Array
from gradline.design.stacked import StackedDesign
from gradline.linalg.bordered import BorderedGram
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.refusing import moves_every_coefficient, needs_codes, smooth_and_free

if TYPE_CHECKING:
    from gradline.objective.objective import Problem

MOST_CORRECTIONS = 4
"""Passes that take what rounding has left over of the gradient back out of the coefficients."""

ENOUGH = 1e-12
"""A correction below this share of the coefficients is rounding."""


@dataclass(frozen=True)
class ManyLevels:
    """Least squares of one target on a design that keeps a categorical as codes, with a ridge if the problem has one."""

    def refuses(self, problem: Problem) -> str | None:
        """Rows without codes, several targets, another loss, a penalty that is not a ridge, constraints, coefficients that are not free."""
        scale = problem.loss.squared_scale()
        if scale is None or not scale > 0 or problem.rows.n_targets != 1:
            return f"ManyLevels solves squared loss of one target only, and the loss is {problem.loss.name}; use gl.Newton()"
        if problem.ridge_strength is None:
            assert problem.penalty is not None
            return f"ManyLevels takes a ridge penalty or none, and the penalty is {problem.penalty.name}; use gl.Newton()"
        return smooth_and_free(self, problem) or needs_codes(self, problem) or moves_every_coefficient(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """The minimum: one pass of sums, then passes of residuals whose gradient corrects the coefficients. ``start`` is not needed."""
        rows, scale = problem.rows, problem.loss.squared_scale()
        assert scale is not None
        sums = rows.reduce(LevelSumsKernel())
        gram, first = sums.gram, int(rows.intercept)
        ridge = np.zeros((rows.n_columns, 1))
        if problem.ridge_strength:
            # The penalty's curvature beside that of c sum w (y - x'b)^2 / sum w, whose half is c X'WX / sum w.
            ridge[first:] = problem.ridge_strength * sums.weight / (2.0 * scale)
            gram = gram.plus_diagonal(ridge)
        factor = gram.factor()
        coefficients, passes, change = gram.solve(sums.right, factor), 1, np.inf
        size = np.sqrt(np.maximum(gram.diagonal_entries(), 1e-300))
        while True:
            left = rows.reduce(_LeftKernel(coefficients))
            passes += 1
            gradient = left.right - ridge * coefficients
            correction = gram.solve(gradient, factor)
            # In units in which every column has the length one.
            length = float(np.linalg.norm(size * coefficients)) or 1.0
            before, change = change, float(np.linalg.norm(size * correction)) / length
            if change <= ENOUGH or change > 0.5 * before or passes > MOST_CORRECTIONS:
                break
            coefficients = coefficients + correction
        converged = change <= 1e-8
        loss = scale * left.squares / left.weight + problem.penalty_terms(coefficients, 0).value
        certificate = Certificate(
            converged,
            2.0 * scale * float(np.linalg.norm(gradient)) / left.weight,
            f"what a further correction would change is {change:.1e} of the coefficients",
            "" if converged else "the columns are too nearly dependent for doubles: leave one out, or centre and scale them",
        )
        return Solution(coefficients, loss, "least_squares", certificate, passes, aliased=gram.aliased(factor))


class LevelSums(NamedTuple):
    """What one pass sums up. plain: whether the levels kept apart are ones, rather than slopes."""

    weight: float
    gram: BorderedGram
    right: Array
    plain: bool


@dataclass(frozen=True)
class LevelSumsKernel(Kernel[LevelSums]):
    """sum w, X'WX and X'W(y - offset)."""

    def map(self, block: Block) -> LevelSums:
        weights, targets = _weights_and_targets(block)
        assert isinstance(block.design, StackedDesign)
        gram = block.design.gram_blocks(None if block.row_weights is None else weights[:, None, None])
        plain = all(part.values is None for part in block.design.categorical)
        return LevelSums(float(weights.sum()), gram, block.design.adjoint(weights[:, None] * targets), plain)

    def merge(self, first: LevelSums, second: LevelSums) -> LevelSums:
        gram = first.gram
        gram += second.gram
        return LevelSums(first.weight + second.weight, gram, first.right + second.right, first.plain)


class _Left(NamedTuple):
    weight: float
    squares: float
    right: Array


@dataclass(frozen=True)
class _LeftKernel(Kernel[_Left]):
    """sum w, the weighted squares of the residuals, and X'W times the residuals."""

    coefficients: Array

    def map(self, block: Block) -> _Left:
        weights, targets = _weights_and_targets(block)
        residuals = targets - block.design.predict(self.coefficients)
        residuals[weights == 0] = 0.0
        weighted = weights[:, None] * residuals
        return _Left(float(weights.sum()), float(np.einsum("ij,ij->", weighted, residuals)), block.design.adjoint(weighted))

    def merge(self, first: _Left, second: _Left) -> _Left:
        return _Left(first.weight + second.weight, first.squares + second.squares, first.right + second.right)


def _weights_and_targets(block: Block) -> tuple[Array, Array]:
    """(m,) and (m, 1); nothing is left of the target of a row of weight zero."""
    weights = block.weight_of_each_row
    targets = block.targets if block.offset is None else block.targets - block.offset[:, : block.targets.shape[1]]
    return weights, np.where(weights[:, None] > 0, targets, 0.0)
