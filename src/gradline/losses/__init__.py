"""The losses that ship with gradline (``gl.losses.squared``, ...) and ``gl.losses.custom`` for your own."""

from gradline.losses.catalogue import (
    absolute,
    cauchy,
    epsilon_insensitive,
    expectile,
    gamma,
    huber,
    log_cosh,
    logistic,
    multinomial,
    negative_binomial,
    normal,
    poisson,
    quantile,
    squared,
    student_t,
    tukey,
    tweedie,
)
from gradline.losses.names import by_name, parse
from gradline.losses.protocol import Loss, RowDerivatives

__all__ = [
    "Loss",
    "RowDerivatives",
    "absolute",
    "by_name",
    "cauchy",
    "epsilon_insensitive",
    "expectile",
    "gamma",
    "huber",
    "log_cosh",
    "logistic",
    "multinomial",
    "negative_binomial",
    "normal",
    "parse",
    "poisson",
    "quantile",
    "squared",
    "student_t",
    "tukey",
    "tweedie",
]
