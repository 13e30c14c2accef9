"""Curvatures along a path of strengths: a few are known, and the others lie between them.

Those of all rows cost a symmetric product of all rows each. Those of a sample cost a small part of that, and say well how curvatures
change from one strength to the next and from one step to the next, though not how large they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gradline.base.types import Array

SECANTS = 3
"""Of the last steps, that mend a curvature."""

BELIEVED = 0.5
"""Of a curvature: what the sample may take from it."""


@dataclass(eq=False)
class Curvatures:
    """Of some strengths, (d, d) by their places: of all rows; of the sample at the same coefficients; and of the sample now.

    The last two are empty where there is no sample.
    """

    known: dict[int, Array] = field(default_factory=dict)
    then: dict[int, Array] = field(default_factory=dict)
    now: dict[int, Array] = field(default_factory=dict)

    def copied(self) -> Curvatures:
        return Curvatures(dict(self.known), dict(self.then), dict(self.now))

    def sizes(self) -> Array:
        """(d,): the roots of a diagonal of theirs."""
        return np.asarray(np.sqrt(np.maximum(next(iter(self.known.values())).diagonal(), 0.0)))

    def at(self, place: int, along: Array) -> Array:
        """Between the nearest that are known, and by as much more as the sample says. along (m,): how far along the path strengths are."""
        found = between(self.known, place, along)
        if not self.now or self.then.keys() != self.known.keys():
            return found
        more = between(self.now, place, along) - between(self.then, place, along)
        # Where the sample holds an outlying row many times too often, what it says may turn a curvature downwards.
        return found + more if _is_positive(BELIEVED * found + more) else found

    def excess(self, place: int, along: Array) -> Array:
        """By how much more those of all rows curve than the sample's, where that is known."""
        if not self.then or self.then.keys() != self.known.keys():
            return np.zeros_like(between(self.known, place, along))
        return np.asarray(between(self.known, place, along) - between(self.then, place, along))

    def keep(self, place: int, curvature: Array, width: int, along: Array) -> None:
        """One of all rows, in place of older ones nearby."""
        for at in [at for at in self.known if abs(at - place) < width]:
            del self.known[at]
            self.then.pop(at, None)
        self.known[place] = curvature
        if self.now:
            self.then[place] = between(self.now, place, along)


def between(known: dict[int, Array], place: int, along: Array) -> Array:
    """Of the two nearest, by their distances along the path."""
    left = max((at for at in known if at <= place), default=min(known))
    right = min((at for at in known if at >= place), default=max(known))
    span = along[right] - along[left]
    if left >= right or not span > 0:
        return known[left]
    share = (along[place] - along[left]) / span
    return np.asarray((1.0 - share) * known[left] + share * known[right])


def with_secants(curvature: Array, secants: list[tuple[Array, Array]]) -> Array:
    """The curvature that is right along the last steps: Broyden, Fletcher, Goldfarb and Shanno's (Nocedal and Wright 2006, section 6.1).

    secants: steps (d,) and the changes of the gradient along them.
    """
    found = curvature
    for step, change in secants[-SECANTS:]:
        along = found @ step
        bend, known = float(step @ change), float(step @ along)
        if not (bend > 1e-8 * known > 0) or bend > 1e8 * known:
            continue
        found = found - np.multiply.outer(along, along / known) + np.multiply.outer(change, change / bend)
    return found


def _is_positive(matrix: Array) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True
