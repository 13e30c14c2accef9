"""What a loss owes the rest of gradline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array

Parameter = float | int | str | None


class Loss(Protocol):
    """A loss of one row: ``loss(y_i, prediction(eta_i))`` with q targets and k linear predictors a row.

    ``losses.defaults.LossDefaults`` answers everything below ``derivatives`` for a loss that claims nothing.
    """

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The numbers that make the loss: ``by_name(loss.name, **loss.parameters) == loss`` for a loss of the catalogue."""

    @property
    def meaning(self) -> str:
        """One sentence on what the coefficients mean; empty if nothing is known."""

    def n_predictors(self, n_targets: int) -> int:
        """k, given q. Raises ValueError where the loss cannot take q targets or does not know k before ``resolve``."""

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        """A name for each of the k linear predictors, such as ("mean", "log_scale")."""

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        """One flag a linear predictor: True where it is one number for all rows. Empty where no predictor is so restricted."""

    @property
    def is_resolved(self) -> bool:
        """False while the loss must still see the targets to know k (a multinomial without a class count)."""

    def resolve(self, highest: Array) -> Loss:
        """The loss ready to fit, given the columnwise maximum of all targets (q,): itself unless ``is_resolved`` is False."""

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        """targets (m, q), predictors (m, k); order 0, 1 or 2. Overflow gives infinity, without a NumPy warning."""

    def predict(self, predictors: Array) -> Array:
        """The forward pass (inverse link): (m, k) linear predictors to (m, ...) predictions."""

    def start(self, targets: Array) -> Array:
        """Constant linear predictors (k,) at which the loss of these targets (m, q) is finite: where a solver may begin."""

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        """Raises ValueError naming the loss, the first offending row (counted from 0; ``first_row`` is the number of ``targets[0]``),
        its value, and what is allowed."""

    def log_density(self, targets: Array, predictors: Array) -> Array | None:
        """log p(y_i | eta_i), normalising constant included: (m,); None unless ``is_likelihood``."""

    def variance(self, predictors: Array) -> Array | None:
        """Variance of each prediction's target, dispersion left out: shaped like ``predict``; None if the loss implies none."""

    def squared_scale(self) -> float | None:
        """c where the loss is c times the sum over targets of (y - eta)^2, otherwise None."""

    def kinks(self) -> tuple[float, ...] | None:
        """Where the derivative jumps: positions of r = y - eta in rising order; None if it never does.

        Positions are given only where the loss is a function of r alone (summed over targets); the empty tuple says
        the loss has kinks at places it cannot name.
        """

    @property
    def lowest_target(self) -> float:
        """The lower end of the targets the loss is defined for; minus infinity where they have none."""

    @property
    def is_convex(self) -> bool:
        """Known to be convex in the linear predictors."""

    @property
    def is_likelihood(self) -> bool:
        """The loss is -log of a density of y, normalising constant included."""

    @property
    def has_free_dispersion(self) -> bool:
        """The density leaves out a dispersion that multiplies ``variance`` and is to be estimated (squared, gamma, tweedie)."""

    @property
    def piecewise_linear(self) -> bool:
        """Linear in r = y - eta between its kinks."""
