"""The tutorial's prediction and loss in PyTorch: ``gradline demo`` prints these two functions as they stand, then trains them."""

from __future__ import annotations

import torch

from gradline.base.types import Array


def prediction(linear: torch.Tensor) -> torch.Tensor:
    """What is predicted, from linear = x * W + B: for a line, just that."""
    return linear


def loss(y: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
    """How wrong the predictions are: the mean of the squared errors."""
    return torch.mean(torch.square(y - prediction))


def by_hand(y: Array, linear: Array) -> float:
    """The loss as a number, from plain arrays."""
    return float(loss(torch.as_tensor(y), prediction(torch.as_tensor(linear))))
