"""Penalties with kinks as solvers see them: over d coefficients in one vector, of which those at zero stay there until something moves
them.

A kinked penalty is smooth on its support, the coefficients that are not zero: there it has a slope and a bend. At zero it has an
interval of slopes instead, and ``violation`` says how far outside of it a gradient lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from gradline.base.types import Array, IntArray

EPSILON = float(np.finfo(float).eps)

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


class KinkedPart(Protocol):
    """A penalty over coefficients x (d,)."""

    @property
    def convex(self) -> bool: ...

    @property
    def homogeneous(self) -> bool:
        """Whether twice the coefficients are charged twice: the bound from the dual norm is a tight one then."""

    @property
    def accuracy(self) -> float:
        """Of a slope, relative."""

    @property
    def blocks(self) -> Sequence[IntArray]:
        """Places of the coefficients that enter and leave together: a partition of 0 ... d - 1."""

    @property
    def absolute(self) -> Array | None:
        """(d,): the factors of ``|x_i|``, where the penalty is a sum of these and nothing else; None for any other."""

    def value(self, x: Array) -> float: ...

    def support(self, x: Array) -> BoolArray:
        """(d,): where the penalty is smooth: coefficients that are not zero, or not penalised."""

    def passes_zero(self, x: Array) -> BoolArray:
        """(d,): coefficients that may go through zero without leaving the support."""

    def slope(self, x: Array) -> Array:
        """(d,): the derivative on the support, zero elsewhere."""

    def bend(self, x: Array) -> Array:
        """The second derivatives on the support: their diagonal (d,), or all of them (d, d); zero elsewhere."""

    def violation(self, x: Array, gradient: Array) -> Array:
        """(d,): what is left of ``gradient`` and the nearest subgradient together; zero at a stationary point."""

    def minimum(self, block: IntArray, start: Array, curvature: float) -> Array:
        """The x of a block that minimises ``curvature / 2 |x - start|^2 + penalty(x)``; the lowest one where there are several minima."""

    def restricted(self, places: IntArray) -> KinkedPart:
        """The penalty of another vector, whose coefficients are these places of this one; -1 where a coefficient is not penalised."""

    def times(self, factor: float) -> KinkedPart:
        """The penalty of another strength: of a convex one, the factor times the penalty."""

    def largest_dual(self, gradient: Array) -> float:
        """The least factor times which the penalty keeps all coefficients at zero against this gradient (d,): the dual norm of it, in units
        of the penalty's strength. Infinite where a coefficient that is not penalised has a gradient is not looked at."""


def soft(values: Array, by: Array | float) -> Array:
    """Values moved towards zero by so much, and no further."""
    return np.asarray(np.sign(values) * np.maximum(np.abs(values) - by, 0.0))


