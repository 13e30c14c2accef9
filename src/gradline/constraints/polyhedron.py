"""The coefficients that are allowed, as rows of numbers, each with the words it was asked for in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.constraints.protocol import Bounds, Constraints, LinearForms

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class Polyhedron:
    """matrix vec(B) >= right, and = where ``equal``: matrix (m, k P), right (m,), equal (m,). texts (m,): of each row. shape: (P, k)."""

    matrix: Array
    right: Array
    equal: BoolArray
    texts: tuple[str, ...]
    shape: tuple[int, int]
    name: str = "constraints"

    @property
    def upper(self) -> Array:
        """The upper end of each row, (m,): infinite but for equations."""
        return np.where(self.equal, self.right, np.inf)

    @cached_property
    def columns(self) -> IntArray:
        """The coefficient of each row that holds one only, (m,); -1 for the others."""
        found = self.matrix != 0
        return np.where(found.sum(axis=1) == 1, found.argmax(axis=1), -1).astype(np.int64)

    @cached_property
    def bounds(self) -> Bounds | None:
        """lower <= B <= upper, of the rows of one coefficient."""
        if (self.columns < 0).all():
            return None
        lower, upper = np.full(self.matrix.shape[1], -np.inf), np.full(self.matrix.shape[1], np.inf)
        for row, column in enumerate(self.columns.tolist()):
            if column >= 0:
                weight = self.matrix[row, column]
                end = self.right[row] / weight
                if weight > 0 or self.equal[row]:
                    lower[column] = max(lower[column], end)
                if weight < 0 or self.equal[row]:
                    upper[column] = min(upper[column], end)
        return Bounds(lower.reshape(self.shape[::-1]).T, upper.reshape(self.shape[::-1]).T)

    @property
    def equalities(self) -> LinearForms | None:
        """matrix vec(B) = right, of the equations of several coefficients."""
        rows = self.equal & (self.columns < 0)
        return LinearForms(self.matrix[rows], self.right[rows]) if rows.any() else None

    @property
    def inequalities(self) -> LinearForms | None:
        """matrix vec(B) <= right, of the inequalities of several coefficients."""
        rows = ~self.equal & (self.columns < 0)
        return LinearForms(-self.matrix[rows], -self.right[rows]) if rows.any() else None

    def missed(self, coefficients: Array) -> Array:
        """By how much each row is missed at coefficients (P, k), beside the size of its terms, (m,)."""
        flat = coefficients.T.ravel()
        value = self.matrix @ flat - self.right
        size = np.abs(self.matrix) @ np.abs(flat) + np.abs(self.right)
        miss = np.where(self.equal, np.abs(value), np.maximum(-value, 0.0))
        return np.asarray(miss / np.where(size > 0, size, 1.0))

    def snapped(self, coefficients: Array, held: BoolArray) -> Array:
        """Coefficients (P, k) with those of the held rows of one coefficient exactly at their ends, and no other beyond one by rounding."""
        flat = coefficients.T.ravel().copy()
        bounds = self.bounds
        if bounds is not None:
            flat = np.clip(flat, bounds.lower.T.ravel(), bounds.upper.T.ravel())
        for row in np.flatnonzero(held & (self.columns >= 0)):
            column = self.columns[row]
            flat[column] = self.right[row] / self.matrix[row, column]
        return (flat + 0.0).reshape(self.shape[::-1]).T.copy()


def nothing(shape: tuple[int, int]) -> Polyhedron:
    """No rows: all coefficients (P, k) are allowed."""
    return Polyhedron(np.zeros((0, shape[0] * shape[1])), np.zeros(0), np.zeros(0, dtype=np.bool_), (), shape)


def polyhedron_of(constraints: Constraints, shape: tuple[int, int]) -> Polyhedron:
    """Any constraints as rows; those that are a polyhedron as they are."""
    if isinstance(constraints, Polyhedron):
        return constraints
    size = shape[0] * shape[1]
    rows, right, equal, texts = list[Array](), list[float](), list[bool](), list[str]()

    def add(weights: Array, end: float, is_equal: bool, text: str) -> None:
        rows.append(weights)
        right.append(end)
        equal.append(is_equal)
        texts.append(text)

    if constraints.bounds is not None:
        lower, upper = (end.T.ravel() for end in constraints.bounds)
        for column in range(size):
            unit = np.zeros(size)
            unit[column] = 1.0
            if lower[column] == upper[column]:
                add(unit, float(lower[column]), True, f"coefficient {column} = {lower[column]:g}")
                continue
            if np.isfinite(lower[column]):
                add(unit, float(lower[column]), False, f"coefficient {column} >= {lower[column]:g}")
            if np.isfinite(upper[column]):
                add(-unit, -float(upper[column]), False, f"coefficient {column} <= {upper[column]:g}")
    for forms, is_equal in ((constraints.equalities, True), (constraints.inequalities, False)):
        if forms is not None:
            for number, (weights, end) in enumerate(zip(forms.matrix, forms.right, strict=True)):
                sign = 1.0 if is_equal else -1.0
                add(sign * weights, sign * float(end), is_equal, f"{'equality' if is_equal else 'inequality'} {number}")
    matrix = np.array(rows).reshape(len(rows), size)
    return Polyhedron(matrix, np.array(right), np.array(equal, dtype=np.bool_), tuple(texts), shape, constraints.name)
