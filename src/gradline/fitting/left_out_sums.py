"""Every row's loss by the fit without it, of squared loss and a lasso or elastic net: from sums, and one pass over the rows.

Around a fit the kept slopes are those of a ridge, whose fit without a row follows from leverage (Allen 1974). That holds as long as no
slope leaves zero or comes to it, which the conditions of the optimum tell of each row. Of the few rows for which they fail, the fit without
the row is made anew, from the sums without it. The total penalty, W times the strength, stays as it is when a row is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from gradline.base.types import Array, IntArray
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.rows.block import Block
from gradline.rows.folds import picked
from gradline.rows.kernel import Kernel
from gradline.solvers.least_squares.second_moments import MomentsKernel, SecondMoments
from gradline.solvers.proximal.moments_model import MomentsModel

NEAR = 1e-9
"""Of a bound: gradients of slopes at zero that come so near to it are looked at anew, as are leverages of one."""


@dataclass(frozen=True)
class _Strength:
    """One fit: places of the kept and idle slopes; inverse: of the curvature of the kept ones; onto (idle, kept): how a step of these
    moves the gradient of the idle ones, through the inverse; gradient and bound (idle,). signs (kept,): zero where a slope may go through
    zero."""

    kept: IntArray
    idle: IntArray
    inverse: Array
    onto: Array
    slopes: Array
    signs: Array
    gradient: Array
    bound: Array


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Sums over rows at m strengths: weight, and of rows of positive weight how many copies; losses and squares (m,), weighted. again: the
    strengths and rows of which fits are to be made anew."""

    weight: float
    copies: float
    losses: Array
    squares: Array
    again: tuple[tuple[IntArray, Block], ...] = ()

    def __add__(self, other: LeftOut) -> LeftOut:
        return LeftOut(
            self.weight + other.weight,
            self.copies + other.copies,
            self.losses + other.losses,
            self.squares + other.squares,
            self.again + other.again,
        )


def from_sums(
    problem: Problem, coefficients: Array, penalties: Sequence[KinkedPenalty], advance: Callable[[], None]
) -> tuple[LeftOut, int]:
    """What is left out at coefficients (m, P, 1), and how many fits were made anew."""
    scale, first = problem.loss.squared_scale(), int(problem.rows.intercept)
    assert scale is not None
    moments = problem.rows.reduce(MomentsKernel()).sums
    p, weight = len(moments.shift) - 1, moments.weight
    unit = np.ldexp(1.0, moments.exponents)
    total = moments.centred() * np.outer(unit, unit)
    if not first:
        total = total + weight * np.outer(moments.means, moments.means)
    gram, cross = total[:p, :p], total[:p, p]
    strengths = [
        _strength(2.0 * scale * gram, 2.0 * scale * cross, weight, slopes[first:], penalty)
        for slopes, penalty in zip(coefficients, penalties, strict=True)
    ]
    kernel = _Kernel(coefficients[:, :, 0], tuple(strengths), moments.means[:p] * first, weight, scale, first)
    found: LeftOut = problem.rows.reduce(kernel)
    again, losses, squares = 0, found.losses.copy(), found.squares.copy()
    models = dict[int, MomentsModel]()
    for places, block in found.again:
        for row in range(block.n_rows):
            one = picked(block, np.array([row]))
            counts, precision = _counts(one)
            number = int(one.row_numbers[0])
            if number not in models:
                # One row changes what is kept at several strengths.
                models[number] = MomentsModel(_without(moments, replace(one, frequencies=np.ones(1))), 1, bool(first), scale)
            model = models[number]
            t = int(places[row])
            anew = model.solve(penalties[t].whole_times(weight / (weight - precision)), coefficients[t, first:])
            loss = scale * float(np.square(one.targets - one.linear_predictors(anew.coefficients))[0, 0])
            losses[t] += counts * precision * loss
            squares[t] += counts * precision * loss**2
            again += 1
    for _ in penalties:
        advance()
    return replace(found, losses=losses, squares=squares, again=()), again


