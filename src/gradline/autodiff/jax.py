"""Derivatives of a user's loss by JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradline.autodiff.programs import Bound, program_for
from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.autodiff.tape import Finding, Step, Trace, UserLoss
from gradline.base.types import Array, IntArray
from gradline.rows.block import Block

FEWEST_ROWS, FEW_PREDICTORS = 2048, 4
"""Rows that a compiled function is given at least: few more cost nothing, and another number of rows is compiled anew."""


def _float64() -> Any:
    """float64 for this thread and this call: the setting is thread-local, and the global flag is the user's."""
    return jax.enable_x64(True)


class _Jit:
    """Compiling with jax.jit. A Python number stays weakly typed as an argument too."""

    name = "jax"

    def is_number(self, value: Any) -> bool:
        if isinstance(value, jax.core.Tracer | bool):
            return False
        return isinstance(value, int | float) or (isinstance(value, np.ndarray | np.generic | jax.Array) and value.dtype.kind in "fiu")

    def compile(self, function: Callable[..., Any], numbers: Sequence[Any], **options: Any) -> Callable[..., Any]:
        return jax.jit(function, **options)  # type: ignore[no-any-return]

    def forget(self, compiled: Callable[..., Any]) -> None:
        compiled.clear_cache()  # type: ignore[attr-defined]

    def value(self, function: Callable[..., Any], numbers: Sequence[Any], targets: Any, predictors: Any, *, compiled: bool) -> Any:
        with _float64():
            called: Any = jax.jit(function) if compiled else function
            value = np.asarray(called(numbers, jnp.asarray(targets), jnp.asarray(predictors)))
            if compiled:
                called.clear_cache()
            return value


class JaxTape:
    """One user's loss in JAX. Functions are compiled per row count, so row counts are padded to powers of two."""

    def __init__(self, loss: UserLoss) -> None:
        self.loss = loss
        self.finding: Finding | None = None

    @cached_property
    def program(self) -> Bound:
        """What is compiled for this loss and for those that differ from it in numbers only."""
        return program_for(self.loss, _Jit())

    def call(self, targets: Array, predictors: Array) -> np.ndarray[Any, Any]:
        with _float64():
            return np.asarray(self.loss(*self._arrays(targets, predictors)))

    @cached_property
    def _by_row(self) -> JaxTape:
        """The same function, taken for a loss of one row."""
        return JaxTape(replace(self.loss, form="row"))

    def gradient(self, targets: Array, predictors: Array) -> Array | None:
        by_row = self._by_row
        if self.loss.form == "joint" and by_row.program.knows(("derivatives", 2)):
            # A loss that differs from this one in numbers only has been compiled. Differentiating eagerly takes as long as a fit's passes.
            return by_row.derivatives(targets, predictors, 2).gradient
        with _float64():
            y, eta = self._arrays(targets, predictors)
            gradient = jax.grad(lambda e: jnp.sum(self.loss(y, e)))(eta)
            return np.asarray(gradient).reshape(predictors.shape)

    def predict(self, predictors: Array) -> Array:
        with _float64():
            return np.asarray(self._forward(jnp.asarray(self.loss.shape_predictors(predictors))))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        m, k = predictors.shape
        padded = max(1 << (m - 1).bit_length(), FEWEST_ROWS if k <= FEW_PREDICTORS else 1)
        y, eta = _pad(targets, padded), _pad(predictors, padded)
        with _float64():
            compiled = self.program.compiled(("derivatives", order), lambda loss: JaxTape(loss)._build(order))
            parts = [np.asarray(part)[:m] for part in compiled(self.loss.shape_targets(y), self.loss.shape_predictors(eta))]
        gradient = parts[1].reshape(m, k) if order >= 1 else None
        curvature = parts[2].reshape(m, k, k) if order >= 2 else None
        return RowDerivatives(parts[0], gradient, curvature)

    def descent(self, rows: Block) -> JaxDescent:
        return JaxDescent(self, rows)

    @cached_property
    def _forward(self) -> Any:
        return self.program.compiled("forward", lambda loss: loss.forward)

    def _arrays(self, targets: Array, predictors: Array) -> tuple[Any, Any]:
        return jnp.asarray(self.loss.shape_targets(targets)), jnp.asarray(self.loss.shape_predictors(predictors))

    def _one_row(self, target: Any, predictor: Any) -> Any:
        """The loss of one row: whatever form the function has, its value on one row is that."""
        return jnp.reshape(self.loss(target[None], predictor[None]), ())

    def _build(self, order: int) -> Any:
        if order == 0:
            return jax.vmap(lambda y, eta: (self._one_row(y, eta),))
        value_and_gradient = jax.value_and_grad(self._one_row, argnums=1)
        if order == 1:
            return jax.vmap(value_and_gradient)
        curvature = jax.hessian(self._one_row, argnums=1)
        return jax.vmap(lambda y, eta: (*value_and_gradient(y, eta), curvature(y, eta)))

    def objective(self, columns: Any, targets: Any, offset: Any, weights: Any, scale: Any, coefficients: Any) -> Any:
        """``scale * sum_i w_i loss_i`` over rows."""
        predictors = columns @ coefficients
        if offset is not None:
            predictors = predictors + offset
        return self.loss.objective(
            targets, predictors if self.loss.predictor_shape else predictors[:, 0], weights, scale, self._row_values, jnp.sum
        )

    def _row_values(self, targets: Any, predictors: Any) -> Any:
        """One number per row, whatever form the user's function has."""
        return self.loss(targets, predictors) if self.loss.form == "row" else jax.vmap(self._one_row)(targets, predictors)

    def loop(self, weighted: bool, offset: bool, batched: bool, nesterov: bool) -> Any:
        """The compiled loop of descent steps for these options."""
        options = (weighted, offset, batched, nesterov)
        return self.program.compiled(("loop", *options), lambda loss: _descent_loop(JaxTape(loss), *options), static_argnames="capacity")


