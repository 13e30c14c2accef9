"""The numbers that a user's function has captured, taken out of it, so that what is compiled once serves all of them.

A loop that writes its loss anew, ``for k in ...: gl.fit(x, y, loss=lambda y, p: f(y, p, k))``, makes functions of the same code that
differ in ``k`` only. Compiled, the code takes ``k`` as one more argument.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from gradline.autodiff.framework import attributes_read, instructions, named_values
from gradline.autodiff.keys import fingerprint, is_framework

Build = Callable[[Sequence[Any]], Any]
"""Makes a value with other numbers in place of those it held."""


class Captured(NamedTuple):
    """key: equal for values that differ in their numbers only; None where that cannot be told. numbers: those taken out.
    build(numbers): the value with these in their place."""

    key: Hashable | None
    numbers: tuple[Any, ...]
    build: Build


def capture(value: Any, is_number: Callable[[Any], bool]) -> Captured:
    """Take out of a function, a partial or a tuple of these all numbers in closures, defaults, arguments and the globals of its module.

    A function that keeps a state between calls (it writes what it has captured) or calls itself has none taken out.
    """
    walk = _Walk(is_number)
    try:
        key, build = walk.visit(value)
    except _Entangled:
        return Captured(fingerprint(value), (), lambda numbers: value)
    return Captured(key, tuple(walk.numbers), build or (lambda numbers: value))


class _Entangled(Exception):
    """Numbers cannot be taken out, as a copy of the function would not be the function."""


class _Walk:
    def __init__(self, is_number: Callable[[Any], bool]) -> None:
        self.is_number = is_number
        self.numbers: list[Any] = []
        self.globals: dict[str, Any] | None = None
        self.within: list[int] = []

    def visit(self, value: Any) -> tuple[Hashable | None, Build | None]:
        """The key of a value, and how it is built with other numbers; None where it holds none."""
        if self.is_number(value):
            place = len(self.numbers)
            self.numbers.append(value)
            return ("number", type(value).__name__, *_form(value)), lambda numbers: numbers[place]
        if type(value) is tuple:
            return self._sequence(value, tuple)
        if isinstance(value, functools.partial) and type(value) is functools.partial:
            names = tuple(value.keywords)
            key, build = self._sequence((value.func, value.args, *value.keywords.values()), tuple)
            if build is None:
                return _joined(("partial", names), key), None
            rebuilt: Build = lambda numbers: _partial(names, *build(numbers))  # noqa: E731
            return _joined(("partial", names), key), rebuilt
        if isinstance(value, types.FunctionType) and not is_framework(value):
            return self._function(value)
        return fingerprint(value), None

    def _sequence(self, values: Sequence[Any], make: Callable[[Any], Any]) -> tuple[Hashable | None, Build | None]:
        parts = [self.visit(value) for value in values]
        builds = [build or _constant(value) for value, (_, build) in zip(values, parts, strict=True)]
        key = None if any(part is None for part, _ in parts) else tuple(part for part, _ in parts)
        if all(build is None for _, build in parts):
            return key, None
        return key, lambda numbers: make(build(numbers) for build in builds)

    def _function(self, function: types.FunctionType) -> tuple[Hashable | None, Build | None]:
        code = function.__code__
        if id(function) in self.within or _writes(code):
            raise _Entangled
        if self.globals is None:
            self.globals = function.__globals__
        self.within.append(id(function))
        cells = [_contents(cell) for cell in function.__closure__ or ()]
        names = list(global_names(function)) if function.__globals__ is self.globals else []
        keywords = function.__kwdefaults__ or {}
        held = (*cells, *(function.__globals__[name] for name in names), *(function.__defaults__ or ()), *keywords.values())
        key, build = self._sequence(held, tuple)
        self.within.pop()
        # Everything else that it reads stays as it is, and is part of the key by its value.
        fixed = [(name, value) for name, value in named_values(function) if name not in names and name not in code.co_freevars]
        fixed = [(name, value) for name, value in fixed if name != "default" and name not in keywords]
        fixed += [pair for name, value in named_values(function) for pair in attributes_read(name, value, code)]
        own = [(name, value) for name, value in function.__dict__.items() if name != "__wrapped__"]  # what it wraps is in its closure
        rest = fingerprint(tuple(part for pair in [*fixed, *own] for part in pair))
        whole = None if key is None or rest is None else ("function", code, tuple(names), tuple(keywords), len(cells), key, rest)
        if build is None:
            return whole, None

        def rebuilt(numbers: Sequence[Any]) -> Any:
            values = list(build(numbers))
            closure = tuple(types.CellType(value) if value is not _EMPTY else types.CellType() for value in values[: len(cells)])
            replaced = dict(zip(names, values[len(cells) :], strict=False))
            defaults = tuple(values[len(cells) + len(names) :][: len(function.__defaults__ or ())])
            made = types.FunctionType(code, function.__globals__ | replaced, function.__name__, defaults or None, closure or None)
            made.__kwdefaults__ = dict(zip(keywords, values[len(values) - len(keywords) :], strict=True)) or None
            made.__dict__.update(function.__dict__)
            made.__module__ = function.__module__
            return made

        return whole, rebuilt


class _Empty:
    """Stands for what a cell that is not filled yet holds."""


_EMPTY = _Empty


def global_names(function: types.FunctionType) -> Iterator[str]:
    """The globals that a function reads and that exist."""
    return (name for name in sorted(instructions(function.__code__, "LOAD_GLOBAL", "LOAD_NAME")) if name in function.__globals__)


def captured_arrays(function: Any) -> Iterator[tuple[str, Any]]:
    """Arrays that a function reads, with the names they have there."""
    if isinstance(function, functools.partial):
        yield from captured_arrays(function.func)
        named = [*enumerate(function.args, 1), *function.keywords.items()]
        yield from ((str(name), value) for name, value in named if _is_array(value))
    elif isinstance(function, types.FunctionType) and not is_framework(function):
        for name, value in named_values(function):
            if isinstance(value, types.FunctionType | functools.partial) and value is not function:
                yield from captured_arrays(value)
            elif _is_array(value):
                yield name, value


def _is_array(value: Any) -> bool:
    dimensions = getattr(value, "ndim", None)
    return isinstance(dimensions, int) and dimensions > 0


@functools.lru_cache(maxsize=512)
def _writes(code: types.CodeType) -> bool:
    """Whether code changes what it has captured, or an object's attributes."""
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"):
            return True
        if step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in code.co_freevars:
            return True
    return any(_writes(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _EMPTY


def _form(number: Any) -> tuple[Any, ...]:
    shape = getattr(number, "shape", None)
    return () if shape is None else (tuple(shape), str(number.dtype))


def _joined(first: Hashable, second: Hashable | None) -> Hashable | None:
    return None if second is None else (first, second)


def _constant(value: Any) -> Build:
    return lambda numbers: value


def _partial(names: tuple[str, ...], function: Any, arguments: tuple[Any, ...], *values: Any) -> Any:
    return functools.partial(function, *arguments, **dict(zip(names, values, strict=True)))
