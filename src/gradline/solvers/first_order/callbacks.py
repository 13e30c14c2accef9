"""Callbacks: functions of a Record, and objects with the methods that Keras calls.

An object needs none of them but those it has: ``set_model``, ``set_params``, ``on_train_begin(logs)``, ``on_epoch_begin(epoch, logs)``,
``on_train_batch_begin(batch, logs)``, ``on_train_batch_end(batch, logs)``, ``on_epoch_end(epoch, logs)``, ``on_train_end(logs)``;
``on_batch_begin`` and ``on_batch_end`` are called where the longer names are not there. Any of them may return True, or set
``model.stop_training``, to end the training.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, Protocol

import numpy as np

from gradline.base.errors import ArgumentTypeError, SolverError
from gradline.base.types import Array
from gradline.solvers.history import Record

Callback = Callable[[Record], bool | None]

HOOKS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_batch_begin",
    "on_train_batch_end",
    "on_batch_end",
    "on_epoch_end",
    "on_train_end",
)
SHORTER = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class Trained(Protocol):
    """What a training lets its callbacks see and set."""

    coefficients: Array
    step: int

    @property
    def rate(self) -> float: ...

    @rate.setter
    def rate(self, value: float) -> None: ...


class Model:
    """What callbacks know as ``model``: the coefficients as they are now, the learning rate, and a way to end the training.

    It has the names of a Keras model as far as callbacks use them: ``optimizer.learning_rate``, ``get_weights`` and ``set_weights``.
    """

    def __init__(self, trained: Trained) -> None:
        self._trained = trained
        self.stop_training = False
        self.metrics: list[Any] = []

    @property
    def coefficients(self) -> Array:
        """(P, k), a copy; what is assigned to it is where the training goes on."""
        return self._trained.coefficients.copy()

    @coefficients.setter
    def coefficients(self, value: Any) -> None:
        array = np.array(value, dtype=np.float64)
        now = self._trained.coefficients
        if array.ndim == 1 and now.shape[1] == 1:
            array = array[:, None]
        if array.shape != now.shape or not np.isfinite(array).all():
            raise SolverError(f"a callback set coefficients of shape {array.shape}; they must be finite and of shape {now.shape}")
        self._trained.coefficients = array

    @property
    def step(self) -> int:
        """Steps done."""
        return self._trained.step

    @property
    def learning_rate(self) -> float:
        """Of the next step; what is assigned to it is that of all steps from then on."""
        return self._trained.rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._trained.rate = float(value)

    @property
    def optimizer(self) -> Model:
        """The model itself, so that ``model.optimizer.learning_rate`` is the learning rate."""
        return self

    def get_weights(self) -> list[Array]:
        """The coefficients, in a list of one array."""
        return [self.coefficients]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Takes what ``get_weights`` gave."""
        (self.coefficients,) = weights


class Callbacks:
    """The callbacks of one training."""

    def __init__(self, callbacks: Sequence[Any], trained: Trained, params: Mapping[str, Any]) -> None:
        self._functions = [each for each in callbacks if not _has_hooks(each)]
        self._objects = [each for each in callbacks if _has_hooks(each)]
        self.model = Model(trained)
        for each in self._objects:
            for name, value in (("set_params", dict(params)), ("set_model", self.model)):
                method = _method(each, name)
                if method is not None:
                    method(value)

    @property
    def watch_steps(self) -> bool:
        """Whether any is an object with methods."""
        return bool(self._objects)

    @property
    def stopped(self) -> bool:
        """Whether one asked for the end."""
        return self.model.stop_training

    def see(self, record: Record) -> None:
        """Hand a Record to the functions."""
        wishes = [function(record) for function in self._functions]  # all of them see it, whatever the first ones wish
        if any(wishes):
            self.model.stop_training = True

    def call(self, hook: str, *arguments: Any) -> None:
        """Call a method of all objects that have it."""
        for each in self._objects:
            method = _method(each, hook) or (_method(each, SHORTER[hook]) if hook in SHORTER else None)
            if method is not None and method(*arguments) is True:
                self.model.stop_training = True


def _takes_a_record(function: FunctionType) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    return True


def check_callbacks(callbacks: object) -> None:
    """Raises TypeError for anything but a list of functions and of objects with hooks."""
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise ArgumentTypeError(f"callbacks must be a list of functions of a Record, or of objects with on_epoch_end, not {callbacks!r}")
    for each in callbacks:
        if isinstance(each, type) and _has_hooks(each):
            raise ArgumentTypeError(f"the callback {each.__name__} is a class; make one, as in callbacks=[{each.__name__}()]")
        if isinstance(each, FunctionType) and not _takes_a_record(each):
            name = each.__name__
            raise ArgumentTypeError(
                f"the callback {name} takes no Record: where it makes a callback call it, as in callbacks=[{name}()], with brackets"
            )
        if not (_has_hooks(each) or callable(each)):
            raise ArgumentTypeError(
                f"callbacks must be a list of functions of a Record, or of objects with one of {', '.join(HOOKS)}, not {callbacks!r}"
            )


def are_functions(callbacks: Sequence[Any]) -> bool:
    """Whether none has hooks, so that Records are all they see."""
    return not any(_has_hooks(each) for each in callbacks)


def take_the_screen(callbacks: Sequence[Any]) -> bool:
    """Whether one draws where the progress bar would be, as it says itself."""
    return any(getattr(each, "takes_the_screen", False) is True for each in callbacks)


def _has_hooks(callback: object) -> bool:
    return any(_method(callback, name) is not None for name in HOOKS)


def _method(callback: object, name: str) -> Callable[..., Any] | None:
    found = getattr(callback, name, None)
    return found if callable(found) else None
