"""Many strengths of a penalty at once, for any smooth loss: each pass over the rows serves them all, with and without each fold.

Every strength takes proximal Newton steps of its own (``newton``). What costs passes is shared: a pass gives the gradients of all of them,
and curvatures of a few, between which those of the others are interpolated along the path. A curvature that is a little off costs a step
more, no accuracy: each strength ends where its own gradient says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.linalg.curvature_factor import bent_upwards
from gradline.objective.many import Answer, Asked, evaluate_many
from gradline.objective.objective import Problem
from gradline.penalties.kinds import terms_of
from gradline.penalties.kinked import KinkedPart
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.rows.folds import Folds
from gradline.solvers.newton.beginning import constant_start
from gradline.solvers.protocol import Solution
from gradline.solvers.proximal.gap import convex_where_tried, lowest_loss
from gradline.solvers.proximal.quadratic_model import minimise_model
from gradline.solvers.proximal.steps import CONTRACTION, CONVERGED, EPSILON, NEAR, moved, slope_places, solution_at
from gradline.solvers.proximal.working_sets import is_wide

ANCHORS = 4
"""Curvatures of a pass, at most, beside the gradients; a fold takes one."""

SECANTS = 3
"""Of the last steps, that mend a curvature."""

MOST_PASSES = 25

SETTLED, SETTLED_FEW, FEW = 1e-9, 1e-12, 10**7
"""Of the coefficients: what the last step leaves; the same where rows hold fewer numbers than that, and a pass costs little."""

LEFT = 1e-4
"""Of the gradient without slopes: a violation with which no strength has ended."""

NEARER = 0.2
"""Of the violation: a step that leaves more asks for nearer curvatures."""

JOINING = 1e-3
"""Of the objective: what the steps of all rows promise when the folds begin, at the same coefficients."""

SAMPLED, SHARE = 20_000, 16
"""Rows of a sample on which a path begins, at least, and the share of all that it is: where it ends is near, and its curvatures with it."""

ROUGH = 1e-6
"""Of the objective: what a step on a sample promises where it ends."""

WIDEST = 1_500
"""Free coefficients of which several curvatures are held."""


@dataclass(eq=False)
class _Task:
    """One strength, of all rows or of those without a fold.

    x (d,), mean loss and gradient (d,) there, and the loss of the rows left out. trial: where the next pass looks.
    """

    place: int
    x: Array
    loss: float = np.inf
    gradient: Array = field(default_factory=lambda: np.zeros(0))
    held_out: float = 0.0
    objective: float = np.inf
    violation: float = np.inf
    trial: Array | None = None
    promise: float = np.inf
    contraction: float = 1.0
    """What the last step left of the violation."""
    share: float = 1.0
    """Of the step that is tried."""
    step: Array | None = None
    poor: bool = True
    """Whether the last step left more than it should: a nearer curvature is wanted."""
    secants: list[tuple[Array, Array]] = field(default_factory=list)
    """Steps that were taken, and by how much the gradient of the loss changed along them."""
    lingering: int = 0
    """Passes since the objective no longer tells one point from the next."""
    last: bool = False
    """Whether the step that is tried is its last."""
    ended: bool = False
    stuck: bool = False
    """Whether it has to be solved alone."""


@dataclass(eq=False)
class _Set:
    """The strengths of some rows: tasks from the strongest down, and curvatures (d, d) by the place of the strength they are of."""

    without: int | None
    tasks: list[_Task]
    anchors: dict[int, Array]
    held_weight: float = 0.0
    along: Array = field(default_factory=lambda: np.zeros(0))
    sampled: bool = False
    """Whether the curvatures are those of a sample."""

    @property
    def active(self) -> list[_Task]:
        return [task for task in self.tasks if not task.ended and not task.stuck]

    def measure(self) -> None:
        """How far along the path each strength is: curvatures change with the coefficients, not with the strength's name."""
        size = np.sqrt(np.maximum(next(iter(self.anchors.values())).diagonal(), 0.0))
        points = np.array([task.x if task.trial is None else task.trial for task in self.tasks]) * size
        self.along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])

    def curvature(self, place: int) -> Array:
        """Between the two nearest that are known."""
        known = sorted(self.anchors)
        left = max((at for at in known if at <= place), default=known[0])
        right = min((at for at in known if at >= place), default=known[-1])
        span = self.along[right] - self.along[left]
        if left >= right or not span > 0:
            return self.anchors[left]
        share = (self.along[place] - self.along[left]) / span
        return np.asarray((1.0 - share) * self.anchors[left] + share * self.anchors[right])

    def keep(self, place: int, curvature: Array, width: int) -> None:
        """A curvature of now, in place of older ones nearby."""
        for at in [at for at in self.anchors if abs(at - place) < width]:
            del self.anchors[at]
        self.anchors[place] = curvature


