"""A fit whose formula absorbs levels: ``y ~ x1 + x2 | firm + year``.

Squared loss is solved on what the levels leave of target and columns (Frisch and Waugh 1933; Lovell 1963); any other smooth loss by
Newton's method, whose every step is of that kind. The errors then come from the columns so transformed, as those of any fit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError, SolverError
from gradline.base.types import Array, BoolArray, IntArray
from gradline.base.warnings import warn
from gradline.fitting.absorbed_rows import Levels, degrees_of, nested, used_rows
from gradline.fitting.absorbed_uncertainty import AbsorbedProblem, absorbed_uncertainty
from gradline.linalg.level_columns import Category, LevelPart, LevelRows, Taken
from gradline.linalg.within import Transformed, transform
from gradline.losses.protocol import Loss
from gradline.model.absorbed import AbsorbedCategory, AbsorbedLevels, LevelValues
from gradline.model.record import Model
from gradline.objective.objective import Problem
from gradline.preparing.from_arrays import Prepared
from gradline.preparing.from_table import watched_table
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.fingerprint import fingerprint_of
from gradline.rows.levelled import HeldNumbers, LevelledRows, RowNumbers
from gradline.rows.protocol import Rows
from gradline.rows.within_rows import ColumnsAndTarget, ColumnsAtOptimum, TakesOut, Untouched, WithinRows, columns_and_target
from gradline.solvers.newton.absorbed import solve_absorbed
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.registry import as_solver, solve_identified

if TYPE_CHECKING:
    from gradline.fitting.request import FitRequest

ALIASED = 1e-9
"""Of a column's own spread: what the levels leave of it is rounding."""

START_ROWS = 100_000
"""Rows by whose targets the start of a fit is chosen, where they are read anew at each pass."""

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
    rows = prepared.rows
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
    used = used_rows(columns, loss, rows)
    levels, groups = used.levels, tuple(columns.codes[name].codes for name in columns.clusters)
    group_sizes = tuple(len(columns.codes[name].labels) for name in columns.clusters)
    rows, levels, groups = _without_holes(rows, levels, groups, used.used)
    sample = LevelledRows(rows, tuple(own.rows for own in levels))
    found = (_squared if loss.squared_scale() is not None else _newton)(loss, sample, names)
    if found.solution.aliased:
        _tell_aliased(names, found.solution, found.inside, columns.terms)
    for note in used.notes:
        warn(note)
    varying = [_varying(found.transformed, place) for place in range(len(levels))]
    degrees, sets, of_levels = degrees_of(levels, varying, found.transformed.equations)
    inside = [bool(groups) and nested(own, [each.rows for each in levels], groups) for own in levels]
    # As fixest counts: of a category nested in clusters one level is left.
    counted = sum(degrees) - sum(own.size - 1 for own, gone in zip(levels, inside, strict=True) if gone)
    problem = AbsorbedProblem(found.problem, found.within, sum(degrees), counted, groups, group_sizes, found.total_squares)
    uncertainty, share = absorbed_uncertainty(request, problem, found.solution, found.transformed.equations)
    categories, unidentified = _categories(levels, found, degrees, sets, of_levels)
    absorbed = AbsorbedLevels(categories, sum(degrees), counted, sets, used.singletons, used.separated, share, unidentified)
    dropped = dict(prepared.dropped)
    if used.singletons:
        dropped["singletons"] = used.singletons
    if used.separated:
        dropped["separated"] = used.separated
    whole = not (used.singletons or used.separated)
    return Model(
        names,
        prepared.target_names,
        loss,
        replace(found.solution, notes=(*found.solution.notes, *used.notes), curvature=None, sums=None),
        used.used,
        dropped,
        named=True,
        uncertainty=uncertainty,
        seconds=time.perf_counter() - started,
        encoder=encoder.without_intercept(request.absorbed[0].text),
        row_columns=prepared.row_columns,
        fingerprint=prepared.fingerprint if whole and prepared.fingerprint is not None else fingerprint_of(_used(sample)),
        absorbed=absorbed,
    )


