"""A path: the fits of many strengths of a penalty, from the strongest down, and how well each predicts rows that were held out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gradline.base import progress as progress_bar
from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.base.words import nearest
from gradline.fitting.along import FOLDS, record_of, strengths_of, way_of
from gradline.fitting.column_scales import warn_of_scales
from gradline.fitting.curves import refuse_curves
from gradline.fitting.left_out import check_leave_one_out, left_out
from gradline.fitting.request import FitRequest
from gradline.fitting.run import model_of, opened, penalty_columns, problem_of
from gradline.inference.absent import NoInference
from gradline.inference.covariance.clusters import BlockGroups, Groups, held_groups
from gradline.model.path import PathRecord
from gradline.objective.objective import Problem
from gradline.penalties.arguments import left_to_data, words_of_no_strength_left
from gradline.preparing.from_arrays import Prepared
from gradline.rows.block import Block
from gradline.rows.folds import Folds, dealt
from gradline.solvers.protocol import Certificate, Solution
from gradline.solvers.proximal.fold_moments import kernel_of_folds


@dataclass(frozen=True)
class PathRequest:
    """What is asked of a path beside what is asked of a fit."""

    strengths: int | Sequence[float] | Array
    choose: Literal["folds", "blocks", "leave-one-out"] | None
    folds: int
    fold_groups: Any
    seed: int

    def __post_init__(self) -> None:
        if self.choose not in (None, "folds", "blocks", "leave-one-out"):
            near = nearest(str(self.choose), ("folds", "blocks", "leave-one-out"))
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ArgumentError(f'choose must be "folds", "blocks", "leave-one-out" or None, not {self.choose!r}{hint}')
        if isinstance(self.folds, bool) or not isinstance(self.folds, int | np.integer) or self.folds < 2:
            raise ArgumentError(f"folds must be a whole number of at least 2, not {self.folds!r}")
        if self.folds != FOLDS and self.choose not in ("folds", "blocks"):
            raise ArgumentError(f'folds={self.folds} says how many parts are held out in turn; it goes with choose="folds" or "blocks"')
        if self.fold_groups is not None and self.choose != "folds":
            raise ArgumentError('groups= says which rows are held out together; it goes with choose="folds"')
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or not 0 <= self.seed < 2**63:
            raise ArgumentError(f"seed must be a whole number of at least 0, not {self.seed!r}")


def run_path(request: FitRequest, ask: PathRequest) -> PathRecord:
    """The path that is asked for. Raises as ``gl.path`` says."""
    started = time.perf_counter()
    spec = left_to_data(request.penalty)
    if spec is None:
        raise ArgumentError(words_of_no_strength_left(request.penalty))
    # A hash asks nothing of the rows, so that the first pass over a table can sum folds.
    hashed = Folds(int(ask.folds), ask.seed) if ask.choose == "folds" and ask.fold_groups is None else None
    with opened(request, None if hashed is None else kernel_of_folds(hashed)) as (prepared, _, progress):
        for note in prepared.notes:
            warn(note)
        problem = problem_of(prepared)
        refuse_curves(prepared)
        warn_of_scales(problem, prepared.names, spec)
        columns = penalty_columns(problem, prepared)
        folds = _folds(ask, problem, prepared, hashed)
        way = way_of(problem, columns, spec, folds)
        strengths = strengths_of(ask.strengths, way)
        penalties = tuple(way.penalty(float(strength)) for strength in strengths)
        alone = ask.choose == "leave-one-out"
        if alone:
            check_leave_one_out(problem, penalties[0])
        rounds = 2 if alone else 1 if folds is None else folds.count + 1
        with progress_bar.bar("Path", len(strengths) * rounds, progress, patience=1.0) as advance:
            found, held_out = way.run(penalties, lambda: advance(1, ""))
            if alone:
                held_out = left_out(problem, found.coefficients, penalties, lambda: advance(1, ""))
        solution = Solution(
            found.coefficients[-1], float(found.objectives[-1]), "ProximalNewton", Certificate(True, 0.0, "a path"), found.passes
        )
        reason = NoInference("a path holds no standard errors")
        template = model_of(request, prepared, replace(problem, penalty=penalties[-1]), solution, reason, started)
    return record_of(strengths, found, penalties, held_out, template)


def _folds(ask: PathRequest, problem: Problem, prepared: Prepared, hashed: Folds | None) -> Folds | None:
    """hashed: the folds that a hash makes, where one does."""
    if ask.choose in (None, "leave-one-out"):
        return None
    n = problem.rows.n_rows
    if ask.folds > n:
        raise ArgumentError(f"{ask.folds} folds need as many rows, and there are {n}")
    if ask.choose == "blocks":
        return Folds.of_blocks(int(ask.folds), n)
    if ask.fold_groups is None:
        dealt_out = Folds.of_rows(int(ask.folds), ask.seed, n)
        return dealt_out if dealt_out.of_row is not None or hashed is None else hashed
    groups = _groups(ask.fold_groups, problem, prepared)
    if groups.sizes[0] < ask.folds:
        raise ArgumentError(f"{ask.folds} folds need as many groups, and there are {groups.sizes[0]}")
    fold = dealt(groups.sizes[0], int(ask.folds), ask.seed).astype(np.min_scalar_type(int(ask.folds)))
    codes = groups.rows(problem.rows).iterate(_CodesKernel(groups.in_blocks))
    # A byte or two a row: what a pass over rows that are not in memory holds of them.
    of_row = np.concatenate([fold[part[:, 0].astype(np.int64)] for part in codes])
    return Folds(int(ask.folds), ask.seed, of_row, grouped=True)


def _groups(asked: Any, problem: Problem, prepared: Prepared) -> Groups:
    """The groups that ``groups=`` says: a column of the table, or labels beside arrays."""
    if prepared.clusters is not None:
        return prepared.clusters.groups(problem.rows, problem.n_predictors)
    n, shape = problem.rows.n_rows, np.shape(asked)
    if isinstance(asked, str) or len(shape) != 1 or prepared.encoder is not None:
        raise ArgumentTypeError("groups= of a path names one column of the table, or beside arrays X and y is an array of one label a row")
    if shape[0] != n:
        raise ArgumentError(f"groups= has {shape[0]} labels for {n} rows")
    return held_groups(asked, n)


@dataclass(frozen=True)
class _CodesKernel:
    """The number of each row's group, (m, 1)."""

    groups: BlockGroups

    def map(self, block: Block) -> Array:
        return self.groups.split(block)[1][:, :1].astype(np.float64)
