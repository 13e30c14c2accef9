"""Building tapes, and keeping them: a function that was traced once is not traced again for the next fit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

from gradline.autodiff.framework import Framework
from gradline.autodiff.keys import fingerprint
from gradline.autodiff.tape import Tape, UserLoss

_KEPT = 32
_tapes: OrderedDict[Hashable, Tape] = OrderedDict()
_lock = Lock()
_copies: OrderedDict[int, tuple[UserLoss, list[Tape]]] = OrderedDict()
"""Losses that are copies, by their identity, with their tapes: what their functions refer to, nobody else can change."""


def keep_tape(loss: UserLoss) -> None:
    """Let the tape of this very object be kept whatever its function refers to: for a copy that came from another process."""
    with _lock:
        _copies[id(loss)] = loss, []
        if len(_copies) > _KEPT:
            _copies.popitem(last=False)


def tape_for(loss: UserLoss, framework: Framework) -> Tape:
    """The tape of a user's loss, reused while nothing that the function refers to has changed.

    What was found of a loss depends on the values it refers to (``delta = 1.0`` in a notebook cell), so those values are part of the key;
    a function that refers to something whose value cannot be compared (a list, an array) is looked at anew for every fit. What is compiled
    for it is kept apart, in ``programs``, and serves other numbers too.
    """
    key = fingerprint((loss.function, loss.prediction, loss.form, loss.n_targets, loss.n_predictors, framework))
    if key is None:
        return _of_copy(loss, framework)
    with _lock:
        kept = _tapes.get(key)
        if kept is None:
            kept = _tapes[key] = _build(loss, framework)
            if len(_tapes) > _KEPT:
                _tapes.popitem(last=False)
        else:
            _tapes.move_to_end(key)
        return kept


def _of_copy(loss: UserLoss, framework: Framework) -> Tape:
    with _lock:
        copy, tapes = _copies.get(id(loss), (None, []))
        if copy is not loss:
            return _build(loss, framework)
        if not tapes:
            tapes.append(_build(loss, framework))
        return tapes[0]


def _build(loss: UserLoss, framework: Framework) -> Tape:
    if framework == "tensorflow":
        from gradline.autodiff.tensorflow import TensorFlowTape

        return TensorFlowTape(loss)
    if framework == "jax":
        from gradline.autodiff.jax import JaxTape

        return JaxTape(loss)
    from gradline.autodiff.torch import TorchTape

    return TorchTape(loss)
