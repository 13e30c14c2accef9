"""A penalty's function of the user's own: values and derivatives along one coefficient, or along one direction of a group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gradline.autodiff.framework import Framework, function_name, infer_framework, require_framework
from gradline.autodiff.tape import Tape, UserLoss
from gradline.autodiff.tapes import tape_for
from gradline.base.errors import ArgumentError, ArgumentTypeError, GradlineError, LossError
from gradline.base.types import Array

EPSILON = float(np.finfo(float).eps)

STEP = 2.0**-9
"""Of a point's size: the step of central differences of sixth order."""

OFFSETS = np.arange(-3.0, 4.0)
FIRST = np.array([-1.0, 9.0, -45.0, 0.0, 45.0, -9.0, 1.0]) / 60.0
SECOND = np.array([2.0, -27.0, 270.0, -490.0, 270.0, -27.0, 2.0]) / 180.0
"""Weights of the differences: Fornberg (1988), Mathematics of Computation 51."""

NEAR_ZERO = 1e-9


class Along(NamedTuple):
    """Values, slopes and bends, each (m,)."""

    value: Array
    slope: Array
    bend: Array


def framework_of(function: Callable[..., Any], backend: str | None) -> Framework | None:
    """What differentiates the function; None for NumPy, where differences do. Raises ValueError where it refers to several frameworks."""
    if backend is not None:
        return None if backend == "numpy" else require_framework(backend)
    try:
        return infer_framework(function)
    except LossError as error:
        if "several frameworks" in str(error):
            raise ArgumentError(
                f"the penalty {function_name(function)!r} refers to several frameworks: say which differentiates it, as in"
                ' backend="tensorflow"'
            ) from error
        return None


@dataclass(frozen=True)
class _Elementwise:
    """The function as a loss of one linear predictor, which has no use for the target."""

    function: Callable[[Any], Any]

    def __call__(self, y: Any, prediction: Any) -> Any:
        return self.function(prediction)


@dataclass(frozen=True)
class _OfVector:
    """The same of a row's vector."""

    function: Callable[[Any], Any]

    def __call__(self, y: Any, prediction: Any) -> Any:
        return self.function(prediction[0] if len(prediction.shape) == 2 else prediction)


