"""A function of the user's own as a penalty: with a kink at zero, over coefficients or groups, or smooth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.penalties.kinked import BoolArray
from gradline.penalties.own_function import Along, OwnFunction
from gradline.penalties.protocol import PenaltyKind

GRID = 64
"""Points among which the minima of a function that is not convex are told apart."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A function with what was found of it: low, high: the slopes at zero from the left and right, as the derivative of ``-x`` and ``x``
    would be -1 and 1. homogeneous: whether it is low x and high x to both sides."""

    function: OwnFunction
    low: float
    high: float
    convex: bool
    homogeneous: bool


@dataclass(frozen=True, eq=False)
class OwnPart:
    """``sum_g strength_g f(x_g)``. group (d,): -1 where a coefficient is not penalised. of_group (G,): the shape of each. By coefficient
    each is a group of its own, and f sees its sign; by group f sees the norm."""

    shapes: tuple[Shape, ...]
    of_group: IntArray
    group: IntArray
    strength: Array

    @property
    def convex(self) -> bool:
        return all(shape.convex for shape in self.shapes)

    @property
    def homogeneous(self) -> bool:
        return all(shape.homogeneous for shape in self.shapes)

    @property
    def accuracy(self) -> float:
        return max(shape.function.accuracy for shape in self.shapes)

    @cached_property
    def single(self) -> bool:
        """Whether the function is one of single coefficients."""
        return self.shapes[0].function.size is None

    @cached_property
    def free(self) -> BoolArray:
        """(d,): not penalised."""
        used = self.group >= 0
        free = ~used
        free[used] = self.strength[self.group[used]] == 0
        return np.asarray(free)

    @cached_property
    def members(self) -> list[IntArray]:
        order = np.argsort(self.group, kind="stable")
        bounds = np.searchsorted(self.group[order], np.arange(len(self.strength) + 1))
        return [order[a:b] for a, b in pairwise(bounds)]

    @property
    def absolute(self) -> Array | None:
        return None

    @cached_property
    def blocks(self) -> Sequence[IntArray]:
        singles = [np.array([i]) for i in np.flatnonzero(self.group < 0)]
        return sorted([*singles, *(places for places in self.members if places.size)], key=lambda places: int(places[0]))

    def _sizes(self, x: Array) -> Array:
        """What the function sees of each group, (G,)."""
        inside = self.group >= 0
        if self.single:
            return np.asarray(np.bincount(self.group[inside], x[inside], minlength=len(self.strength)), dtype=np.float64)
        return np.sqrt(np.bincount(self.group[inside], np.square(x[inside]), minlength=len(self.strength)))

    def _along(self, sizes: Array) -> Along:
        """Of each group, times its strength; zero where the group is."""
        found = Along(np.zeros(len(sizes)), np.zeros(len(sizes)), np.zeros(len(sizes)))
        for number, shape in enumerate(self.shapes):
            places = np.flatnonzero((self.of_group == number) & (sizes != 0) & (self.strength > 0))
            if places.size:
                for into, part in zip(found, shape.function.along(sizes[places]), strict=True):
                    into[places] = self.strength[places] * part
        return found

    def value(self, x: Array) -> float:
        sizes, total = self._sizes(x), 0.0
        for number, shape in enumerate(self.shapes):
            places = np.flatnonzero((self.of_group == number) & (sizes != 0) & (self.strength > 0))
            if places.size:
                total += float(self.strength[places] @ shape.function.values(sizes[places]))
        return total

    def support(self, x: Array) -> BoolArray:
        inside = self.group >= 0
        support = self.free.copy()
        support[inside] |= self._sizes(x)[self.group[inside]] != 0
        return support

    def passes_zero(self, x: Array) -> BoolArray:
        # Of a group with one coefficient other than zero, that one would take the group with it.
        inside, passes = self.group >= 0, self.free.copy()
        others = np.bincount(self.group[inside], x[inside] != 0, minlength=len(self.strength))
        passes[inside] |= others[self.group[inside]] - (x[inside] != 0) > 0
        return passes

    def slope(self, x: Array) -> Array:
        inside, sizes = self.group >= 0, self._sizes(x)
        each, slope = self._along(sizes).slope, np.zeros(len(x))
        if self.single:
            slope[inside] = each[self.group[inside]]
        else:
            ratio = each / np.where(sizes > 0, sizes, 1.0)
            slope[inside] = ratio[self.group[inside]] * x[inside]
        return slope

    def bend(self, x: Array) -> Array:
        sizes = self._sizes(x)
        found = self._along(sizes)
        if self.single:
            bend, inside = np.zeros(len(x)), self.group >= 0
            bend[inside] = found.bend[self.group[inside]]
            return bend
        whole = np.zeros((len(x), len(x)))
        for g in np.flatnonzero(sizes > 0):
            places = self.members[g]
            unit = x[places] / sizes[g]
            along = np.outer(unit, unit)
            whole[np.ix_(places, places)] = found.bend[g] * along + found.slope[g] / sizes[g] * (np.eye(len(places)) - along)
        return whole

    def violation(self, x: Array, gradient: Array) -> Array:
        left = gradient + self.slope(x)
        sizes = self._sizes(x)
        low, high = self._at_zero
        if self.single:
            inside = np.flatnonzero(self.group >= 0)
            still = inside[(x[inside] == 0) & ~self.free[inside]]
            g = self.group[still]
            left[still] = gradient[still] + np.clip(-gradient[still], low[g], high[g])
            return left
        for g in np.flatnonzero((sizes == 0) & (self.strength > 0)):
            places = self.members[g]
            norm = float(np.linalg.norm(gradient[places]))
            left[places] = gradient[places] * (max(1.0 - high[g] / norm, 0.0) if norm > 0 else 0.0)
        return left

    @cached_property
    def _at_zero(self) -> tuple[Array, Array]:
        """The slopes of each group at zero, times its strength."""
        low, high = (np.array([getattr(self.shapes[number], side) for number in self.of_group]) for side in ("low", "high"))
        return self.strength * low, self.strength * high

    def minimum(self, block: IntArray, start: Array, curvature: float) -> Array:
        g = int(self.group[block[0]])
        if g < 0 or self.strength[g] == 0:
            return start
        shape, strength = self.shapes[int(self.of_group[g])], float(self.strength[g])
        if self.single:
            return np.array([_lowest(shape, strength, float(start[0]), curvature)])
        norm = float(np.linalg.norm(start))
        return start * (_lowest(shape, strength, norm, curvature) / norm) if norm > 0 else start

    def restricted(self, places: IntArray) -> OwnPart:
        return OwnPart(self.shapes, self.of_group, np.where(places >= 0, self.group[places], -1), self.strength)

    def times(self, factor: float) -> OwnPart:
        return OwnPart(self.shapes, self.of_group, self.group, factor * self.strength)

    def largest_dual(self, gradient: Array) -> float:
        low, high = self._at_zero
        largest = 0.0
        for g in np.flatnonzero(self.strength > 0):
            there = gradient[self.members[g]]
            if not there.any():
                continue
            size, most = (abs(float(there[0])), high[g] if there[0] < 0 else -low[g]) if self.single else (np.linalg.norm(there), high[g])
            largest = max(largest, float(size) / most if most > 0 else np.inf)
        return largest


def _lowest(shape: Shape, strength: float, target: float, curvature: float) -> float:
    """The t that minimises ``curvature / 2 (t - target)^2 + strength f(t)``: between zero and the target, since f grows from zero."""
    side, size = (1.0 if target > 0 else -1.0), abs(target)
    pull = strength * (shape.high if target > 0 else -shape.low)
    if size == 0 or (shape.convex and pull >= curvature * size):
        return 0.0

    def slope(t: float) -> tuple[float, float]:
        found = shape.function.along(np.array([side * t]))
        return curvature * (t - size) + strength * side * float(found.slope[0]), curvature + strength * float(found.bend[0])

    if shape.convex:
        # Where the function is a straight line this is where it ends.
        guess = size - pull / curvature
        return side * _root(slope, 0.0, size, guess)
    grid = size * np.concatenate([np.geomspace(1e-10, 1e-2, 17)[:-1], np.linspace(1e-2, 1.0, GRID)])
    slopes = curvature * (grid - size) + strength * side * shape.function.along(side * grid).slope
    rises = np.flatnonzero((slopes[:-1] < 0) & (slopes[1:] >= 0))
    tried = [0.0, *(_root(slope, float(grid[i]), float(grid[i + 1]), float(grid[i + 1])) for i in rises)]
    if slopes[-1] <= 0:
        tried.append(size)
    t = np.array(tried)
    values = 0.5 * curvature * np.square(t - size)
    if len(t) > 1:
        values[1:] += strength * shape.function.values(side * t[1:])
    return side * float(t[int(values.argmin())])


def _root(slope: object, low: float, high: float, guess: float) -> float:
    """Of an increasing function between two points: Newton's method, kept inside by halving."""
    assert callable(slope)
    t = min(max(guess, low), high) or 0.5 * (low + high)
    for _ in range(100):
        value, rise = slope(t)
        if value == 0:
            return t
        if value < 0:
            low = t
        else:
            high = t
        new = t - value / rise if rise > 0 else low
        if not low < new < high:
            # Past an end by rounding alone the end is it.
            if abs(new - t) <= 4e-16 * abs(t):
                return t
            new = 0.5 * (low + high)
        if abs(new - t) <= 1e-15 * abs(t) or new in (low, high):
            return new
        t = new
    return t