def _without(moments: SecondMoments, single: Block) -> SecondMoments:
    """The sums without a row, one of n: this takes no digits away that matter."""
    return moments - MomentsKernel().map(single).sums


def _counts(one: Block) -> tuple[float, float]:
    """(frequency, weight of a copy) of a row."""
    counts = 1.0 if one.frequencies is None else float(one.frequencies[0])
    return counts, 1.0 if one.weights is None else float(one.weights[0])


def _strength(gram: Array, cross: Array, weight: float, slopes: Array, penalty: KinkedPenalty) -> _Strength:
    curvature, gradient, l1 = gram, gram @ slopes[:, 0] - cross, penalty.absolute
    assert l1 is not None
    if penalty.smooth_part is not None:
        bend = penalty.smooth_part.curvature(slopes)
        curvature = curvature + weight * (np.diag(bend[:, 0]) if bend.shape == slopes.shape else bend)
        gradient = gradient + weight * penalty.smooth_part.gradient(slopes)[:, 0]
    support = penalty.support(slopes)[:, 0]
    kept, idle = np.flatnonzero(support), np.flatnonzero(~support)
    factor = cho_factor(curvature[np.ix_(kept, kept)]) if kept.size else None
    inverse = np.zeros((0, 0)) if factor is None else cho_solve(factor, np.eye(len(kept)))
    signs = np.where(l1[kept] > 0, np.sign(slopes[kept, 0]), 0.0)
    onto = curvature[np.ix_(idle, kept)] @ inverse
    return _Strength(kept, idle, inverse, onto, slopes[kept, 0], signs, gradient[idle], weight * l1[idle] * (1.0 - NEAR))


@dataclass(frozen=True, eq=False)
class _Kernel(Kernel[LeftOut]):
    """coefficients (m, P). means (p,): what columns are taken about. weight: of all rows. scale: c."""

    coefficients: Array
    strengths: tuple[_Strength, ...]
    means: Array
    weight: float
    scale: float
    intercept: int

    def map(self, block: Block) -> LeftOut:
        weights = block.row_weights
        if weights is not None and not (weights > 0).all():
            block = picked(block, np.flatnonzero(weights > 0))
            weights = block.row_weights
        n = block.n_rows
        weights = np.ones(n) if weights is None else weights
        precision = block.precision
        copies = float(n if block.frequencies is None else block.frequencies.sum())
        columns = block.design.dense()[:, self.intercept :] - self.means
        residuals = block.targets - block.linear_predictors(np.ascontiguousarray(self.coefficients.T))
        losses, squares = np.zeros(len(self.strengths)), np.zeros(len(self.strengths))
        again: list[Any] = []
        for t, one in enumerate(self.strengths):
            kept = columns[:, one.kept]
            moved = kept @ one.inverse
            unit = 2.0 * self.scale * precision
            leverage = np.einsum("ij,ij->i", moved, kept) * unit
            if self.intercept:
                leverage += precision / self.weight
            left = 1.0 - leverage
            safe = np.where(left > NEAR, left, 1.0)
            out = residuals[:, t] / safe
            pull = unit * out
            changed = one.slopes - moved * pull[:, None]
            gradient = one.gradient + pull[:, None] * (columns[:, one.idle] - kept @ one.onto.T)
            same = (left > NEAR) & (changed * one.signs >= 0).all(axis=1) & (np.abs(gradient) <= one.bound).all(axis=1)
            loss = self.scale * np.square(out)
            counted = weights * same
            losses[t], squares[t] = counted @ loss, counted @ np.square(loss)
            other = np.flatnonzero(~same)
            if other.size:
                again.append((np.full(len(other), t), picked(block, other)))
        return LeftOut(float(weights.sum()), copies, losses, squares, tuple(again))

    def merge(self, first: LeftOut, second: LeftOut) -> LeftOut:
        return first + second
