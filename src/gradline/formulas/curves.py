"""The curves of a formula that has learned its knots: their columns of the design, their penalties, and their bases on any grid."""

from __future__ import annotations

from dataclasses import dataclass

from gradline.base.types import Array
from gradline.formulas.catalogue import TRANSFORMS
from gradline.formulas.contrasts import Level
from gradline.formulas.encoder import Encoder
from gradline.formulas.errors import FormulaError
from gradline.formulas.expressions import Column, Learned, Together, columns_of
from gradline.formulas.factors import BasisFactor, CategoricalFactor
from gradline.formulas.grammar import CURVES
from gradline.formulas.groups import DENSE_LEVELS
from gradline.formulas.learner import State
from gradline.formulas.splines.penalised import difference_penalties


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve, or one level's.

    name: such as "s(x)" or "s(x, by=g)[a]". start, stop: its columns of the design, the intercept counted. matrices: d of (c, c), c = stop
    - start: the penalty is half their sum, each times its strength, of the columns' slopes. spectrum (r, d): see
    ``difference_penalties``. strengths: d of them where the formula gives them. variables: what it is a curve of, low and high: their
    ranges in the data. by: the column that multiplies it, or whose level it is for; level: which.
    """

    name: str
    start: int
    stop: int
    matrices: tuple[Array, ...]
    spectrum: Array
    strengths: tuple[float, ...] | None
    variables: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    by: str | None
    level: Level | None
    node: Learned
    state: State

    @property
    def directions(self) -> tuple[str | None, ...]:
        """In which direction the formula holds the curve along each of its variables; None where it does not."""
        given = self.node.settings["monotone"]
        return tuple(given) if isinstance(given, tuple | list) else (given,) * len(self.variables)

    def basis(self, values: Array) -> Array:
        """The columns at values of the variables, (m, d) -> (m, c); of a curve with by= those of a row where it is one."""
        shaped = values[:, 0] if values.shape[1] == 1 else values
        return TRANSFORMS[self.node.transform].apply(shaped, self.node.settings, self.state, self.node.key)


def curves_of(encoder: Encoder) -> tuple[Curve, ...]:
    """The curves of a formula, in the order of their columns. Raises FormulaError for by= of more levels than are written out."""
    found = list[Curve]()
    place = int(encoder.intercept)
    for group in encoder.groups:
        start, place = place, place + len(group.names)
        factor = encoder.factors[group.factors[0][0]] if group.factors else None
        if not isinstance(factor, BasisFactor) or factor.node.transform not in CURVES:
            continue
        by = encoder.factors[group.factors[1][0]] if len(group.factors) > 1 else None
        levels = encoder.levels[by.name] if isinstance(by, CategoricalFactor) else None
        if group.coded:
            assert by is not None
            raise FormulaError(
                f"{factor.name} would make a curve for each of the {len(levels or ()):,} levels of {by.name}, and at most {DENSE_LEVELS}"
                " can be had; group the levels"
            )
        state = encoder.states[factor.node.key]
        settings = factor.node.settings
        matrices, spectrum = difference_penalties(settings, state)
        count = 1 if levels is None else len(levels)
        width = len(group.names) // count
        for number in range(count):
            level = None if levels is None else levels[number]
            name = factor.name if level is None else f"{factor.name}[{level}]"
            first = start + number * width
            found.append(
                Curve(
                    name,
                    first,
                    first + width,
                    matrices,
                    spectrum,
                    settings["strength"],
                    _variables(factor.node),
                    tuple(state["low"]),
                    tuple(state["high"]),
                    None if by is None else by.name,
                    level,
                    factor.node,
                    state,
                )
            )
    return tuple(found)


def _variables(node: Learned) -> tuple[str, ...]:
    parts = node.argument.parts if isinstance(node.argument, Together) else (node.argument,)
    return tuple(part.name if isinstance(part, Column) else f"({', '.join(columns_of(part))})" for part in parts)
