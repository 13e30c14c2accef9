"""s(x, k=20), s(x, by=g) and te(x, z): what a formula asks of a curve, read and checked."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from gradline.formulas.errors import at, suggestion
from gradline.formulas.expressions import Learned, Node, Together
from gradline.formulas.grammar import Factor, Term, hide_quotes, is_curve, normal_form, unparse

OPTIONS = ("k", "by", "degree", "order", "strength", "monotone")

_USUAL = {"sp": "strength", "m": "order", "df": "k", "knots": "k", "n_splines": "k", "spline_order": "degree", "lam": "strength"}
"""What other programs call them."""

DEFAULT_K = {"s": 10, "te": 5}


class Reading(Protocol):
    """What reads the expressions of a formula."""

    def number(self, tree: ast.expr, what: str) -> tuple[Node, str]: ...

    def literal(self, tree: ast.expr, what: str) -> Any: ...

    def kind_of_by(self, tree: ast.expr) -> str:
        """ "number" or "category"."""

    def fail(self, message: str, word: str | None) -> NoReturn: ...


def read_curve(call: ast.Call, name: str, key: str, reading: Reading) -> Learned:
    """The curve that a call asks for. key: its normal form. Raises FormulaError through ``reading`` for what there is none of."""
    fail = reading.fail
    options: dict[str, ast.expr] = {}
    for keyword in call.keywords:
        if keyword.arg not in OPTIONS:
            usual = _USUAL.get(str(keyword.arg))
            hint = f"here it is {usual}=" if usual else suggestion(str(keyword.arg), OPTIONS, "it has")
            fail(f"{name}() has no option {keyword.arg!r}; {hint}", str(keyword.arg))
        options[keyword.arg] = keyword.value
    count = len(call.args)
    if name == "s" and count == 2 and "k" not in options and isinstance(call.args[1], ast.Constant):
        options["k"], count = call.args[1], 1
    if name == "s" and count != 1:
        fail("s() is a curve of one column; te(x, z) is a surface over two" if count else "s() needs a column, as in s(x)", name)
    if name == "te" and not 2 <= count <= 4:
        fail("te() is a surface over two to four columns, as in te(x, z); s(x) is a curve of one", name)
    found: dict[str, Any] = {"k": DEFAULT_K[name], "degree": 3, "order": 2, "strength": None}
    found |= {key: reading.literal(options[key], key) for key in found if key in options}
    _check(name, count, found, fail)
    found["monotone"] = _monotone(name, count, reading.literal(options["monotone"], "monotone"), fail) if "monotone" in options else None
    found["columns"] = count
    found["by"] = reading.kind_of_by(options["by"]) if "by" in options else None
    nodes = list[Node]()
    for argument in call.args[:count]:
        node, kind = reading.number(argument, f"{name}()")
        if kind == "constant":
            fail(f"{name}() needs a column", name)
        nodes.append(node)
    if len(set(nodes)) < len(nodes):
        fail("te() is a surface over different columns", name)
    return Learned(key, name, nodes[0] if count == 1 else Together(tuple(nodes)), tuple(found.items()))


def _monotone(name: str, count: int, given: Any, fail: Callable[[str, str | None], NoReturn]) -> Any:
    """The direction in which a curve is held; of a surface one for each of its columns, None where it is held in none."""
    parts = given if isinstance(given, tuple) and name == "te" else (given,)
    for part in parts:
        if part not in ("increasing", "decreasing") and not (part is None and len(parts) > 1):
            fail(f'{name}(): monotone must be "increasing" or "decreasing", not {part!r}', "monotone")
    if name == "s":
        return given
    if parts is given and len(parts) != count:
        fail(
            f"te(): monotone is one direction, or a list of one for each of the {count} columns, None where there is none, not"
            f" {list(parts)}",
            "monotone",
        )
    return parts if len(parts) == count else parts * count


def _check(name: str, count: int, found: dict[str, Any], fail: Callable[[str, str | None], NoReturn]) -> None:
    for key, least, most in (("k", 2, 2000), ("order", 1, 10), ("degree", 1, 10)):
        value = found[key]
        parts = value if isinstance(value, tuple) and key != "degree" and name == "te" else (value,)
        if isinstance(value, tuple) and len(parts) != count and name == "te":
            fail(f"{name}(): {key} is one number, or a list of one for each of the {count} columns, not {list(value)}", key)
        for part in parts:
            if isinstance(part, bool) or not isinstance(part, int):
                fail(f"{name}(): {key} must be a whole number, not {part!r}", key)
            if not least <= part <= most:
                fail(f"{name}(): {key} must be from {least} to {most:,}, not {part}", key)
    strength = found["strength"]
    parts = strength if isinstance(strength, tuple) else (strength,)
    if strength is None:
        return
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part < float("inf"):
            fail(f"{name}(): strength must be a number from 0 up, not {part!r}; leave it out to have it chosen", "strength")
    if len(parts) not in (1, count):
        fail(f"{name}(): strength is one number, or a list of one for each of the {count} columns", "strength")
    found["strength"] = tuple(float(part) for part in (parts if len(parts) == count else parts * count))


def with_by(term: Term, text: str) -> Term:
    """A curve with ``by=g`` as the product of the curve with that column; other terms as they are. Raises FormulaError for a curve in an
    interaction."""
    curves = [factor for factor in term if is_curve(factor)]
    if not curves:
        return term
    factor = curves[0]
    if len(term) > 1:
        others = ":".join(part.name for part in term if part is not factor)
        call = factor.name
        advice = f"write {call[:-1]}, by={others}) for a curve of each level" if len(term) == 2 and len(curves) == 1 else "te(x, z) is"
        tail = "" if len(term) == 2 and len(curves) == 1 else " a surface over two columns"
        raise at(f"the curve {call} cannot be part of an interaction; {advice}{tail}", text, factor.start, factor.end)
    by = _by_of(factor)
    if by is None:
        return term
    plain, hidden = by
    name = _restored(plain, hidden)
    if isinstance(plain, ast.Name | ast.Attribute):
        return (factor, Factor(name.strip("`"), True, factor.start, factor.end))
    if isinstance(plain, ast.Call) and isinstance(plain.func, ast.Name) and plain.func.id == "C":
        return (factor, Factor(normal_form(name), False, factor.start, factor.end))
    raise at("by= takes the name of a column, or C(...) of one, without quotes: s(x, by=g)", text, factor.start, factor.end)


def _by_of(factor: Factor) -> tuple[ast.expr, dict[str, str]] | None:
    plain, hidden = hide_quotes(factor.name)
    tree = ast.parse(plain, mode="eval").body
    found = [keyword.value for keyword in tree.keywords if keyword.arg == "by"] if isinstance(tree, ast.Call) else []
    return (found[0], hidden) if found else None


def _restored(tree: ast.expr, hidden: dict[str, str]) -> str:
    text = unparse(tree)
    for placeholder, name in hidden.items():
        text = text.replace(placeholder, f"`{name}`")
    return text
