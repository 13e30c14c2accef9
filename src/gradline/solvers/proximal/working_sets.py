"""More columns than rows: a proximal Newton method on the columns that matter, which all columns are asked about when it ends.

A set begins with the slopes that are not zero and those whose gradient the penalty does not hold. When the fit on it has ended, one
gradient of all columns tells which others should be in it (Tibshirani et al. 2012, J. R. Statist. Soc. B 74). No product of all columns
with all is ever made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.dense import DenseDesign
from gradline.objective.objective import Problem
from gradline.penalties.kinds import OfColumns
from gradline.penalties.kinked_penalty import as_kinked
from gradline.rows.altered import AlteredRows
from gradline.rows.block import Block
from gradline.solvers.newton.beginning import constant_start
from gradline.solvers.protocol import Solution, as_start
from gradline.solvers.proximal.steps import Steps, slope_places, solution_at

WIDE = 300
"""Columns from which fewer than half as many rows are called few."""

MOST_NEW = 100
"""Groups of slopes that join at a time, the steepest first."""

MOST_LOOKS = 60
"""At all columns."""

SURE = 1e-11
"""Of the steepest gradient: what is left of a gradient at zero, where the rest is rounding."""


def is_wide(problem: Problem) -> bool:
    """Whether a fit takes working sets: one linear predictor over rows in memory that are few beside their columns."""
    rows, penalty = problem.rows, as_kinked(problem.penalty)
    wide = (
        rows.n_columns > WIDE and rows.n_columns > 2 * rows.n_rows and rows.resident and not rows.sparse_columns and not rows.coded_levels
    )
    plain = problem.shape[1] == 1 and problem.mask is None and problem.face is None and problem.movable.all()
    return bool(wide and plain and penalty is not None)


def on_working_sets(problem: Problem, start: Array | None, run: Callable[[Steps], Solution]) -> Solution | None:
    """The optimum from a start (P, 1), by runs on some columns at a time; None where half the columns would be in the set."""
    penalty, first = as_kinked(problem.penalty), int(problem.rows.intercept)
    assert penalty is not None
    part, scales, rest = penalty.part, penalty.scales, penalty.smooth_part
    smooth = replace(problem, penalty=rest)
    owner = np.empty(len(scales), dtype=np.int64)
    for number, places in enumerate(part.blocks):
        owner[places] = number
    point = as_start(start, problem.shape) if start is not None else constant_start(problem)
    value, gradient, _ = smooth.evaluate(point, 1)
    inside, passes, found = part.support(scales * point[first:, 0]), 1, None
    for _ in range(MOST_LOOKS):
        assert gradient is not None
        pull = gradient[first:, 0] / scales
        left = np.where(inside, 0.0, np.abs(part.violation(scales * point[first:, 0], pull)))
        if not np.isfinite(left).all():
            return None
        new = left > SURE * np.abs(pull).max(initial=0.0)
        if not new.any() and found is not None:
            break
        steepest = np.zeros(len(part.blocks))
        np.maximum.at(steepest, owner, np.where(new, left, 0.0))
        joining = np.argsort(-steepest, kind="stable")[: min(MOST_NEW, int((steepest > 0).sum()))]
        if not joining.size and not inside.any():
            # A set has one column at least.
            joining = owner[[int(np.abs(pull).argmax())]]
        inside = inside | np.isin(owner, np.append(joining, np.unique(owner[inside])))
        places = np.flatnonzero(inside)
        if 2 * len(places) > len(scales):
            return None
        rows = AlteredRows(problem.rows, _Columns(places), first + len(places), problem.rows.n_targets)
        kept = np.append(np.arange(first), first + places)
        some = replace(
            problem,
            rows=rows,
            penalty=replace(
                penalty,
                part=part.restricted(places),
                scales=scales[places],
                smooth_part=None if rest is None else OfColumns(rest, places, len(scales)),
            ),
            names=tuple(problem.names[i] for i in kept) if problem.names else (),
        )
        found = run(Steps.begin(some, point[kept]))
        point = np.zeros_like(point)
        point[kept] = found.coefficients
        value, gradient, _ = smooth.evaluate(point, 1)
        passes += found.passes + 1
    assert found is not None
    assert gradient is not None
    where = slope_places(problem.free, problem.rows.intercept)
    each, x = np.where(where >= 0, scales[where], 1.0), problem.free.contract(point)
    restricted = part.restricted(where)
    objective = value + restricted.value(each * x)
    ending = (found.certificate.converged, found.certificate.reason.split(";")[0])
    if new.any():
        ending = (False, f"{MOST_LOOKS} looks at all columns, of which some still join")
    solution = solution_at(smooth, problem.free, restricted, each, x, objective, problem.free.restrict_gradient(gradient), ending)
    return replace(solution, passes=passes)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Blocks of which these slopes' columns are left, and the intercept."""

    places: IntArray

    def block(self, block: Block) -> Block:
        columns = np.ascontiguousarray(block.design.slopes()[:, self.places])
        return replace(block, design=DenseDesign(columns, intercept=block.design.intercept))
