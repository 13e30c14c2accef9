"""Keys of the values a function refers to: equal where the function is the same."""

from __future__ import annotations

import types
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from gradline.autodiff.framework import flat, inner, references


@dataclass(frozen=True, eq=False)
class _Same:
    """Stands for one object in a key, and keeps it: an id alone could come to mean another object once the first is gone."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def is_framework(value: Any) -> bool:
    """Whether a value belongs to a framework, whose own code is taken for granted."""
    return (getattr(value, "__module__", None) or "").partition(".")[0] in ("tensorflow", "keras", "jax", "torch", "numpy", "gradline")


_NOTHING: frozenset[int] = frozenset()


def fingerprint(value: Any, within: frozenset[int] = _NOTHING) -> Hashable | None:
    """A key that changes when the value does; None where that cannot be told."""
    if value is None:
        return ("none",)
    if isinstance(value, bool | int | float | complex | str | bytes):
        return (type(value).__name__, repr(value))
    if isinstance(value, types.ModuleType | type | types.BuiltinFunctionType):
        return _Same(value)
    if isinstance(value, tuple):
        return _all([fingerprint(item, within) for item in value])
    if not callable(value):
        return None
    if id(value) in within:  # recursion
        return ("recursion",)
    if is_framework(value):
        # JAX's functions are objects (jnp.log, jnp.add), none of which changes; an object of Keras's or PyTorch's holds numbers that may.
        fixed = isinstance(value, types.FunctionType) or not getattr(value, "__dict__", None) or value.__module__.startswith("jax.")
        return _Same(value) if fixed else None
    within = within | {id(value)}
    if isinstance(value, types.FunctionType):
        # Code compares by value: a notebook cell run again defines the same function anew.
        own = [*flat(value.__dict__.items()), *flat(references(value)), *inner(value)]
        return _all([value.__code__, *(fingerprint(part, within) for part in own)])
    return _all([_Same(type(getattr(value, "__self__", value))), *(fingerprint(part, within) for part in inner(value))])


def _all(parts: list[Any]) -> Hashable | None:
    return None if any(part is None for part in parts) else tuple(parts)
