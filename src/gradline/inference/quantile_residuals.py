"""Quantile residuals: where each target falls in its own distribution, as a normal deviate.

r_i = Phi^-1(F(y_i | eta_i)) is standard normal where the model is right, whatever the distribution. For counts and labels F jumps at y_i,
and a point drawn uniformly from the jump makes r_i continuous again. Dunn and Smyth (1996), "Randomized quantile residuals", J.
Computational and Graphical Statistics 5.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, betaincc, gammainc, gammaincc, ndtri, pdtr, pdtrc, stdtr

from gradline.base.types import Array
from gradline.losses.families.amounts import Gamma
from gradline.losses.families.classes import Logistic
from gradline.losses.families.counts import NegativeBinomial, Poisson
from gradline.losses.families.densities import Cauchy, Normal, StudentT
from gradline.losses.protocol import Loss


def is_discrete(loss: Loss) -> bool:
    """Whether targets are counts or labels, so that their quantile residuals are drawn at random within a jump."""
    return isinstance(loss, Logistic | Poisson | NegativeBinomial)


def has_quantile_residuals(loss: Loss) -> bool:
    """Whether the distribution function of a target is known."""
    return is_discrete(loss) or isinstance(loss, Gamma | Normal | StudentT | Cauchy)


def quantile_residuals(loss: Loss, targets: Array, predictors: Array, uniform: Array, dispersion: Array | None = None) -> Array:
    """(m, q), standard normal where the model is right.

    targets (m, q), whole for counts; predictors (m, k); uniform (m, q): draws between 0 and 1, which only counts and labels use;
    dispersion (m, q) or (q,): of a gamma target. Raises ValueError for a loss whose distribution is not known.
    """
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        if isinstance(loss, Normal):
            return np.asarray((targets - predictors[:, :1]) * np.exp(-predictors[:, 1:]))
        if isinstance(loss, StudentT | Cauchy):
            degrees = loss.degrees if isinstance(loss, StudentT) else 1.0
            return _from_tails(*_symmetric((targets - predictors) / loss.scale, degrees))
        if isinstance(loss, Gamma):
            if dispersion is None:
                raise ValueError("the quantile residuals of the loss 'gamma' need its dispersion")
            amount = targets / (np.exp(predictors) * dispersion)
            return _from_tails(gammainc(1.0 / dispersion, amount), gammaincc(1.0 / dispersion, amount))
        if is_discrete(loss):
            below, above, here = _jumps(loss, targets, predictors)
            # Both tails are built up from their own end, so that neither is one less a number near one.
            return _from_tails(below + uniform * here, above + (1.0 - uniform) * here)
    raise ValueError(f"the distribution of a target under the loss {loss.name!r} is not known, so there are no quantile residuals")


def _from_tails(lower: Array, upper: Array) -> Array:
    """The deviate from the smaller of the two tail probabilities, which has all its digits."""
    return np.asarray(np.where(lower < upper, ndtri(lower), -ndtri(upper)))


def _symmetric(t: Array, degrees: float) -> tuple[Array, Array]:
    return stdtr(degrees, t), stdtr(degrees, -t)


def _jumps(loss: Loss, targets: Array, predictors: Array) -> tuple[Array, Array, Array]:
    """P(Y < y), P(Y > y), P(Y = y)."""
    if isinstance(loss, Logistic):
        one, zero = loss.predict(predictors), loss.predict(-predictors)
        return np.where(targets == 1, zero, 0.0), np.where(targets == 1, 0.0, one), np.where(targets == 1, one, zero)
    mean = np.exp(predictors)
    before = np.maximum(targets - 1.0, 0.0)
    if isinstance(loss, NegativeBinomial):
        theta = 1.0 / loss.dispersion
        success = 1.0 / (1.0 + loss.dispersion * mean)
        below, above = betainc(theta, before + 1.0, success), betaincc(theta, targets + 1.0, success)
    else:
        below, above = pdtr(before, mean), pdtrc(targets, mean)
    here = np.exp(-_values(loss, targets, predictors))
    return np.where(targets == 0, 0.0, below), above, here


def _values(loss: Loss, targets: Array, predictors: Array) -> Array:
    """-log P(Y = y), (m, q): the loss of each target by itself."""
    columns = [loss.derivatives(targets[:, [j]], predictors[:, [j]], 0).value for j in range(targets.shape[1])]
    return np.stack(columns, axis=1)
