"""The restricted likelihood of the strengths where the loss is a parabola of the coefficients, minimised by Newton's method.

With loss F(b) = constant - right'b + b'Hb / 2, S = sum lambda_j S_j, A = H + S and b = A^-1 right, twice the negative logarithm is

    2 E / phi + log |A| - log |S|+,      E = F(b) + b'Sb / 2,

or, where the dispersion phi is unknown and estimated with the strengths, (n - M) log E in place of the first term, M the directions that
no penalty holds (Wood 2011, JRSS B 73). ``bend`` is what log |A| changes by as the coefficients move, where the loss is no parabola: it
adds bend'b. The determinant is of the coefficients that are integrated over: a ``nuisance``, such as the one log dispersion of all rows, is
at its optimum in place of that, as mgcv's theta is. Its curvature says nothing of curves, and near a limit it falls without end.
Everything is in the unit of the total loss, lambda = e^rho.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray

REACH = 1e-8, 1e8
"""Strengths from and to which is looked, of the one that weighs as much as the data."""

STEPS, FARTHEST = 200, 4.0

SMALLEST_PIVOT = 1e-6
"""Of A at unit diagonal: below, a column is a combination of others but for rounding."""

PERFECT = 1e-14
"""Of the loss at zero."""

ENOUGH, LEVEL, ROUNDING = 1e-11, 1e-6, 1e-5
"""Of the criterion: a gain that is none; a slope that is none, as where a curve is all but a line; a gain that rounding may hide."""

STRAIGHT, ALL_BUT_STRAIGHT = 1e-5, 1e-2
"""Of the criterion, twice a logarithm of a likelihood: where a strength has no more than this to gain however large it becomes, its curve
is a line already, and it stays where it is. Slopes along it are then small differences of large numbers, so that no step by them need be
one down: where none is, the second is enough."""


@dataclass(frozen=True, eq=False)
class Part:
    """One matrix with a strength of its own, (c, c), at some places of the coefficients, (c,), and its column of a block's spectrum."""

    places: IntArray
    matrix: Array
    block: int
    column: int


@dataclass(frozen=True, eq=False)
class Terms:
    """parts: in the order of the strengths. spectra: one a block, (r, d), with the strengths' numbers. free (m,): whether a strength is to
    be found. null: directions no penalty holds, M."""

    parts: tuple[Part, ...]
    spectra: tuple[Array, ...]
    members: tuple[tuple[int, ...], ...]
    free: np.ndarray[tuple[int], np.dtype[np.bool_]]
    null: int

    def add_to(self, curvature: Array, strengths: Array) -> Array:
        """H + S."""
        total = curvature.copy()
        for part, strength in zip(self.parts, strengths, strict=True):
            total[np.ix_(part.places, part.places)] += strength * part.matrix
        return total

    def balanced(self, curvature: Array) -> Array:
        """Strengths (m,) at which each penalty weighs as much as the data."""
        found = []
        for part in self.parts:
            own = float(np.trace(curvature[np.ix_(part.places, part.places)]))
            found.append(max(own, 1e-300) / float(np.trace(part.matrix)))
        return np.array(found)


class Point(NamedTuple):
    """At some strengths: the criterion with its derivatives by rho, (m,) and (m, m); coefficients (d,); root (d, d), A^-1 = root root';
    counted (d, d), the same of the coefficients that the determinant counts, and zeros.
    left (m,): by how much the criterion can change at most, about, as a strength grows from here without end."""

    value: float
    gradient: Array
    hessian: Array
    coefficients: Array
    root: Array
    counted: Array
    left: Array


