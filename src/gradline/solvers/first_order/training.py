"""Training one step at a time: any rule, schedules, epochs, rows held out, callbacks that see each step.

Gradient descent at one rate runs many steps at once in a compiled loop (``run.py``); here each step is taken by itself, since something
looks at it or changes with it. The two walk the same path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradline.autodiff.tape import Step
from gradline.base import progress as progress_bar
from gradline.base.errors import SolverError
from gradline.base.types import Array, IntArray
from gradline.base.warnings import warn
from gradline.objective.objective import Problem
from gradline.schedules.decays import Schedule
from gradline.solvers.first_order.batches import epochs_of_batches, mini_batches
from gradline.solvers.first_order.callbacks import Callbacks, take_the_screen
from gradline.solvers.first_order.descents import Units, descent_for, units_of
from gradline.solvers.first_order.ending import Ended, certificate_of
from gradline.solvers.first_order.held_out import HeldOut, split
from gradline.solvers.first_order.learning_rate import largest_curvature
from gradline.solvers.first_order.rules import Rule
from gradline.solvers.first_order.settings import Training, batch_of
from gradline.solvers.history import History, Record
from gradline.solvers.protocol import Certificate, Solution

GROWTH = 1000.0
"""A loss this many times the start means divergence. Momentum and mini-batches raise the loss too, but never so far."""

HELD_OUT_REMEDY = "It is the minimum over the rows trained on; for that over all rows, fit without validation=."

LOOK = 50
"""Steps between looks at the curvature, where the rate follows it."""


class Prepared(NamedTuple):
    """The problem to train on, that of the rows held out or None, the rows of a mini-batch or None, and the loop's units."""

    problem: Problem
    held: Problem | None
    batch: int | None
    units: Units


def prepare(settings: Training, problem: Problem) -> Prepared:
    """Hold rows out where that is asked for. Raises ValueError for a part with nothing in it, and for batches larger than the data."""
    held = None
    if settings.validation is not None:
        problem, held = split(problem, settings.validation, settings.seed)
    batch = batch_of(settings, problem.rows.n_rows)
    return Prepared(problem, held, batch, units_of(problem, batch))


@dataclass(frozen=True)
class Method:
    """What makes the steps. name: as a Solution says it. adaptive: whether a rate that proves too long may be halved. advice: what might
    help where it has not converged."""

    name: str
    rule: Rule
    rate: Schedule
    fixed: float | None
    """The rate where it is one number; None for a schedule."""
    adaptive: bool
    momentum: bool
    """Whether a rising loss says nothing of the rate."""
    advice: tuple[str, ...]
    else_auto: str = ""
    """What is added to the advice of a smaller rate."""


def train(
    settings: Training, steps: int, method: Method, problem: Problem, prepared: Prepared, begin: Array, progress: bool | None
) -> Solution:
    """Run the steps. problem: with all rows, of which prepared may have held some out."""
    run = TrainingRun(settings, steps, method, prepared, begin)
    shown = False if take_the_screen(settings.callbacks) else progress
    # A diverging path overflows by nature; it is found and reported, not warned of operation by operation.
    with progress_bar.bar(method.name, run.total, shown) as advance, np.errstate(over="ignore", invalid="ignore"):
        for done, loss in run.records_made():
            advance(done, f"loss {loss:.6g}")
    return run.solution(problem)


class _Seen(NamedTuple):
    """The objective where the coefficients are now: loss, gradient norm and gradient (P, k), in the unit of the loop."""

    loss: float
    norm: float
    gradient: Array


