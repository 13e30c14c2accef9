"""What the tutorial's page asks of a loss of the user's own, in any framework: the walk on points, the optimum, the surface."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.api.fitting import fit
from gradline.api.result import Fit
from gradline.base.errors import GradlineError
from gradline.base.types import Array
from gradline.fitting.run import problem_of
from gradline.objective.objective import Problem
from gradline.preparing.from_arrays import prepare_arrays
from gradline.solvers.first_order.gradient_descent import GradientDescent
from gradline.solvers.first_order.learning_rate import largest_curvature
from gradline.studio.messages import Compare, OnPoints, Surface, Walk
from gradline.studio.messages import Problem as Trouble
from gradline.studio.plain import number, numbers

GRID = 2**21
"""Predictions made at a time for a surface."""

HALVINGS = 40


@dataclass(frozen=True)
class Ground:
    """Points, in the units in which one walks. centre, spread (p,): coefficients of columns (x - centre) / spread are walked in."""

    x: Array
    y: Array
    weights: Array | None
    centre: Array
    spread: Array
    loss: Any

    def out(self, coefficients: Array) -> Array:
        """Coefficients (..., 1 + p) of the walk, in the user's units."""
        slopes = coefficients[..., 1:] / self.spread
        return np.concatenate([(coefficients[..., 0] - (slopes * self.centre).sum(axis=-1))[..., None], slopes], axis=-1)

    def into(self, coefficients: Array) -> Array:
        """The other way round."""
        slopes = coefficients[..., 1:]
        return np.concatenate([(coefficients[..., 0] + (slopes * self.centre).sum(axis=-1))[..., None], slopes * self.spread], axis=-1)

    @property
    def columns(self) -> Array:
        """What is walked on, (n, p)."""
        return (self.x - self.centre) / self.spread

    def problem(self) -> Problem:
        """The objective. Raises ValueError for a function that is no loss."""
        return problem_of(prepare_arrays(self.columns, self.y, loss=self.loss, prediction=None, backend=None, **self.beside))

    @property
    def beside(self) -> dict[str, Any]:
        """Arguments beside rows and loss."""
        return {"weights": self.weights, "frequencies": None, "offset": None, "intercept": True, "names": None}


def ground(asked: OnPoints, load: Callable[[str], Any], name: str | None = None) -> Ground:
    """The points of a question with a loss of the file. Raises Problem where there is nothing to walk on."""
    points = asked.points
    rows = len(points.y)
    if rows == 0:
        raise Trouble("points", "there are no points: add one")
    if any(len(row) != len(points.inputs) for row in points.x) or len(points.x) != rows:
        raise Trouble("points", f"each of the {rows} points needs a number for each of {', '.join(points.inputs)}")
    x = np.array(points.x, dtype=np.float64).reshape(rows, len(points.inputs))
    centre, spread = np.zeros(x.shape[1]), np.ones(x.shape[1])
    if asked.settings.standardised:
        centre, deviation = x.mean(axis=0), x.std(axis=0)
        spread = np.where(deviation > 0, deviation, 1.0)
    weights = None if points.weights is None else np.array(points.weights, dtype=np.float64)
    return Ground(x, np.array(points.y, dtype=np.float64), weights, centre, spread, load(name or asked.settings.loss.name))


def walk(asked: Walk, load: Callable[[str], Any]) -> dict[str, Any]:
    """The records of the first steps, the start among them, and why they ended early, if they did."""
    place, settings = ground(asked, load), asked.settings
    start = _start(asked, place)
    if settings.method == "newton":
        return {**_newton(place.problem(), place, start, asked.steps), "rate": 1.0, "warning": None}
    solver = GradientDescent(
        learning_rate=settings.rate,
        steps=asked.steps,
        momentum=settings.momentum,
        nesterov=settings.nesterov and settings.momentum > 0,
        batch_size=None if settings.batch is None or settings.batch >= len(place.y) else settings.batch,
        seed=settings.seed,
        record_every=1,
        allow_divergence=True,
    )
    found = fit(
        place.columns, place.y, loss=place.loss, weights=place.weights, solver=solver, start=start, covariance="none", progress=False
    )
    history = found.history
    assert history is not None
    coefficients = place.out(history.coefficients[:, :, 0])
    steps = [
        {"step": int(step), "loss": number(loss), "gradientNorm": number(norm), "coefficients": numbers(row)}
        for step, loss, norm, row in zip(history.step, history.loss, history.gradient_norm, coefficients, strict=True)
    ]
    ended = int(history.step[-1]) < asked.steps and not found.certificate.converged
    rate = found.learning_rate
    return {
        "steps": steps,
        "diverged": _sentence(found.certificate.reason) if ended else None,
        "rate": number(rate),
        "warning": None if rate is None else _too_fast(place, solver, rate),
    }


