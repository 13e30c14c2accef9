"""From a start to the certified vertex of one target: sample, passes, the rows nearest a kink, pivots, and the check of all rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.rows.block import Block
from gradline.rows.protocol import Rows
from gradline.solvers.kinks.passes import Check, CheckKernel, OneTarget, SmoothKernel, SurveyKernel
from gradline.solvers.kinks.pieces import PieceArray, Pieces
from gradline.solvers.kinks.subproblem import Subproblem, descend, supported_step
from gradline.solvers.kinks.vertex import Basis, Simplex, Vertex, first_basis, solve_active, spanned
from gradline.solvers.kinks.whitening import HELD_NUMBERS, Sample, Whitening

ROUNDS = 60
"""Rounds of pivoting and checking all rows at most; a handful is usual."""

MOST_PASSES = 8
"""Passes of smoothed Newton over all rows at most."""

JITTER = 1e-6
"""First jitter against ties, relative to the spread of the residuals; a thousandth of it each time it is seen in the optimum."""

_NONE = np.empty(0, dtype=np.int64)


class Found(NamedTuple):
    """coefficients (P,); converged; excess: how far the objective may be above its optimum, relative to it; violation and unique: see
    Vertex; value: the weighted sum of the loss by its pieces; pivots; active: rows that pivoting looked at; reason: why it stopped."""

    coefficients: Array
    converged: bool
    excess: float
    violation: float
    unique: bool
    value: float
    pivots: int
    active: int
    reason: str


@dataclass
class VertexSearch:
    """The search for one target.

    Held rows enter by their loss, all others by the line they were on at ``reference``; basis_numbers are the rows of the basis.
    """

    rows: Rows
    whitening: Whitening
    sample: Sample
    column: OneTarget
    total_weight: float
    point: Array = field(init=False)
    reference: Array = field(init=False)
    width: float = 0.0
    reach: float = 0.0
    passes: int = 0
    pivots: int = 0
    wanted: int = 0
    extra: int = 0
    held: Subproblem | None = None
    basis: Basis | None = None
    basis_numbers: IntArray = field(default_factory=lambda: _NONE)

    def run(self, point: Array) -> Found:
        """From a point (K,) to the vertex."""
        if not len(point):
            return self._nothing_to_fit()
        self._measure(point)
        self._approach(point)
        if self.width <= self.floor:
            self._part_ties(self.point)
        for _ in range(ROUNDS):
            if self.held is None:
                self._hold()
            assert self.held is not None
            if self.basis is None:
                self.basis = first_basis(self.held, self.pieces, self.point, self.width)
            if self.basis is None:
                direction = spanned(self.held)
                if direction is None or not self._extend(direction):
                    return self._stop(None, "the rows do not determine the coefficients")
                continue
            vertex = Simplex(self.held, self.pieces, self.basis, self.total_weight).run(1000 + 50 * len(self.point))
            self.pivots += vertex.pivots
            self.basis, self.point = vertex.basis, vertex.point
            self.basis_numbers = self.held.numbers[vertex.basis.places]
            if vertex.status == "optimal":
                found = self._judge(vertex)
                if found is not None:
                    return found
            elif vertex.status == "unbounded":
                assert vertex.edge is not None
                if not self._extend(vertex.edge):
                    return self._stop(vertex, "the objective falls without end")
            else:
                self._part_ties(vertex.point)
        return self._stop(vertex, f"{ROUNDS} rounds of pivoting left rows on the wrong side of a kink")

    @property
    def pieces(self) -> Pieces:
        return self.column.pieces

    @property
    def _most(self) -> int:
        """Rows that may be held."""
        return max(HELD_NUMBERS // len(self.point), 20 * len(self.point))

    def _measure(self, point: Array) -> None:
        """The scale of residuals and targets: what jitter, the least window and rounding are measured by."""
        self.point = self.reference = point
        targets = self.column.targets(self.sample.block, self.sample.numbers)
        distance = self.pieces.distance(self._sample_residuals(point))
        largest = float(np.abs(targets).max(initial=0.0)) + float(np.abs(self.pieces.kinks).max())
        self.spread = max(float(np.median(distance)), 1e-3 * float(distance.mean()), 1e-5 * largest) or 1.0
        self.size = float(np.median(np.abs(targets))) + float(np.abs(self.pieces.kinks).max())
        self.floor = 1e-12 * self.spread
        self.extra = 5 * len(point) + 50

    def _sample_residuals(self, point: Array) -> Array:
        predictors = self.sample.block.design.predict(self.whitening.coefficients(point)[:, None])[:, 0]
        return self.column.targets(self.sample.block, self.sample.numbers) - predictors

    def _rounding(self, coefficients: Array) -> float:
        """What rounding may do to a typical residual: the terms of a linear predictor may be far larger than their sum."""
        columns = np.linalg.norm(self.whitening.triangle, axis=0)
        return 4e-15 * (self.size + float(np.abs(coefficients[self.whitening.kept]) @ columns))

    def _approach(self, point: Array) -> None:
        """Smoothing on the sample, then on all rows; pivoting starts afresh from there."""
        size = len(point)
        held = self._held(self.sample.block, self.sample.numbers, np.zeros(len(self.sample.numbers), dtype=np.int16), np.zeros(size))
        # A sample's optimum is uncertain by more than a narrow window holds.
        last = 6.0 if self.sample.complete else max(10.0, 0.02 * held.n_rows / size)
        self.point, self.width = descend(held, self.pieces, point, last, self.floor)
        if not self.sample.complete:
            self._full_passes(held)
        self.held, self.basis, self.basis_numbers = None, None, _NONE
        self.wanted = int(min(self.rows.n_rows, max(10 * size, 400), self._most))

    def _full_passes(self, sample: Subproblem) -> None:
        """Smoothed Newton steps over all rows, with a window that holds a few times as many rows as curvature needs."""
        n, size, point = self.rows.n_rows, len(self.point), self.point
        count = max(int(min(0.2, max(0.02, 60.0 * size / n)) * sample.n_rows), 10)
        width = max(float(np.partition(self.pieces.distance(sample.residuals(point)), count)[count]), self.width)
        best, flattest, step, failed = np.inf, np.inf, np.zeros(size), 0
        for done in range(MOST_PASSES if width > self.floor else 0):
            sums = self.rows.reduce(SmoothKernel(self.column, self.whitening.coefficients(point), width))
            self.passes += 1
            gradient = self.whitening.adjoint(sums.gradient)
            slope = float(np.linalg.norm(gradient))
            level = 1e-10 * abs(sums.value)
            # Where outliers make the objective too large to tell, the gradient does.
            if sums.value > best + level or (sums.value > best - level and slope > flattest):
                step, failed = 0.25 * step, failed + 1
                point = point - 3.0 * step
                if failed == 2:
                    break
                continue
            best, flattest, failed = sums.value, slope, 0
            step = supported_step(self.whitening.gram(sums.curvature), gradient)
            point = point + step
            if np.linalg.norm(step) < (0.1 if done > 1 else 0.02) * width:
                break
        self.point, self.width = point, width

    def _held(self, block: Block, numbers: IntArray, piece: PieceArray, outside_gradient: Array) -> Subproblem:
        """A block's rows of positive weight, whitened."""
        weights = block.row_weights
        targets, values = self.column.targets(block, numbers), self.whitening.values(block)
        if weights is None:
            return Subproblem(values, targets, np.ones(len(targets)), numbers, piece, outside_gradient)
        kept = weights > 0
        return Subproblem(values[kept], targets[kept], weights[kept], numbers[kept], piece[kept], outside_gradient)

    def _hold(self) -> None:
        """Hold the rows nearest a kink at the present point, and go on from there."""
        self.reference = self.point
        self.held = self._survey()
        if self.basis is None:
            point, width = descend(self.held, self.pieces, self.reference, 1.0, self.floor)
            # These rows alone may have no lowest point.
            if np.linalg.norm(point - self.reference) <= 100.0 * max(self.reach, self.width):
                self.point, self.width = point, width
            return
        order = np.argsort(self.held.numbers, kind="stable")
        places = order[np.searchsorted(self.held.numbers[order], self.basis_numbers)]
        self.basis = Basis(places, self.basis.kinks)

    def _survey(self) -> Subproblem:
        """The ``wanted`` rows nearest a kink at the reference, with those of the basis; and the pull of all others."""
        n, wanted, scale = self.rows.n_rows, self.wanted, self.total_weight / self.rows.n_rows * float(self.pieces.jumps.min())
        distance = np.sort(self.pieces.distance(self._sample_residuals(self.reference)))
        place = min(int(1.3 * wanted * len(distance) / n) + 5, len(distance) - 1)
        reach = np.inf if wanted >= n else max(float(distance[place]), self.floor)
        coefficients = self.whitening.coefficients(self.reference)
        while True:
            survey = self.rows.reduce(SurveyKernel(self.column, coefficients, reach, self._most))
            self.passes += 1
            numbers, piece, distance = survey.near.joined()
            # What is left of the gradient has to be made up by rows that change sides, a few of those held.
            imbalance = float(np.linalg.norm(self.whitening.adjoint(survey.outside_gradient))) / scale
            wanted = int(min(max(wanted, 4.0 * imbalance), self._most, n))
            if numbers.size >= wanted or reach > 1e12 * self.spread:
                break
            reach *= max(2.0 * wanted / max(numbers.size, 1), 3.0)
        self.reach = reach
        if numbers.size > wanted:
            nearest = np.argpartition(distance, wanted)[:wanted]
            nearest = np.union1d(nearest, np.flatnonzero(np.isin(numbers, self.basis_numbers)))
            numbers, piece = numbers[nearest], piece[nearest]
        missing = np.setdiff1d(self.basis_numbers, numbers)
        if missing.size:
            # Far from a kink at this point, so that rounding does not decide their piece.
            block = self.rows.take(missing)
            residuals = self.column.targets(block, missing) - block.design.predict(coefficients[:, None])[:, 0]
            numbers, piece = np.concatenate([numbers, missing]), np.concatenate([piece, self.pieces.piece(residuals)])
        held = self._held(self.rows.take(numbers), numbers, piece, self.whitening.adjoint(survey.outside_gradient))
        if held.n_rows >= n:
            return replace(held, outside_gradient=np.zeros(len(self.point)))
        return replace(held, outside_gradient=held.outside_gradient - held.values.T @ (held.weights * self.pieces.slopes[held.piece]))

    def _join(self, numbers: IntArray, piece: PieceArray) -> None:
        """Hold these rows too."""
        assert self.held is not None
        self.held = self.held.joined(self._held(self.rows.take(numbers), numbers, piece, np.zeros(len(self.point))), self.pieces)

    def _extend(self, direction: Array) -> bool:
        """Hold more rows that move along a direction (K,) which the held rows do not bound; False where there are none."""
        assert self.held is not None
        along = self.whitening.coefficients(direction / np.linalg.norm(direction))
        most = self.extra + self.held.n_rows
        survey = self.rows.reduce(SurveyKernel(self.column, self.whitening.coefficients(self.reference), -1.0, most, along))
        self.passes += 1
        numbers, piece, distance = survey.near.joined()
        new = ~np.isin(numbers, self.held.numbers)
        numbers, piece, distance = numbers[new], piece[new], distance[new]
        if numbers.size > self.extra:
            nearest = np.argpartition(distance, self.extra)[: self.extra]
            numbers, piece = numbers[nearest], piece[nearest]
        self.extra *= 4
        if numbers.size:
            self._join(numbers, piece)
        return bool(numbers.size)

    def _part_ties(self, point: Array) -> None:
        """Start again from a point with ties parted by a jitter; by a larger one where that was done before."""
        self.column = replace(self.column, jitter=30.0 * self.column.jitter or JITTER * self.spread)
        self._approach(point)

    def _judge(self, vertex: Vertex) -> Found | None:
        """Check all rows at the vertex of the held ones: the result, or None with rows that changed sides held too."""
        assert self.held is not None
        coefficients = self._coefficients(vertex.basis, self.column.jitter)
        check = self._check(coefficients, self.column)
        numbers, piece, _ = check.flipped.joined()
        if numbers.size:
            if numbers.size > max(self.held.n_rows, 1000) and self.held.n_rows < self._most:
                # The reference is too far off: take a new one, and more rows.
                self.wanted, self.held = min(4 * self.wanted, self._most), None
            else:
                self._join(numbers, piece)
            return None
        if not self.column.jitter:
            return self._finish(vertex, coefficients, 0.0, check.value)
        exact = replace(self.column, jitter=0.0)
        coefficients = self._coefficients(vertex.basis, 0.0)
        check = self._check(coefficients, exact)
        excess = check.excess + self._held_excess(vertex, coefficients, exact)
        allowed = 1e-13 * abs(check.value) + 1e-3 * self._least_objective(coefficients)
        if excess <= allowed or self.column.jitter < 1e-12 * self.spread:
            return self._finish(vertex, coefficients, excess, check.value)
        self.column = replace(self.column, jitter=1e-3 * self.column.jitter)
        self.point, self.held = self.whitening.point(coefficients), None
        return None

    def _coefficients(self, basis: Basis, jitter: float) -> Array:
        """Those of the vertex, (P,), from the design's own columns."""
        block = self.rows.take(self.basis_numbers)
        targets = replace(self.column, jitter=jitter).targets(replace(block, offset=None), self.basis_numbers)
        return solve_active(block, targets, self.whitening.kept, self.column.target, self.pieces.kinks[basis.kinks])

    def _check(self, coefficients: Array, final: OneTarget) -> Check:
        assert self.held is not None
        reference, active = self.whitening.coefficients(self.reference), np.sort(self.held.numbers)
        self.passes += 1
        rounding = self._rounding(coefficients)
        return self.rows.reduce(CheckKernel(self.column, reference, coefficients, active, final, rounding, self._most))

    def _held_excess(self, vertex: Vertex, coefficients: Array, final: OneTarget) -> float:
        """How far the held rows lie above the lines the multipliers stand for."""
        assert self.held is not None
        block = self.rows.take(self.held.numbers)
        predictors = block.design.predict(coefficients[:, None])[:, 0]
        targets = final.targets(block, self.held.numbers)
        slack = self._rounding(coefficients) + 1e-14 * (np.abs(targets) + np.abs(predictors))
        excess = self.pieces.excess(targets - predictors, vertex.piece, slack)
        excess[vertex.basis.places] = 0.0
        return float(self.held.weights @ excess)

    def _least_objective(self, coefficients: Array) -> float:
        """An objective that is zero but for rounding."""
        return self.total_weight * self.pieces.steepest * self._rounding(coefficients)

    def _finish(self, vertex: Vertex, coefficients: Array, excess: float, value: float) -> Found:
        assert self.held is not None
        share = excess / max(abs(value), self._least_objective(coefficients)) if excess else 0.0
        reason = "no row is on the wrong side of a kink, and every multiplier lies between the slopes of its kink"
        return Found(coefficients, share < 1e-9, share, vertex.violation, vertex.unique, value, self.pivots, self.held.n_rows, reason)

    def _nothing_to_fit(self) -> Found:
        """Every column is aliased: zeros are all there is."""
        zeros = np.zeros(self.whitening.n_columns)
        check = self.rows.reduce(CheckKernel(self.column, zeros, zeros, _NONE, self.column, 0.0, 1))
        return Found(zeros, True, 0.0, 0.0, True, check.value, 0, 0, "no column is left to fit")

    def _stop(self, vertex: Vertex | None, reason: str) -> Found:
        """Where the search has got to, not certified."""
        held = 0 if self.held is None else self.held.n_rows
        if vertex is None:
            return Found(self.whitening.coefficients(self.point), False, np.inf, np.inf, True, np.nan, self.pivots, held, reason)
        coefficients = self._coefficients(vertex.basis, 0.0)
        return Found(coefficients, False, np.inf, vertex.violation, True, np.nan, self.pivots, held, reason)
