"""Reading formulas: the reader of plain sums against formulaic's, and what is said about malformed ones."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_table import MemoryTable, example

from gradline.formulas.formula import FormulaError, parse, plain
from gradline.formulas.grammar import normal_form, read_sum
from gradline.formulas.reading import _read_with_formulaic

COLUMNS = MemoryTable(example()).columns

FACTORS = st.sampled_from(
    ["x", "z", "g", "log(x)", "np.log( z )", "C(g,reference='b')", "`my col`", "log(`my col`)", "I(x**2)", "Sepal.Length"]
)
TERMS = st.lists(st.lists(FACTORS, min_size=1, max_size=2).map(":".join), min_size=1, max_size=3).map(" * ".join)
SIGNED = st.lists(
    st.tuples(st.sampled_from([" + ", "+", " - "]), st.one_of(TERMS, st.sampled_from(["1", "0", "."]))), min_size=1, max_size=6
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["", "~", "y ~", "log(y)~", "y + n ~"]), st.sampled_from(["", "-", "+"]), SIGNED)
def test_plain_sums_are_read_as_formulaic_reads_them(left, sign, signed):
    text = left + sign + "".join(("" if i == 0 else operator) + term for i, (operator, term) in enumerate(signed))
    try:
        found = read_sum(text, list(COLUMNS))
    except FormulaError:
        # Only where something is taken away from a dot that is not in it, which formulaic lets pass.
        assert {".", "-"} <= set(text)
        return
    if found is None:
        assert "- 0" in text or "-0" in text or "+0" in text or left == ""
        return
    targets, terms = _read_with_formulaic(text, list(COLUMNS))
    assert found[0] == targets
    assert sorted(found[1], key=len) == sorted(terms, key=len)


def test_plain_sums_import_neither_formulaic_nor_pandas():
    code = (
        "import sys; from gradline.formulas.formula import parse;"
        "parse('y ~ x1 * log(x2) + C(g):x1 - 1', {'y': 'number', 'x1': 'number', 'x2': 'number', 'g': 'text'});"
        "print([m for m in ('formulaic', 'pandas', 'pyarrow', 'scipy', 'duckdb') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("log( x )", "log(x)"),
        ('C(g,"b")', "C(g, 'b')"),
        ("log(`my col`)", "log(`my col`)"),
        ("I(x**2)", "I(x ** 2)"),
        ("f('`a`')", "f('`a`')"),
    ],
)
def test_normal_form(written, normal):
    assert normal_form(written) == normal
    assert normal_form(normal) == normal


MALFORMED = [
    ("y ~ x +", "something is missing next to", "+"),
    ("y ~ x + * z", "cannot stand here", "+ *"),
    ("y ~ (x + z", "this bracket has no partner", "("),
    ("y ~ x) + z", "this bracket has no partner", ")"),
    ("y ~ x z", "between 'x' and 'z'", "x z"),
    ("y x", "between 'y' and 'x'", "y x"),
    ("y ~ x ~ z", "cannot stand here", "~"),
    ("y ~ log(x", "not closed", "log(x"),
    ("y ~ `x", "not closed", "`x"),
    ("y ~ 'a'", "text in quotes", "'a'"),
    ("y ~ x + 3", "I\\(2 \\* x\\)", "3"),
    ("y ~ x:2", "I\\(2 \\* x\\)", "2"),
    ("y ~ x ** z", "positive integer", "z"),
    ("y ~ x | z", "cannot stand here", "|"),
    ("y ~ x == 3", "inside I\\(\\)", "=="),
    ("y ~ x $ z", "unknown operator", "$"),
    ("y ~ x + log(x +)", "malformed formula", "log(x +)"),
    ("y ~", "nothing stands after ~", "~"),
    ("y:z ~ x", "a target is one column", "y:z"),
    ("1 ~ x", "a target is one column", "1 "),
    ("y ~ x:offset(z)", "cannot be part of an interaction", "offset(z)"),
]
UNFIT = [
    ("y ~ X", "no column 'X'; did you mean 'x'", "X"),
    ("y ~ x + Sepal.Lenght", "did you mean 'Sepal.Length'", "Sepal.Lenght"),
    ("y ~ log(xx) + z", "no column 'xx'; did you mean 'x'", "xx"),
    ("y ~ x + `my  col`", "did you mean `my col`", "`my  col`"),
    ("why ~ x", "no column 'why'; it has y, x", "why"),
    ("y ~ x + log(y)", "'y' is the target", "log(y)"),
    ("log(y) ~ y", "'y' is the target", "y"),
    ("y ~ ln(x)", "did you mean 'log'", "ln"),
    ("y ~ loog(x)", "did you mean 'log'", "loog"),
    ("y ~ np.mean(x)", "many rows at once", "mean"),
    ("y ~ I(x - mean(x))", "many rows at once", "mean"),
    ("y ~ lag(x)", "many rows at once", "lag"),
    ("y ~ log(g)", "holds text, and log\\(\\) takes numbers", "g"),
    ("y ~ I(g * 2)", "holds text", "g"),
    ("y ~ I(g > 2)", "compared with text only", "g"),
    ("y ~ I(x == 'a')", "the text 'a'", "I(x == 'a')"),
    ("y ~ day", "holds dates, not numbers; count days, say with query=.*date_diff.* day::DATE.*, or write C\\(day\\)", "day"),
    ("g ~ x", "the target 'g' holds text.*I\\(g == 'class'\\)", "g"),
    ("C(g) ~ x", "a number, not a category", "C"),
    ("poly(x, 2) ~ z", "several columns", "poly"),
    ("center(y) ~ z", "another scale", "center(y)"),
    ("y + y ~ x", None, None),
    ("y ~ log(poly(x, 2))", "stands on its own", "poly"),
    ("y ~ poly(x, 0)", "at least 1", None),
    ("y ~ poly(x, 2.5)", "whole number", None),
    ("y ~ poly(x, degre=2)", "no option 'degre'; did you mean 'degree'", "degre"),
    ("y ~ bs(x, df=z)", "plain value", "df"),
    ("y ~ bs(x, extrapolation='stop')", "extrapolation must be", "extrapolation"),
    ("y ~ C(g, contr.simple)", "no contrast", "simple"),
    ("y ~ C(g, ref='a')", "no option 'ref'", "ref"),
    ("y ~ log(C(g))", "stands on its own", "C"),
    ("y ~ log(2)", "names no column", "log(2)"),
    ("y ~ log(x, z, n)", "takes 1 argument", "log"),
    ("y ~ I(x and z)", "& and \\|", "I(x and z)"),
    ("y ~ I(1 < x < 3)", "one comparison at a time", "I(1 < x < 3)"),
    ("y ~ x[0]", "not something a formula can compute", "x[0]"),
    ("y ~ I(x.__class__)", "no column 'x.__class__'", None),
    ("y ~ np.linalg.norm(x)", "no function", None),
    ("y ~ __import__('os')", "no function", "__import__"),
    ("y ~ I((lambda: 1)())", "no function", None),
    ("y ~ offset(g)", "column 'g' holds text, and an offset is one column of numbers", "offset(g)"),
    ("y ~ x ** 2", r"'x \*\* 2' is x crossed with itself.* I\(x \*\* 2\)", "x ** 2"),
    ("y ~ z + `my col`^3", r"write I\(`my col` \*\* 3\)", "`my col`^3"),
    ("y ~ (z + log(x)**2)", r"poly\(log\(x\), 2\)", "log(x)**2"),
    ("y ~ 0", "neither columns nor an intercept", None),
    ("y ~ offset(x) - 1", "neither columns nor an intercept", None),
    ("y ~ x + `my col", "it lacks a `", None),
    ("~ x", "names no target", None),
    ("   ", "empty", None),
]


@pytest.mark.parametrize(("formula", "message", "marked"), MALFORMED + [case for case in UNFIT if case[1] is not None])
def test_what_is_wrong_is_said_with_a_caret_under_it(formula, message, marked):
    table = MemoryTable(example())
    with pytest.raises(FormulaError, match=message) as caught:
        parse(formula, COLUMNS).learn(table)
    if marked is None:
        return
    lines = str(caught.value).split("\n")
    assert len(lines) == 3
    start, length = lines[2].index("^") - 4, lines[2].count("^")
    assert lines[1] == "    " + formula
    assert lines[1][4 + start : 4 + start + length] == marked or formula[start : start + length].strip() == marked.strip()


def test_a_target_named_twice_is_one():
    assert parse("y + y ~ x", COLUMNS).target_names == ("y",)


def test_a_change_may_stand_beside_its_start():
    assert parse("I(y - x) ~ x", COLUMNS).target_names == ("I(y - x)",)


def test_columns_by_name_need_no_quotes():
    formula = plain("my col", ["x", "g"], COLUMNS)
    assert formula.text == "`my col` ~ 1 + `x` + `g`"
    assert formula.learn(MemoryTable(example())).names == ("Intercept", "x", "g[T.b]", "g[T.c]")
    assert plain("y", ["x"], COLUMNS, intercept=False).learn(MemoryTable(example())).names == ("x",)
    for features, message in ((["x", "x"], "twice"), (["w"], "no column 'w'"), (["my col"], "is the target")):
        with pytest.raises(FormulaError, match=message):
            plain("my col", features, COLUMNS)


def test_several_formulas_must_agree_on_the_target():
    with pytest.raises(FormulaError, match="different targets"):
        parse({"mean": "y ~ x", "log_scale": "z ~ x"}, COLUMNS)
    with pytest.raises(FormulaError, match="no formula"):
        parse({}, COLUMNS)
    with pytest.raises(TypeError, match="a formula is text"):
        parse({"mean": 3}, COLUMNS)


def test_names_alone_stand_for_numbers():
    assert parse("y ~ x", ["y", "x"]).columns == ("y", "x")
