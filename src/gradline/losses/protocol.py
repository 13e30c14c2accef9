"""What a loss owes the rest of gradline."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from gradline.types import Array


class RowDerivatives(NamedTuple):
    """The loss of each row and its derivatives with respect to that row's linear predictors.

    value (m,); gradient (m, k) or None below order 1; curvature (m, k, k) or None below order 2.
    """

    value: Array
    gradient: Array | None = None
    curvature: Array | None = None


class Loss(Protocol):
    """A loss of one row: ``loss(y_i, prediction(eta_i))`` with q targets and k linear predictors a row."""

    @property
    def name(self) -> str: ...

    def n_predictors(self, n_targets: int) -> int:
        """k, given q."""

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        """A name for each of the k linear predictors, such as ("mean", "log_scale")."""

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        """targets (m, q), predictors (m, k); order 0, 1 or 2."""

    def predict(self, predictors: Array) -> Array:
        """The forward pass: (m, k) linear predictors to (m, ...) predictions."""

    def squared_scale(self) -> float | None:
        """c where the loss is c times the sum over targets of (y - eta)^2, otherwise None."""
