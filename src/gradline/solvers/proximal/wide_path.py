"""The lasso's path of squared loss where columns are many and rows few: no product of all columns with all is ever made.

The path is followed exactly (``homotopy``) on a working set of columns, a few strengths at a time. One product of the rows with the
residuals of these strengths then tells of every other column whether it should have entered; those join, and the stretch is followed
again. The set begins each stretch with the columns of steepest gradient, as the strong rules do (Tibshirani et al. 2012, J. R. Statist.
Soc. B 74), but it is the look at all columns that decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array, IntArray
from gradline.penalties.kinked import BoolArray, SparseGroups
from gradline.solvers.proximal.homotopy import lasso_path
from gradline.solvers.proximal.quadratic_model import minimise_model

STRETCH = 5
"""Strengths that are followed before all columns are looked at."""

FEWEST = 200
"""Columns of a working set."""

MOST_LOOKS = 50
"""At all columns, for one stretch."""

SURE = 1e-9
"""Of the strength: what a column's gradient may exceed it by, where the rest is rounding."""


class WidePath(NamedTuple):
    """slopes (m, p), losses, objectives, gaps, gradient_norms and converged (m,). knots: where the support changes, falling, in the unit of
    the strengths; None where a stretch was not followed."""

    slopes: Array
    losses: Array
    objectives: Array
    gaps: Array
    gradient_norms: Array
    converged: BoolArray
    knots: Array | None


@dataclass(frozen=True, eq=False)
class WideRows:
    """columns (n, p), as they are; target (n,); shares (n,): the rows' weights over their sum. scale: of the squared residual. centred:
    whether there is an intercept."""

    columns: Array
    target: Array
    shares: Array
    scale: float
    centred: bool

    @cached_property
    def means(self) -> Array:
        """Of the columns, (p,); zero without an intercept."""
        return self.shares @ self.columns if self.centred else np.zeros(self.columns.shape[1])

    @cached_property
    def level(self) -> float:
        """The target's mean; zero without an intercept."""
        return float(self.shares @ self.target) if self.centred else 0.0

    def gradients(self, residuals: Array) -> Array:
        """(B, p): of the mean loss, at residuals (n, B) whose weighted means are zero where there is an intercept."""
        return np.asarray(-2.0 * self.scale * np.dot((residuals * self.shares[:, None]).T, self.columns))

    def intercepts(self, slopes: Array) -> Array:
        """The best for slopes (m, p), (m,)."""
        return np.asarray(self.level - slopes @ self.means)


class _Chosen:
    """The columns that have been looked at closely: centred, times the roots of the shares, and their products with each other."""

    def __init__(self, rows: WideRows) -> None:
        self.rows, self.root = rows, np.sqrt(rows.shares)
        self.place = np.full(rows.columns.shape[1], -1, dtype=np.int64)
        self.values = np.empty((len(rows.target), 0), order="F")
        self.gram = np.empty((0, 0))
        self.linear = np.empty(0)
        self.target = (rows.target - rows.level) * self.root

    def add(self, columns: IntArray) -> None:
        new = columns[self.place[columns] < 0]
        if not new.size:
            return
        old = self.values.shape[1]
        values = np.asfortranarray((self.rows.columns[:, new] - self.rows.means[new]) * self.root[:, None])
        self.place[new] = old + np.arange(new.size)
        cross, own = self.values.T @ values, values.T @ values
        self.gram = np.block([[self.gram, cross], [cross.T, own]]) * 1.0
        self.values = np.asfortranarray(np.concatenate([self.values, values], axis=1))
        self.linear = np.concatenate([self.linear, -2.0 * self.rows.scale * (values.T @ self.target)])

    def model(self, columns: IntArray) -> tuple[Array, Array]:
        """(curvature, linear) of some of them."""
        at = self.place[columns]
        return 2.0 * self.rows.scale * self.gram[np.ix_(at, at)], self.linear[at]

    def residuals(self, columns: IntArray, slopes: Array) -> Array:
        """(n, B) of slopes (B, c) of some of them."""
        values = self.values[:, self.place[columns]]
        with np.errstate(divide="ignore", invalid="ignore"):
            left = (self.target[:, None] - values @ slopes.T) / self.root[:, None]
        return np.where(self.root[:, None] > 0, left, 0.0)


