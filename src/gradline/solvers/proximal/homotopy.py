"""A quadratic with L1, followed exactly: its minimum is piecewise linear in the strength, from one change of the support to the next.

    minimise  x' A x / 2 + (l0 + t l1)' x + sum_i (w0 + t w1)_i |x_i|      for t from a start down to an end.

With l1 = 0 and w0 = 0 this is the path of the lasso (Osborne, Presnell and Turlach 2000, IMA J. Numer. Anal. 20; Efron et al. 2004,
Annals of Statistics 32). With the data moved until a guess is optimal, and then moved back, it is the minimum from that guess, in as many
steps as supports change (Best 1996, "An algorithm for the solution of the parametric quadratic programming problem").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.penalties.kinked import BoolArray

EPSILON = float(np.finfo(float).eps)

DEPENDENT = 1e-11
"""Of a coefficient's curvature: what the support leaves of it where the support determines its column."""

ROUNDED = 1e-12
"""Of the gradient's terms: an error of the support's equations that is corrected at once; at the places asked for any is."""

STALE = 1e-9
"""The same, from which the inverse is made anew."""

PENDING, FEW = 16, 150
"""Changes of the inverse that wait to be added together, and the coefficients from which they do: memory is read once for all."""

FALLING = 1e-10
"""Of its parts: a rate that is told from zero."""


class Model(NamedTuple):
    """curvature (d, d), positive semidefinite; linear (2, d): l0, l1; weights (2, d): w0, w1, at least zero at every t asked for."""

    curvature: Array
    linear: Array
    weights: Array


class Followed(NamedTuple):
    """points (m, d): the minima at the places asked for. knots: the t of each change of the support, falling. reached: down to which t."""

    points: Array
    knots: Array
    reached: float


