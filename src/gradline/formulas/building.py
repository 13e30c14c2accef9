"""From formulas taken apart to an encoder: columns checked, states learned, columns coded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.formulas.catalogue import TRANSFORMS
from gradline.formulas.contrasts import Level, Product, code_terms
from gradline.formulas.curve_checks import check_curves
from gradline.formulas.encoder import Encoder
from gradline.formulas.errors import FormulaError, at
from gradline.formulas.expressions import Learned, Node, walk
from gradline.formulas.factors import (
    BasisFactor,
    CategoricalFactor,
    Kinds,
    NumericFactor,
    ReadFactor,
    ToldOfColumns,
    factor_columns,
    read_factor,
)
from gradline.formulas.grammar import Factor, Sides, is_curve
from gradline.formulas.groups import make_groups
from gradline.formulas.learner import State


@dataclass(frozen=True)
class CheckedFormula:
    """Formulas, one a linear predictor, whose every factor is known to go with the data.

    targets: of the first formula that has any. sides: by predictor. factors: by name. offsets: by predictor.
    """

    targets: tuple[NumericFactor, ...]
    sides: Mapping[str, Sides]
    factors: Mapping[str, ReadFactor]
    offsets: Mapping[str, tuple[NumericFactor, ...]]

    @property
    def nodes(self) -> list[Node]:
        """Everything to be computed."""
        read = [*self.targets, *self.factors.values(), *(offset for part in self.offsets.values() for offset in part)]
        found: list[Node] = [factor.node for factor in read if not isinstance(factor, CategoricalFactor)]
        return found + [
            factor.argument for factor in read if isinstance(factor, CategoricalFactor) and not isinstance(factor.argument, str)
        ]


def check(sides: Mapping[str, Sides], kinds: Kinds, told: ToldOfColumns | None = None) -> CheckedFormula:
    """Read every factor. Raises FormulaError, with a caret, for what does not go with the columns. told: as for ``read_factor``."""
    with_targets = [part for part in sides.values() if part.targets]
    if not with_targets:
        text = next(iter(sides.values())).text
        raise FormulaError(f"the formula {text!r} names no target; write 'y ~ {text.replace('~', '').strip()}' with the column to explain")
    if any(part.targets != with_targets[0].targets for part in with_targets):
        raise FormulaError("the formulas name different targets; only the first needs one, the others begin with ~")
    if not any(part.terms for part in sides.values()):
        raise FormulaError(f"the formula {with_targets[0].text!r} has neither columns nor an intercept, so that there is nothing to fit")
    first = with_targets[0]
    targets = []
    for factor in first.targets:
        if factor in first.targets[: first.targets.index(factor)]:
            raise at(f"the target {factor.name!r} appears twice", first.text, factor.start, factor.end)
        target = read_factor(factor, kinds, first.text, target=True, told=told)
        assert isinstance(target, NumericFactor)
        targets.append(target)
    _check_row_by_row(targets, first)
    factors: dict[str, ReadFactor] = {}
    offsets: dict[str, tuple[NumericFactor, ...]] = {}
    for name, part in sides.items():
        for term in part.terms:
            for factor in term:
                if factor.name not in factors:
                    factors[factor.name] = read_factor(factor, kinds, part.text, told=told)
                _check_not_target(factor, factors[factor.name], targets, part)
        if any(is_curve(factor) for term in part.terms for factor in term):
            check_curves(part, factors)
        offsets[name] = tuple(_offset(factor, kinds, part, told) for factor in part.offsets)
    return CheckedFormula(tuple(targets), sides, factors, offsets)


def build(formula: CheckedFormula, kinds: Kinds, states: Mapping[str, State], levels: Mapping[str, tuple[Level, ...]]) -> Encoder:
    """The encoder of a formula once everything is learned."""
    factors = formula.factors

    def spans(name: str) -> bool:
        factor = factors[name]
        if isinstance(factor, BasisFactor):
            return TRANSFORMS[factor.node.transform].spans_intercept(factor.node.settings)
        return isinstance(factor, CategoricalFactor)

    products: dict[frozenset[tuple[str, bool]], Product] = {}
    used: list[set[frozenset[tuple[str, bool]]]] = []
    for part in formula.sides.values():
        coded = code_terms([[factor.name for factor in term] for term in part.terms], spans)
        own = [product for group in coded for product in group]
        used.append({frozenset(product) for product in own})
        for product in own:
            products.setdefault(frozenset(product), product)
    intercept = frozenset() in products
    made = [(key, group) for key, product in products.items() if product for group in make_groups(product, factors, levels, states)]
    made = [pair for pair in made if not pair[1].coded] + [pair for pair in made if pair[1].coded]
    rows = [[frozenset() in own for own in used]] if intercept else []
    rows += [[key in own for own in used] for key, group in made for _ in group.names]
    needed = _needed(formula)
    return Encoder(
        {name: kinds[name] for name in needed},
        formula.targets,
        factors,
        tuple(group for _, group in made),
        intercept,
        tuple(formula.sides),
        np.asarray(rows, dtype=np.bool_).reshape(len(rows), len(used)),
        tuple(formula.offsets.values()),
        states,
        levels,
        _saved(formula, {name: kinds[name] for name in needed}, states, levels),
    )


def _needed(formula: CheckedFormula) -> list[str]:
    read = [*formula.targets, *formula.factors.values(), *(offset for part in formula.offsets.values() for offset in part)]
    return list(dict.fromkeys(name for factor in read for name in factor_columns(factor)))


def _offset(factor: Factor, kinds: Kinds, part: Sides, told: ToldOfColumns | None) -> NumericFactor:
    inner = factor.name[len("offset(") : -1]
    column = inner.strip("`")
    inside = Factor(column, True, factor.start, factor.end) if column in kinds else Factor(inner, False, factor.start, factor.end)
    read = read_factor(inside, kinds, part.text, told=told)
    if not isinstance(read, NumericFactor):
        held = f"column {read.argument!r} holds text, and " if isinstance(read, CategoricalFactor) and read.implied else ""
        raise at(f"{held}an offset is one column of numbers", part.text, factor.start, factor.end)
    return NumericFactor(factor.name, read.node)


def _check_not_target(factor: Factor, read: ReadFactor, targets: Sequence[NumericFactor], part: Sides) -> None:
    """A target computed from several columns may share one with the features (a change, beside where it started)."""
    for target in targets:
        own = factor_columns(target)
        if len(own) == 1 and own[0] in factor_columns(read):
            message = f"{own[0]!r} is the target and cannot explain itself"
            # Names given one by one have no place in a text.
            raise at(message, part.text, factor.start, factor.end) if factor.end else FormulaError(message)


def _check_row_by_row(targets: Sequence[NumericFactor], part: Sides) -> None:
    """What is learned from the target has no place in a prediction for rows without one."""
    for target, factor in zip(targets, part.targets, strict=True):
        for node in walk(target.node):
            if isinstance(node, Learned):
                raise at(
                    f"{node.transform}() of the target would put predictions on another scale; leave the target as it is",
                    part.text,
                    factor.start,
                    factor.end,
                )


def _saved(formula: CheckedFormula, kinds: Kinds, states: Mapping[str, State], levels: Mapping[str, Sequence[Level]]) -> dict[str, Any]:
    def flat(factor: Factor) -> list[Any]:
        return [factor.name, factor.is_column]

    return {
        "formulas": [
            {
                "predictor": name,
                "text": part.text,
                "targets": [flat(factor) for factor in part.targets],
                "terms": [[flat(factor) for factor in term] for term in part.terms],
                "offsets": [flat(factor) for factor in part.offsets],
            }
            for name, part in formula.sides.items()
        ],
        "columns": dict(kinds),
        "states": {key: dict(state) for key, state in states.items()},
        "levels": {name: list(own) for name, own in levels.items()},
    }