@dataclass(frozen=True, eq=False)
class SparseGroups:
    """``sum_i l1_i |x_i| + sum_g w_g |x_g|``: Tibshirani (1996), Yuan and Lin (2006), and their sum, Simon et al. (2013).

    l1 (d,), at least zero. group (d,): the number of a coefficient's group, -1 for none. weights (G,): of the groups' Euclidean norms.
    """

    l1: Array
    group: IntArray
    weights: Array

    @property
    def convex(self) -> bool:
        return True

    @property
    def homogeneous(self) -> bool:
        return True

    @property
    def accuracy(self) -> float:
        return EPSILON

    @cached_property
    def grouped(self) -> bool:
        return bool((self.group >= 0).any())

    @property
    def absolute(self) -> Array | None:
        return None if self.grouped and self.weights.any() else self.l1

    @cached_property
    def members(self) -> list[IntArray]:
        """The places of each group's coefficients."""
        return [np.flatnonzero(self.group == g) for g in range(len(self.weights))]

    @cached_property
    def blocks(self) -> Sequence[IntArray]:
        singles = [np.array([i]) for i in np.flatnonzero(self.group < 0)]
        return sorted([*singles, *(places for places in self.members if places.size)], key=lambda places: int(places[0]))

    @cached_property
    def free(self) -> BoolArray:
        """(d,): not penalised."""
        weight = np.zeros(len(self.l1))
        inside = self.group >= 0
        weight[inside] = self.weights[self.group[inside]]
        return np.asarray((self.l1 == 0) & (weight == 0))

    def norms(self, x: Array) -> Array:
        """The Euclidean norms of the groups, (G,)."""
        inside = self.group >= 0
        return np.sqrt(np.bincount(self.group[inside], np.square(x[inside]), minlength=len(self.weights)))

    def value(self, x: Array) -> float:
        total = float(self.l1 @ np.abs(x))
        return total + float(self.weights @ self.norms(x)) if self.grouped else total

    def support(self, x: Array) -> BoolArray:
        support = (x != 0) | self.free
        if self.grouped:
            # Inside a group that is not zero a coefficient without a part of its own moves freely.
            inside = (self.group >= 0) & (self.l1 == 0)
            support[inside] |= self.norms(x)[self.group[inside]] > 0
        return np.asarray(support)

    def passes_zero(self, x: Array) -> BoolArray:
        if not self.grouped:
            return self.free
        # Of a group with one coefficient other than zero, that one would take the group with it.
        inside = self.group >= 0
        others = np.bincount(self.group[inside], x[inside] != 0, minlength=len(self.weights))
        passes = self.free.copy()
        passes[inside] |= (self.l1[inside] == 0) & (others[self.group[inside]] - (x[inside] != 0) > 0)
        return passes

    def slope(self, x: Array) -> Array:
        slope = self.l1 * np.sign(x)
        if self.grouped:
            inside, norms = self.group >= 0, self.norms(x)
            ratio = np.where(norms > 0, self.weights / np.where(norms > 0, norms, 1.0), 0.0)
            slope[inside] += ratio[self.group[inside]] * x[inside]
        return slope

    def bend(self, x: Array) -> Array:
        if not self.grouped:
            return np.zeros(len(x))
        bend, norms, support = np.zeros((len(x), len(x))), self.norms(x), self.support(x)
        for g in np.flatnonzero((norms > 0) & (self.weights > 0)):
            places = self.members[g][support[self.members[g]]]
            unit = x[places] / norms[g]
            bend[np.ix_(places, places)] = self.weights[g] / norms[g] * (np.eye(len(places)) - np.outer(unit, unit))
        return bend

    def violation(self, x: Array, gradient: Array) -> Array:
        # At zero the nearest subgradient of |x_i| takes off as much as there is; elsewhere it is the sign.
        left = gradient + self.slope(x)
        still = (x == 0) & ~self.free
        left[still] = soft(gradient[still], self.l1[still])
        if self.grouped:
            norms, zero = self.norms(left), self.norms(x) == 0
            shrink = np.where(zero & (norms > 0), np.maximum(1.0 - self.weights / np.where(norms > 0, norms, 1.0), 0.0), 1.0)
            inside = self.group >= 0
            left[inside] *= shrink[self.group[inside]]
        return left

    def minimum(self, block: IntArray, start: Array, curvature: float) -> Array:
        moved = soft(start, self.l1[block] / curvature)
        g = int(self.group[block[0]])
        if g < 0:
            return moved
        norm = float(np.linalg.norm(moved))
        return moved * max(1.0 - self.weights[g] / (curvature * norm), 0.0) if norm > 0 else moved

    def restricted(self, places: IntArray) -> SparseGroups:
        l1 = np.where(places >= 0, self.l1[places], 0.0)
        return SparseGroups(l1, np.where(places >= 0, self.group[places], -1), self.weights)

    def times(self, factor: float) -> SparseGroups:
        return SparseGroups(factor * self.l1, self.group, factor * self.weights)

    def largest_dual(self, gradient: Array) -> float:
        single = (self.group < 0) & (self.l1 > 0)
        largest = float((np.abs(gradient[single]) / self.l1[single]).max(initial=0.0))
        for g, places in enumerate(self.members):
            if places.size:
                largest = max(largest, _group_dual(np.abs(gradient[places]), self.l1[places], float(self.weights[g])))
        return largest


