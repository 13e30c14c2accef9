"""Design matrices against formulaic's and patsy's on the same data, seen whole."""

import warnings

import numpy as np
import pandas as pd
import patsy
import pytest
from memory_table import MemoryTable, example

from gradline.formulas.formula import parse

DATA = example()
FRAME = pd.DataFrame({name: list(values) for name, values in DATA.items() if name != "day"})

AS_FORMULAIC = [
    "x + z",
    "x + z - 1",
    "0 + x",
    "1",
    "log(x) + np.sqrt(x) + exp(z) + np.log1p(x)",
    "I(x ** 2) + I(x * z) + I(-x / 2 + 3) + I(n // 2) + I(n % 3)",
    "x:z + x",
    "x * z",
    "(x + z + n) ** 2",
    "g",
    "g - 1",
    "C(k) + x",
    "C(k) - 1",
    "g:h",
    "g * h",
    "g * h - 1",
    "g / h",
    "g:x",
    "x + x:g",
    "x:g + x:h - 1",
    "g * x * h",
    "h + x:g + g:h",
    "x + x:h + g:h + g:h:x",
    "C(g, contr.treatment('b'))",
    "C(g, contr.treatment(base='c')) * x",
    "C(g, Treatment('b')) + C(h, contr.sum)",
    "C(k, contr.sum)",
    "C(k, contr.helmert)",
    "C(k, contr.helmert(reverse=False, scale=True))",
    "C(k, contr.diff) + C(g, contr.diff(backward=False))",
    "C(k, contr.poly)",
    "C(k, contr.SAS) - 1",
    "C(k, levels=[4, 3, 2, 1])",
    "scale(x) + center(z) + standardize(n)",
    "scale(x, center=False) + scale(z, scale=2.0) + scale(x, ddof=0)",
    "center(log(x)) + log(scale(x) + 5)",
    "poly(x, 3)",
    "poly(z, 2, raw=True)",
    "poly(x, 2):g",
    "poly(scale(x), 4)",
    "bs(x, df=5)",
    "bs(x, df=6, degree=2)",
    "bs(x, knots=[1.5, 2.5])",
    "bs(x, df=5, include_intercept=True)",
    "bs(x, df=5, include_intercept=True) - 1",
    "bs(x, df=4, lower_bound=0.0, upper_bound=9.0) + z",
    "bs(x, df=5, lower_bound=1.0, upper_bound=3.0, extrapolation='clip')",
    "bs(x, df=5, lower_bound=1.0, upper_bound=3.0, extrapolation='zero')",
    "bs(x, knots=[1.5, 2.5], lower_bound=1.0, upper_bound=3.0, extrapolation='extend')",
    "bs(z, df=4):g + x",
    "cr(x, df=4)",
    "cs(x, df=5)",
    "cr(x, df=3, constraints='center')",
    "cr(x, knots=[1.0, 2.0, 3.0], lower_bound=0.7, upper_bound=3.5)",
    "cr(x, df=4, lower_bound=1.0, upper_bound=3.0, extrapolation='clip')",
    "cc(x, df=4)",
    "cc(x, df=3, constraints='center')",
    "b + x",
    "I(x > 2) + I(n == 3) + I((x > 1) & (z < 3))",
    "C(b)",
    "`my col` + log(`my col` ** 2) + `Sepal.Length`",
    "x + x + z - z",
    "np.where(x > 2, 1, 0) + np.minimum(x, z) + np.clip(z, 0, 1)",
]


def ours(formula, batch_rows=None):
    table = MemoryTable(DATA, batch_rows)
    encoder = parse(f"y ~ {formula}", table.columns).learn(table)
    matrix, targets = table.encode(encoder)
    np.testing.assert_array_equal(targets[:, 0], DATA["y"])
    assert matrix.shape == (len(DATA["y"]), encoder.n_columns)
    return encoder, matrix


@pytest.mark.parametrize("formula", AS_FORMULAIC)
def test_designs_equal_formulaic(formula):
    import formulaic

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = formulaic.model_matrix(formula, FRAME)
    encoder, matrix = ours(formula)
    names = [name.replace("raw=True)[0]", "raw=True)[1]") for name in expected.columns]  # formulaic counts powers from 0
    if "raw=True" in formula:
        names[-1] = names[-1].replace("[1]", "[2]")
    assert list(encoder.names) == names
    np.testing.assert_allclose(matrix, np.asarray(expected, dtype=float), rtol=1e-10, atol=1e-10)
    assert encoder.intercept == ("Intercept" in expected.columns)


@pytest.mark.parametrize(
    "formula",
    [
        "x + z",
        "np.log(x) * h",
        "g * h",
        "C(g, Treatment('b')) + x",
        "C(g, Treatment(reference='c')) + x",
        "C(k, Sum)",
        "C(k, Helmert)",
        "center(x) + standardize(z)",
        "bs(x, df=5)",
        "bs(x, df=4, degree=2)",
        "cr(x, df=4)",
        "cr(x, df=3, constraints='center')",
        "cc(x, df=4)",
        "C(k) - 1",
    ],
)
def test_designs_equal_patsy(formula):
    expected = patsy.dmatrix(formula, FRAME)
    encoder, matrix = ours(formula)
    order = expected.design_info.column_names
    if set(order) == set(encoder.names):
        # patsy puts terms with numbers after those without.
        matrix = matrix[:, [encoder.names.index(name) for name in order]]
    np.testing.assert_allclose(matrix, np.asarray(expected), rtol=1e-10, atol=1e-10)
    # patsy numbers a basis from 0, formulaic from 1.
    named = [name for name in encoder.names if "s(" not in name and "c(" not in name and "r(x" not in name]
    assert set(named) <= set(expected.design_info.column_names)


