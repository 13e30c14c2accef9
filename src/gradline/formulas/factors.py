"""One factor of a formula, read and checked against the columns of the data."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from gradline.formulas.catalogue import TRANSFORMS
from gradline.formulas.contrasts import Contrast, read_contrast
from gradline.formulas.curve_calls import read_curve
from gradline.formulas.errors import FormulaError, at, suggestion
from gradline.formulas.expressions import Apply, Chain, Column, Constant, Learned, LevelNumber, Node, TextEquals, columns_of
from gradline.formulas.functions import ALL_ROWS, ARITHMETIC, BOOLEAN, COMPARISONS, CONSTANTS, FUNCTIONS, LOGIC
from gradline.formulas.grammar import CURVES, Factor, chain, hide_quotes, quoted_name, shortened, unparse
from gradline.formulas.option_checks import check_options, listed, near_function
from gradline.tables.sources.dialects import DUCKDB, Speech, Told

Kinds = Mapping[str, str]
"""Column names to "number", "text", "boolean", "category" (of numbers), "date" or "other"."""

_LEVELS = ("text", "category")
"""Kinds that are categories unless a formula says otherwise."""

ToldOfColumns = Mapping[str, Told]
"""What a message says of columns of dates or of no plain type where numbers are needed, by their names."""

_HOLDS = {"text": "text", "date": "dates", "boolean": "true and false", "number": "numbers", "category": "categories"}


@dataclass(frozen=True)
class NumericFactor:
    """One column of numbers."""

    name: str
    node: Node


@dataclass(frozen=True)
class BasisFactor:
    """Several columns of numbers from one, such as a spline."""

    name: str
    node: Learned


@dataclass(frozen=True)
class CategoricalFactor:
    """Levels, and how they are coded. argument: a column by name, or the expression whose values are the levels.

    declared: the levels where the formula lists them. implied: a text column that was not wrapped in C().
    """

    name: str
    argument: str | Node
    contrast: Contrast
    declared: tuple[str | float | bool, ...] | None = None
    implied: bool = False


ReadFactor = NumericFactor | BasisFactor | CategoricalFactor


def read_factor(factor: Factor, kinds: Kinds, text: str, *, target: bool = False, told: ToldOfColumns | None = None) -> ReadFactor:
    """What a factor asks for. Raises FormulaError, with a caret into ``text``, for what the data cannot give; told: what it says then of
    a column of dates or of no plain type."""
    try:
        return _Reader(factor, kinds, text, told).read(target)
    except RecursionError:
        raise FormulaError(
            f"{shortened(factor.name)} nests its operations too deeply to be computed; make it a column of the data first"
        ) from None


def factor_columns(factor: ReadFactor) -> tuple[str, ...]:
    """The columns a factor reads."""
    if isinstance(factor, CategoricalFactor):
        return (factor.argument,) if isinstance(factor.argument, str) else columns_of(factor.argument)
    return columns_of(factor.node)


class _Reader:
    def __init__(self, factor: Factor, kinds: Kinds, text: str, told: ToldOfColumns | None) -> None:
        self.factor, self.kinds, self.text = factor, kinds, text
        self.told = told or {}
        self.hidden: dict[str, str] = {}

    def read(self, target: bool) -> ReadFactor:
        name = self.factor.name
        if self.factor.is_column:
            kind = self._kind(name)
            if kind in _LEVELS and not target:
                return CategoricalFactor(name, name, Contrast("treatment"), implied=kind == "text")
            if kind not in ("number", "boolean"):
                self._not_numbers(name, kind, target)
            return NumericFactor(name, Column(name))
        plain, self.hidden = hide_quotes(name)
        tree = ast.parse(plain, mode="eval").body
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "C":
            return self._numbered(self._categorical(tree)) if target else self._categorical(tree)
        node, kind = self._node(tree, top=True)
        if kind == "constant":
            self._fail(f"{name} names no column", name)
        if kind in _LEVELS:
            assert isinstance(node, Column)
            if target:
                self._not_numbers(node.name, kind, target)
            return CategoricalFactor(name, node.name, Contrast("treatment"), implied=kind == "text")
        if isinstance(node, Learned) and TRANSFORMS[node.transform].labels is not None:
            if target:
                self._fail(f"{node.transform}() makes several columns, and a target is one", node.transform)
            return BasisFactor(name, node)
        if not columns_of(node):
            self._fail(f"{name} names no column", name)
        return NumericFactor(name, node)

    # ------------------------------------------------------------------------------------------------------------ categories

    def _categorical(self, call: ast.Call) -> CategoricalFactor:
        if not call.args:
            self._fail("C() needs a column", "C")
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        unknown = [key for key in named if key not in ("contrasts", "reference", "levels")]
        if unknown or len(call.args) > 2 or (len(call.args) == 2 and "contrasts" in named):
            what = f"C() has no option {unknown[0]!r}" if unknown else "C() takes a column and a contrast"
            self._fail(f"{what}; write C(g), C(g, reference='b'), C(g, contr.sum) or C(g, levels=['a', 'b'])", str((unknown or ["C"])[0]))
        coding = call.args[1] if len(call.args) == 2 else named.get("contrasts")
        contrast = Contrast("treatment") if coding is None else read_contrast(coding, self._fail)
        if "reference" in named:
            if coding is not None:
                self._fail("give reference= or a contrast, not both", "reference")
            contrast = Contrast("treatment", reference=self._literal(named["reference"], "reference"))
        declared = None
        if "levels" in named:
            found = self._literal(named["levels"], "levels")
            if not isinstance(found, tuple) or len(set(found)) != len(found) or not found:
                self._fail("levels= takes a list of different levels", "levels")
            declared = found
        inner = call.args[0]
        column = self._column_name(inner)
        if column is not None and column in self.kinds:
            if self.kinds[column] == "other":
                self._not_numbers(column, "other", target=False)
            return CategoricalFactor(self.factor.name, column, contrast, declared)
        node, kind = self._node(inner)
        argument: str | Node = node.name if kind in _LEVELS and isinstance(node, Column) else node
        return CategoricalFactor(self.factor.name, argument, contrast, declared)

    # ----------------------------------------------------------------------------------------------------------- expressions

    def _node(self, tree: ast.expr, top: bool = False) -> tuple[Node, str]:
        """The checked node, and what it gives: "number", "boolean", "text" or "constant"."""
        column = self._column_name(tree)
        if column is not None:
            return self._column(column)
        match tree:
            case ast.Constant(value=bool(value)):
                return Constant(value), "constant"
            case ast.Constant(value=int(value) | float(value)):
                return Constant(float(value)), "constant"
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name) if name in CONSTANTS:
                return Constant(CONSTANTS[name]), "constant"
            case ast.UnaryOp(op=ast.Invert()):
                return self._logic("Invert", [tree.operand])
            case ast.UnaryOp(op=operation) if type(operation).__name__ in ARITHMETIC:
                node, kind = self._number(tree.operand, type(operation).__name__)
                if isinstance(node, Constant) and isinstance(operation, ast.USub):
                    return Constant(-node.value), "constant"
                return Apply("arithmetic", type(operation).__name__, (node,)), kind
            case ast.BinOp() if type(tree.op).__name__ in LOGIC or type(tree.op).__name__ in ARITHMETIC:
                return self._chain(tree)
            case ast.Compare(ops=[operation], comparators=[right]):
                return self._comparison(tree.left, type(operation).__name__, right)
            case ast.Call():
                return self._call(tree, top)
            case ast.BoolOp():
                self._fail("write & and | between comparisons, each in brackets: I((x > 1) & (x < 5))", None)
            case ast.Compare():
                self._fail("write one comparison at a time: I((x > 1) & (x < 5))", None)
            case ast.Constant(value=str()):
                self._fail(f"the text {tree.value!r} can only be compared with a text column: I(g == 'a')", None)
        raise self._error(f"{unparse(tree)!r} is not something a formula can compute; make it a column of the data first", None)

    def _column(self, name: str) -> tuple[Node, str]:
        kind = self._kind(name)
        if kind in ("date", "other"):
            self._not_numbers(name, kind, target=False)
        return Column(name), kind

    def _number(self, tree: ast.expr, what: str) -> tuple[Node, str]:
        node, kind = self._node(tree)
        if kind in _LEVELS:
            assert isinstance(node, Column)
            self._not_numbers(node.name, kind, target=False, what=what)
        return node, kind

    def _chain(self, tree: ast.BinOp) -> tuple[Node, str]:
        """``a + b - c`` or ``a & b & c``, without a call for each operand. Where logic follows arithmetic or the reverse, the part
        before is one operand."""
        first, rest = chain(tree)
        node, kind = self._operand(first, type(rest[0][0]).__name__)
        while rest:
            table = "logic" if type(rest[0][0]).__name__ in LOGIC else "arithmetic"
            known = LOGIC if table == "logic" else ARITHMETIC
            length = next((i for i, (operation, _) in enumerate(rest) if type(operation).__name__ not in known), len(rest))
            if not length:
                raise self._error(f"{unparse(tree)!r} is not something a formula can compute; make it a column of the data first", None)
            parts = [(type(operation).__name__, *self._operand(operand, type(operation).__name__)) for operation, operand in rest[:length]]
            kinds = [kind, *(own for *_, own in parts)]
            if table == "logic" and any(own != "boolean" for own in kinds):
                self._refuse_caret(tree)
                self._fail("&, | and ~ take comparisons, each in brackets: I((x > 1) & (x < 5))", None)
            if len(parts) == 1:
                node = Apply(table, parts[0][0], (node, parts[0][1]))
            else:
                node = Chain(table, node, tuple((name, own) for name, own, _ in parts))
            kind = "boolean" if table == "logic" else "constant" if all(own == "constant" for own in kinds) else "number"
            rest = rest[length:]
        return node, kind

    def _refuse_caret(self, tree: ast.BinOp) -> None:
        """Raises FormulaError for ^ with a number after it, which Python takes for logic and whoever wrote it for a power."""
        for part in ast.walk(tree):
            match part:
                case ast.BinOp(op=ast.BitXor(), right=ast.Constant(value=int() | float())):
                    # As it was written: read as Python, ^ binds less than + does, and brackets around a sum are gone.
                    written = self.text[self.factor.start : self.factor.end] or self.factor.name
                    meant = re.sub(r"\s*\^\s*", " ** ", written)
                    self._fail(f"in a formula ^ inside I() is no power; write {meant}", None)

    def _operand(self, tree: ast.expr, operation: str) -> tuple[Node, str]:
        return self._node(tree) if operation in LOGIC else self._number(tree, operation)

    def _logic(self, name: str, parts: list[ast.expr]) -> tuple[Node, str]:
        read = [self._node(part) for part in parts]
        if any(kind != "boolean" for _, kind in read):
            self._fail("&, | and ~ take comparisons, each in brackets: I((x > 1) & (x < 5))", None)
        return Apply("logic", name, tuple(node for node, _ in read)), "boolean"

    def _comparison(self, left: ast.expr, name: str, right: ast.expr) -> tuple[Node, str]:
        if name not in COMPARISONS:
            self._fail("a formula compares with <, <=, >, >=, == and !=", None)
        for tree, other in ((left, right), (right, left)):
            column = self._column_name(tree)
            if column is not None and self._kind(column) == "text":
                if isinstance(other, ast.Constant) and isinstance(other.value, str) and name in ("Eq", "NotEq"):
                    return TextEquals(column, other.value, name == "NotEq"), "boolean"
                self._fail(f"the text column {column!r} can be compared with text only, by == or !=", column)
            if column is not None and self._kind(column) == "category":
                level = self._node(other)[0] if not self._column_name(other) else None
                if isinstance(level, Constant) and name in ("Eq", "NotEq"):
                    return Apply("comparison", name, (Column(column), level)), "boolean"
                self._fail(f"the categorical column {column!r} can be compared with one of its levels only, by == or !=", column)
        nodes = [self._number(part, name)[0] for part in (left, right)]
        return Apply("comparison", name, tuple(nodes)), "boolean"

    def _call(self, call: ast.Call, top: bool) -> tuple[Node, str]:
        name = self._function_name(call.func)
        if name == "I" and len(call.args) == 1 and not call.keywords:
            return self._node(call.args[0])
        if name == "Q" and len(call.args) == 1 and isinstance(call.args[0], ast.Constant):
            return self._column(str(call.args[0].value))
        if name in CURVES:
            if not top:
                self._fail(f"{name}() makes several columns and stands on its own, not inside another function", name)
            return read_curve(call, name, self._restored(unparse(call)), _CurveReading(self)), "number"
        if name in TRANSFORMS:
            return self._learned(call, name, top)
        if name in FUNCTIONS:
            _, fewest, most = FUNCTIONS[name]
            if call.keywords or not fewest <= len(call.args) <= most:
                count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
                self._fail(f"{name}() takes {count} argument{'s' if most > 1 else ''}, without names", name)
            parts = [self._number(argument, f"{name}()") for argument in call.args]
            constant = all(kind == "constant" for _, kind in parts)
            node = Apply("function", name, tuple(node for node, _ in parts))
            return node, "constant" if constant else "boolean" if name in BOOLEAN else "number"
        if name in ("C", "offset"):
            self._fail(f"{name}() stands on its own, not inside another function", name)
        if name in ALL_ROWS:
            self._fail(
                f"{name}() looks at many rows at once, and a formula at one at a time; use center(x), scale(x), poly(x, 2) or bs(x, df=4),"
                " which learn from all rows first, or make the column in the data",
                name,
            )
        known = sorted({*FUNCTIONS, *TRANSFORMS, "C", "I", "offset"})
        raise self._error(f"a formula has no function {name!r}; {near_function(name, known)}", name)

    def _learned(self, call: ast.Call, name: str, top: bool) -> tuple[Node, str]:
        transform = TRANSFORMS[name]
        if transform.labels is not None and not top:
            self._fail(f"{name}() makes several columns and stands on its own, not inside another function", name)
        if not call.args or len(call.args) > 1 + len(transform.defaults):
            self._fail(f"{name}() takes a column{listed(transform.defaults)}", name)
        options: dict[str, Any] = dict(transform.defaults)
        given: set[str] = set()
        pairs = [*zip(transform.defaults, call.args[1:], strict=False), *((keyword.arg, keyword.value) for keyword in call.keywords)]
        for key, value in pairs:
            if key is None or key not in options:
                self._fail(f"{name}() has no option {key!r}; {suggestion(str(key), options, 'it has')}", str(key))
            if key in given:
                self._fail(f"{name}() is given {key} twice", name)
            given.add(key)
            options[key] = self._literal(value, key)
        check_options(name, options, self._fail)
        node, kind = self._number(call.args[0], f"{name}()")
        if kind == "constant":
            self._fail(f"{name}() needs a column", name)
        return Learned(self._restored(unparse(call)), name, node, tuple(options.items())), "number"

    # ----------------------------------------------------------------------------------------------------------------- names

    def _column_name(self, tree: ast.expr) -> str | None:
        """The column a name stands for, dots included; None for anything else, such as ``np.pi``."""
        parts: list[str] = []
        while isinstance(tree, ast.Attribute):
            parts.append(tree.attr)
            tree = tree.value
        if not isinstance(tree, ast.Name):
            return None
        name = ".".join([self.hidden.get(tree.id, tree.id), *reversed(parts)])
        if parts and tree.id in ("np", "numpy") and name not in self.kinds:
            return None
        return name

    def _function_name(self, tree: ast.expr) -> str:
        if isinstance(tree, ast.Name):
            return tree.id
        if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name) and tree.value.id in ("np", "numpy"):
            return tree.attr
        raise self._error(f"{self._restored(unparse(tree))} is no function of a formula", None)

    def _kind(self, name: str) -> str:
        if name not in self.kinds:
            self._fail(f"the data has no column {name!r}; {suggestion(name, self.kinds, 'it has', quoted_name)}", name)
        return self.kinds[name]

    def _restored(self, text: str) -> str:
        for placeholder, name in self.hidden.items():
            text = re.sub(rf"\b{placeholder}\b", lambda _, name=name: f"`{name}`", text)  # type: ignore[misc]
        return text

    def _numbered(self, factor: CategoricalFactor) -> NumericFactor:
        """A target of classes: the number of each among its levels, which the formula lists."""
        levels = [level for level in factor.declared or () if isinstance(level, str)]
        if factor.declared is None or len(levels) < len(factor.declared) or not isinstance(factor.argument, str):
            self._fail(
                "a target is a number, not a category; for one of two classes write I(column == 'class'), for several of text"
                " C(column, levels=['a', 'b', 'c']), which numbers them from 0 in that order",
                "C",
            )
        return NumericFactor(factor.argument, LevelNumber(factor.argument, tuple(levels)))

    def _literal(self, tree: ast.expr, what: str) -> Any:
        """A number, text, true, false, None, or a list of them as a tuple."""
        try:
            value = ast.literal_eval(tree)
        except ValueError:
            self._fail(f"{what} takes a plain value, not {self._restored(unparse(tree))}", what)
        return _frozen(value)

    # ---------------------------------------------------------------------------------------------------------------- errors

    def _not_numbers(self, name: str, kind: str, target: bool, what: str = "") -> NoReturn:
        if target:
            classes = {"text": f"I({quoted_name(name)} == 'class')", "category": f"I({quoted_name(name)} == 1)"}
            advice = f"; for one of two classes write {classes[kind]}" if kind in classes else ""
            holds = _HOLDS[kind] if kind in ("text", "boolean", "number", "category") else self._told(name).holds
            self._fail(f"the target {name!r} holds {holds}, and a target is a number{advice}", name)
        if kind == "other":
            told = self._told(name)
            self._fail(f"column {name!r} holds {told.holds}, not numbers; {told.advice}", name)
        by = f", and {what} takes numbers" if what.endswith(")") else ", not numbers"
        advice = (
            f"; C({quoted_name(name)}) makes each of its values a category"
            if kind in ("text", "date")
            else "; make it a number in the data first"
        )
        if kind == "date":
            told = self._told(name)
            advice = f"; {told.advice}, or write C({quoted_name(name)}), for which each of its values is a category"
            self._fail(f"column {name!r} holds {told.holds}{by}{advice}", name)
        self._fail(f"column {name!r} holds {_HOLDS[kind]}{by}{advice}", name)

    def _told(self, name: str) -> Told:
        if name in self.told:
            return self.told[name]
        if self.kinds[name] == "date":
            return Told("dates", f"count days, say with {Speech().added(DUCKDB.days, name, 'days')}")
        return Told("values that are neither numbers nor text nor dates", "make it a number in the data first")

    def _fail(self, message: str, word: str | None) -> NoReturn:
        raise self._error(message, word)

    def _error(self, message: str, word: str | None) -> FormulaError:
        start, end = self.factor.start, self.factor.end
        if word and not self.factor.is_column:
            place, escaped = self.text[start:end], re.escape(word)
            found = re.search(rf"(?<![\w.]){escaped}(?![\w.])", place) or re.search(rf"(?<!\w){escaped}(?!\w)", place)
            if found:
                start, end = start + found.start(), start + found.end()
        if end <= start:
            return FormulaError(message)
        return at(message, self.text, start, end)


@dataclass(frozen=True)
class _CurveReading:
    """What reads a curve's arguments."""

    reader: _Reader

    def number(self, tree: ast.expr, what: str) -> tuple[Node, str]:
        return self.reader._number(tree, what)

    def literal(self, tree: ast.expr, what: str) -> Any:
        return self.reader._literal(tree, what)

    def kind_of_by(self, tree: ast.expr) -> str:
        column = self.reader._column_name(tree)
        if column is None:
            return "category"
        return "category" if self.reader._kind(column) in (*_LEVELS, "date") else "number"

    def fail(self, message: str, word: str | None) -> NoReturn:
        self.reader._fail(message, word)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list | tuple) else value
