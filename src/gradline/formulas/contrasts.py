"""How the levels of a category become columns, and which categories lose a level, so that columns are not dependent by construction.

Wilkinson formulas as patsy and formulaic read them: a term spans its own columns and those of its margins, and what is spanned already is
not spanned again. (anything):(reduced) + (anything) is (anything):(full).
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from gradline.base.types import Array
from gradline.formulas.errors import FormulaError, suggestion

Level = str | float | int | bool

MOST_CATEGORIES = 10
"""Categories in one interaction: of three levels each they make 59,049 columns."""

Coded = tuple[str, bool]
"""A factor by name, and whether it is reduced: coded with a level less."""

Product = tuple[Coded, ...]
"""The factors of a group of columns, in order; the empty one is the intercept."""

_KINDS = {
    "treatment": "treatment",
    "Treatment": "treatment",
    "SAS": "SAS",
    "sum": "sum",
    "Sum": "sum",
    "helmert": "helmert",
    "Helmert": "helmert",
    "poly": "poly",
    "Poly": "poly",
    "diff": "diff",
    "Diff": "diff",
}
_OPTIONS = {
    "treatment": ("base", "reference"),
    "SAS": ("base", "reference"),
    "sum": (),
    "helmert": ("reverse", "scale"),
    "poly": ("scores",),
    "diff": ("backward",),
}
_PREFIX = {"treatment": "T.", "SAS": "T.", "sum": "S.", "helmert": "H.", "diff": "D.", "poly": ""}


@dataclass(frozen=True)
class Contrast:
    """kind: "treatment", "SAS", "sum", "helmert", "diff" or "poly". reference: the level left out; the first (SAS: the last) if None."""

    kind: str
    reference: Level | None = None
    reverse: bool = True
    scale: bool = False
    backward: bool = True
    scores: tuple[float, ...] | None = None

    @property
    def one_hot(self) -> bool:
        """Whether every column is the indicator of one level."""
        return self.kind in ("treatment", "SAS")

    def columns(self, levels: Sequence[Level], reduced: bool) -> tuple[str, ...]:
        """What stands in the brackets of the columns' names, such as ``T.b``; without a prefix where no level is left out."""
        if not reduced:
            return tuple(str(level) for level in levels)
        if self.one_hot:
            shown = [level for i, level in enumerate(levels) if i != self.reference_of(levels)]
        elif self.kind == "poly":
            shown = [{1: ".L", 2: ".Q", 3: ".C"}.get(d, f"^{d}") for d in range(1, len(levels))]
        elif self.kind == "sum":
            shown = list(levels[:-1])
        else:
            forward = self.reverse if self.kind == "helmert" else self.backward
            shown = list(levels[1:] if forward else levels[:-1])
        return tuple(f"{_PREFIX[self.kind]}{level}" for level in shown)

    def matrix(self, levels: Sequence[Level], reduced: bool) -> Array:
        """One row a level, one column a coefficient: (L, L), or (L, L - 1) reduced."""
        n = len(levels)
        if not reduced:
            return np.eye(n)
        if n == 1:
            return np.zeros((1, 0))
        if self.one_hot:
            return np.delete(np.eye(n), self.reference_of(levels), axis=1)
        if self.kind == "sum":
            return np.vstack([np.eye(n - 1), -np.ones(n - 1)])
        if self.kind == "helmert":
            return self._helmert(n)
        if self.kind == "diff":
            steps = np.tile(np.arange(1, n) / n, (n, 1)) - np.triu(np.ones((n, n - 1)))
            return steps if self.backward else -steps
        scores = np.arange(n, dtype=np.float64) if self.scores is None else np.asarray(self.scores, dtype=np.float64)
        if len(scores) != n:
            raise FormulaError(f"contr.poly has {len(scores)} scores for {n} levels")
        powers = np.vander(scores - scores.mean(), n, increasing=True)
        q, r = np.linalg.qr(powers)
        return np.asarray((q * np.sign(np.diag(r)))[:, 1:])

    def reference_of(self, levels: Sequence[Level]) -> int:
        """The place of the level left out. Raises FormulaError if it is not among the levels."""
        if self.reference is None:
            return len(levels) - 1 if self.kind == "SAS" else 0
        for i, level in enumerate(levels):
            if level == self.reference and isinstance(level, str) == isinstance(self.reference, str):
                return i
        raise FormulaError(
            f"the reference {self.reference!r} is not among the levels; {suggestion(str(self.reference), map(str, levels), 'they are')}"
        )

    def _helmert(self, n: int) -> Array:
        columns = np.zeros((n, n - 1))
        for i in range(n - 1):
            if self.reverse:
                columns[: i + 1, i], columns[i + 1, i] = -1.0, i + 1
            else:
                columns[i, i], columns[i + 1 :, i] = n - i - 1, -1.0
            if self.scale:
                columns[:, i] /= i + 2 if self.reverse else n - i
        return columns


def read_contrast(tree: ast.expr, fail: Callable[[str, str | None], NoReturn]) -> Contrast:
    """``contr.sum``, ``contr.treatment("b")``, ``Treatment(reference="b")`` and their like. Calls ``fail`` for anything else."""
    call = tree if isinstance(tree, ast.Call) else None
    name = tree.func if call is not None else tree  # type: ignore[attr-defined]
    word = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", ast.unparse(tree))
    registered = isinstance(name, ast.Name) or (isinstance(name, ast.Attribute) and getattr(name.value, "id", "") == "contr")
    if word not in _KINDS or not registered:
        fail(
            f"{ast.unparse(tree)} is no contrast; write C(g, reference='b'), or contr. and one of treatment, sum, helmert, diff, poly, SAS",
            word,
        )
    kind = _KINDS[word]
    options: dict[str, Any] = {}
    if call is not None:
        pairs = [*zip(_OPTIONS[kind], call.args, strict=False), *((keyword.arg, keyword.value) for keyword in call.keywords)]
        if len(call.args) > len(_OPTIONS[kind]):
            fail(f"{word} takes at most {len(_OPTIONS[kind])} arguments", word)
        for key, value in pairs:
            if key not in _OPTIONS[kind]:
                fail(f"{word} has no option {key!r}; {suggestion(str(key), _OPTIONS[kind], 'it has')}", word)
            try:
                found = ast.literal_eval(value)
            except ValueError:
                fail(f"{word}: {key} takes a plain value, not {ast.unparse(value)}", word)
            options["reference" if key == "base" else str(key)] = tuple(found) if isinstance(found, list) else found
    return Contrast(kind, **options)


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
