"""The strengths of curves by restricted likelihood (REML), from sums over rows.

Squared loss: one pass of second moments, and the rest is p x p. Other losses: each outer step is one pass, which takes value, gradient and
curvature at the coefficients, and the slope of log |A| there; the parabola these make is minimised in strengths and coefficients
together (``criterion``). Where it comes to rest the derivative of Laplace's approximate restricted likelihood is zero (Wood 2011, JRSS B
73), with no approximation but that one; the pass replaces the implicit differentiation of a fit.

A loss that is no likelihood is taken for one of dispersion phi: exp(-loss / phi), phi = mean g^2 / mean H, so that scores vary as much as
the curvature says, as they do in a likelihood (Bissiri, Holmes and Walker 2016, JRSS B 78, for such posteriors; Fasiolo et al. 2021, JASA
116, calibrate quantile curves to the same identity). Its curvature counts as fixed in each step. Kinks are smoothed while strengths are
looked for (``losses/smoothing.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray
from gradline.inference.covariance.bayesian import dispersion_is_known
from gradline.losses.smoothing import Smoothed
from gradline.objective.objective import Problem
from gradline.penalties.beside_curves import with_curves
from gradline.penalties.protocol import Penalty
from gradline.smoothing.blocks import Block, SearchedModel, among, penalty_of, start_of, strengths_of, terms_of
from gradline.smoothing.criterion import Parabola, Point, Terms, minimise
from gradline.smoothing.leave_one_out import least_left_out
from gradline.smoothing.limits import Limits, PredictorSet
from gradline.smoothing.passes import BesideSum
from gradline.solvers.least_squares.penalised_sums import CentredSums
from gradline.solvers.least_squares.second_moments import MomentsKernel, SecondMoments

MOST_PASSES = 60

MOST_COLUMNS = 5000
"""Columns of which sums of products are held."""

SAMPLE = 2000
"""Rows that tell how wide linear predictors and residuals are."""

DIFFERENCE = 1e-4
"""Of the spread of a linear predictor: the step of third derivatives, which are then off by a hundred-millionth."""

CONSTANT = 1e-10
"""Of a linear predictor's size: a spread that is rounding."""

SETTLED, SETTLED_ROUGHLY = 1e-9, 1e-5
"""Change of the criterion at which the steps end; each is a small part of the one before it. The coefficients, which are fitted once more
at the end, may change by a hundred times as much, measured by their covariance. Of losses that are no likelihood it is less strict."""

FULL_STEPS = 8
"""After which steps of a loss that is no likelihood become smaller each time that they turn back (Kesten 1958, Annals of Mathematical
Statistics 29)."""

MOST_RETURNS = 10
"""Fits of what is held at a limit, and that the strengths found meanwhile may call back."""

NEAR_EACH, MOST_NEAR = 2.0, 0.3
"""Rows for each column that a kink is averaged over, up to this share of all."""

REML, LEAVE_ONE_OUT = "REML", "leave-one-out"

LEFT_OUT_FITS, LEFT_OUT_SETTLED = 8, 1e-2
"""Curvatures taken anew while strengths are looked for by rows left out, and change of their logarithms at which that ends."""


class Solve(Protocol):
    """A fit of a problem from a start, (P, k): near its optimum, or exactly there."""

    def __call__(self, problem: Problem, start: Array | None, exactly: bool = False, /) -> Array: ...


BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class Choice:
    """strengths: of each block, in the unit of the mean loss. coefficients (P, k), near the optimum; None where sums give it. sums: the
    second moments of squared loss. passes over the rows; settled: whether the criterion is at a minimum."""

    strengths: tuple[tuple[float, ...], ...]
    coefficients: Array | None
    sums: SecondMoments | None
    passes: int
    settled: bool


def has_sums(problem: Problem) -> bool:
    """Whether second moments are all that the strengths need."""
    squared = problem.loss.squared_scale() is not None and problem.all_free and problem.rows.n_columns <= MOST_COLUMNS
    return squared and problem.penalty_kind in (None, "quadratic") and _couples_no_targets(problem)


