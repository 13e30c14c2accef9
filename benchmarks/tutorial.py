"""The tutorial's 1,000 steps: gradline beside the eager TensorFlow loop it grew out of, in one run.

    python benchmarks/tutorial.py

Imports are excluded on both sides; each time is the best of a few, as the machine may be busy; every ratio is eager time over gradline's.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import gradline as gl
from clock import best
from gradline.autodiff import tapes
from gradline.autodiff.tape import Step
from gradline.losses import squared
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.first_order.descents import MomentsDescent


def eager(x, y, steps=1000, rate=0.01):
    """The tutorial's loop."""
    x, y = tf.constant(x), tf.constant(y)
    weight, bias = tf.Variable(0.0, dtype=tf.float64), tf.Variable(0.0, dtype=tf.float64)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - (x * weight + bias)))
        dw, db = tape.gradient(loss, [weight, bias])
        weight.assign_sub(rate * dw)
        bias.assign_sub(rate * db)
    return np.array([bias.numpy(), weight.numpy()])


def mean_squared_error(y, prediction):
    return tf.reduce_mean(tf.square(y - prediction))


def traced_anew(x, y):
    tapes._tapes.clear()
    return gl.fit(x, y, loss=mean_squared_error, solver=gl.GradientDescent(0.01))


def main():
    data = gl.datasets.line(seed=0)
    x, y = data.x, data.y
    eager(x, y, steps=5)
    gl.fit(x, y)
    eager_time, reference = best(lambda: eager(x, y), 3)
    rows = [
        ("built-in squared loss", best(lambda: gl.fit(x, y, solver=gl.GradientDescent(0.01)))),
        ("your TensorFlow loss, tracing counted", best(lambda: traced_anew(x, y))),
        ("your TensorFlow loss, once traced", best(lambda: gl.fit(x, y, loss=mean_squared_error, solver=gl.GradientDescent(0.01)))),
    ]
    print(f"1,000 steps on 1,000 points; the eager loop takes {eager_time:.3f} s and ends at {reference}")
    for name, (seconds, fit) in rows:
        gap = np.abs(fit.coefficients / reference - 1).max()
        print(f"  {name:40s} {1e3 * seconds:8.2f} ms   {eager_time / seconds:7.1f} x faster   coefficients agree to {gap:.1e}")

    data = gl.datasets.line(n_examples=1_000_000, seed=0)
    problem = Problem(ArrayRows(data.x[:, None], data.y[:, None]), squared)
    start = np.zeros((2, 1))
    one_pass, _ = best(lambda: problem.evaluate(start, 1))
    descent = MomentsDescent(problem)
    steps_time, _ = best(lambda: descent.run(start, start, 1000, Step(0.01, 0.0, False), None))
    fit_time, _ = best(lambda: gl.fit(data.x, data.y, solver=gl.GradientDescent(0.01)))
    exact_time, _ = best(lambda: gl.fit(data.x, data.y))
    print(f"1,000,000 points: one pass over the data (value and gradient) takes {1e3 * one_pass:.2f} ms")
    print(f"  the 1,000 steps            {1e3 * steps_time:8.2f} ms   {steps_time / one_pass:6.2f} passes")
    print(
        f"  the whole fit              {1e3 * fit_time:8.2f} ms   {fit_time / one_pass:6.2f} passes (checks, moments, exact optimum, steps)"
    )
    print(f"  of which the exact optimum {1e3 * exact_time:8.2f} ms   {exact_time / one_pass:6.2f} passes")


if __name__ == "__main__":
    main()
