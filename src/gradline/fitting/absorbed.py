"""A fit whose formula absorbs levels: ``y ~ x1 + x2 | firm + year``.

Squared loss is solved on what the levels leave of target and columns (Frisch and Waugh 1933; Lovell 1963); any other smooth loss by
Newton's method, whose every step is of that kind. The errors then come from the columns so transformed, as those of any fit.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError, SolverError
from gradline.base.types import Array, BoolArray, IntArray
from gradline.base.warnings import warn
from gradline.fitting.absorbed_rows import Levels, UsedRows, degrees_of, nested, used_rows
from gradline.fitting.absorbed_uncertainty import absorbed_uncertainty
from gradline.linalg.within import LevelCodes, Meetings, Transformed, Within
from gradline.losses.protocol import Loss
from gradline.model.absorbed import AbsorbedCategory, AbsorbedLevels, LevelValues
from gradline.model.record import Model
from gradline.objective.objective import Problem
from gradline.preparing.from_arrays import Prepared
from gradline.preparing.from_table import watched_table
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block, weight_of_rows
from gradline.rows.fingerprint import fingerprint, fingerprint_of
from gradline.solvers.newton.absorbed import AbsorbedProblem, solve_absorbed
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.registry import as_solver, solve_identified

if TYPE_CHECKING:
    from gradline.fitting.request import FitRequest

ALIASED = 1e-9
"""Of a column's own spread: what the levels leave of it is rounding."""

WELL_APART = 1e-6
"""The least pivot of a correlation matrix that leaves no doubt of its rank."""


def run_absorbed(request: FitRequest) -> Model:
    """Fit what is asked for. Raises as :func:`gradline.fit` says."""
    started = time.perf_counter()
    _refuse(request)
    with watched_table(
        request.formula,
        request.data,
        request.target,
        features=request.features,
        missing=request.missing,
        where=request.where,
        query=request.query,
        database=request.database,
        loss=request.loss,
        prediction=request.prediction,
        backend=request.backend,
        weights=request.weights,
        frequencies=request.frequencies,
        offset=request.offset,
        intercept=request.intercept,
        groups=request.groups,
        solver=request.solver,
        progress=request.progress,
        absorbed=request.absorbed,
    ) as prepared:
        return _solve(request, prepared, started)


def _refuse(request: FitRequest) -> None:
    """Raises for what cannot be had beside absorbed levels, naming what can."""
    explicit = "write C(...) for the category in place of |, where its levels are few enough for columns"
    for keyword, given, can in (
        ("penalty=", request.penalty is not None, explicit),
        ("constraints=", request.constraints is not None, explicit),
        ("start=", request.start is not None, "the fit starts by itself"),
        ('solver= other than "auto"', not (isinstance(request.solver, str) and request.solver == "auto"), explicit),
        ('accuracy="full"', request.accuracy != "auto", explicit),
        ("tolerance=", request.tolerance is not None, "the fit goes on until rounding is left"),
        ("smoothing=", request.smoothing != "REML", "the model has no curves"),
    ):
        if given:
            raise ArgumentTypeError(f"{keyword} does not go with absorbed levels (| in the formula): {can}")


def _solve(request: FitRequest, prepared: Prepared, started: float) -> Model:
    encoder, columns, loss = prepared.encoder, prepared.absorbed, prepared.loss
    assert encoder is not None
    assert columns is not None
    rows, block = prepared.rows, prepared.rows.in_memory()
    assert block is not None
    if encoder.has_curves:
        raise ArgumentError(
            "curves, s() and te(), do not go with absorbed levels (| in the formula): write C(...) for the category instead"
        )
    if rows.n_targets != 1 or loss.n_predictors(1) != 1 or loss.joint or loss.kinks() is not None or loss.piecewise_linear:
        raise ArgumentError(
            "absorbed levels (| in the formula) go with one target and a smooth loss of one linear predictor, such as squared, huber,"
            f" poisson, logistic or your own, and the loss is {loss.name!r} of {rows.n_targets} target(s): write C(...)"
            " for the category instead"
        )
    for note in prepared.notes:
        warn(note)
    names = prepared.names[int(rows.intercept) :]
    if not names:
        raise ArgumentError(
            "the formula has no column before the |, so that no coefficient is left: write C(...) to have the levels' means"
        )
    used = used_rows(columns, loss, block.targets, block.row_weights, block.frequencies)
    sample = _Sample(block, used)
    problem, solution, columns_left, transformed = (_squared if loss.squared_scale() is not None else _newton)(loss, sample, names)
    if solution.aliased:
        _tell_aliased(names, solution, columns_left, columns.terms)
    for note in used.notes:
        warn(note)
    within = transformed[0]
    varying = [_varying(within, place) for place in range(len(used.levels))]
    degrees, sets, row_sets = degrees_of(used.levels, varying)
    groups = columns.group_codes
    groups = None if groups is None else groups[used.rows]
    inside = [groups is not None and nested(own.factor, groups) for own in used.levels]
    # As fixest counts: of a category nested in clusters one level is left.
    counted = sum(degrees) - sum(own.factor.size - 1 for own, gone in zip(used.levels, inside, strict=True) if gone)
    uncertainty, share = absorbed_uncertainty(request, problem, solution, sample.targets, sum(degrees), counted, groups)
    categories, unidentified = _categories(used.levels, within, transformed[1], degrees, sets, row_sets)
    absorbed = AbsorbedLevels(categories, sum(degrees), counted, sets, used.singletons, used.separated, share, unidentified)
    dropped = dict(prepared.dropped)
    if used.singletons:
        dropped["singletons"] = used.singletons
    if used.separated:
        dropped["separated"] = used.separated
    return Model(
        names,
        prepared.target_names,
        loss,
        replace(solution, notes=(*solution.notes, *used.notes), curvature=None, sums=None),
        len(used.rows),
        dropped,
        named=True,
        uncertainty=uncertainty,
        seconds=time.perf_counter() - started,
        encoder=encoder.without_intercept(request.absorbed[0].text),
        row_columns=prepared.row_columns,
        fingerprint=sample.fingerprint if used.singletons or used.separated else fingerprint_of(rows),
        absorbed=absorbed,
    )