def _with_secants(curvature: Array, secants: list[tuple[Array, Array]]) -> Array:
    """The curvature that is right along the last steps: Broyden, Fletcher, Goldfarb and Shanno's (Nocedal and Wright 2006, section 6.1)."""
    found = curvature
    for step, change in secants[-SECANTS:]:
        along = found @ step
        bend, known = float(step @ change), float(step @ along)
        if not (bend > 1e-8 * known > 0) or bend > 1e8 * known:
            continue
        found = found - np.multiply.outer(along, along / known) + np.multiply.outer(change, change / bend)
    return found


class ManyFound(NamedTuple):
    """solutions: one a strength, of all rows; folds: the same without each fold; None where a strength has to be solved alone. held_out
    (K, m), weights (K,): the loss of the rows left out, summed, and their weights. passes: over the rows."""

    solutions: list[Solution | None]
    folds: list[list[Solution | None]]
    held_out: Array
    weights: Array
    passes: int


def takes_many(problem: Problem, penalties: Sequence[KinkedPenalty]) -> bool:
    """Whether all strengths can be solved at once: minima are the only ones there are, and curvatures small enough to hold."""
    convex = all(penalty.convex for penalty in penalties)
    if len(penalties) < 3 or not convex or problem.joint or problem.rows.coded_levels or problem.loss.flat_directions is not None:
        return False
    if problem.free.size > WIDEST or is_wide(replace(problem, penalty=penalties[0])):
        return False
    return problem.loss.is_convex or convex_where_tried(problem, constant_start(problem)) > 0


