"""How a user's loss is called: which argument it takes for the target, and in which precision it computes."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from gradline.autodiff.framework import instructions

_TARGET = frozenset(
    {"y", "t", "target", "targets", "label", "labels", "true", "truth", "actual", "actuals", "observed", "observation", "observations"}
    | {"obs", "response", "ytrue", "yt"}
)
_PREDICTION = frozenset(
    {"p", "pred", "preds", "prediction", "predictions", "predicted", "ypred", "yp", "hat", "yhat", "input", "inputs", "output", "outputs"}
    | {"out", "logit", "logits", "estimate", "estimates", "estimated", "fitted", "fit", "eta", "mu", "mean", "rate", "score", "scores"}
    | {"forecast", "forecasts"}
)
"""Words in the names of arguments, as PyTorch, Keras, scikit-learn, Optax and textbooks have them."""


_OF_CLASSES = frozenset(
    {"CrossEntropyLoss", "NLLLoss", "MultiMarginLoss", "cross_entropy", "nll_loss", "multi_margin_loss"}
    | {"CategoricalCrossentropy", "SparseCategoricalCrossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"}
    | {"softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits"}
    | {"softmax_cross_entropy", "softmax_cross_entropy_with_integer_labels"}
)
"""What PyTorch, Keras, TensorFlow and Optax call losses of one score a class."""


class Order(NamedTuple):
    """prediction_first: whether the function takes (prediction, y) instead of (y, prediction). known: whether the names of its arguments
    leave no doubt. names: of the two arguments, None where there are none to read."""

    prediction_first: bool
    known: bool
    names: tuple[str, str] | None


def argument_order(function: Callable[..., Any]) -> Order:
    """The order in which a loss takes its target and its prediction, by the names of its first two arguments.

    PyTorch's losses take (input, target), Keras's (y_true, y_pred), Optax's (predictions, targets).
    """
    names = _first_two(function)
    if names is None:
        # PyTorch's compiled functions show no signature; its losses take (input, target).
        return Order(_is_compiled_torch(function), _is_compiled_torch(function), None)
    first, second = (_role(name) for name in names)
    if first == second:
        return Order(False, False, names)
    if first == "target" or second == "prediction":
        return Order(False, True, names)
    return Order(True, first is not None and second is not None, names)


def takes_class_scores(function: Callable[..., Any]) -> bool:
    """Whether a function is, or calls, one that takes a score for each class, such as a softmax cross-entropy."""
    while isinstance(function, functools.partial):
        function = function.func
    names = {getattr(function, "__name__", type(function).__name__)}
    code = getattr(function, "__code__", None)
    if isinstance(code, types.CodeType):
        names |= instructions(code, "LOAD_GLOBAL", "LOAD_ATTR", "LOAD_METHOD", "LOAD_DEREF")
    return bool(names & _OF_CLASSES)


def called(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """The function as gradline calls it, ``called(y, prediction)``, in float64."""
    exact = _in_float64(function)
    if argument_order(function).prediction_first:
        return lambda y, prediction: exact(prediction, y)
    return exact


def _role(name: str) -> str | None:
    words = set(name.lower().strip("_").split("_"))
    if words & _PREDICTION:
        return "prediction"  # y_pred, y_hat
    return "target" if words & _TARGET else None


def _first_two(function: Callable[..., Any]) -> tuple[str, str] | None:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(function, torch.nn.Module):
        function = function.forward  # what calling a module runs; its __call__ takes anything
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled
        return None
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (positional[0], positional[1]) if len(positional) >= 2 else None


def _is_compiled_torch(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.isbuiltin(function) and str(function.__module__).partition(".")[0] == "torch"


def _in_float64(function: Callable[..., Any]) -> Callable[..., Any]:
    """A Keras loss object casts what it is given to a precision of its own, float32 unless told: here the same object in float64."""
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(function, keras.losses.Loss):
        return function
    kind = type(function)
    # Not copy.copy: Keras copies by its configuration, in which Huber's delta and the numbers of a user's own class are not.
    exact: Any = object.__new__(type(kind.__name__, (kind,), {"dtype": property(lambda self: "float64"), "__module__": kind.__module__}))
    exact.__dict__.update(function.__dict__)
    return cast("Callable[..., Any]", exact)
