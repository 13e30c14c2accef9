"""Names and words people have: Python's keywords, letters of two spellings, a column called Intercept, R's functions, very long sums."""

import re
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import gradline as gl
from gradline.formulas.errors import UnseenLevelError
from gradline.formulas.formula import FormulaError, parse
from gradline.formulas.grammar import normal_form, unparse

N = 60
RNG = np.random.default_rng(0)
X, Z = RNG.uniform(1, 3, N), RNG.normal(size=N)
Y = 1 + 2 * np.log(X) - Z + RNG.normal(size=N)
G = np.array(["a", "b", "c"])[np.arange(N) % 3]
COMPOSED, SPLIT = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))


def coefficients(fit):
    return np.ravel(fit.coefficients)


def least_squares(*columns):
    return np.linalg.lstsq(np.column_stack([np.ones(N), *columns]), Y, rcond=None)[0]


# ----------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["class", "for", "lambda", "if", "None", "True", "my col", "a.b", "1st", "ﬁ", "x²", "Occupation (own)"])
def test_a_quoted_name_is_a_column_wherever_it_stands(name):
    data = {"y": Y, name: X, "z": Z}
    fit = gl.fit(f"y ~ log(`{name}`) + z + I(`{name}` ** 2)", data)
    np.testing.assert_allclose(coefficients(fit), least_squares(np.log(X), Z, X**2), rtol=1e-9)
    np.testing.assert_allclose(fit.predict({name: X, "z": Z}), fit.predict(data))
    assert gl.fit(f"log(`{name}`) ~ z + C(I(z > 0))", data).target_names == (normal_form(f"log(`{name}`)"),)
    assert gl.fit(f"y ~ center(`{name}`) + offset(`{name}`)", data).rows_used == N


def test_a_model_of_such_a_name_is_kept_in_a_file(tmp_path):
    data = {"y": Y, "class": X}
    fit = gl.fit("y ~ log(`class`) + poly(`class`, 2)", data)
    fit.save(tmp_path / "model.json")
    np.testing.assert_array_equal(gl.load(tmp_path / "model.json").predict(data), fit.predict(data))


@pytest.mark.parametrize("in_data", [COMPOSED, SPLIT])
@pytest.mark.parametrize("written", [COMPOSED, SPLIT])
@pytest.mark.parametrize("kind", ["dict", "pandas", "polars", "csv", "arrow"])
def test_letters_of_two_spellings(tmp_path, in_data, written, kind):
    """macOS gives an o and two dots where others give one letter; on the screen they are the same."""
    table = {"y": Y, in_data: X, "z": Z}
    if kind == "csv":
        pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    make = {
        "dict": lambda: table,
        "pandas": lambda: pd.DataFrame(table),
        "polars": lambda: pytest.importorskip("polars").DataFrame(table),
        "csv": lambda: str(tmp_path / "t.csv"),
        "arrow": lambda: pa.table(table),
    }
    data, expected = make[kind](), least_squares(np.log(X), Z)
    for formula in (f"y ~ log({written}) + z", f"y ~ log(`{written}`) + z"):
        fit = gl.fit(formula, data, where=f"{written} > 0")
        np.testing.assert_allclose(coefficients(fit), expected, rtol=1e-9)
        np.testing.assert_allclose(fit.predict({"z": Z, COMPOSED: X}), fit.predict(data))
        np.testing.assert_allclose(fit.predict({"z": Z, SPLIT: X}), fit.predict(data))
    named = gl.fit(data, target="y", features=[written, "z"], weights=written)
    np.testing.assert_allclose(
        coefficients(named), coefficients(gl.fit({"y": Y, "x": X, "z": Z}, target="y", features=["x", "z"], weights="x"))
    )


def test_columns_that_differ_by_spelling_only():
    with pytest.raises(ValueError, match="appears more than once"):
        gl.fit("y ~ .", {"y": Y, COMPOSED: X, SPLIT: Z})


@pytest.mark.parametrize("in_data", [COMPOSED, SPLIT])
@pytest.mark.parametrize("written", [COMPOSED, SPLIT])
def test_a_text_compared_with_is_found_in_either_spelling(in_data, written):
    fit = gl.fit(f"y ~ I(g == '{written}')", {"y": Y, "g": np.where(G == "a", in_data, "b")})
    np.testing.assert_allclose(coefficients(fit), least_squares(G == "a"), rtol=1e-9)


