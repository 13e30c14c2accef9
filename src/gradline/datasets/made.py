"""Points around a line or a plane, whose truth is known."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array


@dataclass(frozen=True, eq=False)
class Line:
    """Points scattered around a straight line. Unpacks as ``x, y``.

    x: (n,). y: (n,). slope, intercept: of the line that made them, which a fit should recover.
    """

    x: Array
    y: Array
    slope: float
    intercept: float

    def __iter__(self) -> Iterator[Array]:
        return iter((self.x, self.y))

    def __repr__(self) -> str:
        return f"Line({len(self.x):,} points around y = {self.slope:g} x {_signed(self.intercept)})"


@dataclass(frozen=True, eq=False)
class Plane:
    """Points scattered around one or several planes. Unpacks as ``X, Y``.

    X: (n, p), p inputs. Y: (n, q), q outputs, or (n,) where there is one. coefficients: (p, q), and intercepts: (q,), of the planes
    that made them, which a fit should recover.
    """

    X: Array
    Y: Array
    coefficients: Array
    intercepts: Array

    def __iter__(self) -> Iterator[Array]:
        return iter((self.X, self.Y))

    def __repr__(self) -> str:
        p, q = self.coefficients.shape
        return f"Plane({len(self.X):,} points, {_count(p, 'input')}, {_count(q, 'output')})"


def line(n_examples: int = 1000, slope: float = 6, intercept: float = -5, noise: float = 1, seed: int | None = None) -> Line:
    """Noisy points around a line: x ~ N(0, 1) and y = slope * x + intercept + noise * N(0, 1).

    Parameters
    ----------
    n_examples : int
        How many points.
    slope, intercept : float
        The line.
    noise : float
        The standard deviation of the scatter. 0 puts every point on the line.
    seed : int, optional
        A whole number gives the same points every time.

    Returns
    -------
    Line
        Unpacks to x and y, (n_examples,) each. Its ``slope`` and ``intercept`` are the true ones.

    Raises
    ------
    ValueError
        For a value that cannot be used.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> x.shape, y.shape
    ((1000,), (1000,))
    """
    n = _whole("n_examples", n_examples)
    a, b, scatter = _finite("slope", slope), _finite("intercept", intercept), _noise(noise)
    generator = _generator(seed)
    x = generator.standard_normal(n)
    y = a * x + b + scatter * generator.standard_normal(n)
    return Line(x, y, a, b)


def plane(
    n_inputs: int = 3,
    n_outputs: int = 2,
    n_examples: int = 1000,
    noise: float = 1,
    seed: int | None = None,
    coefficients: Any = None,
    intercepts: Any = None,
) -> Plane:
    """Noisy points around planes: X ~ N(0, 1) and Y = X @ coefficients + intercepts + noise * N(0, 1).

    Parameters
    ----------
    n_inputs, n_outputs, n_examples : int
        How many columns X and Y have, and how many rows.
    noise : float
        The standard deviation of the scatter. 0 puts every point on its plane.
    seed : int, optional
        A whole number gives the same points every time.
    coefficients : array, optional
        The true coefficients, (n_inputs, n_outputs), with one output also (n_inputs,).
    intercepts : array or float, optional
        The true intercepts, (n_outputs,), or one number for all. Whole numbers from -9 to 9, never 0, are drawn for whatever is not given.

    Returns
    -------
    Plane
        Unpacks to X, (n_examples, n_inputs), and Y, (n_examples, n_outputs), or (n_examples,) for one output. Its ``coefficients`` and
        ``intercepts`` are the true ones.

    Raises
    ------
    ValueError
        For a value that cannot be used.

    Examples
    --------
    >>> import gradline as gl
    >>> X, Y = gl.datasets.plane(n_inputs=3, n_outputs=2, seed=1)
    >>> X.shape, Y.shape
    ((1000, 3), (1000, 2))
    """
    p, q, n = _whole("n_inputs", n_inputs), _whole("n_outputs", n_outputs), _whole("n_examples", n_examples)
    scatter = _noise(noise)
    generator = _generator(seed)
    # The points are drawn before the coefficients, so that giving coefficients leaves the points as they were.
    inputs = generator.standard_normal((n, p))
    errors = generator.standard_normal((n, q))
    drawn = generator.integers(1, 10, (p + 1, q)) * generator.choice((-1.0, 1.0), (p + 1, q))
    matrix = drawn[:p] if coefficients is None else _array("coefficients", coefficients)
    if matrix.ndim == 1 and q == 1:
        matrix = matrix[:, None]
    if matrix.shape != (p, q):
        raise ArgumentError(
            f"coefficients has shape {np.shape(coefficients)}; {_count(p, 'input')} and {_count(q, 'output')} need shape ({p}, {q}):"
            " one row for each input, one column for each output"
        )
    constants = drawn[p] if intercepts is None else _array("intercepts", intercepts)
    if constants.shape not in ((), (q,)):
        raise ArgumentError(
            f"intercepts has shape {np.shape(intercepts)}; give one number for each of the {_count(q, 'output')}, shape ({q},)"
        )
    constants = np.broadcast_to(constants, (q,)).copy()
    outputs = inputs @ matrix + constants + scatter * errors
    return Plane(inputs, outputs[:, 0] if q == 1 else outputs, matrix, constants)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1, not {value!r}")
    return int(value)


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ArgumentError(f"{name} must be a finite number, not {value!r}")
    return float(value)


def _noise(value: Any) -> float:
    scatter = _finite("noise", value)
    if scatter < 0:
        raise ArgumentError(f"noise is a standard deviation, so it must be zero or more, not {value!r}")
    return scatter


def _array(name: str, value: Any) -> Array:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} must be an array of numbers, not {value!r}") from None
    if not np.isfinite(array).all():
        raise ArgumentError(f"{name} holds NaN or infinity; give finite numbers")
    return array


def _generator(seed: Any) -> np.random.Generator:
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or seed < 0):
        raise ArgumentError(f"seed must be a whole number of zero or more, or None for fresh points each time, not {seed!r}")
    return np.random.default_rng(None if seed is None else int(seed))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):g}"