@dataclass
class _Support:
    """The coefficients that may move, k of them in any order, and the inverse of their curvature, kept up to date.

    rows (k, d): their rows of the curvature. loads (2, k): what the curvature's equations have on the right: less the linear part and the
    penalty's slopes. The buffers grow.
    """

    model: Model
    places: IntArray = field(init=False)
    signs: Array = field(init=False)
    inverse: Array = field(init=False)
    rows: Array = field(init=False)
    loads: Array = field(init=False)
    size: float = field(init=False)
    """Of the equations' terms."""
    inside: BoolArray = field(init=False)
    changes: Array = field(init=False)
    factors: Array = field(init=False)
    k: int = 0
    waiting: int = 0
    """Changes of the inverse that are not yet added."""

    def __post_init__(self) -> None:
        d = len(self.model.curvature)
        room = min(d, 32)
        self.places, self.signs = np.zeros(room, dtype=np.int64), np.zeros(room)
        self.inverse, self.rows, self.loads = np.zeros((room, room)), np.zeros((room, d)), np.zeros((2, room))
        self.size = float(max(np.abs(self.model.linear).max(initial=0.0), np.abs(self.model.weights).max(initial=0.0)))
        self.changes, self.factors = np.zeros((PENDING, room)), np.zeros(PENDING)
        self.inside = np.zeros(d, dtype=np.bool_)

    def start(self, places: IntArray, signs: Array) -> bool:
        """Take these coefficients at once; False where they determine each other."""
        self.k = len(places)
        self._room(self.k)
        self.places[: self.k], self.signs[: self.k] = places, signs
        self.rows[: self.k] = self.model.curvature[places]
        self.loads[:, : self.k] = -(self.model.linear[:, places] + self.model.weights[:, places] * signs)
        self.inside[places] = True
        return self.anew()

    def anew(self) -> bool:
        """The inverse from a factor; False where there is none."""
        k, self.waiting = self.k, 0
        if not k:
            return True
        matrix = self.rows[:k, self.places[:k]]
        size = np.sqrt(np.maximum(matrix.diagonal(), 0.0))
        if not (size > 0).all():
            return False
        from scipy.linalg.lapack import dpotrf, dtrtri

        factor, failed = dpotrf(matrix / np.outer(size, size), lower=1)
        if failed or np.square(factor.diagonal()).min() < DEPENDENT:
            return False
        # LAPACK's own product of the two (potri) wakes threads for matrices of any size.
        inverse = np.tril(dtrtri(factor, lower=1)[0]) / size
        self.inverse[:k, :k] = inverse.T @ inverse
        return True

    def times_inverse(self, right: Array) -> Array:
        """right (..., k) times the inverse."""
        k, waiting = self.k, self.waiting
        found = _times(right, self.inverse[:k, :k])
        if waiting:
            changes = self.changes[:waiting, :k]
            found += ((right @ changes.T) * self.factors[:waiting]) @ changes
        return np.asarray(found)

    def add(self, place: int, sign: float) -> bool:
        """Let a coefficient move; False where those that do determine its column."""
        k, curvature = self.k, self.model.curvature
        own = float(curvature[place, place])
        cross = self.rows[:k, place]
        along = self.times_inverse(cross)
        left = own - float(cross @ along)
        if not left > DEPENDENT * own:
            return False
        self._room(k + 1)
        self.inverse[k, : k + 1] = self.inverse[: k + 1, k] = self.changes[: self.waiting, k] = 0.0
        self.rows[k] = curvature[place]
        self.places[k], self.signs[k], self.inside[place] = place, sign, True
        self.loads[:, k] = -(self.model.linear[:, place] + sign * self.model.weights[:, place])
        self.k = k + 1
        change = np.empty(k + 1)
        change[:k], change[k] = along, -1.0
        self._change(change, 1.0 / left)
        return True

    def drop(self, at: int) -> int | None:
        """Hold the coefficient that is kept at a place of the buffers; which one it was. None where rounding has eaten the inverse."""
        last, gone = self.k - 1, int(self.places[at])
        if at != last:
            self.inverse[[at, last], : last + 1] = self.inverse[[last, at], : last + 1]
            self.inverse[: last + 1, [at, last]] = self.inverse[: last + 1, [last, at]]
            self.changes[: self.waiting, [at, last]] = self.changes[: self.waiting, [last, at]]
            self.rows[at], self.loads[:, at] = self.rows[last], self.loads[:, last]
            self.places[at], self.signs[at] = self.places[last], self.signs[last]
        edge = self.inverse[: last + 1, last]
        if self.waiting:
            changes = self.changes[: self.waiting, : last + 1]
            edge = edge + (changes[:, last] * self.factors[: self.waiting]) @ changes
        if not edge[last] > 0:
            return None
        self.inside[gone], self.k = False, last
        self._change(edge[:last], -1.0 / float(edge[last]))
        return gone

    def _change(self, vector: Array, factor: float) -> None:
        """Add ``factor vector vector'`` to the inverse, (k,)."""
        k = self.k
        if k < FEW and not self.waiting:
            self.inverse[:k, :k] += np.multiply.outer(vector, factor * vector)
            return
        self.changes[self.waiting, :k], self.factors[self.waiting] = vector, factor
        self.waiting += 1
        if self.waiting == PENDING:
            changes = self.changes[:, :k]
            self.inverse[:k, :k] += (changes.T * self.factors) @ changes
            self.waiting = 0

    def lines(self) -> tuple[Array, Array, Array]:
        """(x (2, k), gradient (2, d)) as x[0] + t x[1] on this support, and by how much its equations are missed, (2, k)."""
        k, linear = self.k, self.model.linear
        if not k:
            return np.zeros((2, 0)), linear, np.zeros((2, 0))
        places, rows, loads = self.places[:k], self.rows[:k], self.loads[:, :k]
        x = self.times_inverse(loads)
        moved = _times(x, rows)
        error = moved.take(places, axis=1)
        error -= loads
        flat = error.ravel()
        worst = (float(flat.dot(flat)) / k) ** 0.5
        if worst > ROUNDED * self.size and not (worst > STALE * self.size and not self.anew()):
            x = x - self.times_inverse(error)
            moved = _times(x, rows)
            error = moved.take(places, axis=1) - loads
        moved += linear
        return x, moved, error

    def at(self, place: float, x: Array, error: Array) -> Array:
        """The point (k,) at t = place of these lines, to the last digits."""
        return np.asarray(x[0] + place * x[1] - self.times_inverse(error[0] + place * error[1]))

    def _room(self, k: int) -> None:
        room, d = len(self.places), len(self.model.curvature)
        if k <= room:
            return
        more = min(max(2 * room, k), d)
        self.places, self.signs, self.rows = _grown(self.places, more), _grown(self.signs, more), _grown(self.rows, more, d)
        self.inverse = _grown(self.inverse, more, more)
        self.changes, self.loads = _grown(self.changes, PENDING, more), _grown(self.loads, 2, more)


def _times(right: Array, matrix: Array) -> Array:
    """right (k,) or (2, k) times a matrix. For two rows BLAS would first bring the whole matrix into an order for many."""
    if right.ndim == 1:
        return np.asarray(right @ matrix)
    found = np.empty((len(right), matrix.shape[1]))
    for row, into in zip(right, found, strict=True):
        np.dot(row, matrix, out=into)
    return found


def _grown(buffer: np.ndarray[Any, Any], *shape: int) -> np.ndarray[Any, Any]:
    """The buffer in the corner of a larger one of zeros: np.pad does it too, in thirty times the time."""
    larger = np.zeros(shape, dtype=buffer.dtype)
    larger[tuple(slice(size) for size in buffer.shape)] = buffer
    return larger


