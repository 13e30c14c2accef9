"""The few operations a loss's formula is written in, and what they are called in each framework.

A formula ``formula(operations, targets, predictors)`` uses arithmetic, comparisons, indexing ``[..., j]`` and these names only, so
one text serves NumPy, TensorFlow, JAX and PyTorch. A framework is imported when its operations are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gradline.base.errors import LossError

Framework = Literal["numpy", "tensorflow", "jax", "torch"]

Unary = Callable[[Any], Any]
Binary = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Operations:
    """Elementwise functions of arrays, and ``sum`` over the last axis.

    softplus is log(1 + exp(x)) without overflow; lgamma is log |Gamma(x)|; erfc is one less the error function;
    ``where(condition, a, b)`` takes two arrays, since a plain number beside a float64 array is float32 to some frameworks.
    """

    exp: Unary
    log: Unary
    log1p: Unary
    abs: Unary
    square: Unary
    softplus: Unary
    lgamma: Unary
    erfc: Unary
    atan: Unary
    sum: Unary
    maximum: Binary
    minimum: Binary
    where: Callable[[Any, Any, Any], Any]


def operations(framework: Framework) -> Operations:
    """The operations of one framework. Raises ImportError where it is not installed, ValueError for an unknown name."""
    makers: dict[str, Callable[[], Operations]] = {"numpy": _numpy, "tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    if framework not in makers:
        raise LossError(f"no operations for framework {framework!r}; known are {', '.join(makers)}")
    return makers[framework]()


def _numpy() -> Operations:
    import numpy as np
    from scipy.special import erfc, gammaln

    return Operations(
        exp=np.exp,
        log=np.log,
        log1p=np.log1p,
        abs=np.abs,
        square=np.square,
        softplus=lambda x: np.logaddexp(0.0, x),
        lgamma=gammaln,
        erfc=erfc,
        atan=np.arctan,
        sum=lambda x: np.sum(x, axis=-1),
        maximum=np.maximum,
        minimum=np.minimum,
        where=np.where,
    )


def _tensorflow() -> Operations:
    import tensorflow as tf

    return Operations(
        exp=tf.exp,
        log=tf.math.log,
        log1p=tf.math.log1p,
        abs=tf.abs,
        square=tf.square,
        softplus=tf.math.softplus,
        lgamma=tf.math.lgamma,
        erfc=tf.math.erfc,
        atan=tf.atan,
        sum=lambda x: tf.reduce_sum(x, axis=-1),
        maximum=tf.maximum,
        minimum=tf.minimum,
        where=tf.where,
    )


def _jax() -> Operations:
    import jax
    import jax.numpy as jnp

    return Operations(
        exp=jnp.exp,
        log=jnp.log,
        log1p=jnp.log1p,
        abs=jnp.abs,
        square=jnp.square,
        softplus=jax.nn.softplus,
        lgamma=jax.scipy.special.gammaln,
        erfc=jax.scipy.special.erfc,
        atan=jnp.arctan,
        sum=lambda x: jnp.sum(x, axis=-1),
        maximum=jnp.maximum,
        minimum=jnp.minimum,
        where=jnp.where,
    )


def _torch() -> Operations:
    import torch

    def bound(function: Any) -> Binary:
        # torch.maximum takes tensors only, and torch.clamp's gradient at a tie is 1 where maximum's is 1/2.
        return lambda x, y: function(torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64))

    return Operations(
        exp=torch.exp,
        log=torch.log,
        log1p=torch.log1p,
        abs=torch.abs,
        square=torch.square,
        # torch.nn.functional.softplus turns linear at 20, an error of 2e-9.
        softplus=lambda x: torch.logaddexp(x, torch.zeros_like(x)),
        lgamma=torch.lgamma,
        erfc=torch.erfc,
        atan=torch.atan,
        sum=lambda x: torch.sum(x, dim=-1),
        maximum=bound(torch.maximum),
        minimum=bound(torch.minimum),
        where=torch.where,
    )