def test_a_column_called_intercept_is_not_the_intercept():
    data = {"y": Y, "Intercept": X, "z": Z}
    fit = gl.fit("y ~ Intercept + z", data)
    assert fit.names == ("Intercept", "I(Intercept)", "z")
    np.testing.assert_allclose(coefficients(fit), least_squares(X, Z), rtol=1e-9)
    without = gl.fit("y ~ Intercept + z - 1", data)
    assert not without.has_intercept
    np.testing.assert_allclose(coefficients(without), np.linalg.lstsq(np.column_stack([X, Z]), Y, rcond=None)[0], rtol=1e-9)
    np.testing.assert_allclose(without.predict(data), np.column_stack([X, Z]) @ coefficients(without))
    for given in (
        lambda: gl.fit(pd.DataFrame({"Intercept": X, "z": Z}), Y),
        lambda: gl.fit(pd.DataFrame({"Intercept": X}), Y, intercept=False),
    ):
        with pytest.raises(ValueError, match="a column is called 'Intercept', as the intercept is"):
            given()


# ------------------------------------------------------------------------------------------------------------- words of R


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("y ~ as.factor(g)", r"as\.factor\(\) is C\(\) here: write C\(g\), or C\(g, reference='b'\)", "as.factor("),
        ("y ~ factor(`my col`) + z", r"factor\(\) is C\(\) here: write C\(`my col`\)", "factor("),
        ("y ~ as.character(g)", r"write C\(g\)", "as.character("),
        ("y ~ relevel(g, ref = 'b')", r"write C\(g, reference='b'\)", "relevel("),
        ("y ~ as.numeric(x)", r"a formula has no as\.numeric\(\)", "as.numeric("),
        ("y ~ interaction(x, g)", "written a:b here", "interaction("),
        ("y ~ stats::poly(x, 2)", "names a package of R", "stats::"),
        ("y ~ x + (1|g)", r'no random effects, such as \(1\|g\); C\(g\) gives .* covariance=\("cluster", "g"\)', "(1|g)"),
        ("y ~ x + (1 + x || g)", r"C\(g\):x its own slope", "(1 + x || g)"),
        ("y ~ (1 | g/z) + x", r"no random effects, such as \(1 \| g/z\)", "(1 | g/z)"),
        ("y ~ x + Error(g)", "strata", "Error("),
    ],
)
def test_words_of_r_get_a_hint(text, message, place):
    with pytest.raises(FormulaError, match=message) as caught:
        parse(text, ["y", "x", "z", "g", "my col"])
    _, formula, caret = str(caught.value).splitlines()
    assert formula[caret.index("^") : caret.rindex("^") + 1] == place


@pytest.mark.parametrize("text", ["y ~ I((x > 1) | (z < 0))", "y ~ I(x + (b|c))", "y ~ factor + `as.factor(g)`", "y ~ I(g == '(1|g)')"])
def test_what_only_looks_like_it_is_left_alone(text):
    kinds = dict.fromkeys(["y", "x", "z", "factor", "as.factor(g)"], "number") | {"g": "text", "b": "boolean", "c": "boolean"}
    assert parse(text, kinds).columns[0] == "y"


@pytest.mark.parametrize("text", ["y ~ as.factor(g)", "y ~ z + as.factor(`my col`)", "y ~ factor(g) + z"])
def test_the_hint_works_when_pasted(text):
    data = {"y": Y, "g": G, "my col": np.arange(N) % 4, "z": Z}
    with pytest.raises(FormulaError) as caught:
        gl.fit(text, data)
    advised = re.search(r"write (C\([^)]*\))", str(caught.value))[1]
    assert gl.fit(f"y ~ {advised}", data).rows_used == N


@pytest.mark.parametrize("name", ["g", "class", "Occupation (own)", "for"])
def test_advice_about_a_class_works_when_pasted(name):
    data = {name: G, "x": X}
    with pytest.raises((FormulaError, TypeError)) as caught:
        gl.fit(f"`{name}` ~ x", data, loss="logistic")
    target = re.search(r"write (I\(.*\)) in its place", str(caught.value))[1]
    fit = gl.fit(f"{target} ~ x", data, loss="logistic")
    np.testing.assert_allclose(
        coefficients(fit), coefficients(gl.fit("t ~ x", {"t": (G == "a") * 1.0, "x": X}, loss="logistic")), rtol=1e-6
    )


