"""For classifiers: which loss tells K classes apart, what its targets are, and how its linear predictors become scores and probabilities.

Nothing is known of a loss by its name but that the logistic of more than two classes is the multinomial. A likelihood of labels has a
probability for each class, exp(-loss), whoever wrote it. Any other loss has scores: one for two classes, or one a class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradline.autodiff.calling import takes_class_scores
from gradline.base.errors import ArgumentError, LossError
from gradline.base.types import Array
from gradline.losses.arguments import as_loss
from gradline.losses.catalogue import logistic, multinomial
from gradline.losses.own_loss import OF_CLASSES, CustomLoss, joint_message
from gradline.losses.protocol import Loss, UnboundLoss

TRIED = (0.5, 1.0, 2.0)
"""Scores, to either side, at which a loss of one score is asked which class it takes them for."""

SUMS_TO_ONE = 1e-6
"""How far probabilities may be from adding up to one."""


@dataclass(frozen=True, eq=False)
class ClassLoss:
    """A loss of K classes: values (K,), what its targets are for each class. against_first: whether its K - 1 linear predictors are those
    of the other classes against the first. ordered: whether its linear predictors are one location for all classes, and the
    thresholds between them."""

    loss: UnboundLoss
    values: Array
    against_first: bool = False
    ordered: bool = False


def loss_of_classes(loss: Any, prediction: Any, backend: str | None, classes: tuple[str, ...]) -> ClassLoss:
    """The loss that ``loss=`` stands for, of classes with these names. Raises ValueError for a loss that cannot tell as many apart."""
    unbound, n = as_loss(loss, prediction, backend), len(classes)
    if unbound == logistic and n > 2:
        unbound = multinomial(n)
    if isinstance(unbound, CustomLoss):
        return _of_own(unbound, classes)
    numbers = np.arange(n, dtype=np.float64)
    resolved = unbound.resolve(np.array([n - 1.0]))
    k = resolved.n_predictors(1)
    if unbound.takes_order and _accepts(resolved, numbers):
        return ClassLoss(resolved, numbers, ordered=True)
    if _accepts(resolved, numbers) and k == n - 1 and n > 2:
        return ClassLoss(resolved, numbers, _is_log_odds(resolved, numbers))
    if k != 1 or not resolved.is_resolved or (resolved is not unbound and n != k + 1):
        raise ArgumentError(f"the loss {unbound.name!r} has {k} linear predictors, which are no scores of {n} classes; use {_LOSSES}")
    if n > 2:
        raise ArgumentError(_only_two(unbound.name, n))
    return ClassLoss(resolved, _coding(resolved))


def needs_order(loss: Any, prediction: Any, backend: str | None) -> bool:
    """Whether the loss that ``loss=`` stands for is one of ordered classes."""
    return as_loss(loss, prediction, backend).takes_order


_LOSSES = 'loss="logistic" for probabilities, "hinge" for a margin, or a function of your own'


def _only_two(name: str, n: int) -> str:
    # scikit-learn's conventions ask for the first sentence.
    return (
        "Only binary classification is supported. The type of the target is multiclass. "
        f"The loss {name!r} has one score, and y has {n} classes: use sklearn.multiclass.OneVsRestClassifier(gl.LinearClassifier(...)), or"
        ' loss="logistic", which has a score for each class'
    )


def _of_own(loss: CustomLoss, classes: tuple[str, ...]) -> ClassLoss:
    n = len(classes)
    numbers = np.arange(n, dtype=np.float64)
    given = loss.linear_predictors
    if given is None:
        if n == 2 and not takes_class_scores(loss.function):
            return ClassLoss(loss, _coding(loss))
        loss = replace(loss, linear_predictors=classes, scores_classes=True)
    elif len(given) == 1:
        if n > 2:
            raise ArgumentError(_only_two(loss.name, n))
        return ClassLoss(loss, _coding(loss))
    elif len(given) == n:
        loss = replace(loss, scores_classes=True)
    elif not loss.likelihood:
        raise ArgumentError(
            f"the loss {loss.name!r} has {len(given)} linear predictors and y has {n} classes: give one score a class, or say"
            " likelihood=True where the loss is minus the log of a label's probability"
        )
    try:
        bound = loss.bind(np.tile(numbers, 8)[:, None])
    except LossError as error:
        if takes_class_scores(loss.function):
            raise LossError(f"{error} (labels come as float64: write loss=lambda y, scores: {OF_CLASSES[loss.framework]})") from error
        if given is not None:
            raise
        raise LossError(
            f"{error} (y has {n} classes, so that the loss was given a score for each, shape (m, {n}), and labels 0 to {n - 1}; a"
            " loss of one score takes two classes: see sklearn.multiclass.OneVsRestClassifier)"
        ) from error
    if bound.joint:
        raise LossError(joint_message(loss.name))
    return ClassLoss(loss, numbers)


def has_probabilities(loss: Any, prediction: Any, backend: str | None) -> bool:
    """Whether the loss that ``loss=`` stands for is a likelihood, as far as it is known before any data."""
    unbound = as_loss(loss, prediction, backend)
    return bool(unbound.likelihood if isinstance(unbound, CustomLoss) else getattr(unbound, "is_likelihood", False))


def takes_many_classes(loss: Any, prediction: Any, backend: str | None) -> bool:
    """Whether the loss that ``loss=`` stands for is one of more than two classes; True for a function that does not say."""
    unbound = as_loss(loss, prediction, backend)
    if isinstance(unbound, CustomLoss):
        return unbound.linear_predictors is None or len(unbound.linear_predictors) > 1
    return unbound == logistic or not unbound.is_resolved or unbound.n_predictors(1) > 1


def _accepts(loss: UnboundLoss, targets: Array) -> bool:
    try:
        loss.check_targets(targets[:, None])
    except ValueError:
        return False
    return True


def _coding(loss: UnboundLoss) -> Array:
    """The targets of two classes under a loss of one score: 0 and 1 where the loss of each falls towards its own side, else -1 and 1.

    A loss of a margin y times score says nothing of y = 0, so that none is taken for the other. Raises ValueError for a loss that does not
    know two classes in either way.
    """
    problems = list[str]()
    for low, high in ((0.0, 1.0), (-1.0, 1.0)):
        targets = np.tile([[low], [high]], (8, 1))
        if not _accepts(loss, targets[:, 0]):
            continue
        try:
            bound = loss.bind(targets)
        except LossError as error:
            problems.append(str(error))
            continue
        if bound.joint:
            raise LossError(joint_message(loss.name))
        if _tells_apart(bound, low, high):
            return np.array([low, high])
    if problems:
        raise LossError(problems[-1])
    raise LossError(
        f"the loss {loss.name!r} does not tell two classes apart: it should fall as the score rises for labels 1, and rise for the others,"
        f" whether these are 0 or -1. Use {_LOSSES}"
    )


def _tells_apart(loss: Loss, low: float, high: float) -> bool:
    """Whether each label's loss is smaller on its own side."""
    scores = np.array(TRIED)
    sides = np.concatenate([-scores, scores])[:, None]
    with np.errstate(all="ignore"):
        first, second = (loss.derivatives(np.full(sides.shape, label), sides, 0).value for label in (low, high))
    half = len(scores)
    return bool((first[:half] < first[half:]).all() and (second[half:] < second[:half]).all())


