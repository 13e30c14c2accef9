"""What formulas are written in: names, quotes, expressions in their normal form, and plain sums such as ``y ~ x * log(z) + C(g):x - 1``."""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gradline.formulas.errors import FormulaError, at, suggestion

NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_WORD = re.compile(r"[^\W\d]\w*")
QUOTED = re.compile(r"`([^`]+)`")
STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")

CURVES = ("s", "te")
"""Functions of a formula that stand for curves with a penalty."""

MOST_TERMS = 25_000
"""Terms beyond which nobody can have meant a formula: 200 columns in all pairs are 20,100."""


@dataclass(frozen=True)
class Factor:
    """One factor of a term: a column by name, or an expression in its normal form. start, end: its place in the formula's text."""

    name: str
    is_column: bool
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


Token = Factor | str | int
"""What a plain formula is made of: factors, operators, and the numbers 0 and 1."""

Term = tuple[Factor, ...]
"""A product of factors; the empty one is the intercept."""


@dataclass(frozen=True)
class Sides:
    """A formula taken apart. text: as written. targets and offsets: one factor each. terms: in the order of their degree."""

    text: str
    targets: tuple[Factor, ...]
    terms: tuple[Term, ...]
    offsets: tuple[Factor, ...] = ()


def is_call(factor: Factor, function: str) -> bool:
    """Whether a factor is ``function(...)``."""
    return not factor.is_column and factor.name.startswith(function + "(")


def is_curve(factor: Factor) -> bool:
    """Whether a factor is ``s(...)`` or ``te(...)``."""
    return any(is_call(factor, name) for name in CURVES)


def hide_quotes(text: str) -> tuple[str, dict[str, str]]:
    """Backquoted names to identifiers that Python can read, and what each stands for."""
    names: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)
        name = match.group(1)
        if _reads_as_itself(name):
            return name
        return hide(name)

    def hide(name: str) -> str:
        hidden = next((known for known, meant in names.items() if meant == name), f"_quoted_{len(names)}")
        names[hidden] = name
        return hidden

    plain = re.sub(f"{STRING.pattern}|{QUOTED.pattern}", replace, text)
    if not plain.isascii():
        # Python takes some letters for others, such as the ligature of f and i for the two.
        pieces = re.compile(f"{STRING.pattern}|({_WORD.pattern})")
        plain = pieces.sub(lambda m: hide(m[1]) if m[1] and unicodedata.normalize("NFKC", m[1]) != m[1] else m[0], plain)
    return plain, names


def _reads_as_itself(name: str) -> bool:
    """Whether Python reads the name as a name, and as this one."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def quoted_name(name: str) -> str:
    """A column's name as a formula takes it: between backquotes where it must be."""
    return name if NAME.fullmatch(name) and not any(keyword.iskeyword(part) for part in name.split(".")) else f"`{name}`"


def unparse(tree: ast.AST) -> str:
    """As ``ast.unparse``, of sums of any length too: it calls itself once for each summand."""
    try:
        return ast.unparse(tree)
    except RecursionError:
        pieces: dict[str, str] = {}
        text = ast.unparse(_Shortened(pieces).visit(tree))
        for placeholder, piece in reversed(pieces.items()):
            text = text.replace(placeholder, piece)
        return text


class _Shortened(ast.NodeTransformer):
    """Long chains of operations, the texts of whose beginnings are put in their place."""

    def __init__(self, pieces: dict[str, str]) -> None:
        self.pieces = pieces

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        first, rest = chain(node)
        made: ast.expr = self.visit(first)
        for place, (operation, right) in enumerate(rest):
            if place % 50 == 49 and isinstance(made, ast.BinOp):
                text = ast.unparse(made)
                sample = ast.BinOp(ast.BinOp(ast.Name("a"), made.op, ast.Name("b")), operation, ast.Name("c"))
                placeholder = f"_piece_{len(self.pieces)}_"
                self.pieces[placeholder] = f"({text})" if ast.unparse(sample).startswith("(") else text
                made = ast.Name(placeholder)
            made = ast.BinOp(made, operation, self.visit(right))
        assert isinstance(made, ast.BinOp)
        return made


def chain(tree: ast.BinOp) -> tuple[ast.expr, list[tuple[ast.operator, ast.expr]]]:
    """``a + b - c`` as its first operand and the operations after it, without a call for each."""
    rest: list[tuple[ast.operator, ast.expr]] = []
    node: ast.expr = tree
    while isinstance(node, ast.BinOp):
        rest.append((node.op, node.right))
        node = node.left
    return node, rest[::-1]


