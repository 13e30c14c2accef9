"""What constraints are told of the model they are on: names, linear predictors, terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import IntArray
from gradline.base.words import nearest
from gradline.constraints.shapes import TermShape


def _no_shapes(variable: str, order: Sequence[str] | None, within: tuple[float, float] | None, along: int | None = None) -> list[TermShape]:
    return []


@dataclass(frozen=True)
class ConstraintColumns:
    """names (P,): of the design's columns. predictors (k,): of the linear predictors. labels (k P,): of the coefficients, in the order of
    vec(B). terms (P,): the term of the formula each column belongs to. intercept: whether the first column is one. movable (k P,): which
    coefficients the model has. shapes: of the terms of a variable, given the order of its levels or the range of its values; of a
    surface along one of its columns, by its number, where that is given."""

    names: tuple[str, ...]
    predictors: tuple[str, ...]
    labels: tuple[str, ...]
    terms: tuple[str, ...]
    intercept: bool
    movable: np.ndarray[tuple[int], np.dtype[np.bool_]]
    curves: tuple[bool, ...] = ()
    """(P,): whether a column is one of a curve's, whose coefficients mean nothing one by one; empty where none is."""
    shapes: Callable[[str, Sequence[str] | None, tuple[float, float] | None, int | None], list[TermShape]] = _no_shapes

    @property
    def size(self) -> int:
        """k P."""
        return len(self.labels)

    @property
    def slopes(self) -> IntArray:
        """The places of every slope that the model has, in vec(B), but for those of curves."""
        found = self.movable.copy()
        if self.curves:
            found &= ~np.tile(np.asarray(self.curves), len(self.predictors))
        if self.intercept:
            found[:: len(self.names)] = False
        return np.flatnonzero(found)

    def predictor_of(self, place: int) -> int:
        """The linear predictor of a place in vec(B)."""
        return place // len(self.names)

    def places(self, wanted: Sequence[str] | str | None) -> IntArray:
        """Of the coefficients named: a label, a column's name or a term's, in every linear predictor that has it; all slopes for None.

        Raises ArgumentError for a name that is none of these, with those that are near.
        """
        if wanted is None:
            return self.slopes
        found = list[int]()
        for name in [wanted] if isinstance(wanted, str) else wanted:
            found += self._places_of(str(name))
        return np.asarray(list(dict.fromkeys(found)), dtype=np.int64)

    def _places_of(self, name: str) -> list[int]:
        if name in self.labels:
            return [self.labels.index(name)]
        predictor, colon, rest = name.partition(":")
        within, own = ([self.predictors.index(predictor)], rest) if colon and predictor in self.predictors else (None, name)
        size = len(self.names)
        columns = [j for j, column in enumerate(self.names) if column == own]
        if not columns:
            columns = [j for j, term in enumerate(self.terms) if term == own]
            if self.curves and any(self.curves[j] for j in columns):
                raise ArgumentError(
                    f"the coefficients of the curve {own!r} mean nothing one by one, and cannot be held; hold its shape, as in"
                    f' gl.constraints.monotone("{own}", "increasing")'
                )
        predictors = range(len(self.predictors)) if within is None else within
        found = [a * size + j for a in predictors for j in columns if self.movable[a * size + j]]
        if not found:
            raise ArgumentError(self.unknown(name))
        return found

    def unknown(self, name: str) -> str:
        """The message for a name that is no coefficient, column or term."""
        known = list(dict.fromkeys([*self.names, *self.terms, *self.labels]))
        near = nearest(name, known, 3) or [one for one in known if len(name) >= 3 and one.startswith((f"{name}[", f"{name}_"))][:3]
        if near:
            return f"constraints name {name!r}, which is no coefficient; did you mean " + " or ".join(repr(one) for one in near) + "?"
        shown = ", ".join(repr(one) for one in known[:10]) + (", ..." if len(known) > 10 else "")
        return f"constraints name {name!r}, which is no coefficient; there are {shown}"