def _too_fast(place: Ground, solver: GradientDescent, rate: float) -> str | None:
    """What is known of a rate before the first step: on squared loss, whether it must diverge."""
    problem = place.problem()
    scale = problem.loss.squared_scale()
    if scale is None or solver.batch_size is not None:
        return None
    top = largest_curvature(problem, np.zeros(problem.shape), scale)
    momentum = solver.momentum or 0.0
    divided = 1.0 + 2.0 * momentum if solver.nesterov else 1.0
    largest = 2.0 * (1.0 + momentum) / (divided * top)
    if rate <= largest * (1.0 + 1e-12):
        return None
    return f"A rate of {rate:.6g} is above the largest stable one, {largest:.6g}: each step overshoots by more than it gains."


def _start(asked: OnPoints, place: Ground) -> Array:
    start = np.array(asked.settings.start or np.zeros(1 + place.x.shape[1]), dtype=np.float64)
    if start.shape != (1 + place.x.shape[1],):
        raise Trouble("settings, start", f"a start has {1 + place.x.shape[1]} numbers, the intercept first")
    return place.into(start)


def _newton(problem: Problem, place: Ground, start: Array, most: int) -> dict[str, Any]:
    """Newton's steps, each halved until the loss falls."""
    steps: list[dict[str, Any]] = []
    at = start[:, None]
    found = problem.evaluate(at, 2)
    for step in range(most + 1):
        gradient = np.asarray(found.gradient)
        norm = float(np.linalg.norm(gradient))
        steps.append(
            {"step": step, "loss": number(found.value), "gradientNorm": number(norm), "coefficients": numbers(place.out(at[:, 0]))}
        )
        if not (math.isfinite(found.value) and math.isfinite(norm)):
            return {"steps": steps, "diverged": "The loss is not finite here."}
        if norm <= 1e-14 * max(1.0, abs(found.value)) or step == most:
            return {"steps": steps, "diverged": None}
        curvature = np.asarray(found.curvature)
        values, vectors = np.linalg.eigh(curvature)
        size = np.abs(values)
        usable = size > 1e-12 * max(float(size.max()), 1e-300)
        if not usable.any():
            return {"steps": steps, "diverged": "The loss has no curvature here, and Newton's method no step."}
        parts = vectors.T @ gradient.ravel()
        direction = vectors[:, usable] @ (parts[usable] / size[usable])
        share = 1.0
        for _ in range(HALVINGS):
            tried = at - share * direction.reshape(at.shape)
            there = problem.evaluate(tried, 2)
            if math.isfinite(there.value) and there.value <= found.value:
                break
            share *= 0.5
        else:
            return {"steps": steps, "diverged": None}
        if there.value == found.value and share < 1.0:
            return {"steps": steps, "diverged": None}
        at, found = tried, there
    return {"steps": steps, "diverged": None}


def optimum(asked: OnPoints, load: Callable[[str], Any]) -> dict[str, Any]:
    """The coefficients of least loss, with their certificate."""
    return _optimum(ground(asked, load))


def _optimum(place: Ground) -> dict[str, Any]:
    return _described(place, _fitted(place))


def _fitted(place: Ground) -> Fit:
    return fit(place.columns, place.y, loss=place.loss, weights=place.weights, covariance="none", progress=False)


def _described(place: Ground, found: Fit) -> dict[str, Any]:
    coefficients = np.where(np.isfinite(found.coefficients), found.coefficients, 0.0)
    certificate, loss = found.certificate, found.loss_function
    # Of a loss that is not known to be convex another point may be lower.
    proven = certificate.converged and not loss.joint and loss.is_convex
    return {
        "coefficients": numbers(place.out(coefficients)),
        "loss": number(found.loss),
        "certificate": {
            "converged": certificate.converged,
            "gradientNorm": number(certificate.gradient_norm),
            "toOptimum": number(certificate.gap) if certificate.gap is not None else (0.0 if proven else None),
            "reason": _sentence(certificate.reason),
        },
    }


