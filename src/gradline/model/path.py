"""The record of a path: one model for each strength of a penalty, and what was held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array, IntArray
from gradline.inference.absent import NoInference, after_selection
from gradline.model.record import Model
from gradline.penalties.kinked_penalty import trail_of, with_trail
from gradline.penalties.protocol import Penalty
from gradline.solvers.protocol import Certificate, Solution


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The loss of rows that were held out, for each strength: mean (m,), and its standard error over the folds (m,); of_fold (K, m);
    weights (K,): of the folds. how: what was held out, in words. Of leave-one-out, where each row is a fold, K is zero, and refits says of
    how many rows and strengths the fit without the row was made anew."""

    mean: Array
    error: Array
    of_fold: Array
    weights: Array
    how: str
    refits: int = 0

    @property
    def best(self) -> int:
        """The place of the strength whose mean is least."""
        return int(np.argmin(self.mean))


@dataclass(frozen=True, eq=False)
class Trail:
    """What a fit keeps of the path that its strength was chosen from: as in a ``PathRecord``."""

    strengths: Array
    coefficients: Array
    losses: Array
    gaps: Array
    penalties: tuple[Penalty, ...]
    held_out: HeldOut | None

    @property
    def best(self) -> Array | None:
        """The coefficients (P, k) of least held-out loss; None where nothing was held out."""
        return None if self.held_out is None else np.asarray(self.coefficients[self.held_out.best])


@dataclass(frozen=True, eq=False)
class PathRecord:
    """strengths (m,), falling. coefficients (m, P, k). losses (m,): mean losses a row; objectives (m,): with the penalty. gaps (m,): how
    far an objective can be above its minimum, NaN where that is not known. gradient_norms (m,): of what the
    penalty leaves of the gradient. converged (m,). penalties: the m penalties. held_out: None where
    nothing was. template: a model of the same rows, whose solution stands for any of the path. passes: how often the rows were read.
    breakpoints: the strengths at which a slope enters or leaves, falling, as far as the path goes; between them slopes are straight lines
    of the strength. None where they are not, or were not looked for: for squared loss and a lasso they are known."""

    strengths: Array
    coefficients: Array
    losses: Array
    objectives: Array
    gaps: Array
    gradient_norms: Array
    converged: np.ndarray[tuple[int], np.dtype[np.bool_]]
    penalties: tuple[Penalty, ...]
    held_out: HeldOut | None
    template: Model
    passes: int
    breakpoints: Array | None = None

    @property
    def nonzero(self) -> IntArray:
        """How many slopes are not zero, (m,)."""
        first = int(self.template.has_intercept)
        return np.asarray((self.coefficients[:, first:] != 0).sum(axis=(1, 2)), dtype=np.int64)

    @property
    def best_place(self) -> int:
        """The strength of least held-out loss. Raises ValueError where nothing was held out."""
        return self._held().best

    @property
    def within_one_error_place(self) -> int:
        """The largest strength whose held-out loss is within one standard error of the least."""
        held = self._held()
        return int(np.flatnonzero(held.mean <= held.mean[held.best] + held.error[held.best])[0])

    def _held(self) -> HeldOut:
        if self.held_out is None:
            raise ArgumentError('no rows were held out: ask for it, as in gl.path(..., choose="folds")')
        return self.held_out

    def place_of(self, strength: float) -> int:
        """Where a strength is on the path. Raises ValueError where it is not on it."""
        if isinstance(strength, bool) or not isinstance(strength, int | float | np.integer | np.floating) or not strength >= 0:
            raise ArgumentError(f"strength must be one of the path's strengths, a number of at least 0, not {strength!r}")
        place = int(np.argmin(np.abs(np.log(np.maximum(self.strengths, 1e-300) / max(strength, 1e-300)))))
        if not np.isclose(self.strengths[place], strength, rtol=1e-6):
            raise ArgumentError(
                f"the path has no strength {strength:g}; the nearest is {self.strengths[place]:.6g}. Give strengths= to gl.path, or fit"
                " it with gl.fit"
            )
        return place

    def model(self, place: int) -> Model:
        """The model of one strength."""
        gap = float(self.gaps[place])
        certificate = Certificate(
            bool(self.converged[place]),
            float(self.gradient_norms[place]),
            "no step lowers the objective beyond rounding" if self.converged[place] else "the path stopped before its optimum",
            "" if self.converged[place] else "Fit this strength alone, with gl.fit.",
            None if np.isnan(gap) else gap,
        )
        solution = Solution(self.coefficients[place], float(self.objectives[place]), "ProximalNewton", certificate, self.passes)
        reason = "the penalty has kinks, where an estimate is not near normal" + after_selection(
            self.template.loss_function, self.penalties[place]
        )
        trail, held = Trail(self.strengths, self.coefficients, self.losses, self.gaps, self.penalties, self.held_out), self.held_out
        best = held is not None and place == self.best_place
        penalty = with_trail(self.penalties[place], trail, held.how if best and held is not None else "")
        return replace(self.template, solution=solution, penalty=penalty, uncertainty=NoInference(reason))


def path_of(model: Model) -> PathRecord | None:
    """The path that a model's strength was chosen from; None where it was given."""
    trail: Trail | None = trail_of(model.penalty)
    if trail is None:
        return None
    nothing = np.full(len(trail.strengths), np.nan)
    return PathRecord(
        trail.strengths,
        trail.coefficients,
        trail.losses,
        nothing,
        trail.gaps,
        nothing,
        np.ones(len(nothing), dtype=np.bool_),
        trail.penalties,
        trail.held_out,
        model,
        model.solution.passes,
    )
