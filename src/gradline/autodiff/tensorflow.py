"""Derivatives of a user's loss by tf.GradientTape."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from gradline.autodiff.programs import Bound, program_for
from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.autodiff.tape import Finding, Step, Trace, UserLoss
from gradline.base.types import Array, IntArray
from gradline.rows.block import Block

# TensorFlow greets every import with a page of notes on the processor; a user who wants them sets the variable.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf


def _trace(function: Any, signature: list[Any] | None) -> Any:
    """A tf.function traced once for its signature; without one, for the first shapes it meets and once more for all others."""
    traced = tf.function(function, input_signature=signature, autograph=False, reduce_retracing=signature is None)
    # TensorFlow tells functions apart by their place in a file, so a second loss would look to it like the first one traced again.
    traced._omit_frequent_tracing_warning = True
    return traced


class _Function:
    """Compiling with tf.function. Numbers cross as float64 tensors: so TensorFlow takes a Python number beside a float64 tensor."""

    name = "tensorflow"

    def is_number(self, value: Any) -> bool:
        if isinstance(value, bool):
            return False
        if isinstance(value, tf.Tensor):
            return hasattr(value, "numpy") and value.dtype.is_floating  # not one that is being traced
        return isinstance(value, int | float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")

    def compile(self, function: Callable[..., Any], numbers: Sequence[Any], **options: Any) -> Callable[..., Any]:
        n, signature = len(numbers), options["signature"]
        specs = [tf.TensorSpec.from_tensor(tensor) for tensor in _as_tensors(numbers)]
        whole = None if signature is None else [*specs, *signature]
        traced = _trace(lambda *arguments: function(arguments[:n], *arguments[n:]), whole)
        # The function that has been traced, called past tf.function's look at its arguments, which would take as long as the function.
        run = traced if whole is None else traced.get_concrete_function()
        return lambda numbers, *arguments: run(*_as_tensors(numbers), *arguments)

    def forget(self, compiled: Callable[..., Any]) -> None:
        """Nothing: TensorFlow frees a function that nobody holds."""

    def value(self, function: Callable[..., Any], numbers: Sequence[Any], targets: Any, predictors: Any, *, compiled: bool) -> Any:
        rows = tf.constant(targets, tf.float64), tf.constant(predictors, tf.float64)
        if not compiled:
            return np.asarray(function(numbers, *rows))
        signature = [tf.TensorSpec([None, *tensor.shape[1:]], tf.float64) for tensor in rows]
        return np.asarray(self.compile(function, numbers, signature=signature)(numbers, *rows))


def _as_tensors(numbers: Sequence[Any]) -> list[Any]:
    return [tf.constant(number, tf.float64) if isinstance(number, int | float) else tf.convert_to_tensor(number) for number in numbers]


class TensorFlowTape:
    """One user's loss in TensorFlow: each function is traced once, with an open row dimension."""

    def __init__(self, loss: UserLoss) -> None:
        self.loss = loss
        self.finding: Finding | None = None
        self._signature = [
            tf.TensorSpec([None, *loss.target_shape], tf.float64),
            tf.TensorSpec([None, *loss.predictor_shape], tf.float64),
        ]

    @cached_property
    def program(self) -> Bound:
        """What is traced for this loss and for those that differ from it in numbers only."""
        return program_for(self.loss, _Function())

    def call(self, targets: Array, predictors: Array) -> np.ndarray[Any, Any]:
        return np.asarray(self.loss(*self._tensors(targets, predictors)))

    def gradient(self, targets: Array, predictors: Array) -> Array | None:
        y, eta = self._tensors(targets, predictors)
        with tf.GradientTape() as tape:
            tape.watch(eta)
            total = tf.reduce_sum(self.loss(y, eta))
        gradient = tape.gradient(total, eta)
        return None if gradient is None else tf.convert_to_tensor(gradient).numpy().reshape(predictors.shape)

    def predict(self, predictors: Array) -> Array:
        eta = tf.constant(self.loss.shape_predictors(predictors), tf.float64)
        return np.asarray(self._forward(eta))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        compiled = self.program.compiled(("derivatives", order), lambda loss: TensorFlowTape(loss)._build(order), signature=self._signature)
        parts = [part.numpy() for part in compiled(*self._tensors(targets, predictors))]
        m, k = predictors.shape
        value = parts[0]
        gradient = parts[1].reshape(m, k) if order >= 1 else None
        curvature = parts[2].reshape(m, k, k) if order >= 2 else None
        return RowDerivatives(value, gradient, curvature)

    def descent(self, rows: Block) -> TensorFlowDescent:
        return TensorFlowDescent(self, rows)

    @cached_property
    def _forward(self) -> Any:
        return self.program.compiled("forward", lambda loss: loss.forward, signature=self._signature[1:])

    def _tensors(self, targets: Array, predictors: Array) -> tuple[Any, Any]:
        return (
            tf.constant(self.loss.shape_targets(targets), tf.float64),
            tf.constant(self.loss.shape_predictors(predictors), tf.float64),
        )

    def _row_values(self, targets: Any, predictors: Any) -> Any:
        """One number per row, whatever form the user's function has."""
        if self.loss.form == "row":
            return self.loss(targets, predictors)
        return tf.vectorized_map(lambda row: self.loss(row[0][None], row[1][None]), (targets, predictors))

    def _build(self, order: int) -> Any:
        def evaluate(targets: Any, predictors: Any) -> tuple[Any, ...]:
            if order == 0:
                return (self._row_values(targets, predictors),)
            if order == 1:
                with tf.GradientTape() as tape:
                    tape.watch(predictors)
                    value = self._row_values(targets, predictors)
                return value, tf.convert_to_tensor(tape.gradient(value, predictors, unconnected_gradients="zero"))
            # A row's gradient depends on its own predictors only, so the gradient of the column sums is the row's curvature.
            with tf.GradientTape(persistent=True) as outer:
                outer.watch(predictors)
                with tf.GradientTape() as inner:
                    inner.watch(predictors)
                    value = self._row_values(targets, predictors)
                gradient = tf.convert_to_tensor(inner.gradient(value, predictors, unconnected_gradients="zero"))
                columns = [gradient] if gradient.shape.rank == 1 else tf.unstack(gradient, axis=-1)
            rows = [tf.convert_to_tensor(outer.gradient(column, predictors, unconnected_gradients="zero")) for column in columns]
            return value, gradient, tf.stack(rows, axis=1)

        return evaluate

    def loop(self, *options: bool) -> Any:
        """The tf.while_loop of descent steps for these options (see _descent_loop), traced on first use.

        Known shapes make the small operations of a step a third faster, so the loop is traced for the first data's shapes.
        """
        return self.program.compiled(("loop", *options), lambda loss: _descent_loop(TensorFlowTape(loss), *options), signature=None)

    def objective_gradient(self, columns: Any, targets: Any, offset: Any, weights: Any, scale: Any, coefficients: Any) -> tuple[Any, Any]:
        """Objective and its (P, k) gradient over rows: ``scale * sum_i w_i loss_i``."""
        predictors = tf.matmul(columns, coefficients)
        if offset is not None:
            predictors += offset
        if not self.loss.predictor_shape:
            predictors = predictors[:, 0]
        with tf.GradientTape() as tape:
            tape.watch(predictors)
            value = self.loss.objective(targets, predictors, weights, scale, self._row_values, tf.reduce_sum)
        gradient = tf.convert_to_tensor(tape.gradient(value, predictors, unconnected_gradients="zero"))
        if not self.loss.predictor_shape:
            gradient = gradient[:, None]
        return value, tf.matmul(columns, gradient, transpose_a=True)


