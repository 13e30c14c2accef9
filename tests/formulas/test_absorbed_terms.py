"""What stands after | in a formula."""

import pytest

from gradline.base.errors import FormulaError
from gradline.formulas.absorbed import split, without_absorbed


@pytest.mark.parametrize(
    ("text", "main", "names"),
    [
        ("y ~ x", "y ~ x", []),
        ("y ~ x | firm", "y ~ x", ["firm"]),
        ("y ~ x + I(a | b) | firm + year", "y ~ x + I(a | b)", ["firm", "year"]),
        ("y ~ I(a == '|') | firm", "y ~ I(a == '|')", ["firm"]),
        ("y ~ `a|b` | `firm id` + `a+b`", "y ~ `a|b`", ["firm id", "a+b"]),
        ("y ~ x | firm^year + firm", "y ~ x", ["firm^year", "firm"]),
        ("y ~ x | firm : year", "y ~ x", ["firm^year"]),
        ("y ~ x | firm[z] + year[[z, w]]", "y ~ x", ["firm[z]", "year[[z, w]]"]),
        ("y ~ x | firm + firm[[z]]", "y ~ x", ["firm[z]"]),
        ("y ~ x + (1|g)", "y ~ x + (1|g)", []),
    ],
)
def test_terms_are_read(text, main, names):
    found, terms = split(text)
    assert (found, [term.name for term in terms]) == (main, names)


@pytest.mark.parametrize(
    ("text", "message", "under"),
    [
        ("y ~ x | firm | year", "one |", "|"),
        ("y ~ x |", "nothing stands here", " "),
        ("y ~ x | firm + ", "nothing stands here", " "),
        ("y ~ | firm", "between ~ and", "~ |"),
        ("x | y ~ firm", "comes after the columns", "|"),
        ("y ~ x | log(firm)", "is no category", "log(firm)"),
        ("y ~ x | 1", "is no category", "1"),
        ("y ~ x | firm[", "is no category", "firm["),
        ("y ~ x | firm[z + 1]", "is no category", "firm[z + 1]"),
        ("y ~ x | firm + firm", "absorbed twice", "firm"),
        ("y ~ x | firm[z] + firm[z]", "absorbed twice", "firm[z]"),
        ("y ~ x | a^b + b^a", "absorbed twice", "b^a"),
        ("y ~ x | a^a", "combined with itself", "a^a"),
    ],
)
def test_what_cannot_be_read_is_shown(text, message, under):
    with pytest.raises(FormulaError) as caught:
        split(text)
    said, written, caret = str(caught.value).split("\n")
    assert message in said
    start = caret.index("^")
    assert written[start:].ljust(len(caret) - start)[: caret.count("^")] == under


def test_formulas_of_several_predictors_absorb_nothing():
    given = {"mean": "y ~ x", "log_scale": "~ 1"}
    assert without_absorbed(given) == (given, ())
    with pytest.raises(FormulaError, match="several linear predictors cannot"):
        without_absorbed({"mean": "y ~ x | g", "log_scale": "~ 1"})
