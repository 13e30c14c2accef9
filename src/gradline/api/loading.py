"""load(): a Fit from a model file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradline.api.result import Fit
from gradline.files import reading

if TYPE_CHECKING:
    from gradline.losses.own_loss import CustomLoss
    from gradline.losses.protocol import Loss


def load(
    path: str | os.PathLike[str],
    *,
    loss: Callable[[Any, Any], Any] | CustomLoss | Loss | None = None,
    prediction: Callable[[Any], Any] | None = None,
) -> Fit:
    """Read a model that ``Fit.save`` wrote. It predicts as the original did, to the bit.

    loss, prediction: for a model whose loss is a function of your own, the same functions again: the file keeps their text for the
    record and never runs it. Without them such a model predicts where the forward pass is the identity, and gives linear predictors.
    Warns (GradlineWarning) where the text or the numbers of a function are not those of the fit.

    Raises FileNotFoundError and OSError where the file cannot be read; ValueError for a file that is cut short, edited, of a later
    version, a pickle or anything else than a model file, saying which, and for functions that do not belong to the model.
    """
    return Fit.of(reading.load(path, loss=loss, prediction=prediction))
