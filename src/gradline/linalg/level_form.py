"""How well levels are known: d'(D'WD)^- d for any row d of the columns of levels D, held by level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.linalg.level_columns import LevelColumns, RowLevels
from gradline.linalg.level_equations import LevelEquations


@dataclass(frozen=True, eq=False)
class LevelForm:
    """(D'WD)^- = diag(diagonal) + root root'. columns: D. diagonal (L,): of the levels that are eliminated, zero elsewhere. root (L, r)."""

    columns: LevelColumns
    diagonal: Array
    root: Array

    @classmethod
    def of(cls, equations: LevelEquations, most: int) -> LevelForm | None:
        """None where root would hold more than ``most`` numbers, or what the elimination leaves is not factored."""
        size, outside = equations.bounds[-1], len(equations.outer)
        if size * min(outside, 1) > most or (outside and equations.factor is None):
            return None
        factor = equations.factor
        rank = 0 if factor is None else factor.rank
        if size * (1 + rank) > most:
            return None
        diagonal, root = np.zeros(size), np.zeros((size, rank))
        diagonal[equations.inner] = equations.inverse
        if factor is not None:
            root[equations.outer] = factor.root
            root[equations.inner] = np.asarray(equations.border @ factor.root) * -equations.inverse[:, None]
        return cls(equations.columns, diagonal, root)

    def squares(self, rows: RowLevels) -> Array:
        """The form of some rows, (m,)."""
        total = np.zeros(len(rows.codes[0]))
        for run in self.columns.runs(rows):
            own = self.diagonal[run.start + run.codes]
            total += own if run.values is None else own * np.square(run.values)
        if not self.root.shape[1]:
            return total
        image = self.columns.image(rows, self.root)
        return np.asarray(total + np.einsum("ij,ij->i", image, image))

    @property
    def width(self) -> int:
        """Numbers a row of ``images``."""
        return len(self._own) + int(self.root.shape[1])

    def images(self, rows: RowLevels) -> Array:
        """(m, width): rows whose products are those of the form, d'(D'WD)^- e."""
        m, eliminated = len(rows.codes[0]), len(self._own)
        found = np.zeros((m, self.width))
        places = np.full(len(self.diagonal), -1)
        places[self._own] = np.arange(eliminated)
        for run in self.columns.runs(rows):
            column = places[run.start + run.codes]
            there = np.flatnonzero(column >= 0)
            values = np.sqrt(self.diagonal[run.start + run.codes[there]])
            found[there, column[there]] = values if run.values is None else values * run.values[there]
        if self.root.shape[1]:
            found[:, eliminated:] = self.columns.image(rows, self.root)
        return found

    @cached_property
    def _own(self) -> IntArray:
        """The columns that have a diagonal."""
        return np.flatnonzero(self.diagonal)
