"""bs(), cr(), cs() and cc(): where the knots go, and the basis once they are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradline.base.types import Array
from gradline.formulas.errors import FormulaError
from gradline.formulas.learner import Options, State
from gradline.formulas.splines.basis import absorb_constraints, basis_spline, cubic_spline
from gradline.formulas.transforms.quantiles import DistinctValues, OrderStatistics

UNIQUE_HELD = 4_000_000
"""Distinct values held for the knots of cr(); a column with more takes its knots from quantiles of all values."""


class _Range:
    """Lowest and highest value within the bounds that are given, then the knots between them."""

    def __init__(self, options: Options, key: str, inner: int | None, distinct: bool) -> None:
        self.options, self.key = options, key
        self.low, self.high = np.inf, -np.inf
        self.bounds = (options["lower_bound"], options["upper_bound"])
        probabilities = np.linspace(0, 1, (inner or 0) + 2)[1:-1]
        self.statistics = OrderStatistics(probabilities)
        self.distinct = DistinctValues(UNIQUE_HELD) if distinct else None
        self.done = not inner

    def update(self, values: Array) -> None:
        if not values.size:
            return
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        lower, upper = (given if given is not None else far for given, far in zip(self.bounds, (-np.inf, np.inf), strict=True))
        if self.done:
            return
        values = values[(values >= lower) & (values <= upper)]
        if self.distinct is not None:
            self.distinct.update(values)
        self.statistics.update(values)

    def finish(self) -> tuple[float, float, list[float]] | None:
        """Both ends and the inner knots."""
        lower, upper = (self.low if self.bounds[0] is None else self.bounds[0], self.high if self.bounds[1] is None else self.bounds[1])
        if not np.isfinite(lower) or not np.isfinite(upper):
            raise FormulaError(f"{self.key} finds no values to place its knots by")
        if self.options["extrapolation"] == "raise" and (self.low < lower or self.high > upper):
            raise FormulaError(f"{self.key}: values reach from {self.low:g} to {self.high:g}, beyond the bounds {lower:g} and {upper:g}")
        knots: list[float] = []
        if not self.done:
            distinct = None if self.distinct is None else self.distinct.values()
            if distinct is None:
                quantiles = self.statistics.finish()
            else:
                quantiles = np.quantile(distinct, self.statistics.probabilities) if distinct.size else np.full(1, np.nan)
            if quantiles is None:
                return None
            if np.isnan(quantiles).any():
                raise FormulaError(f"{self.key} finds no values between {lower:g} and {upper:g} to place its knots by")
            knots = quantiles.tolist()
        return float(lower), float(upper), knots


class BasisSpline:
    """The knots of a B-spline, its ends repeated."""

    def __init__(self, options: Options, key: str) -> None:
        given, df, degree = options["knots"], options["df"], options["degree"]
        if given is not None and df is not None:
            raise FormulaError(f"{key}: give df or knots, not both")
        inner = None
        if df is not None:
            fewest = degree + int(options["include_intercept"])
            inner = df - fewest
            if inner < 0:
                raise FormulaError(f"{key}: df must be at least {fewest}")
        self.options, self.range = options, _Range(options, key, inner, distinct=False)
        self.update = self.range.update

    def finish(self) -> State | None:
        found = self.range.finish()
        if found is None:
            return None
        lower, upper, inner = found
        knots = sorted(float(knot) for knot in self.options["knots"]) if self.options["knots"] is not None else inner
        if knots and not lower <= knots[0] <= knots[-1] <= upper:
            raise FormulaError(f"{self.range.key}: its knots must lie between {lower:g} and {upper:g}")
        degree = self.options["degree"]
        return {"knots": [lower] * (degree + 1) + knots + [upper] * (degree + 1)}


def apply_basis_spline(values: Array, options: Options, state: State, key: str) -> Array:
    """(m,) -> (m, columns), without the first column unless include_intercept."""
    knots, degree, rule = np.asarray(state["knots"]), options["degree"], options["extrapolation"]
    values = _at_the_ends(values, float(knots[0]), float(knots[-1]), rule, key)
    basis = basis_spline(values, knots, degree, rule == "extend")
    return basis if options["include_intercept"] else basis[:, 1:]


class CubicSpline:
    """Knots first; with constraints="center", one more pass for the columns' means."""

    def __init__(self, options: Options, key: str, cyclic: bool) -> None:
        self.options, self.key, self.cyclic = options, key, cyclic
        df, given, constraints = options["df"], options["knots"], options["constraints"]
        if (df is None) == (given is None):
            raise FormulaError(f"{key}: give df or knots, one of them")
        if isinstance(constraints, str) and constraints != "center":
            raise FormulaError(f'{key}: constraints must be "center" or rows of numbers')
        self.constraints = None if constraints is None or constraints == "center" else np.atleast_2d(np.asarray(constraints, dtype=float))
        self.centred = isinstance(constraints, str)
        rows = 1 if self.centred else 0 if self.constraints is None else len(self.constraints)
        inner = None
        if df is not None:
            fewest = 1 if cyclic or rows else 2
            if df < fewest:
                raise FormulaError(f"{key}: df must be at least {fewest}")
            inner = df - 2 + rows + int(cyclic)
        self.range = _Range(options, key, inner, distinct=True)
        self.knots: Array | None = None
        self.total: Array | float = 0.0
        self.count = 0

    def update(self, values: Array) -> None:
        if self.knots is None:
            self.range.update(values)
        else:
            values = _at_the_ends(values, self.knots[0], self.knots[-1], self.options["extrapolation"], self.key)
            self.total = self.total + cubic_spline(values, self.knots, self.cyclic).sum(axis=0)
            self.count += len(values)

    def finish(self) -> State | None:
        if self.knots is not None:
            return {"knots": self.knots.tolist(), "constraints": [(np.asarray(self.total) / self.count).tolist()]}
        found = self.range.finish()
        if found is None:
            return None
        lower, upper, inner = found
        given = self.options["knots"]
        inner = sorted({float(knot) for knot in given}) if given is not None else inner
        knots = np.unique([lower, upper, *inner])
        if len(knots) != len(inner) + 2 or knots[0] < lower or knots[-1] > upper:
            raise FormulaError(f"{self.key}: its {len(inner) + 2} knots must differ and lie between {lower:g} and {upper:g}")
        if self.centred:
            self.knots = knots
            return None
        columns = len(knots) - int(self.cyclic)
        if self.constraints is not None and self.constraints.shape[1] != columns:
            raise FormulaError(f"{self.key}: each row of constraints needs {columns} numbers")
        return {"knots": knots.tolist(), "constraints": None if self.constraints is None else self.constraints.tolist()}


