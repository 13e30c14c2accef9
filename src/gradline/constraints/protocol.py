"""What constraints owe the rest of gradline.

They are on the coefficients B (P, k) in the units of the data, the intercept's row first where there is one. vec(B) (k P,) has the
coefficients of the first linear predictor before those of the second, as the curvature of an objective does.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from gradline.base.types import Array


class Bounds(NamedTuple):
    """lower <= B <= upper, each (P, k); infinite where there is no bound, and equal where a coefficient is fixed."""

    lower: Array
    upper: Array


class LinearForms(NamedTuple):
    """m linear forms of the coefficients beside numbers: matrix (m, k P) times vec(B), and right (m,)."""

    matrix: Array
    right: Array


class Constraints(Protocol):
    """A convex polyhedron of coefficients that are allowed, not empty. Each part is None where there is none of its kind."""

    @property
    def name(self) -> str:
        """What to call them in a message, such as "bounds"."""

    @property
    def bounds(self) -> Bounds | None:
        """lower <= B <= upper."""

    @property
    def equalities(self) -> LinearForms | None:
        """matrix vec(B) = right."""

    @property
    def inequalities(self) -> LinearForms | None:
        """matrix vec(B) <= right."""
