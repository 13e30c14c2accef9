"""Which level of each category the others are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradline.base.numbers import visible
from gradline.formulas.factors import CategoricalFactor
from gradline.summary.parts import Fact

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_NAMED = 6
"""Categories named, a line each."""


def reference_lines(fit: Model) -> Iterator[Fact]:
    """A line for each category of a formula that has a column for every level but one."""
    encoder = fit.encoder
    if encoder is None:
        return
    found = dict[str, str]()
    for name, reduced in (factor for group in encoder.groups for factor in group.factors):
        factor = encoder.factors[name]
        if reduced and isinstance(factor, CategoricalFactor) and factor.contrast.one_hot:
            levels = encoder.levels[name]
            called = factor.argument if isinstance(factor.argument, str) else name
            found[name] = f"{visible(called)}: {visible(str(levels[factor.contrast.reference_of(levels)]))}"
    lines = list(found.values())
    yield from (Fact("reference", line) for line in lines[:MOST_NAMED])
    if len(lines) > MOST_NAMED:
        yield Fact("reference", f"... and {len(lines) - MOST_NAMED:,} more")
