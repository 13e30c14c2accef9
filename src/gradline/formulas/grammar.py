"""Formula text to terms.

Sums of plain terms, ``y ~ x * log(z) + C(g):x - 1``, are read here. Everything else (``/``, ``**``, brackets, ``.``) and everything
malformed goes to formulaic's parser, whose import takes longer than a small fit; what both can read they read alike, which a test holds.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradline.base.errors import ArgumentTypeError
from gradline.formulas.errors import FormulaError, at
from gradline.formulas.hints import refuse_words_of_r
from gradline.formulas.term_count import MOST_TERMS, check_count, check_products, too_many

_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_WORD = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r"`([^`]+)`")
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")


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


def read(text: str, columns: Iterable[str]) -> Sides:
    """Take a formula apart; ``columns`` are what ``.`` stands for. Raises FormulaError, with a caret, for a malformed one."""
    if not isinstance(text, str):
        raise ArgumentTypeError(f"a formula is text such as 'y ~ x', not {type(text).__name__} {text!r}")
    # The same letters may be written as one character or as two; names of columns come in the first form.
    text = unicodedata.normalize("NFC", text)
    if not text.strip():
        raise FormulaError("the formula is empty; write one such as 'y ~ x1 + x2'")
    if text.rstrip().endswith("~"):
        raise at("nothing stands after ~; name the features, or write 1 for an intercept alone", text, len(text.rstrip()) - 1, len(text))
    refuse_words_of_r(text)
    found = _read_sum(text)
    targets, terms = _read_with_formulaic(text, list(columns)) if found is None else found
    check_count(len(terms))
    return _sides(text, targets, terms)


def _sides(text: str, targets: list[Term], terms: list[Term]) -> Sides:
    for term in targets:
        if len(term) != 1:
            start, end = (term[0].start, term[-1].end) if term else (0, text.find("~"))
            raise at("a target is one column or a transform of one, such as log(y)", text, start, end)
    offsets = tuple(term[0] for term in terms if len(term) == 1 and is_call(term[0], "offset"))
    for term in terms:
        for factor in term:
            if len(term) > 1 and is_call(factor, "offset"):
                raise at("an offset cannot be part of an interaction", text, factor.start, factor.end)
    rest = [term for term in terms if not (len(term) == 1 and is_call(term[0], "offset"))]
    return Sides(text, tuple(term[0] for term in targets), tuple(sorted(rest, key=len)), offsets)


def is_call(factor: Factor, function: str) -> bool:
    """Whether a factor is ``function(...)``."""
    return not factor.is_column and factor.name.startswith(function + "(")


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

    plain = re.sub(f"{_STRING.pattern}|{_QUOTED.pattern}", replace, text)
    if not plain.isascii():
        # Python takes some letters for others, such as the ligature of f and i for the two.
        pieces = re.compile(f"{_STRING.pattern}|({_WORD.pattern})")
        plain = pieces.sub(lambda m: hide(m[1]) if m[1] and unicodedata.normalize("NFKC", m[1]) != m[1] else m[0], plain)
    return plain, names


def _reads_as_itself(name: str) -> bool:
    """Whether Python reads the name as a name, and as this one."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def quoted_name(name: str) -> str:
    """A column's name as a formula takes it: between backquotes where it must be."""
    return name if _NAME.fullmatch(name) and not any(keyword.iskeyword(part) for part in name.split(".")) else f"`{name}`"


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


def _expression(text: str, formula: str, start: int, end: int) -> Factor:
    try:
        return Factor(normal_form(text), False, start, end)
    except SyntaxError as error:
        place = start + (error.offset or 1) - 1 if "`" not in text else start
        raise at(f"malformed formula: {text!r} is no expression ({error.msg})", formula, min(place, end - 1), end) from None


# ---------------------------------------------------------------------------------------------------------------- plain sums


def _read_sum(text: str) -> tuple[list[Term], list[Term]] | None:
    """Targets and terms of a sum of plain terms; None where the text is anything else."""
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
    terms = _terms(right, ((),))
    return None if terms is None else (targets, terms)


def _terms(tokens: list[Token], start: tuple[Term, ...]) -> list[Term] | None:
    """The sum's terms, beginning with ``start``: a set in order of appearance, to which ``-`` removes. None where it is malformed."""
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
        else:
            terms = _crossed(summand)
        if terms is None:
            return None
        for term in terms:
            if sign == "-" or summand == [0]:
                found.pop(frozenset(term), None)
            else:
                found.setdefault(frozenset(term), term)
    return list(found.values())


def _crossed(tokens: list[Token]) -> list[Term] | None:
    """The terms of ``a * b:c * ...``: each, and the products of all."""
    terms: dict[frozenset[Factor], Term] = {}
    for part in _split(tokens, ("*",)):
        factors = [factor for piece in _split(part, (":",)) for factor in (piece or [""])]
        if not factors or len(factors) != part.count(":") + 1 or not all(isinstance(factor, Factor) for factor in factors):
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
    """Factors, the operators ``~ + - * :`` and the numbers 0 and 1; None at anything else."""
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
        elif character in "01" and not re.match(r"[\w.]", text[i + 1 : i + 2]):
            found.append(int(character))
            i += 1
        elif match := _QUOTED.match(text, i):
            found.append(Factor(match.group(1), True, i, match.end()))
            i = match.end()
        elif match := _NAME.match(text, i):
            end = match.end()
            call = text[end : end + 1] == "("
            if call:
                closing = _closing(text, end)
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


