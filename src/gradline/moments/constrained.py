"""Least squares within constraints from moments alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradline.base.names import INTERCEPT
from gradline.base.types import Array
from gradline.constraints.arguments import bound_to
from gradline.constraints.columns import ConstraintColumns
from gradline.constraints.held import HeldConstraints, held_at
from gradline.constraints.polyhedron import BoolArray
from gradline.constraints.specs import ConstraintSpec
from gradline.moments.least_squares import measured_at
from gradline.moments.moments_fit import MomentsFit
from gradline.solvers.constrained.ending import not_constrained
from gradline.solvers.constrained.squared_model import SquaredModel
from gradline.solvers.constrained.working import WorkingRows, without_rounding
from gradline.solvers.least_squares.second_moments import SecondMoments


def within_constraints(plain: MomentsFit, sums: SecondMoments, columns: Sequence[int], strength: float, spec: ConstraintSpec) -> MomentsFit:
    """The fit within constraints, from the one without. sums: of the columns at ``columns``, the target last. strength: of a ridge.

    Standard errors stay those of the fit without. Raises ArgumentError for what cannot be.
    """
    intercept = plain.names[0] == INTERCEPT
    size = len(plain.names)
    movable = np.ones((size, 1), dtype=np.bool_)
    told = ConstraintColumns(plain.names, (plain.target,), plain.names, plain.names, intercept, movable.ravel().copy())
    polyhedron = bound_to(spec, told)
    own = sums.select(np.asarray(columns))
    everything = SquaredModel(own, intercept, movable.copy())
    aliased = not_constrained(
        tuple(plain.names.index(name) for name in plain.aliased), polyhedron, lambda: everything.in_units_of_data(everything.curvature)
    )
    movable[list(aliased)] = False
    model = everything.with_movable(movable)
    working = WorkingRows.of(polyhedron, model.free)
    penalty = np.where(movable, strength, 0.0)
    penalty[: int(intercept)] = 0.0
    curvature = model.curvature + model.free.restrict_curvature(np.diag(penalty.T.ravel()))
    coefficients: Array = np.zeros((size, 1))
    guess, steepest = None, 0.0
    for _ in range(3):
        gradient = model.gradient(coefficients) + model.free.restrict_gradient(penalty * coefficients)
        gradient, steepest = without_rounding(gradient, curvature, steepest)
        step = working.step(coefficients, curvature, gradient, guess)
        guess = step.program.held
        coefficients = working.moved(coefficients, step.change, step.program)
    held = held_at(polyhedron, coefficients, working.multipliers(step.program))
    unconstrained = plain.coefficients[:, None].copy()
    unconstrained[[plain.names.index(name) for name in plain.aliased]] = np.nan
    held = replace(held, unconstrained=unconstrained)
    return _measured(plain, model, sums, held, coefficients, movable)


def _measured(
    plain: MomentsFit, model: SquaredModel, sums: SecondMoments, held: HeldConstraints, coefficients: Array, movable: BoolArray
) -> MomentsFit:
    """With the measures of the coefficients within the constraints."""
    squares = float(model.squares(coefficients)[0]) * sums.weight
    free = held.face(movable, coefficients).size
    return replace(
        measured_at(plain, coefficients[:, 0], squares, plain.n - free),
        aliased=tuple(name for place, name in enumerate(plain.names) if not movable[place, 0]),
        held=held,
    )