def log_probabilities(loss: Loss, values: Array, predictors: Array, against_first: bool = False) -> Array:
    """log of the probability of each class, (m, K), for a likelihood: predictors (m, k), values (K,). against_first: as for ``ClassLoss``.

    Raises ValueError where they do not add up to one: then the loss is no likelihood of labels.
    """
    if against_first:
        odds = _with_first(predictors)
        highest = odds.max(axis=1, keepdims=True)
        with np.errstate(under="ignore"):
            return np.asarray(odds - highest - np.log(np.exp(odds - highest).sum(axis=1, keepdims=True)))
    logs = np.empty((len(predictors), len(values)))
    for j, value in enumerate(values):
        logs[:, j] = -loss.derivatives(np.full((len(predictors), 1), value), predictors, 0).value
    with np.errstate(under="ignore"):
        totals = np.exp(logs).sum(axis=1)
    wrong = ~(np.abs(totals - 1.0) <= SUMS_TO_ONE)
    if wrong.any():
        raise LossError(
            f"the loss {loss.name!r} is said to be a likelihood, but exp(-loss) of the {len(values)} classes adds up to"
            f" {totals[np.flatnonzero(wrong)[0]]:.6g}, not 1: it is no probability of labels; leave likelihood=True out"
        )
    return np.asarray(logs - np.log(totals)[:, None])


def scores(loss: Loss, values: Array, predictors: Array, against_first: bool = False) -> Array:
    """The decision function: (m,) for two classes, positive for the second; (m, K) for more, highest for the class that is predicted.

    Of a likelihood the log odds against the first class; of any other loss its linear predictors. against_first: as for ``ClassLoss``.
    """
    if against_first:
        return _with_first(predictors)
    if loss.is_likelihood:
        logs = log_probabilities(loss, values, predictors)
        odds = logs - logs[:, :1]
        return np.asarray(odds[:, 1] if len(values) == 2 else odds)
    if predictors.shape[1] == 1:
        return np.asarray(predictors[:, 0])
    return np.asarray(predictors[:, 1] - predictors[:, 0] if len(values) == 2 else predictors)


def _with_first(predictors: Array) -> Array:
    """Log odds against the first class, (m, K), of the others', (m, K - 1)."""
    return np.concatenate([np.zeros((len(predictors), 1)), predictors], axis=1)


def _is_log_odds(loss: UnboundLoss, values: Array) -> bool:
    """Whether the K - 1 linear predictors of a likelihood are log odds against the first class, which says all of its probabilities."""
    bound = loss.bind(values[:, None])
    if not bound.is_likelihood or any(bound.intercept_only):
        return False
    tried = np.linspace(-1.0, 2.0, 3 * (len(values) - 1)).reshape(3, -1)
    return bool(np.allclose(scores(bound, values, tried), _with_first(tried), rtol=0, atol=1e-9))
