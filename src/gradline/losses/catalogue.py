"""The losses that ship with gradline, with their derivatives in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.losses.protocol import RowDerivatives
from gradline.types import Array


@dataclass(frozen=True)
class Squared:
    """(y - eta)^2, summed over targets. Its coefficients describe the conditional mean."""

    name: str = "squared"

    def n_predictors(self, n_targets: int) -> int:
        return n_targets

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("mean",) if n_targets == 1 else tuple(f"y{j + 1}" for j in range(n_targets))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        residuals = predictors - targets
        value = np.einsum("ij,ij->i", residuals, residuals)
        if order == 0:
            return RowDerivatives(value)
        gradient = 2.0 * residuals
        if order == 1:
            return RowDerivatives(value, gradient)
        m, k = predictors.shape
        return RowDerivatives(value, gradient, np.broadcast_to(2.0 * np.eye(k), (m, k, k)))

    def predict(self, predictors: Array) -> Array:
        return predictors

    def squared_scale(self) -> float:
        return 1.0


squared = Squared()