def _couples_no_targets(problem: Problem) -> bool:
    if problem.penalty is None or problem.n_predictors == 1:
        return True
    part = _fixed(problem)
    size, k = problem.shape
    return not (part.reshape(k, size, k, size) * (1.0 - np.eye(k))[:, None, :, None]).any()


def _fixed(problem: Problem, coefficients: Array | None = None) -> Array:
    """(k P, k P): the curvature of the penalty beside the curves' at coefficients (P, k), at zero unless given."""
    part = problem.penalty_terms(np.zeros(problem.shape) if coefficients is None else coefficients, 2).curvature
    assert part is not None
    return np.diag(part.T.ravel()) if part.shape == problem.shape else part


def choose(
    problem: Problem,
    blocks: Sequence[Block],
    solve: Solve,
    smoothing: str = REML,
    kept: BoolArray | None = None,
    sums: SecondMoments | None = None,
) -> Choice:
    """The strengths of all blocks that the formula leaves open. problem: with the smooth penalty of what is of no curve, if any. solve: a
    fit of a problem, from a start. smoothing: REML or LEAVE_ONE_OUT. kept (P, k): the coefficients of the model, all unless given; the
    others are zero. sums: second moments of the rows, where they are known.

    Raises ValueError where the data do not determine the curves, and for a loss of all rows together.
    """
    if problem.joint:
        raise SolverError(f"the strength of a curve is chosen by the curvature of single rows; {problem.joint_message}")
    if problem.loss.flat_directions is not None:
        raise SolverError(
            f"curves beside the loss {problem.loss.name!r} are not to be had, since its linear predictors are not identified one by"
            " one; fit one class against the others with gl.losses.logistic"
        )
    left_out = smoothing == LEAVE_ONE_OUT and any(block.curve.strengths is None for block in blocks)
    if left_out and problem.shape[1] > 1:
        raise SolverError(
            'smoothing="leave-one-out" is for one linear predictor, and here are several; take smoothing="REML", or fit one target'
            " at a time"
        )
    if has_sums(problem):
        sums = problem.rows.reduce(MomentsKernel()).sums if sums is None else sums
        kept = np.ones(problem.shape, dtype=np.bool_) if kept is None else kept
        return _left_out_by_sums(problem, blocks, sums, kept) if left_out else _by_sums(problem, blocks, sums, kept)
    return _by_passes(problem if kept is None else replace(problem, mask=kept), blocks, solve, left_out)


def _by_sums(problem: Problem, blocks: Sequence[Block], moments: SecondMoments, kept: BoolArray) -> Choice:
    rows, scale = problem.rows, problem.loss.squared_scale()
    assert scale is not None
    if not moments.finite():
        raise SolverError("sums of products of the columns leave the range of a double; give columns and target in other units")
    first = int(rows.intercept)
    held = CentredSums(moments, rows.n_targets, rows.intercept, scale)
    strengths: dict[int, tuple[float, ...]] = {}
    settled = True
    for target in range(rows.n_targets):
        own = [(i, block) for i, block in enumerate(blocks) if block.predictor == target]
        if own:
            found, sure = _of_target(problem, [block for _, block in own], held, target, np.flatnonzero(kept[first:, target]))
            settled &= sure
            strengths |= {i: each for (i, _), each in zip(own, found, strict=True)}
    return Choice(tuple(strengths[i] for i in range(len(blocks))), None, moments, 1, settled)


