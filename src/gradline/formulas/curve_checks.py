"""Curves of one formula that would hold the same columns, so that nothing could tell one from the other."""

from __future__ import annotations

from collections.abc import Mapping

from gradline.formulas.errors import at
from gradline.formulas.expressions import Column, columns_of
from gradline.formulas.factors import BasisFactor, CategoricalFactor, NumericFactor, ReadFactor
from gradline.formulas.grammar import Factor, Sides, Term, is_curve


def check_curves(part: Sides, factors: Mapping[str, ReadFactor]) -> None:
    """Raises FormulaError, with a caret, where a curve holds what another term of the same linear predictor does."""
    curves = [term for term in part.terms if term and is_curve(term[0])]
    for place, term in enumerate(curves):
        for earlier in curves[:place]:
            shared = sorted(set(_columns(earlier[0], factors)) & set(_columns(term[0], factors)))
            same_by = _number_by(earlier, factors) == _number_by(term, factors)
            if shared and same_by:
                first, second = earlier[0], term[0]
                raise at(
                    f"{first.name} and {second.name} both hold the effect of {shared[0]}, and nothing tells one from the other; leave one"
                    " out" + (", or write te() for all of them" if len(curves) > 1 and not same_by else ""),
                    part.text,
                    second.start,
                    second.end,
                )
        number = _number_by(term, factors)
        for other in part.terms:
            if not other or is_curve(other[0]):
                continue
            numeric = [factor for factor in other if not isinstance(factors[factor.name], CategoricalFactor)]
            if len(numeric) != 1:
                continue
            read = factors[numeric[0].name]
            if not isinstance(read, NumericFactor) or not isinstance(read.node, Column):
                continue
            name = read.node.name
            if (number is None and name in _bare(term[0], factors)) or (number is not None and name == number and len(other) == 1):
                what = f"the straight line in {name}" if number is None else f"{name} itself"
                raise at(
                    f"{term[0].name} holds {what} already; leave {':'.join(factor.name for factor in other)} out"
                    + (f", or write s({name}, by=...) for a curve of each level" if len(other) > 1 else ""),
                    part.text,
                    numeric[0].start,
                    numeric[0].end,
                )


def _columns(factor: Factor, factors: Mapping[str, ReadFactor]) -> tuple[str, ...]:
    read = factors[factor.name]
    assert isinstance(read, BasisFactor)
    return columns_of(read.node)


def _bare(factor: Factor, factors: Mapping[str, ReadFactor]) -> tuple[str, ...]:
    """The columns that the curve takes as they are."""
    read = factors[factor.name]
    assert isinstance(read, BasisFactor)
    argument = read.node.argument
    parts = getattr(argument, "parts", (argument,))
    return tuple(part.name for part in parts if isinstance(part, Column))


def _number_by(term: Term, factors: Mapping[str, ReadFactor]) -> str | None:
    """The column of numbers that multiplies a curve; None where none does."""
    return term[1].name if len(term) > 1 and not isinstance(factors[term[1].name], CategoricalFactor) else None
