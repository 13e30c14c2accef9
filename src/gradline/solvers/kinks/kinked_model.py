"""The model of a kinked objective around a point, and its exact minimum: a quadratic plus a hinge for every kink within reach,

    m(d) = g'd + d'Hd / 2 + sum_e h_e(u_e'd - gap_e),    h(t) = jump t + bend t^2 / 2 where t > 0, otherwise 0.

The proximal method of multipliers with semismooth Newton steps (Rockafellar 1976, Mathematics of Operations Research 1; Pougkakiotis,
Gondzio and Kalogerias 2024, arXiv:2405.04172): each hinge is smoothed over a window that its multiplier shifts, so that the window need
not vanish for the answer to become exact. Once the rows on their kinks are known, one set of linear equations gives all digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, qr, solve_triangular

from gradline.base.types import Array, IntArray
from gradline.linalg.line_search import level_length

SideArray = np.ndarray[Any, np.dtype[np.int8]]
"""Of each hinge: 0 before its kink, 1 on it, 2 past it."""

ROUNDS = 80
"""Updates of the multipliers at most; ten are usual."""

STEPS = 60
"""Newton steps between two updates at most; three are usual."""

SMALLEST_WINDOW = 1e-9
"""Share of the first window below which it is not narrowed any more."""


class Hinges(NamedTuple):
    """Kinks within reach: directions (E, d) in which the linear predictor comes nearer; gaps (E,), how far off, 0 on the kink; jumps (E,)
    of the slope there, above 0, and bends (E,), by how much the curvature rises, at least 0: both times the row's share of the weight."""

    directions: Array
    gaps: Array
    jumps: Array
    bends: Array

    def take(self, places: IntArray) -> Hinges:
        return Hinges(*(part[places] for part in self))

    def where(self, slack: Array | float) -> Hinges:
        """With gaps within slack set to zero."""
        return self._replace(gaps=np.where(self.gaps <= slack, 0.0, self.gaps))


class Minimum(NamedTuple):
    """step (d,); active: the hinges whose kink it meets; multipliers (E,), the slopes with which hinges enter, 0 to jump on a kink;
    exact: found from the equations of the active set; decrease: of the model; residual (d,): the model's gradient with those slopes;
    lowest: the least eigenvalue of the curvature along which active hinges stay on their kinks, in unit scale; infinity if none is left.
    """

    step: Array
    active: IntArray
    multipliers: Array
    exact: bool
    decrease: float
    residual: Array
    lowest: float


class IndefiniteError(ArithmeticError):
    """The quadratic is not convex enough for a minimum."""