def _of_target(
    problem: Problem, blocks: Sequence[Block], held: CentredSums, target: int, slopes: IntArray
) -> tuple[tuple[tuple[float, ...], ...], bool]:
    """(strengths, whether they are at a minimum) of one target's curves. slopes: those of the model, among the p there are."""
    moments, first = held.moments, int(problem.rows.intercept)
    inverse = among(slopes, held.n_slopes)
    terms = terms_of(blocks, lambda block: inverse[block.curve.start - first : block.curve.stop - first], len(slopes))
    gram = held.gram[np.ix_(slopes, slopes)]
    curvature, taken = gram, 0.0
    rho, sure = start_of(terms, blocks, gram, moments.weight), True
    if problem.penalty is not None:
        whole = target * problem.shape[0] + first + slopes
        part = moments.weight * _fixed(problem)[np.ix_(whole, whole)]
        curvature = gram + part
        # The penalty is not taken for a prior here: its slopes count for as many as the data determines of them.
        taken = float(np.sum(np.linalg.pinv(terms.add_to(curvature, np.exp(rho)), hermitian=True) * part))
    null = terms.null + first - taken
    parabola = Parabola(curvature, held.cross[slopes, target], held.constant(target), None, moments.count - null)
    if parabola.spare <= 0:
        raise SolverError(f"{moments.rows:,} rows are too few for {null:.6g} coefficients that no penalty holds")
    if terms.free.any():
        rho, _, sure = minimise(parabola, terms, rho, lambda place: problem.column_name(int(slopes[place]) + first))
    return strengths_of(blocks, rho, moments.weight), sure


def _left_out_by_sums(problem: Problem, blocks: Sequence[Block], moments: SecondMoments, kept: BoolArray) -> Choice:
    """Squared loss: the parabola is the loss, over all coefficients, since a row's leverage counts the intercept's."""
    rows, scale = problem.rows, problem.loss.squared_scale()
    assert scale is not None
    held = CentredSums(moments, rows.n_targets, rows.intercept, scale)
    p, first = held.n_slopes, int(rows.intercept)
    curvature = held.gram
    right = held.cross[:, 0]
    if first:
        means, whole = moments.means, 2.0 * scale * moments.weight
        joint = np.concatenate([[1.0], means[:p]])
        curvature = whole * np.outer(joint, joint)
        curvature[1:, 1:] += held.gram
        right = np.concatenate([[0.0], right]) + whole * means[p] * joint
    if problem.penalty is not None:
        curvature = curvature + moments.weight * _fixed(problem)
    places = np.flatnonzero(kept[:, 0])
    inverse = among(places, p + first)
    terms = terms_of(blocks, lambda block: inverse[block.curve.start : block.curve.stop], len(places))
    constant = held.constant(0) + (scale * moments.weight * float(moments.means[p]) ** 2 if first else 0.0)
    parabola = Parabola(curvature[np.ix_(places, places)], right[places], constant, 1.0)
    begin = _by_sums(problem, blocks, moments, kept)
    rho = np.log(moments.weight * np.maximum(np.concatenate([np.array(own) for own in begin.strengths]), 1e-300))
    rho, _, passes, sure = least_left_out(problem, parabola, terms, rho, places)
    return Choice(strengths_of(blocks, rho, moments.weight), None, moments, 1 + passes, sure)


