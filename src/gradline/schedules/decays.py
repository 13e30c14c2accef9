"""The schedules: each a frozen dataclass that is a function of the step, so that it prints, compares and travels as what it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError

Schedule = Callable[[int], float]
"""The rate of a step, counted from 0."""


def constant(rate: float) -> Constant:
    """The same rate for every step.

    Parameters
    ----------
    rate : float
        Above 0.

    Returns
    -------
    function of the step

    Examples
    --------
    >>> import gradline as gl
    >>> gl.schedules.constant(0.1)(500)
    0.1
    """
    return Constant(_positive("rate", rate))


def exponential(rate: float, *, factor: float, every: int = 1, staircase: bool = False) -> Exponential:
    """A rate that falls to ``factor`` times itself over ``every`` steps: ``rate * factor ** (step / every)``.

    Parameters
    ----------
    rate : float
        Of the first step.
    factor : float
        Between 0 and 1.
    every : int, default 1
        Steps over which the rate falls by the factor.
    staircase : bool, default False
        Whether it falls at once after so many steps, and not a little with each.

    Returns
    -------
    function of the step

    Notes
    -----
    Keras's ``ExponentialDecay(rate, decay_steps=every, decay_rate=factor, staircase=staircase)``.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.schedules.exponential(0.1, factor=0.5, every=100)(200)
    0.025
    """
    return Exponential(_positive("rate", rate), _share("factor", factor), _count("every", every), bool(staircase))


def cosine(rate: float, *, steps: int, end: float = 0.0) -> Cosine:
    """A rate that falls along half a wave of the cosine, slowly at first and at the end, and stays there.

    Parameters
    ----------
    rate : float
        Of the first step.
    steps : int
        Steps until the end of the fall.
    end : float, default 0
        The rate from then on, at most ``rate``.

    Returns
    -------
    function of the step

    Notes
    -----
    Loshchilov and Hutter (2017), "SGDR: Stochastic gradient descent with warm restarts", equation 5, without restarts. Keras's
    ``CosineDecay(rate, decay_steps=steps, alpha=end / rate)``.

    Examples
    --------
    >>> import gradline as gl
    >>> rate = gl.schedules.cosine(0.1, steps=100, end=0.02)
    >>> rate(0), round(rate(50), 3), rate(100)
    (0.1, 0.06, 0.02)
    """
    first = _positive("rate", rate)
    if not (_is_number(end) and 0 <= end <= first):
        raise ArgumentError(f"end must be a rate from 0 to rate={first:g}, not {end!r}")
    return Cosine(first, _count("steps", steps), float(end))


def step(rate: float, *, every: int, factor: float = 0.5) -> Exponential:
    """A rate that is multiplied by ``factor`` after every so many steps, and stays the same between.

    Parameters
    ----------
    rate : float
        Of the first steps.
    every : int
        Steps between two falls.
    factor : float, default 0.5
        Between 0 and 1.

    Returns
    -------
    function of the step

    Examples
    --------
    >>> import gradline as gl
    >>> rate = gl.schedules.step(0.4, every=100)
    >>> rate(99), rate(100), rate(250)
    (0.4, 0.2, 0.1)
    """
    return exponential(rate, factor=factor, every=every, staircase=True)


def warm_up(then: float | Schedule, *, steps: int, start: float = 0.0) -> WarmUp:
    """A rate that rises in a straight line for some steps, and then does what another schedule says.

    Parameters
    ----------
    then : float or function of the step
        The rate after the rise. A schedule begins its own count where the rise ends.
    steps : int
        Of the rise.
    start : float, default 0
        The rate of the first step.

    Returns
    -------
    function of the step

    Notes
    -----
    Keras's ``CosineDecay(start, decay_steps, warmup_target=rate, warmup_steps=steps)`` is
    ``warm_up(cosine(rate, steps=decay_steps), steps=steps, start=start)``.

    Examples
    --------
    >>> import gradline as gl
    >>> rate = gl.schedules.warm_up(gl.schedules.cosine(0.1, steps=900), steps=100)
    >>> rate(0), rate(50), rate(100), rate(1000)
    (0.0, 0.05, 0.1, 0.0)
    """
    after: Schedule
    if callable(then):
        after = then
    elif _is_number(then):
        after = constant(then)
    else:
        raise ArgumentTypeError(f"then must be a rate or a function of the step, not {then!r}")
    if not (_is_number(start) and start >= 0):
        raise ArgumentError(f"start must be a rate of at least 0, not {start!r}")
    return WarmUp(after, _count("steps", steps), float(start))


@dataclass(frozen=True)
class Constant:
    """See :func:`constant`."""

    rate: float

    def __call__(self, step: int) -> float:
        return self.rate


@dataclass(frozen=True)
class Exponential:
    """See :func:`exponential`."""

    rate: float
    factor: float
    every: int
    staircase: bool

    def __call__(self, step: int) -> float:
        return self.rate * self.factor ** (step // self.every if self.staircase else step / self.every)


@dataclass(frozen=True)
class Cosine:
    """See :func:`cosine`."""

    rate: float
    steps: int
    end: float

    def __call__(self, step: int) -> float:
        left = 0.5 * (1.0 + math.cos(math.pi * min(step, self.steps) / self.steps))
        return left * self.rate + (1.0 - left) * self.end


@dataclass(frozen=True)
class WarmUp:
    """See :func:`warm_up`."""

    then: Schedule
    steps: int
    start: float

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.then(step - self.steps)
        return self.start + (self.then(0) - self.start) * (step / self.steps)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool) and math.isfinite(value)


def _positive(name: str, value: object) -> float:
    if not (isinstance(value, int | float | np.integer | np.floating) and _is_number(value) and value > 0):
        raise ArgumentError(f"{name} must be a number above 0, not {value!r}")
    return float(value)


def _share(name: str, value: object) -> float:
    number = _positive(name, value)
    if number > 1:
        raise ArgumentError(f"{name} must be at most 1, so that the rate falls, not {value!r}")
    return number


def _count(name: str, value: object) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1, not {value!r}")
    return int(value)
