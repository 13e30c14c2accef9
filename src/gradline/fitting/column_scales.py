"""Whether a penalty that charges for the size of slopes meets columns of very different sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.base.warnings import warn
from gradline.objective.objective import Problem
from gradline.penalties.sums import minds_units

SAMPLE = 2_000
"""Rows that tell."""

FEWEST, MOST_NUMBERS = 200, 2**20
"""Of very many columns fewer rows tell: these at least."""

RATIO = 10.0
"""Between the largest and the smallest spread, from which it is said."""


def warn_of_scales(problem: Problem, names: tuple[str, ...], penalty: Any, places: IntArray | None = None) -> None:
    """Warn where a penalty that is neither scaled nor weighted meets columns whose spreads are more than ten times apart. places: of the
    slopes that it is of, all unless given.

    A column of zeros and ones counts as spread by a half, however rare its ones: it has no unit that could be another.
    """
    if not minds_units(penalty):
        return
    first = int(problem.rows.intercept)
    rows = min(SAMPLE, max(FEWEST, MOST_NUMBERS // problem.rows.n_columns))
    values = problem.rows.sample(rows).without_zero_weights().design.numbers()[:, first:]
    if not values.size or not np.isfinite(values).all():
        return
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        largest = np.abs(values).max(axis=0)
        unit = np.where(largest > 0, largest, 1.0)
        spread = (values / unit).std(axis=0) * unit
    # A constant column has no spread but rounding.
    varies = spread > 1e-13 * largest
    spread = np.where(((values == 0) | (values == 1)).all(axis=0), 0.5, spread)
    if places is not None:
        varies &= np.isin(np.arange(len(varies)), places)
    said = words_of_spreads(penalty, names[first:], np.where(varies, spread, 0.0))
    if said is not None:
        warn(said)


def words_of_spreads(penalty: Any, names: tuple[str, ...], spread: Array) -> str | None:
    """What to say of columns whose spreads (p,) are too far apart; zero for one that does not vary. None where there is nothing to say."""
    places = np.flatnonzero((spread > 0) & np.isfinite(spread))
    if len(places) < 2:
        return None
    low, high = places[spread[places].argmin()], places[spread[places].argmax()]
    if spread[high] <= RATIO * spread[low]:
        return None
    return (
        f"the penalty {penalty.name!r} charges each slope for its size, and column {names[high]!r} varies by {spread[high]:.3g}"
        f" while {names[low]!r} varies by {spread[low]:.3g} (standard deviations): the slope of the second has to be larger to"
        " say as much, and is penalised more for it. Give the penalty scaled=True, so that units do not matter, or a factor for each"
        " column (weights=)"
    )
