"""A formula's text taken apart, after what R's formulas have and these have not is refused.

Sums of plain terms are read by ``grammar``. Everything else (``/``, ``**``, brackets, products of ``.``) and everything malformed goes to
formulaic's parser, whose import takes longer than a small fit; what both can read they read alike, which a test holds.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from gradline.base.errors import ArgumentTypeError
from gradline.formulas.curve_calls import with_by
from gradline.formulas.errors import FormulaError, at
from gradline.formulas.grammar import (
    MOST_TERMS,
    NAME,
    QUOTED,
    STRING,
    Factor,
    Sides,
    Term,
    check_count,
    closing_bracket,
    columns_named,
    expression,
    is_call,
    is_curve,
    read_sum,
    too_many,
)
from gradline.formulas.pairs import apart

MOST_PRODUCTS = 100_000
"""Products on the way to the terms: ``(a + b)**9`` is made of 2^9 of them, few of which differ."""

_IN_QUOTES = re.compile(r"`[^`]*`|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_WORDS = (
    (
        re.compile(r"(?<![\w.])(?:base::)?(?:as\.)?factor\s*\("),
        "{} is C() here: write C({argument}), or C({argument}, reference='b') for another reference level",
    ),
    (re.compile(r"(?<![\w.])as\.character\s*\("), "{} is C() here: write C({argument})"),
    (re.compile(r"(?<![\w.])relevel\s*\("), "{} is an option of C() here: write C({argument}, reference='b')"),
    (
        re.compile(r"(?<![\w.])as\.(?:numeric|integer|double)\s*\("),
        "a formula has no {}: a column of numbers needs none, and text is made numbers in the data first",
    ),
    (re.compile(r"(?<![\w.])interaction\s*\("), "{} is written a:b here, or a * b for both and their interaction"),
    (
        re.compile(r"(?<![\w.])Error\s*\("),
        'gradline has no {} strata; leave the term out and give the groups as covariance=("cluster", "g")',
    ),
    (re.compile(r"(?<![\w.])[A-Za-z][\w.]*::\s*(?=\w)"), "{} names a package of R; write the function alone"),
)
_DOT = re.compile(r"(?<![\w.)\]])\.(?![\w.])")
_RANDOM = re.compile(r"\(([^()|]*)\|\|?\s*([^()|]+)\)")
"""``(1 | g)``: a term of a mixed model."""


def read(text: str, columns: Iterable[str], known: Iterable[str] | None = None) -> Sides:
    """Take a formula apart. Raises FormulaError, with a caret, for a malformed one.

    columns: what ``.`` stands for, but for what the formula's own targets are made of. known: all there are, unless these are.
    """
    if not isinstance(text, str):
        raise ArgumentTypeError(f"a formula is text such as 'y ~ x', not {type(text).__name__} {text!r}")
    # The same letters may be written as one character or as two; names of columns come in the first form.
    text = unicodedata.normalize("NFC", text)
    if not text.strip():
        raise FormulaError("the formula is empty; write one such as 'y ~ x1 + x2'")
    if text.rstrip().endswith("~"):
        raise at("nothing stands after ~; name the features, or write 1 for an intercept alone", text, len(text.rstrip()) - 1, len(text))
    refuse_words_of_r(text)
    columns = list(columns)
    known = columns if known is None else list(known)
    _check_dot(text, columns)
    found = read_sum(text, columns, known)
    targets, terms = _read_with_formulaic(text, columns) if found is None else found
    check_count(len(terms))
    return _sides(text, targets, terms)


def _check_dot(text: str, columns: Sequence[str]) -> None:
    """Raises FormulaError where ``.`` stands for nothing."""
    left, tilde, right = text.partition("~")
    start = len(left) + 1 if tilde else 0
    dot = _DOT.search(_IN_QUOTES.sub(lambda match: "_" * len(match[0]), right if tilde else left))
    explained = columns_named(left, columns) if tilde else []
    if dot is not None and len(explained) == len(columns):
        said = f"the data has none beside {' and '.join(map(repr, explained))}" if explained else "the data has none"
        raise at(f"'.' stands for all other columns, and {said}", text, start + dot.start(), start + dot.end())


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
    rest = [
        with_by(term, text) if any(map(is_curve, term)) else term for term in terms if not (len(term) == 1 and is_call(term[0], "offset"))
    ]
    return Sides(
        text,
        tuple(part for term in targets for part in (term if term[0].is_column else apart(term[0], text))),
        tuple(sorted(rest, key=len)),
        offsets,
    )


def refuse_words_of_r(text: str) -> None:
    """Raises FormulaError, with what to write instead, for R's ``as.factor(g)``, ``(1 | g)`` and their like."""
    plain = _IN_QUOTES.sub(lambda match: "_" * len(match[0]), text)
    for pattern, message in _WORDS:
        if match := pattern.search(plain):
            word = match[0].rstrip("( ") + ("()" if match[0].rstrip().endswith("(") else "")
            inside = re.match(r"\s*([^(),]*)", text[match.end() :])
            argument = inside[1].strip() if inside else ""
            raise at(message.format(word, argument=argument or "g"), text, match.start(), match.end())
    for match in _RANDOM.finditer(plain):
        before = plain[: match.start()]
        if before.count("(") == before.count(")") and plain[: match.start()].rstrip()[-1:] in ("", "+", "~", "-"):
            groups = text[match.start(2) : match.end(2)].strip()
            inner = match[1].strip()
            name = groups if re.fullmatch(r"\w+|`[^`]*`", groups) else None
            fixed = f"C({name or 'g'}) gives each of its levels a coefficient"
            slopes = f", C({name}):x its own slope" if name and inner not in ("1", "0") else ""
            cluster = f'covariance=("cluster", "{name.strip("`")}")' if name else 'covariance=("cluster", "g")'
            written = text[match.start() : match.end()]
            raise at(
                f"gradline has no random effects, such as {written}; {fixed}{slopes}, and {cluster} gives standard errors that allow for"
                " groups",
                text,
                match.start(),
                match.end(),
            )


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
        match = STRING.match(text, i) or QUOTED.match(text, i) or NAME.match(text, i)
        if match is None:
            i += 1
            continue
        end = match.end()
        if text[end : end + 1] == "(":
            end = (closing_bracket(text, end) or len(text) - 1) + 1
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
            factors.append(expression(factor.expr, text, begin, stop))
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


