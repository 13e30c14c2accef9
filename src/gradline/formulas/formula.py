"""Formulas: one line that says which columns explain which.

``parse`` reads Wilkinson formulas, as R, patsy and formulaic do, against the columns of the data; ``Formula.learn`` makes one pass or a few
over the whole data for what must be known before the first row can be encoded; the ``Encoder`` it gives turns batches of rows into designs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gradline.formulas.bare_names import told_of_backquotes
from gradline.formulas.building import CheckedFormula, build, check
from gradline.formulas.encoder import Encoded, Encoder
from gradline.formulas.errors import FormulaError, suggestion
from gradline.formulas.factors import ToldOfColumns, factor_columns
from gradline.formulas.grammar import Factor, Sides, columns_named
from gradline.formulas.learning import Table, learn_levels, learn_states
from gradline.formulas.reading import read

__all__ = ["Encoded", "Encoder", "Formula", "FormulaError", "Table", "parse", "plain"]

Read = TypeVar("Read")


@dataclass(frozen=True)
class Formula:
    """One formula, or one for each linear predictor, read and checked against the columns of the data.

    checked: the factors. kinds: the data's columns and what they hold.
    """

    checked: CheckedFormula
    kinds: Mapping[str, str]

    @property
    def text(self) -> str | dict[str, str]:
        """As it was written: a text, or one a linear predictor."""
        texts = {name: side.text for name, side in self.checked.sides.items()}
        return texts[""] if list(texts) == [""] else texts

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, the targets' first."""
        checked = self.checked
        factors = [*checked.targets, *checked.factors.values(), *(part for own in checked.offsets.values() for part in own)]
        return tuple(dict.fromkeys(name for factor in factors for name in factor_columns(factor)))

    @property
    def target_names(self) -> tuple[str, ...]:
        """The q targets, such as "y" or "log(y)"."""
        return tuple(target.name for target in self.checked.targets)

    @property
    def predictors(self) -> tuple[str, ...]:
        """The linear predictors the formulas are for; ("",) where there is one formula."""
        return tuple(self.checked.sides)

    def learn(self, table: Table) -> Encoder:
        """The encoder, after as many passes over the columns concerned as the formula needs; none for numbers taken as they are.

        Levels come from the whole column, means, scales and knots from all of its values that are not missing. Raises FormulaError for a
        category without levels or with too many, and for a transform that the column cannot give.
        """
        states = learn_states(self.checked.nodes, table, self.kinds)
        levels = learn_levels(self.checked.factors.values(), table, self.kinds, states)
        return build(self.checked, self.kinds, states, levels)


def parse(formula: str | Mapping[str, str], columns: Mapping[str, str] | Iterable[str], told: ToldOfColumns | None = None) -> Formula:
    """Read a formula against the columns of the data.

    formula: such as "y ~ x1 + log(x2) + C(g)", or a dict of one for each linear predictor, of which the first names the target:
    ``{"mean": "y ~ x1 + x2", "log_scale": "~ x2"}``. columns: names and what they hold ("number", "text", "boolean", "category", "date",
    "other"), or names alone for numbers. told: what an error says of columns of dates or of no plain type, by their names.

    Raises FormulaError, with a caret under the place, for a malformed formula, an unknown column (with the nearest known one), a target
    among the features, and text or dates where numbers are needed.
    """
    kinds = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(columns, "number")
    if not isinstance(formula, Mapping):
        return _told(lambda text: Formula(check({"": read(text, kinds)}, kinds, told), kinds), formula, kinds)
    if not formula:
        raise FormulaError("no formula is given; write one for each linear predictor")
    sides = {
        str(name): _told(lambda text, name=name: read(text, _others(formula, name, kinds), kinds), text, kinds)  # type: ignore[misc]
        for name, text in formula.items()
    }
    return Formula(check(sides, kinds, told), kinds)


def plain(
    target: str | Sequence[str],
    features: Sequence[str],
    columns: Mapping[str, str],
    *,
    intercept: bool = True,
    told: ToldOfColumns | None = None,
) -> Formula:
    """The formula of columns by name, taken as they are: what ``target=`` and ``features=`` stand for. Names need no quotes.

    Raises FormulaError for an unknown column, a feature named twice, and the target among the features.
    """
    targets = [target] if isinstance(target, str) else list(target)
    for name in [*targets, *features]:
        if name not in columns:
            raise FormulaError(f"the data has no column {name!r}; {suggestion(name, columns, 'it has')}")
    twice = [name for i, name in enumerate(features) if name in features[:i]]
    if twice:
        raise FormulaError(f"the feature {twice[0]!r} is named twice")
    text = " + ".join(f"`{name}`" for name in targets) + " ~ " + " + ".join([str(int(intercept)), *(f"`{name}`" for name in features)])
    terms = ([()] if intercept else []) + [(Factor(name, True),) for name in features]
    sides = Sides(text, tuple(Factor(name, True) for name in targets), tuple(terms))
    return Formula(check({"": sides}, columns, told), columns)


def _told(read: Callable[[str], Read], text: str, columns: Iterable[str]) -> Read:
    """``read(text)``, whose error says so where nothing but backquotes are missing."""
    try:
        return read(text)
    except FormulaError as error:
        told = told_of_backquotes(error, read, text, columns)
        if told is None:
            raise
        raise told from None


def _others(formulas: Mapping[str, str], name: str, kinds: Mapping[str, str]) -> list[str]:
    """What ``.`` stands for in one formula of several: every column but the targets, which another formula names."""
    targets: set[str] = set()
    for other, text in formulas.items():
        if other != name and isinstance(text, str) and "~" in text:
            targets.update(columns_named(text.partition("~")[0], kinds))
    return [column for column in kinds if column not in targets]