class TrainingRun:
    """One run of the steps: the state that moves, and the records kept of it."""

    def __init__(self, settings: Training, steps: int, method: Method, prepared: Prepared, begin: Array) -> None:
        self.settings, self.method = settings, method
        self.problem, held, self.batch, self.units = prepared
        n = self.problem.rows.n_rows
        self.held = None if held is None else HeldOut(held.without_penalty(), self.units.whole)
        self.per_epoch = 1 if self.batch is None else -(-n // self.batch)
        self.total = steps if settings.epochs is None else settings.epochs * self.per_epoch
        self.descent = descent_for(self.problem, True, self.units)
        self._coefficients, self.state, self.step = begin.copy(), method.rule.begin(begin), 0
        self.schedule, self.shrunk = method.rate, 1.0
        self.fixed = method.fixed
        parameters = {"epochs": -(-self.total // self.per_epoch), "steps": self.per_epoch, "verbose": 0}
        self.callbacks = Callbacks(settings.callbacks, self, parameters)
        self.every = settings.record_every or self._usual_records(n)
        self.batches = self._batches(n)
        self.records: list[Record] = []
        self.stop: str | None = None
        self.diverged = False
        self.best: int | None = None
        self.waited = 0
        self.seen: _Seen | None = None
        self.reference: float | None = None
        self.last_rate = self.rate

    @property
    def coefficients(self) -> Array:
        """Where the training is, (P, k)."""
        return self._coefficients

    @coefficients.setter
    def coefficients(self, value: Array) -> None:
        self._coefficients, self.seen = value, None

    @property
    def rate(self) -> float:
        """Of the next step. Raises ValueError for a schedule's rate that is no number of at least 0."""
        rate = self.schedule(self.step)
        try:
            number = float(rate)
        except (TypeError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise SolverError(f"the learning rate of step {self.step} is {rate!r}; a schedule gives a finite number of at least 0")
        return self.shrunk * number

    @rate.setter
    def rate(self, value: float) -> None:
        if value != self.rate:
            self.schedule, self.shrunk, self.fixed = (lambda step: value), 1.0, None
            assert self.rate >= 0

    def _usual_records(self, n: int) -> int:
        if self.batch is None:
            return 1
        return self.per_epoch if self.settings.epochs is not None else max(1, n // (32 * self.batch))

    def _batches(self, n: int) -> Iterator[IntArray] | None:
        if self.batch is None:
            return None
        make = mini_batches if self.settings.epochs is None else epochs_of_batches
        return make(n, self.batch, self.settings.seed, self.settings.shuffle)

    def records_made(self) -> Iterator[tuple[int, float]]:
        """Run to the end, yielding (steps done, loss) after each record."""
        callbacks = self.callbacks
        callbacks.call("on_train_begin", None)
        self._record()
        while self.step < self.total and self.stop is None:
            if self.step % self.per_epoch == 0:
                callbacks.call("on_epoch_begin", self.step // self.per_epoch, None)
            self._advance(self._until_record())
            self._record()
            if self.step % self.per_epoch == 0 or self.step == self.total:
                callbacks.call("on_epoch_end", -(-self.step // self.per_epoch) - 1, self._logs())
            if callbacks.stopped and self.stop is None:
                self.stop = f"a callback ended the fit at step {self.step}"
            yield self.step, self.records[-1].loss
        callbacks.call("on_train_end", self._logs())

    def _until_record(self) -> int:
        ends = [self.every - self.step % self.every, self.total - self.step]
        if self.settings.epochs is not None or self.callbacks.watch_steps:
            ends.append(self.per_epoch - self.step % self.per_epoch)
        return min(ends)

    def _advance(self, count: int) -> None:
        """So many steps; fewer where a callback ends the training among them."""
        if not self.method.adaptive:
            for _ in range(count):
                self._take_step(None if self.batches is None else next(self.batches))
                if self.callbacks.stopped:
                    return
            return
        if self.method.momentum and self.step % LOOK < count and self.step and not self.problem.joint:
            # With momentum a rising loss says nothing, so the rate follows the curvature where the path has come to.
            largest = largest_curvature(self.problem, self.coefficients, None)
            if largest > 0 and self.rate > 1.0 / (largest * self.units.batch):
                self.shrunk *= 1.0 / (largest * self.units.batch) / self.rate
        chosen = [None if self.batches is None else next(self.batches) for _ in range(count)]
        start, before = (self.coefficients, self.state, self.step, self.seen), self._look().loss
        while True:
            for rows in chosen:
                self._take_step(rows)
                if self.callbacks.stopped:
                    return
            if not self._overshot(before) or self.rate < 1e-300:
                return
            self.shrunk *= 0.5
            self.coefficients, self.state, self.step, self.seen = start

    def _overshot(self, before: float) -> bool:
        """Whether the steps were too long: a plain step below 1 / curvature never raises the loss."""
        now = self._look()
        if not (math.isfinite(now.loss) and math.isfinite(now.norm)) or now.loss > GROWTH * self._reference(before):
            return True
        return self.batch is None and not self.method.momentum and now.loss > before + 1e-9 * abs(before)

    def _take_step(self, rows: IntArray | None) -> None:
        batch, watched = self.step % self.per_epoch, self.callbacks.watch_steps
        if watched:
            self.callbacks.call("on_train_batch_begin", batch, None)
        if rows is None:
            loss, _, gradient = self._look()
        else:
            loss, gradient = self._of_batch(rows)
        self.last_rate = self.rate
        self.coefficients, self.state = self.method.rule.move(self.coefficients, self.state, gradient, self.last_rate, self.step)
        self.step += 1
        if watched:
            self.callbacks.call("on_train_batch_end", batch, {"loss": loss})

    def _of_batch(self, rows: IntArray) -> tuple[float, Array]:
        """The loss of a mini-batch before its step, and its gradient. Where a loss adds up over the rows, both are those of its rows."""
        value, gradient = self.problem.block_evaluation(self.problem.rows.take(rows), self.coefficients)
        full = 1.0 if self.batch is None else len(rows) / self.batch
        unit = self.units.batch * (full if self.units != Units() else 1.0)
        return unit * value, unit * gradient

    def _look(self) -> _Seen:
        if self.seen is None:
            b = self.coefficients
            _, moved, trace = self.descent.run(b, np.zeros_like(b), 1, Step(1.0, 0.0, False), None)
            self.seen = _Seen(float(trace.loss[0]), float(trace.gradient_norm[0]), -moved)
        return self.seen

    def _reference(self, first: float) -> float:
        """The size of loss that growth is measured against: the start's, but never rounding error of a perfect start."""
        if self.reference is None:
            self.reference = max(abs(first), 1e-12 * (1.0 + self.problem.target_scale**2) * self.units.whole)
        return self.reference

    def _record(self) -> None:
        """Keep where the training has come to, and see whether it ends here."""
        loss, norm, _ = self._look()
        if self.step == 0 and not math.isfinite(loss + norm):
            raise SolverError(self.problem.why_not_finite(self.coefficients, int(math.isfinite(loss))))
        held = None if self.held is None else self.held.loss(self.coefficients)
        record = Record(self.step, loss, norm, self.coefficients.copy(), held, self.last_rate)
        self.records.append(record)
        self.callbacks.see(record)
        if not math.isfinite(loss) or loss > GROWTH * self._reference(loss):
            self.diverged = True
            size = "1,000 times the start or more" if math.isfinite(loss) else "not finite"
            self.stop = f"the loss was {loss:.3g} at step {self.step}, {size}"
        elif self.callbacks.stopped:
            self.stop = f"a callback ended the fit at step {self.step}"
        elif held is not None and self.settings.patience is not None and self._is_checked():
            self._judge(held)

    def _is_checked(self) -> bool:
        return self.settings.epochs is None or self.step % self.per_epoch == 0

    def _judge(self, held: float) -> None:
        """Early stopping: so many checks in a row without the loss of the rows held out falling by more than ``min_delta``."""
        assert self.settings.patience is not None
        best = self.best_held
        if best is None or held + self.settings.min_delta < best:
            self.best, self.waited = len(self.records) - 1, 0
            return
        self.waited += 1
        if self.waited >= self.settings.patience:
            checks = "epochs" if self.settings.epochs is not None else "steps" if self.every == 1 else "records"
            some = f"1 {checks[:-1]}" if self.waited == 1 else f"{self.waited:,} {checks}"
            self.stop = f"the loss of the rows held out had not fallen for {some}"

    @property
    def best_held(self) -> float | None:
        """The lowest loss of the rows held out so far, of those that were checked."""
        return None if self.best is None else self.records[self.best].validation_loss

    def _logs(self) -> dict[str, float]:
        last = self.records[-1]
        logs = {"loss": last.loss, "gradient_norm": last.gradient_norm, "learning_rate": self.last_rate}
        if last.validation_loss is not None:
            logs["val_loss"] = last.validation_loss
        return logs

    def solution(self, problem: Problem) -> Solution:
        """What was found, for the problem of all rows."""
        history, stop = self._history(), self.stop
        place = len(self.records) - 1
        if self.diverged:
            place = int(np.nanargmin(np.where(np.isfinite(history.loss), history.loss, np.nan)))
        elif self.best is not None:
            place = self.best
        final = self.records[place]
        if self.seen is None:  # a callback set other coefficients at the very end
            loss, norm, _ = self._look()
            final, stop = (
                Record(self.step, loss, norm, self.coefficients),
                stop or f"a callback set the coefficients after step {self.step}",
            )
        elif self.best is not None and not self.diverged:
            kept = f"the coefficients are those of {self._when(final)}, where it was lowest"
            stop = f"{stop or 'the last step was done'}; {kept}" if stop is None or "held out" in stop else f"{stop}; {kept}"
        whole, smaller = self.units.whole, f"a rate well below {self.last_rate:.3g}{self.method.else_auto}"
        ended = Ended(self.records[0], final, whole, self.step, stop, self.diverged, smaller, self._advice())
        certificate = certificate_of(self.problem, ended)
        if self.held is not None:
            final, whole = self._of_all(problem, final)
            certificate = self._certificate_of_all(problem, certificate, ended._replace(final=final, whole=whole))
        if certificate.remedy and not ended.was_asked_to_end and not self._is_of_the_rest(certificate):
            warn(f"{self.method.name} has not converged: {certificate.reason}. {certificate.remedy}")
        return Solution(
            np.array(final.coefficients),
            final.loss / whole,
            self.method.name,
            replace(certificate, gradient_norm=certificate.gradient_norm / whole),
            self.step + 1 if self.batch is None else len(history),
            history,
            learning_rate=None if self.fixed is None else self.rate,
            without_errors=(
                "" if self.held is None else "rows were held out (validation=), so the coefficients are no minimum over all rows"
            ),
        )

    def _of_all(self, problem: Problem, final: Record) -> tuple[Record, float]:
        """The fit is one of all rows, whichever were trained on: so are its loss and gradient, in the unit of a loop over all of them."""
        whole = units_of(problem, None).whole
        value, gradient, _ = problem.evaluate(final.coefficients, 1)
        assert gradient is not None
        return final._replace(loss=whole * value, gradient_norm=whole * float(np.linalg.norm(gradient))), whole

    def _certificate_of_all(self, problem: Problem, trained: Certificate, ended: Ended) -> Certificate:
        """What is proven of all rows, given what is of those trained on."""
        assert self.held is not None
        reason = f"{trained.reason}; {self.held.n_rows:,} of {problem.rows.n_rows:,} rows were held out"
        norm = ended.final.gradient_norm
        if not trained.converged:
            return Certificate(False, norm, reason, trained.remedy)
        converged = certificate_of(problem, ended).converged
        return Certificate(converged, norm, reason, "" if converged else HELD_OUT_REMEDY)

    def _is_of_the_rest(self, certificate: Certificate) -> bool:
        """Whether all that the rows trained on could give is there, and the minimum over all rows is elsewhere, as it has to be."""
        return certificate.remedy == HELD_OUT_REMEDY

    def _when(self, record: Record) -> str:
        if self.settings.epochs is None or record.step == 0:
            return f"step {record.step:,}" if record.step else "the start"
        return f"epoch {record.step // self.per_epoch:,}"

    def _advice(self) -> tuple[str, ...]:
        """What might help that is not done already."""
        more = "more epochs" if self.settings.epochs is not None else "more steps"
        noise = ("larger batches", "a smaller learning_rate (against the noise of mini-batches)") if self.batch is not None else ()
        return (more, *noise, *(() if noise else self.method.advice), "columns of a similar scale")

    def _history(self) -> History:
        records = self.records
        held = None
        if self.held is not None:
            held = np.array([record.validation_loss for record in records], dtype=np.float64)
        step = np.array([record.step for record in records], dtype=np.int64)
        return History(
            step,
            np.array([record.loss for record in records]),
            np.array([record.gradient_norm for record in records]),
            np.stack([record.coefficients for record in records]),
            held,
            np.array([record.learning_rate for record in records], dtype=np.float64),
            None if self.batch is None else step / self.per_epoch,
        )
