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
from gradline.fitting.along import record_of, strengths_of, way_of
from gradline.fitting.column_scales import warn_of_scales
from gradline.fitting.curves import refuse_curves
from gradline.fitting.request import FitRequest
from gradline.fitting.run import model_of, opened, penalty_columns, problem_of
from gradline.inference.absent import NoInference
from gradline.model.path import PathRecord
from gradline.objective.objective import Problem
from gradline.penalties.arguments import left_to_data
from gradline.preparing.from_arrays import Prepared
from gradline.rows.folds import Folds, dealt
from gradline.solvers.protocol import Certificate, Solution


@dataclass(frozen=True)
class PathRequest:
    """What is asked of a path beside what is asked of a fit."""

    strengths: int | Sequence[float] | Array
    choose: Literal["folds"] | None
    folds: int
    fold_groups: Any
    seed: int

    def __post_init__(self) -> None:
        if self.choose not in (None, "folds"):
            raise ArgumentError(f'choose must be "folds" or None, not {self.choose!r}')
        if isinstance(self.folds, bool) or not isinstance(self.folds, int | np.integer) or self.folds < 2:
            raise ArgumentError(f"folds must be a whole number of at least 2, not {self.folds!r}")
        if self.fold_groups is not None and self.choose != "folds":
            raise ArgumentError('groups= says which rows are held out together; it goes with choose="folds"')
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or not 0 <= self.seed < 2**63:
            raise ArgumentError(f"seed must be a whole number of at least 0, not {self.seed!r}")


def run_path(request: FitRequest, ask: PathRequest) -> PathRecord:
    """The path that is asked for. Raises as ``gl.path`` says."""
    started = time.perf_counter()
    spec = left_to_data(request.penalty)
    if spec is None:
        raise ArgumentError(
            "a path is over the strengths of one penalty, which leaves its own to it: give penalty=gl.penalties.lasso() or another penalty"
            " without a strength"
        )
    with opened(request) as (prepared, _, progress):
        for note in prepared.notes:
            warn(note)
        problem = problem_of(prepared)
        refuse_curves(prepared)
        warn_of_scales(problem, prepared.names, spec)
        columns = penalty_columns(problem, prepared)
        folds = _folds(ask, problem, prepared)
        way = way_of(problem, columns, spec, folds)
        strengths = strengths_of(ask.strengths, way)
        penalties = tuple(way.penalty(float(strength)) for strength in strengths)
        with progress_bar.bar("Path", len(strengths) * (1 if folds is None else folds.count + 1), progress, patience=1.0) as advance:
            found, held_out = way.run(penalties, lambda: advance(1, ""))
        solution = Solution(
            found.coefficients[-1], float(found.objectives[-1]), "ProximalNewton", Certificate(True, 0.0, "a path"), found.passes
        )
        reason = NoInference("a path holds no standard errors")
        template = model_of(request, prepared, replace(problem, penalty=penalties[-1]), solution, reason, started)
    return record_of(strengths, found, penalties, held_out, template)


def _folds(ask: PathRequest, problem: Problem, prepared: Prepared) -> Folds | None:
    if ask.choose is None:
        return None
    n = problem.rows.n_rows
    if ask.folds > n:
        raise ArgumentError(f"{ask.folds} folds need as many rows, and there are {n}")
    if ask.fold_groups is None:
        return Folds.of_rows(int(ask.folds), ask.seed, n)
    labels = np.asarray(ask.fold_groups)
    if isinstance(ask.fold_groups, str) or labels.ndim != 1 or prepared.encoder is not None:
        raise ArgumentTypeError("groups= of a path is an array of one label a row, beside arrays X and y")
    if len(labels) != n:
        raise ArgumentError(f"groups= has {len(labels)} labels for {n} rows")
    levels, codes = np.unique(labels, return_inverse=True)
    if len(levels) < ask.folds:
        raise ArgumentError(f"{ask.folds} folds need as many groups, and there are {len(levels)}")
    return Folds(int(ask.folds), ask.seed, dealt(len(levels), int(ask.folds), ask.seed)[codes], grouped=True)
