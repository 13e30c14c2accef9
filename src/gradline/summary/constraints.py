"""What a summary and a report say of constraints: which bind, at what price, and what the intervals beside them promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.numbers import counted, probability, short, visible
from gradline.summary.parts import Fact

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_SHOWN = 6

_PROMISES = {
    "intersection": "those without the constraints, cut to what they allow; they hold the true coefficient as often as they say where the"
    " constraints are true",
    "draws": "of draws around the optimum without the constraints, each moved to the nearest coefficients allowed; measured to hold the"
    " true coefficient about as often as they say, and more often at a boundary",
    "face": "as if the constraints that bind had been known to bind; too narrow where the data chose them",
}


def constraints_line(fit: Model) -> str:
    """How many there are, and which of them hold, each with its multiplier."""
    held = fit.constraints
    assert held is not None
    shown = [
        f"{visible(text)} ({short(multiplier, 3)})"
        for text, multiplier, binds in zip(held.polyhedron.texts, held.multipliers.tolist(), held.held, strict=True)
        if binds
    ]
    start = counted(len(held.multipliers), "constraint")
    if not shown:
        return f"{start}, none holds as an equation: the fit is the one without them"
    more = f" and {len(shown) - MOST_SHOWN:,} more" if len(shown) > MOST_SHOWN else ""
    holds = (
        "1 holds as an equation (with its multiplier)" if len(shown) == 1 else f"{len(shown)} hold as equations (with their multipliers)"
    )
    return f"{start}; {holds}: {', '.join(shown[:MOST_SHOWN])}{more}"


def interval_facts(fit: Model) -> Iterator[Fact]:
    """What intervals are, and the test of the constraints."""
    held = fit.constraints
    assert held is not None
    if fit.inference is None or fit.inference.covariance is None:
        return
    yield Fact("intervals", _PROMISES[held.inference])
    if held.inference == "face" or held.unconstrained is None:
        return
    try:
        found = fit.test_constraints()
    except ValueError as error:
        yield Fact("constraints", f"no test of them: {error}")
        return
    words = f"test that they hold: p {probability(found.p_value)} ({found.method})"
    if found.missed and np.isfinite(found.missed[0][1]):
        text, errors = found.missed[0]
        words += f"; the fit without them misses {visible(text)} by {short(errors, 3)} standard errors"
    yield Fact("constraints", words, "bad" if found.p_value < 0.05 else "plain")