def shortened(text: str) -> str:
    """The text for a message, which need not repeat all of a long one."""
    return text if len(text) <= 200 else f"{text[:150]} ... {text[-30:]}"


def normal_form(text: str) -> str:
    """An expression written the one way it is named by: spaces and quotes as Python's own. Raises SyntaxError."""
    hidden, names = hide_quotes(text)
    try:
        plain = unparse(ast.parse(hidden.strip(), mode="eval")).replace("\n", " ")
    except (RecursionError, MemoryError):
        raise FormulaError(f"{shortened(text)} nests its operations too deeply to be read; make it a column of the data first") from None
    for placeholder, name in names.items():
        plain = re.sub(rf"\b{placeholder}\b", lambda _, name=name: f"`{name}`", plain)  # type: ignore[misc]
    return plain


def expression(text: str, formula: str, start: int, end: int) -> Factor:
    """The factor of a part of a formula, from start to end. Raises FormulaError, with a caret, for what is no expression."""
    try:
        return Factor(normal_form(text), False, start, end)
    except SyntaxError as error:
        place = start + (error.offset or 1) - 1 if "`" not in text else start
        raise at(f"malformed formula: {text!r} is no expression ({error.msg})", formula, min(place, end - 1), end) from None


# ---------------------------------------------------------------------------------------------------------------- plain sums


@dataclass(frozen=True)
class Dot:
    """What ``.`` stands for: columns. known: every column there is. text: the formula, for carets."""

    columns: Sequence[str]
    known: Sequence[str]
    text: str

    def terms(self, start: int) -> list[Term]:
        """A term for each column; start: where the dot is."""
        return [(Factor(name, True, start, start + 1),) for name in self.columns]

    def check_taken_away(self, term: Term) -> None:
        """Raises FormulaError where what is taken away from a sum with a dot, and is not in it, cannot have been meant so."""
        for factor in term:
            if factor.is_column and factor.name not in self.known:
                hint = suggestion(factor.name, self.known, "it has")
                raise at(f"the data has no column {factor.name!r} to take away; {hint}", self.text, factor.start, factor.end)
            if not factor.is_column and len(term) == 1:
                raise at(
                    f"{factor.name} is no term of the formula, in which '.' stands for columns as they are: take away the column alone",
                    self.text,
                    factor.start,
                    factor.end,
                )


def columns_named(text: str, columns: Iterable[str]) -> list[str]:
    """Those of the columns that a part of a formula names."""
    found = set[str]()
    i = 0
    while i < len(text):
        if match := QUOTED.match(text, i):
            found.add(match[1])
        elif match := NAME.match(text, i):
            found.add(match[0])
        else:
            match = STRING.match(text, i)
        i = match.end() if match else i + 1
    return [name for name in columns if name in found]


def is_dot(token: Token) -> bool:
    """Whether a token is ``.``, which as an expression there is none of."""
    return isinstance(token, Factor) and not token.is_column and token.name == "."


def read_sum(text: str, columns: Sequence[str] = (), known: Sequence[str] | None = None) -> tuple[list[Term], list[Term]] | None:
    """Targets and terms of a sum of plain terms; None where the text is anything else.

    columns: what ``.`` stands for, but for those that the targets are made of. known: all there are, unless these are. Raises FormulaError
    for a column that is taken away from ``.`` and not there.
    """
    tokens = _tokens(text)
    if tokens is None:
        return None
    tildes = [i for i, token in enumerate(tokens) if token == "~"]
    if len(tildes) > 1:
        return None
    left = tokens[: tildes[0]] if tildes else []
    right = tokens[tildes[0] + 1 :] if tildes else tokens
    targets = _terms(left, ()) if left else []
    if targets is None or "-" in left or any(isinstance(token, int) for token in left):
        return None
    dot = None
    if any(map(is_dot, right)):
        explained = columns_named(text.partition("~")[0], columns) if tildes else []
        dot = Dot([name for name in columns if name not in explained], columns if known is None else known, text)
    terms = _terms(right, ((),), dot)
    return None if terms is None else (targets, terms)


