"""Least squares with a penalty that sets slopes to zero, from moments alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.constraints.specs import ConstraintSpec
from gradline.moments.least_squares import fit_moments, measured_at, places_of
from gradline.moments.moments_fit import MomentsFit
from gradline.penalties.arguments import left_to_data
from gradline.penalties.kinked_penalty import PenaltyColumns, UnboundPenalty, as_kinked
from gradline.solvers.least_squares.second_moments import SecondMoments
from gradline.solvers.proximal.moments_model import MomentsModel


def penalised(
    sums: SecondMoments,
    names: tuple[str, ...],
    target: str,
    features: list[str],
    intercept: bool,
    spec: UnboundPenalty,
    constraints: ConstraintSpec | None,
) -> MomentsFit:
    """The fit of one column on others. Raises ArgumentError for a penalty that moments alone cannot fit."""
    plain = fit_moments(sums, names, target, features, intercept, 0.0)
    if left_to_data(spec) is not None:
        raise ArgumentError(
            "moments of all rows hold no rows out, by which a strength could be chosen: give the strength, or give gl.path a list of"
            " moments, of which each is a fold"
        )
    own = sums.select(np.asarray(places_of(names, target, features)))
    p = len(features)

    def deviations() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.asarray(np.ldexp(np.sqrt(np.maximum(own.centred().diagonal(), 0.0) / own.weight), own.exponents)[:p])

    labels = tuple(features)
    bound = spec.bind(PenaltyColumns(labels, labels, ("prediction",), deviations))
    penalty = as_kinked(bound)
    if penalty is None or not penalty.rest_is_quadratic:
        raise ArgumentError(
            f"moments can fit a ridge, or a penalty with kinks that is else quadratic, and {bound.name!r} is neither: give the rows to"
            " gl.fit"
        )
    model = MomentsModel(own, 1, intercept)
    point = model.solve(penalty, np.zeros((p, 1)))
    coefficients = point.coefficients[:, 0]
    squares = model.loss_at(point.coefficients) * own.weight
    free = int(intercept) + int(np.count_nonzero(coefficients[int(intercept) :]))
    size = len(coefficients)
    found = replace(
        measured_at(plain, coefficients, squares, plain.n - free),
        standard_errors=np.full(size, np.nan),
        covariance=np.full((size, size), np.nan),
        aliased=(),
        gap=point.gap,
    )
    if constraints is None:
        return found
    from gradline.moments.constrained import within_constraints

    return within_constraints(found, sums, places_of(names, target, features), 0.0, constraints, penalty)
