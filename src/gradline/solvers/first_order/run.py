"""Gradient descent at one rate: many steps at once, in the compiled loop of whatever framework the loss is written in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradline.autodiff.tape import Step, Trace
from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.solvers.first_order.batches import mini_batches
from gradline.solvers.first_order.descents import descent_for
from gradline.solvers.first_order.ending import Ended, certificate_of
from gradline.solvers.first_order.learning_rate import largest_curvature
from gradline.solvers.first_order.settings import Training
from gradline.solvers.first_order.training import GROWTH, Method, Prepared
from gradline.solvers.history import History, Record
from gradline.solvers.protocol import Solution


class DescentRun:
    """One run of the steps: the state that moves, and the records kept of it."""

    def __init__(self, settings: Training, total: int, method: Method, prepared: Prepared, step: Step, begin: Array) -> None:
        self.problem, _, self.batch, self.units = prepared
        self.settings, self.total, self.method, self.step, self.adaptive = settings, total, method, step, method.adaptive
        problem, batch, n = self.problem, self.batch, self.problem.rows.n_rows
        self.every = settings.record_every or (1 if batch is None else max(1, n // (32 * batch)))
        self.descent = descent_for(problem, batch is None, self.units)
        self.coefficients, self.velocity = begin, np.zeros_like(begin)
        self.records: list[Trace] = []
        self.steps: list[int] = []
        self.rates: list[float] = []
        self.stop: str | None = None
        self.diverged = False
        self.reference: float | None = None
        self.sampler = mini_batches(n, batch, settings.seed, settings.shuffle) if batch is not None else None

    def chunks(self) -> Iterator[tuple[int, float]]:
        """Run to the end, yielding (steps done, loss) after each chunk."""
        total, done = self.total, 0
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
        """What was found."""
        path = Trace(*(np.concatenate(part) for part in zip(*self.records, strict=True)))
        steps = np.array(self.steps, dtype=np.int64)
        epoch = None if self.batch is None else np.asarray(steps * (self.batch / self.problem.rows.n_rows), dtype=np.float64)
        history = History(steps, path.loss, path.gradient_norm, path.coefficients, None, np.array(self.rates), epoch)
        best = len(history) - 1
        if self.diverged:
            best = int(np.nanargmin(np.where(np.isfinite(path.loss), path.loss, np.nan)))
        final = history[best]
        whole = self.units.whole
        noise = ("larger batches", "a smaller learning_rate (against the noise of mini-batches)")
        advice = ("more steps", *(self.method.advice if self.batch is None else noise), "columns of a similar scale")
        smaller = f"a rate well below {self.step.rate:.3g}{self.method.else_auto}"
        ended = Ended(history[0], final, whole, self.total, self.stop, self.diverged, smaller, advice)
        certificate = certificate_of(self.problem, ended)
        if not certificate.converged and not ended.was_asked_to_end:
            warn(f"gradient descent has not converged: {certificate.reason}. {certificate.remedy}")
        passes = history.step[-1] + 1 if self.batch is None else len(history)
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
        chunk = max(-(-self.total // 100), 2_000_000 // work)
        if self.adaptive:
            chunk = min(chunk, 50)
        room = max(1, 2**20 // self.coefficients.size)
        return max(1, min(chunk, room, self.total))

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
            due = step % self.every == 0 or step == self.total
            if not math.isfinite(loss) or loss > GROWTH * self._reference(loss):
                self.diverged, due = True, True
                size = "1,000 times the start or more" if math.isfinite(loss) else "not finite"
                self.stop = f"the loss was {loss:.3g} at step {step}, {size}"
            if due:
                kept.append(t)
                self.steps.append(step)
                self.rates.append(self.step.rate)
                record = Record(step, loss, float(trace.gradient_norm[t]), trace.coefficients[t], None, self.step.rate)
                # All of them see it, whatever the first ones wish.
                wishes = [callback(record) for callback in self.settings.callbacks]
                if any(wishes) and self.stop is None:
                    self.stop = f"a callback ended the fit at step {step}"
            if self.stop is not None:
                break
        self.records.append(Trace(trace.loss[kept], trace.gradient_norm[kept], trace.coefficients[kept]))
