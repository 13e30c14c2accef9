"""A penalty that the user writes as a plain function, and how it is looked at before it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gradline.autodiff.framework import function_name
from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.penalties.group_lasso import Groups, groups_of, weight_of_groups
from gradline.penalties.kinked_penalty import KinkedPenalty, PenaltyColumns, factors
from gradline.penalties.lasso import Weights
from gradline.penalties.numbers import checked_strength
from gradline.penalties.own_function import OwnFunction, checked_shape, framework_of
from gradline.penalties.own_part import OwnPart, OwnSmooth, Shape
from gradline.penalties.sums import PenaltySpec, scales_of

PROBED = np.geomspace(1e-4, 1e2, 145)
"""Sizes of coefficients at which a function is looked at."""

SLACK = 1e-7
"""Of the largest slope there: what differences may be off."""


@dataclass(frozen=True, eq=False)
class Custom(PenaltySpec):
    """See :func:`custom`."""

    function: Callable[[Any], Any]
    by: Literal["coefficient", "group"] = "coefficient"
    groups: Groups = None
    strength: float | str = 1.0
    convex: bool = True
    weights: Weights = None
    scaled: bool = False
    backend: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.function) or isinstance(self.function, type):
            raise ArgumentTypeError(f"a custom penalty is made of a function of coefficients, not of {self.function!r}")
        if self.by not in ("coefficient", "group"):
            raise ArgumentError(f'by= of a custom penalty must be "coefficient" or "group", not {self.by!r}')
        if self.by == "coefficient" and self.groups is not None:
            raise ArgumentError('groups= of a custom penalty goes with by="group"')
        if not isinstance(self.convex, bool | np.bool_):
            raise ArgumentTypeError(f"convex= of a custom penalty must be True or False, not {self.convex!r}")
        object.__setattr__(self, "strength", checked_strength(self.strength, "a custom penalty"))

    @property
    def name(self) -> str:
        return function_name(self.function)

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings that are not at their defaults, and the strength."""
        return {"strength": self.strength} | {key: value for key, value in super().parameters.items() if key != "function"}

    def bind(self, columns: PenaltyColumns) -> KinkedPenalty | OwnSmooth:
        """The penalty of these columns. Raises as :func:`custom` says."""
        k, p = len(columns.predictors), len(columns.names)
        scales = scales_of(self.scaled, columns, "a custom penalty")
        each = np.tile(factors(self.weights, columns, "custom penalty"), k)
        if self.by == "coefficient":
            group, count = np.arange(k * p), k * p
        else:
            of_column = groups_of(self.groups, columns, singles=False)
            single = int(of_column.max(initial=-1)) + 1
            group, count = np.concatenate([of_column + j * single for j in range(k)]), k * single
            each = weight_of_groups(each, group, count, columns)
        sizes = np.ones(count, dtype=np.int64) if self.by == "coefficient" else np.bincount(group, minlength=count)
        framework = framework_of(self.function, self.backend)
        kinds = np.unique(sizes)
        functions = [OwnFunction(self.function, framework, None if self.by == "coefficient" else int(size)) for size in kinds]
        shapes = tuple(_probed(function, self.convex) for function in functions)
        of_group, strength = np.searchsorted(kinds, sizes), float(self.strength) * each
        if all(shape.low == shape.high == 0 for shape in shapes):
            members = tuple(np.flatnonzero(group == g) for g in range(count))
            smooth = tuple(replace(shape.function, smooth=True) for shape in shapes)
            return OwnSmooth(self.name, smooth, of_group, members, strength, scales, self, all(shape.convex for shape in shapes))
        return KinkedPenalty(self.name, OwnPart(shapes, of_group, np.asarray(group, dtype=np.int64), strength), scales, None, self)


def _probed(function: OwnFunction, said_convex: bool) -> Shape:
    """The function with what it does at zero and beyond. Raises for one that is no penalty."""
    checked_shape(function)
    name, single = function.name, function.size is None
    zero = float(np.asarray(function.called(np.zeros(function.size or 1))).reshape(-1)[0])
    if not np.isfinite(zero):
        raise ArgumentError(f"the penalty {name!r} is {zero} at zero, where a penalty is finite: coefficients of zero are what it leaves")
    function = replace(function, zero=zero)
    t = np.concatenate([-PROBED[::-1], PROBED]) if single else PROBED
    values, slope, _ = function.along(t)
    _check_finite(name, t, values, "")
    _check_finite(name, t, slope, "'s slope")
    if not single:
        _check_norm(function)
    largest = float(np.abs(slope).max())
    if largest == 0:
        raise ArgumentError(f"the penalty {name!r} is the same for all coefficients, and penalises none")
    falls = np.flatnonzero(slope * np.sign(t) < -SLACK * largest)
    if falls.size:
        raise ArgumentError(
            f"the penalty {name!r} falls from zero to {'a coefficient' if single else 'a norm'} of {t[falls[0]]:.3g}: a penalty is"
            " least at zero"
        )
    low, high = function.slopes_at_zero()
    for side, limit in ((1.0, high), (-1.0, low)) if single else ((1.0, high),):
        # A line through two slopes nearby meets zero near the slope there; those of powers such as 1/2 and 3/2 of a size do not.
        near, further = function.along(side * PROBED[0] * np.array([1.0, 2.0])).slope
        if not abs(limit - (2.0 * near - further)) <= 0.1 * abs(near) + 1e-8 * largest:
            raise ArgumentError(
                f"the penalty {name!r} has no finite slope at zero that can be told, as a size to the power of 1/2 or 3/2 has none: its"
                f" slope at {side * PROBED[0]:.0e} is {near:.4g}, and nearer to zero another. Add a small number inside, as in"
                " log(1 + |b| / 0.01) or sqrt(|b| + 0.01)"
            )
    signed = slope if single else np.concatenate([-slope[::-1], slope])
    places = t if single else np.concatenate([-t[::-1], t])
    down = np.flatnonzero(np.diff(signed) < -SLACK * largest)
    if down.size and said_convex:
        i = int(down[-1])
        raise ArgumentError(
            f"the penalty {name!r} is not convex: its slope falls from {signed[i]:.4g} at {places[i]:.3g} to {signed[i + 1]:.4g} at"
            f" {places[i + 1]:.3g}. If that is meant, write convex=False: the fit is then a local minimum"
        )
    _check_kinks(function, t, slope)
    if high - low <= 2.0 * SLACK * largest:
        low = high = 0.0
    straight = bool((np.abs(signed - np.where(places < 0, low, high)) <= SLACK * largest).all())
    return Shape(function, low, high, said_convex and not down.size, straight)