@dataclass(frozen=True, eq=False)
class OwnSmooth:
    """``sum_g strength_g f(scale x_g)`` of a function without kinks, over slopes B (p, k): members of each group are places of vec(B)."""

    name: str
    functions: tuple[OwnFunction, ...]
    of_group: IntArray
    members: tuple[IntArray, ...]
    strength: Array
    scales: Array
    asked: object
    convex: bool = True
    kind: PenaltyKind = "smooth"

    @property
    def parameters(self) -> object:
        """What a summary shows beside the name."""
        return dict(self.asked.parameters)  # type: ignore[attr-defined]

    def _sizes(self, x: Array) -> Array:
        if self.functions[0].size is None:
            return np.array([x[places[0]] for places in self.members])
        return np.array([float(np.linalg.norm(x[places])) for places in self.members])

    def _along(self, x: Array) -> tuple[Array, Along]:
        sizes = self._sizes(x)
        found = Along(np.zeros(len(sizes)), np.zeros(len(sizes)), np.zeros(len(sizes)))
        for number, function in enumerate(self.functions):
            places = np.flatnonzero(self.of_group == number)
            for into, part in zip(found, function.along(sizes[places]), strict=True):
                into[places] = self.strength[places] * part
        return sizes, found

    def value(self, slopes: Array) -> float:
        return float(self._along(self.scales * slopes.T.ravel())[1].value.sum())

    def gradient(self, slopes: Array) -> Array:
        x = self.scales * slopes.T.ravel()
        sizes, found = self._along(x)
        gradient = np.zeros(len(x))
        for g, places in enumerate(self.members):
            unit = x[places] / sizes[g] if sizes[g] != 0 and self.functions[0].size is not None else np.ones(len(places))
            gradient[places] = found.slope[g] * unit
        return (gradient * self.scales).reshape(slopes.shape[::-1]).T

    def curvature(self, slopes: Array) -> Array:
        x = self.scales * slopes.T.ravel()
        sizes, found = self._along(x)
        whole = np.zeros((len(x), len(x)))
        for g, places in enumerate(self.members):
            if self.functions[0].size is None:
                whole[places, places] = found.bend[g]
                continue
            unit = x[places] / sizes[g] if sizes[g] > 0 else np.zeros(len(places))
            along = np.outer(unit, unit)
            across = found.slope[g] / sizes[g] if sizes[g] > 0 else found.bend[g]
            whole[np.ix_(places, places)] = found.bend[g] * along + across * (np.eye(len(places)) - along)
        return whole * np.outer(self.scales, self.scales)