@pytest.mark.parametrize("name", ["g", "group", "my col", "select"])
def test_advice_about_a_strange_level_works_when_pasted(name):
    """The level may hold quotes, and the column may be one of SQL's words."""
    said = UnseenLevelError("an unseen level", name, 'it\'s "new"').leave_out()
    found = re.search(r"where=(\"[^\"]*\"|'(?:[^'\\]|\\.)*')", str(said))
    new = {"y": Y[:3], name: ["a", 'it\'s "new"', "b"]}
    assert gl.fit("y ~ 1", new, where=eval(found[1])).rows_used == 3 - 1
    assert gl.fit(f"y ~ C(`{name}`)", new, where=eval(found[1])).names[-1].endswith("[T.b]")


BARE = [
    ("y ~ Occupation (own)", "Occupation (own)"),
    ("y ~ z + occupation (own)", "Occupation (own)"),
    ("y ~ I(Occupation (own) == 'a') + z", "Occupation (own)"),
    ("y ~ C(Occupation (own), reference='b')", "Occupation (own)"),
    ("y ~ z * body mass (g)", "body mass (g)"),
    ("y ~ (body mass (g) + z)**2", "body mass (g)"),
    ("y ~ log(body mass (g))", "body mass (g)"),
    ("y ~ poly(body mass, 2)", "body mass (g)"),
    ("body mass (g) + y ~ z", "body mass (g)"),
    ("y ~ a-b", "a-b"),
    ("y ~ z:rate%", "rate%"),
    ("y ~ price [EUR] + Größe (m)", "price [EUR]"),
    ("y ~ log(class)", "class"),
    ("y ~ it's + z", "it's"),
    ("y ~ two  blanks", "two  blanks"),
    ("y ~ w,  h", "w,  h"),
]


@pytest.mark.parametrize(("text", "name"), BARE)
def test_a_name_that_lacks_its_backquotes(text, name):
    odd = ["body mass (g)", "a-b", "rate%", "price [EUR]", "Größe (m)", "class", "it's", "two  blanks", "w,  h"]
    data = {"y": Y, "z": Z, "Occupation (own)": G} | {column: X ** (1 + i / 10) for i, column in enumerate(odd)}
    with pytest.raises(FormulaError, match=rf"column {re.escape(repr(name))} needs backquotes") as caught:
        gl.fit(text, data)
    message, formula, caret = str(caught.value).splitlines()
    assert formula[caret.index("^") : caret.rindex("^") + 1].lower() in name.lower()
    # What the error says works when it is pasted.
    fit = gl.fit(message.partition("; write ")[2], data)
    assert name in fit.encoder.kinds


def test_each_of_several_formulas_is_told_where_its_backquotes_belong():
    data = {"y": Y, "body mass (g)": X, "z": Z}
    with pytest.raises(FormulaError, match=r"write ~ z \+ `body mass \(g\)`"):
        gl.fit({"mean": "y ~ z", "log_scale": "~ z + body mass (g)"}, data, loss="normal")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y ~ x-z + w", "the data has no column 'w'"),
        ("y ~ `x-z` + ", "something is missing next to"),
        ("y ~ x-z + z z", "there is no \\+ between 'z' and 'z'"),
        ("y ~ Occupation", "did you mean `Occupation \\(own\\)`\\?"),
    ],
)
def test_other_faults_are_told_as_they_are(text, message):
    with pytest.raises(FormulaError, match=message):
        gl.fit(text, {"y": Y, "x": X, "z": Z, "x-z": X - Z, "Occupation (own)": G})


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("x*9**9**9**9", "infinite"),
        ("x*10**400", "infinite"),
        ("x*(1//0)", "infinite"),
        ("0**-1*x", "infinite"),
        ("x*(5%0)", "not a number"),
        ("(-8)**(1/3)*x", "not a number"),
        ("x + 10**400 - 10**400", "not a number"),
    ],
)
def test_arithmetic_of_plain_numbers_goes_as_that_of_columns(term, found):
    with pytest.raises(FormulaError, match=rf"is {found} in row 0, where x = "):
        gl.fit(f"y ~ I({term})", {"y": Y, "x": X})


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("bs(x, df=1000000000)", r"bs\(\): df may be 25,000 at most, not 1000000000"),
        ("cr(x, df=1000000000)", r"cr\(\): df may be 25,000 at most"),
        ("bs(x, degree=100000)", r"bs\(\): degree may be 1,000 at most, not 100000"),
        ("poly(x, 1000000)", r"poly\(\): degree may be 1,000 at most"),
    ],
)
def test_a_basis_of_more_columns_than_can_be_meant_is_refused_before_it_is_made(term, message):
    with pytest.raises(FormulaError, match=message):
        gl.fit(f"y ~ {term}", {"y": Y, "x": X})


