"""What ``loss=`` stands for: a name, an object or a function; and the colon strings of the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from gradline.base.errors import ArgumentError, ArgumentTypeError, LossError
from gradline.base.words import nearest
from gradline.losses import catalogue
from gradline.losses.own_loss import BoundLoss, CustomLoss, custom
from gradline.losses.protocol import Loss, Parameter, UnboundLoss

LossArgument = str | Loss | CustomLoss | Callable[[Any, Any], Any]

_CATALOGUE: dict[str, Loss | Callable[..., Loss]] = {name: getattr(catalogue, name) for name in catalogue.__all__ if name.islower()}

NAMES = tuple(_CATALOGUE)
"""The names of the catalogue."""

_ELSEWHERE = {
    "mse": "squared",
    "mean_squared_error": "squared",
    "meansquarederror": "squared",
    "mean_square_error": "squared",
    "mseloss": "squared",
    "l2": "squared",
    "least_squares": "squared",
    "quadratic": "squared",
    "squared_error": "squared",
    "ols": "squared",
    "mae": "absolute",
    "mean_absolute_error": "absolute",
    "meanabsoluteerror": "absolute",
    "l1": "absolute",
    "l1loss": "absolute",
    "lad": "absolute",
    "huber_loss": "huber",
    "huberloss": "huber",
    "smooth_l1": "huber",
    "smooth_l1_loss": "huber",
    "logcosh": "log_cosh",
    "pinball_loss": "quantile",
    "quantile_loss": "quantile",
    "quantreg": "quantile",
    "asymmetric_least_squares": "expectile",
    "svr": "epsilon_insensitive",
    "binary_crossentropy": "logistic",
    "binary_cross_entropy": "logistic",
    "bce": "logistic",
    "bcewithlogitsloss": "logistic",
    "logistic_regression": "logistic",
    "categorical_crossentropy": "multinomial",
    "sparse_categorical_crossentropy": "multinomial",
    "crossentropyloss": "multinomial",
    "mnlogit": "multinomial",
    "hinge_loss": "hinge",
    "hingeloss": "hinge",
    "hinge_embedding_loss": "hinge",
    "svm": "hinge",
    "svc": "hinge",
    "poisson_nll_loss": "poisson",
    "poissonnllloss": "poisson",
    "negbin": "negative_binomial",
    "nb2": "negative_binomial",
    "glm_nb": "negative_binomial",
    "ordered": "ordinal",
    "ordered_logit": "ordinal",
    "ordered_probit": "ordinal",
    "ologit": "ordinal",
    "oprobit": "ordinal",
    "polr": "ordinal",
    "clm": "ordinal",
    "cumulative": "ordinal",
    "cumulative_logit": "ordinal",
    "proportional_odds": "ordinal",
    "complementary_log_log": "cloglog",
    "zip": "zero_inflated",
    "zinb": "zero_inflated",
    "zeroinfl": "zero_inflated",
    "zero_inflated_poisson": "zero_inflated",
    "zero_inflated_negative_binomial": "zero_inflated",
    "betareg": "beta",
    "beta_regression": "beta",
    "survreg": "weibull",
    "weibull_aft": "weibull",
    "aft": "weibull",
    "lognormal": "log_normal",
    "loglogistic": "log_logistic",
    "absolute_error": "absolute",
    "median": "absolute",
    "pinball": "quantile",
    "bernoulli": "logistic",
    "logit": "logistic",
    "log_loss": "logistic",
    "softmax": "multinomial",
    "crossentropy": "multinomial",
    "cross_entropy": "multinomial",
    "t": "student_t",
    "biweight": "tukey",
    "bisquare": "tukey",
    "negativebinomial": "negative_binomial",
    "nb": "negative_binomial",
}
"""What other programs call them."""


def as_loss(loss: LossArgument, prediction: Callable[[Any], Any] | None = None, backend: str | None = None) -> UnboundLoss:
    """The loss before it has met data, from a name, an object or a function. prediction, backend: as in ``gradline.fit``.

    Raises ValueError for an unknown name and for ``prediction`` or ``backend`` beside a loss that has its own; TypeError for what is no
    loss.
    """
    if isinstance(loss, str):
        loss = by_name(loss)
    if is_loss(loss):
        for keyword, value in (("prediction", prediction), ("backend", backend)):
            if value is not None:
                raise ArgumentError(
                    f"{keyword}= goes with a loss function of your own; this loss, {getattr(loss, 'name', loss)!r}, has its own already"
                )
        return loss.custom if isinstance(loss, BoundLoss) else loss  # type: ignore[return-value]
    if callable(loss) and str(getattr(loss, "__module__", "")).startswith("gradline.losses."):
        name = getattr(loss, "__name__", "")
        raise ArgumentTypeError(f"loss={name} is what makes the loss: call it, as in loss=gl.losses.{name}(...)")
    if not callable(loss):
        raise ArgumentTypeError(
            f"loss must be a name, a loss of gl.losses or a function loss(y, prediction), not {type(loss).__name__} {loss!r}"
        )
    return custom(loss, prediction, backend=backend)


def is_loss(loss: Any) -> bool:
    """Whether it is a loss already, before data or bound to it, and not a name or a bare function that stands for one."""
    return isinstance(loss, CustomLoss) or hasattr(loss, "derivatives")


def by_name(name: str, **parameters: Parameter) -> Loss:
    """The catalogue's loss of that name with these numbers: ``by_name(loss.name, **loss.parameters) == loss``.

    Raises ValueError for an unknown name, a missing or unknown parameter, or a number the loss refuses.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.by_name("huber", threshold=1.35) == gl.losses.huber(1.35)
    True
    """
    entry = _entry(name)
    if not parameters and is_loss(entry):
        return entry  # type: ignore[return-value]
    if not callable(entry):
        raise LossError(f"loss {name} takes no parameters, but got {', '.join(parameters)}")
    signature = inspect.signature(entry)
    unknown = [given for given in parameters if given not in signature.parameters]
    if unknown:
        raise LossError(f"loss {name} has no parameter {unknown[0]}; it takes {', '.join(signature.parameters)}")
    missing = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty and parameter.name not in parameters
    ]
    if missing:
        raise LossError(f"loss {name} needs its {missing[0]}: {name}({', '.join(f'{n}=...' for n in signature.parameters)})")
    return entry(**parameters)


def meant(name: str) -> str | None:
    """The name in the catalogue of what other programs call so."""
    word = name.lower().replace("-", "_")
    return word if word in NAMES else _ELSEWHERE.get(word)


def written(name: str) -> str:
    """How a loss of the catalogue is written in Python."""
    return f"gl.losses.{name}" + ("" if is_loss(_CATALOGUE[name]) else "(...)")


def parse(text: str) -> Loss:
    """The loss written as the command line writes it: ``huber:1.35``, ``huber:1.35,joint``, ``student_t:degrees=4,scale=2``.

    Values follow the colon in the order of the factory's parameters, or by name. Raises ValueError as ``by_name`` does, and for a
    value that cannot be read.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.parse("huber:1.35") == gl.losses.huber(1.35)
    True
    """
    name, colon, rest = text.partition(":")
    name = name.strip()
    entry = _entry(name)
    expected = dict(inspect.signature(entry).parameters) if callable(entry) else {}
    parameters: dict[str, Parameter] = {}
    for position, part in enumerate(rest.split(",") if colon else []):
        key, equals, value = part.partition("=")
        if not equals:
            if position >= len(expected):
                raise LossError(f"loss {text!r}: {name} takes {len(expected)} parameters ({', '.join(expected) or 'none'})")
            key, value = list(expected)[position], part
        key = key.strip()
        if key in parameters:
            raise LossError(f"loss {text!r}: {key} is given twice")
        # Annotations are text here.
        takes_words = key in expected and any(word in str(expected[key].annotation) for word in ("str", "Literal"))
        parameters[key] = _value(text, value.strip(), takes_words)
    return by_name(name, **parameters)


def _entry(name: str) -> Loss | Callable[..., Loss]:
    if name not in _CATALOGUE:
        begun, colon, numbers = name.partition(":")
        if colon and begun.strip() in _CATALOGUE:
            raise LossError(
                f"no loss is named {name!r}: names with numbers are the command line's; write gl.losses.{begun.strip()}({numbers.strip()})"
            )
        known = meant(name)
        close = nearest(name, NAMES) if known is None else [known]
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(NAMES)}, or a function loss(y, prediction) of your own"
        raise LossError(f"no loss is named {name!r}; {hint}")
    return _CATALOGUE[name]


def _value(text: str, value: str, takes_words: bool) -> Parameter:
    if value == "joint" or (takes_words and value.isidentifier() and value not in ("nan", "inf", "infinity")):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    raise LossError(f"loss {text!r}: cannot read {value!r} as a number")