def wide_path(rows: WideRows, weights: Array, strengths: Array, advance: Callable[[], None]) -> WidePath:
    """The minima with ``t sum weights |b|``, weights (p,) above zero, at strengths t (m,), falling."""
    m, p = len(strengths), rows.columns.shape[1]
    chosen, slopes, gradients = _Chosen(rows), np.zeros((m, p)), np.empty((m, p))
    squares = np.empty(m)
    knots, followed = list[Array](), True
    now, gradient = np.zeros(p), rows.gradients((rows.target - rows.level)[:, None])[0]
    strength, done = np.inf, 0
    while done < m:
        stretch = strengths[done : done + STRETCH]
        wanted = np.abs(gradient) / weights
        size = min(p, max(FEWEST, 2 * int((now != 0).sum())))
        near = np.argpartition(-wanted, size - 1)[:size]
        near = near[wanted[near] >= min(2.0 * stretch[-1] - min(strength, wanted.max()), stretch[-1])]
        working = np.union1d(near, np.flatnonzero(now))
        for look in range(MOST_LOOKS):
            chosen.add(working)
            curvature, linear = chosen.model(working)
            with single_threaded_blas():
                found = lasso_path(curvature, linear, weights[working], stretch, strength, now[working])
            points = found.points
            if found.reached > stretch[-1]:
                followed, points = False, _one_by_one(curvature, linear, weights[working], stretch, now[working])
            residuals = chosen.residuals(working, points)
            there = rows.gradients(residuals)
            outside = np.abs(there) > stretch[:, None] * weights * (1.0 + SURE)
            outside[:, working] = False
            if not outside.any() or look == MOST_LOOKS - 1:
                break
            working = np.union1d(working, np.flatnonzero(outside.any(axis=0)))
        places = slice(done, done + len(stretch))
        slopes[places, working] = points
        gradients[places] = there
        squares[places] = rows.scale * (rows.shares @ np.square(residuals))
        knots.append(found.knots)
        now, gradient, strength = slopes[done + len(stretch) - 1], there[-1], float(stretch[-1])
        done += len(stretch)
        for _ in stretch:
            advance()
    return _certified(slopes, gradients, squares, weights, strengths, np.concatenate(knots) if followed else None)


def _one_by_one(curvature: Array, linear: Array, weights: Array, strengths: Array, start: Array) -> Array:
    """Where the path could not be followed: each strength from the one before."""
    found, x = np.empty((len(strengths), len(linear))), start
    for place, strength in enumerate(strengths):
        part = SparseGroups(strength * weights, np.full(len(weights), -1), np.zeros(0))
        x = minimise_model(curvature, linear, part, x).x
        found[place] = x
    return found


def _certified(slopes: Array, gradients: Array, losses: Array, weights: Array, strengths: Array, knots: Array | None) -> WidePath:
    """With the bound of ``gap``, of all strengths at once."""
    each = strengths[:, None] * weights
    charges = (each * np.abs(slopes)).sum(axis=1)
    objectives = losses + charges
    left = np.where(slopes == 0, np.maximum(np.abs(gradients) - each, 0.0), np.abs(gradients + each * np.sign(slopes)))
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.maximum((np.abs(gradients) / each).max(axis=1) - 1.0, 0.0)
    inner = np.einsum("ij,ij->i", gradients, slopes) + charges
    gaps = np.maximum(inner, 0.0) + objectives * excess
    converged = np.asarray((left <= 100.0 * SURE * each).all(axis=1))
    return WidePath(slopes, losses, objectives, gaps, np.linalg.norm(left, axis=1), converged, knots)
