"""The losses that ship with gradline (``gl.losses.squared``, ...) and ``gl.losses.custom`` for your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.words import called_here
from gradline.losses.arguments import by_name, meant, parse, written
from gradline.losses.catalogue import (
    absolute,
    beta,
    binomial,
    cauchit,
    cauchy,
    cloglog,
    epsilon_insensitive,
    expectile,
    exponential,
    gamma,
    gaussian,
    hinge,
    huber,
    hurdle,
    log_cosh,
    log_logistic,
    log_normal,
    logistic,
    loglog,
    multinomial,
    negative_binomial,
    normal,
    ordinal,
    poisson,
    probit,
    quantile,
    squared,
    student_t,
    tukey,
    tweedie,
    weibull,
    zero_inflated,
)
from gradline.losses.protocol import Loss

if TYPE_CHECKING:
    from gradline.losses.own_loss import custom

__all__ = [
    "Loss",
    "RowDerivatives",
    "absolute",
    "beta",
    "binomial",
    "by_name",
    "cauchit",
    "cauchy",
    "cloglog",
    "custom",
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
    "parse",
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


def __getattr__(name: str) -> Any:
    # Tapes import this package's protocol, so the loss built on tapes is imported when first used.
    if name == "custom":
        from gradline.losses.own_loss import custom

        return custom
    known = meant(name)
    if known is not None:
        raise AttributeError(called_here("gl.losses", name, written(known)))
    raise AttributeError(f"module 'gradline.losses' has no attribute {name!r}")


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted(__all__)
