"""Numbers in the sentences of a report."""

from __future__ import annotations

from gradline.base.numbers import probability, short


def p_value_text(value: float) -> str:
    """Such as "p = 0.0123" or "p < 1e-300"."""
    text = probability(value)
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def degrees_text(first: float, second: float | None = None) -> str:
    """Such as "1 degree of freedom" or "2 and 294 degrees of freedom"."""
    if second is None:
        return f"{short(first)} {'degree' if first == 1 else 'degrees'} of freedom"
    return f"{short(first)} and {short(second)} degrees of freedom"