def check_products(tree: Any, columns: int) -> None:
    """Raises FormulaError where formulaic's reading of a formula, a tree of operators, would make more products than can be meant.

    columns: what ``.`` stands for. Numbers of terms are counted as if no two were the same.
    """
    counts: dict[int, int] = {}
    for node in _operands_first(tree):
        arguments = getattr(node, "args", None)
        if arguments is None:
            counts[id(node)] = 1
            continue
        own = [counts[id(argument)] for argument in arguments]
        power: tuple[int, int] | None = None
        symbol = node.operator.symbol
        if symbol == ".":
            found = columns
        elif symbol in ("**", "^") and len(own) == 2:
            exponent = _whole(arguments[1])
            products = own[0] ** min(exponent, 200)
            found = sum(math.comb(own[0], count) for count in range(1, min(exponent, own[0], 200) + 1))
            if products > MOST_PRODUCTS and found <= MOST_TERMS:
                found, power = products, (own[0], exponent)
        elif symbol == "*" and len(own) == 2:
            found = (own[0] + 1) * (own[1] + 1) - 1
        elif symbol in (":", "in", "%in%") and len(own) == 2:
            found = own[0] * own[1]
        else:
            found = sum(own)
        if found > MOST_TERMS or power is not None:
            raise too_many(found, power)
        counts[id(node)] = found


def _operands_first(tree: Any) -> list[Any]:
    """The nodes of a tree of any depth."""
    waiting, found = [tree], []
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        found.append(node)
        waiting.extend(getattr(node, "args", None) or ())
    return found[::-1]


def _whole(token: Any) -> int:
    try:
        return int(str(getattr(token, "token", token)))
    except ValueError:
        return 1