def _by_passes(problem: Problem, blocks: Sequence[Block], solve: Solve, left_out: bool = False) -> Choice:
    size, k = problem.shape
    sample = problem.rows.sample(SAMPLE).without_zero_weights()
    start = np.zeros((size, k))
    if problem.rows.intercept:
        start[0] = problem.loss.start(sample.targets)
    kinks = problem.loss.kinks()
    kinked = kinks is not None
    share = min(MOST_NEAR, NEAR_EACH * size / problem.rows.n_rows)

    def window(residuals: Array) -> float:
        return _window(residuals, kinks or (0.0,), share)

    working = (
        replace(problem, loss=Smoothed(problem.loss, window(sample.targets - start[0][: sample.targets.shape[1]]))) if kinked else problem
    )
    known = 1.0 if dispersion_is_known(problem.loss) and not kinked else None
    likelihood = known is not None or (problem.loss.has_free_dispersion and not kinked)
    weight = working.total_weight
    model = SearchedModel.of(working, blocks, PredictorSet())
    limits, held, returns = Limits(working.movable, start), PredictorSet(), 0

    first = working.evaluate(start, 2)
    assert first.curvature is not None
    limits.vanished(first.curvature)
    places, terms = model.places, model.terms
    rho = start_of(terms, blocks, _definite(weight * first.curvature[np.ix_(places, places)]), weight)

    def fitted(rho: Array, begin: Array | None, exactly: bool = False) -> Array:
        curves = penalty_of(blocks, strengths_of(blocks, rho, weight), problem.rows.intercept)
        penalty: Penalty = with_curves(problem.penalty, curves)
        return solve(replace(working, penalty=penalty), begin, exactly)

    def column(place: int) -> str:
        return problem.column_name(int(model.places[place]) % size)

    def from_the_start(rho: Array, coefficients: Array, predictors: PredictorSet) -> tuple[Array, Array, PredictorSet]:
        """The optimum from where the loss starts in these linear predictors, the curvature there, and which of all have none."""
        found = fitted(rho, limits.begun(coefficients, predictors), exactly=True)
        there = working.evaluate(found, 2)
        assert there.curvature is not None
        return found, there.curvature, limits.vanished(there.curvature)

    coefficients, passes = fitted(rho, None), 2
    if kinked:
        rest = sample.targets - sample.linear_predictors(coefficients)[:, : sample.targets.shape[1]]
        working = replace(problem, loss=Smoothed(problem.loss, window(rest)))
        coefficients = fitted(rho, coefficients)
    if not terms.free.any():
        return Choice(strengths_of(blocks, rho, weight), coefficients, None, passes, True)
    point: Point | None = None
    before: tuple[Array, float] | None = None
    effective = float(len(places))
    fits, steps, turns = 0, 0, 0
    last_way = np.zeros(len(rho))
    for _ in range(MOST_PASSES):
        places, terms, own = model.places, model.terms, model.strengths
        apart = DIFFERENCE * _spread(sample.linear_predictors(coefficients))
        roots = None
        if likelihood and point is not None:
            whole = np.zeros((size * k, len(places)))
            whole[places] = point.counted
            roots = whole.reshape(k, size, -1)
        there, (beside,) = working.evaluate_with(coefficients, 2, None, (BesideSum(working.loss, roots, apart, working.shape),))
        passes += 1
        assert there.gradient is not None
        assert there.curvature is not None
        gone = limits.vanished(there.curvature, held)
        if gone:
            # A parabola may lead there past an optimum: a fit from the start tells.
            coefficients, _, gone = from_the_start(rho, coefficients, gone | held)
            held, point, before = held | gone, None, None
            model = SearchedModel.of(working, blocks, held)
            continue
        value = weight * there.value
        b = coefficients.T.ravel()[places]
        if before is not None:
            last, value_last = before
            if not value + _charge(terms, rho[own], b) <= (value_last + _charge(terms, rho[own], last)) + 1e-7 * (abs(value_last) + 1.0):
                # The parabola led too far: half of the step.
                coefficients = _with_entries(coefficients, 0.5 * (b + last), places)
                continue
        before = (b, value)
        curvature = _definite(weight * there.curvature[np.ix_(places, places)])
        gradient = weight * there.gradient.T.ravel()[places]
        dispersion = known
        if dispersion is None:
            spare = max(beside.copies - effective / k, 1.0)
            dispersion = max((beside.squares / spare) / max(beside.curvatures / beside.copies, 1e-300), 1e-300)
        right = curvature @ b - gradient
        constant = value - float(gradient @ b) + 0.5 * float(b @ curvature @ b)
        bend = beside.bend.T.ravel()[places] if roots is not None else None
        parabola = Parabola(curvature, right, constant, dispersion, bend=bend, nuisance=model.nuisance)
        if left_out:
            # Where the curvature counts as fixed the slopes are not quite those of the loss, so that a search may end beside its minimum.
            found, _, more, _ = least_left_out(working, parabola, terms, rho, places)
            passes += more
            settled = float(np.abs(found - rho).max()) < LEFT_OUT_SETTLED
            rho = found
            coefficients = fitted(rho, coefficients)
            fits += 1
            before = None
            if settled or fits == LEFT_OUT_FITS:
                return Choice(strengths_of(blocks, rho, weight), coefficients, None, passes, settled)
            continue
        found = rho.copy()
        found[own], point, sure = minimise(parabola, terms, rho[own], column)
        charged = terms.add_to(np.zeros_like(curvature), np.exp(found[own]))
        if problem.penalty is not None:
            charged += weight * _fixed(problem, coefficients)[np.ix_(places, places)]
        effective = float(len(places) - np.sum(point.root * (charged @ point.root)))
        if not likelihood and steps >= FULL_STEPS:
            # Rows that go from one side of a bend to the other and back would lead to and fro for ever.
            turns += int(float((found - rho) @ last_way) < 0)
            share = 1.0 / (turns + 2)
            last_way = found - rho
            found = rho + share * (found - rho)
            point = point._replace(coefficients=b + share * (point.coefficients - b))
        steps += 1
        moved = point.coefficients - b
        change = float(moved @ (curvature @ moved) + moved @ (charged @ moved)) / dispersion
        shift = float(np.abs(np.diag(point.hessian)) @ np.square((found - rho)[own]))
        rho = found
        coefficients = _with_entries(coefficients, point.coefficients, places)
        enough = SETTLED if likelihood else SETTLED_ROUGHLY
        if change < 100.0 * enough * max(1.0, effective) and shift < enough and (roots is not None or not likelihood):
            if held:
                again, bent, still = from_the_start(rho, coefficients, held)
                moved = (again - coefficients).T.ravel()
                coefficients = again
                if weight * float(moved @ (bent @ moved)) > 100.0 * enough * max(1.0, effective):
                    # At these strengths the data put what was held elsewhere.
                    returns += 1
                    point, before = None, None
                    if returns < MOST_RETURNS:
                        continue
                    sure = False
                coefficients = limits.begun(coefficients, still & held)
            return Choice(strengths_of(blocks, rho, weight), coefficients, None, passes, sure)
    return Choice(strengths_of(blocks, rho, weight), limits.begun(coefficients, held), None, passes, False)