def _without_holes(
    rows: Rows, levels: list[Levels], groups: tuple[RowNumbers, ...], used: int
) -> tuple[Rows, list[Levels], tuple[RowNumbers, ...]]:
    """The same without the rows that are left out, where all are in memory; others stay, and count for nothing."""
    block = rows.in_memory()
    if block is None or used == block.n_rows:
        return rows, levels, groups
    there = np.ones(block.n_rows, dtype=np.bool_) if block.row_weights is None else block.row_weights > 0
    for own in levels:
        there &= own.rows.codes.part(0, block.n_rows) >= 0
    places = np.flatnonzero(there)

    def picked(given: RowNumbers) -> RowNumbers:
        return HeldNumbers(given.take(places))

    kept = [
        replace(own, rows=replace(own.rows, codes=picked(own.rows.codes), slopes=tuple(map(picked, own.rows.slopes)), holes=False))
        for own in levels
    ]
    # Levels of rows of weight zero alone were given no number.
    return ArrayRows.of_block(rows.take(places)), kept, tuple(map(picked, groups))


@dataclass(frozen=True, eq=False)
class _Found:
    """problem: in transformed columns; within: the rows of the same problem, of which ``beside`` can be read too; inside (P,): columns
    that the levels determine; levels (L,): of the linear predictors, beside the columns; total_squares: of the target about its mean."""

    problem: Problem
    within: WithinRows
    solution: Solution
    inside: BoolArray
    transformed: Transformed
    levels: Array
    total_squares: float