def _closing(text: str, opening: int) -> int | None:
    """Where the bracket opened at ``opening`` closes; None if it does not."""
    depth, i = 0, opening
    while i < len(text):
        if match := (_STRING.match(text, i) or _QUOTED.match(text, i)):
            i = match.end()
            continue
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
        i += 1
    return None


# ----------------------------------------------------------------------------------------------------------------- formulaic


def _read_with_formulaic(text: str, columns: Sequence[str]) -> tuple[list[Term], list[Term]]:
    try:
        from formulaic.errors import FormulaicError
        from formulaic.parser import DefaultFormulaParser
    except ImportError:
        raise ImportError(
            "this formula needs formulaic, which is not installed; run: pip install 'gradline[tables]' (sums of terms, such as"
            " 'y ~ a + log(b) + a:c', do without)"
        ) from None
    parser = DefaultFormulaParser(feature_flags={"twosided"})
    try:
        check_products(parser.get_ast(text), len(columns))
        found = parser.get_terms(text, context={"__formulaic_variables_available__": list(columns)})
    except FormulaicError as error:
        raise _as_ours(error, text) from None
    except SyntaxError as error:
        word = (error.text or "").strip()
        start = max(text.find(word), 0) if word else 0
        raise at(f"malformed formula: {error.msg}", text, start, start + len(word) if word else len(text)) from None
    _refuse_powers_of_one(text)
    left = getattr(found, "lhs", None) if found._has_keys else None
    right = found.rhs if found._has_keys else found
    return [_term(term, text) for term in left or ()], [_term(term, text) for term in right]


def _refuse_powers_of_one(text: str) -> None:
    """Raises FormulaError for ``x ** 2`` outside I(): crossed with itself a column is itself, and whoever wrote it means its square."""
    i = 0
    while i < len(text):
        match = _STRING.match(text, i) or _QUOTED.match(text, i) or _NAME.match(text, i)
        if match is None:
            i += 1
            continue
        end = match.end()
        if text[end : end + 1] == "(":
            end = (_closing(text, end) or len(text) - 1) + 1
        power = re.compile(r"\s*(?:\*\*|\^)\s*(\d+)").match(text, end)
        if power is not None:
            word = text[i:end]
            raise at(
                f"in a formula {text[i : power.end()]!r} is {word} crossed with itself, which is {word} again; for the power write"
                f" I({word} ** {power[1]}), or poly({word}, {power[1]})",
                text,
                i,
                power.end(),
            )
        i = end


def _term(term: Any, text: str) -> Term:
    factors = []
    for factor in term.factors:
        start, end = (factor.token.source_start, factor.token.source_end) if factor.token is not None else (None, None)
        begin, stop = (0, len(text)) if start is None or end is None else (start, end + 1)
        method = factor.eval_method.value
        if method == "literal":
            if len(term.factors) > 1:
                raise at("a number cannot scale a term; write I(2 * x)", text, begin, stop)
            continue
        if method == "lookup":
            factors.append(Factor(factor.expr, True, begin, stop))
        else:
            factors.append(_expression(factor.expr, text, begin, stop))
    return tuple(factors)


_MESSAGES = (
    (r"Numeric literals", "a number other than 0 and 1 is no term; write I(2 * x) to scale a column"),
    (
        r"String literals",
        "text in quotes is no term; write a column's name without quotes, or, where it holds spaces, between backquotes: ` `",
    ),
    (r"Operator ('.+') has insuffient", r"something is missing next to \1"),
    (r"Operator ('.+') is", r"\1 cannot stand here"),
    (r"Unknown operator '(=|<|>|!)'", r"'\1' is for comparisons inside I(), such as I(x == 3)"),
    (r"matching context marker", "this bracket has no partner"),
    (r"Expected: (.)", r"this is not closed; it lacks a \1"),
    (r"Missing operator between ('.+') and ('.+')", r"there is no + between \1 and \2"),
)
"""What formulaic says, and what is said here."""


def _as_ours(error: Exception, text: str) -> FormulaError:
    """formulaic marks the place inside the text it repeats; draw the caret there."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    message, _, marked = plain.partition("\n\n")
    message = re.sub("`([^`]+)`", r"'\1'", message).rstrip(". ")
    for pattern, ours in _MESSAGES:
        if match := re.search(pattern, message):
            message = match.expand(ours)
            break
    start, end = marked.find("⧛"), marked.find("⧚")
    if start < 0 or end < 0:
        start, end = len(text), len(text) + 1
    else:
        end -= 1
    return at(f"malformed formula: {message[:1].lower()}{message[1:]}", text, start, end)
