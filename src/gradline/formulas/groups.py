"""Groups of design columns: the product of some factors, as dense columns or as codes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array
from gradline.design.categorical import CategoricalDesign, Codes
from gradline.formulas.catalogue import TRANSFORMS
from gradline.formulas.contrasts import Level, Product
from gradline.formulas.errors import FormulaError
from gradline.formulas.factors import BasisFactor, CategoricalFactor, NumericFactor, ReadFactor
from gradline.formulas.learner import State

MOST_COLUMNS = 250_000
"""Columns of one term, as many as a category may have levels."""

DENSE_LEVELS = 50
"""Columns of a categorical up to which they are written out; beyond, they are kept as codes."""


@dataclass(frozen=True)
class Group:
    """factors: what is multiplied, and whether each is reduced. names: of the columns. coded: kept as codes.

    first: with codes, the place among the columns of each factor of several numeric columns. codings: for each categorical factor the
    matrix from levels to columns; or with codes, the column of each level, -1 for none, and the number of columns.
    """

    factors: Product
    names: tuple[str, ...]
    coded: bool
    chosen: Mapping[str, int]
    codings: Mapping[str, Array]
    places: Mapping[str, tuple[Codes, int]]


def make_groups(
    product: Product, factors: Mapping[str, ReadFactor], levels: Mapping[str, tuple[Level, ...]], states: Mapping[str, State]
) -> list[Group]:
    """The groups of one product: one, or, with codes, one for each column of its numeric factors."""
    labels = [_labels(factors[name], reduced, levels, states) for name, reduced in product]
    if math.prod(map(len, labels)) > MOST_COLUMNS:
        sizes = " x ".join(f"{len(label):,}" for label in labels)
        raise FormulaError(
            f"the interaction {':'.join(name for name, _ in product)} makes {sizes} columns, more than can be estimated; leave it out, or"
            " group the levels of its categories"
        )
    categories = [(name, reduced) for name, reduced in product if isinstance(factors[name], CategoricalFactor)]
    wide = int(np.prod([len(label) for label, (name, _) in zip(labels, product, strict=True) if (name, _) in categories]))
    one_hot = all(_contrast_is_one_hot(factors[name], reduced) for name, reduced in categories)
    if not categories or wide <= DENSE_LEVELS or not one_hot:
        codings = {name: _categorical(factors[name]).contrast.matrix(levels[name], reduced) for name, reduced in categories}
        names = tuple(":".join(reversed(parts)) for parts in itertools.product(*reversed(labels)))
        return [Group(product, names, False, _first_columns(product, factors), codings, {})]
    places = {name: _places(_categorical(factors[name]), levels[name], reduced) for name, reduced in categories}
    numeric = [(name, label) for (name, _), label in zip(product, labels, strict=True) if name not in places]
    groups = []
    for chosen in itertools.product(*(range(len(label)) for _, label in numeric)):
        which = {name: j for (name, _), j in zip(numeric, chosen, strict=True)}
        shown = [
            label if name in places else label[which[name] : which[name] + 1] for (name, _), label in zip(product, labels, strict=True)
        ]
        names = tuple(":".join(reversed(parts)) for parts in itertools.product(*reversed(shown)))
        groups.append(Group(product, names, True, which, {}, places))
    return groups


def dense_columns(group: Group, numbers: Mapping[str, Array], codes: Mapping[str, Codes], out: Array) -> None:
    """Write the columns of a group into ``out`` (m, len(names)); the first factor's columns run fastest."""
    parts = []
    for name, _ in group.factors:
        if name in group.codings:
            matrix = group.codings[name]
            parts.append([matrix[codes[name], j] for j in range(matrix.shape[1])])
        else:
            columns = numbers[name][:, group.chosen.get(name, 0) :]
            parts.append([columns[:, j] for j in range(columns.shape[1])])
    for place, columns_of_one in enumerate(itertools.product(*reversed(parts))):
        first, *rest = reversed(columns_of_one)
        out[:, place] = first
        with np.errstate(invalid="ignore"):
            for column in rest:
                out[:, place] *= column


def coded_part(group: Group, numbers: Mapping[str, Array], codes: Mapping[str, Codes]) -> CategoricalDesign:
    """A group kept as codes: those of its categories combined, and the product of its numeric columns as values."""
    combined: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None
    nowhere = None
    stride = 1
    values: Array | None = None
    for name, _ in group.factors:
        if name in group.places:
            column_of, width = group.places[name]
            own = column_of[codes[name]].astype(np.int64)
            absent = own < 0
            combined = own if combined is None else combined + stride * own
            nowhere = absent if nowhere is None else nowhere | absent
            stride *= width
        else:
            column = numbers[name][:, group.chosen[name]]
            values = column if values is None else values * column
    assert combined is not None
    assert nowhere is not None
    combined[nowhere] = -1
    return CategoricalDesign(combined.astype(np.int32), len(group.names), values)


def _labels(factor: ReadFactor, reduced: bool, levels: Mapping[str, tuple[Level, ...]], states: Mapping[str, State]) -> list[str]:
    if isinstance(factor, NumericFactor):
        return [factor.name]
    if isinstance(factor, CategoricalFactor):
        return [f"{factor.name}[{label}]" for label in factor.contrast.columns(levels[factor.name], reduced)]
    labels = TRANSFORMS[factor.node.transform].labels
    assert labels is not None
    found = labels(factor.node.settings, states[factor.node.key])
    return [f"{factor.name}[{label}]" for label in (found[1:] if reduced else found)]


def _first_columns(product: Product, factors: Mapping[str, ReadFactor]) -> dict[str, int]:
    """A reduced basis leaves out its first column."""
    return {name: 1 for name, reduced in product if reduced and isinstance(factors[name], BasisFactor)}


def _places(factor: CategoricalFactor, levels: tuple[Level, ...], reduced: bool) -> tuple[Codes, int]:
    """The column of each level, -1 for the reference, and how many columns there are."""
    place = np.arange(len(levels), dtype=np.int32)
    if not reduced:
        return place, len(levels)
    reference = factor.contrast.reference_of(levels)
    place[reference:] -= 1
    place[reference] = -1
    return place, len(levels) - 1


def _categorical(factor: ReadFactor) -> CategoricalFactor:
    assert isinstance(factor, CategoricalFactor)
    return factor


def _contrast_is_one_hot(factor: ReadFactor, reduced: bool) -> bool:
    return not reduced or _categorical(factor).contrast.one_hot
