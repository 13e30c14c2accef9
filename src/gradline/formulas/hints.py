"""What R's formulas have and these do not, and what to write instead."""

from __future__ import annotations

import re

from gradline.formulas.errors import at

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
_RANDOM = re.compile(r"\(([^()|]*)\|\|?\s*([^()|]+)\)")
"""``(1 | g)``: a term of a mixed model."""


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