class _Sample:
    """The arrays of the rows used. columns (n, P) without the intercept; targets (n, 1); factors: of the levels."""

    def __init__(self, block: Block, used: UsedRows) -> None:
        def pick(values: Array | None) -> Array | None:
            # Rows that all stay are not copied.
            return values if values is None or len(used.rows) == block.n_rows else values[used.rows]

        columns, targets = pick(block.design.slopes()), pick(block.targets)
        assert columns is not None
        assert targets is not None
        self.columns, self.targets = np.asarray(columns, dtype=np.float64), targets
        self.weights, self.frequencies = pick(block.weights), pick(block.frequencies)
        offset = pick(block.offset)
        self.offset = None if offset is None else offset[:, 0]
        self.factors: list[LevelCodes] = [own.factor for own in used.levels]
        self.row_weights = weight_of_rows(self.weights, self.frequencies)

    @property
    def fingerprint(self) -> int:
        """Of the rows used."""
        return fingerprint(self.targets, self.weights, self.frequencies, None if self.offset is None else self.offset[:, None])

    def problem(self, loss: Loss, columns: Array, targets: Array, offset: Array | None, names: tuple[str, ...]) -> Problem:
        """The objective in columns that the levels are taken out of."""
        rows = ArrayRows(columns, targets, weights=self.weights, frequencies=self.frequencies, offset=offset, intercept=False)
        return Problem(rows, loss, None, names, None)


_Found = tuple[Problem, Solution, BoolArray, tuple[Within, Transformed]]
"""(the transformed problem, its solution, the columns that the levels determine, the levels' values)."""


def _inside(given: Array, metric: Array | None, left: Array) -> BoolArray:
    """(P,): columns of which the levels leave nothing but rounding."""
    spread = given - np.average(given, axis=0, weights=metric)
    weights = np.ones(len(given)) if metric is None else metric
    before, after = (np.sqrt(np.einsum("i,ij,ij->j", weights, part, part)) for part in (spread, left))
    size = np.sqrt(np.einsum("i,ij,ij->j", weights, given, given))
    return np.asarray(after <= np.maximum(ALIASED * before, 1e-13 * size))


def _dependent(inside: BoolArray, metric: Array | None, left: Array) -> BoolArray:
    """(P,): those, and columns that earlier ones determine in what the levels leave, whose rounding no exact test of rank sees through."""
    found, kept = inside.copy(), np.flatnonzero(~inside)
    part = left[:, kept]
    gram = part.T @ (part if metric is None else part * metric[:, None])
    root = np.sqrt(np.diag(gram))
    try:
        if np.square(np.diag(np.linalg.cholesky(gram / np.outer(root, root)))).min(initial=1.0) > WELL_APART:
            return found
    except np.linalg.LinAlgError:
        pass
    unit = (part if metric is None else part * np.sqrt(metric)[:, None]) / root
    for place in range(len(kept)):
        # A column that is left out must not stand for those after it.
        before = unit[:, [j for j in range(place) if not found[kept[j]]]]
        rest = unit[:, place] - before @ np.linalg.lstsq(before, unit[:, place], rcond=None)[0]
        found[kept[place]] = bool(np.linalg.norm(rest) <= ALIASED)
    return found


def _squared(loss: Loss, sample: _Sample, names: tuple[str, ...]) -> _Found:
    target = sample.targets[:, 0] if sample.offset is None else sample.targets[:, 0] - sample.offset
    within = Within(sample.factors, sample.row_weights)
    found = within(np.column_stack([sample.columns, target]))
    if not found.converged:
        raise SolverError(
            "the levels were not absorbed to rounding: the columns are of very different size, or hardly any rows connect levels"
        )
    columns = np.ascontiguousarray(found.residuals[:, :-1])
    gone = _inside(sample.columns, sample.row_weights, columns)
    _require_some(gone)
    columns[:, _dependent(gone, sample.row_weights, columns)] = 0.0
    problem = sample.problem(loss, columns, np.ascontiguousarray(found.residuals[:, -1:]), None, names)
    chosen = as_solver("auto", problem, "auto", None)
    problem, solution = solve_identified(problem, chosen, None, False)
    solution = replace(solution, digits=None)
    levels = found.levels[:, -1] - found.levels[:, :-1] @ solution.coefficients[:, 0]
    return problem, solution, gone, (within, replace(found, levels=levels[:, None]))