def solve_many(problem: Problem, penalties: Sequence[KinkedPenalty], folds: Folds | None, advance: Callable[[], None]) -> ManyFound:
    """The minima with each penalty, falling in strength, of all rows and without each fold."""
    problem = replace(problem, penalty=None)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        begun, gradient, size = None, 0.0, max(SAMPLED, problem.rows.n_rows // SHARE, 20 * problem.free.size)
        if 4 * size <= problem.rows.n_rows:
            near = _Run(problem.sample(size), penalties, None, lambda: None, rough=True)
            begun, gradient = near.sets()[0], near.size
        run = _Run(problem, penalties, folds, advance, size=gradient)
        return run.result(run.sets(begun))


class _Run:
    """All strengths and folds of one path."""

    def __init__(
        self,
        problem: Problem,
        penalties: Sequence[KinkedPenalty],
        folds: Folds | None,
        advance: Callable[[], None],
        rough: bool = False,
        size: float = 0.0,
    ) -> None:
        self.problem, self.penalties, self.folds, self.advance, self.rough = problem, penalties, folds, advance, rough
        self.free: CoefficientMap = problem.free
        places = slope_places(self.free, problem.rows.intercept)
        self.scales = [np.where(places >= 0, penalty.scales[places], 1.0) for penalty in penalties]
        self.parts: list[KinkedPart] = [penalty.part.restricted(places) for penalty in penalties]
        self.bends = not problem.loss.is_convex
        self.width = max(1, len(penalties) // 16)
        numbers = problem.rows.n_rows * problem.rows.n_columns
        self.settled = SETTLED_FEW if problem.rows.resident and numbers < FEW else SETTLED
        self.passes = 0
        self.size = size
        """Of the gradient without slopes."""

    def sets(self, begun: _Set | None = None) -> list[_Set]:
        """Where the strengths of all rows, and without each fold, end. begun: where they do on a sample."""
        if begun is None:
            first = self._begun()
        else:
            first = _Set(None, [_Task(task.place, task.x, trial=task.x) for task in begun.tasks], begun.anchors, sampled=True)
        sets, waiting = [first], [] if self.folds is None else list(range(self.folds.count))
        while self.passes < MOST_PASSES:
            with single_threaded_blas():
                for each in sets:
                    self._steps(each)
            if waiting and all(task.ended or task.stuck or task.promise <= JOINING * abs(task.objective) for task in first.tasks):
                for fold in waiting:
                    tasks = [_Task(task.place, task.x, trial=task.x if task.trial is None else task.trial) for task in first.tasks]
                    sets.append(_Set(fold, tasks, dict(first.anchors)))
                waiting = []
            working = [(each, [task for task in each.active if task.trial is not None]) for each in sets]
            working = [(each, tasks) for each, tasks in working if tasks]
            if not working:
                break
            self._evaluate(working)
        return sets

    def _begun(self) -> _Set:
        """All strengths at the same coefficients, where one evaluation is that of all."""
        begin = self.free.contract(constant_start(self.problem))
        first = _Set(None, [_Task(place, begin) for place in range(len(self.penalties))], {})
        answer = self._pass([Asked(self.free.expand(begin)[None], None, (0,))])[0]
        first.anchors[0] = self._kept(answer.curvatures[0])
        self.size = float(np.abs(answer.gradients[0]).max(initial=0.0))
        for task in first.tasks:
            self._stand(task, begin, float(answer.values[0]), self.free.restrict_gradient(answer.gradients[0]), 0.0)
        return first

    def _evaluate(self, working: list[tuple[_Set, list[_Task]]]) -> None:
        """A pass at the trials of all tasks, and what becomes of each."""
        asked = []
        for each, tasks in working:
            points = np.array([self.free.expand(task.trial) for task in tasks if task.trial is not None])
            asked.append(Asked(points, each.without, self._wanted(each, tasks)))
        answers = self._pass(asked)
        for (each, tasks), question, answer in zip(working, asked, answers, strict=True):
            each.held_weight = answer.held_weight
            if each.sampled and question.curvature_at:
                each.anchors, each.sampled = {}, False
            for at, curvature in zip(question.curvature_at, answer.curvatures, strict=True):
                if np.isfinite(curvature).all():
                    each.keep(tasks[at].place, self._kept(curvature), self.width)
            for at, task in enumerate(tasks):
                self._judge(task, answer, at)
                if task.last:
                    self._end(task)
            failed = [task for task in tasks if task.share < 1.0]
            if failed:
                self._borrow(each, failed)

    def _wanted(self, each: _Set, tasks: list[_Task]) -> tuple[int, ...]:
        """The trials whose curvature is taken: some of those whose last steps left too much, evenly among them."""
        poor = [at for at, task in enumerate(tasks) if task.poor]
        if not poor or (each.without is not None and not np.isfinite(tasks[0].objective)):
            return ()
        each.measure()
        cap = 1 if each.without is not None else 2 * ANCHORS if each.sampled else ANCHORS
        most = min(cap, 1 + len(poor) * 2 * ANCHORS // len(self.penalties))
        along = each.along[[tasks[at].place for at in poor]]
        ends = (0.0, 1.0) if most > 2 else (0.5, 0.5) if most == 1 else (0.25, 0.75)
        wanted = along[0] + np.linspace(*ends, most) * (along[-1] - along[0])
        return tuple(sorted({poor[int(np.abs(along - place).argmin())] for place in wanted}))

    def _pass(self, asked: list[Asked]) -> list[Answer]:
        self.passes += 1
        return evaluate_many(self.problem, asked, self.folds)

    def _kept(self, curvature: Array) -> Array:
        found = self.free.restrict_curvature(curvature)
        return bent_upwards(found) if self.bends else found

    def _stand(self, task: _Task, x: Array, loss: float, gradient: Array, held_out: float) -> None:
        task.x, task.loss, task.gradient, task.held_out = x, loss, gradient, held_out
        task.objective = self._objective(task.place, x, loss)
        task.violation = self._violation(task)

    def _objective(self, place: int, x: Array, loss: float) -> float:
        smooth, total = self.penalties[place].smooth_part, loss + self.parts[place].value(self.scales[place] * x)
        return total if smooth is None else total + terms_of(smooth, self.free.expand(x), self.problem.rows.intercept, 0).value

    def _whole_gradient(self, task: _Task) -> Array:
        """Of the loss and the smooth part of the penalty."""
        smooth = self.penalties[task.place].smooth_part
        if smooth is None:
            return task.gradient
        terms = terms_of(smooth, self.free.expand(task.x), self.problem.rows.intercept, 1)
        assert terms.gradient is not None
        return np.asarray(task.gradient + self.free.restrict_gradient(terms.gradient))

    def _violation(self, task: _Task) -> float:
        scales = self.scales[task.place]
        return float(np.abs(self.parts[task.place].violation(scales * task.x, self._whole_gradient(task) / scales)).max(initial=0.0))

    def _steps(self, each: _Set) -> None:
        """The next trial of every task, or its end."""
        before: Array | None = None
        each.measure()
        for task in each.active:
            if not np.isfinite(task.objective):
                continue
            if task.share < 1.0 and task.step is not None:
                task.trial = moved(task.x, task.share * task.step)
                continue
            before = self._step(each, task, before)

    def _step(self, each: _Set, task: _Task, before: Array | None) -> Array:
        """The minimum of parabola and penalty from here; returns it, near which that of the next strength is."""
        place = task.place
        scales, part = self.scales[place], self.parts[place]
        curvature, smooth = _with_secants(each.curvature(place), task.secants), self.penalties[place].smooth_part
        if smooth is not None:
            more = terms_of(smooth, self.free.expand(task.x), self.problem.rows.intercept, 2).curvature
            assert more is not None
            whole = np.diag(more.T.ravel()) if more.shape == self.problem.shape else more
            curvature = curvature + self.free.restrict_curvature(whole)
        matrix, scaled = curvature / np.outer(scales, scales), scales * task.x
        gradient = self._whole_gradient(task) / scales
        start = before if before is not None and task.violation > 0 and self.passes == 1 else scaled
        found = minimise_model(matrix, gradient - matrix @ scaled, part, start)
        if not found.bounded:
            # Damped, step by step: alone.
            task.trial, task.stuck = None, True
            return scaled
        change = found.x - scaled
        task.promise = -(float(gradient @ change) + 0.5 * float(change @ matrix @ change) + part.value(found.x) - part.value(scaled))
        task.step = np.where(found.x == 0, 0.0, task.x + change / scales) - task.x
        task.trial = moved(task.x, task.step)
        near = task.promise <= NEAR * abs(task.objective)
        settled = task.violation <= LEFT * self.size
        if near and not settled:
            # A model that led nowhere, though there is somewhere to go: one of a plain curvature, or else this strength goes alone.
            if task.secants:
                task.secants, task.poor = [], True
                return self._step(each, task, before)
            task.trial, task.stuck = None, True
            return scaled
        task.lingering += near
        reach = min(task.contraction, CONTRACTION) * float(np.abs(change).max(initial=0.0))
        small = reach <= self.settled * float(np.abs(scaled).max(initial=0.0))
        # The last step is taken too: what it leaves is what the gap is made of.
        task.last = task.promise <= ROUGH * abs(task.objective) if self.rough else near and (small or task.lingering > 5)
        if not change.any():
            self._end(task)
        return found.x

    def _end(self, task: _Task) -> None:
        task.ended, task.trial = True, None
        self.advance()

    def _judge(self, task: _Task, answer: Answer, at: int) -> None:
        """Whether the trial is where the task stands from now on."""
        trial, loss = task.trial, float(answer.values[at])
        assert trial is not None
        gradient = self.free.restrict_gradient(answer.gradients[at])
        if not np.isfinite(task.objective):
            # The first evaluation of what began elsewhere.
            if np.isfinite(loss) and np.isfinite(gradient).all():
                self._stand(task, trial, loss, gradient, float(answer.held_out[at]))
            task.poor = False
            return
        reached = self._objective(task.place, trial, loss)
        slack = 4.0 * EPSILON * abs(task.objective)
        usable = np.isfinite(reached) and np.isfinite(gradient).all()
        near = task.promise <= NEAR * abs(task.objective)
        if usable and (near or reached <= task.objective - 1e-4 * task.share * task.promise + slack):
            old = replace(task)
            task.secants.append((trial - task.x, gradient - task.gradient))
            self._stand(task, trial, loss, gradient, float(answer.held_out[at]))
            task.contraction = task.violation / old.violation if old.violation > 0 else 0.0
            task.poor = not task.contraction <= NEARER
            if near and not task.violation < old.violation:
                task.x, task.loss, task.gradient, task.held_out = old.x, old.loss, old.gradient, old.held_out
                task.objective, task.violation = old.objective, old.violation
            task.share = 1.0
            return
        task.share, task.poor = 0.3 * task.share, True

    def _borrow(self, each: _Set, failed: list[_Task]) -> None:
        """Tasks whose step led up begin from where a neighbour of theirs stands, where that is lower for them too."""
        for task in failed:
            best, lowest = None, task.objective
            for other in each.tasks:
                if other is not task and np.isfinite(other.loss):
                    there = self._objective(task.place, other.x, other.loss)
                    if there < lowest:
                        best, lowest = other, there
            if best is not None:
                self._stand(task, best.x, best.loss, best.gradient, best.held_out)
                task.share, task.secants = 1.0, []

    def result(self, sets: list[_Set]) -> ManyFound:
        lowest = lowest_loss(self.problem) if self.problem.loss.is_convex else None
        solutions = [self._solution(sets[0], task, lowest) for task in sets[0].tasks]
        count = 0 if self.folds is None else self.folds.count
        held, weights = np.full((count, len(self.penalties)), np.nan), np.zeros(count)
        folds: list[list[Solution | None]] = [[None] * len(self.penalties) for _ in range(count)]
        for each in sets[1:]:
            assert each.without is not None
            folds[each.without] = [self._solution(each, task, lowest) for task in each.tasks]
            held[each.without] = [task.held_out for task in each.tasks]
            weights[each.without] = each.held_weight
        return ManyFound(solutions, folds, held, weights, self.passes)

    def _solution(self, each: _Set, task: _Task, lowest: float | None) -> Solution | None:
        if not task.ended:
            return None
        penalty = self.penalties[task.place]
        problem = replace(self.problem, penalty=penalty.smooth_part)
        part, scales = self.parts[task.place], self.scales[task.place]
        return solution_at(problem, self.free, part, scales, task.x, task.objective, self._whole_gradient(task), CONVERGED, lowest)
