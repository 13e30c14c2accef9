"""The terms of a model's formula, each with its coefficients: what is tested, dropped and compared as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.base.words import nearest
from gradline.formulas.catalogue import TRANSFORMS
from gradline.formulas.contrasts import code_terms
from gradline.formulas.factors import BasisFactor, CategoricalFactor

if TYPE_CHECKING:
    from gradline.formulas.encoder import Encoder


Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Term:
    """name: as the formula has it, with "predictor:" before it where several linear predictors have terms of their own. factors: what it
    is a product of. predictor: which linear predictor it is of, None for all of them. places: its coefficients among those of B stacked.
    other: what it may be called as well."""

    name: str
    factors: frozenset[str]
    predictor: int | None
    places: tuple[int, ...]
    other: str = ""

    def contains(self, other: Term) -> bool:
        """Whether it is an interaction of the other with more."""
        return self.predictor == other.predictor and other.factors < self.factors


def terms_of(
    encoder: Encoder | None, names: Sequence[str], predictors: Sequence[str], intercept: bool, constant: Sequence[bool], *, together: bool
) -> tuple[Term, ...]:
    """The terms, in the order of the formula, without the intercept; of a model of arrays each column is one.

    constant: which linear predictors have an intercept only, and so no term; none where empty. together: whether a term is of all linear
    predictors at once, as of classes, where it is in the model or is not.
    """
    sloped = [j for j in range(len(predictors)) if not (constant and constant[j])]
    parts = [_terms_of_one(encoder, names, j, len(predictors), intercept) for j in sloped]
    if together and len(sloped) > 1:
        merged: dict[str, Term] = {}
        for term in (term for part in parts for term in part):
            known = merged.setdefault(term.name, replace(term, predictor=None, places=()))
            merged[term.name] = replace(known, places=known.places + term.places)
        return tuple(merged.values())
    if len(predictors) == 1:
        return tuple(parts[0])
    found = []
    for j, part in zip(sloped, parts, strict=True):
        for term in part:
            full = f"{predictors[j]}:{term.name}"
            one = len(sloped) == 1
            found.append(replace(term, name=term.name if one else full, other=full if one else term.name))
    return tuple(found)


def _terms_of_one(encoder: Encoder | None, names: Sequence[str], j: int, predictors: int, intercept: bool) -> list[Term]:
    """The terms of one linear predictor, by their bare names."""
    size = len(names)
    if encoder is None or not encoder.saved:
        return [Term(names[i], frozenset({names[i]}), j, (j * size + i,)) for i in range(int(intercept), size)]
    columns = _columns_of_products(encoder)
    formulas = encoder.saved["formulas"]
    part = formulas[j] if len(formulas) == predictors else formulas[0]
    listed = [[name for name, _ in term] for term in part["terms"]]
    found = []
    for term, products in zip(listed, code_terms(listed, lambda name: _spans(encoder, name)), strict=True):
        places = [j * size + i for product in products for i in columns.get(frozenset(product), ())]
        if term and places:
            found.append(Term(":".join(term), frozenset(term), j, tuple(sorted(places))))
    return found


def _columns_of_products(encoder: Encoder) -> dict[frozenset[tuple[str, bool]], list[int]]:
    """The design columns of each product of factors."""
    found: dict[frozenset[tuple[str, bool]], list[int]] = {}
    place = int(encoder.intercept)
    for group in encoder.groups:
        found.setdefault(frozenset(group.factors), []).extend(range(place, place + len(group.names)))
        place += len(group.names)
    return found


def _spans(encoder: Encoder, name: str) -> bool:
    """Whether a factor's columns, none left out, sum to one."""
    factor = encoder.factors[name]
    if isinstance(factor, BasisFactor):
        return TRANSFORMS[factor.node.transform].spans_intercept(factor.node.settings)
    return isinstance(factor, CategoricalFactor)


def find_terms(terms: Sequence[Term], asked: str) -> tuple[Term, ...]:
    """The term called so, whatever the blanks in its name; where several linear predictors each have one, all of these; none if unknown."""
    exact = tuple(term for term in terms if _bare(term.name) == _bare(asked))
    return exact or tuple(term for term in terms if _bare(term.other) == _bare(asked))


def require_terms(terms: Sequence[Term], asked: str) -> None:
    """Raises InferenceError for a term that does not exist, naming what is near."""
    if not find_terms(terms, asked):
        names = [term.name for term in terms]
        near = [name for name in names if name.startswith(f"C({asked}")] or nearest(asked, names)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none but the intercept'}"
        raise InferenceError(f"the model has no term {asked!r}; {hint}")


def terms_tested(text: str, terms: Sequence[Term], labels: Sequence[str], estimated: Flags) -> tuple[Array, str] | None:
    """(matrix, words) of the hypothesis that whole terms are zero, for a text that names them, such as "C(firm)" or "C(firm), x:C(year)".

    None for a text that is to be read as conditions on coefficients. Raises InferenceError for a term of which nothing was estimated.
    """
    parts = [part for part in _parted(text) if part]
    chosen = [find_terms(terms, part) for part in parts]
    for part, found in zip(parts, chosen, strict=True):
        if not found and part.startswith("C(") and part.endswith(")") and part.count("(") == 1:
            require_terms(terms, part)
    if not parts or all(part in labels for part in parts) or not all(chosen):
        return None
    places = list[int]()
    for term in (term for found in chosen for term in found):
        own = [place for place in term.places if estimated[place] and place not in places]
        if not own:
            raise InferenceError(f"no coefficient of {term.name!r} was estimated, so nothing can be said about it")
        places += own
    matrix = np.zeros((len(places), len(labels)))
    matrix[np.arange(len(places)), places] = 1.0
    named = " and ".join(term.name for found in chosen for term in found)
    count = "its coefficient is zero" if len(places) == 1 else f"all {len(places)} coefficients are zero"
    return matrix, f"{named}: {count}"


def _parted(text: str) -> list[str]:
    """The text at its commas and semicolons, but for those inside of brackets and quotes."""
    parts, depth, quote, start = list[str](), 0, "", 0
    for i, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character in ",;" and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def _bare(name: str) -> str:
    return name.replace(" ", "").replace("`", "")