def _spread(predictors: Array) -> Array:
    """(k,): of linear predictors (m, k); 1 of one that is a constant, whose standard deviation is rounding and not always zero."""
    spread = predictors.std(axis=0)
    return np.where(spread > CONSTANT * np.abs(predictors).max(axis=0), spread, 1.0)


def _with_entries(coefficients: Array, entries: Array, places: IntArray) -> Array:
    """Coefficients (P, k) with these at the places (d,) among the k P there are."""
    found = coefficients.T.ravel().copy()
    found[places] = entries
    return found.reshape(coefficients.shape[::-1]).T.copy()


def _charge(terms: Terms, rho: Array, b: Array) -> float:
    return sum(
        0.5 * float(np.exp(value)) * float(b[part.places] @ part.matrix @ b[part.places])
        for part, value in zip(terms.parts, rho, strict=True)
    )


def _definite(curvature: Array) -> Array:
    """The curvature without directions in which it falls: of a loss that is not convex, on the way."""
    values, vectors = np.linalg.eigh(0.5 * (curvature + curvature.T))
    if values[0] >= -1e-10 * values[-1]:
        return curvature
    return np.asarray((vectors * np.maximum(values, 1e-8 * np.abs(values).max())) @ vectors.T)


def _window(residuals: Array, kinks: Sequence[float], share: float) -> float:
    """Half the width over which a kinked loss is averaged: a bandwidth for the density of the residuals (Silverman 1986, section 3.4), and
    no less than what a share of the rows has a kink within. Fewer rows have no curvature in all directions, and a parabola without
    it promises more than there is, the more the smaller the strengths."""
    quartiles = np.quantile(residuals, [0.25, 0.75], axis=0)
    spread = np.minimum(residuals.std(axis=0), (quartiles[1] - quartiles[0]) / 1.34)
    widest = float(np.where(spread > 0, spread, residuals.std(axis=0)).max())
    if not widest > 0:
        return 1.0
    apart = np.min([np.abs(residuals - kink) for kink in kinks], axis=0)
    least = float(np.quantile(apart, share, axis=0).max())
    return max(0.9 * widest * float(np.power(len(residuals), -0.2)), least)