def test_numbers_written_as_text_may_be_made_categories_as_advised():
    data = {"y": Y, "my col": [f"{i}.5" for i in range(N)]}
    with pytest.raises(FormulaError, match=r"or write C\(`my col`\) if its 60 values are categories"):
        gl.fit("y ~ `my col`", data)


# -------------------------------------------------------------------------------------------------------------- long sums


@pytest.mark.parametrize(
    ("wrapped", "sign"),
    [
        ("I({})", " + "),
        ("I({})", " - "),
        ("I({})", " * "),
        ("center({})", " + "),
        ("log(abs({}))", " - "),
        ("C(I({} > 1000))", " + "),
        ("I(3 * ({}))", " - "),
    ],
)
def test_a_sum_of_a_thousand_columns(wrapped, sign):
    columns = {f"x{i}": RNG.uniform(0.99, 1.01, size=N) for i in range(1000)}
    text = wrapped.format(sign.join(columns))
    fit = gl.fit(f"y ~ {text}", {"y": Y, **columns})
    total = columns["x0"].copy()
    for values in list(columns.values())[1:]:
        total = total + values if sign == " + " else total - values if sign == " - " else total * values
    made = {
        "I({})": lambda: total,
        "center({})": lambda: total - total.mean(),
        "log(abs({}))": lambda: np.log(np.abs(total)),
        "C(I({} > 1000))": lambda: total > 1000,
        "I(3 * ({}))": lambda: 3 * total,
        "I(-({}))": lambda: -total,
    }
    expected = gl.fit("y ~ t", {"y": Y, "t": made[wrapped]() * 1.0})
    np.testing.assert_allclose(fit.predict({"y": Y, **columns}), expected.predict({"t": made[wrapped]() * 1.0}), rtol=1e-7)


def test_long_logic():
    columns = {f"x{i}": RNG.normal(size=N) for i in range(600)}
    text = " | ".join(f"(x{i} > 2.9)" for i in range(600))
    flag = np.any([values > 2.9 for values in columns.values()], axis=0)
    np.testing.assert_allclose(coefficients(gl.fit(f"y ~ I({text})", {"y": Y, **columns})), least_squares(flag), rtol=1e-9)


@pytest.mark.parametrize(
    "text", ["a + b - c * (d - (e + f)) ** 2 % g", "a * (b + c) - -d / (e - f - (g - h))", "(a | b) & c | ~d ^ (e & f)"]
)
def test_the_text_of_a_long_chain_is_pythons_own(text):
    import ast

    from gradline.formulas import grammar

    long = (
        f"{text} + {' + '.join('(a - b) * c - d' for _ in range(60))}" if "|" not in text else f"{text} | {' | '.join(['(a ^ b)'] * 120)}"
    )
    tree = ast.parse(long, mode="eval")
    expected, pieces = ast.unparse(tree), {}
    found = ast.unparse(grammar._Shortened(pieces).visit(ast.parse(long, mode="eval")))
    assert pieces
    for placeholder, piece in reversed(pieces.items()):
        found = found.replace(placeholder, piece)
    assert found == expected == unparse(tree)


@pytest.mark.parametrize("text", [f"I({'-' * 5000}x)", f"I({' ** '.join(['x'] * 3000)})"])
def test_what_nests_too_deeply_is_refused(text):
    with pytest.raises(FormulaError, match="too deeply") as caught:
        parse(f"y ~ {text}", ["y", "x"])
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("written", "meant"), [("I(z^2)", "I(z ** 2)"), ("I((x + z)^2)", "I((x + z) ** 2)"), ("I(x + z^3)", "I(x + z ** 3)")]
)
def test_a_caret_inside_brackets_is_no_power(written, meant):
    data = {"y": [1.0, 2.0, 4.0, 3.0], "x": [1.0, 3.0, 2.0, 2.0], "z": [0.0, 1.0, 5.0, 2.0]}
    with pytest.raises(gl.FormulaError, match=re.escape(f"^ inside I() is no power; write {meant}")):
        gl.fit(f"y ~ {written}", data)
    gl.fit(f"y ~ {meant}", data)
    with pytest.raises(gl.FormulaError, match="take comparisons, each in brackets"):
        gl.fit("y ~ I(x & z)", data)
