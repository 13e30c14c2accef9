"""Many strengths of a penalty at once, for any smooth loss: each pass over the rows serves them all, with and without each fold.

Every strength takes proximal Newton steps of its own (``newton``). What costs passes is shared: a pass gives the gradients of all of them,
and curvatures of a few, between which those of the others are interpolated along the path. A curvature that is a little off costs a step
more, no accuracy: each strength ends where its own gradient says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradline.base.threads import single_threaded_blas
from gradline.base.types import Array
from gradline.linalg.curvature_factor import bent_upwards
from gradline.objective.many import Answer, Asked, evaluate_many
from gradline.objective.objective import Problem
from gradline.penalties.kinked_penalty import KinkedPenalty
from gradline.rows.folds import Folds
from gradline.solvers.newton.beginning import constant_start
from gradline.solvers.protocol import Solution
from gradline.solvers.proximal.curvatures import Curvatures, between, with_secants
from gradline.solvers.proximal.gap import convex_where_tried, lowest_loss
from gradline.solvers.proximal.path_objective import PathObjective
from gradline.solvers.proximal.steps import CONTRACTION, EPSILON, NEAR, moved
from gradline.solvers.proximal.strength_set import StrengthSet, Task
from gradline.solvers.proximal.working_sets import is_wide

ANCHORS = 4
"""Curvatures of a pass, at most, beside the gradients; a fold takes one."""

MOST_PASSES = 25

SETTLED, SETTLED_FEW, FEW = 1e-9, 1e-12, 10**7
"""Of the coefficients: what the last step leaves; the same where rows hold fewer numbers than that, and a pass costs little."""

SURE_TO = 1e-7
"""Of the objective: the gap that the last step leaves."""

LEFT = 1e-4
"""Of the gradient without slopes: a violation with which no strength has ended."""

NEARER = 0.2
"""Of the violation: a step that leaves more asks for nearer curvatures."""

JOINING = 1e-3
"""Of the objective: what the steps of all rows promise when the folds begin, at the same coefficients."""

SAMPLED, SHARE = 20_000, 32
"""Rows of a sample on which a path begins, at least, and the share of all that it is: where it ends is near, and its curvatures with it."""

LOOKS = 12
"""Curvatures of a sample, that say how those of all rows change."""

TILTS = 12
"""Strengths of all rows that say what the sample is off by."""

BENT = 3
"""Of these, whose curvature is taken: what it has beyond the sample's lies between them."""

MOVED = 3e-3
"""Of the coefficients: a change since the sample's curvatures were taken from which they are taken again."""

FURTHER = 1e-3
"""Of the objective: what a strength may begin above the minimum of a stronger one."""

ROUGH = 1e-5
"""Of the objective: what a step on a sample promises where it ends."""

