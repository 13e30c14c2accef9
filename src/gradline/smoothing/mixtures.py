"""Tails of sums of chi-squared variables."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import chdtrc

from gradline.base.types import Array

NODES = 48
"""Of Gauss and Legendre's rule in an interval."""

ANGLES = 32


def tail_of_mixture(statistic: float, ones: int, weights: tuple[float, float], spare: float | None) -> float:
    """P(Q > statistic), Q = chi2(ones) + sum of two weights times chi2(1); over an independent chi2(spare) / spare where the dispersion was
    estimated on that many degrees of freedom.

    The two of one degree are a point in the plane, whose distance from zero squared is exponential: angle and distance are integrated out,
    all terms positive, so that small tails have digits too. Davies (1980), JRSS C 29, inverts the characteristic function, whose errors are
    absolute.
    """
    if statistic <= 0:
        return 1.0
    scale, chance = (np.ones(1), np.ones(1)) if spare is None else _of_dispersion(spare)
    angle = 0.5 * np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
    stretch = weights[0] * np.square(np.cos(angle)) + weights[1] * np.square(np.sin(angle))
    reach = statistic * scale[:, None] / stretch
    # Beyond this distance the point alone is enough.
    tails = np.exp(-0.5 * reach)
    if ones:
        nodes, rule = leggauss(NODES)
        place = 0.25 * np.pi * (nodes + 1.0)
        sine, cosine = np.sin(place), np.cos(place)
        rest = chdtrc(ones, statistic * scale[:, None] * np.square(cosine))
        inside = np.exp(-0.5 * reach[..., None] * np.square(sine)) * (0.25 * np.pi * rule * sine * cosine)
        tails = tails + reach * np.einsum("sat,st->sa", inside, rest)
    return float(min(1.0, chance @ tails.mean(axis=1)))


def _of_dispersion(spare: float) -> tuple[Array, Array]:
    """Nodes and chances of chi2(spare) / spare, by its density in the cube root, which is nearly normal (Wilson and Hilferty 1931)."""
    nodes, weights = leggauss(NODES)
    spread = np.sqrt(2.0 / (9.0 * spare))
    middle = 1.0 - spread**2
    root = np.maximum(middle + 9.0 * spread * nodes, 1e-8)
    value = root**3
    # The density of chi2(spare) / spare, times what the cube root stretches.
    log_density = (0.5 * spare - 1.0) * np.log(value) - 0.5 * spare * value + 2.0 * np.log(root)
    density = np.exp(log_density - log_density.max()) * weights * (middle + 9.0 * spread * nodes > 0)
    return value, density / density.sum()
