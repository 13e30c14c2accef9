"""How many terms a formula stands for, known before the first of them is made."""

from __future__ import annotations

import math
from typing import Any

from gradline.formulas.errors import FormulaError

MOST_TERMS = 25_000
"""Terms beyond which nobody can have meant a formula: 200 columns in all pairs are 20,100."""

MOST_PRODUCTS = 100_000
"""Products on the way to the terms: ``(a + b)**9`` is made of 2^9 of them, few of which differ."""


def check_count(count: int) -> None:
    """Raises FormulaError where a formula has more terms than can be meant."""
    if count > MOST_TERMS:
        raise too_many(count)


def too_many(count: int | None, power: tuple[int, int] | None = None) -> FormulaError:
    """The error for a formula of that many terms. power: how many terms are raised to which power, where that makes them so many."""
    if power is not None and power[1] > power[0]:
        said = f"the power {power[1]} of {power[0]} terms multiplies out to too many products"
        return FormulaError(f"{said}; ** {power[0]} has all their interactions already")
    many = f"more than {MOST_TERMS:,}" if count is None or count > 10**12 else f"{count:,}"
    advice = "write + between columns, and : or ( )**2 for the interactions that are meant"
    return FormulaError(f"the formula multiplies out to {many} terms, more than can be estimated; {advice}")


def check_products(tree: Any, columns: int) -> None:
    """Raises FormulaError where formulaic's reading of a formula, a tree of operators, would make more products than can be meant.

    columns: what ``.`` stands for. Numbers of terms are counted as if no two were the same.
    """
    counts: dict[int, int] = {}
    for node in _operands_first(tree):
        arguments = getattr(node, "args", None)
        if arguments is None:
            counts[id(node)] = 1
            continue
        own = [counts[id(argument)] for argument in arguments]
        power: tuple[int, int] | None = None
        symbol = node.operator.symbol
        if symbol == ".":
            found = columns
        elif symbol in ("**", "^") and len(own) == 2:
            exponent = _whole(arguments[1])
            products = own[0] ** min(exponent, 200)
            found = sum(math.comb(own[0], count) for count in range(1, min(exponent, own[0], 200) + 1))
            if products > MOST_PRODUCTS and found <= MOST_TERMS:
                found, power = products, (own[0], exponent)
        elif symbol == "*" and len(own) == 2:
            found = (own[0] + 1) * (own[1] + 1) - 1
        elif symbol in (":", "in", "%in%") and len(own) == 2:
            found = own[0] * own[1]
        else:
            found = sum(own)
        if found > MOST_TERMS or power is not None:
            raise too_many(found, power)
        counts[id(node)] = found


def _operands_first(tree: Any) -> list[Any]:
    """The nodes of a tree of any depth."""
    waiting, found = [tree], []
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        found.append(node)
        waiting.extend(getattr(node, "args", None) or ())
    return found[::-1]


def _whole(token: Any) -> int:
    try:
        return int(str(getattr(token, "token", token)))
    except ValueError:
        return 1
