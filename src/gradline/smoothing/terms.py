"""What is said of each curve: effective degrees of freedom, and the test that it is zero.

The test is Wood's (2013, Biometrika 100): the curve at the data, by a pseudo-inverse of its Bayesian covariance whose rank is the curve's
degrees of freedom, rounded to no whole number. The rank's fraction enters by a 2 x 2 block, of which there are two roots; the p-value is
the mean over both, and so is the statistic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from gradline.base.types import Array, IntArray
from gradline.smoothing.blocks import Block
from gradline.smoothing.mixtures import tail_of_mixture


@dataclass(frozen=True)
class FittedCurve:
    """One curve of a fit, in one linear predictor.

    name: of the curve, with the linear predictor where there are several. predictor: its number. start, stop: its columns of the design.
    strengths: of its penalty, in the unit of the mean loss. degrees_of_freedom: effective, tr of its part of A^-1 H. reference: the degrees
    of freedom of its test. statistic, p_value: of the test that the curve is zero; NaN where the fit has no standard errors.
    statistic_name: "F" where a dispersion was estimated, "chi2" otherwise.
    """

    name: str
    predictor: int
    start: int
    stop: int
    strengths: tuple[float, ...]
    degrees_of_freedom: float
    reference: float
    statistic: float
    p_value: float
    statistic_name: str


def fitted_curves(
    blocks: Sequence[Block],
    strengths: Sequence[tuple[float, ...]],
    coefficients: Array,
    inverse: Array,
    penalty: Array,
    covariance: Array | None,
    spare: float | None,
) -> tuple[FittedCurve, ...]:
    """coefficients (P, k). inverse: A^-1, penalty: S, both (k P, k P). covariance: the Bayesian one, None where there is none. spare:
    degrees of freedom of the dispersion, None where it is known."""
    size = coefficients.shape[0]
    kept = np.eye(len(inverse)) - inverse @ penalty
    # Of coefficients that are not free, A^-1 has zeros.
    kept[np.diag(inverse) == 0] = 0.0
    own, twice = np.diag(kept), np.einsum("ij,ji->i", kept, kept)
    flat = coefficients.T.ravel()
    found = []
    for block, strength in zip(blocks, strengths, strict=True):
        places = block.places(size)
        freedom, reference = float(own[places].sum()), float((2.0 * own - twice)[places].sum())
        statistic = p_value = float("nan")
        if covariance is not None:
            part = np.ix_(places, places)
            curvature = _curvature(inverse, penalty, places)
            rank = min(float(len(places)), reference)
            statistic, p_value = rank_test(flat[places], curvature, covariance[part], rank, spare)
        found.append(
            FittedCurve(
                block.name,
                block.predictor,
                block.curve.start,
                block.curve.stop,
                tuple(map(float, strength)),
                freedom,
                reference,
                statistic,
                p_value,
                "chi2" if spare is None else "F",
            )
        )
    return tuple(found)


def _curvature(inverse: Array, penalty: Array, places: IntArray) -> Array:
    """H of the places: A - S."""
    used = np.flatnonzero(np.diag(inverse) > 0)
    scale = 1.0 / np.sqrt(np.diag(inverse)[used])
    whole = np.linalg.inv(inverse[np.ix_(used, used)] * np.outer(scale, scale)) * np.outer(scale, scale)
    where = np.searchsorted(used, places)
    found: Array = whole[np.ix_(where, where)] - penalty[np.ix_(places, places)]
    return 0.5 * (found + found.T)


def rank_test(coefficients: Array, curvature: Array, covariance: Array, rank: float, spare: float | None) -> tuple[float, float]:
    """(statistic, p-value) that coefficients (c,) are zero. curvature: of the loss in them, (c, c). An F statistic is over its rank."""
    values, vectors = np.linalg.eigh(curvature)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    spread, axes = np.linalg.eigh(root @ covariance @ root.T)
    spread, axes = spread[::-1], axes[:, ::-1]
    images = axes.T @ (root @ coefficients)
    there = int(np.sum(spread > spread[0] * np.finfo(float).eps ** 0.9))
    whole = int(np.floor(rank))
    part = rank - whole
    if whole + int(part > 0) > there:
        whole, part, rank = there, 0.0, float(there)
    first = max(whole - 1, 0) if part > 0 else whole
    base = float(np.sum(np.square(images[:first]) / spread[:first]))
    if part == 0 or whole == 0:
        total = base if whole else float(np.square(images[0]) / spread[0])
        degrees = float(max(whole, 1))
        if spare is None:
            return total, float(chdtrc(degrees, total))
        return total / degrees, float(fdtrc(degrees, spare, total / degrees))
    # The last whole direction and the fraction of the next, coupled so that the statistic has the mean and variance of that many.
    off = np.sqrt(0.5 * part * (1.0 - part))
    scales = 1.0 / np.sqrt(spread[whole - 1 : whole + 1])
    block = np.array([[1.0, off], [off, part]]) * np.outer(scales, scales)
    pair = images[whole - 1 : whole + 1]
    totals = [base + float(signed @ block @ signed) for signed in (pair, pair * [-1.0, 1.0])]
    mean = part + 1.0
    high = 0.5 * (mean + np.sqrt(mean * (2.0 - mean)))
    weights = (high, mean - high)
    p_value = float(np.mean([tail_of_mixture(total, whole - 1, weights, spare) for total in totals]))
    statistic = float(np.mean(totals))
    return (statistic if spare is None else statistic / rank), p_value
