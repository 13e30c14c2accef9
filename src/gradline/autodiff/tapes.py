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


def tape_for(loss: UserLoss, framework: Framework) -> Tape:
    """The tape of a user's loss, reused while nothing that the function refers to has changed.

    What was found of a loss depends on the values it refers to (``delta = 1.0`` in a notebook cell), so those values are part of the key;
    a function that refers to something whose value cannot be compared (a list, an array) is looked at anew for every fit. What is compiled
    for it is kept apart, in ``programs``, and serves other numbers too.
    """
    key = fingerprint((loss.function, loss.prediction, loss.form, loss.n_targets, loss.n_predictors, framework))
    if key is None:
        return _build(loss, framework)
    with _lock:
        kept = _tapes.get(key)
        if kept is None:
            kept = _tapes[key] = _build(loss, framework)
            if len(_tapes) > _KEPT:
                _tapes.popitem(last=False)
        else:
            _tapes.move_to_end(key)
        return kept


def _build(loss: UserLoss, framework: Framework) -> Tape:
    if framework == "tensorflow":
        from gradline.autodiff.tensorflow import TensorFlowTape

        return TensorFlowTape(loss)
    if framework == "jax":
        from gradline.autodiff.jax import JaxTape

        return JaxTape(loss)
    from gradline.autodiff.torch import TorchTape

    return TorchTape(loss)
