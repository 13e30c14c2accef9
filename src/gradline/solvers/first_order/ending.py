"""The end of a training: what its certificate says, and on what grounds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gradline.base.errors import SolverError
from gradline.objective.objective import Problem
from gradline.rows.counted import counted
from gradline.solvers.beside import lower_beside, rises_beside
from gradline.solvers.first_order.learning_rate import left_to_gain, left_to_gain_by_solving
from gradline.solvers.history import Record
from gradline.solvers.protocol import Certificate

NEAR = 0.1
"""Standard errors from the optimum, of each coefficient, that nobody could notice."""


class Ended(NamedTuple):
    """How a training ended. begin, final: the first record, and that whose coefficients are given, in the unit of the loop, which is
    ``whole`` times the mean. stop: why it ended before its last step, None where it did not. advice: what might help."""

    begin: Record
    final: Record
    whole: float
    steps: int
    stop: str | None
    diverged: bool
    smaller: str
    advice: tuple[str, ...]

    @property
    def was_asked_to_end(self) -> bool:
        """Whether a callback or the rows held out ended it, which is no reason to warn."""
        return self.stop is not None and not self.diverged


def certificate_of(problem: Problem, ended: Ended) -> Certificate:
    """Whether the minimum was reached is looked at whatever ended the steps: a callback's word is no proof of it."""
    final, norm = ended.final, ended.final.gradient_norm
    if ended.diverged:
        reason = f"stopped because {ended.stop}; the coefficients are those of step {final.step}, the lowest loss seen"
        return Certificate(False, norm, reason, f"Use {ended.smaller}.")
    if ended.stop is not None:
        reason, remedy = ended.stop, "It ended where it was told to, which is not at the lowest loss."
    else:
        steps = "1 step" if ended.steps == 1 else f"{ended.steps:,} steps"
        went = "rose" if norm > ended.begin.gradient_norm else "fell"
        reason = f"{steps} done; the gradient norm {went} from {ended.begin.gradient_norm:.3g} to {norm:.3g}"
        remedy = f"Use {' or '.join([part for part in (', '.join(ended.advice[:-1]), ended.advice[-1]) if part])}."
    if norm == 0 and not is_lowest(problem, final):
        flat = "; but it is zero on a kink or where the loss is flat, which is no minimum"
        if ended.stop is not None:
            flat = "; but the gradient is zero on a kink or where the loss is flat, which is no minimum"
        return Certificate(False, norm, reason + flat, "Give another start=, where the loss changes with the coefficients.")
    if norm == 0 or near_enough(problem, ended):
        return Certificate(True, norm, reason)
    return Certificate(False, norm, reason, remedy)


def is_lowest(problem: Problem, final: Record) -> bool:
    """Whether a gradient of zero is that of a minimum: beside it, of a loss not known to be convex, the objective is not lower; and
    it is not flat all around."""
    if not problem.joint and problem.loss.is_convex:
        return True
    free = problem.free
    theta = free.contract(final.coefficients)
    return rises_beside(problem, free, theta) and lower_beside(problem, free, theta) is None


def near_enough(problem: Problem, ended: Ended) -> bool:
    """Near the lowest loss, to second order since that itself is not known, or with kinks as the solver for these finds it: nearer than
    rows can tell, or within a billionth of the way down.

    By n times what is left to gain, over the noise of one row, the coefficients are so many squared standard errors from the optimum:
    exactly so for squared loss, whose value there is the noise, and in size for others. A tenth of a standard error a coefficient is
    near, and never more than 1 % of a squared loss or 0.1 % of any other.
    """
    final, begin, whole = ended.final, ended.begin, ended.whole
    if problem.joint:
        return final.gradient_norm <= 0.01 * begin.gradient_norm
    squared = problem.loss.squared_scale() is not None
    told_apart = NEAR**2 * problem.free.size / counted(problem.rows)
    share = min(0.01 if squared else 0.001, told_apart)
    try:
        if not squared and problem.loss.kinks() is not None:
            # A gradient that jumps says nothing of how far there is to go, and curvature leaves the jumps out.
            gain = whole * left_to_gain_by_solving(problem, final.coefficients, final.loss / whole)
        else:
            with np.errstate(all="ignore"):
                gain = whole * left_to_gain(problem, final.coefficients, final.loss / whole)
    except SolverError:  # a curvature that is not finite proves nothing
        return False
    if not math.isfinite(gain):
        return False
    return gain <= max(share * abs(final.loss - gain), 1e-9 * (begin.loss - final.loss), 1e-12 * abs(final.loss))
