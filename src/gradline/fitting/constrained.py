"""Fits within constraints: the constraints of a model's columns, and what is known of the coefficients beside them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import InferenceError
from gradline.constraints.arguments import bound_to
from gradline.constraints.columns import ConstraintColumns
from gradline.constraints.contradictions import check_possible
from gradline.constraints.held import HeldConstraints
from gradline.constraints.specs import ConstraintSpec
from gradline.fitting.request import FitRequest
from gradline.inference.absent import ASK, NoInference
from gradline.inference.asked import is_cheap, is_default, is_none, uncertainty_of
from gradline.inference.bread import compute_bread
from gradline.inference.inference import Inference
from gradline.inference.kinked import row_loss
from gradline.inference.leave_one_out import residual_quantiles
from gradline.inference.statistics import FitStatistics, fit_statistics, normal_log_likelihood
from gradline.inference.support import on_face
from gradline.inference.tests import coefficient_labels
from gradline.objective.objective import Problem
from gradline.preparing.from_arrays import Prepared
from gradline.solvers.centring import Centred
from gradline.solvers.least_squares.least_squares import EXACT_NUMBERS
from gradline.solvers.protocol import Solution, Solver

if TYPE_CHECKING:
    from gradline.inference.asked import PendingInference
    from gradline.inference.covariance.clusters import Groups
    from gradline.inference.covariance.kinds import CovarianceKind

Optimum = tuple[Problem, Solution, Solver, tuple[Centred, Solution] | None]


def constraint_columns(problem: Problem, prepared: Prepared) -> ConstraintColumns:
    """What constraints are told of the model."""
    names, encoder = prepared.names, prepared.encoder
    predictors = problem.loss.predictor_names(problem.rows.n_targets)
    if len(predictors) == len(prepared.target_names) and not (problem.loss.takes_pairs and len(predictors) > 1):
        predictors = prepared.target_names
    columns = ConstraintColumns(
        names,
        predictors,
        coefficient_labels(names, predictors),
        names if encoder is None else encoder.terms,
        problem.rows.intercept,
        problem.movable.T.ravel(),
    )
    if encoder is None:
        return columns
    from gradline.formulas.curves import curves_of
    from gradline.formulas.shapes import shapes_of

    of_curves: tuple[bool, ...] = ()
    if encoder.has_curves:
        ranges = [range(curve.start, curve.stop) for curve in curves_of(encoder)]
        of_curves = tuple(any(j in own for own in ranges) for j in range(len(names)))
    return replace(columns, curves=of_curves, shapes=partial(shapes_of, encoder))


def with_constraints(problem: Problem, spec: ConstraintSpec, prepared: Prepared) -> Problem:
    """The problem with its constraints. Raises ArgumentError for unknown coefficients, and for constraints that contradict each other."""
    polyhedron = bound_to(spec, constraint_columns(problem, prepared))
    if (polyhedron.columns >= 0).all():
        bounds = polyhedron.bounds
        assert bounds is not None
        if (bounds.lower > bounds.upper).any():
            check_possible(polyhedron)
    return replace(problem, constraints=polyhedron)


def uncertainty_within(
    request: FitRequest,
    problem: Problem,
    solution: Solution,
    kind: CovarianceKind | None,
    read_groups: Callable[[], Groups] | None,
    optimum: Callable[[Problem], Optimum],
) -> tuple[Inference | PendingInference | NoInference, HeldConstraints]:
    """(what a fit holds of its uncertainty, its constraints). optimum: of the problem without them, fitted where it is needed."""
    held = solution.held
    assert held is not None
    held = replace(held, inference=request.inference or "intersection")
    covariance = request.covariance
    if held.inference == "face":
        face = on_face(problem, held, solution)
        of_face = replace(solution, held=None, aliased=())
        nothing = "every coefficient is held by the constraints, so that none is left with a standard error"
        if face.free.size == 0:
            return NoInference(nothing), held
        return uncertainty_of(face, of_face, _no_solver(), None, covariance, kind, read_groups), held
    if kind is not None and kind.name == "selective":
        raise InferenceError("selective intervals know nothing of constraints: leave them out, or ask for no standard errors")
    if covariance is None and problem.penalty_kind == "proximal":
        assert problem.penalty is not None
        reason = f"the penalty {problem.penalty.name!r} has kinks, where an estimate is not near normal"
        more = "" if problem.loss.kinks() is not None else '; covariance="debiased" has those of one step beyond the fit without'
        return NoInference(reason + more), held
    if is_none(covariance):
        return NoInference(f"none were wanted (covariance={covariance!r}): {ASK}"), held
    plain = replace(problem, constraints=None)
    small = problem.rows.n_rows * problem.rows.n_columns <= EXACT_NUMBERS and problem.loss.squared_scale() is not None
    known = solution.unconstrained
    if known is None and covariance is None and not small and not (is_cheap(problem) and problem.rows.resident):
        return (
            NoInference(f"on {problem.rows.n_rows:,} rows they cost a fit without the constraints, and were not asked for: {ASK}"),
            held,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is said of the other fit would be taken for this one
            if known is not None:
                found = uncertainty_of(plain, known, _no_solver(), None, covariance, kind, read_groups)
                other = known
            else:
                plain, other, chosen, solved = optimum(plain)
                found = uncertainty_of(plain, other, chosen, solved, covariance, kind, read_groups)
    except ValueError as error:
        if covariance is not None and not is_default(covariance):
            raise
        return NoInference(f"without the constraints there is no fit whose errors could be told: {error}"), held
    if not other.certificate.converged:
        return NoInference("the fit without the constraints has not converged, so that it has no errors that could be told"), held
    coefficients = other.coefficients.copy()
    coefficients[list(other.aliased)] = np.nan
    held = replace(held, unconstrained=coefficients)
    inference = found.infer()
    if inference is None:
        return found, held
    if inference.covariance is not None and inference.covariance.estimates is not None:
        # Of a penalty with kinks: what its errors are about is not its optimum, but a step beyond.
        held = replace(held, unconstrained=inference.covariance.estimates)
    return _of_constrained(problem, solution, held, inference), held


def _of_constrained(problem: Problem, solution: Solution, held: HeldConstraints, other: Inference) -> Inference:
    """The uncertainty of the fit without constraints, with the measures of the fit within them."""
    face = on_face(problem, held, solution)
    residuals, notes = other.residuals, other.notes
    if residuals is not None and face.free.size:
        try:
            loss = row_loss(face, solution.coefficients)
            residuals = residual_quantiles(face, solution.coefficients, compute_bread(face, solution.coefficients, face.free, loss), loss)
        except ValueError:
            residuals, notes = None, (*notes, "no jackknife prediction intervals within the constraints")
    return replace(other, statistics=_statistics(face, solution, other.statistics), residuals=residuals, notes=notes)


def _statistics(face: Problem, solution: Solution, other: FitStatistics) -> FitStatistics:
    """The measures at the coefficients within the constraints; squared loss of one target needs no pass."""
    scale = face.loss.squared_scale()
    if scale is None or other.squares is None or len(other.squares) > 1 or face.penalty is not None:
        return fit_statistics(face, solution.coefficients, face.free)
    squares = np.array([solution.loss / scale * other.weight])
    spare = other.count - face.free.size
    return replace(
        other,
        parameters=face.free.size,
        effective_parameters=float(face.free.size),
        degrees_of_freedom=spare,
        loss_sum=scale * float(squares.sum()),
        squares=squares,
        dispersion=squares / spare if spare > 0 else np.full(1, np.nan),
        log_likelihood=normal_log_likelihood(squares, other.count, log_weight_of(other)),
        deviance=float(squares.sum()),
    )


def log_weight_of(other: FitStatistics) -> float:
    """sum f log w, which the log-likelihood of another fit to the same rows tells."""
    assert other.squares is not None
    plain = normal_log_likelihood(other.squares, other.count, 0.0)
    if plain is None or other.log_likelihood is None:
        return 0.0
    return float(2.0 * np.sum(np.asarray(other.log_likelihood) - np.asarray(plain)))


def _no_solver() -> Solver:
    from gradline.solvers.constrained.newton import ConstrainedNewton

    return ConstrainedNewton()
