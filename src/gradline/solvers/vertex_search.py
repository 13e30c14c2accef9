"""From a start to the certified vertex of one target: sample, passes, the rows nearest a kink, pivots, and the check of all rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradline.rows.block import Block, Rows
from gradline.solvers.active_equations import solve_active
from gradline.solvers.held_rows import HeldRows, descend, newton_step
from gradline.solvers.kink_passes import CheckKernel, Column, Near, SmoothKernel, SurveyKernel
from gradline.solvers.pieces import Pieces
from gradline.solvers.vertex import Basis, Simplex, Vertex, first_basis, spanned
from gradline.solvers.whitening import HELD_NUMBERS, Whitening
from gradline.types import Array, IntArray

ROUNDS = 60
"""Rounds of pivoting and checking all rows at most; a handful is usual."""

MOST_PASSES = 6
"""Passes of smoothed Newton over all rows at most."""

JITTER = 1e-6
"""First jitter against ties, relative to the spread of the residuals; a thousandth of it each time it is seen in the optimum."""


class Found(NamedTuple):
    """coefficients (P,); converged; excess: how far the objective may be above its optimum, relative to it; violation: see Vertex;
    unique; rounds; pivots; active: rows that pivoting looked at; reason: why the search stopped."""

    coefficients: Array
    converged: bool
    excess: float
    violation: float
    unique: bool
    pivots: int
    active: int
    reason: str


@dataclass
class VertexSearch:
    """The search for one target. sample: rows held for the start, all of them if ``complete``; numbers: theirs."""

    rows: Rows
    whitening: Whitening
    sample: Block
    numbers: IntArray
    complete: bool
    column: Column
    total_weight: float
    passes: int = 0

    def run(self, point: Array) -> Found:
        """From a point (K,) to the vertex."""
        self._measure(point)
        point, near = self._approach(point)
        wanted = self._first_count(near)
        basis: Basis | None = None
        basis_numbers = np.empty(0, dtype=np.int64)
        pivots, last = 0, None
        width = near
        held: HeldRows | None = None
        reference = point
        for _ in range(ROUNDS):
            if held is None:
                reference = point
                held = self._survey(reference, wanted, basis_numbers)
                outside = spanned(held) if held.n_rows < len(point) else None
                if outside is None and basis is None:
                    # Shrink on these rows only: what lies outside is known by its side.
                    point, width = descend(held, self.pieces, point, 1.5, self.floor)
            if basis is None:
                basis = first_basis(held, self.pieces, point, width)
                if basis is None:
                    direction = spanned(held)
                    assert direction is not None
                    held = self._extend(held, reference, direction)
                    continue
            elif basis_numbers.size:
                order = np.argsort(held.numbers, kind="stable")
                places = order[np.searchsorted(held.numbers[order], basis_numbers)]
                basis = Basis(places, basis.kinks)
            vertex = Simplex(held, self.pieces, basis, self.total_weight).run(1000 + 50 * len(point))
            pivots += vertex.pivots
            basis, point = vertex.basis, vertex.point
            basis_numbers = held.numbers[basis.places]
            if vertex.status == "unbounded":
                assert vertex.edge is not None
                if held.n_rows >= self.rows.n_rows:
                    return self._stop(vertex, basis_numbers, pivots, held, "the objective falls without end")
                size = held.n_rows
                held = self._extend(held, reference, vertex.edge)
                if held.n_rows == size:
                    return self._stop(vertex, basis_numbers, pivots, held, "the objective falls without end")
                continue
            if vertex.status in ("stalled", "limit"):
                if last is not None and vertex.status == "limit":
                    return self._stop(vertex, basis_numbers, pivots, held, "pivots ran out")
                last, wanted = vertex, self._first_count(width)
                self.column = replace(self.column, jitter=self.jitter)
                point, width = self._approach(point)
                basis, basis_numbers, held = None, np.empty(0, dtype=np.int64), None
                continue
            coefficients = self._coefficients(basis_numbers, basis.kinks, self.column.jitter)
            check = self._check(held, reference, coefficients, self.column)
            rows, piece, _ = check.flipped.joined()
            if rows.size > max(held.n_rows, 1000) and held.n_rows < self._most():
                # The reference was too far off: start again from here, with more rows.
                wanted = min(4 * wanted, self._most())
                held = None
                continue
            if rows.size:
                if rows.size > 2 * self._most():
                    rows, piece = rows[: 2 * self._most()], piece[: 2 * self._most()]
                held = held.joined(self._take(rows, piece, np.zeros(len(point))), self.pieces)
                continue
            if not self.column.jitter:
                return self._finish(vertex, coefficients, 0.0, pivots, held, check.value)
            exact = replace(self.column, jitter=0.0)
            coefficients = self._coefficients(basis_numbers, basis.kinks, 0.0)
            check = self._check(held, reference, coefficients, exact)
            excess = check.excess + self._held_excess(held, vertex, coefficients, exact)
            allowed = 1e-13 * abs(check.value) + 1e-3 * self.total_weight * self.pieces.steepest * self._rounding(coefficients)
            if excess <= allowed or self.column.jitter < 1e-12 * self.spread:
                return self._finish(vertex, coefficients, excess, pivots, held, check.value)
            self.column = replace(self.column, jitter=1e-3 * self.column.jitter)
            point, held = self.whitening.point(coefficients), None
        return self._stop(vertex, basis_numbers, pivots, held, f"{ROUNDS} rounds of pivoting left rows on the wrong side of a kink")

    @property
    def pieces(self) -> Pieces:
        return self.column.pieces

    def _measure(self, point: Array) -> None:
        """The scale of residuals: what jitter and the least window are measured by."""
        targets = self.column.targets(self.sample, self.numbers)
        residuals = targets - self.sample.design.predict(self.whitening.coefficients(point)[:, None])[:, 0]
        distance = self.pieces.distance(residuals)
        size = float(np.abs(targets).max(initial=0.0)) + float(np.abs(self.pieces.kinks).max())
        self.spread = max(float(np.median(distance)), 1e-3 * float(distance.mean()), 1e-5 * size) or 1.0
        self.extra = 5 * len(point) + 50
        self.size = float(np.median(np.abs(targets))) + float(np.abs(self.pieces.kinks).max())
        self.floor = 1e-12 * self.spread
        self.jitter = JITTER * self.spread

    def _most(self) -> int:
        """Rows that may be held."""
        return max(HELD_NUMBERS // len(self.whitening.kept), 20 * len(self.whitening.kept))

    def _first_count(self, width: float) -> int:
        """Rows to hold at first: enough to span the columns several times over, and those within the last step's error."""
        return int(min(self.rows.n_rows, max(10 * len(self.whitening.kept), 400), self._most()))

    def _approach(self, point: Array) -> tuple[Array, float]:
        """Smoothing on the sample, then on all rows: the point and the half-width of the last window."""
        held = self._hold_sample(len(point))
        # A sample's optimum is uncertain by more than a narrow window holds.
        size = len(point)
        point, width = descend(held, self.pieces, point, 6.0 if self.complete else max(10.0, 0.02 * held.n_rows / size), self.floor)
        if self.complete:
            return point, width
        return self._full_passes(held, point)

    def _full_passes(self, held: HeldRows, point: Array) -> tuple[Array, float]:
        """Smoothed Newton steps over all rows, with a window that holds a few times as many rows as curvature needs."""
        n, size = self.rows.n_rows, len(point)
        share = min(0.2, max(0.02, 60.0 * size / n))
        count = max(int(share * held.n_rows), 10)
        width = max(float(np.partition(self.pieces.distance(held.residuals(point)), count)[count]), self.floor)
        best, step = np.inf, np.zeros(size)
        for done in range(MOST_PASSES):
            sums = self.rows.reduce(SmoothKernel(self.column, self.whitening.coefficients(point), width))
            self.passes += 1
            if sums.value > best:
                step = 0.25 * step
                point = point - 3.0 * step
                continue
            best = sums.value
            step = newton_step(self.whitening.gram(sums.curvature), self.whitening.adjoint(sums.gradient))
            point = point + step
            if np.linalg.norm(step) < 0.02 * width or (done > 1 and np.linalg.norm(step) < 0.1 * width):
                break
        self.drift = float(np.linalg.norm(step))
        return point, width

    def _hold_sample(self, size: int) -> HeldRows:
        block = self.sample
        return self._held(block, self.numbers, self.pieces.piece(np.zeros(block.n_rows)), np.zeros(size))

    def _held(self, block: Block, numbers: IntArray, piece: Array, pull: Array) -> HeldRows:  # type: ignore[type-arg]
        weights = block.row_weights
        targets = self.column.targets(block, numbers)
        values = self.whitening.values(block)
        if weights is None:
            return HeldRows(values, targets, np.ones(len(targets)), numbers, piece, pull)  # type: ignore[arg-type]
        kept = weights > 0
        if kept.all():
            return HeldRows(values, targets, weights, numbers, piece, pull)  # type: ignore[arg-type]
        return HeldRows(values[kept], targets[kept], weights[kept], numbers[kept], piece[kept], pull)  # type: ignore[arg-type]

    def _take(self, numbers: IntArray, piece: Array, pull: Array) -> HeldRows:  # type: ignore[type-arg]
        return self._held(self.rows.take(numbers), numbers, piece, pull)

    def _survey(self, point: Array, wanted: int, always: IntArray) -> HeldRows:
        """The ``wanted`` rows nearest a kink at a point, and ``always`` these; the pull of all others."""
        coefficients = self.whitening.coefficients(point)
        targets = self.column.targets(self.sample, self.numbers)
        distance = np.sort(self.pieces.distance(targets - self.sample.design.predict(coefficients[:, None])[:, 0]))
        n = self.rows.n_rows
        place = min(int(1.3 * wanted * len(distance) / n) + 5, len(distance) - 1)
        reach = np.inf if wanted >= n else max(float(distance[place]), self.floor)
        while True:
            survey = self.rows.reduce(SurveyKernel(self.column, coefficients, reach))
            self.passes += 1
            numbers, piece, distance = survey.near.joined()
            if numbers.size >= wanted or reach == np.inf or reach > 1e12 * self.spread:
                break
            reach *= 3.0
        if numbers.size > wanted:
            nearest = np.sort(np.argpartition(distance, wanted)[:wanted])
            if always.size:
                nearest = np.union1d(nearest, np.flatnonzero(np.isin(numbers, always)))
            numbers, piece = numbers[nearest], piece[nearest]
        missing = np.setdiff1d(always, numbers)
        if missing.size:
            block = self.rows.take(missing)
            # Far from a kink at this point, so that rounding does not decide their piece.
            residuals = self.column.targets(block, missing) - block.design.predict(coefficients[:, None])[:, 0]
            numbers, piece = np.concatenate([numbers, missing]), np.concatenate([piece, self.pieces.piece(residuals)])
        held = self._take(numbers, piece, self.whitening.adjoint(survey.pull))
        pull = held.pull - held.values.T @ (held.weights * self.pieces.slopes[held.piece])
        if held.n_rows >= n:
            pull = np.zeros(len(pull))
        return replace(held, pull=pull)

    def _extend(self, held: HeldRows, reference: Array, direction: Array) -> HeldRows:
        """With the rows nearest a kink among those that move along a direction, (K,), that the held rows do not bound."""
        coefficients = self.whitening.coefficients(reference)
        along = self.whitening.coefficients(direction / np.linalg.norm(direction))
        survey = self.rows.reduce(SurveyKernel(self.column, coefficients, -1.0, along))
        self.passes += 1
        numbers, piece, distance = survey.near.joined()
        new = ~np.isin(numbers, held.numbers)
        numbers, piece, distance = numbers[new], piece[new], distance[new]
        count, self.extra = self.extra, 2 * self.extra
        if numbers.size > count:
            nearest = np.argpartition(distance, count)[:count]
            numbers, piece = numbers[nearest], piece[nearest]
        if not numbers.size:
            return held
        return held.joined(self._take(numbers, piece, np.zeros(len(reference))), self.pieces)

    def _coefficients(self, numbers: IntArray, kinks: IntArray, jitter: float) -> Array:
        """Those of the vertex, (P,), from the design's own columns."""
        block = self.rows.take(numbers)
        if jitter:
            block = replace(block, targets=block.targets.copy())
            block.targets[:, self.column.target] = replace(self.column, jitter=jitter).targets(replace(block, offset=None), numbers)
        return solve_active(block, self.whitening.kept, self.column.target, self.pieces.kinks[kinks])

    def _check(self, held: HeldRows, reference: Array, coefficients: Array, final: Column):  # type: ignore[no-untyped-def]
        kernel = CheckKernel(self.column, self.whitening.coefficients(reference), coefficients, np.sort(held.numbers), final, self._rounding(coefficients))
        self.passes += 1
        return self.rows.reduce(kernel)

    def _held_excess(self, held: HeldRows, vertex: Vertex, coefficients: Array, final: Column) -> float:
        """How far the held rows lie above the lines the multipliers stand for."""
        block = self.rows.take(held.numbers)
        predictors = block.design.predict(coefficients[:, None])[:, 0]
        targets = final.targets(block, held.numbers)
        slack = self._rounding(coefficients) + 1e-14 * (np.abs(targets) + np.abs(predictors))
        excess = self.pieces.excess(targets - predictors, vertex.piece, slack)
        excess[vertex.basis.places] = 0.0
        return float(held.weights @ excess)

    def _rounding(self, coefficients: Array) -> float:
        """What rounding may do to a typical residual: the terms of a linear predictor may be far larger than their sum."""
        columns = np.linalg.norm(self.whitening.triangle, axis=0)
        return 4e-15 * (self.size + float(np.abs(coefficients[self.whitening.kept]) @ columns))

    def _finish(self, vertex: Vertex, coefficients: Array, excess: float, pivots: int, held: HeldRows, value: float) -> Found:
        share = excess / max(abs(value), self.total_weight * self.pieces.steepest * self._rounding(coefficients)) if excess else 0.0
        reason = "no row is on the wrong side of a kink, and every multiplier lies between the slopes of its kink"
        return Found(coefficients, share < 1e-9, share, vertex.violation, vertex.unique, pivots, held.n_rows, reason)

    def _stop(self, vertex: Vertex, numbers: IntArray, pivots: int, held: HeldRows | None, reason: str) -> Found:
        coefficients = self._coefficients(numbers, vertex.basis.kinks, 0.0)
        return Found(coefficients, False, np.inf, vertex.violation, True, pivots, 0 if held is None else held.n_rows, reason)


def empty_near() -> Near:
    """No rows."""
    return Near([], [], [])