@dataclass(frozen=True, eq=False)
class _Columns:
    """Columns and target side by side, less what is taken out, and the rows' weights where there are any."""

    rows: LevelledRows
    weighted: bool
    taken: Taken | None = None

    def map(self, block: Block) -> Array:
        block, levels = self.rows.read(block)
        values = columns_and_target(block)
        if self.taken is not None:
            values = self.taken.out_of(values, levels)
        if not self.weighted:
            return values
        weights = np.ones(block.n_rows) if block.row_weights is None else block.row_weights
        return np.concatenate([values, weights[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class _SquaredRows:
    """The columns and the target of squared loss, as rows whose levels are taken out."""

    rows: LevelledRows
    weighted: bool

    @property
    def n_rows(self) -> int:
        return self.rows.n_rows

    @property
    def categories(self) -> tuple[Category, ...]:
        return tuple(own.category for own in self.rows.categories)

    def parts(self) -> Iterator[LevelPart]:
        return self._of(_Columns(self.rows, self.weighted))

    def left(self, taken: Taken) -> Iterator[LevelPart]:
        return self._of(_Columns(self.rows, self.weighted, taken))

    def _of(self, kernel: _Columns) -> Iterator[LevelPart]:
        start = 0
        for values in self.rows.run(kernel):
            stop = start + len(values)
            levels = self.rows.levels(start, stop)
            if self.weighted:
                yield LevelPart(levels, np.ascontiguousarray(values[:, -1]), np.ascontiguousarray(values[:, :-1]))
            else:
                yield LevelPart(levels, None, values)
            start = stop


def _inside(found: Transformed) -> BoolArray:
    """(P,): columns of which the levels leave nothing but rounding."""
    after, before, size = (np.sqrt(own[:-1]) for own in (np.diag(found.left), found.spread, np.maximum(found.size, 0.0)))
    return np.asarray(after <= np.maximum(ALIASED * before, 1e-13 * size))


def _dependent(found: Transformed, rows: LevelRows) -> BoolArray:
    """(P,): those, and columns that earlier ones determine in what the levels leave, whose rounding no exact test of rank sees through."""
    dependent = _inside(found)
    kept = np.flatnonzero(~dependent)
    gram = found.left[np.ix_(kept, kept)]
    root = np.sqrt(np.diag(gram))
    try:
        if np.square(np.diag(np.linalg.cholesky(gram / np.outer(root, root)))).min(initial=1.0) > WELL_APART:
            return dependent
    except np.linalg.LinAlgError:
        pass
    unit = np.zeros((0, len(kept)))
    for part in rows.left(found.taken):
        own = part.values[:, kept] if part.weights is None else part.values[:, kept] * np.sqrt(part.weights)[:, None]
        unit = np.asarray(np.linalg.qr(np.concatenate([unit, own / root]), mode="r"))
    for place in range(len(kept)):
        # A column that is left out must not stand for those after it.
        before = unit[:, [j for j in range(place) if not dependent[kept[j]]]]
        rest = unit[:, place] - before @ np.linalg.lstsq(before, unit[:, place], rcond=None)[0]
        dependent[kept[place]] = bool(np.linalg.norm(rest) <= ALIASED)
    return dependent


def _squared(loss: Loss, sample: LevelledRows, names: tuple[str, ...]) -> _Found:
    block = sample.rows.take(np.arange(1))
    source = _SquaredRows(sample, sample.holes or block.row_weights is not None)
    transformed = transform(source)
    if not transformed.converged:
        raise SolverError(
            "the levels were not absorbed to rounding: the columns are of very different size, or hardly any rows connect levels"
        )
    inside = _inside(transformed)
    _require_some(inside)
    taken = ColumnsAndTarget(transformed.taken, _dependent(transformed, source))
    problem, within = _problem(loss, sample, taken, names)
    chosen = as_solver("auto", problem, "auto", None)
    problem, solution = solve_identified(problem, chosen, None, False)
    solution = replace(solution, digits=None)
    levels = transformed.levels
    own = levels[:, -1] - levels[:, :-1] @ solution.coefficients[:, 0]
    return _Found(problem, within, solution, inside, transformed, own, float(transformed.spread[-1]))


def _newton(loss: Loss, sample: LevelledRows, names: tuple[str, ...]) -> _Found:
    first = sample.rows.sample(START_ROWS).without_zero_weights()
    start, known = float(loss.start(first.targets)[0]), sample.rows.row_columns
    if known is not None:
        start = float(loss.start(known.targets)[0])
    if first.offset is not None:
        start -= float((first.offset if known is None or known.offset is None else known.offset).mean())
    found = solve_absorbed(loss, sample, len(names), start, _dependent)
    transformed = found.transformed
    inside = _inside(transformed)
    _require_some(inside)
    at = found.predictors
    taken = ColumnsAtOptimum(_first_columns(transformed.taken), found.aliased, found.coefficients, at)
    problem, within = _problem(loss, sample, taken, names)
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
    levels = transformed.levels
    own = levels[:, -1] - levels[:, :-1] @ found.coefficients
    return _Found(problem, within, solution, inside, transformed, own, float("nan"))


def _used(sample: LevelledRows) -> Rows:
    """The rows as they are, those left out at weight zero."""
    return WithinRows(sample, Untouched(), sample.rows.n_columns) if sample.holes else sample.rows


def _first_columns(taken: Taken) -> Taken:
    """Of the columns alone, without the target, which comes last."""
    assert taken.levels is not None
    return Taken(taken.columns, taken.shift[:-1], np.ascontiguousarray(taken.levels[:, :-1]))


def _problem(loss: Loss, sample: LevelledRows, taken: TakesOut, names: tuple[str, ...]) -> tuple[Problem, WithinRows]:
    """The objective in columns that the levels are taken out of: in memory where the rows are, and made anew in each pass otherwise."""
    within = WithinRows(sample, taken, len(names))
    block = sample.rows.in_memory()
    rows: Rows = within if block is None else ArrayRows.of_block(within.block(block))
    return Problem(rows, loss, None, names, None), within


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


def _varying(found: Transformed, place: int) -> int:
    """The slopes of a category that vary within their level."""
    columns = found.taken.columns
    own, start = columns.categories[place], columns.bounds[place]
    first = start + own.size * int(own.constant)
    return int(np.count_nonzero(found.equations.diagonal[first : columns.bounds[place + 1]]))


def _categories(
    levels: list[Levels], found: _Found, degrees: list[int], sets: int, of_levels: list[IntArray]
) -> tuple[tuple[AbsorbedCategory, ...], str]:
    """The categories with their levels' values, each further one's first level of a set being zero; and why there are none, if so."""
    values = found.transformed.level_values(found.levels)
    constant = [place for place, own in enumerate(levels) if own.rows.category.constant]
    plain = not any(own.rows.category.slopes for own in levels)
    unidentified = ""
    if not (plain and len(constant) <= 2):
        # One constant less for each category beyond the first, and no more than that.
        size = sum(own.rows.category.n_columns for own in levels)
        rank = found.transformed.equations.rank
        if rank is None:
            unidentified = "whether the rows tell levels of so many categories apart was not worked out"
        elif rank < size - max(len(constant) - 1, 0):
            unidentified = "the rows do not tell the levels of the categories apart"
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