def _descent_loop(tape: TensorFlowTape, weighted: bool, offset: bool, batched: bool, moving: bool, nesterov: bool) -> Any:
    """The loop as a function; the options leave out of it what a step does not need, as every operation costs a microsecond."""

    def run(x: Any, y: Any, w: Any, o: Any, scale: Any, start: Any, velocity: Any, count: Any, rate: Any, momentum: Any, ids: Any) -> Any:
        weights, offsets = (w if weighted else None), (o if offset else None)

        def batch_gradient(t: Any, coefficients: Any) -> Any:
            rows = ids[t]
            factor = tape.loss.batch_scale(scale, tf.cast(tf.shape(x)[0], tf.float64), tf.cast(tf.shape(rows)[0], tf.float64))
            return tape.objective_gradient(
                tf.gather(x, rows),
                tf.gather(y, rows),
                tf.gather(o, rows) if offset else None,
                tf.gather(w, rows) if weighted else None,
                factor,
                coefficients,
            )[1]

        def body(t: Any, b: Any, v: Any, records: Any) -> tuple[Any, ...]:
            value, gradient = tape.objective_gradient(x, y, offsets, weights, scale, b)
            records = records.write(t, tf.concat([value[None], tf.reshape(gradient, [-1]), tf.reshape(b, [-1])], 0))
            move = -rate * (batch_gradient(t, b) if batched else gradient)
            v = momentum * v + move if moving else move
            return t + 1, b + (momentum * v + move if nesterov else v), v, records

        records = tf.TensorArray(tf.float64, size=count, element_shape=[None])
        _, b, v, records = tf.while_loop(lambda t, *_: t < count, body, (tf.constant(0), start, velocity, records))
        return b, v, records.stack()

    return run


class TensorFlowDescent:
    """Gradient descent over in-memory rows as one tf.while_loop."""

    def __init__(self, tape: TensorFlowTape, rows: Block) -> None:
        self._tape = tape
        weights = rows.row_weights
        self._weighted, self._offset = weights is not None, rows.offset is not None
        self._scale = tape.loss.scale(float(rows.n_rows) if weights is None else float(weights.sum()))
        empty = np.empty(0)
        self._data = (
            tf.constant(rows.design.dense(), tf.float64),
            tf.constant(tape.loss.shape_targets(rows.targets), tf.float64),
            tf.constant(empty if weights is None else weights, tf.float64),
            tf.constant(np.empty((0, tape.loss.n_predictors)) if rows.offset is None else rows.offset, tf.float64),
            tf.constant(self._scale, tf.float64),
        )

    def run(self, coefficients: Array, velocity: Array, count: int, step: Step, batches: IntArray | None) -> tuple[Array, Array, Trace]:
        loop = self._tape.loop(self._weighted, self._offset, batches is not None, step.momentum > 0, step.nesterov)
        b, v, records = loop(
            *self._data,
            tf.constant(coefficients, tf.float64),
            tf.constant(velocity, tf.float64),
            tf.constant(count),
            tf.constant(step.rate, tf.float64),
            tf.constant(step.momentum, tf.float64),
            tf.constant(np.empty((0, 0), np.int64) if batches is None else batches),
        )
        loss, gradient, path = np.split(records.numpy(), [1, 1 + coefficients.size], axis=1)
        return b.numpy(), v.numpy(), Trace(loss[:, 0], np.linalg.norm(gradient, axis=1), path.reshape(count, *coefficients.shape))