def _newton(loss: Loss, sample: _Sample, names: tuple[str, ...]) -> _Found:
    given = AbsorbedProblem(
        loss, sample.targets, sample.columns, sample.row_weights, sample.offset, sample.factors, Meetings(sample.factors)
    )

    def left_out(metric: Array, left: Array) -> BoolArray:
        return _dependent(_inside(sample.columns, metric, left), metric, left)

    found = solve_absorbed(given, left_out)
    gone = _inside(sample.columns, sample.row_weights, found.columns)
    _require_some(gone)
    columns = np.where(found.aliased, 0.0, found.columns)
    offset = (found.predictors - columns @ found.coefficients)[:, None]
    problem = sample.problem(loss, columns, sample.targets, offset, names)
    value, gradient, _ = problem.evaluate(found.coefficients[:, None], 1)
    assert gradient is not None
    norm = float(np.linalg.norm(gradient))
    certificate = Certificate(
        found.converged,
        norm,
        "Newton's steps fell below rounding" if found.converged else "Newton's steps no longer make the loss smaller",
        "" if found.converged else "look for levels or columns that fit some targets perfectly, and leave them out",
    )
    aliased = tuple(int(place) for place in np.flatnonzero(found.aliased))
    solution = Solution(found.coefficients[:, None], float(value), "Newton", certificate, found.steps, aliased=aliased)
    own = sample.columns @ found.coefficients
    rest = found.predictors - own - (0.0 if sample.offset is None else sample.offset)
    within = Within(sample.factors, sample.row_weights)
    return problem, solution, gone, (within, within(rest[:, None]))


def _require_some(gone: BoolArray) -> None:
    if gone.all():
        raise ArgumentError(
            "the absorbed levels determine every column of the formula, so that no coefficient is left: absorb fewer levels"
        )


def _tell_aliased(names: tuple[str, ...], solution: Solution, gone: BoolArray, terms: tuple[object, ...]) -> None:
    inside = [names[i] for i in solution.aliased if gone[i]]
    others = [names[i] for i in solution.aliased if not gone[i]]
    effects = " + ".join(str(getattr(term, "name", term)) for term in terms)
    if inside:
        warn(
            f"left out of the model, since the absorbed levels of {effects} determine them: {', '.join(map(repr, inside))}; NaN in the fit"
        )
    if others:
        listed = ", ".join(map(repr, others))
        warn(f"left out of the model, since earlier columns and the absorbed levels determine them: {listed}; NaN in the fit")


def _varying(within: Within, place: int) -> int:
    """The slopes of a category that vary within their level."""
    turned, start = within.turned[place], within.bounds[place]
    first = start + turned.factor.size * int(turned.factor.constant)
    return int(np.count_nonzero(within.diagonal[first : within.bounds[place + 1]]))


def _categories(
    levels: list[Levels], within: Within, found: Transformed, degrees: list[int], sets: int, row_sets: IntArray
) -> tuple[tuple[AbsorbedCategory, ...], str]:
    """The categories with their levels' values, each further one's first level of a set being zero; and why there are none, if so."""
    values = within.level_values(found.levels[:, 0])
    constant = [place for place, own in enumerate(levels) if own.factor.constant]
    plain = all(own.factor.slopes is None for own in levels)
    unidentified = ""
    if not (plain and len(constant) <= 2):
        # One constant less for each category beyond the first, and no more than that.
        size = sum(own.factor.n_columns for own in levels)
        rank = within.rank
        if rank is None:
            unidentified = "whether the rows tell levels of so many categories apart was not worked out"
        elif rank < size - max(len(constant) - 1, 0):
            unidentified = "the rows do not tell the levels of the categories apart"
    of_levels = [np.zeros(own.factor.size, dtype=np.int64) for own in levels]
    for own, target in zip(levels, of_levels, strict=True):
        target[own.factor.codes] = row_sets
    constants = [own[0].copy() for own in values]
    for place in constant[1:]:
        _, first = np.unique(of_levels[place], return_index=True)
        shift = np.zeros(sets)
        shift[of_levels[place][first]] = constants[place][first]
        constants[place] -= shift[of_levels[place]]
        constants[constant[0]] += shift[of_levels[constant[0]]]
    return tuple(
        AbsorbedCategory(
            own.term.name,
            own.term.columns,
            own.term.slopes,
            LevelValues(own.term.name, own.labels, constants[place], values[place][1], of_levels[place]),
            degrees[place],
        )
        for place, own in enumerate(levels)
    ), unidentified
