"""The strengths of curves by the loss of rows left out, each by one Newton step from the fit.

With h_i = x_i'A^-1 x_i, A = H + S, a row that is left out moves its linear predictor to eta_i + w h_i g_i / (1 - w h_i H_i): exactly for
squared loss (Allen 1974, Technometrics 16), to first order for any other (Pregibon 1981, Annals of Statistics 9). A pass gives the loss
there and its slopes by the logarithms of all strengths, at the price of two products of all rows with p columns; BFGS does the rest. For
other losses than squared the curvature counts as fixed while strengths move, and is taken anew at the next fit, as Gu (1992, JCGS 1) does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.smoothing.criterion import Parabola, Terms

NARROW = 1e-7, 1e7
"""Strengths from and to which is looked, of the one that weighs as much as the data; beyond, the loss is level."""

NEAR_ONE = 1e-8
"""Of 1 - leverage: a row that nothing else determines."""


class _LeftOut(NamedTuple):
    loss: float
    slopes: Array


@dataclass(frozen=True)
class _LeftOutKernel(Kernel[_LeftOut]):
    """Sum f w loss of rows left out, and its slopes (m,) by the logarithms of the strengths.

    coefficients (P, 1). root (P, d): of A^-1. moves (P, m): slopes of the coefficients. images: (P, r_j) for each strength, with
    dA^-1 = -image image'.
    """

    loss: Loss
    coefficients: Array
    root: Array
    moves: Array
    images: tuple[Array, ...]

    def map(self, block: Block) -> _LeftOut:
        counts = block.row_counts
        used = counts > 0
        weights = block.precision
        predictors = block.linear_predictors(self.coefficients)
        _, gradient, curvature = self.loss.derivatives(block.targets, predictors, 2)
        assert gradient is not None
        assert curvature is not None
        g, bend = weights * gradient[:, 0], weights * curvature[:, 0, 0]
        leverage = np.square(block.design.predict(self.root)).sum(axis=1)
        left = np.maximum(1.0 - leverage * bend, NEAR_ONE)
        out = predictors + (leverage * g / left)[:, None]
        value, slope, _ = self.loss.derivatives(block.targets, out, 1)
        assert slope is not None
        weigh = np.where(used, counts * weights, 0.0)
        by_eta = slope[:, 0] * (1.0 + leverage * bend / left)
        by_leverage = slope[:, 0] * (g / left + leverage * g * bend / np.square(left))
        with np.errstate(invalid="ignore"):
            eta_part = np.where(used, weigh * by_eta, 0.0)
            leverage_part = np.where(used, weigh * by_leverage, 0.0)
            total = float(np.where(used, weigh * value, 0.0).sum())
        slopes = np.dot(eta_part, block.design.predict(self.moves))
        for j, image in enumerate(self.images):
            slopes[j] -= leverage_part @ np.square(block.design.predict(image)).sum(axis=1)
        return _LeftOut(total, slopes)

    def merge(self, first: _LeftOut, second: _LeftOut) -> _LeftOut:
        return _LeftOut(first.loss + second.loss, first.slopes + second.slopes)


def least_left_out(problem: Problem, parabola: Parabola, terms: Terms, start: Array, places: IntArray) -> tuple[Array, Array, int, bool]:
    """(rho, coefficients (d,), passes, whether it is a minimum) of the least loss of rows left out. places: of the coefficients of the
    parabola among the P of the problem, which has one linear predictor."""
    from scipy.optimize import minimize

    size = problem.shape[0]
    middle = np.log(terms.balanced(parabola.curvature))
    low, high = middle + np.log(NARROW[0]), middle + np.log(NARROW[1])
    free = np.flatnonzero(terms.free)
    roots = [_root(part.matrix) for part in terms.parts]
    passes = 0

    def at(free_rho: Array) -> tuple[float, Array]:
        nonlocal passes
        rho = start.copy()
        rho[free] = free_rho
        point = parabola.at(terms, rho)
        if point is None:
            return np.inf, np.zeros(len(free))
        inverse = point.root @ point.root.T
        moves, images = np.zeros((size, len(terms.parts))), list[Array]()
        for j, (part, root) in enumerate(zip(terms.parts, roots, strict=True)):
            own = np.exp(0.5 * rho[j]) * root
            image = np.zeros((size, len(root)))
            image[places] = inverse[:, part.places] @ own.T
            moves[places, j] = -image[places] @ (own @ point.coefficients[part.places])
            images.append(image)
        whole = np.zeros((size, point.root.shape[1]))
        whole[places] = point.root
        coefficients = np.zeros((size, 1))
        coefficients[places, 0] = point.coefficients
        found = problem.rows.reduce(_LeftOutKernel(problem.loss, coefficients, whole, moves, tuple(images)))
        passes += 1
        return found.loss / problem.total_weight, found.slopes[free] / problem.total_weight

    bounds = list(zip(low[free], high[free], strict=True))
    scale = abs(at(np.clip(start[free], low[free], high[free]))[0]) or 1.0
    found = minimize(
        lambda rho: tuple(np.asarray(part) / scale for part in at(rho)),
        np.clip(start[free], low[free], high[free]),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 100, "ftol": 1e-10, "gtol": 1e-7, "maxls": 10},
    )
    rho = start.copy()
    rho[free] = found.x
    point = parabola.at(terms, rho)
    assert point is not None
    return rho, point.coefficients, passes, bool(found.success)


def _root(matrix: Array) -> Array:
    """F with F'F = matrix, without the directions it does not hold."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-10 * values[-1]
    return np.asarray(np.sqrt(values[kept])[:, None] * vectors[:, kept].T)
