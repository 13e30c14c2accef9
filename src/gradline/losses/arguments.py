"""What ``loss=`` stands for, and what to say to what stands for no loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.losses.names import by_name
from gradline.losses.own_loss import BoundLoss, CustomLoss, custom
from gradline.losses.protocol import Loss, UnboundLoss

LossArgument = str | Loss | CustomLoss | Callable[[Any, Any], Any]


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