def lasso_path(
    curvature: Array, linear: Array, weights: Array, strengths: Array, begin: float = np.inf, start: Array | None = None
) -> Followed:
    """The minima of ``linear' x + x' curvature x / 2 + t sum weights |x|`` at strengths t (m,), falling: from all of them zero, or from the
    minimum x (d,) at the strength that it is given for."""
    zero = np.zeros_like(linear)
    model = Model(curvature, np.stack([linear, zero]), np.stack([zero, weights]))
    support, free = _Support(model), weights == 0
    if start is not None and start.any():
        places = np.flatnonzero((start != 0) | free)
        if not support.start(places, np.where(free[places], 0.0, np.sign(start[places]))):
            return Followed(np.zeros((len(strengths), len(linear))), np.zeros(0), begin)
        return _follow(support, begin, strengths, np.zeros(len(linear), dtype=np.bool_))
    for place in np.flatnonzero(free):
        # A column that earlier ones determine stays at zero: any of its coefficients is as good.
        support.add(int(place), 0.0)
    return _follow(support, begin, strengths, free & ~support.inside)


def minimum_from(curvature: Array, linear: Array, weights: Array, start: Array) -> Array | None:
    """The minimum of ``linear' x + x' curvature x / 2 + sum weights |x|``, by changes of the support of a start; None where that fails."""
    x, free = start, weights == 0
    places = np.flatnonzero((x != 0) | free)
    signs = np.where(free[places], 0.0, np.sign(x[places]))
    known = _on_support(curvature, linear, weights, places, signs)
    if known is not None:
        return known
    gradient = linear + curvature @ x
    # What to add to the gradient so that the start is optimal.
    wanted = np.clip(gradient, -weights, weights)
    wanted[places] = -weights[places] * signs
    model = Model(curvature, np.stack([linear, wanted - gradient]), np.stack([weights, np.zeros_like(weights)]))
    support = _Support(model)
    if not support.start(places, signs):
        return None
    found = _follow(support, 1.0, np.zeros(1), np.zeros(len(x), dtype=np.bool_))
    return found.points[0] if found.reached <= 0.0 else None


def _on_support(curvature: Array, linear: Array, weights: Array, places: IntArray, signs: Array) -> Array | None:
    """The minimum where it has this support and these signs, as most steps near an optimum do; None where it has others."""
    from scipy.linalg.lapack import dpotrf, dpotrs

    x = np.zeros_like(linear)
    if places.size:
        rows = curvature[places]
        matrix = rows[:, places]
        factor, failed = dpotrf(matrix, lower=1)
        if failed or (np.square(factor.diagonal()) < DEPENDENT * matrix.diagonal()).any():
            return None
        right = -(linear[places] + weights[places] * signs)
        own, _ = dpotrs(factor, right, lower=1)
        more, _ = dpotrs(factor, right - matrix @ own, lower=1)
        own += more
        if ((own * signs <= 0) & (signs != 0)).any():
            return None
        x[places] = own
        gradient = linear + own @ rows
    else:
        gradient = linear.copy()
    gradient[places] = 0.0
    return x if (np.abs(gradient) <= weights).all() else None


_SIDES = np.array([[-1.0], [1.0]])


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _follow(support: _Support, begin: float, places_asked: Array, barred: BoolArray) -> Followed:
    """From t = begin, where the support is the optimum's, down to the last place asked for."""
    model = support.model
    d, asked = len(barred), places_asked
    points, knots = np.zeros((len(asked), d)), list[float]()
    w0, w1 = model.weights
    meets, behind = np.empty((2, d)), bool(w0.any())
    out, now, done, still = ~(support.inside | barred), begin, 0, 0
    most_still = d + 20
    for _ in range(20 * d + 100):
        x, gradient, error = support.lines()
        k = support.k
        places, signs = support.places[:k], support.signs[:k]
        # Outside: the distance of each gradient to either end of its interval, where it falls with t.
        fixed, slope = gradient
        rate = _SIDES * slope
        rate += w1
        falls = rate > FALLING * (w1 + np.abs(slope))
        falls &= out
        distance = -_SIDES * fixed
        if behind:
            distance -= w0
        meets.fill(-np.inf)
        np.divide(distance, rate, out=meets, where=falls)
        best = int(meets.argmax())
        enters = float(meets.flat[best])
        # Inside: the coefficients that go to zero as t falls.
        leaves, at = -np.inf, -1
        if k:
            grows = np.flatnonzero(signs * x[1] > 0)
            if grows.size:
                zero = -x[0, grows] / x[1, grows]
                first = int(zero.argmax())
                leaves, at = float(zero[first]), int(grows[first])
        following = min(max(enters, leaves), now)
        while done < len(asked) and asked[done] >= following:
            points[done, places] = support.at(float(asked[done]), x, error)
            done += 1
        if done == len(asked):
            return Followed(points, np.array(knots), float(asked[-1]))
        still = still + 1 if now - following <= 4.0 * EPSILON * abs(now) else 0
        if still > most_still or not np.isfinite(following):
            break
        now = following
        if enters >= leaves:
            place = best % d
            if not support.add(place, float(_SIDES[best // d, 0])):
                # Others say what this column says: its gradient can go no further than theirs.
                out[place] = False
                continue
            out[place] = False
        else:
            gone = support.drop(at)
            if gone is None:
                break
            out[gone] = True
            # What was held since others determined it may be free of them now.
            out |= ~(support.inside | barred)
        knots.append(now)
    return Followed(points, np.array(knots), now)
