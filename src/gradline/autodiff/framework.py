"""Which framework a user's function is written in, read off the modules it refers to."""

from __future__ import annotations

import builtins
import dis
import functools
import importlib.util
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, get_args

from gradline.base.errors import LossError

Framework = Literal["tensorflow", "jax", "torch"]
FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)

_ROOTS: dict[str, Framework] = {
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "tf_keras": "tensorflow",
    "tensorflow_probability": "tensorflow",
    "jax": "jax",
    "jaxlib": "jax",
    "jaxtyping": "jax",
    "torch": "torch",
}

_LOOKED_THROUGH = 100
"""Entries of the largest table of functions that is searched for a framework."""


def infer_framework(function: Callable[..., Any], prediction: Callable[..., Any] | None = None) -> Framework:
    """The one framework that ``function`` and ``prediction`` refer to.

    Raises ValueError when they refer to none or to several: the caller then names one with ``backend=``.
    """
    roots = {root for f in (function, prediction) if f is not None for root in _roots(f, set())}
    found = sorted({_ROOTS[root] for root in roots if root in _ROOTS})
    if len(found) == 1:
        return found[0]
    name = function_name(function)
    choices = ", ".join(f'backend="{framework}"' for framework in FRAMEWORKS)
    if found:
        raise LossError(f"the loss {name!r} refers to several frameworks ({' and '.join(found)}); say which differentiates it: {choices}")
    if "numpy" in roots or "scipy" in roots:
        raise LossError(
            f"the loss {name!r} refers to NumPy, which cannot be differentiated; write it with tf.*, jax.numpy.* or torch.*"
            " functions (tf.square for np.square, for example), or, if NumPy only supplies constants, say which framework"
            f" differentiates it: {choices}"
        )
    raise LossError(f"the loss {name!r} refers to no framework (TensorFlow, JAX or PyTorch); say which differentiates it: {choices}")


def require_framework(framework: str) -> Framework:
    """Check a ``backend=`` argument; raises ValueError for an unknown name and ImportError, with the pip command, if not installed."""
    if framework not in FRAMEWORKS:
        raise LossError(f'backend={framework!r} is not one of "tensorflow", "jax", "torch"')
    if importlib.util.find_spec(framework) is None:
        raise ImportError(f'the backend "{framework}" is not installed; run: pip install "gradline[{framework}]"')
    return next(known for known in FRAMEWORKS if known == framework)


def function_name(function: Callable[..., Any]) -> str:
    """A name to call the user's function by in messages."""
    if isinstance(function, functools.partial):
        return function_name(function.func)
    return getattr(function, "__name__", None) or type(function).__name__


def references(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Names and values that a function reads: globals, closure, defaults, and attributes of the user's own modules and classes."""
    code = getattr(function, "__code__", None)
    if code is None:
        return
    for name, value in named_values(function):
        yield name, value
        yield from attributes_read(name, value, code)


def attributes_read(name: str, value: Any, code: types.CodeType) -> Iterator[tuple[str, Any]]:
    """The attributes that code may read off a module or class of the user's, called ``name`` there."""
    if _is_users_own(value):
        yield from ((f"{name}.{attribute}", found) for attribute, found in _attributes(value, code))


def inner(function: Callable[..., Any]) -> list[Any]:
    """What is behind partials, bound methods, decorated functions and callable objects: functions, arguments and attributes, named."""
    parts: list[Any] = []
    if isinstance(function, functools.partial):
        parts += [function.func, *function.args, *flat(function.keywords.items())]
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        parts.append(wrapped)
    if isinstance(function, types.MethodType):
        parts += _method_parts(function.__func__, function.__self__)
    elif not isinstance(function, types.FunctionType | functools.partial | type):
        # Not callable(): what matters is whether the call is Python code to look into.
        call = inspect.getattr_static(type(function), "__call__", None)
        parts += _method_parts(call, function) if isinstance(call, types.FunctionType) else flat(getattr(function, "__dict__", {}).items())
    return parts


def flat(named: Iterable[tuple[str, Any]]) -> list[Any]:
    """Names beside values: the same values under other names are something else."""
    return [part for pair in named for part in pair]


def named_values(function: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of closure, globals and defaults; None for a global that does not exist."""
    code: types.CodeType = function.__code__
    for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # a cell not filled yet
            continue
    namespace = getattr(function, "__globals__", {})
    for name in sorted(instructions(code, "LOAD_GLOBAL", "LOAD_NAME")):
        if name in namespace:
            yield name, namespace[name]
        elif not hasattr(builtins, name):
            yield name, None
    yield from (("default", value) for value in getattr(function, "__defaults__", None) or ())
    yield from (getattr(function, "__kwdefaults__", None) or {}).items()


def _method_parts(function: Callable[..., Any], owner: Any) -> list[Any]:
    """A method, what its owner holds, and the methods and class attributes that the method reads off its owner."""
    code = getattr(function, "__code__", None)
    shared = [] if code is None else flat(_attributes(owner if isinstance(owner, type) else type(owner), code))
    held = [] if isinstance(owner, type) else flat(getattr(owner, "__dict__", {}).items())
    return [function, *held, *shared]


def _attributes(holder: Any, code: types.CodeType) -> Iterator[tuple[str, Any]]:
    """Attributes of a module or class that the code may read, found without running properties or lazy imports."""
    for name in sorted(instructions(code, "LOAD_ATTR", "LOAD_METHOD")):
        value = inspect.getattr_static(holder, name, None)
        if value is not None:
            yield name, value.__func__ if isinstance(value, staticmethod | classmethod) else value


def _is_users_own(value: Any) -> bool:
    """A module or class of the user's, whose attributes may hold code and constants of the loss."""
    if not isinstance(value, types.ModuleType | type):
        return False
    root = (value.__name__ if isinstance(value, types.ModuleType) else value.__module__).partition(".")[0]
    return root not in _ROOTS and root not in ("numpy", "scipy") and (root == "__main__" or root not in sys.stdlib_module_names)


@functools.lru_cache(maxsize=512)  # a loop that writes its loss anew makes functions of one code
def instructions(code: types.CodeType, *operations: str) -> frozenset[str]:
    """The names that some instructions refer to, in nested functions too."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in operations}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= instructions(constant, *operations)
    return frozenset(names)


def _roots(value: Any, seen: set[int]) -> Iterator[str]:
    """Top-level packages that a value belongs to or, for a user's own function, refers to."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict | list | tuple) and len(value) <= _LOOKED_THROUGH:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _roots(item, seen)
        return
    if isinstance(value, types.ModuleType):
        yield value.__name__.partition(".")[0]
        return
    module = getattr(value, "__module__", None) or getattr(type(value), "__module__", "")
    root = module.partition(".")[0] if isinstance(module, str) else ""
    if root in _ROOTS or root in ("numpy", "scipy"):
        yield root
        return
    if isinstance(value, types.FunctionType):
        yield from (name.partition(".")[0] for name in instructions(value.__code__, "IMPORT_NAME"))
        for _, referred in references(value):
            yield from _roots(referred, seen)
    elif root == "builtins" or isinstance(value, type):
        return
    for part in inner(value) if callable(value) else []:
        yield from _roots(part, seen)