@dataclass(frozen=True)
class KinkedModel:
    """gradient (d,), curvature (d, d) and hinges, as above. width: the first window, in units of the linear predictors. floor (d, d): a
    curvature that counts in every direction, positive definite unless columns are dependent; what the proximal term is measured by.
    rounding: of the gaps."""

    gradient: Array
    curvature: Array
    hinges: Hinges
    width: float
    floor: Array
    rounding: float = 0.0

    def minimum(self) -> Minimum:
        """Raises IndefiniteError where the quadratic has no minimum with the hinges in view."""
        hinges = self.hinges
        step, multipliers = np.zeros(len(self.gradient)), 0.5 * hinges.jumps
        window, partition = self.width, np.zeros(0, dtype=np.int8)
        metric = self._metric(window)
        share = 1e-2
        for _ in range(ROUNDS):
            smoothed = _Smoothed(self, multipliers, window, share * metric, step)
            step = smoothed.minimise(step)
            shifted = smoothed.shifted(step)
            found = smoothed.slopes(shifted)
            moved = float(np.max(np.abs(found - multipliers) * window / hinges.jumps, initial=0.0))
            multipliers = found
            before, partition = partition, smoothed.sides(shifted)
            if len(before) == len(partition) and (before == partition).all():
                exact = self._exact(step, multipliers, partition)
                if exact is not None:
                    return exact
            if moved <= 1e-15 * self.width and share < 1e-12:
                break
            window = max(0.2 * window, SMALLEST_WINDOW * self.width)
            share = max(0.1 * share, 1e-14)
        return self._result(step, np.flatnonzero(partition == 1), multipliers, exact=False)

    def _metric(self, window: float) -> Array:
        """The curvature that smoothing over the window gives, its negative eigenvalues left out, and the floor."""
        inside = np.flatnonzero(self.hinges.gaps <= window)
        smoothed = self.curvature + self.floor + _gram(self.hinges.directions[inside], self.hinges.jumps[inside] / window)
        scale = np.sqrt(np.maximum(np.diag(smoothed), np.diag(self.floor)))
        values, vectors = np.linalg.eigh(smoothed / np.outer(scale, scale))
        half = scale[:, None] * vectors * np.sqrt(np.maximum(values, 1e-8))
        metric: Array = half @ half.T
        return metric

    def _exact(self, step: Array, multipliers: Array, partition: SideArray) -> Minimum | None:
        """The minimum with the active hinges on their kinks and the others on the side they are on; None if some would leave it."""
        hinges, size = self.hinges, len(step)
        active, past = np.flatnonzero(partition == 1), np.flatnonzero(partition == 2)
        if len(active) > 20 * size + 200:
            return None  # far too many for the columns: ties, which the multipliers share out
        curvature, outside_gradient = self._smooth_part(past)
        scale = 1.0 / np.sqrt(np.diag(self._metric(self.width)))
        directions = hinges.directions[active] * scale
        lengths = np.sqrt(np.einsum("ij,ij->i", directions, directions)) if len(active) else np.ones(0)
        lengths[lengths == 0] = 1.0
        basis, triangle, order = qr((directions / lengths[:, None]).T, pivoting=True, check_finite=False)
        pivots = np.abs(np.diag(triangle)) if len(active) else np.zeros(0)
        rank = int((pivots > 1e-10 * pivots.max(initial=0.0)).sum())
        chosen, inner, outer = order[:rank], basis[:, :rank], basis[:, rank:]
        triangle = triangle[:rank, :rank]
        scaled = curvature * np.outer(scale, scale)
        point = step / scale
        lowest = np.inf
        for _ in range(2):  # once more, from residuals, for the last digits
            missing = (hinges.gaps[active[chosen]] - hinges.directions[active[chosen]] @ (scale * point)) / lengths[chosen]
            point = point + inner @ solve_triangular(triangle, missing, trans="T", check_finite=False)
            if outer.shape[1]:
                slope = outer.T @ (scale * outside_gradient + scaled @ point)
                values, vectors = np.linalg.eigh(outer.T @ scaled @ outer)
                lowest, least = float(values[0]), 1e-13 * max(float(np.abs(values).max()), 1e-300)
                along = vectors.T @ slope
                if lowest < -1e-10:
                    return None
                kept = values > least
                point = point - outer @ (vectors[:, kept] @ (along[kept] / values[kept]))
        needed = -(scale * outside_gradient + scaled @ point)
        found = multipliers.copy()
        found[past] = hinges.jumps[past] + hinges.bends[past] * (hinges.directions[past] @ (scale * point) - hinges.gaps[past])
        if rank == len(active):
            found[active[chosen]] = solve_triangular(triangle, inner.T @ needed, check_finite=False) / lengths[chosen]
        else:
            # More kinks meet than there are directions: the method's multipliers, the least change of which closes the gradient.
            left = needed - directions.T @ multipliers[active]
            found[active] += np.linalg.lstsq(directions.T, left, rcond=1e-12)[0]
        if not self._holds(scale * point, found[active], active, partition):
            return None
        return self._result(scale * point, active, found, exact=True, lowest=lowest)

    def _smooth_part(self, past: IntArray) -> tuple[Array, Array]:
        """Curvature, and gradient at no step, with the hinges that are past their kink."""
        beyond = self.hinges.take(past)
        curvature = self.curvature + _gram(beyond.directions, beyond.bends)
        return curvature, self.gradient + beyond.directions.T @ (beyond.jumps - beyond.bends * beyond.gaps)

    def _holds(self, step: Array, multipliers: Array, active: IntArray, partition: SideArray) -> bool:
        """Whether every hinge is on the side it was taken to be on, and every multiplier of an active one within its jump."""
        hinges = self.hinges
        moves = hinges.directions @ step
        slack = self.rounding + 1e-13 * (np.abs(moves) + hinges.gaps + float(np.abs(moves).max(initial=0.0)))
        # Of hinges that are many for the columns, not every active one may have been asked for.
        sides = (partition != 0) | (moves <= hinges.gaps + slack)
        sides &= (partition == 0) | (moves >= hinges.gaps - slack)
        sides &= (partition == 2) | (moves <= hinges.gaps + 10.0 * slack)
        jumps = hinges.jumps[active]
        inside = (multipliers >= -1e-9 * jumps) & (multipliers <= (1.0 + 1e-9) * jumps)
        return bool(sides.all() and inside.all())

    def _result(self, step: Array, active: IntArray, multipliers: Array, *, exact: bool, lowest: float = np.nan) -> Minimum:
        hinges = self.hinges
        clipped = multipliers.copy()
        clipped[active] = np.clip(multipliers[active], 0.0, hinges.jumps[active])
        bent = self.curvature @ step
        residual = self.gradient + bent + hinges.directions.T @ clipped
        beyond = np.maximum(hinges.directions @ step - hinges.gaps, 0.0)
        value = float((self.gradient + 0.5 * bent) @ step + (hinges.jumps + 0.5 * hinges.bends * beyond) @ beyond)
        return Minimum(step, active, clipped, exact, -value, residual, lowest)


