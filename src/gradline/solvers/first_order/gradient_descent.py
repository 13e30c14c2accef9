"""Gradient descent, step by step and on the record: the solver for watching a line being learned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from gradline.autodiff.tape import Step
from gradline.base import progress as progress_bar
from gradline.base.errors import DivergenceError, SolverError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.objective.objective import Problem
from gradline.schedules.decays import Schedule
from gradline.solvers.first_order.callbacks import are_functions
from gradline.solvers.first_order.descents import Units
from gradline.solvers.first_order.learning_rate import expected_smoothness, largest_curvature
from gradline.solvers.first_order.rules import Momentum
from gradline.solvers.first_order.run import DescentRun
from gradline.solvers.first_order.settings import STEPS, Training, as_schedule, check_rate, check_training, is_number
from gradline.solvers.first_order.training import Method, prepare, train
from gradline.solvers.protocol import Solution, as_start


@dataclass(frozen=True)
class GradientDescent(Training):
    """Gradient descent, plain or with momentum, at one learning rate or one that changes on the way.

    The objective is the mean over the rows or, where a loss of your own adds up over them (``tf.reduce_sum``), their sum, as in a loop
    written by hand. So are the losses and gradients of the Records. ``Fit.loss`` is the mean for every solver.

    Parameters
    ----------
    learning_rate : float, "auto" or function of the step
        The step, per unit of gradient. "auto" is 1 / lambda_max, lambda_max the largest eigenvalue of the objective's curvature at the
        start (with mini-batches the expected smoothness of Gower et al. 2019, "SGD: General analysis and improved rates", section 3.3). For
        a loss that is not squared it is halved whenever steps prove too long, as its curvature changes on the way. One of
        ``gl.schedules``, or any function that gives the rate of step 0, 1, ..., changes it from step to step.
    steps : int, default 1000
        How many.
    momentum, nesterov : float in [0, 1), bool
        As in Sutskever et al. (2013), "On the importance of initialization and momentum in deep learning", section 2. momentum is 0 unless
        given, with Nesterov's 0.9.
    epochs : int, optional
        Passes over the rows in mini-batches, in place of ``steps``; needs ``batch_size``. The last batch of an epoch is smaller where the
        size does not divide the rows.
    batch_size : int, optional
        Rows a step, drawn without replacement epoch after epoch. All rows unless given.
    shuffle : bool, default True
        Whether mini-batches are drawn at random; otherwise they are taken in the rows' order.
    start : array, optional
        Coefficients to begin from, (P,) or (P, k), the intercept first. Zeros unless given.
    seed : int, optional
        Of the mini-batches and of the validation part.
    callbacks : sequence
        Functions, each called with every Record in turn; and objects with any of the methods that Keras calls: ``on_train_begin(logs)``,
        ``on_epoch_begin(epoch, logs)``, ``on_train_batch_end(batch, logs)``, ``on_epoch_end(epoch, logs)``, ``on_train_end(logs)`` and the
        like, and ``set_model(model)``. One that returns True, or sets ``model.stop_training``, ends the fit there. Without mini-batches
        an epoch is a step.
    record_every : int, optional
        Steps between records. Unless given, every step, with epochs each epoch; with small batches from much data, often enough that the
        records cost at most 32 times the steps.
    validation : float or array, optional
        A share of the rows, held out at random: no step sees them, and the history has the loss on them, without a penalty. Or the numbers
        of the rows to hold out, or a truth value for each row. ``Fit.loss`` and the certificate stay those of all rows.
    patience : int, optional
        Early stopping: epochs (without ``epochs``, records) in a row without a fall of the validation loss, after which the training ends.
        The coefficients are those where it was lowest.
    min_delta : float, default 0
        How far it must fall to count.
    allow_divergence : bool
        On squared loss, run a rate that must diverge instead of refusing it.

    Raises
    ------
    ValueError, TypeError
        For a value that cannot be used.

    Notes
    -----
    On squared loss a rate above the largest stable one, 2 (1 + momentum) / lambda_max (with Nesterov
    2 (1 + momentum) / ((1 + 2 momentum) lambda_max)), raises ``gl.DivergenceError`` before the first step; a schedule may pass above it
    for a while. On any loss the fit stops, with a warning, when the loss is not finite or 1,000 times the start.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y, solver=gl.GradientDescent(learning_rate=0.05, steps=500))
    >>> bool(fit.history.loss[-1] < fit.history.loss[0])
    True
    """

    learning_rate: float | Schedule | Literal["auto"] = "auto"
    steps: int = STEPS
    momentum: float | None = None
    nesterov: bool = False
    allow_divergence: bool = False

    def __post_init__(self) -> None:
        check_rate(self.learning_rate, auto=True)
        if self.momentum is None:
            object.__setattr__(self, "momentum", 0.9 if self.nesterov else 0.0)
        if not (is_number(self.momentum) and 0 <= self._momentum < 1):
            raise SolverError(f"momentum must be at least 0 and below 1, not {self.momentum!r}")
        if self.nesterov and self.momentum == 0:
            raise SolverError("nesterov=True needs momentum above 0, such as momentum=0.9")
        check_training(self, self.steps)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """Run the steps. Raises DivergenceError as the class says, ValueError for a batch larger than the data and a validation part that
        leaves nothing."""
        begin = as_start(self.start if start is None else start, problem.shape)
        prepared = prepare(self, problem)
        rate = self._rate(prepared.problem, begin, prepared.batch, prepared.units)
        method = self._method(rate)
        if self._is_looked_at:
            return train(self, self.steps, method, problem, prepared, begin, progress)
        run = DescentRun(self, self.steps, method, prepared, Step(rate.first, self._momentum, self.nesterov), begin)
        # A diverging path overflows by nature; it is found and reported, not warned of operation by operation.
        with progress_bar.bar("gradient descent", self.steps, progress) as advance, np.errstate(over="ignore", invalid="ignore"):
            for done, loss in run.chunks():
                advance(done, f"loss {loss:.6g}")
        return run.solution()

    @property
    def _momentum(self) -> float:
        assert self.momentum is not None
        return float(self.momentum)

    @property
    def _is_looked_at(self) -> bool:
        """Whether something looks at each step or changes with it, so that no loop can run many at once."""
        return callable(self.learning_rate) or self.epochs is not None or self.validation is not None or not are_functions(self.callbacks)

    def _method(self, rate: _Rate) -> Method:
        advice = ['learning_rate="auto"'] if self.learning_rate != "auto" else []
        if self.momentum == 0:
            advice.append("momentum=0.9")
        return Method(
            "gradient descent",
            Momentum(self._momentum, self.nesterov),
            rate.schedule,
            None if callable(self.learning_rate) else rate.first,
            rate.adaptive,
            self._momentum > 0,
            tuple(advice),
            "" if self.learning_rate == "auto" else ' or learning_rate="auto"',
        )

    def _rate(self, problem: Problem, begin: Array, batch: int | None, units: Units) -> _Rate:
        scale = problem.loss.squared_scale()
        if callable(self.learning_rate):
            return _Rate(self.learning_rate, math.nan)
        if scale is None and self.learning_rate != "auto":
            return _Rate.fixed(float(self.learning_rate))
        largest = largest_curvature(problem, begin, scale)
        stable = 2 * (1 + self._momentum) / (largest * units.batch) if largest > 0 else math.inf
        if self.nesterov:
            stable /= 1 + 2 * self._momentum
        if self.learning_rate == "auto":
            if not largest > 0:
                # Far from its optimum a robust loss is flat: begin as if its curvature were one, and shorten steps that prove too long.
                largest, scale = 0.5 * largest_curvature(problem, begin, 1.0), None
            smoothness = largest if batch is None or scale is None else expected_smoothness(problem, begin, largest, batch)
            return _Rate.fixed(1.0 / ((smoothness if smoothness > 0 else 1.0) * units.batch), adaptive=scale is None)
        chosen = float(self.learning_rate)
        if chosen > stable * (1 + 1e-12):
            added = "" if units == Units() else f", as {problem.loss.name!r} adds its rows up (their mean takes longer steps)"
            message = (
                f"learning_rate={chosen:g} is above {stable:.6g}, the largest stable rate for this data{added}: each step would overshoot"
                f" by more than the last and the loss would grow without end. Use learning_rate={0.5 * stable:.3g} or"
                ' learning_rate="auto", or bring the columns to a similar scale'
            )
            if not self.allow_divergence:
                raise DivergenceError(message)
            warn(message)
        return _Rate.fixed(chosen)


class _Rate(NamedTuple):
    """The rate of each step, and of the first."""

    schedule: Schedule
    first: float
    adaptive: bool = False
    """Whether the run may halve it: the curvature at the start bounds that of squared loss only."""

    @classmethod
    def fixed(cls, rate: float, *, adaptive: bool = False) -> _Rate:
        """One rate for all steps."""
        return cls(as_schedule(rate), rate, adaptive)