@dataclass(frozen=True, eq=False)
class OwnFunction:
    """function: of an array of coefficients, elementwise, where size is None; else of one vector of that size, which gives a number.

    Along a group it is a function of the Euclidean norm, and is followed in one direction.
    """

    function: Callable[[Any], Any]
    framework: Framework | None
    size: int | None = None
    zero: float = 0.0
    """The value at zero, which is taken off."""
    smooth: bool = field(default=False)
    """Whether differences may reach across zero."""

    @property
    def name(self) -> str:
        return function_name(self.function)

    @property
    def accuracy(self) -> float:
        """Of a slope, relative."""
        return 1e-11 if self.framework is None else 4.0 * EPSILON

    @cached_property
    def _tape(self) -> Tape:
        assert self.framework is not None
        if self.size is None:
            return tape_for(UserLoss(_Elementwise(self.function), None, "row", 1, 1), self.framework)
        return tape_for(UserLoss(_OfVector(self.function), None, "sum", 1, self.size), self.framework)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_tape"}

    def called(self, points: Array) -> Any:
        """What the function returns for coefficients (m,), or for one vector (size,), untouched. Raises ValueError for what it raises."""
        try:
            if self.framework is None:
                with np.errstate(all="ignore"):
                    return self.function(points)
            rows = points[:, None] if self.size is None else points[None, :]
            return self._tape.call(np.zeros((len(rows), 1)), rows)
        except GradlineError:
            raise
        except Exception as error:
            written = "NumPy arrays" if self.framework is None else f"tensors of {self.framework}"
            raise ArgumentError(
                f"the penalty {self.name!r} failed on {written}: {type(error).__name__}: {error}; if it is written for another framework,"
                ' say so, as in backend="torch"'
            ) from error

    def values(self, t: Array) -> Array:
        """At coefficients t (m,), or at vectors of norm |t|."""
        if self.framework is not None:
            return np.asarray(self._derivatives(t, 0).value).reshape(len(t)) - self.zero
        with np.errstate(all="ignore"):
            if self.size is None:
                return np.asarray(self.function(t), dtype=np.float64) - self.zero
            direction = np.full(self.size, 1.0 / np.sqrt(self.size))
            return np.array([float(np.asarray(self.function(each * direction)).reshape(())) for each in t]) - self.zero

    def along(self, t: Array) -> Along:
        """At t (m,), none of which is zero unless the function is smooth there."""
        if self.framework is None:
            size = np.maximum(np.abs(t), 1.0) if self.smooth else np.abs(t)
            step = STEP * size
            values = self.values((t[:, None] + step[:, None] * OFFSETS).ravel()).reshape(-1, len(OFFSETS))
            # What is left of the constant would cost digits.
            spread = values - values[:, 3:4]
            return Along(values[:, 3], spread @ FIRST / step, spread @ SECOND / step**2)
        found = self._derivatives(t, 2)
        if self.size is None:
            return Along(found.value - self.zero, found.gradient[:, 0], found.curvature[:, 0, 0])
        unit = np.full(self.size, 1.0 / np.sqrt(self.size))
        return Along(found.value - self.zero, found.gradient @ unit, found.curvature @ unit @ unit)

    def _derivatives(self, t: Array, order: int) -> Any:
        rows = t[:, None] if self.size is None else np.outer(t, np.full(self.size, 1.0 / np.sqrt(self.size)))
        return self._tape.derivatives(np.zeros((len(t), 1)), rows, order)

    def slopes_at_zero(self) -> tuple[float, float]:
        """From the left, and from the right; along a group both are of its norm."""
        right = self._slope_beside(1.0)
        return (-right if self.size is not None else self._slope_beside(-1.0)), right

    def _slope_beside(self, side: float) -> float:
        if self.framework is not None:
            found = self.along(np.array([side * NEAR_ZERO]))
            return float(found.slope[0] - side * NEAR_ZERO * found.bend[0])
        # The divided difference from zero, carried on to zero by a polynomial; of several widths the one that agrees with the next.
        nodes = np.arange(1.0, 8.0)
        weights = np.array([np.prod([m / (m - n) for m in nodes if m != n]) for n in nodes])
        estimates = [float(weights @ (self.values(side * h * nodes) / (side * h * nodes))) for h in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)]
        if not np.isfinite(estimates).all():
            return estimates[-1]
        apart, floor = np.abs(np.diff(estimates)), 1e-9 * float(np.abs(self.values(np.array([side]))).max())
        # Where no two agree there is no limit.
        return estimates[1 + int(apart.argmin())] if apart.min() <= max(1e-3 * np.abs(estimates).max(), floor) else np.inf


def checked_shape(function: OwnFunction) -> None:
    """Raises TypeError for a function that returns something else than one number a coefficient, or one for a group."""
    name = function.name
    if function.size is not None:
        got = np.asarray(function.called(np.linspace(0.5, 1.0, function.size)))
        if got.size != 1 or got.dtype.kind not in "fiu":
            raise ArgumentTypeError(
                f'the penalty {name!r} by="group" takes the vector of a group and returns one number; it returned {_what(got)} for a vector'
                f' of {function.size}. Add its terms up, or write by="coefficient"'
            )
        return
    points = np.array([0.5, -1.5, 0.25, 3.0, -0.75])
    got = np.asarray(function.called(points))
    if got.dtype.kind not in "fiu" or got.shape != points.shape:
        advice = 'leave the sum or mean out, or write by="group"' if got.size == 1 else "return one number for each"
        raise ArgumentTypeError(
            f"the penalty {name!r} takes an array of coefficients and returns as many numbers, each of its own coefficient; it returned"
            f" {_what(got)} for {len(points)} coefficients: {advice}"
        )
    if not np.allclose(got[:2], np.asarray(function.called(points[:2])), rtol=1e-12, atol=1e-14, equal_nan=True):
        raise ArgumentTypeError(
            f'the penalty {name!r} mixes coefficients: what it returns for one depends on others; write by="group" for that'
        )


def _what(got: Any) -> str:
    return "one number" if got.ndim == 0 else f"an array of shape {got.shape}" if got.dtype.kind in "fiu" else f"{got.dtype} values"