def _pad(array: Array, rows: int) -> Array:
    """Repeat the last row up to a row count."""
    if len(array) == rows:
        return array
    padded = np.empty((rows, array.shape[1]))
    padded[: len(array)], padded[len(array) :] = array, array[-1]
    return padded


def _descent_loop(tape: JaxTape, weighted: bool, offset: bool, batched: bool, nesterov: bool) -> Any:
    def run(
        x: Any, y: Any, w: Any, o: Any, scale: Any, start: Any, speed: Any, count: Any, rate: Any, momentum: Any, ids: Any, capacity: int
    ) -> Any:
        def full(b: Any) -> Any:
            return tape.objective(x, y, o if offset else None, w if weighted else None, scale, b)

        def batch(b: Any, rows: Any) -> Any:
            factor = tape.loss.batch_scale(scale, x.shape[0], rows.shape[0])
            return tape.objective(x[rows], y[rows], o[rows] if offset else None, w[rows] if weighted else None, factor, b)

        def body(t: Any, state: Any) -> Any:
            b, v, losses, norms, path = state
            value, gradient = jax.value_and_grad(full)(b)
            losses, norms, path = losses.at[t].set(value), norms.at[t].set(jnp.linalg.norm(gradient)), path.at[t].set(b)
            step = jax.grad(batch)(b, ids[t]) if batched else gradient
            return *Step(rate, momentum, nesterov).move(b, v, step), losses, norms, path

        # A loop to an open bound over fixed room: the last, shorter chunk compiles nothing new.
        room = (jnp.zeros(capacity), jnp.zeros(capacity), jnp.zeros((capacity, *start.shape)))
        return lax.fori_loop(0, count, body, (start, speed, *room))

    return run


class JaxDescent:
    """Gradient descent over in-memory rows as one compiled loop."""

    def __init__(self, tape: JaxTape, rows: Block) -> None:
        self._tape = tape
        self._capacity = 1
        weights = rows.row_weights
        self._weighted, self._offset = weights is not None, rows.offset is not None
        with _float64():
            self._data = (
                jnp.asarray(rows.design.dense()),
                jnp.asarray(tape.loss.shape_targets(rows.targets)),
                jnp.zeros(0) if weights is None else jnp.asarray(weights),
                jnp.zeros((0, tape.loss.n_predictors)) if rows.offset is None else jnp.asarray(rows.offset),
                jnp.asarray(tape.loss.scale(float(rows.n_rows) if weights is None else float(weights.sum()))),
            )

    def run(self, coefficients: Array, velocity: Array, count: int, step: Step, batches: IntArray | None) -> tuple[Array, Array, Trace]:
        self._capacity = max(self._capacity, count)
        ids = np.zeros((0, 0), np.int64) if batches is None else _pad_batches(batches, self._capacity)
        loop = self._tape.loop(self._weighted, self._offset, batches is not None, step.nesterov)
        with _float64():
            result = loop(*self._data, coefficients, velocity, count, step.rate, step.momentum, ids, capacity=self._capacity)
        b, v, loss, norm, path = (np.asarray(part) for part in result)
        return b, v, Trace(loss[:count], norm[:count], path[:count])


def _pad_batches(batches: IntArray, capacity: int) -> IntArray:
    return np.pad(batches, ((0, capacity - len(batches)), (0, 0)))
