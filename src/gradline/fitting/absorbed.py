"""A fit whose formula absorbs levels: ``y ~ x1 + x2 | firm + year``.

Squared loss is solved on what the levels leave of target and columns (Frisch and Waugh 1933; Lovell 1963); any other smooth loss by
Newton's method, whose every step is of that kind. The errors then come from the columns so transformed, as those of any fit.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import BoolArray, IntArray
from gradline.base.warnings import warn
from gradline.fitting.absorbed_errors import with_level_errors
from gradline.fitting.absorbed_rows import Levels, degrees_of, nested, used_rows
from gradline.fitting.absorbed_solving import Found, solve_newton, solve_squared
from gradline.fitting.absorbed_uncertainty import AbsorbedProblem, absorbed_uncertainty
from gradline.linalg.within import Transformed
from gradline.model.absorbed import AbsorbedCategory, AbsorbedLevels, LevelValues
from gradline.model.record import Model
from gradline.preparing.from_arrays import Prepared
from gradline.preparing.from_table import watched_table
from gradline.rows.arrays import ArrayRows
from gradline.rows.fingerprint import fingerprint_of
from gradline.rows.levelled import HeldNumbers, LevelledRows, RowNumbers
from gradline.rows.protocol import Rows
from gradline.rows.within_rows import Untouched, WithinRows
from gradline.solvers.protocol import Solution

if TYPE_CHECKING:
    from gradline.fitting.request import FitRequest


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
    found = (solve_squared if loss.squared_scale() is not None else solve_newton)(loss, sample, names)
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
    uncertainty = absorbed_uncertainty(request, problem, found.solution, found.transformed.equations)
    categories, unidentified = _categories(levels, found, degrees, sets, of_levels)
    within = " and ".join(own.name for own, gone in zip(categories, inside, strict=True) if gone)
    inference, errors, why = with_level_errors(problem, found.solution, found, uncertainty, within)
    absorbed = AbsorbedLevels(
        categories, sum(degrees), counted, sets, used.singletons, used.separated, uncertainty.share, unidentified, errors, why
    )
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
        uncertainty=inference,
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


def _used(sample: LevelledRows) -> Rows:
    """The rows as they are, those left out at weight zero."""
    return WithinRows(sample, Untouched(), sample.rows.n_columns) if sample.holes else sample.rows


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
    levels: list[Levels], found: Found, degrees: list[int], sets: int, of_levels: list[IntArray]
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
