"""The strengths of curves beside a penalty that sets slopes to zero.

A lasso's own density has a kink where its slopes are, so that no parabola stands for it, and restricted likelihood has no second
derivatives there. Strengths are therefore those of the model that is left: of the curves and of the columns that the penalty kept, whose
slopes count as not penalised but for a smooth part such as an elastic net's. Which are kept depends on the strengths, and they on what is
kept, so that one follows the other until neither changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradline.objective.objective import Problem
from gradline.penalties.beside_curves import with_curves
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.smoothing.blocks import Block, penalty_of
from gradline.smoothing.choosing import BoolArray, Choice, Solve, choose

MOST_TURNS = 20


def choose_by_kept(problem: Problem, beside: KinkedPenalty, blocks: Sequence[Block], solve: Solve, smoothing: str) -> Choice:
    """The strengths, and coefficients (P, k) at them with the penalty. problem: with the smooth part of the penalty, if any.

    Where sets of columns come back in turns, the strengths are those of all columns that come and go. Raises ValueError as ``choose`` does.
    """
    first, passes, sums = int(problem.rows.intercept), 0, None
    movable, start = problem.movable, None
    kept = movable.copy()
    kept[first:] &= beside.support(np.zeros(kept[first:].shape))
    if all(block.curve.strengths is not None for block in blocks):
        return choose(problem, blocks, solve, smoothing, kept)
    seen = list[BoolArray]()
    choice = choose(problem, blocks, solve, smoothing, kept)
    for _ in range(MOST_TURNS):
        passes, sums = passes + choice.passes, choice.sums
        curves = penalty_of(blocks, choice.strengths, problem.rows.intercept)
        start = solve(replace(problem, penalty=with_curves(beside, curves)), start)
        now = movable.copy()
        now[first:] &= beside.support(start[first:])
        if (now == kept).all():
            return replace(choice, coefficients=start, passes=passes)
        turns = next((place for place, earlier in enumerate(seen) if (earlier == now).all()), None)
        seen.append(kept)
        if turns is not None:
            for earlier in seen[turns:]:
                now = now | earlier
            choice = choose(problem, blocks, solve, smoothing, now, sums)
            return replace(choice, coefficients=start, passes=passes + choice.passes)
        kept = now
        choice = choose(problem, blocks, solve, smoothing, kept, sums)
    return replace(choice, coefficients=start, passes=passes + choice.passes, settled=False)
