"""The losses that ship with gradline, with their derivatives in closed form: one module a family, gathered here.

Conventions. Squared loss is (y - eta)^2 without a half; huber, log_cosh and tukey are r^2 / 2 near zero. The losses with
``is_likelihood`` are -log of a density, normalising constant included: logistic, multinomial, poisson, negative_binomial, normal,
student_t and cauchy as they stand, gamma with dispersion 1. tweedie is half a deviance, less its part in y alone.
"""

from gradline.losses.families.amounts import Gamma, Tweedie, gamma, tweedie
from gradline.losses.families.binary import Binomial, Cauchit, CLogLog, LogLog, Probit, binomial, cauchit, cloglog, loglog, probit
from gradline.losses.families.classes import Logistic, Multinomial, logistic, multinomial
from gradline.losses.families.counts import NegativeBinomial, Poisson, negative_binomial, poisson
from gradline.losses.families.densities import Cauchy, Normal, StudentT, cauchy, normal, student_t
from gradline.losses.families.lifetimes import (
    Exponential,
    LogLogistic,
    LogNormal,
    Weibull,
    exponential,
    log_logistic,
    log_normal,
    weibull,
)
from gradline.losses.families.linked import ExponentialMean, InverseGamma, gaussian
from gradline.losses.families.margins import Hinge, hinge
from gradline.losses.families.ordered import Ordinal, ordinal
from gradline.losses.families.overdispersed import EstimatedDispersion
from gradline.losses.families.quantiles import (
    Absolute,
    EpsilonInsensitive,
    Expectile,
    Quantile,
    absolute,
    epsilon_insensitive,
    expectile,
    quantile,
)
from gradline.losses.families.robust import Huber, JointHuber, LogCosh, Squared, Tukey, huber, log_cosh, squared, tukey
from gradline.losses.families.shares import Beta, beta
from gradline.losses.families.zeros import Hurdle, ZeroInflated, hurdle, zero_inflated

__all__ = [
    "Absolute",
    "Beta",
    "Binomial",
    "CLogLog",
    "Cauchit",
    "Cauchy",
    "EpsilonInsensitive",
    "EstimatedDispersion",
    "Expectile",
    "Exponential",
    "ExponentialMean",
    "Gamma",
    "Hinge",
    "Huber",
    "Hurdle",
    "InverseGamma",
    "JointHuber",
    "LogCosh",
    "LogLog",
    "LogLogistic",
    "LogNormal",
    "Logistic",
    "Multinomial",
    "NegativeBinomial",
    "Normal",
    "Ordinal",
    "Poisson",
    "Probit",
    "Quantile",
    "Squared",
    "StudentT",
    "Tukey",
    "Tweedie",
    "Weibull",
    "ZeroInflated",
    "absolute",
    "beta",
    "binomial",
    "cauchit",
    "cauchy",
    "cloglog",
    "epsilon_insensitive",
    "expectile",
    "exponential",
    "gamma",
    "gaussian",
    "hinge",
    "huber",
    "hurdle",
    "log_cosh",
    "log_logistic",
    "log_normal",
    "logistic",
    "loglog",
    "multinomial",
    "negative_binomial",
    "normal",
    "ordinal",
    "poisson",
    "probit",
    "quantile",
    "squared",
    "student_t",
    "tukey",
    "tweedie",
    "weibull",
    "zero_inflated",
]