def _group_dual(sizes: Array, l1: Array, weight: float) -> float:
    """The least t with |(sizes - t l1)_+| <= t weight: a root of a decreasing function, found between two bounds to the last digits."""
    used = (l1 > 0) | (weight > 0)
    sizes, l1 = sizes[used], l1[used]
    if not sizes.any():
        return 0.0
    if weight == 0:
        return float((sizes / l1).max())
    if not l1.any():
        return float(np.linalg.norm(sizes)) / weight
    low, high = 0.0, float(np.linalg.norm(sizes)) / weight
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if np.linalg.norm(np.maximum(sizes - middle * l1, 0.0)) > middle * weight:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, eq=False)
class Folded:
    """A concave function of each |x_i|: SCAD (Fan and Li 2001, JASA 96) or MCP (Zhang 2010, Annals of Statistics 38).

    strength (d,): the slope at zero, zero where a coefficient is not penalised. shape: a of SCAD, above 2, or gamma of MCP, above 1.
    With t = |x| the slope of SCAD is strength up to t = strength, falls in a line to zero at a strength, and stays there; that of MCP falls
    in a line from strength at zero to zero at gamma strength.
    """

    strength: Array
    shape: float
    scad: bool

    @property
    def convex(self) -> bool:
        return False

    @property
    def homogeneous(self) -> bool:
        return False

    @property
    def accuracy(self) -> float:
        return EPSILON

    @property
    def absolute(self) -> Array | None:
        return None

    @cached_property
    def blocks(self) -> Sequence[IntArray]:
        return [np.array([i]) for i in range(len(self.strength))]

    def _values(self, t: Array, s: Array) -> Array:
        a = self.shape
        if not self.scad:
            return np.where(t <= a * s, s * t - 0.5 * t**2 / a, 0.5 * a * s**2)
        middle = (2.0 * a * s * t - t**2 - s**2) / (2.0 * (a - 1.0))
        return np.where(t <= s, s * t, np.where(t <= a * s, middle, 0.5 * s**2 * (a + 1.0)))

    def _value(self, t: float, s: float) -> float:
        """``_values`` of one coefficient."""
        a = self.shape
        if not self.scad:
            return s * t - 0.5 * t * t / a if t <= a * s else 0.5 * a * s * s
        if t <= s:
            return s * t
        return (2.0 * a * s * t - t * t - s * s) / (2.0 * (a - 1.0)) if t <= a * s else 0.5 * s * s * (a + 1.0)

    def value(self, x: Array) -> float:
        return float(self._values(np.abs(x), self.strength).sum())

    def support(self, x: Array) -> BoolArray:
        return np.asarray((x != 0) | (self.strength == 0))

    def passes_zero(self, x: Array) -> BoolArray:
        return np.asarray(self.strength == 0)

    def slope(self, x: Array) -> Array:
        t, s, a = np.abs(x), self.strength, self.shape
        size = np.where(t <= s, s, np.maximum(a * s - t, 0.0) / (a - 1.0)) if self.scad else np.maximum(s - t / a, 0.0)
        return np.asarray(np.sign(x) * size)

    def bend(self, x: Array) -> Array:
        t, s, a = np.abs(x), self.strength, self.shape
        if self.scad:
            return np.where((t > s) & (t < a * s), -1.0 / (a - 1.0), 0.0)
        return np.where((t > 0) & (t < a * s), -1.0 / a, 0.0)

    def violation(self, x: Array, gradient: Array) -> Array:
        left = gradient + self.slope(x)
        still = (x == 0) & (self.strength > 0)
        left[still] = soft(gradient[still], self.strength[still])
        return left

    def minimum(self, block: IntArray, start: Array, curvature: float) -> Array:
        i, a, h = int(block[0]), self.shape, curvature
        s, v = float(self.strength[i]), float(start[0])
        if s == 0:
            return start
        size = abs(v)
        # The minimum of each piece, kept inside the piece; the lowest of them all.
        tried = [0.0, max(size - s / h, 0.0), size]
        if self.scad:
            tried[1] = min(tried[1], s)
            if h > 1.0 / (a - 1.0):
                tried.append(min(max((h * size - a * s / (a - 1.0)) / (h - 1.0 / (a - 1.0)), s), a * s))
            tried[2] = max(size, a * s)
        else:
            tried[1] = min(max((h * size - s) / (h - 1.0 / a), 0.0), a * s) if h > 1.0 / a else a * s
            tried[2] = max(size, a * s)
        # Numbers of Python: this is called for one slope after the other.
        lowest = min(tried, key=lambda t: 0.5 * h * (t - size) ** 2 + self._value(t, s))
        return np.array([lowest if v > 0 else -lowest])

    def restricted(self, places: IntArray) -> Folded:
        return Folded(np.where(places >= 0, self.strength[places], 0.0), self.shape, self.scad)

    def times(self, factor: float) -> Folded:
        return Folded(factor * self.strength, self.shape, self.scad)

    def largest_dual(self, gradient: Array) -> float:
        used = self.strength > 0
        return float((np.abs(gradient[used]) / self.strength[used]).max(initial=0.0))
