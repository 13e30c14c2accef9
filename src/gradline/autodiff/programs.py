"""What is compiled for a user's loss, shared by all losses that differ in the numbers they have captured."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np

from gradline.autodiff.captured import Captured, capture
from gradline.autodiff.tape import UserLoss

KEPT = 16
"""Programs kept; one holds some megabytes with JAX."""


class Compiler(Protocol):
    """What a framework knows of compiling."""

    name: str

    def is_number(self, value: Any) -> bool:
        """Whether it can be an argument of something compiled: a number or an array of numbers, outside any tracing."""

    def compile(self, function: Callable[..., Any], numbers: Sequence[Any], **options: Any) -> Callable[..., Any]:
        """``compiled(numbers, ...)`` of ``function(numbers, ...)``."""

    def forget(self, compiled: Callable[..., Any]) -> None:
        """Free what the framework keeps of it."""

    def value(self, function: Callable[..., Any], numbers: Sequence[Any], targets: Any, predictors: Any, *, compiled: bool) -> Any:
        """What ``function(numbers, y, eta)`` returns, called eagerly or compiled, as a NumPy array."""


@dataclass
class Program:
    """loss_with(numbers): the loss with other numbers in place of its own. functions: what has been compiled, by name."""

    compiler: Compiler
    loss_with: Callable[[Sequence[Any]], UserLoss]
    functions: dict[Hashable, Callable[..., Any]] = field(default_factory=dict)

    def compiled(self, name: Hashable, numbers: Sequence[Any], build: Callable[[UserLoss], Callable[..., Any]], **options: Any) -> Any:
        """``compiled(numbers, ...)`` of what ``build`` makes of the loss, compiled when it is first asked for."""
        found = self.functions.get(name)
        if found is None:
            loss_with = self.loss_with

            def function(numbers: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
                return build(loss_with(numbers))(*arguments, **keywords)

            found = self.functions[name] = self.compiler.compile(function, numbers, **options)
        return found

    def forget(self) -> None:
        for function in self.functions.values():
            self.compiler.forget(function)


class Bound(NamedTuple):
    """A program and the numbers of one loss, in its order."""

    program: Program
    numbers: tuple[Any, ...]

    def knows(self, name: Hashable) -> bool:
        """Whether it has been compiled."""
        return name in self.program.functions

    def compiled(self, name: Hashable, build: Callable[[UserLoss], Callable[..., Any]], **options: Any) -> Callable[..., Any]:
        """What ``build`` makes of the loss, compiled."""
        function, numbers = self.program.compiled(name, self.numbers, build, **options), self.numbers
        return lambda *arguments, **keywords: function(numbers, *arguments, **keywords)


_programs: OrderedDict[Hashable, Program | None] = OrderedDict()
"""None where the numbers of such a loss cannot be arguments."""
_lock = Lock()


def program_for(loss: UserLoss, compiler: Compiler) -> Bound:
    """The program of a loss, kept for losses of the same code.

    First all numbers are taken out, then all but the integers (an axis, a number of repetitions), then none: it is tried which of these
    give what the function itself gives. A loss whose other values cannot be compared has a program of its own, which is not kept.
    """
    for captured in _ways(loss, compiler):
        if captured.key is None:
            break
        key = (compiler.name, loss.form, loss.n_targets, loss.n_predictors, captured.key)
        with _lock:
            known = _programs.get(key, _UNKNOWN)
            if known is not _UNKNOWN:
                _programs.move_to_end(key)
        if known is _UNKNOWN:
            serves = not captured.numbers or _same(loss, captured, compiler)
            known = Program(compiler, _with(loss, captured)) if serves else None
            _keep(key, known)
        if isinstance(known, Program):
            return Bound(known, captured.numbers)
    return Bound(Program(compiler, lambda numbers: loss), ())


_UNKNOWN: Any = object()


def _ways(loss: UserLoss, compiler: Compiler) -> Iterator[Captured]:
    parts = (loss.function, loss.prediction)
    seen = -1
    for is_number in (compiler.is_number, lambda value: compiler.is_number(value) and not _is_integer(value), lambda value: False):
        captured = capture(parts, is_number)
        if len(captured.numbers) != seen:  # otherwise it has been tried
            yield captured
        seen = len(captured.numbers)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer)


def _with(loss: UserLoss, captured: Captured) -> Callable[[Sequence[Any]], UserLoss]:
    if not captured.numbers:
        return lambda numbers: loss

    def loss_with(numbers: Sequence[Any]) -> UserLoss:
        function, prediction = captured.build(numbers)
        return replace(loss, function=function, prediction=prediction)

    return loss_with


def _same(loss: UserLoss, captured: Captured, compiler: Compiler) -> bool:
    """Whether the loss with its numbers as arguments can be compiled, and is the loss: code may ask what kind of thing a number is."""
    rows = np.linspace(0.3, 1.7, 4)
    y = rows[:, None] * np.linspace(1.0, 1.3, loss.n_targets)
    eta = rows[::-1, None] * np.linspace(0.6, 0.9, loss.n_predictors)
    given = loss.shape_targets(y), loss.shape_predictors(eta)
    loss_with = _with(loss, captured)
    try:
        own = compiler.value(lambda numbers, *rows: loss(*rows), (), *given, compiled=False)
        other = compiler.value(lambda numbers, *rows: loss_with(numbers)(*rows), captured.numbers, *given, compiled=True)
    except Exception:  # whatever a function raises where it meets a tensor instead of a number
        return False
    return own.shape == other.shape and own.dtype == other.dtype and np.allclose(own, other, rtol=1e-12, atol=1e-300, equal_nan=True)


def _keep(key: Hashable, program: Program | None) -> None:
    with _lock:
        _programs[key] = program
        while len(_programs) > KEPT:
            _, dropped = _programs.popitem(last=False)
            if dropped is not None:
                dropped.forget()
