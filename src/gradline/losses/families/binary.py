"""Two classes with any link, by rows or by groups: -log of the probability of what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.defaults import BoolArray, Elementwise, LossDefaults, PerTarget
from gradline.losses.distribution import Distribution, Tails
from gradline.losses.links import LINKS, Link, mixture, named
from gradline.losses.operations import Operations
from gradline.losses.protocol import SpreadUnits


@dataclass(frozen=True)
class BinaryDistribution(Distribution):
    """Labels 0 and 1, the probability of 1 being F(eta)."""

    link: str
    discrete = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        one, zero = LINKS[self.link].probability(predictors), LINKS[self.link].complement(predictors)
        return Tails(np.where(targets == 1, zero, 0.0), np.where(targets == 1, 0.0, one), np.where(targets == 1, one, zero))


@dataclass(frozen=True)
class _Binary(PerTarget):
    """-log F(eta) for label 1, -log(1 - F(eta)) for label 0. A subclass names its link. McCullagh and Nelder (1989), section 4.3."""

    never_negative = True
    domain = "labels 0 or 1"
    target_kind = "label"
    aims_at = "mean"
    is_likelihood = True
    uses_expected_information = True

    @property
    def link(self) -> Link:
        return LINKS[self.name]

    @property
    def meaning(self) -> str:
        return f"a coefficient is the change of {self.link.meaning}"

    @property
    def predictor(self) -> str:
        return self.link.predictor

    @property
    def is_convex(self) -> bool:
        return self.link.is_convex

    @property
    def distribution(self) -> BinaryDistribution:
        return BinaryDistribution(self.name)

    def in_domain(self, targets: Array) -> BoolArray:
        allowed: BoolArray = (targets == 0) | (targets == 1)
        return allowed

    def elementwise(self, targets: Array, predictors: Array, order: int) -> Elementwise:
        # Of a target between the two, as an expectation is, the loss is a mixture.
        value, gradient, curvature = mixture(self.link, targets, 1.0 - targets, predictors)
        return value, gradient if order else None, curvature if order == 2 else None

    def target_formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        yes = self.link.formula_yes(operations, predictors)
        return operations.where(targets == 1.0, yes, self.link.formula_no(operations, predictors))

    def predict(self, predictors: Array) -> Array:
        """Probability of label 1."""
        return self.link.probability(predictors)

    def variance(self, predictors: Array) -> Array:
        return np.asarray(self.link.probability(predictors) * self.link.complement(predictors))

    def saturated_loss(self, targets: Array) -> Array:
        return np.zeros(len(targets))

    def start(self, targets: Array) -> Array:
        """Of the mean label, one half-row added to each label so that a column of one label stays finite."""
        return self.link.inverse((targets.sum(axis=0) + 0.5) / (len(targets) + 1.0))


class Probit(_Binary):
    """The normal distribution function as link.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y > y.mean(), loss=gl.losses.probit).slopes.round(2)
    array([5.46])
    """

    name = "probit"


class CLogLog(_Binary):
    """P(y = 1) = 1 - exp(-exp(eta)): whether anything happened at a rate exp(eta).

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y > y.mean(), loss=gl.losses.cloglog).slopes.round(2)
    array([6.81])
    """

    name = "cloglog"


class LogLog(_Binary):
    """P(y = 1) = exp(-exp(-eta)).

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y > y.mean(), loss=gl.losses.loglog).slopes.round(2)
    array([5.49])
    """

    name = "loglog"


class Cauchit(_Binary):
    """Cauchy's distribution function as link: labels far on the wrong side count little, and the loss is not convex.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> gl.fit(x, y > y.mean(), loss=gl.losses.cauchit).slopes.round(2)
    array([19.49])
    """

    name = "cauchit"


probit, cloglog, loglog, cauchit = Probit(), CLogLog(), LogLog(), Cauchit()


@dataclass(frozen=True)
class BinomialDistribution(Distribution):
    """Successes among trials, each with probability F(eta); one target is a share of one trial."""

    link: str
    discrete = True

    def tails(self, targets: Array, predictors: Array, dispersion: Array | None) -> Tails:
        from scipy.special import betainc

        yes, no = _counts(targets)
        one, zero = LINKS[self.link].probability(predictors[:, 0]), LINKS[self.link].complement(predictors[:, 0])
        here = np.exp(-Binomial(self.link).derivatives(targets, predictors, 0).value)
        below = np.where(yes > 0, betainc(no + 1.0, np.maximum(yes, 1.0), zero), 0.0)
        above = np.where(no > 0, betainc(yes + 1.0, np.maximum(no, 1.0), one), 0.0)
        return Tails(below[:, None], above[:, None], here[:, None])


@dataclass(frozen=True)
class Binomial(LossDefaults):
    """-log of the binomial probability of s successes and f failures, each trial with probability F(eta).

    Two target columns are successes and failures; one is the share of successes, of one trial a row unless frequencies say how many.
    McCullagh and Nelder (1989), section 4.2.
    """

    link: str = "logit"

    name = "binomial"
    aims_at = "mean"
    is_likelihood = True
    never_negative = True
    uses_expected_information = True
    lowest_target = 0.0
    takes_pairs = True
    predicts_probabilities = True

    @property
    def meaning(self) -> str:
        return f"a coefficient is the change of {LINKS[self.link].meaning}".replace("y = 1", "a success").replace("y = 0", "a failure")

    @property
    def is_convex(self) -> bool:
        return LINKS[self.link].is_convex

    @property
    def distribution(self) -> BinomialDistribution:
        return BinomialDistribution(self.link)

    def n_predictors(self, n_targets: int) -> int:
        if n_targets > 2:
            raise LossError(
                f"loss binomial takes successes and failures, two columns, or one column of shares, but there are {n_targets} columns"
            )
        return 1

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return (LINKS[self.link].predictor,)

    def formula_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        return self.predictor_names(len(target_names))

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        """Counts of successes and of failures, not both zero, or shares."""
        self.n_predictors(targets.shape[1])
        if targets.shape[1] == 1:
            bad = ~((targets[:, 0] >= 0) & (targets[:, 0] <= 1))
            say = "shares of successes must lie between 0 and 1; for counts give two columns, successes and failures"
        else:
            whole = (targets >= 0) & (np.floor(targets) == targets) & np.isfinite(targets)
            bad = ~whole.all(axis=1)
            say = (
                "successes and failures must be counts: 0, 1, 2, ... (a second column of trials is no column of failures: give trials less"
                " successes, and where these are more than the trials one of the two is wrong)"
            )
            if not bad.any():
                bad, say = targets.sum(axis=1) == 0, "a row needs at least one trial; leave rows without any out"
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            held = " and ".join(f"{value:.15g}" for value in targets[row])
            raise LossError(f"loss binomial: row {first_row + row} holds {held}; {say}")

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        yes, no = _counts(targets)
        with np.errstate(over="ignore", under="ignore"):
            value, gradient, curvature = mixture(LINKS[self.link], yes, no, predictors[:, 0])
        value -= _log_choices(yes, no)
        if order == 0:
            return RowDerivatives(value)
        return RowDerivatives(value, gradient[:, None], curvature[:, None, None] if order == 2 else None)

    def formula(self, operations: Operations, targets: Any, predictors: Any) -> Any:
        """One number per row (m,) from targets (m, 2), or (m,) for shares, and predictors (m,)."""
        link = LINKS[self.link]
        yes, no = (targets, 1.0 - targets) if len(targets.shape) == 1 else (targets[..., 0], targets[..., 1])
        value = yes * link.formula_yes(operations, predictors) + no * link.formula_no(operations, predictors)
        if len(targets.shape) == 1:
            return value
        return value - operations.lgamma(yes + no + 1.0) + operations.lgamma(yes + 1.0) + operations.lgamma(no + 1.0)

    def predict(self, predictors: Array) -> Array:
        """Probability of a success."""
        return LINKS[self.link].probability(predictors)

    def observed(self, targets: Array) -> Array:
        """The share of successes."""
        yes, no = _counts(targets)
        return (yes / (yes + no))[:, None]

    def observed_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        return (f"share of {target_names[0]}",) if len(target_names) == 2 else tuple(target_names)

    def expected_targets(self, targets: Array, predictors: Array) -> Array:
        link = LINKS[self.link]
        if targets.shape[1] == 1:
            return link.probability(predictors)
        shares = np.concatenate([link.probability(predictors), link.complement(predictors)], axis=1)
        return np.asarray(targets.sum(axis=1, keepdims=True) * shares)

    def variance(self, predictors: Array) -> Array:
        """Of one trial."""
        link = LINKS[self.link]
        return np.asarray(link.probability(predictors) * link.complement(predictors))

    def observed_variance(self, targets: Array, predictors: Array) -> Array:
        yes, no = _counts(targets)
        return self.variance(predictors) / (yes + no)[:, None]

    def spread_units(self, targets: Array, copies: Array, precision: Array | None) -> SpreadUnits:
        """A row of successes and failures is one group of trials. So is a share, whose trials are its precision, or else its frequency."""
        if targets.shape[1] == 2:
            return SpreadUnits(copies, targets.sum(axis=1) > 1)
        inside = (targets[:, 0] > 0) & (targets[:, 0] < 1)
        if precision is None:
            return SpreadUnits(np.ones(len(copies)), inside & (copies > 1))
        return SpreadUnits(copies, inside & (precision > 1))

    def saturated_loss(self, targets: Array) -> Array:
        from scipy.special import xlogy

        yes, no = _counts(targets)
        total = yes + no
        return np.asarray(-xlogy(yes, yes / total) - xlogy(no, no / total) - _log_choices(yes, no))

    def start(self, targets: Array) -> Array:
        """Of the share of all successes, half a trial added to either answer."""
        yes, no = (float(part.sum()) + 0.5 for part in _counts(targets))
        return self.link_of_share(yes / (yes + no))

    def link_of_share(self, share: float) -> Array:
        """(1,): the linear predictor of a share."""
        return LINKS[self.link].inverse(np.array([share]))


def _counts(targets: Array) -> tuple[Array, Array]:
    """Successes and failures."""
    yes = targets[:, 0]
    return yes, (1.0 - yes if targets.shape[1] == 1 else targets[:, 1])


def _log_choices(yes: Array, no: Array) -> Array:
    """log of the binomial coefficient; 0 for shares of one trial."""
    from scipy.special import betaln

    total = yes + no
    counted = (np.floor(yes) == yes) & (total > 1)
    if not counted.any():
        return np.zeros(yes.shape)
    return np.where(counted, -betaln(yes + 1.0, no + 1.0) - np.log1p(total), 0.0)


def binomial(link: str = "logit") -> Binomial:
    """Successes among trials: two target columns of counts, or one of shares.

    McCullagh and Nelder (1989), Generalized Linear Models, chapter 4.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}, default "logit"
        What the linear predictor says of the probability of a success.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For another link.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> dose = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> successes, failures = np.array([1, 4, 9, 14]), np.array([14, 11, 6, 1])
    >>> fit = gl.fit(dose, np.column_stack([successes, failures]), loss=gl.losses.binomial())
    >>> fit.coefficients.round(3).tolist()
    [-4.432, 1.678]
    """
    return Binomial(named("binomial", link, tuple(LINKS)))