def apply_cubic_spline(cyclic: bool) -> Callable[[Array, Options, State, str], Array]:
    """The function from values to the basis, its constraints absorbed."""

    def apply(values: Array, options: Options, state: State, key: str) -> Array:
        knots, rule = np.asarray(state["knots"]), options["extrapolation"]
        beyond = (values < knots[0]) | (values > knots[-1])
        basis = cubic_spline(_at_the_ends(values, float(knots[0]), float(knots[-1]), rule, key), knots, cyclic)
        if state["constraints"] is not None:
            basis = absorb_constraints(basis, np.asarray(state["constraints"]))
        if rule == "zero":
            basis[beyond] = 0.0
        return basis

    return apply


def _at_the_ends(values: Array, low: float, high: float, rule: str, key: str) -> Array:
    """What to do with values beyond the outermost knots. Raises FormulaError where that is to raise, naming the value."""
    if rule in ("extend", "zero"):
        return values
    if rule == "clip":
        return np.clip(values, low, high)
    beyond = (values < low) | (values > high)
    if rule == "na":
        return np.where(beyond, np.nan, values)
    if beyond.any():
        raise FormulaError(
            f"{key}: the value {values[beyond][0]:g} lies beyond the knots, which reach from {low:g} to {high:g}; say what to do there with"
            ' extrapolation="clip", "extend", "zero" or "na"'
        )
    return values
