"""What is predicted for a row: numbers made of its linear predictors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from gradline.base.types import Array
from gradline.design.dense import Design
from gradline.linalg.level_columns import RowLevels
from gradline.losses.protocol import Loss

if TYPE_CHECKING:
    from gradline.model.record import Model

OutputKind = Literal["mean", "linear"]


class Outputs(Protocol):
    """What is predicted for rows without missing values: ``width`` numbers each."""

    @property
    def width(self) -> int: ...

    def __call__(self, design: Design, predictors: Array) -> Array:
        """predictors (m, k), offset included -> (m, width)."""

    def beside_levels(self, design: Design, levels: RowLevels) -> Design:
        """The design of rows of a fit with absorbed levels, as ``__call__`` is to have it."""


@dataclass(frozen=True)
class PointOutputs:
    """The predictions themselves."""

    loss: Loss
    kind: OutputKind
    n_predictors: int

    @property
    def width(self) -> int:
        """Numbers a row of the prediction."""
        return int(predict_linear(self.loss, np.zeros((1, self.n_predictors)), self.kind).shape[1])

    def __call__(self, design: Design, predictors: Array) -> Array:
        return predict_linear(self.loss, predictors, self.kind)

    def beside_levels(self, design: Design, levels: RowLevels) -> Design:
        """The design as it is: points need none."""
        return design


def points(fit: Model, kind: OutputKind) -> PointOutputs:
    """The predictions of a fit."""
    return PointOutputs(fit.loss_function, kind, fit.solution.coefficients.shape[1])


def predict_linear(loss: Loss, predictors: Array, kind: OutputKind) -> Array:
    """The forward pass of linear predictors (m, k), NaN where one of them is: (m, c)."""
    if kind == "linear":
        return predictors
    missing = np.asarray(np.isnan(predictors).any(axis=1))
    found = np.asarray(loss.predict(np.where(missing[:, None], 0.0, predictors)), dtype=np.float64)
    found = found[:, None] if found.ndim == 1 else found
    if missing.any():
        found = found.copy()
        found[missing] = np.nan
    return found
