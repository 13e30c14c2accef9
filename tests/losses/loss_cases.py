"""The catalogue with random rows for each loss: what the tests of this folder run over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline import losses
from gradline.base.types import Array

Draw = Callable[[np.random.Generator, int], tuple[Array, Array]]

EXTREMES = np.array([-700.0, -300.0, -37.0, -1e-8, 0.0, 1e-12, 1e-5, 40.0, 300.0, 700.0])


@dataclass(frozen=True)
class Case:
    """A loss, and a draw of (targets (m, q), linear predictors (m, k)) that never lands on a kink exactly."""

    loss: Any
    draw: Draw
    gamma_of_predictors: bool = False
    """Whether the loss takes gamma functions of linear predictors, whose second derivatives have nine digits in PyTorch."""

    @property
    def label(self) -> str:
        numbers = "-".join(str(value) for value in self.loss.parameters.values())
        return f"{self.loss.name}-{numbers}" if numbers else self.loss.name


def _predictors(random: np.random.Generator, m: int) -> Array:
    """Ordinary ones with the extremes among them."""
    return np.concatenate([3.0 * random.normal(size=m - EXTREMES.size), EXTREMES])[:, None]


def real(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    predictors = _predictors(random, m)
    near = random.random((m, 1)) < 0.2
    noise = np.where(near, 1e-6, 1.0) * random.standard_t(2, size=(m, 1))
    return np.where(random.random((m, 1)) < 0.8, predictors, 0.0) + noise, predictors


def counts(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    predictors = _predictors(random, m)
    targets = random.poisson(np.exp(np.clip(predictors, -5, 6))).astype(float)
    targets[:: m // 10] += 0.25
    targets[1 :: m // 10] = 0.0
    return targets, predictors


def amounts(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    return random.gamma(0.8, size=(m, 1)) + 1e-9, _predictors(random, m)


def modest_amounts(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    """For powers whose derivatives at |eta| = 700 are beyond float64."""
    targets, predictors = amounts(random, m)
    return targets, np.clip(predictors, -300.0, 300.0)


def labels(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    return (random.random((m, 1)) < 0.5).astype(float), _predictors(random, m)


def signs(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    targets, predictors = labels(random, m)
    return 2.0 * targets - 1.0, predictors


def classes(k: int) -> Draw:
    def draw(random: np.random.Generator, m: int) -> tuple[Array, Array]:
        predictors = np.concatenate([_predictors(random, m)[random.permutation(m)] for _ in range(k)], axis=1)
        return random.integers(0, k + 1, size=(m, 1)).astype(float), predictors

    return draw


def moderate(draw: Draw, largest: float) -> Draw:
    """Linear predictors within these bounds, beyond which a derivative is beyond float64."""

    def drawn(random: np.random.Generator, m: int) -> tuple[Array, Array]:
        targets, predictors = draw(random, m)
        return targets, np.clip(predictors, -largest, largest)

    return drawn


def ordered(k: int) -> Draw:
    """Labels below k, a location, and thresholds in order."""

    def draw(random: np.random.Generator, m: int) -> tuple[Array, Array]:
        thresholds = np.cumsum(0.05 + random.gamma(0.7, size=(m, k - 1)), axis=1) - 2.0
        return random.integers(0, k, size=(m, 1)).astype(float), np.concatenate([_predictors(random, m), thresholds], axis=1)

    return draw


def successes(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    trials = random.integers(1, 30, size=m)
    yes = random.binomial(trials, random.random(m))
    return np.stack([yes, trials - yes], axis=1).astype(float), _predictors(random, m)


def whole_counts(k: int) -> Draw:
    """Counts with many zeros, a log mean and k - 1 other linear predictors."""

    def draw(random: np.random.Generator, m: int) -> tuple[Array, Array]:
        targets, mean = counts(random, m)
        return np.floor(targets), np.concatenate([mean, 2.0 * random.normal(size=(m, k - 1))], axis=1)

    return draw


def shares(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    predictors = np.concatenate([_predictors(random, m), 2.0 * random.normal(size=(m, 1))], axis=1)
    return np.clip(random.beta(1.5, 0.9, size=(m, 1)), 1e-9, 1 - 1e-9), predictors


def lifetimes(k: int) -> Draw:
    """Times, some of them censored, and a location near their logs; with k = 2 a log scale."""

    def draw(random: np.random.Generator, m: int) -> tuple[Array, Array]:
        location = 2.0 * random.normal(size=(m, 1))
        times = np.exp(location + random.normal(size=(m, 1)))
        targets = np.concatenate([times, random.random((m, 1)) < 0.7], axis=1)
        return targets, np.concatenate([location, 0.5 * random.normal(size=(m, k - 1))], axis=1)

    return draw


def positive_predictors(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    return amounts(random, m)[0], np.exp(random.normal(size=(m, 1)))


def mean_and_log_scale(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    targets, mean = real(random, m)
    return targets, np.concatenate([mean, 2.0 * random.normal(size=(m, 1))], axis=1)


def location_and_scale(random: np.random.Generator, m: int) -> tuple[Array, Array]:
    targets, location = real(random, m)
    return targets, np.concatenate([location, np.exp(2.0 * random.normal(size=(m, 1)))], axis=1)


def several(draw: Draw, q: int) -> Draw:
    def drawn(random: np.random.Generator, m: int) -> tuple[Array, Array]:
        pairs = [draw(random, m) for _ in range(q)]
        return np.concatenate([y for y, _ in pairs], axis=1), np.concatenate([eta for _, eta in pairs], axis=1)

    return drawn


CASES = [
    Case(losses.squared, real),
    Case(losses.absolute, real),
    Case(losses.huber(1.35), real),
    Case(losses.huber(1.35, scale=0.3), real),
    Case(losses.huber(1.35, scale="joint"), location_and_scale),
    Case(losses.quantile(0.9), real),
    Case(losses.quantile(0.01), real),
    Case(losses.expectile(0.8), real),
    Case(losses.log_cosh, real),
    Case(losses.epsilon_insensitive(0.3), real),
    Case(losses.student_t(4), real),
    Case(losses.student_t(2.5, scale=0.2), real),
    Case(losses.cauchy(0.7), real),
    Case(losses.tukey(4.685), real),
    Case(losses.logistic, labels),
    Case(losses.hinge, signs),
    Case(losses.probit, labels),
    Case(losses.cloglog, moderate(labels, 300.0)),
    Case(losses.loglog, moderate(labels, 300.0)),
    Case(losses.cauchit, labels),
    Case(losses.ordinal(2), ordered(2)),
    Case(losses.ordinal(5), ordered(5)),
    Case(losses.ordinal(3, "probit"), moderate(ordered(3), 40.0)),
    Case(losses.poisson, counts),
    Case(losses.gamma, amounts),
    Case(losses.gamma("inverse"), positive_predictors),
    Case(losses.gaussian("log"), moderate(real, 150.0)),
    Case(losses.negative_binomial(), moderate(whole_counts(2), 300.0), gamma_of_predictors=True),
    Case(losses.zero_inflated(), moderate(whole_counts(2), 300.0)),
    Case(losses.zero_inflated("negative_binomial"), moderate(whole_counts(3), 30.0), gamma_of_predictors=True),
    Case(losses.hurdle(), moderate(whole_counts(2), 30.0)),
    Case(losses.hurdle("negative_binomial"), moderate(whole_counts(3), 30.0), gamma_of_predictors=True),
    Case(losses.beta(), moderate(shares, 100.0), gamma_of_predictors=True),
    Case(losses.negative_binomial(0.5), counts),
    Case(losses.negative_binomial(30.0), counts),
    Case(losses.tweedie(1.5), amounts),
    Case(losses.tweedie(1.9), amounts),
    Case(losses.tweedie(3.0), modest_amounts),
    Case(losses.normal, mean_and_log_scale),
    Case(losses.multinomial(2), classes(1)),
    Case(losses.multinomial(4), classes(3)),
]

SEVERAL = [
    Case(losses.squared, several(real, 3)),
    Case(losses.huber(1.35), several(real, 3)),
    Case(losses.quantile(0.9), several(real, 2)),
    Case(losses.poisson, several(counts, 2)),
    Case(losses.binomial(), successes),
    Case(losses.weibull(), lifetimes(2)),
    Case(losses.exponential, lifetimes(1)),
    Case(losses.log_normal(), lifetimes(2)),
    Case(losses.log_logistic(), lifetimes(2)),
    Case(losses.binomial("probit"), moderate(successes, 40.0)),
]


def label(case: Case) -> str:
    return case.label
