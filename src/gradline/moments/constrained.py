"""Least squares within constraints from moments alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.names import INTERCEPT
from gradline.base.types import Array
from gradline.constraints.arguments import bound_to
from gradline.constraints.columns import ConstraintColumns
from gradline.constraints.held import HeldConstraints, held_at
from gradline.constraints.polyhedron import BoolArray
from gradline.constraints.specs import ConstraintSpec
from gradline.moments.least_squares import measured_at
from gradline.moments.moments_fit import MomentsFit
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.solvers.constrained.beside import gap_above
from gradline.solvers.constrained.ending import not_constrained
from gradline.solvers.constrained.squared_model import SquaredModel
from gradline.solvers.constrained.working import WorkingRows, without_rounding
from gradline.solvers.least_squares.second_moments import SecondMoments

STEPS = 3
"""The model is exact: those after the first take off what rounding left."""


def within_constraints(
    plain: MomentsFit,
    sums: SecondMoments,
    columns: Sequence[int],
    strength: float,
    spec: ConstraintSpec,
    penalty: KinkedPenalty | None = None,
) -> MomentsFit:
    """The fit within constraints, from the one without. sums: of the columns at ``columns``, the target last. strength: of a ridge.
    penalty: in its place one with kinks, whose smooth part is quadratic.

    Standard errors stay those of the fit without. Raises ArgumentError for what cannot be, and for kinks that are not those of absolute
    values.
    """
    intercept = plain.names[0] == INTERCEPT
    size, first = len(plain.names), int(intercept)
    absolute, bend = _parts(penalty, size, first, strength)
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
    working = WorkingRows.of(polyhedron, model.free, absolute)
    curvature = model.curvature + model.free.restrict_curvature(bend)
    coefficients: Array = np.zeros((size, 1))
    guess, steepest = None, 0.0
    for _ in range(STEPS):
        gradient = model.gradient(coefficients) + model.free.restrict_gradient(bend @ coefficients)
        gradient, steepest = without_rounding(gradient, curvature, steepest)
        step = working.step(coefficients, curvature, gradient, guess)
        guess = step.program.held
        coefficients = working.moved(coefficients, step.change, step.program)
    multipliers = working.multipliers(step.program)
    unconstrained = plain.coefficients[:, None].copy()
    unconstrained[[plain.names.index(name) for name in plain.aliased]] = np.nan
    held = replace(held_at(polyhedron, coefficients, multipliers), unconstrained=unconstrained)
    found = _measured(plain, model, sums, held, coefficients, movable, absolute)
    if step.pull is None:
        return found
    gradient = model.gradient(coefficients) + model.free.restrict_gradient(bend @ coefficients)
    left = gradient + step.pull - multipliers[working.places] @ working.matrix
    smooth = float(model.squares(coefficients)[0]) + 0.5 * float(coefficients[:, 0] @ bend @ coefficients[:, 0])
    return replace(found, gap=gap_above(working, coefficients, smooth + working.charge(coefficients), multipliers, left, step.pull))


def _parts(penalty: KinkedPenalty | None, size: int, first: int, strength: float) -> tuple[Array | None, Array]:
    """(factors of ``|b|`` (P,), or None; curvature of the smooth part (P, P)), the intercept's zero."""
    bend = np.zeros((size, size))
    if penalty is None:
        bend[first:, first:] = strength * np.eye(size - first)
        return None, bend
    if penalty.absolute is None:
        raise ArgumentError(
            f"within constraints moments take a ridge, or a sum of absolute values of slopes, and {penalty.name!r} is neither; use"
            " gl.penalties.lasso, gl.penalties.elastic_net or gl.penalties.ridge"
        )
    if penalty.smooth_part is not None:
        part = penalty.smooth_part.curvature(np.zeros((size - first, 1)))
        bend[first:, first:] = np.diag(part[:, 0]) if part.shape == (size - first, 1) else part
    return np.concatenate([np.zeros(first), penalty.absolute]), bend


def _measured(
    plain: MomentsFit,
    model: SquaredModel,
    sums: SecondMoments,
    held: HeldConstraints,
    coefficients: Array,
    movable: BoolArray,
    absolute: Array | None,
) -> MomentsFit:
    """With the measures of the coefficients within the constraints; what a penalty set to zero is no parameter."""
    squares = float(model.squares(coefficients)[0]) * sums.weight
    moving = movable if absolute is None else movable & ((absolute[:, None] == 0) | (coefficients != 0))
    free = held.face(moving, coefficients).size
    return replace(
        measured_at(plain, coefficients[:, 0], squares, plain.n - free),
        aliased=tuple(name for place, name in enumerate(plain.names) if not movable[place, 0]),
        held=held,
    )
