"""Building tapes, and keeping them: a function that was traced once is not traced again for the next fit."""

from __future__ import annotations

import types
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from gradline.autodiff.framework import Framework, flat, inner, references
from gradline.autodiff.tape import Tape, UserLoss

_KEPT = 32
_tapes: OrderedDict[Hashable, Tape] = OrderedDict()
_lock = Lock()


def tape_for(loss: UserLoss, framework: Framework) -> Tape:
    """The tape of a user's loss, reused while nothing that the function refers to has changed.

    A traced function freezes the values it refers to (``delta = 1.0`` in a notebook cell), so those values are part of the key; a
    function that refers to something whose value cannot be compared (a list, an array) is traced anew for every fit.
    """
    key = _fingerprint((loss.function, loss.prediction, loss.form, loss.n_targets, loss.n_predictors, framework), frozenset())
    if key is None:
        return _build(loss, framework)
    with _lock:
        kept = _tapes.get(key)
        if kept is None:
            kept = _tapes[key] = _build(loss, framework)
            if len(_tapes) > _KEPT:
                _tapes.popitem(last=False)
        else:
            _tapes.move_to_end(key)
        return kept


def _build(loss: UserLoss, framework: Framework) -> Tape:
    if framework == "tensorflow":
        from gradline.autodiff.tensorflow import TensorFlowTape

        return TensorFlowTape(loss)
    if framework == "jax":
        from gradline.autodiff.jax import JaxTape

        return JaxTape(loss)
    from gradline.autodiff.torch import TorchTape

    return TorchTape(loss)


@dataclass(frozen=True, eq=False)
class _Same:
    """Stands for one object in a key, and keeps it: an id alone could come to mean another object once the first is gone."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _fingerprint(value: Any, within: frozenset[int]) -> Hashable | None:
    """A key that changes when the value does; None where that cannot be told."""
    if value is None:
        return ("none",)
    if isinstance(value, bool | int | float | complex | str | bytes):
        return (type(value).__name__, repr(value))
    if isinstance(value, types.ModuleType | type | types.BuiltinFunctionType):
        return _Same(value)
    if isinstance(value, tuple):
        return _all([_fingerprint(item, within) for item in value])
    if not callable(value):
        return None
    if id(value) in within:  # recursion
        return ("recursion",)
    module = getattr(value, "__module__", None) or ""
    if module.partition(".")[0] in ("tensorflow", "keras", "jax", "torch", "numpy", "gradline"):
        return _Same(value) if isinstance(value, types.FunctionType) or not getattr(value, "__dict__", None) else None
    within = within | {id(value)}
    if isinstance(value, types.FunctionType):
        # Code compares by value: a notebook cell run again defines the same function anew.
        own = [*flat(value.__dict__.items()), *flat(references(value)), *inner(value)]
        return _all([value.__code__, *(_fingerprint(part, within) for part in own)])
    return _all([_Same(type(getattr(value, "__self__", value))), *(_fingerprint(part, within) for part in inner(value))])


def _all(parts: list[Any]) -> Hashable | None:
    return None if any(part is None for part in parts) else tuple(parts)
