"""A fit with the problem it solved, which the tests hand to the inference functions."""

from typing import NamedTuple

import numpy as np

import gradline as gl
from gradline.inference.bread import Bread, compute_bread
from gradline.inference.covariance.estimate import covariance, free_coefficients
from gradline.inference.kinked import row_loss
from gradline.inference.statistics import FitStatistics, fit_statistics
from gradline.losses.arguments import as_loss
from gradline.losses.own_loss import CustomLoss
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.protocol import Solution


class Fitted(NamedTuple):
    problem: Problem
    solution: Solution
    fit: gl.Fit

    @property
    def b(self) -> np.ndarray:
        return self.solution.coefficients

    @property
    def bread(self) -> Bread:
        return compute_bread(self.problem, self.b, free_coefficients(self.problem, self.solution))

    @property
    def statistics(self) -> FitStatistics:
        return fit_statistics(self.problem, self.b, free_coefficients(self.problem, self.solution), self.bread)

    def covariance(self, kind=None):
        return covariance(self.problem, self.solution, kind)

    def errors(self, kind=None):
        return self.covariance(kind).standard_errors


def fitted(x, y, loss="squared", penalty=None, intercept=True, weights=None, frequencies=None, offset=None, **more) -> Fitted:
    x = np.asarray(x, dtype=float)
    x = x[:, None] if x.ndim == 1 else x
    y = np.asarray(y, dtype=float)
    fit = gl.fit(x, y, loss=loss, penalty=penalty, intercept=intercept, weights=weights, frequencies=frequencies, offset=offset, **more)
    targets = y[:, None] if y.ndim == 1 else y
    bound = as_loss(loss)
    bound = bound.bind(targets) if isinstance(bound, CustomLoss) else bound.resolve(targets.max(axis=0))
    as_floats = [None if part is None else np.asarray(part, dtype=float) for part in (weights, frequencies)]
    offsets = None if offset is None else np.asarray(offset, dtype=float).reshape(len(y), -1)
    rows = ArrayRows(x, targets, weights=as_floats[0], frequencies=as_floats[1], offset=offsets, intercept=intercept)
    return Fitted(Problem(rows, bound, penalty), fit.solution, fit)


def close(actual, desired, tolerance=1e-8):
    np.testing.assert_allclose(np.squeeze(actual), np.squeeze(desired), rtol=tolerance, atol=0)


__all__ = ["Fitted", "close", "fitted", "row_loss"]
