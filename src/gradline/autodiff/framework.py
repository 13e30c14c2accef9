"""Which framework a user's function is written in, read off the modules it refers to."""

from __future__ import annotations

import builtins
import dis
import functools
import importlib.util
import types
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

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
        raise ValueError(f"the loss {name!r} refers to several frameworks ({' and '.join(found)}); say which differentiates it: {choices}")
    if "numpy" in roots or "scipy" in roots:
        raise ValueError(
            f"the loss {name!r} refers to NumPy, which cannot be differentiated; write it with tf.*, jax.numpy.* or torch.* functions"
            f" (tf.square for np.square, for example), or, if NumPy only supplies constants, say which framework differentiates it: {choices}"
        )
    raise ValueError(f"the loss {name!r} refers to no framework (TensorFlow, JAX or PyTorch); say which differentiates it: {choices}")


def require_framework(framework: str) -> Framework:
    """Check a ``backend=`` argument; raises ValueError for an unknown name and ImportError, with the pip command, if not installed."""
    if framework not in FRAMEWORKS:
        raise ValueError(f'backend={framework!r} is not one of "tensorflow", "jax", "torch"')
    if importlib.util.find_spec(framework) is None:
        raise ImportError(f'the backend "{framework}" is not installed; run: pip install "gradline[{framework}]"')
    return next(known for known in FRAMEWORKS if known == framework)


def function_name(function: Callable[..., Any]) -> str:
    """A name to call the user's function by in messages."""
    if isinstance(function, functools.partial):
        return function_name(function.func)
    return getattr(function, "__name__", None) or type(function).__name__


def references(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Names and values that a function reads from its globals and closure, nested functions included."""
    code = getattr(function, "__code__", None)
    if code is None:
        return
    for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # a cell not filled yet
            continue
    namespace = getattr(function, "__globals__", {})
    for name in sorted(_global_names(code)):
        if name in namespace:
            yield name, namespace[name]
        elif not hasattr(builtins, name):
            yield name, None


def inner(function: Callable[..., Any]) -> list[Any]:
    """The functions and bound arguments behind partials, bound methods, decorated functions and callable objects."""
    parts: list[Any] = []
    if isinstance(function, functools.partial):
        parts += [function.func, *function.args, *function.keywords.values()]
    if isinstance(function, types.MethodType):
        parts += [function.__func__, function.__self__]
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        parts.append(wrapped)
    if not isinstance(function, types.FunctionType | types.MethodType | functools.partial | type):
        call = getattr(type(function), "__call__", None)
        if isinstance(call, types.FunctionType):
            parts.append(call)
    return parts


def _global_names(code: types.CodeType) -> set[str]:
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def _imports(code: types.CodeType) -> set[str]:
    names = {i.argval.partition(".")[0] for i in dis.get_instructions(code) if i.opname == "IMPORT_NAME"}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _imports(constant)
    return names


def _roots(value: Any, seen: set[int]) -> Iterator[str]:
    """Top-level packages that a value belongs to or, for a user's own function, refers to."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, types.ModuleType):
        yield value.__name__.partition(".")[0]
        return
    module = getattr(value, "__module__", None) or getattr(type(value), "__module__", "")
    root = module.partition(".")[0] if isinstance(module, str) else ""
    if root in _ROOTS or root in ("numpy", "scipy"):
        yield root
        return
    if isinstance(value, types.FunctionType):
        yield from _imports(value.__code__)
        for _, referred in references(value):
            yield from _roots(referred, seen)
    elif root == "builtins" or isinstance(value, type):
        return
    for part in inner(value) if callable(value) else []:
        yield from _roots(part, seen)
    if callable(value) and not isinstance(value, types.FunctionType):
        for attribute in getattr(value, "__dict__", {}).values():
            yield from _roots(attribute, seen)