@dataclass(frozen=True)
class _Smoothed:
    """The model with every hinge replaced by its Moreau envelope about a shifted kink, and a proximal term: convex, with a gradient."""

    model: KinkedModel
    multipliers: Array
    window: float
    proximal: Array
    centre: Array

    def shifted(self, step: Array) -> Array:
        hinges = self.model.hinges
        return np.asarray(hinges.directions @ step - hinges.gaps + self.multipliers * (self.window / hinges.jumps))

    def slopes(self, shifted: Array) -> Array:
        """The slope of each hinge: rises over the window, then with the bend."""
        hinges, window = self.model.hinges, self.window
        found = hinges.jumps * np.clip(shifted / window, 0.0, 1.0)
        stiffness = hinges.jumps / window
        found += np.maximum(shifted - window, 0.0) * (hinges.bends * stiffness / (stiffness + hinges.bends))
        return np.asarray(found)

    def minimise(self, step: Array) -> Array:
        """Newton's steps with an exact line search, until a full step meets no kink."""
        model = self.model
        shifted = self.shifted(step)
        for _ in range(STEPS):
            gradient = model.gradient + model.curvature @ step + self.proximal @ (step - self.centre)
            gradient += model.hinges.directions.T @ self.slopes(shifted)
            matrix = self._curvature(shifted)
            direction = -self._solve(matrix, gradient)
            moves = model.hinges.directions @ direction
            linear = float((model.gradient + model.curvature @ step + self.proximal @ (step - self.centre)) @ direction)
            quadratic = float(direction @ (model.curvature + self.proximal) @ direction)
            length = self._length(shifted, moves, linear, quadratic)
            before = self.sides(shifted)
            step = step + length * direction
            shifted = shifted + length * moves
            if length == 0.0 or (abs(length - 1.0) < 1e-9 and (before == self.sides(shifted)).all()):
                break
        return step

    def sides(self, shifted: Array) -> SideArray:
        """Before the window, in it, past it."""
        found: SideArray = (shifted > 0).astype(np.int8)
        found += shifted > self.window
        return found

    def _curvature(self, shifted: Array) -> Array:
        hinges, window = self.model.hinges, self.window
        stiffness = hinges.jumps / window
        bent = np.where(shifted > window, hinges.bends * stiffness / (stiffness + hinges.bends), np.where(shifted > 0, stiffness, 0.0))
        counted = np.flatnonzero(bent)
        return self.model.curvature + self.proximal + _gram(hinges.directions[counted], bent[counted])

    def _solve(self, matrix: Array, gradient: Array) -> Array:
        scale = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
        unit = matrix / np.outer(scale, scale)
        # A few stiff hinges leave the other directions to rounding.
        for trace in (0.0, 1e-14, 1e-12, 1e-10):
            try:
                factor = cho_factor(unit + trace * np.eye(len(unit)), lower=True, check_finite=False)
            except np.linalg.LinAlgError:
                continue
            return np.asarray(cho_solve(factor, gradient / scale, check_finite=False) / scale)
        raise IndefiniteError

    def _length(self, shifted: Array, moves: Array, linear: float, quadratic: float) -> float:
        """Where the slope along the direction vanishes; it rises with the length."""

        def slope(length: float) -> float:
            return linear + length * quadratic + float(self.slopes(shifted + length * moves) @ moves)

        return level_length(slope, 1e-9, 1e-2)


def _gram(directions: Array, weights: Array) -> Array:
    half = directions * np.sqrt(weights)[:, None]
    product: Array = half.T @ half
    return product
