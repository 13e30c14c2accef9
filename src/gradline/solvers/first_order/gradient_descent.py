"""Gradient descent, step by step and on the record: the solver for watching a line being learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from gradline.autodiff.tape import Step, Trace
from gradline.base import progress as progress_bar
from gradline.base.errors import ArgumentTypeError, DivergenceError, SolverError
from gradline.base.types import Array, IntArray
from gradline.base.warnings import warn
from gradline.base.words import Options
from gradline.objective.objective import Problem
from gradline.solvers.beside import lower_beside, rises_beside
from gradline.solvers.first_order.descents import Units, descent_for, units_of
from gradline.solvers.first_order.learning_rate import expected_smoothness, largest_curvature, left_to_gain, left_to_gain_by_solving
from gradline.solvers.protocol import Certificate, History, Record, Solution, as_start
from gradline.solvers.refusing import moves_every_coefficient, needs_joint_rows_in_memory, smooth_and_free, writes_codes_out

Callback = Callable[[Record], bool | None]

GROWTH = 1000.0
"""A loss this many times the start means divergence. Momentum and mini-batches raise the loss too, but never so far."""


@dataclass(frozen=True)
class GradientDescent(Options):
    """Gradient descent with a fixed learning rate.

    The objective is the mean over the rows or, where a loss of your own adds up over them (``tf.reduce_sum``), their sum, as in a loop
    written by hand. So are the losses and gradients of the Records. ``Fit.loss`` is the mean for every solver.

    Parameters
    ----------
    learning_rate : float or "auto"
        The step, per unit of gradient. "auto" is 1 / lambda_max, lambda_max the largest eigenvalue of the objective's curvature at the
        start (with mini-batches the expected smoothness of Gower et al. 2019, "SGD: General analysis and improved rates", section 3.3). For
        a loss that is not squared it is halved whenever steps prove too long, as its curvature changes on the way.
    steps : int
        How many.
    momentum, nesterov : float in [0, 1), bool
        As in Sutskever et al. (2013), "On the importance of initialization and momentum in deep learning", section 2.
    batch_size : int, optional
        Rows a step, drawn without replacement epoch after epoch. All rows unless given.
    start : array, optional
        Coefficients to begin from, (P,) or (P, k), the intercept first. Zeros unless given.
    seed : int, optional
        Of the mini-batches.
    callbacks : sequence of callable
        Each is called with every Record in turn. One that returns True ends the fit at that record.
    record_every : int, optional
        Steps between records. Unless given, every step; with small batches from much data, often enough that the records cost at most 32
        times the steps.
    allow_divergence : bool
        On squared loss, run a rate that must diverge instead of refusing it.

    Raises
    ------
    ValueError, TypeError
        For a value that cannot be used.

    Notes
    -----
    On squared loss a rate above the largest stable one, 2 (1 + momentum) / lambda_max (with Nesterov
    2 (1 + momentum) / ((1 + 2 momentum) lambda_max)), raises ``gl.DivergenceError`` before the first step. On any loss the fit stops, with
    a warning, when the loss is not finite or 1,000 times the start.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y, solver=gl.GradientDescent(learning_rate=0.05, steps=500))
    >>> bool(fit.history.loss[-1] < fit.history.loss[0])
    True
    """

    learning_rate: float | Literal["auto"] = "auto"
    steps: int = 1000
    momentum: float = 0.0
    nesterov: bool = False
    batch_size: int | None = None
    start: Array | Sequence[float] | None = None
    seed: int | None = None
    callbacks: Sequence[Callback] = ()
    record_every: int | None = None
    allow_divergence: bool = False

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if isinstance(rate, str):
            if rate != "auto":
                raise SolverError(f'learning_rate must be a positive number or "auto", not {rate!r}')
        elif not (_is_number(rate) and math.isfinite(rate) and rate > 0):
            raise SolverError(f'learning_rate must be a positive number or "auto", not {rate!r}')
        _check_count("steps", self.steps)
        if self.batch_size is not None:
            _check_count("batch_size", self.batch_size)
        if self.record_every is not None:
            _check_count("record_every", self.record_every)
        if not (_is_number(self.momentum) and 0 <= self.momentum < 1):
            raise SolverError(f"momentum must be at least 0 and below 1, not {self.momentum!r}")
        if self.seed is not None and not (isinstance(self.seed, int | np.integer) and self.seed >= 0):
            raise SolverError(f"seed must be a whole number of at least 0, or None, not {self.seed!r}")
        if not isinstance(self.callbacks, Sequence) or not all(callable(callback) for callback in self.callbacks):
            raise ArgumentTypeError(f"callbacks must be a list of functions of a Record, not {self.callbacks!r}")
        if self.nesterov and self.momentum == 0:
            raise SolverError("nesterov=True needs momentum above 0, such as momentum=0.9")

    def refuses(self, problem: Problem) -> str | None:
        """Coefficients that are not free, codes of very many levels, a penalty that is not smooth, constraints; with mini-batches, a joint
        scalar and rows read anew at each pass."""
        rows = problem.rows
        if self.batch_size not in (None, rows.n_rows):
            if problem.joint:
                return f"mini-batches need a loss of one row; {problem.joint_message}"
            if not rows.resident:
                size = f"{rows.source_name} is too large to be held in memory ({rows.n_rows:,} rows x {rows.n_columns:,} columns)"
                return f"mini-batches draw rows at random, but {size}; leave batch_size out, which takes all rows at each step"
        reason = moves_every_coefficient(self, problem) or writes_codes_out(self, problem)
        return reason or needs_joint_rows_in_memory(problem) or smooth_and_free(self, problem)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """Run the steps. Raises DivergenceError as the class says, ValueError for a batch larger than the data."""
        begin = as_start(self.start if start is None else start, problem.shape)
        batch = self._batch(problem)
        units = units_of(problem, batch)
        rate = self._rate(problem, begin, batch, units)
        step = Step(rate.chosen, float(self.momentum), self.nesterov)
        run = _Run(self, problem, begin, step, batch, rate.adaptive, units)
        # A diverging path overflows by nature; it is found and reported, not warned of operation by operation.
        with progress_bar.bar("gradient descent", self.steps, progress) as advance, np.errstate(over="ignore", invalid="ignore"):
            for done, loss in run.chunks():
                advance(done, f"loss {loss:.6g}")
        return run.solution()

    def _batch(self, problem: Problem) -> int | None:
        n = problem.rows.n_rows
        if self.batch_size is None or self.batch_size == n:
            return None
        if self.batch_size > n:
            raise SolverError(f"batch_size={self.batch_size} is more than the {n} rows there are; give at most {n}, or None for all rows")
        return self.batch_size

    def _rate(self, problem: Problem, begin: Array, batch: int | None, units: Units) -> _Rate:
        scale = problem.loss.squared_scale()
        if scale is None and self.learning_rate != "auto":
            return _Rate(float(self.learning_rate))
        largest = largest_curvature(problem, begin, scale)
        stable = 2 * (1 + self.momentum) / (largest * units.batch) if largest > 0 else math.inf
        if self.nesterov:
            stable /= 1 + 2 * self.momentum
        if self.learning_rate == "auto":
            if not largest > 0:
                # Far from its optimum a robust loss is flat: begin as if its curvature were one, and shorten steps that prove too long.
                largest, scale = 0.5 * largest_curvature(problem, begin, 1.0), None
            smoothness = largest if batch is None or scale is None else expected_smoothness(problem, begin, largest, batch)
            return _Rate(1.0 / ((smoothness if smoothness > 0 else 1.0) * units.batch), adaptive=scale is None)
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
        return _Rate(chosen)


class _Rate(NamedTuple):
    """The rate to begin with."""

    chosen: float
    adaptive: bool = False
    """Whether the run may halve it: the curvature at the start bounds that of squared loss only."""


class _Run:
    """One run of the steps: the state that moves, and the records kept of it."""

    def __init__(
        self, settings: GradientDescent, problem: Problem, begin: Array, step: Step, batch: int | None, adaptive: bool, units: Units
    ) -> None:
        self.units = units
        self.settings, self.problem, self.step, self.batch, self.adaptive = settings, problem, step, batch, adaptive
        n = problem.rows.n_rows
        self.every = settings.record_every or (1 if batch is None else max(1, n // (32 * batch)))
        self.descent = descent_for(problem, batch is None, units)
        self.coefficients, self.velocity = begin, np.zeros_like(begin)
        self.records: list[Trace] = []
        self.steps: list[int] = []
        self.stop: str | None = None
        self.diverged = False
        self.reference: float | None = None
        self.sampler = _batches(n, batch, settings.seed) if batch is not None else None

    def chunks(self) -> Iterator[tuple[int, float]]:
        """Run to the end, yielding (steps done, loss) after each chunk."""
        total, done = self.settings.steps, 0
        chunk = self._chunk()
        while done < total and self.stop is None:
            count = min(chunk, total - done)
            trace = self._advance(count)
            self._keep(trace, done)
            done += count
            yield done, float(trace.loss[-1])
        if self.stop is None:
            self._keep(self._observe(), done)

    def solution(self) -> Solution:
        path = Trace(*(np.concatenate(part) for part in zip(*self.records, strict=True)))
        history = History(np.array(self.steps, dtype=np.int64), path.loss, path.gradient_norm, path.coefficients)
        best = len(history) - 1
        if self.diverged:
            best = int(np.nanargmin(np.where(np.isfinite(path.loss), path.loss, np.nan)))
        final = history[best]
        certificate = self._certificate(history, final)
        if not certificate.converged:
            warn(f"gradient descent has not converged: {certificate.reason}. {certificate.remedy}")
        passes = history.step[-1] + 1 if self.batch is None else len(history)
        whole = self.units.whole
        return Solution(
            np.array(final.coefficients),
            final.loss / whole,
            "gradient descent",
            replace(certificate, gradient_norm=certificate.gradient_norm / whole),
            int(passes),
            history,
            learning_rate=self.step.rate,
        )

    def _chunk(self) -> int:
        """Steps between looks at the path: few enough to report and to stop in time, enough to keep the loop compiled."""
        rows, columns = self.problem.rows.n_rows, self.problem.rows.n_columns
        if self.every > 1 and self.batch is not None:
            return self.every
        work = rows * columns
        chunk = max(-(-self.settings.steps // 100), 2_000_000 // work)
        if self.adaptive:
            chunk = min(chunk, 50)
        room = max(1, 2**20 // self.coefficients.size)
        return max(1, min(chunk, room, self.settings.steps))

    def _advance(self, count: int) -> Trace:
        if self.sampler is None or self.every == 1:
            batches = None if self.sampler is None else np.stack([next(self.sampler) for _ in range(count)])
            if self.adaptive and self.steps and self.step.momentum > 0 and not self.problem.joint:
                # With momentum a rising loss says nothing, so the rate follows the curvature where the path has come to.
                largest = largest_curvature(self.problem, self.coefficients, None)
                if largest > 0:
                    self.step = self.step._replace(rate=min(self.step.rate, 1.0 / (largest * self.units.batch)))
            while True:
                coefficients, velocity, trace = self.descent.run(self.coefficients, self.velocity, count, self.step, batches)
                if not (self.adaptive and self._overshot(trace)) or self.step.rate < 1e-300:
                    break
                self.step = self.step._replace(rate=0.5 * self.step.rate)
            self.coefficients, self.velocity = coefficients, velocity
            return trace
        # Records are rarer than steps: observe the whole data once, then step on mini-batches alone.
        trace = self._observe()
        for _ in range(count):
            block = self.problem.rows.take(next(self.sampler))
            gradient = self.units.batch * self.problem.block_gradient(block, self.coefficients)
            self.coefficients, self.velocity = self.step.move(self.coefficients, self.velocity, gradient)
        return trace

    def _overshot(self, trace: Trace) -> bool:
        """Whether the steps of a chunk were too long: a plain step below 1 / curvature never raises the loss."""
        loss = trace.loss
        if (
            not np.isfinite(loss).all()
            or not np.isfinite(trace.gradient_norm).all()
            or loss.max() > GROWTH * self._reference(float(loss[0]))
        ):
            return True
        if self.batch is not None or self.step.momentum > 0:
            return False
        return bool(np.any(np.diff(loss) > 1e-9 * np.abs(loss[:-1])))

    def _reference(self, first: float) -> float:
        """The size of loss that growth is measured against: the start's, but never rounding error of a perfect start."""
        if self.reference is None:
            self.reference = max(abs(first), 1e-12 * (1.0 + self.problem.target_scale**2) * self.units.whole)
        return self.reference

    def _observe(self) -> Trace:
        """The objective at the current coefficients: a step of rate zero, in the loop's own arithmetic."""
        return self.descent.run(self.coefficients, np.zeros_like(self.velocity), 1, Step(0.0, 0.0, False), None)[2]

    def _keep(self, trace: Trace, first: int) -> None:
        """Record what is due, and stop at the first record that diverged or that a callback chose."""
        kept = []
        for t in range(len(trace.loss)):
            step = first + t
            loss = float(trace.loss[t])
            if step == 0 and not math.isfinite(loss + float(trace.gradient_norm[t])):
                raise SolverError(self.problem.why_not_finite(trace.coefficients[t], int(math.isfinite(loss))))
            due = step % self.every == 0 or step == self.settings.steps
            if not math.isfinite(loss) or loss > GROWTH * self._reference(loss):
                self.diverged, due = True, True
                size = "1,000 times the start or more" if math.isfinite(loss) else "not finite"
                self.stop = f"the loss was {loss:.3g} at step {step}, {size}"
            if due:
                kept.append(t)
                self.steps.append(step)
                record = Record(step, loss, float(trace.gradient_norm[t]), trace.coefficients[t])
                wishes = [callback(record) for callback in self.settings.callbacks]
                if any(wishes) and self.stop is None:
                    self.stop = f"a callback ended the fit at step {step}"
            if self.stop is not None:
                break
        self.records.append(Trace(trace.loss[kept], trace.gradient_norm[kept], trace.coefficients[kept]))

    def _certificate(self, history: History, final: Record) -> Certificate:
        norm, begin = final.gradient_norm, history[0].gradient_norm
        if self.diverged:
            reason = f"stopped because {self.stop}; the coefficients are those of step {final.step}, the lowest loss seen"
            smaller = f"a rate well below {self.step.rate:.3g}"
            auto = "" if self.settings.learning_rate == "auto" else ' or learning_rate="auto"'
            return Certificate(False, norm, reason, f"Use {smaller}{auto}.")
        if self.stop is not None:
            return Certificate(True, norm, self.stop)
        steps = "1 step" if self.settings.steps == 1 else f"{self.settings.steps:,} steps"
        went = "rose" if norm > begin else "fell"
        reason = f"{steps} done; the gradient norm {went} from {begin:.3g} to {norm:.3g}"
        if norm == 0 and not self._is_lowest(final):
            flat = "; but it is zero on a kink or where the loss is flat, which is no minimum"
            return Certificate(False, norm, reason + flat, "Give another start=, where the loss changes with the coefficients.")
        if norm == 0 or self._near_enough(history, final):
            return Certificate(True, norm, reason)
        return Certificate(False, norm, reason, f"Use {self._advice()}.")

    def _is_lowest(self, final: Record) -> bool:
        """Whether a gradient of zero is that of a minimum: beside it, of a loss not known to be convex, the objective is not lower; and
        it is not flat all around."""
        if not self.problem.joint and self.problem.loss.is_convex:
            return True
        free = self.problem.free
        theta = free.contract(final.coefficients)
        return rises_beside(self.problem, free, theta) and lower_beside(self.problem, free, theta) is None

    def _near_enough(self, history: History, final: Record) -> bool:
        """Near the lowest loss, to second order since that itself is not known, or with kinks as the solver for these finds it: within 1 %
        of a squared loss, whose unit is the noise, within 0.1 % of any other, or within a billionth of the way down."""
        if self.problem.joint:
            return final.gradient_norm <= 0.01 * history[0].gradient_norm
        squared = self.problem.loss.squared_scale() is not None
        share = 0.01 if squared else 0.001
        if not squared and self.problem.loss.kinks() is not None:
            # A gradient that jumps says nothing of how far there is to go, and curvature leaves the jumps out.
            gain = self.units.whole * left_to_gain_by_solving(self.problem, final.coefficients, final.loss / self.units.whole)
        else:
            with np.errstate(all="ignore"):
                gain = self.units.whole * left_to_gain(self.problem, final.coefficients, final.loss / self.units.whole)
        if not math.isfinite(gain):
            return False
        return gain <= max(share * abs(final.loss - gain), 1e-9 * (history[0].loss - final.loss), 1e-12 * abs(final.loss))

    def _advice(self) -> str:
        """What might help that is not done already."""
        settings = self.settings
        advice = ["more steps"]
        if self.batch is not None:
            advice += ["larger batches", "a smaller learning_rate (against the noise of mini-batches)"]
        else:
            if settings.learning_rate != "auto":
                advice.append('learning_rate="auto"')
            if settings.momentum == 0:
                advice.append("momentum=0.9")
        advice.append("columns of a similar scale")
        return ", ".join(advice[:-1]) + " or " + advice[-1]


def _batches(n_rows: int, size: int, seed: int | None) -> Iterator[IntArray]:
    """Row numbers of each mini-batch: one shuffled epoch after another, cut into batches of one size."""
    generator = np.random.default_rng(seed)
    left = np.empty(0, dtype=np.int64)
    while True:
        while left.size < size:
            left = np.concatenate([left, generator.permutation(n_rows)])
        yield left[:size]
        left = left[size:]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise SolverError(f"{name} must be a whole number of at least 1, not {value!r}")
