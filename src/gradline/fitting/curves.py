"""A fit with curves: their strengths are chosen first, and what is said of each curve comes last."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.constraints.specs import ConstraintSpec, ShapeConstraint, as_spec
from gradline.formulas.curves import curves_of
from gradline.formulas.encoder import Encoder
from gradline.inference.absent import NoInference
from gradline.inference.asked import is_default
from gradline.inference.bread import as_matrix, compute_bread
from gradline.inference.covariance.bayesian import dispersion_is_known
from gradline.inference.covariance.kinds import CovarianceKind
from gradline.inference.support import on_support
from gradline.objective.objective import Problem
from gradline.penalties.beside_curves import with_curves as joined
from gradline.penalties.kinked_penalty import as_kinked
from gradline.penalties.protocol import Penalty
from gradline.preparing.from_arrays import Mask, Prepared
from gradline.smoothing.blocks import Block, blocks_of, penalty_of
from gradline.smoothing.choosing import choose
from gradline.smoothing.kept import choose_by_kept
from gradline.smoothing.terms import FittedCurve, fitted_curves
from gradline.solvers.least_squares.penalised_sums import PenalisedSums
from gradline.solvers.protocol import Solver
from gradline.solvers.registry import automatic, solve

if TYPE_CHECKING:
    from gradline.inference.asked import PendingInference
    from gradline.inference.inference import Inference

ROUGH = 1e-3
"""Of the fit that the search for strengths begins with."""


@dataclass(frozen=True, eq=False)
class CurveFit:
    """problem: with the curves' penalty. blocks and their strengths. start: coefficients near the optimum, or None. solver: what solves
    from sums that are known already, or None."""

    problem: Problem
    blocks: tuple[Block, ...]
    strengths: tuple[tuple[float, ...], ...]
    start: Array | None
    solver: Solver | None


def with_curves(
    problem: Problem, encoder: Encoder, mask: Mask | None, beside: Penalty | None, smoothing: str, targets: tuple[str, ...] = ()
) -> CurveFit:
    """The problem with the penalty of the formula's curves, whose strengths are chosen. mask (P, k): the columns of each linear predictor.
    beside: the penalty of the other columns. targets: their names, by which linear predictors of one target each are called.

    Raises ValueError where strengths cannot be chosen.
    """
    curves = curves_of(encoder)
    names = problem.loss.predictor_names(problem.rows.n_targets)
    names = targets if len(targets) == len(names) and not (problem.loss.takes_pairs and len(names) > 1) else names
    blocks = blocks_of(curves, mask, names, problem.loss.intercept_only)

    arrived = list[bool]()

    def fitted(tried: Problem, start: Array | None, exactly: bool = False) -> Array:
        # A place to begin, no more; but which slopes a penalty keeps is told by its optimum.
        rough = ROUGH if tried.loss.squared_scale() is None and tried.penalty_kind != "proximal" and not exactly else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is said of the fit that is kept is enough
            found = solve(automatic(tried, tolerance=rough), tried, start)
        if not exactly:  # of a linear predictor that may have no optimum
            arrived.append(found.certificate.converged)
        return found.coefficients

    kinked = as_kinked(beside)
    if kinked is None:
        working = replace(problem, penalty=beside)
        choice = choose(working, blocks, fitted, smoothing)
    else:
        working = replace(problem, penalty=kinked.smooth_part)
        choice = choose_by_kept(working, kinked, blocks, fitted, smoothing)
    if not choice.settled and not all(arrived[-1:]):
        warn("the strengths of the curves have not settled, since the fits on the way had no optimum: give one, as in s(x, strength=0.01)")
    elif not choice.settled:
        warn("the strengths of the curves have not settled: they are near an optimum of the criterion, and the curves are usable")
    chosen = any(block.curve.strengths is None for block in blocks)
    own = penalty_of(blocks, choice.strengths, problem.rows.intercept, smoothing if chosen else "")
    bound = replace(problem, penalty=joined(beside, own))
    # Which asks for a penalty that is quadratic.
    solver = None if choice.sums is None or kinked is not None else PenalisedSums(choice.sums)
    return CurveFit(bound, blocks, choice.strengths, choice.coefficients, solver)


def within_shapes(found: CurveFit, constraints: ConstraintSpec | None) -> ConstraintSpec | None:
    """The constraints that were asked for and those of the curves that the formula holds monotone; None where there are none."""
    for name, directions in {block.curve.node.key: block.curve.directions for block in found.blocks}.items():
        for along, direction in enumerate(directions):
            if direction is not None:
                shape: Literal["increasing", "decreasing"] = "increasing" if direction == "increasing" else "decreasing"
                own = ShapeConstraint(name, shape, along=along)
                constraints = own if constraints is None else as_spec([constraints, own])
    return constraints


def refuse_curves(prepared: Prepared) -> None:
    """Raises ValueError for a formula with curves, where a penalty of another kind is looked for."""
    if prepared.encoder is not None and prepared.encoder.has_curves:
        raise ArgumentError(
            "a path is over the strengths of one penalty, and a curve such as s(x) has its own; fit it with gl.fit, which chooses it"
        )


def covariance_of_curves(covariance: Any, kind: CovarianceKind | None, problem: Problem) -> tuple[Any, CovarianceKind | None]:
    """What is asked about standard errors of a fit with curves: the Bayesian kind where nothing or the default was asked, unless a penalty
    beside them has kinks."""
    if problem.penalty_kind != "proximal" and (covariance is None or is_default(covariance)):
        return "default", CovarianceKind("bayesian")
    return covariance, kind


def described(
    found: CurveFit, coefficients: Array, uncertainty: Inference | PendingInference | NoInference, wanted: bool = True
) -> tuple[FittedCurve, ...]:
    """Each curve's degrees of freedom and test. Without inference there are neither; beside a penalty with kinks there are degrees of
    freedom, of the fit of the columns that were kept. wanted: whether errors are."""
    if found.problem.penalty_kind == "proximal":
        return _of_kept(found, coefficients, wanted)
    inference = None if isinstance(uncertainty, NoInference) else uncertainty.infer()
    bread = None if inference is None else inference.bread
    if inference is None or bread is None:
        return tuple(_without(block, own) for block, own in zip(found.blocks, found.strengths, strict=True))
    loss, statistics = found.problem.loss, inference.statistics
    covariance = None if inference.covariance is None else inference.covariance
    # The test is by the Bayesian covariance; another kind is a covariance of the same coefficients all the same.
    matrix = None if covariance is None else np.nan_to_num(covariance.matrix)
    spare = None if dispersion_is_known(loss) else statistics.degrees_of_freedom
    return fitted_curves(found.blocks, found.strengths, coefficients, bread.inverse, as_matrix(bread.penalty), matrix, spare)


def _of_kept(found: CurveFit, coefficients: Array, wanted: bool) -> tuple[FittedCurve, ...]:
    kept = on_support(found.problem, coefficients)
    try:
        bread = compute_bread(kept, coefficients, kept.free) if wanted and np.isfinite(coefficients).all() else None
    except ValueError:
        bread = None
    if bread is None:
        return tuple(_without(block, own) for block, own in zip(found.blocks, found.strengths, strict=True))
    return fitted_curves(found.blocks, found.strengths, coefficients, bread.inverse, as_matrix(bread.penalty), None, 0.0)


def _without(block: Block, strengths: Sequence[float]) -> FittedCurve:
    missing = float("nan")
    own = tuple(map(float, strengths))
    return FittedCurve(block.name, block.predictor, block.curve.start, block.curve.stop, own, missing, missing, missing, missing, "F")
