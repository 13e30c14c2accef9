"""Pearson's chi-squared over its degrees of freedom, of losses whose variance follows from the mean alone: whether the data vary more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.inference.statistics import FitStatistics
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


class Overdispersion(NamedTuple):
    """ratio: Pearson's chi-squared over its degrees of freedom, near 1 where the data vary as the loss says. statistic, degrees, p_value:
    of the test that they vary no more, by the chi-squared distribution. as_trials: whether the frequencies of rows are the trials of their
    shares, so that each row counts once; covariances take such trials for rows that have nothing to do with each other."""

    ratio: float
    statistic: float
    degrees: float
    p_value: float
    as_trials: bool = False


def checks_spread(loss: Loss, n_targets: int) -> bool:
    """Whether data can vary more than a loss of so many targets allows, as far as is known before any are seen."""
    return loss.spread_units(np.ones((1, n_targets)), np.ones(1), None) is not None


def overdispersion(problem: Problem, coefficients: Array, statistics: FitStatistics) -> Overdispersion:
    """One pass. McCullagh and Nelder (1989), Generalized Linear Models, sections 4.5 and 6.2.

    Raises InferenceError for a loss whose data cannot contradict its variance (any but counts, and shares of several trials), and where no
    degree of freedom is left.
    """
    loss, squares = problem.loss, statistics.squares
    if squares is None or len(squares) > 1:
        raise InferenceError(f"a fit of the loss {loss.name!r} with these targets has no Pearson's chi-squared of one target")
    found = problem.rows.reduce(_UnitsKernel(loss))
    if found.units is None:
        raise InferenceError(
            f"the loss {loss.name!r} with these targets says nothing that a spread beyond its variance could contradict: that is of counts,"
            " and of shares of more than one trial"
        )
    degrees = statistics.degrees_of_freedom - (found.copies - found.units)
    if not degrees > 0:
        raise InferenceError("the rows leave no degree of freedom for Pearson's chi-squared: give more rows, or leave columns out")
    statistic = float(squares[0])
    as_trials = found.units < found.copies
    return Overdispersion(statistic / degrees, statistic, degrees, float(chdtrc(degrees, statistic)), as_trials)


class _Units(NamedTuple):
    """copies: rows counted by frequency; units: terms of the chi-squared, None as long as no row could tell."""

    copies: float
    counted: float
    tells: bool

    @property
    def units(self) -> float | None:
        return self.counted if self.tells else None


@dataclass(frozen=True)
class _UnitsKernel(Kernel[_Units]):
    """Of the rows that count."""

    loss: Loss

    def map(self, block: Block) -> _Units:
        copies = block.row_counts
        used = np.flatnonzero(copies)
        own = copies[used]
        precision = None if block.weights is None else block.weights[used]
        found = self.loss.spread_units(block.targets[used], own, precision)
        if found is None:
            return _Units(float(own.sum()), float(own.sum()), False)
        return _Units(float(own.sum()), float(found.units.sum()), bool(found.tells.any()))

    def merge(self, first: _Units, second: _Units) -> _Units:
        return _Units(first.copies + second.copies, first.counted + second.counted, first.tells or second.tells)