@dataclass(frozen=True, eq=False)
class Parabola:
    """The loss. dispersion: None where it is to be estimated with the strengths, and ``spare`` is n - M then."""

    curvature: Array
    right: Array
    constant: float
    dispersion: float | None
    spare: float = 0.0
    bend: Array | None = field(default=None)
    nuisance: IntArray | None = field(default=None)

    def at(self, terms: Terms, rho: Array) -> Point | None:
        """None where A is not positive definite, beyond rounding."""
        strengths = np.exp(rho)
        total = terms.add_to(self.curvature, strengths)
        scale = np.sqrt(np.maximum(np.diag(total), 1e-300))
        try:
            lower = np.linalg.cholesky(total / np.outer(scale, scale))
        except np.linalg.LinAlgError:
            return None
        if np.diag(lower).min() < SMALLEST_PIVOT:
            return None
        b = cho_solve((lower, True), self.right / scale) / scale
        root = solve_triangular(lower, np.eye(len(lower)), lower=True).T / scale[:, None]
        inverse = root @ root.T
        counted, logarithm = root, float(np.log(np.diag(lower) * scale).sum())
        if self.nuisance is not None and len(self.nuisance):
            kept = np.setdiff1d(np.arange(len(b)), self.nuisance)
            own = np.linalg.cholesky((total / np.outer(scale, scale))[np.ix_(kept, kept)])
            counted = np.zeros_like(root)
            counted[np.ix_(kept, kept)] = solve_triangular(own, np.eye(len(own)), lower=True).T / scale[kept, None]
            logarithm = float(np.log(np.diag(own) * scale[kept]).sum())
        spread = counted @ counted.T
        m = len(terms.parts)
        # Each strength times its matrix: of the coefficients, their slopes by rho, and traces of products with the inverse.
        pulls = np.zeros((m, len(b)))
        for j, part in enumerate(terms.parts):
            pulls[j, part.places] = strengths[j] * (part.matrix @ b[part.places])
        slopes = -pulls @ inverse
        held = np.array([0.5 * pulls[j] @ b for j in range(m)])
        energy = self.constant - 0.5 * float(self.right @ b)
        bent = np.diag(held) + pulls @ slopes.T
        first, second = np.zeros(m), np.zeros((m, m))
        value = 2.0 * logarithm
        for j, part in enumerate(terms.parts):
            first[j] = strengths[j] * float(np.sum(spread[np.ix_(part.places, part.places)] * part.matrix))
            second[j, j] += first[j]
            for i in range(j + 1):
                other = terms.parts[i]
                cross = spread[np.ix_(part.places, other.places)]
                trace = strengths[i] * strengths[j] * float(np.sum((part.matrix @ cross) * (cross @ other.matrix)))
                second[i, j] -= trace
                if i != j:
                    second[j, i] -= trace
        for spectrum, members in zip(terms.spectra, terms.members, strict=True):
            own = spectrum * strengths[list(members)]
            sums = own.sum(axis=1)
            value -= float(np.log(sums).sum())
            shares = own / sums[:, None]
            first[list(members)] -= shares.sum(axis=0)
            second[np.ix_(members, members)] -= np.diag(shares.sum(axis=0)) - shares.T @ shares
        # As a strength grows, what is left of its directions, and what they cost, falls as fast: these parts of the slope are their sums.
        left = np.abs(first)
        if self.bend is not None:
            left = left + np.abs(slopes @ self.bend)
            along = inverse @ self.bend
            value += float(self.bend @ b)
            first += slopes @ self.bend
            for j, part in enumerate(terms.parts):
                image = strengths[j] * (part.matrix @ along[part.places])
                # d2 b = A^-1 S_j A^-1 S_i b and the other way round, less the first derivative on the diagonal.
                change = -(slopes[:, part.places] @ image)
                second[j] += change
                second[:, j] += change
                second[j, j] += float(slopes[j] @ self.bend)
        if self.dispersion is None:
            # Of a fit that is perfect what is left is rounding, which says nothing of strengths.
            rounding = PERFECT * abs(self.constant) + 1e-300
            if not energy > rounding:
                energy, held, bent = rounding, np.zeros(m), np.zeros((m, m))
            value += self.spare * float(np.log(energy))
            left = left + self.spare * np.abs(held) / energy
            first += self.spare * held / energy
            second += self.spare * (bent / energy - np.outer(held / energy, held / energy))
        else:
            value += 2.0 * energy / self.dispersion
            left = left + 2.0 * np.abs(held) / self.dispersion
            first += 2.0 * held / self.dispersion
            second += 2.0 * bent / self.dispersion
        return Point(value, first, second, b, root, counted, left)


def minimise(parabola: Parabola, terms: Terms, start: Array, name: Callable[[int], str]) -> tuple[Array, Point, bool]:
    """(rho, the point there, whether it is a minimum) from a start. name: of a coefficient by its place.

    Raises ValueError where no strengths make the coefficients determined.
    """
    middle = np.log(terms.balanced(parabola.curvature))
    low, high = middle + np.log(REACH[0]), middle + np.log(REACH[1])
    rho = np.where(terms.free, np.clip(start, low, high), start)
    point = parabola.at(terms, rho)
    if point is None:
        which = " and ".join(name(place) for place in _dependent(terms.add_to(parabola.curvature, np.exp(rho)))[:4])
        raise SolverError(
            f"the columns {which} determine each other in the rows there are, so that neither their coefficients nor strengths can be"
            " found; leave one out, or give a curve a smaller k"
        )
    straight = np.zeros(len(rho), dtype=np.bool_)
    for _ in range(STEPS):
        at_bound = ((rho <= low) & (point.gradient > 0)) | (((rho >= high) | (point.left < STRAIGHT)) & (point.gradient < 0))
        moving = np.flatnonzero(terms.free & ~at_bound & ~straight)
        if not moving.size:
            return rho, point, True
        gradient, hessian = point.gradient[moving], point.hessian[np.ix_(moving, moving)]
        values, vectors = np.linalg.eigh(hessian)
        bends = np.maximum(np.abs(values), 1e-9 * max(float(np.abs(values).max()), 1e-6))
        step = -vectors @ ((vectors.T @ gradient) / bends)
        promised = -float(gradient @ step)
        if promised < ENOUGH * (1.0 + 1e-4 * abs(point.value)) or np.abs(gradient).max() < LEVEL:
            return rho, point, True
        step *= min(1.0, FARTHEST / np.abs(step).max())
        taken = False
        for _ in range(20):
            tried = rho.copy()
            tried[moving] = np.clip(rho[moving] + step, low[moving], high[moving])
            there = parabola.at(terms, tried)
            if there is not None and there.value < point.value:
                rho, point, taken = tried, there, True
                break
            step *= 0.5
        if not taken and (point.left[moving] < ALL_BUT_STRAIGHT).any():
            # These stay where they are; the others go on.
            straight[moving] = point.left[moving] < ALL_BUT_STRAIGHT
        elif not taken:
            # What is left to gain is below rounding of the criterion.
            return rho, point, promised < ROUNDING * max(1.0, 1e-4 * abs(point.value))
    return rho, point, False


def _dependent(total: Array) -> list[int]:
    """The columns of the combination that a matrix knows least of."""
    scale = np.sqrt(np.maximum(np.diag(total), 1e-300))
    weights = np.abs(np.linalg.eigh(total / np.outer(scale, scale))[1][:, 0])
    return [int(place) for place in np.argsort(-weights) if weights[place] > 0.2 * weights.max()]
