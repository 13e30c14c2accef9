"""Which categories lose a level, so that the columns of a formula are not dependent by construction.

Wilkinson formulas as patsy and formulaic read them: a term spans its own columns and those of its margins, and what is spanned already is
not spanned again. (anything):(reduced) + (anything) is (anything):(full).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

from gradline.formulas.errors import FormulaError

MOST_CATEGORIES = 10
"""Categories in one interaction: of three levels each they make 59,049 columns."""

Coded = tuple[str, bool]
"""A factor by name, and whether it is reduced: coded with a level less."""

Product = tuple[Coded, ...]
"""The factors of a group of columns, in order; the empty one is the intercept."""


def code_terms(terms: Iterable[Sequence[str]], spans_intercept: Callable[[str], bool]) -> list[list[Product]]:
    """For each term the groups of columns that stand for it. spans_intercept: whether a factor's columns, none left out, sum to one."""
    spanned: set[frozenset[Coded]] = set()
    coded = []
    for term in terms:
        choices: list[tuple[Coded | None, ...]] = [((name, True), None) if spans_intercept(name) else ((name, False),) for name in term]
        categories = sum(len(choice) - 1 for choice in choices)
        if categories > MOST_CATEGORIES:
            raise FormulaError(
                f"the interaction {':'.join(term)} crosses {categories} categories, which makes more columns than can be estimated"
            )
        products = (tuple(part for part in product if part is not None) for product in itertools.product(*choices))
        fresh = {frozenset(product): product for product in products if frozenset(product) not in spanned}
        spanned.update(fresh)
        coded.append(_simplified(list(fresh.values())))
    return coded


def _simplified(products: list[Product]) -> list[Product]:
    """The fewest groups that span the same columns."""
    found: list[Product] = []
    for product in sorted(products, key=len):
        factors = set(product)
        for known in found:
            rest = factors - set(known)
            if len(product) - 1 != len(known) or len(rest) != 1:
                continue
            name, reduced = next(iter(rest))
            if reduced:
                full = tuple((name, False) if part == (name, True) else part for part in product)
                found = _simplified([other for other in found if other != known] + [full])
                break
        else:
            if not any(set(other) == factors for other in found):
                found.append(product)
    return found