def _terms(tokens: list[Token], start: tuple[Term, ...], dot: Dot | None = None) -> list[Term] | None:
    """The sum's terms, beginning with ``start``: a set in order of appearance, from which ``-`` removes. None where it is malformed."""
    found: dict[frozenset[Factor], Term] = {frozenset(term): term for term in start}
    signs = [str(token) for token in tokens if token in ("+", "-")]
    summands = _split(tokens, ("+", "-"))
    if len(summands) > 1 and not summands[0]:
        summands = summands[1:]  # a sign comes first
    else:
        signs = ["+", *signs]
    for sign, summand in zip(signs, summands, strict=True):
        if summand in ([0], [1]):
            if summand == [0] and sign == "-":
                return None
            terms: list[Term] | None = [()]
        elif dot is not None and len(summand) == 1 and isinstance(summand[0], Factor) and is_dot(summand[0]):
            terms = dot.terms(summand[0].start)
        else:
            terms = _crossed(summand)
        if terms is None:
            return None
        for term in terms:
            if sign == "-" or summand == [0]:
                if found.pop(frozenset(term), None) is None and dot is not None:
                    dot.check_taken_away(term)
            else:
                found.setdefault(frozenset(term), term)
    return list(found.values())


def _crossed(tokens: list[Token]) -> list[Term] | None:
    """The terms of ``a * b:c * ...``: each, and the products of all."""
    terms: dict[frozenset[Factor], Term] = {}
    for part in _split(tokens, ("*",)):
        factors = [factor for piece in _split(part, (":",)) for factor in (piece or [""])]
        plain = all(isinstance(factor, Factor) and not is_dot(factor) for factor in factors)
        if not factors or len(factors) != part.count(":") + 1 or not plain:
            return None
        term = tuple(dict.fromkeys(factor for factor in factors if isinstance(factor, Factor)))
        if len(terms) >= MOST_TERMS:
            raise too_many(None)
        products = [tuple(dict.fromkeys((*known, *term))) for known in terms.values()]
        for fresh in [term, *products]:
            terms.setdefault(frozenset(fresh), fresh)
    return list(terms.values())


def _split(tokens: list[Token], operators: tuple[str, ...]) -> list[list[Token]]:
    """The tokens between operators."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if isinstance(token, str) and token in operators:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _tokens(text: str) -> list[Token] | None:
    """Factors, ``.``, the operators ``~ + - * :`` and the numbers 0 and 1; None at anything else."""
    found: list[Token] = []
    i = 0
    while i < len(text):
        character = text[i]
        if character.isspace():
            i += 1
        elif character == "*" and text[i + 1 : i + 2] == "*":
            return None
        elif character in "~+-*:":
            found.append(character)
            i += 1
        elif character == "." and not re.match(r"[\w.]", text[i + 1 : i + 2]):
            found.append(Factor(".", False, i, i + 1))
            i += 1
        elif character in "01" and not re.match(r"[\w.]", text[i + 1 : i + 2]):
            found.append(int(character))
            i += 1
        elif match := QUOTED.match(text, i):
            found.append(Factor(match.group(1), True, i, match.end()))
            i = match.end()
        elif match := NAME.match(text, i):
            end = match.end()
            call = text[end : end + 1] == "("
            if call:
                closing = closing_bracket(text, end)
                if closing is None:
                    return None
                end = closing + 1
                try:
                    found.append(Factor(normal_form(text[i:end]), False, i, end))
                except SyntaxError:
                    return None
            else:
                found.append(Factor(match.group(0), True, i, end))
            if text[end : end + 1] in ("(", "[", ".", "`", '"', "'"):
                return None
            i = end
        else:
            return None
    return found


def closing_bracket(text: str, opening: int) -> int | None:
    """Where the bracket opened at ``opening`` closes; None if it does not."""
    depth, i = 0, opening
    while i < len(text):
        if match := (STRING.match(text, i) or QUOTED.match(text, i)):
            i = match.end()
            continue
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
        i += 1
    return None


def check_count(count: int) -> None:
    """Raises FormulaError where a formula has more terms than can be meant."""
    if count > MOST_TERMS:
        raise too_many(count)


def too_many(count: int | None, power: tuple[int, int] | None = None) -> FormulaError:
    """The error for a formula of that many terms. power: how many terms are raised to which power, where that makes them so many."""
    if power is not None and power[1] > power[0]:
        said = f"the power {power[1]} of {power[0]} terms multiplies out to too many products"
        return FormulaError(f"{said}; ** {power[0]} has all their interactions already")
    many = f"more than {MOST_TERMS:,}" if count is None or count > 10**12 else f"{count:,}"
    advice = "write + between columns, and : or ( )**2 for the interactions that are meant"
    return FormulaError(f"the formula multiplies out to {many} terms, more than can be estimated; {advice}")
