"""Columns that others say but for their last digits, such as a copy of a column in single precision.

Squares of columns hold no more than half the digits by which such a column differs, so that a curvature has next to nothing of it. What the
column has of its own is a difference of numbers, which keeps all the digits there are: a solver is given that instead.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lstsq, qr

from gradline.base.types import Array, BoolArray
from gradline.rows.column_change import Remainders

NEAR = 1e-5
"""Of a column's size: what it has of its own below this leaves no more than six digits of a curvature."""

NOTHING = 2.0**-28
"""Of a column's size: what it has of its own below this has half the digits of a double at most. Its coefficient is so large that rounding
of it in the columns given moves linear predictors by a hundred-millionth. Such columns stay as they are, and are named."""

APART = 1e-9
"""An eigenvalue above the square of ``NEAR`` and above rounding of products."""

ROWS_A_COLUMN = 4
"""Fewer rows say nothing of what is dependent in all of them."""


def near_copies(values: Array, movable: BoolArray) -> Remainders | None:
    """What to take off the columns that others nearly say; None where there are none, as in almost all data.

    values (m, D): the first columns in some of the rows. movable (P, k): a column's share can be taken off another only where each linear
    predictor that has that one has it too.
    """
    m, held = values.shape
    if m < ROWS_A_COLUMN * held:
        return None
    sizes = np.sqrt(np.mean(np.square(values), axis=0))
    usable = np.isfinite(sizes) & (sizes > 0) & movable[:held].any(axis=1)
    columns = np.flatnonzero(usable)
    unit = values[:, columns] / sizes[columns]
    if _clearly_apart(unit):
        return None
    own = np.abs(np.diag(qr(unit, mode="r", check_finite=False)[0][: len(columns)])) / np.sqrt(m)
    near = (own < NEAR) & (own > NOTHING)
    if not near.any():
        return None
    others = columns[own >= NEAR]
    places, shares, left = list[int](), list[Array](), list[float]()
    for place in columns[near]:
        before = others[(others < place) & (movable[others] | ~movable[place]).all(axis=1)]
        share = np.zeros(len(movable))
        share[before] = lstsq(values[:, before] / sizes[before], values[:, place], check_finite=False)[0] / sizes[before]
        remains = float(np.sqrt(np.mean(np.square(values[:, place] - values @ share[:held]))))
        if 0 < remains < NEAR * sizes[place]:
            places.append(int(place))
            shares.append(share)
            left.append(remains)
    if not places:
        return None
    return Remainders(np.array(places, dtype=np.int64), np.column_stack(shares), np.ldexp(1.0, -np.frexp(left)[1]))


def _clearly_apart(unit: Array) -> bool:
    """Whether no column of size one, (m, p), is near others, by the products of the columns: what a column has of its own, squared, is no
    less than their least eigenvalue. A factorisation of the columns themselves costs several times as much."""
    products = np.dot(unit.T, unit) / len(unit)
    products.flat[:: len(products) + 1] -= APART
    try:
        np.linalg.cholesky(products)
    except np.linalg.LinAlgError:
        return False
    return True
