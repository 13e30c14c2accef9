"""What a loss answers when it claims nothing, and the losses that are a sum over targets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.distribution import Distribution
from gradline.losses.operations import Operations
from gradline.losses.protocol import Aim, Parameter, SpreadUnits, TargetKind, Written

if TYPE_CHECKING:
    from gradline.autodiff.tape import Tape

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

Elementwise = tuple[Array, Array | None, Array | None]
"""Value, gradient and curvature of single targets, each shaped like the targets; None above the order asked for."""


class LossDefaults:
    """The members of ``Loss`` for a loss that claims nothing: a frozen dataclass inherits it and overrides what it knows.

    ``domain`` completes the sentence "targets must be ..."; ``in_domain`` tests them one by one.
    """

    # Properties, so that a subclass may override each with a plain attribute or with a property of its own.
    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return ()

    @property
    def without_intercept(self) -> tuple[bool, ...]:
        return ()

    @property
    def is_likelihood(self) -> bool:
        return False

    @property
    def has_free_dispersion(self) -> bool:
        return False

    @property
    def piecewise_linear(self) -> bool:
        return False

    @property
    def meaning(self) -> str:
        return ""

    @property
    def target_kind(self) -> TargetKind:
        return "number"

    @property
    def aims_at(self) -> Aim:
        return None

    @property
    def predicts_probabilities(self) -> bool:
        return self.target_kind in ("label", "class")

    @property
    def quantile_level(self) -> float | None:
        return None

    @property
    def distribution(self) -> Distribution | None:
        return None

    @property
    def is_equidispersed(self) -> bool:
        return False

    def spread_units(self, targets: Array, copies: Array, precision: Array | None) -> SpreadUnits | None:
        return SpreadUnits(copies, np.ones(len(copies), dtype=np.bool_)) if self.is_equidispersed else None

    @property
    def uses_expected_information(self) -> bool:
        return False

    @property
    def has_tuning_scale(self) -> bool:
        return False

    @property
    def estimates_scale(self) -> bool:
        return False

    @property
    def sums_over_targets(self) -> bool:
        return False

    @property
    def limit_remedy(self) -> str:
        return ""

    @property
    def takes_order(self) -> bool:
        return False

    @property
    def takes_labels(self) -> bool:
        return False

    @property
    def takes_pairs(self) -> bool:
        return False

    @property
    def of_residuals(self) -> bool:
        return False

    @property
    def joint(self) -> bool:
        return False

    @property
    def tape(self) -> Tape | None:
        return None

    @property
    def takes_long_runs(self) -> bool:
        return False

    @property
    def adds_up(self) -> bool:
        return False

    @property
    def is_at_hand(self) -> bool:
        return True

    @property
    def written(self) -> Written:
        return Written(self, identity=type(self).predict is LossDefaults.predict)

    @property
    def rows_to_bind(self) -> int:
        return 0

    @property
    def domain(self) -> str:
        return "finite numbers"

    @property
    def lowest_target(self) -> float:
        return -math.inf

    @property
    def is_convex(self) -> bool:
        return False

    @property
    def never_negative(self) -> bool:
        return False

    @property
    def flat_directions(self) -> Array | None:
        return None

    @property
    def scores_classes(self) -> bool:
        return False

    @property
    def is_resolved(self) -> bool:
        return True

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def resolve(self, highest: Array) -> Self:
        return self

    def all_identified(self) -> Self:
        return self

    def bind(self, targets: Array, offset: Array | None = None) -> Self:
        found = self.resolve(targets.max(axis=0))
        found.check_targets(targets)
        return found

    def with_own_formulas(self) -> Self:
        return self

    def formula_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        return self.predictor_names(len(target_names))

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return ("prediction",) if n_targets == 1 else tuple(f"y{j + 1}" for j in range(n_targets))

    def n_predictors(self, n_targets: int) -> int:
        return n_targets

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        raise NotImplementedError(f"{type(self).__name__} has no derivatives")

    def predict(self, predictors: Array) -> Array:
        return predictors

    def start(self, targets: Array) -> Array:
        return np.zeros(self.n_predictors(targets.shape[1]))

    def in_domain(self, targets: Array) -> BoolArray:
        """Which targets the loss is defined for, shaped like ``targets``; need not look at NaN and infinity."""
        return np.ones(targets.shape, dtype=np.bool_)

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        allowed = self.in_domain(targets)
        allowed &= np.isfinite(targets)
        if allowed.all():
            return
        row, column = (int(i) for i in np.argwhere(~allowed)[0])
        where = f"row {first_row + row}" if targets.shape[1] == 1 else f"row {first_row + row}, target {column + 1},"
        raise LossError(f"loss {self.name}: {where} holds {targets[row, column]:.15g}; targets must be {self.domain}")

    def variance(self, predictors: Array) -> Array | None:
        return None

    def observed(self, targets: Array) -> Array:
        return targets

    def observed_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        return tuple(target_names)

    def observed_variance(self, targets: Array, predictors: Array) -> Array | None:
        return self.variance(predictors)

    def expected_targets(self, targets: Array, predictors: Array) -> Array:
        return self.predict(predictors)

    def saturated_loss(self, targets: Array) -> Array | None:
        return None

    def log_density_at_dispersion(self, targets: Array, predictors: Array, dispersion: Array) -> Array | None:
        return None

    def squared_scale(self) -> float | None:
        return None

    def kinks(self) -> tuple[float, ...] | None:
        return None

    def require_one_target(self, n_targets: int) -> None:
        """Raises ValueError unless q = 1."""
        if n_targets != 1:
            raise LossError(f"loss {self.name} takes one target column, but there are {n_targets}; fit each target by itself")


class PerTarget(LossDefaults):
    """The sum over targets of a loss of (y_j, eta_j): k = q. A subclass writes ``elementwise`` and ``target_formula``."""

    sums_over_targets = True

    @property
    def predictor(self) -> str:
        """The name of the linear predictor of a single target."""
        return "location"

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        """The loss of single targets and its first ``order`` derivatives; arguments share any shape and are left as they are."""
        raise NotImplementedError(f"{type(self).__name__} has no elementwise derivatives")

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """The loss of single targets as a formula in any framework, elementwise."""
        raise NotImplementedError(f"{type(self).__name__} has no formula")

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets and predictors as a user's function sees them: (m,), or (m, q) for q > 1."""
        values = self.target_formula(operations, targets, predictors)
        return values if len(values.shape) == 1 else operations.sum(values)

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return (self.predictor,) if n_targets == 1 else tuple(f"y{j + 1}" for j in range(n_targets))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        m, k = predictors.shape
        with np.errstate(over="ignore", under="ignore"):
            if k == 1:
                value, gradient, curvature = self.elementwise(targets[:, 0], predictors[:, 0], order)
                return RowDerivatives(
                    value,
                    None if gradient is None else gradient[:, None],
                    None if curvature is None else curvature[:, None, None],
                )
            value, gradient, curvature = self.elementwise(targets, predictors, order)
        if curvature is None:
            return RowDerivatives(value.sum(axis=1), gradient)
        matrices = np.zeros((m, k, k))
        np.einsum("ijj->ij", matrices)[...] = curvature
        return RowDerivatives(value.sum(axis=1), gradient, matrices)

    def start(self, targets: Array) -> Array:
        return np.asarray(np.median(targets, axis=0), dtype=np.float64)


def saturated_by_log(loss: PerTarget, targets: Array) -> Array:
    """The least loss of each row (m,) under the log link, where it is reached at eta = log y."""
    total = np.zeros(len(targets))
    for j in range(targets.shape[1]):
        positive = np.flatnonzero(targets[:, j] > 0)
        # The least of a row of zero is reached at minus infinity, and is 0.
        column = targets[positive, j : j + 1]
        total[positive] += loss.derivatives(column, np.log(column), 0).value
    return total
