"""How well a fit knows its absorbed levels: what errors of predictions and leverages of rows need beside the coefficients' covariance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.design.dense import DenseDesign, Design
from gradline.inference.bread import Bread
from gradline.inference.covariance.estimate import Covariance
from gradline.inference.statistics import FitStatistics
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.level_columns import RowLevels, Taken
from gradline.linalg.level_form import LevelForm

BoolArray = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class LevelErrors:
    """The inverse curvature of columns and levels together, in two parts that are orthogonal (Frisch, Waugh and Lovell).

    A row's linear predictor is that of its columns less what the levels say of them, and of its levels. The first part has the covariance
    of the coefficients, the second the form d'(D'WD)^- d over ``curvature``.

    form: of the levels D, W the weights times the curvatures of the fit. taken: what the levels say of the P columns. left_out (P,):
    columns that are aliased. curvature: of a row of weight one, where W holds the weights alone (squared loss), else 1. robust: for a
    covariance other than the classical one, that of P columns and of the form's images together; None where it was not worked out, and
    ``without`` then says why.
    """

    form: LevelForm
    taken: Taken
    left_out: BoolArray
    curvature: float
    robust: Covariance | None = None
    without: str = ""

    def within(self, design: Design, levels: RowLevels) -> Array:
        """The columns of some rows less what their levels say of them, (m, P)."""
        left = self.taken.out_of(design.slopes(), levels)
        left[:, self.left_out] = 0.0
        return left

    def lever(self, levels: RowLevels) -> Array:
        """One column (m, 1) that stands for all levels where its inverse curvature is one: its square is the form over the curvature."""
        return np.asarray(np.sqrt(self.form.squares(levels) / self.curvature))[:, None]

    def images(self, levels: RowLevels) -> Array:
        """Columns (m, r) of inverse curvature one whose products are those of the levels."""
        return np.asarray(self.form.images(levels) / np.sqrt(self.curvature))

    def bread(self, bread: Bread, columns: int) -> Bread:
        """The bread of the P columns with ``columns`` more, of ``lever`` or ``images``."""
        size, rank = bread.root.shape
        root = np.zeros((size + columns, rank + columns))
        root[:size, :rank] = bread.root
        root[size:, rank:] = np.eye(columns)
        free = np.asarray(abs(bread.free.matrix).sum(axis=1)).ravel() > 0
        selected = CoefficientMap.selecting(np.concatenate([free, np.ones(columns, dtype=np.bool_)])[:, None])
        return Bread(root, (size + columns, 1), selected, np.zeros(size + columns), root)

    def design(self, design: Design, levels: RowLevels, covariance: Covariance) -> DenseDesign:
        """Rows as ``with_levels`` of a covariance takes them."""
        own = self.lever(levels) if covariance.kind == "classical" else self.images(levels)
        return DenseDesign(np.concatenate([self.within(design, levels), own], axis=1), False)

    def with_levels(self, covariance: Covariance, statistics: FitStatistics) -> Covariance:
        """The covariance of the coefficients and of the levels, for rows of ``design``.

        Raises InferenceError for a kind of which that of the levels was not worked out.
        """
        if covariance.kind != "classical":
            if self.robust is None or self.robust.kind != covariance.kind:
                why = self.without or f"the fit was made with other standard errors than {covariance.kind!r}"
                raise InferenceError(
                    f"no intervals of predictions by the covariance {covariance.kind!r}, for which the levels' own errors were not worked"
                    f' out: {why}; fit with covariance="classical" to have them, or write C(...) for the category'
                )
            return self.robust
        dispersion = 1.0 if statistics.dispersion is None else float(statistics.dispersion[0])
        size, rank = covariance.factor.shape
        factor = np.zeros((size + 1, rank + 1))
        factor[:size, :rank] = covariance.factor
        factor[size, rank] = np.sqrt(dispersion * self.curvature)
        return replace(covariance, factor=factor, shape=(size + 1, 1), estimated=np.append(covariance.estimated, True))
