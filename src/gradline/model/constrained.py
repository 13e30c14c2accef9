"""The part of a model that speaks of constraints: which of them hold, at what price, and whether the data supports them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.warnings import warn

if TYPE_CHECKING:
    from gradline.constraints.held import HeldConstraints
    from gradline.inference.constrained import ConstraintTest
    from gradline.inference.covariance.estimate import Covariance
    from gradline.inference.intervals import Interval
    from gradline.solvers.protocol import Solution


class ModelConstraints:
    """Reads what a solver within constraints left in the solution."""

    solution: Solution

    if TYPE_CHECKING:

        def covariance(self, kind: str | None = None) -> Covariance: ...

    @property
    def constraints(self) -> HeldConstraints | None:
        """The constraints of the fit with their multipliers; None where it has none."""
        return self.solution.held

    @property
    def active_constraints(self) -> tuple[str, ...]:
        """The constraints that hold as equations at the coefficients, in words: those that bind, and those just touched."""
        held = self.constraints
        return () if held is None else tuple(text for text, holds in zip(held.polyhedron.texts, held.held, strict=True) if holds)

    @property
    def multipliers(self) -> Mapping[str, float]:
        """How fast the lowest objective rises with the end of each constraint, by its words: zero where it does not bind.

        That of an inequality is at least zero: by it the objective would fall if the constraint were let out by one unit. That of an
        equation has either sign.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> gl.fit(x, y, constraints="x <= 5").multipliers["x <= 5"] > 0
        True
        """
        held = self.constraints
        return {} if held is None else dict(zip(held.polyhedron.texts, held.multipliers.tolist(), strict=True))

    def test_constraints(self) -> ConstraintTest:
        """The test that the constraints hold, by how far the fit without them is from what they allow.

        Of equations it is Wald's test. Of inequalities the distance has a mixture of chi-squared (or F) distributions, taken at the true
        coefficients where a rejection is most likely: all inequalities met as equations.

        Returns
        -------
        ConstraintTest
            ``statistic``, ``p_value``, ``weights`` of the mixture, and ``missed``: the constraints that the fit without them
            misses, in standard errors.

        Raises
        ------
        ValueError
            Without constraints, with ``inference="face"``, and where the fit has no standard errors.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> gl.fit(x, y, constraints="x >= 0").test_constraints().p_value
        1.0
        >>> gl.fit(x, y, constraints="x <= 5").test_constraints().p_value < 1e-6
        True
        """
        from gradline.inference.constrained import constraints_test

        held = self.constraints
        if held is None:
            raise InferenceError("this fit has no constraints to test: give them with gl.fit(..., constraints=...)")
        if held.inference == "face":
            raise InferenceError('with inference="face" the constraints are taken for true; fit with "intersection" to test them')
        covariance = self.covariance()
        assert held.unconstrained is not None
        return constraints_test(held.unconstrained, covariance, held.polyhedron)

    @property
    def estimate(self) -> Array:
        """The coefficients that standard errors belong to, (P, k): of a fit within constraints those without them, but on their face."""
        held = self.constraints
        if held is None or held.unconstrained is None or held.inference == "face":
            return self.solution.coefficients
        return np.where(np.isnan(held.unconstrained), 0.0, held.unconstrained)


def interval_within(model: ModelConstraints, level: float) -> Interval:
    """Confidence intervals (P, k) of the coefficients within their constraints, as the fit was asked for them."""
    from gradline.inference.constrained import coefficient_ranges, drawn_interval, intersected
    from gradline.inference.intervals import Interval, coefficient_interval

    held, covariance = model.constraints, model.covariance()
    assert held is not None
    estimate = model.estimate
    if held.inference == "draws":
        return drawn_interval(estimate, covariance, held.polyhedron, level)
    plain = coefficient_interval(estimate, covariance, level)
    if held.inference == "face":
        fixed = ~covariance.estimated.reshape(estimate.shape[::-1]).T
        kept = model.solution.coefficients
        return Interval(np.where(fixed, kept, plain.lower), np.where(fixed, kept, plain.upper))
    found = intersected(plain, coefficient_ranges(held.polyhedron))
    if (np.isnan(found.lower) & ~np.isnan(plain.lower)).any():
        warn("nothing is left of an interval within the constraints: the data does not support them; see test_constraints()")
    return found