def _check_finite(name: str, t: Array, values: Array, what: str) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ArgumentError(f"the penalty {name!r}{what} is {values[bad[0]]} at {t[bad[0]]:.3g}; it has to be finite for all coefficients")


def _check_norm(function: OwnFunction) -> None:
    assert function.size is not None
    directions = np.random.default_rng(0).normal(size=(4, function.size))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    for norm in (0.3, 2.0):
        found = [float(np.asarray(function.called(norm * direction)).reshape(())) for direction in directions]
        if not np.allclose(found, found[0], rtol=1e-9, atol=1e-12):
            raise ArgumentError(
                f"the penalty {function.name!r} is {found[0]:.6g} and {found[1]:.6g} at two vectors of norm {norm:g}:"
                ' by="group" is for functions of the Euclidean norm of a group. A sum over coefficients is by="coefficient"'
            )


def _check_kinks(function: OwnFunction, t: Array, slope: Array) -> None:
    """Raises for a kink that bends upwards away from zero: the slope rises as much between two points however near."""
    for side in (t > 0, t < 0):
        at, rise = t[side], np.diff(slope[side])
        i = int(rise.argmax()) if rise.size else 0
        if not rise.size or rise[i] <= 1e-3 * np.abs(slope).max():
            continue
        a, b, jump = float(at[i]), float(at[i + 1]), float(rise[i])
        for _ in range(2 if function.framework is None else 25):  # Differences reach across what is nearer.
            middle = 0.5 * (a + b)
            there = function.along(np.array([a, middle, b])).slope
            a, b, jump = (a, middle, there[1] - there[0]) if there[1] - there[0] > there[2] - there[1] else (middle, b, there[2] - there[1])
        if jump > 0.5 * rise[i]:
            raise ArgumentError(
                f"the penalty {function.name!r} has a kink at {a:.4g}, where its slope leaps up by {jump:.3g}:"
                " only a kink at zero is solved for"
            )


def custom(
    function: Callable[[Any], Any],
    by: Literal["coefficient", "group"] = "coefficient",
    groups: Groups = None,
    strength: float | Literal["auto"] = 1.0,
    *,
    convex: bool = True,
    weights: Weights = None,
    scaled: bool = False,
    backend: str | None = None,
) -> Custom:
    """A penalty of your own, written as a plain function: mean loss + strength * sum of function(b). The intercept is not penalised.

    It is least at zero, where it may have a kink, which sets slopes to zero, and smooth elsewhere. A constant is taken off, so that it
    is zero at zero. A function without a kink is a smooth penalty, for any solver that takes one.

    Parameters
    ----------
    function : callable
        In NumPy, TensorFlow, JAX or PyTorch. With ``by="coefficient"`` of an array of slopes, which returns as many numbers, each of its
        own slope. With ``by="group"`` of the vector of a group's slopes, which returns one number that depends on its Euclidean norm.
    by : "coefficient" or "group"
        What the function is of.
    groups : list of lists, dict of lists, or labels, optional
        As for ``group_lasso``: the terms of the formula unless given.
    strength : float
        At least 0. A factor of the function.
    convex : bool
        False for a function that bends downwards anywhere but at zero: the fit is a local minimum then, and its certificate says so.
    weights : dict, or array-like (p,), optional
        A factor of the strength for each column or term, as for ``lasso``.
    scaled : bool
        Give the function each slope times its column's standard deviation.
    backend : "tensorflow", "jax", "torch" or "numpy", optional
        What the function is written in, where the names it refers to do not tell. Functions of NumPy are differentiated by differences.

    Returns
    -------
    penalty
        For ``penalty=`` of ``gl.fit`` and ``gl.path``. It adds up with ridge, difference and quadratic.

    Raises
    ------
    TypeError, ValueError
        By the fit, for a function that returns the wrong number of numbers, is not finite, falls away from zero, has a kink elsewhere, an
        infinite slope at zero, or is not convex without saying so.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> def log_size(b):
    ...     return np.log1p(np.abs(b) / 0.1)
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> fit = gl.fit(X, 3 * X[:, 0], penalty=gl.penalties.custom(log_size, strength=0.1, convex=False))
    >>> [bool(slope == 0) for slope in fit.slopes]
    [False, True, True]
    """
    return Custom(function, by, groups, strength, convex, weights, scaled, backend)
