"""The protocol the three frameworks stand behind.

A tape sees targets and linear predictors, never the columns. Arrays cross the seam as float64 NumPy arrays; a row of one target or
one linear predictor reaches the user's function as a scalar, so the function sees shape (m,), and otherwise (m, q) or (m, k).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from gradline.autodiff.calling import called
from gradline.autodiff.framework import function_name
from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array, IntArray
from gradline.rows.block import Block

LossFunction = Callable[[Any, Any], Any]
PredictionFunction = Callable[[Any], Any]

Form = Literal["row", "mean", "sum", "joint"]
"""What the user's function returns: one number per row; the mean or the sum of its own one-row values; or a truly joint scalar."""


@dataclass(frozen=True)
class UserLoss:
    """The user's function with what is known of it: what a tape is built from."""

    function: LossFunction
    prediction: PredictionFunction | None
    form: Form
    n_targets: int
    n_predictors: int

    @property
    def target_shape(self) -> tuple[int, ...]:
        return () if self.n_targets == 1 else (self.n_targets,)

    @property
    def predictor_shape(self) -> tuple[int, ...]:
        return () if self.n_predictors == 1 else (self.n_predictors,)

    def shape_targets(self, targets: Array) -> Array:
        """(m, q) as the user's function sees it."""
        return targets[:, 0] if self.n_targets == 1 else targets

    def shape_predictors(self, predictors: Array) -> Array:
        """(m, k) as the user's function sees it."""
        return predictors[:, 0] if self.n_predictors == 1 else predictors

    def forward(self, predictors: Any) -> Any:
        """The user's forward pass, the identity unless given."""
        return predictors if self.prediction is None else self.prediction(predictors)

    @property
    def adds_up(self) -> bool:
        """Whether the function adds up over the rows: a loop written by hand walks down that sum, not the mean."""
        return self.form == "sum"

    def scale(self, weight: float) -> float:
        """What the sum over all rows, of this total weight, is multiplied by in a loop: the mean's, or one where the function adds up."""
        return 1.0 if self.adds_up else 1.0 / weight

    def batch_scale(self, scale: Any, n_rows: Any, batch: Any) -> Any:
        """The same for the sum over some of the rows."""
        return scale if self.adds_up else scale * n_rows / batch

    def objective(
        self, targets: Any, predictors: Any, weights: Any, scale: Any, row_values: Callable[..., Any], total: Callable[[Any], Any]
    ) -> Any:
        """``scale * sum_i w_i loss_i`` over rows, in any framework; predictors shaped as the user's function sees them.

        row_values: one number per row, whatever form the function has. total: the framework's sum.
        """
        if self.form == "joint" or (self.form == "mean" and weights is None):
            return self(targets, predictors)  # without weights, the mean over these rows is what scale makes of their sum
        if weights is None:
            return scale * total(self(targets, predictors))
        return scale * total(weights * row_values(targets, predictors))

    @cached_property
    def called(self) -> LossFunction:
        """The user's function as ``called(y, prediction)``, whichever order its own arguments have."""
        return called(self.function)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "called"}

    def __call__(self, targets: Any, predictors: Any) -> Any:
        """The user's loss of what it sees. Raises NotCompiledError, and what the loss itself raises."""
        try:
            return self.called(targets, self.forward(predictors))
        except Exception as error:
            if type(error).__name__ not in _NOT_COMPILED and not any(words in str(error) for words in _EAGER_ONLY):
                raise
            raise NotCompiledError(
                f"the loss {function_name(self.function)!r} cannot be compiled or differentiated, because it asks for the value of a tensor"
                " in plain Python (if, for, float(), .numpy(), a NumPy function); use the framework's own functions, such as tf.where for"
                f" if, and NumPy only for constants ({type(error).__name__}: {str(error).splitlines()[0]})"
            ) from error


_NOT_COMPILED = {
    "OperatorNotAllowedInGraphError",
    "ConcretizationTypeError",
    "TracerArrayConversionError",
    "TracerBoolConversionError",
    "TracerIntegerConversionError",
    "NonConcreteBooleanIndexError",
}
_EAGER_ONLY = ("has no attribute 'numpy'", "Cannot convert a symbolic", "Can't call numpy() on Tensor", "data-dependent control flow")
"""What TensorFlow, JAX and PyTorch raise where code needs a value that only exists when the function runs."""


class NotCompiledError(ValueError):
    """A user's loss leaves its framework: it asks for the value of a tensor in plain Python."""


class Step(NamedTuple):
    """Constants of a gradient-descent step: ``velocity = momentum velocity - rate gradient``, then ``coefficients += velocity``
    (with Nesterov, ``coefficients += momentum velocity - rate gradient``). Sutskever et al. (2013), section 2."""

    rate: float
    momentum: float
    nesterov: bool

    def move(self, coefficients: Any, velocity: Any, gradient: Any) -> tuple[Any, Any]:
        """Coefficients and velocity after the step, in whichever framework they are."""
        velocity = self.momentum * velocity - self.rate * gradient
        return coefficients + (self.momentum * velocity - self.rate * gradient if self.nesterov else velocity), velocity


class Trace(NamedTuple):
    """Objective before each step: loss (t,), gradient norm (t,), coefficients (t, P, k)."""

    loss: Array
    gradient_norm: Array
    coefficients: Array


class Descent(Protocol):
    """A compiled loop of gradient-descent steps over one set of in-memory rows."""

    def run(self, coefficients: Array, velocity: Array, count: int, step: Step, batches: IntArray | None) -> tuple[Array, Array, Trace]:
        """``count`` steps from (coefficients, velocity), each (P, k); batches (count, batch size) row numbers, or None for all rows.

        Returns the new coefficients and velocity, and the full-data objective before each step: the mean over the rows or, of a user's
        loss that adds up over them, the sum.
        """


@dataclass(frozen=True)
class Finding:
    """form: what the function returns. squared_scale: c if the loss of a row is c times the sum of (y - eta)^2, otherwise None."""

    form: Form
    squared_scale: float | None


class Tape(Protocol):
    """Values and derivatives of a user's loss in one framework."""

    finding: Finding | None
    """What probing found, kept so that a function already known is not probed again."""

    def call(self, targets: Array, predictors: Array) -> np.ndarray[Any, Any]:
        """What the user's function returns for these rows, untouched; for probing. Raises what the function raises."""

    def gradient(self, targets: Array, predictors: Array) -> Array | None:
        """The gradient of the sum of what the function returns, run eagerly: (m, k), or None if the prediction is not used."""

    def predict(self, predictors: Array) -> Array:
        """The user's forward pass on (m, k) linear predictors."""

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        """Row values, gradients and curvatures, traced once."""

    def descent(self, rows: Block) -> Descent:
        """The compiled loop over these rows."""
