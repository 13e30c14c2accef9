"""The strengths of a path on their way to their minima (``many``): where each stands, and what is known of curvatures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gradline.base.types import Array
from gradline.solvers.proximal.curvatures import Curvatures


@dataclass(eq=False)
class Task:
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
class StrengthSet:
    """The strengths of some rows: tasks from the strongest down, and curvatures by the places of the strengths they are of."""

    without: int | None
    tasks: list[Task]
    curvatures: Curvatures
    held_weight: float = 0.0
    along: Array = field(default_factory=lambda: np.zeros(0))
    sampled: bool = False
    """Whether the curvatures are those of a sample."""
    looked: Array | None = None
    """The coefficients (m, d) at which the sample was asked for its curvatures."""

    @property
    def active(self) -> list[Task]:
        return [task for task in self.tasks if not task.ended and not task.stuck]

    def points(self) -> Array:
        """(m, d): where the tasks are, or look next."""
        return np.array([task.x if task.trial is None else task.trial for task in self.tasks])

    def measure(self) -> None:
        """How far along the path each strength is: curvatures change with the coefficients, not with the strength's name."""
        points = self.points() * self.curvatures.sizes()
        self.along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])

    def evenly(self, most: int) -> list[int]:
        """So many places at most, evenly along the path."""
        wanted = np.linspace(0.0, self.along[-1], most)
        return sorted({int(np.abs(self.along - place).argmin()) for place in wanted})
