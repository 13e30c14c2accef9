"""Targets of two columns: ``cbind(successes, failures)`` and ``surv(time, event)``, as R writes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradline.formulas.errors import at
from gradline.formulas.grammar import Factor, expression, hide_quotes, is_call, unparse

_PARTS = {"cbind": "the successes and the failures", "surv": "the time and whether its event was seen (1) or not (0)"}
_WRITTEN = {"cbind": "cbind", "surv": "surv", "Surv": "surv"}


def is_lifetime(text: str) -> bool:
    """Whether a formula's target is ``surv(time, event)``."""
    left = text.partition("~")[0].strip()
    return left.startswith(("surv(", "Surv("))


def apart(factor: Factor, text: str) -> Iterator[Factor]:
    """The columns that a pair stands for; any other target itself. Raises FormulaError where a pair is none."""
    word = next((word for word in _WRITTEN if is_call(factor, word)), None)
    if word is None:
        yield factor
        return
    plain, hidden = hide_quotes(factor.name)
    call = ast.parse(plain, mode="eval").body
    name = _WRITTEN[word]
    if not isinstance(call, ast.Call) or call.keywords or len(call.args) != 2:
        raise at(f"{word}() takes {_PARTS[name]}, two columns", text, factor.start, factor.end)
    for part in call.args:
        if isinstance(part, ast.Name):
            yield Factor(hidden.get(part.id, part.id), True, factor.start, factor.end)
        else:
            written = unparse(part)
            for placeholder, meant in hidden.items():
                written = written.replace(placeholder, f"`{meant}`")
            yield expression(written, text, factor.start, factor.end)