def _sentence(text: str) -> str:
    return text if not text else text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def stability(asked: OnPoints, load: Callable[[str], Any]) -> dict[str, Any]:
    """The largest stable rate at the optimum, and how fast the rate chosen goes there."""
    place, settings = ground(asked, load), asked.settings
    best = np.array(_optimum(place)["coefficients"], dtype=np.float64)
    problem = place.problem()
    curvature = problem.evaluate(place.into(best)[:, None], 2).curvature
    none: dict[str, Any] = {"largestRate": None, "curvatures": [], "predictedRate": None}
    if problem.joint or curvature is None or not np.isfinite(curvature).all():
        return {**none, "reason": "The loss has no curvature for each row, from which a largest rate would follow."}
    values = np.linalg.eigvalsh(curvature)[::-1]
    if not values[0] > 0:
        return {**none, "curvatures": numbers(values), "reason": "The loss has no curvature at its optimum: it is straight there."}
    momentum = settings.momentum
    divided = 1.0 + 2.0 * momentum if settings.nesterov and momentum > 0 else 1.0
    largest = 2.0 * (1.0 + momentum) / (divided * values[0])
    rate = 1.0 / values[0] if settings.rate == "auto" else float(settings.rate)
    reason = ""
    if problem.loss.squared_scale() is None:
        reason = "The curvature of this loss changes from place to place: the largest rate is that at the optimum."
    kept = values[values > 1e-12 * values[0]]
    return {
        "largestRate": number(largest),
        "curvatures": numbers(values),
        "predictedRate": number(max(shrinking(rate, momentum, settings.nesterov, float(value)) for value in kept)),
        "reason": reason,
    }


def shrinking(rate: float, momentum: float, nesterov: bool, curvature: float) -> float:
    """The factor by which the distance along a direction of this curvature shrinks a step: the larger root, in size, of what two
    consecutive steps satisfy (Goh 2017, "Why momentum really works")."""
    kept = 1.0 - rate * curvature
    if momentum == 0:
        return abs(kept)
    trace, determinant = (1.0 + momentum) * kept, momentum * kept
    if not nesterov:
        trace, determinant = kept + momentum, momentum
    return float(np.abs(np.roots([1.0, -trace, determinant])).max())


def surface(asked: Surface, load: Callable[[str], Any]) -> dict[str, Any]:
    """The mean loss on a grid of the intercept and the first slope of the walk; a second slope is held where the walk starts."""
    place = ground(asked, load)
    problem = place.problem()
    if problem.joint:
        raise Trouble("settings, loss", "this loss is one number for all rows together, and has no surface that is quickly drawn")
    first, second = (np.linspace(*ends, asked.size) for ends in (asked.first, asked.second))
    slopes, intercepts = np.meshgrid(second, first, indexing="ij")
    held = [np.full(slopes.size, number) for number in _start(asked, place)[2:]]
    cells = np.stack([intercepts.ravel(), slopes.ravel(), *held])
    design = np.column_stack([np.ones(len(place.y)), place.columns])
    weights = np.ones(len(place.y)) if place.weights is None else place.weights
    found: list[Array] = []
    step = max(1, GRID // len(place.y))
    for start in range(0, cells.shape[1], step):
        predictors = design @ cells[:, start : start + step]
        targets = np.repeat(place.y, predictors.shape[1])[:, None]
        with np.errstate(all="ignore"):
            values = problem.loss.derivatives(targets, predictors.reshape(-1, 1), 0).value.reshape(predictors.shape)
        found.append(weights @ values / weights.sum())
    return {"first": numbers(first), "second": numbers(second), "loss": numbers(np.concatenate(found))}


def compare(asked: Compare, load: Callable[[str], Any]) -> dict[str, Any]:
    """Each loss's optimum, its leave-one-out error, and how hard a point pulls at each distance."""
    return {"compared": [_compared(asked, load, spec.name) for spec in asked.losses]}


def _compared(asked: Compare, load: Callable[[str], Any], name: str) -> dict[str, Any]:
    place = ground(asked, load, name)
    found = _fitted(place)
    best = _described(place, found)
    left_out: float | None = None
    try:
        weights = {} if place.weights is None else {"weights": place.weights}
        left_out = float(found.diagnose(place.columns, place.y, **weights).leave_one_out_loss.left_out)
    except GradlineError:
        pass  # a kinked loss, or one of all rows together, has none
    residual = _residuals(place, np.array(best["coefficients"], dtype=np.float64))
    return {
        "loss": {"kind": "file", "name": name},
        "optimum": best,
        "leaveOneOut": number(left_out),
        "influence": {"residual": numbers(residual), "slope": _slopes(place, residual)},
    }


def _residuals(place: Ground, coefficients: Array) -> Array:
    distance = np.abs(place.y - coefficients[0] - place.x @ coefficients[1:])
    reach = float(distance.max(initial=0.0)) * 1.1 or 1.0
    return np.linspace(-reach, reach, 121)


def _slopes(place: Ground, residual: Array) -> Sequence[float | None]:
    """The derivative of the loss in its prediction, for a target in the middle of the points' at each residual."""
    middle = float(np.median(place.y))
    loss = place.problem().loss
    with np.errstate(all="ignore"):
        found = loss.derivatives(np.full((len(residual), 1), middle), (middle - residual)[:, None], 1)
    return numbers(np.asarray(found.gradient)[:, 0])
