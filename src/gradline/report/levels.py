"""What a report says of absorbed levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.numbers import counted, short
from gradline.report import html

if TYPE_CHECKING:
    from gradline.model.absorbed import AbsorbedCategory, AbsorbedLevels


def levels_section(absorbed: AbsorbedLevels | None) -> str:
    """Which categories, how many levels, what they cost, and which rows they left out; empty without absorbed levels."""
    if absorbed is None:
        return ""
    columns = ("category", "levels", "degrees of freedom", "least value", "largest")
    rows = [(own.name, f"{len(own.levels):,}", f"{own.degrees:,}", *_ends(absorbed, own)) for own in absorbed.categories]
    reading = (
        "These levels were taken out of every column by least squares, so that the coefficients compare rows within a level; they are those"
        " of the model with a column for each level. A level's value is what it adds to the linear predictor: of each further category the"
        " first level is zero."
    )
    if absorbed.unidentified:
        reading = f"{reading.rpartition(' A level')[0]} The levels have no values of their own: {absorbed.unidentified}."
    return html.section(
        "levels",
        "Absorbed levels",
        html.table("The categories after | in the formula", columns, rows),
        html.paragraph(reading),
        html.facts(list(_facts(absorbed))),
    )


def _ends(absorbed: AbsorbedLevels, own: AbsorbedCategory) -> tuple[str, str]:
    values = own.levels.values
    if absorbed.unidentified or not own.constant or not np.isfinite(values).all():
        return "", ""
    return short(float(values.min())), short(float(values.max()))


def _facts(absorbed: AbsorbedLevels) -> Iterator[tuple[str, str]]:
    yield (
        "rows left out",
        f"{counted(absorbed.singletons, 'singleton')}: a row that is the only one of a level is fitted by it, whatever else"
        if absorbed.singletons
        else "no singleton: each level has several rows",
    )
    if absorbed.separated:
        yield (
            "separated",
            f"{counted(absorbed.separated, 'row')} of levels whose targets are all one value that the loss fits ever better as the level's"
            " value runs off",
        )
    if np.isfinite(absorbed.within_r_squared):
        yield "R-squared within", f"{short(absorbed.within_r_squared, 4)}, the share explained of what the levels leave"
    yield "degrees of freedom", f"{absorbed.degrees:,} for all levels together"
    if absorbed.counted != absorbed.degrees:
        yield "for clusters", f"{absorbed.counted:,} of them are counted, since levels nested in clusters are not"
    if absorbed.sets > 1:
        yield "connected sets", f"{absorbed.sets:,}, which no row connects: values are comparable within a set only"
