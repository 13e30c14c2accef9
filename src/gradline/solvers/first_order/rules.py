"""How a gradient moves the coefficients: the rules of the steps, over plain arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradline.autodiff.tape import Step
from gradline.base.types import Array


class Rule(Protocol):
    """One step of a method. It keeps nothing itself: what it remembers is the state it is given back."""

    def begin(self, coefficients: Array) -> Array:
        """The state before the first step, for coefficients (P, k)."""

    def move(self, coefficients: Array, state: Array, gradient: Array, rate: float, step: int) -> tuple[Array, Array]:
        """Coefficients and state after a step of this rate. step: its number, 0 for the first."""


@dataclass(frozen=True)
class Momentum:
    """Gradient descent, with momentum or Nesterov's: see :class:`gradline.autodiff.tape.Step`. The state is the velocity (P, k)."""

    momentum: float
    nesterov: bool

    def begin(self, coefficients: Array) -> Array:
        return np.zeros_like(coefficients)

    def move(self, coefficients: Array, state: Array, gradient: Array, rate: float, step: int) -> tuple[Array, Array]:
        return Step(rate, self.momentum, self.nesterov).move(coefficients, state, gradient)


@dataclass(frozen=True)
class AdaptiveMoments:
    """Adam, as Kingma and Ba (2015) write it before their section 2.1, with epsilon beside the root of the raw second moment:

        m <- m + (1 - beta_1) (g - m)      v <- v + (1 - beta_2) (g^2 - v)
        b <- b - rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    The state is (m, v), (2, P, k). weight_decay: AdamW's, taken off first, ``b <- b - rate weight_decay b`` (Loshchilov and Hutter 2019,
    algorithm 2). first: the first coefficient that decays.
    """

    beta_1: float
    beta_2: float
    epsilon: float
    weight_decay: float = 0.0
    first: int = 0

    def begin(self, coefficients: Array) -> Array:
        return np.zeros((2, *coefficients.shape))

    def move(self, coefficients: Array, state: Array, gradient: Array, rate: float, step: int) -> tuple[Array, Array]:
        t = step + 1
        moments = state.copy()
        moments[0] += (gradient - state[0]) * (1.0 - self.beta_1)
        moments[1] += (gradient * gradient - state[1]) * (1.0 - self.beta_2)
        length = rate * math.sqrt(1.0 - self.beta_2**t) / (1.0 - self.beta_1**t)
        root = np.sqrt(moments[1]) + self.epsilon
        # A gradient that has always been zero moves nothing, without an epsilon too.
        direction = np.divide(moments[0], root, out=np.zeros_like(root), where=root > 0)
        kept = coefficients
        if self.weight_decay:
            kept = coefficients.copy()
            kept[self.first :] -= rate * self.weight_decay * coefficients[self.first :]
        return kept - length * direction, moments
