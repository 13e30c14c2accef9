"""What a summary says of curves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradline.base.numbers import probability, short, visible
from gradline.summary.parts import Block, Row

if TYPE_CHECKING:
    from gradline.model.record import Model


def curve_blocks(fit: Model) -> Iterator[Block]:
    """A row for each curve: effective degrees of freedom, those of its test, the test, and the strength of its penalty."""
    if not fit.curves:
        return
    tested = any(not math.isnan(curve.statistic) for curve in fit.curves)
    known = any(not math.isnan(curve.degrees_of_freedom) for curve in fit.curves)
    columns = (("df",) if known else ()) + (("test df", fit.curves[0].statistic_name, "p") if tested else ()) + ("strength",)
    rows = []
    for curve in fit.curves:
        cells = [f"{curve.degrees_of_freedom:.2f}"] if known else []
        if tested:
            cells += [f"{curve.reference:.2f}", f"{curve.statistic:.2f}", probability(curve.p_value)]
        cells.append(", ".join(short(strength) for strength in curve.strengths))
        rows.append(Row(visible(curve.name), tuple(cells)))
    yield Block("curves", columns, tuple(rows), what="effective degrees of freedom, and a test that the curve is flat")
