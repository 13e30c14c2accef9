"""Differences of the logarithm of the gamma function and of its derivatives, which rounding would eat were they taken one from another."""

from __future__ import annotations

import numpy as np

from gradline.base.types import Array

STIRLING_FROM = 32.0
"""Arguments from here on take Stirling's series: Abramowitz and Stegun (1964), 6.3.18 and 6.4.12."""


def log_gamma_excess(theta: Array, y: Array) -> Array:
    """log Gamma(theta + y) - log Gamma(theta) - y log theta, for theta > 0 and y >= 0."""
    from scipy.special import betaln, gammaln

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        far = theta >= STIRLING_FROM
        big = np.where(far, theta, STIRLING_FROM)
        share = y / big
        series = (big + y) * log1p_rest(share) + y * share - 0.5 * np.log1p(share) + stirling_rest(big + y) - stirling_rest(big)
        small = np.where(far, 1.0, theta)
        # The beta function has no difference of large logarithms where y is much the larger.
        near = gammaln(y + 1.0) - betaln(y + 1.0, small) - np.log(small + y) - y * np.log(small)
        return np.where(y > 0, np.where(far, series, near), 0.0)


def digamma_excess(theta: Array, y: Array) -> Array:
    """theta (digamma(theta + y) - digamma(theta)), for theta > 0 and y >= 0."""
    from scipy.special import digamma

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        far = theta >= STIRLING_FROM
        big = np.where(far, theta, STIRLING_FROM)
        series = big * (np.log1p(y / big) + _digamma_rest(big + y) - _digamma_rest(big))
        # theta digamma(theta) = theta digamma(1 + theta) - 1, which has no pole.
        small = np.where(far, 1.0, theta)
        positive = np.where(y > 0, y, 1.0)
        near = small * (digamma(small + positive) - digamma(1.0 + small)) + 1.0
        return np.where(y > 0, np.where(far, series, near), 0.0)


def trigamma_excess(theta: Array, y: Array) -> Array:
    """theta^2 (trigamma(theta + y) - trigamma(theta)), for theta > 0 and y >= 0."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        far = theta >= STIRLING_FROM
        big = np.where(far, theta, STIRLING_FROM)
        whole = big + y
        series = big * (big * (_trigamma_rest(whole) - _trigamma_rest(big))) - y * (big / whole)
        small = np.where(far, 1.0, theta)
        positive = np.where(y > 0, y, 1.0)
        near = small * small * (trigamma(small + positive) - trigamma(1.0 + small)) - 1.0
        return np.where(y > 0, np.where(far, series, near), 0.0)


def trigamma(x: Array) -> Array:
    """The second derivative of log Gamma, for x > 0."""
    from scipy.special import zeta

    return np.asarray(zeta(2.0, x))


def digamma_rest(x: Array) -> Array:
    """x (digamma(x) - log x), for x > 0."""
    from scipy.special import digamma

    far = x >= STIRLING_FROM
    big, small = np.where(far, x, STIRLING_FROM), np.where(far, 1.0, x)
    return np.where(far, big * _digamma_rest(big), small * (digamma(1.0 + small) - np.log(small)) - 1.0)


def stirling_rest(x: Array) -> Array:
    """log Gamma(x) - ((x - 1/2) log x - x + log(2 pi) / 2), for x > 0: Abramowitz and Stegun (1964), 6.1.41."""
    from scipy.special import gammaln

    far = x >= STIRLING_FROM
    big, small = np.where(far, x, STIRLING_FROM), np.where(far, 1.0, x)
    inverse = 1.0 / big
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    return np.where(far, series, gammaln(small) - ((small - 0.5) * np.log(small) - small + 0.5 * np.log(2.0 * np.pi)))


def log1p_rest(x: Array) -> Array:
    """log(1 + x) - x, by its series near zero."""
    near = np.abs(x) < 0.02
    small = np.where(near, x, 0.0)
    series = np.zeros(x.shape)
    for n in range(10, 1, -1):
        series = (series + (-1.0) ** (n + 1) / n) * small
    return np.where(near, series * small, np.log1p(x) - x)


def _digamma_rest(x: Array) -> Array:
    """digamma(x) - log x."""
    inverse = 1.0 / x
    square = inverse * inverse
    return -inverse * 0.5 - square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))


def _trigamma_rest(x: Array) -> Array:
    """trigamma(x) - 1 / x."""
    inverse = 1.0 / x
    square = inverse * inverse
    return square * (0.5 + inverse * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30))))