def test_an_orthogonal_polynomial_is_orthonormal_and_equals_r():
    # R 4.3: poly(c(1, 2, 4, 8), 2)
    table = MemoryTable({"y": [0.0] * 4, "x": [1.0, 2.0, 4.0, 8.0]})
    encoder = parse("y ~ poly(x, 2)", table.columns).learn(table)
    matrix, _ = table.encode(encoder)
    np.testing.assert_allclose(matrix.T @ matrix, np.diag([4.0, 1.0, 1.0]), atol=1e-12)
    np.testing.assert_allclose(matrix[:, 1], [-0.5128776, -0.3263766, 0.0466252, 0.7926289], atol=1e-6)


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("C(g, reference='b')", ["Intercept", "C(g, reference='b')[T.a]", "C(g, reference='b')[T.c]"]),
        (
            "C(k,reference=2)+log( x )",
            ["Intercept", "C(k, reference=2)[T.1]", "C(k, reference=2)[T.3]", "C(k, reference=2)[T.4]", "log(x)"],
        ),
        ("C(day)", ["Intercept", "C(day)[T.2024-01-02]", "C(day)[T.2024-01-03]"]),
        ("C(I(x > 2))", ["Intercept", "C(I(x > 2))[T.True]"]),
        ("I(g == 'b') + I(h != 'u')", ["Intercept", "I(g == 'b')", "I(h != 'u')"]),
        ("Q('my col')", ["Intercept", "Q('my col')"]),
        ("log(Sepal.Length)", ["Intercept", "log(Sepal.Length)"]),
    ],
)
def test_what_formulaic_has_no_word_for(formula, names):
    encoder, _ = ours(formula)
    assert list(encoder.names) == names


def test_values_of_what_formulaic_has_no_word_for():
    _, matrix = ours("C(g, reference='b') + I(g == 'b') + exp10(x) + log(Sepal.Length)")
    g = DATA["g"]
    expected = np.column_stack([np.ones(60), g == "a", g == "c", g == "b", 10.0 ** DATA["x"], np.log(DATA["Sepal.Length"])])
    np.testing.assert_allclose(matrix, expected, rtol=1e-14)


@pytest.mark.parametrize(
    "formula",
    ["log(x) + z", "g * h + bs(x, df=5):h", "poly(x, 3) + cr(z, df=4, constraints='center')", "scale(x):C(k)", "C(I(n > 3)) + C(day)"],
)
@pytest.mark.parametrize("batch_rows", [1, 7])
def test_one_batch_or_many_encode_alike(formula, batch_rows):
    table, many = MemoryTable(DATA), MemoryTable(DATA, batch_rows)
    encoder = parse(f"log(x) ~ {formula}".replace("log(x) ~", "y ~"), table.columns).learn(table)
    whole, _ = table.encode(encoder)
    parts, _ = many.encode(encoder)
    np.testing.assert_array_equal(whole, parts)
    learned, _ = many.encode(parse(f"y ~ {formula}", table.columns).learn(many))
    np.testing.assert_allclose(learned, whole, rtol=1e-12, atol=1e-13)


def test_targets_offsets_and_several_formulas():
    table = MemoryTable(DATA)
    formula = parse({"mean": "log(x) + z ~ n + g + offset(log(n))", "log_scale": "~ h + n - 1"}, table.columns)
    assert formula.text == {"mean": "log(x) + z ~ n + g + offset(log(n))", "log_scale": "~ h + n - 1"}
    encoder = formula.learn(table)
    assert encoder.predictors == ("mean", "log_scale")
    assert encoder.names == ("Intercept", "n", "g[T.b]", "g[T.c]", "h[u]", "h[v]")
    assert encoder.mask.tolist() == [[True, False], [True, True], [True, False], [True, False], [False, True], [False, True]]
    assert encoder.target_names == ("log(x)", "z")
    batch = table.batches(encoder.columns)[0]
    np.testing.assert_allclose(encoder.target(batch), np.column_stack([np.log(DATA["x"]), DATA["z"]]))
    np.testing.assert_allclose(encoder.offset(batch), np.column_stack([np.log(DATA["n"]), np.zeros(60)]))
    assert set(encoder.columns) == {"x", "z", "n", "g", "h"}
    assert set(encoder.feature_columns) == {"n", "g", "h"}


def test_a_dot_stands_for_the_columns_no_formula_explains():
    table = MemoryTable({name: DATA[name] for name in ("y", "x", "z", "g")})
    assert parse("y ~ .", table.columns).learn(table).names == ("Intercept", "x", "z", "g[T.b]", "g[T.c]")
    both = parse({"mean": "y ~ x", "log_scale": "~ ."}, table.columns).learn(table)
    assert both.mask[:, 1].tolist() == [True, True, True, True, True]
    assert "y" not in both.names
