"""What a fit keeps of its constraints: which of them hold, and at what price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sparse

from gradline.base.types import Array
from gradline.constraints.polyhedron import BoolArray, Polyhedron
from gradline.linalg.coefficient_map import CoefficientMap

ConstrainedInference = Literal["intersection", "draws", "face"]
"""What intervals of a constrained fit are; see ``inference=`` of ``gl.fit``."""

HOLDS = 1e-12
"""Beside the sizes of a row's terms: how near its end it is where it holds."""


@dataclass(frozen=True, eq=False)
class HeldConstraints:
    """polyhedron: what was asked for. multipliers (m,): how fast the lowest objective rises with the end of each row: at least zero but
    for equations, zero where a row does not bind. held (m,): which rows hold as equations at the coefficients.

    unconstrained (P, k): the optimum without them, None where it was not looked for, and NaN for a column left out. inference: what
    intervals are.
    """

    polyhedron: Polyhedron
    multipliers: Array
    held: BoolArray
    unconstrained: Array | None = None
    inference: ConstrainedInference = "intersection"

    @property
    def binding(self) -> BoolArray:
        """(m,): the rows that hold at a price, and the equations."""
        return self.polyhedron.equal | (self.multipliers > 0)

    @property
    def force(self) -> Array:
        """The gradient of the objective that the multipliers balance, (P, k)."""
        flat = self.multipliers @ self.polyhedron.matrix
        return np.asarray(flat.reshape(self.polyhedron.shape[::-1]).T)

    def face(self, movable: BoolArray, base: Array) -> CoefficientMap:
        """The coefficients that move while the binding rows hold, from those of ``base`` (P, k). movable (P, k)."""
        rows = self.polyhedron.matrix[self.binding]
        fixed = ~movable.T.ravel()
        for row in rows:
            places = np.flatnonzero(row)
            if len(places) == 1:
                fixed[places[0]] = True
        rest = np.flatnonzero(~fixed)
        part = rows[:, rest]
        largest = np.abs(part).max(axis=1, initial=0.0)
        part = part / np.where(largest > 0, largest, 1.0)[:, None]
        length = np.linalg.norm(part, axis=1)
        part = part[length > 0] / length[length > 0, None]
        if not len(part):
            return CoefficientMap.selecting((~fixed).reshape(movable.shape[::-1]).T, base)
        # Columns that no row holds keep a column of their own.
        touched = np.flatnonzero((part != 0).any(axis=0))
        _, singular, vectors = np.linalg.svd(part[:, touched], full_matrices=True)
        rank = int((singular > 1e-10 * singular[0]).sum())
        along = vectors[rank:].T
        alone = np.setdiff1d(np.arange(len(rest)), touched)
        count = len(alone) + along.shape[1]
        matrix = sparse.lil_array((movable.size, count))
        for j, place in enumerate(alone):
            matrix[rest[place], j] = 1.0
        if along.shape[1]:
            matrix[rest[touched][:, None], np.arange(len(alone), count)[None, :]] = along
        return CoefficientMap(base, sparse.csr_array(matrix))


def held_at(polyhedron: Polyhedron, coefficients: Array, multipliers: Array) -> HeldConstraints:
    """What holds at coefficients (P, k), with the multipliers (m,) there."""
    flat = coefficients.T.ravel()
    gap = np.abs(polyhedron.matrix @ flat - polyhedron.right)
    size = np.abs(polyhedron.matrix) @ np.abs(flat) + np.abs(polyhedron.right)
    held = polyhedron.equal | (gap <= HOLDS * size) | (multipliers > 0)
    return HeldConstraints(polyhedron, multipliers, held)