WIDEST = 1_500
"""Free coefficients of which several curvatures are held."""


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
        begun, gradient, sample, size = None, 0.0, None, max(SAMPLED, problem.rows.n_rows // SHARE, 20 * problem.free.size)
        if 4 * size <= problem.rows.n_rows:
            sample = problem.sample(size)
            near = _Run(sample, penalties, None, lambda: None, rough=True)
            begun, gradient = near.sets()[0], near.size
        run = _Run(problem, penalties, folds, advance, size=gradient, sample=sample)
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
        sample: Problem | None = None,
    ) -> None:
        self.problem, self.penalties, self.folds, self.advance, self.rough = problem, penalties, folds, advance, rough
        self.sample = sample
        self.free = problem.free
        self.aim = PathObjective.of(problem, penalties, None if rough else lowest_loss(problem) if problem.loss.is_convex else None)
        self.bends = not problem.loss.is_convex
        self.width = max(1, len(penalties) // 16)
        numbers = problem.rows.n_rows * problem.rows.n_columns
        self.settled = SETTLED_FEW if problem.rows.resident and numbers < FEW else SETTLED
        self.passes = 0
        self.size = size
        """Of the gradient without slopes."""

    def sets(self, begun: StrengthSet | None = None) -> list[StrengthSet]:
        """Where the strengths of all rows, and without each fold, end. begun: where they do on a sample."""
        first = self._begun() if begun is None else self._carried_over(begun)
        sets, waiting = [first], [] if self.folds is None else list(range(self.folds.count))
        while self.passes < MOST_PASSES:
            with single_threaded_blas():
                for each in sets:
                    self._steps(each)
            if waiting and all(task.ended or task.stuck or task.promise <= JOINING * abs(task.objective) for task in first.tasks):
                for fold in waiting:
                    tasks = [Task(task.place, task.x, trial=task.x if task.trial is None else task.trial) for task in first.tasks]
                    sets.append(StrengthSet(fold, tasks, first.curvatures.copied()))
                waiting = []
            working = [(each, [task for task in each.active if task.trial is not None]) for each in sets]
            working = [(each, tasks) for each, tasks in working if tasks]
            if not working:
                break
            self._evaluate(working)
        return sets

    def _begun(self) -> StrengthSet:
        """All strengths at the same coefficients, where one evaluation is that of all."""
        begin = self.free.contract(constant_start(self.problem))
        first = StrengthSet(None, [Task(place, begin) for place in range(len(self.penalties))], Curvatures())
        answer = self._pass([Asked(self.free.expand(begin)[None], None, (0,))])[0]
        first.curvatures.known[0] = self._kept(answer.curvatures[0])
        self.size = float(np.abs(answer.gradients[0]).max(initial=0.0))
        for task in first.tasks:
            self._stand(task, begin, float(answer.values[0]), self.free.restrict_gradient(answer.gradients[0]), 0.0)
        return first

    def _carried_over(self, begun: StrengthSet) -> StrengthSet:
        """The strengths of all rows, near where they end, from where they do on the sample.

        A few say how the gradient of all rows differs from the sample's. Between them the difference changes little, since it is small and
        its own changes are smaller still; so each strength is taken along by steps over the sample, tilted by it.
        """
        assert self.sample is not None
        x = begun.points()
        each = StrengthSet(
            None, [Task(task.place, task.x, trial=task.x, poor=False) for task in begun.tasks], begun.curvatures, sampled=True
        )
        each.measure()
        places = each.evenly(TILTS)
        bent = sorted({round(at) for at in np.linspace(0, len(places) - 1, BENT)})
        points = np.array([self.free.expand(x[place]) for place in places])
        answer = self._pass([Asked(points, None, tuple(bent))])[0]
        if not (np.isfinite(answer.gradients).all() and all(np.isfinite(curvature).all() for curvature in answer.curvatures)):
            for task in each.tasks:
                task.poor = True
            return each
        self._keep(each, [places[at] for at in bent], answer.curvatures, few=True)
        tilts = {
            place: self.free.restrict_gradient(gradient) - begun.tasks[place].gradient
            for place, gradient in zip(places, answer.gradients, strict=True)
        }
        gradients = [task.gradient + between(tilts, task.place, each.along) for task in begun.tasks]
        self._carry(each, gradients)
        self._look(each, each.points(), each.evenly(LOOKS))
        sampled = evaluate_many(self.sample, [Asked(np.array([self.free.expand(point) for point in each.points()]), None)])[0]
        gradients = []
        for task, old, loss, gradient in zip(each.tasks, begun.tasks, sampled.values, sampled.gradients, strict=True):
            tilt, step = between(tilts, task.place, each.along), task.x - old.x
            there = self.aim.value(task.place, task.x, float(loss)) + float(tilt @ step)
            tilt = tilt + each.curvatures.excess(task.place, each.along) @ step
            gradients.append(self.free.restrict_gradient(gradient) + tilt)
            if not there <= old.objective + ROUGH * abs(old.objective):
                # The step led up, and so it is not taken; nor is another.
                task.x = task.trial = old.x
                gradients[-1] = np.full(len(tilt), np.nan)
        self._carry(each, gradients)
        each.measure()
        return each

    def _carry(self, each: StrengthSet, gradients: list[Array]) -> None:
        """A step of each strength, from gradients (d,) that no pass gave; none from one that is not finite."""
        with single_threaded_blas():
            for task, gradient in zip(each.tasks, gradients, strict=True):
                if not np.isfinite(gradient).all():
                    continue
                scaled, curvature = self.aim.scales[task.place] * task.x, each.curvatures.at(task.place, each.along)
                _, found = self.aim.minimum(task.place, task.x, gradient, curvature, scaled)
                if found is not None:
                    task.x = task.trial = moved(task.x, self.aim.move(task.place, task.x, found))

    def _evaluate(self, working: list[tuple[StrengthSet, list[Task]]]) -> None:
        """A pass at the trials of all tasks, and what becomes of each."""
        asked = []
        for each, tasks in working:
            points = np.array([self.free.expand(task.trial) for task in tasks if task.trial is not None])
            asked.append(Asked(points, each.without, self._wanted(each, tasks)))
        answers = self._pass(asked)
        for (each, tasks), question, answer in zip(working, asked, answers, strict=True):
            each.held_weight = answer.held_weight
            if question.curvature_at:
                self._keep(each, [tasks[at].place for at in question.curvature_at], answer.curvatures)
            begins = [task for task in tasks if not np.isfinite(task.objective)]
            for at, task in enumerate(tasks):
                self._judge(task, answer, at)
                if task.last:
                    self._end(task)
            failed = [task for task in tasks if task.share < 1.0] + self._astray(each, begins)
            if failed:
                self._borrow(each, failed)
            for task in begins:
                if not np.isfinite(task.objective):
                    task.trial, task.stuck = None, True
            self._look_again(each)

    def _keep(self, each: StrengthSet, places: list[int], curvatures: list[Array], few: bool = False) -> None:
        """Curvatures at the trials of some strengths. few: the sample is asked at these only."""
        if each.sampled:
            each.curvatures, each.sampled = Curvatures(), False
        if each.without is None:
            self._look(each, each.points(), places if few else sorted({*each.evenly(LOOKS), *places}))
        for place, curvature in zip(places, curvatures, strict=True):
            if np.isfinite(curvature).all():
                each.curvatures.keep(place, self._kept(curvature), self.width, each.along)

    def _look(self, each: StrengthSet, points: Array, places: list[int]) -> None:
        """Ask the sample, where there is one, for its curvatures at some of the points (m, d)."""
        if self.sample is None:
            return
        asked = Asked(np.array([self.free.expand(points[place]) for place in places]), None, tuple(range(len(places))))
        found = evaluate_many(self.sample, [asked])[0].curvatures
        if all(np.isfinite(curvature).all() for curvature in found):
            each.curvatures.now = {place: self._kept(curvature) for place, curvature in zip(places, found, strict=True)}
            each.looked = points

    def _look_again(self, each: StrengthSet) -> None:
        """Where the strengths have moved on since. Steps from there on were taken under other curvatures."""
        if each.looked is None:
            return
        points = np.array([task.x for task in each.tasks])
        if np.linalg.norm(points - each.looked) > MOVED * np.linalg.norm(points):
            each.measure()
            self._look(each, points, each.evenly(LOOKS))
            for task in each.active:
                task.secants = []

    def _wanted(self, each: StrengthSet, tasks: list[Task]) -> tuple[int, ...]:
        """The trials whose curvature is taken: some of those whose last steps left too much, evenly among them."""
        poor = [at for at, task in enumerate(tasks) if task.poor]
        if not poor or (each.without is not None and not np.isfinite(tasks[0].objective)):
            return ()
        each.measure()
        cap = 1 if each.without is not None else ANCHORS
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

    def _stand(self, task: Task, x: Array, loss: float, gradient: Array, held_out: float) -> None:
        task.x, task.loss, task.gradient, task.held_out = x, loss, gradient, held_out
        task.objective = self.aim.value(task.place, x, loss)
        task.violation = self.aim.violation(task.place, x, gradient)

    def _steps(self, each: StrengthSet) -> None:
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

    def _step(self, each: StrengthSet, task: Task, before: Array | None) -> Array:
        """The minimum of parabola and penalty from here; returns it, near which that of the next strength is."""
        curvature = with_secants(each.curvatures.at(task.place, each.along), task.secants)
        scaled = self.aim.scales[task.place] * task.x
        start = before if before is not None and task.violation > 0 and self.passes == 1 else scaled
        promise, found = self.aim.minimum(task.place, task.x, task.gradient, curvature, start)
        if found is None:
            # Damped, step by step: alone.
            task.trial, task.stuck = None, True
            return scaled
        change, task.promise = found - scaled, promise
        task.step = self.aim.move(task.place, task.x, found)
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
        small = reach <= self.settled * float(np.abs(scaled).max(initial=0.0)) and (
            each.without is not None
            or min(task.contraction, CONTRACTION) * self.aim.gap(task.place, task.x, task.gradient, task.objective)
            <= SURE_TO * abs(task.objective)
        )
        # The last step is taken too: what it leaves is what the gap is made of.
        task.last = task.promise <= ROUGH * abs(task.objective) if self.rough else near and (small or task.lingering > 5)
        if not change.any():
            self._end(task)
        return found

    def _end(self, task: Task) -> None:
        task.ended, task.trial = True, None
        self.advance()

    def _judge(self, task: Task, answer: Answer, at: int) -> None:
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
        reached = self.aim.value(task.place, trial, loss)
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

    def _astray(self, each: StrengthSet, begins: list[Task]) -> list[Task]:
        """Tasks that began too far off: a minimum is never above that of a stronger penalty."""
        found, lowest = list[Task](), np.inf
        for task in begins:
            if not task.objective < np.inf or task.objective > lowest + FURTHER * abs(lowest):
                task.poor = True
                found.append(task)
            lowest = min(lowest, task.objective)
        return found

    def _borrow(self, each: StrengthSet, failed: list[Task]) -> None:
        """Tasks whose step led up begin from where a neighbour of theirs stands, where that is lower for them too."""
        for task in failed:
            best, lowest = None, task.objective
            for other in each.tasks:
                if other is not task and np.isfinite(other.loss):
                    there = self.aim.value(task.place, other.x, other.loss)
                    if there < lowest:
                        best, lowest = other, there
            if best is not None:
                self._stand(task, best.x, best.loss, best.gradient, best.held_out)
                task.share, task.secants = 1.0, []

    def result(self, sets: list[StrengthSet]) -> ManyFound:
        solutions = [self._solution(task) for task in sets[0].tasks]
        count = 0 if self.folds is None else self.folds.count
        held, weights = np.full((count, len(self.penalties)), np.nan), np.zeros(count)
        folds: list[list[Solution | None]] = [[None] * len(self.penalties) for _ in range(count)]
        for each in sets[1:]:
            assert each.without is not None
            folds[each.without] = [self._solution(task) for task in each.tasks]
            held[each.without] = [task.held_out for task in each.tasks]
            weights[each.without] = each.held_weight
        return ManyFound(solutions, folds, held, weights, self.passes)

    def _solution(self, task: Task) -> Solution | None:
        return self.aim.solution(task.place, task.x, task.gradient, task.objective) if task.ended else None
