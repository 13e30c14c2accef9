"""What a formula learns, keeps and refuses: states, levels, missing values, and the way through JSON."""

import datetime
import decimal
import json
import re
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_table import MemoryTable, example

from gradline.design.dense import DenseDesign
from gradline.design.stacked import StackedDesign
from gradline.formulas.encoder_json import encoder_from_json
from gradline.formulas.formula import FormulaError, parse
from gradline.formulas.transforms.quantiles import DistinctValues, OrderStatistics

EVERYTHING = (
    "log(x) + y ~ b + g * h + C(k, reference=3):z + C(day) + C(I(n > 4)) + poly(n, 2) + bs(`my col`, df=5) + cr(`Sepal.Length`, df=3,"
    " constraints='center') + scale(n) + I(h == 'u') + offset(log(n))"
)


def learned(formula, data, batch_rows=None):
    table = MemoryTable(data, batch_rows)
    return table, parse(formula, table.columns).learn(table)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e300, 1e300), st.integers(-3, 3).map(float)), min_size=1, max_size=300),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
    st.integers(1, 50),
    st.integers(1, 40),
)
def test_quantiles_of_a_column_too_long_to_hold_are_exact(values, probabilities, held, step):
    values = np.array(values)
    statistics, found, passes = OrderStatistics(np.array(probabilities), held), None, 0
    while found is None:
        for start in range(0, len(values), step):
            statistics.update(values[start : start + step])
        found, passes = statistics.finish(), passes + 1
        assert passes < 12
    np.testing.assert_allclose(found, np.quantile(values, probabilities), rtol=1e-12, atol=1e-300)


def test_distinct_values_are_given_up_where_they_are_too_many():
    values = DistinctValues(5)
    for part in ([3.0, 1.0], [1.0, 2.0]):
        values.update(np.array(part))
    np.testing.assert_array_equal(values.values(), [1, 2, 3])
    values.update(np.arange(10.0))
    assert values.values() is None
    values.update(np.arange(3.0))
    assert values.values() is None


def test_columns_not_concerned_are_not_read():
    table, _ = learned("y ~ x + log(z)", example())
    assert table.read == []
    table, _ = learned("y ~ poly(x, 2) + scale(log(z)) + n", example())
    assert set(table.read) == {("x", "z"), ("x",)}
    assert len(table.read) == 3


@pytest.mark.parametrize("batch_rows", [None, 5])
def test_the_state_survives_json(batch_rows):
    table, encoder = learned(EVERYTHING, example(), batch_rows)
    restored = encoder_from_json(json.loads(json.dumps(encoder.to_json())))
    assert restored.names == encoder.names
    assert restored.columns == encoder.columns
    assert restored.to_json() == encoder.to_json()
    np.testing.assert_array_equal(restored.mask, encoder.mask)
    batch = table.table.to_batches()[0]
    first, second = encoder.encode(batch), restored.encode(batch)
    np.testing.assert_array_equal(first.design.dense(), second.design.dense())
    np.testing.assert_array_equal(first.targets, second.targets)
    np.testing.assert_array_equal(first.offset, second.offset)


def test_predicting_from_a_saved_state_imports_neither_formulaic_nor_pandas():
    _, encoder = learned("y ~ g * x + bs(z, df=4)", example())
    code = (
        "import sys, json, numpy as np; from gradline.formulas.encoder_json import encoder_from_json; import pyarrow as pa;"
        "from gradline.tables.sources.arrow import from_numbers, from_texts;"
        "encoder = encoder_from_json(json.loads(sys.stdin.read()));"
        "columns = [from_texts(['a', 'c']), from_numbers(np.array([1.0, 2.0])), from_numbers(np.array([3.0, 3.5]))];"
        "batch = pa.RecordBatch.from_arrays(columns, names=['g', 'x', 'z']);"
        "print(encoder.encode(batch, targets=False).design.dense().shape, 'formulaic' in sys.modules, 'pandas' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], input=json.dumps(encoder.to_json()), capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "(2, 10) False False"


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s.pop("columns"),
        lambda s: s.pop("states"),
        lambda s: s["states"].clear(),
        lambda s: s["levels"].clear(),
        lambda s: s["levels"].update({"g": ["a", "a"]}),
        lambda s: s["levels"].update({"g": [1, "a"]}),
        lambda s: s["columns"].update({"x": "secret"}),
        lambda s: s["columns"].pop("x"),
        lambda s: s["formulas"][0]["terms"].append([["__import__('os').system('true')", False]]),
        lambda s: s["formulas"][0]["terms"].append([["x +", False]]),
        lambda s: s["formulas"][0]["terms"].append([[3, False]]),
        lambda s: s["formulas"][0].update({"targets": []}),
        lambda s: s["states"]["scale(x)"].update({"scale": "big"}),
        lambda s: s.update({"formulas": 7}),
    ],
)
def test_a_damaged_state_is_refused(damage):
    _, encoder = learned("y ~ g + scale(x)", example())
    saved = json.loads(json.dumps(encoder.to_json()))
    damage(saved)
    with pytest.raises(ValueError, match="formula's state"):
        encoder_from_json(saved)


def test_unseen_levels():
    _, encoder = learned("y ~ g + C(k) + x", example())
    batch = pa.record_batch({"g": ["a", "bb", None, "c"], "k": [1, 2, 2, 9], "x": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(FormulaError, match=r"column 'g' holds 'bb' in row 101, a level that was not there.*did you mean 'b'"):
        encoder.encode(batch, 100, targets=False)
    with pytest.raises(FormulaError, match=r"column 'k' holds 9 in row 3"):
        encoder.encode(batch.slice(3), 3, targets=False)
    dropped = encoder.encode(batch, targets=False, unseen="missing")
    np.testing.assert_array_equal(dropped.kept, [0])
    assert dropped.dropped == {"g": 2, "C(k)": 1}
    reference = encoder.encode(batch, targets=False, unseen="reference")
    np.testing.assert_array_equal(reference.kept, [0, 1, 3])
    np.testing.assert_array_equal(reference.design.dense()[:, 1:3], [[0, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(reference.design.dense()[2, 3:6], 0)
    assert encoder.design(batch.slice(0, 2), unseen="reference").n_rows == 2


def test_the_chosen_reference_takes_unseen_levels():
    _, encoder = learned("y ~ C(g, reference='b')", example())
    found = encoder.encode(pa.record_batch({"g": ["new"]}), targets=False, unseen="reference").design.dense()
    np.testing.assert_array_equal(found, [[1, 0, 0]])


def test_missing_values_drop_their_rows_and_are_counted_by_column():
    data = {
        "y": [1.0, None, 3.0, float("nan"), 5.0],
        "x": [1, 2, None, 4, 5],
        "g": ["a", "b", "a", None, "b"],
        "b": [True, None, True, False, True],
    }
    table, encoder = learned("y ~ log(x) + g + b", data)
    batch = table.table.to_batches()[0]
    encoded = encoder.encode(batch)
    np.testing.assert_array_equal(encoded.kept, [0, 4])
    assert encoded.dropped == {"y": 2, "x": 1, "g": 1, "b": 1}
    np.testing.assert_array_equal(encoded.targets, [[1.0], [5.0]])
    np.testing.assert_allclose(encoded.design.dense(), [[1, 0, 0, 1], [1, np.log(5), 1, 1]])
    mask, counts = encoder.missing(batch)
    np.testing.assert_array_equal(mask, [False, True, True, True, False])
    assert counts == encoded.dropped
    assert encoder.missing(batch, targets=False)[1] == {"x": 1, "g": 1, "b": 1}
    with pytest.raises(FormulaError, match="column 'x' is missing in 1 rows"):
        encoder.design(batch)


def test_missing_values_in_plain_columns():
    table, encoder = learned("y ~ x + z", {"y": [1.0, 2.0, 3.0], "x": [1.0, float("nan"), 3.0], "z": [1, 2, None]})
    encoded = encoder.encode(table.table.to_batches()[0])
    np.testing.assert_array_equal(encoded.kept, [0])
    assert encoded.dropped == {"x": 1, "z": 1}
    assert encoder.plain


def test_states_are_learned_from_what_is_not_missing():
    data = {"y": [0.0] * 5, "x": [1.0, float("nan"), 3.0, None, 8.0]}
    _, encoder = learned("y ~ center(x) + C(x)", data)
    assert encoder.states["center(x)"]["center"] == pytest.approx(4.0)
    assert encoder.levels["C(x)"] == (1.0, 3.0, 8.0)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ log(x)", r"log\(x\) is infinite in row 12, where x = 0.0; leave such rows out"),
        ("y ~ np.sqrt(x - 1)", r"np.sqrt\(x - 1\) is not a number in row 12, where x = 0.0"),
        ("y ~ x + z", r"column 'z' holds infinity in row 13; correct the value"),
        ("log(x) ~ y", r"log\(x\) is infinite in row 12"),
        ("y ~ offset(log(x))", r"offset\(log\(x\)\) is infinite in row 12"),
        ("y ~ g:log(x)", r"g\[\w\]:log\(x\) is (infinite|not a number) in row 12, where x = 0.0"),
    ],
)
def test_what_is_not_finite_is_named_with_its_row(formula, message):
    data = {"y": [1.0, None, 2.0, 3.0], "x": [1.0, 0.0, 0.0, 2.0], "z": [1.0, 1.0, 2.0, float("inf")], "g": ["a", "b", "b", "a"]}
    table, encoder = learned(formula, data)
    batch = table.table.to_batches()[0]
    if formula.startswith("log(x)") or "y" not in formula.split("~")[0]:
        with pytest.raises(FormulaError, match=message):
            encoder.encode(batch, 10)
        return
    with pytest.raises(FormulaError, match=message):
        encoder.encode(batch, 10)
    relaxed = encoder.encode(batch, 10, check=False, targets=False)
    assert relaxed.design.n_rows == 4


@pytest.mark.parametrize(
    ("formula", "data", "message"),
    [
        ("y ~ scale(x)", {"x": [2.0, 2.0]}, "one value only"),
        ("y ~ poly(x, 2)", {"x": [1.0, 2.0]}, "more than 2 distinct values"),
        ("y ~ poly(x, 1)", {"x": [5.0, 5.0]}, "more than 1 distinct"),
        ("y ~ bs(x, df=4)", {"x": [None, None]}, "finds no values"),
        ("y ~ cr(x, df=4)", {"x": [1.0, 1.0]}, "must differ"),
        ("y ~ bs(x, df=2)", {"x": [1.0, 2.0]}, "df must be at least 3"),
        ("y ~ bs(x, df=4, knots=[1.5])", {"x": [1.0, 2.0]}, "not both"),
        ("y ~ cr(x)", {"x": [1.0, 2.0]}, "give df or knots"),
        ("y ~ bs(x, knots=[5])", {"x": [1.0, 2.0]}, "must lie between 1 and 2"),
        ("y ~ bs(x, lower_bound=1.5)", {"x": [1.0, 2.0]}, "beyond the bounds"),
        ("y ~ C(x)", {"x": [None, None]}, "no levels"),
        ("y ~ C(g, reference='d')", {"g": ["a", "b"]}, "'d' is not among the levels"),
        ("y ~ C(g, contr.poly(scores=[1, 2, 3]))", {"g": ["a", "b"]}, "3 scores for 2 levels"),
    ],
)
def test_what_cannot_be_learned(formula, data, message):
    data = {"y": [1.0, 2.0], **{name: pa.array(values, pa.string() if name == "g" else pa.float64()) for name, values in data.items()}}
    with pytest.raises(FormulaError, match=message):
        learned(formula, data)


def test_values_beyond_the_knots():
    _, encoder = learned("y ~ bs(x, df=4)", {"y": [0.0] * 9, "x": np.arange(9.0)})
    with pytest.raises(FormulaError, match=r"the value 12 lies beyond the knots, which reach from 0 to 8"):
        encoder.encode(pa.record_batch({"x": [1.0, 12.0]}), targets=False)


def test_identifiers_and_numbers_that_came_as_text_are_told():
    rows = 1500
    data = {"y": np.zeros(rows), "id": [f"u{i}" for i in range(rows)], "size": [str(i % 99) for i in range(rows - 1)] + ["n/a"]}
    with pytest.raises(FormulaError, match="id has 1,500 different values in 1,500 rows: it looks like an identifier"):
        learned("y ~ id", data)
    with pytest.raises(FormulaError, match="nearly all of it reads as numbers; not so 'n/a' in row 1499: correct it"):
        learned("y ~ size", data)
    assert learned("y ~ C(size)", data)[1].n_columns == 100


def few(stray, rows=3, of=200):
    return {"y": np.zeros(of), "x": [stray] * rows + [str(i % 6) for i in range(of - rows)]}


@pytest.mark.parametrize("stray", ["n/a", "", "6+", "4%"])
def test_a_stray_text_among_few_different_numbers_is_told_too(stray):
    with pytest.raises(FormulaError, match=rf"nearly all of it reads as numbers; not so {re.escape(repr(stray))} in row 0: correct it"):
        learned("y ~ x", few(stray))
    assert learned("y ~ C(x)", few(stray))[1].n_columns == 7


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (few("1", rows=10), 6),  # numbers throughout: as many as a category has
        (few("6+", rows=30), 7),  # a seventh of the rows
        ({"y": np.zeros(20), "x": ["10%", "20%"] * 10}, 2),
        ({"y": np.zeros(20), "x": ["north", "south"] * 10}, 2),
    ],
)
def test_few_levels_that_are_a_category(data, columns):
    assert learned("y ~ x", data)[1].n_columns == columns


def test_several_stray_texts_are_told_by_the_rows_they_take():
    strays = ["?", "none", "unknown"]
    data = {"y": np.zeros(300), "x": strays + [str(i % 20) for i in range(297)]}
    with pytest.raises(FormulaError, match=r"not so '\?' in row 0"):
        learned("y ~ x", data)


@pytest.mark.parametrize(
    ("form", "dress"),
    [
        ("${:,.2f}", r"the \$"),
        ("{:,.0f}", "the ',' that parts thousands"),
        ("{:.1f}%", "the %"),
        ("{:.2f} €", "the €"),
        ("{:.0f},5", "the decimal comma"),
    ],
)
def test_numbers_in_dress_are_no_categories(form, dress):
    data = {"y": np.zeros(200), "x": [form.format(1000 * i + 0.25) for i in range(200)]}
    with pytest.raises(FormulaError, match=rf"column 'x' holds text, such as .* in row [01], and reads as numbers but for {dress}"):
        learned("y ~ x", data)
    assert learned("y ~ C(x)", data)[1].n_columns == 200


@pytest.mark.parametrize("form", ["{}-7", "10.0.{}.1", "{}:30", "A{}", "2024-01-{}"])
def test_texts_with_digits_are_categories(form):
    data = {"y": np.zeros(40), "x": [form.format(10 + i) for i in range(40)]}
    assert learned("y ~ x", data)[1].n_columns == 40


def test_columns_of_every_arrow_type():
    n = 4
    data = {
        "y": pa.array([1, 2, 3, 4], pa.int8()),
        "x": pa.array([decimal.Decimal("1.5")] * n),
        "f": pa.array([0.5, 1.5, 2.5, None], pa.float32()),
        "u": pa.array([1, 2, 3, 2**63], pa.uint64()),
        "g": pa.array(["b", "a", "b", "a"]).dictionary_encode(),
        "l": pa.array(["p", "q", "q", "p"], pa.large_string()),
        "day": pa.array([datetime.date(2024, 1, day) for day in (1, 2, 1, 3)]),
    }
    table, encoder = learned("y ~ x + f + u + g + l + C(day)", data)
    found = encoder.encode(table.table.to_batches()[0])
    np.testing.assert_array_equal(found.kept, [0, 1, 2])
    np.testing.assert_array_equal(
        found.design.dense(), [[1, 1.5, 0.5, 1, 1, 0, 0, 0], [1, 1.5, 1.5, 2, 0, 1, 1, 0], [1, 1.5, 2.5, 3, 1, 1, 0, 0]]
    )


def test_levels_are_matched_across_types():
    _, encoder = learned("y ~ C(k)", {"y": [0.0] * 3, "k": [1, 2, 3]})
    expected = [[1, 1, 0], [1, 0, 0], [1, 0, 1]]
    for array in (pa.array([2, 1, 3], pa.int8()), pa.array([2.0, 1.0, 3.0]), pa.array(["2", "1", "3.0"])):
        np.testing.assert_array_equal(encoder.design(pa.record_batch({"k": array})).dense(), expected)
    for array, shown in ((pa.array([2.5]), "2.5"), (pa.array(["two"]), "'two'")):
        with pytest.raises(FormulaError, match=f"holds {shown} in row 0"):
            encoder.design(pa.record_batch({"k": array}))


def test_columns_that_predicting_lacks_or_that_changed():
    _, encoder = learned("y ~ x + g", example())
    with pytest.raises(ValueError, match="no column 'x', which the formula needs"):
        encoder.encode(pa.record_batch({"g": ["a"], "xx": [1.0]}), targets=False)
    with pytest.raises(ValueError, match="holds the text 'much' in row 1"):
        encoder.encode(pa.record_batch({"g": ["a", "a"], "x": ["1", "much"]}), targets=False)
    np.testing.assert_array_equal(
        encoder.encode(pa.record_batch({"g": ["a"], "x": ["2.5"]}), targets=False).design.dense(), [[1, 2.5, 0, 0]]
    )


def wide(rows=2000, levels=120, seed=1):
    rng = np.random.default_rng(seed)
    codes = np.append(np.arange(levels), rng.integers(0, levels, size=rows - levels))
    return {
        "y": rng.normal(size=rows),
        "x": rng.normal(size=rows),
        "z": rng.normal(size=rows),
        "g": np.array([f"level {i:03d}" for i in range(levels)])[codes],
        "h": np.array(["u", "v", "w"])[rng.integers(0, 3, size=rows)],
    }


@pytest.mark.parametrize(
    "formula", ["g + x", "g - 1 + x", "x * g", "g:h + x", "poly(x, 2):g + z", "C(g, reference='level 005'):h", "g + C(h):x + g:x"]
)
def test_many_levels_are_kept_as_codes_and_mean_the_same(formula, monkeypatch):
    data = wide()
    table, coded = learned(f"y ~ {formula}", data)
    design = coded.encode(table.table.to_batches()[0]).design
    assert isinstance(design, StackedDesign)
    assert coded.row_numbers < 30 < coded.n_columns
    monkeypatch.setattr("gradline.formulas.groups.DENSE_LEVELS", 10_000)
    _, dense = learned(f"y ~ {formula}", data)
    written = dense.encode(table.table.to_batches()[0]).design
    assert isinstance(written, DenseDesign)
    assert sorted(coded.names) == sorted(dense.names)
    order = [dense.names.index(name) for name in coded.names]
    np.testing.assert_array_equal(design.dense(), written.dense()[:, order])


def test_codes_with_missing_and_unseen_levels():
    _, encoder = learned("y ~ g + x", wide())
    batch = pa.record_batch({"g": ["level 000", "level 003", None, "new"], "x": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(FormulaError, match="'new' in row 3"):
        encoder.encode(batch, targets=False)
    found = encoder.encode(batch, targets=False, unseen="reference")
    np.testing.assert_array_equal(found.kept, [0, 1, 3])
    np.testing.assert_array_equal(found.design.categorical[0].codes, [-1, 2, -1])
    np.testing.assert_array_equal(encoder.encode(batch, targets=False, unseen="missing").kept, [0, 1])


def test_one_level_and_no_features():
    table, encoder = learned("y ~ g", {"y": [1.0, 2.0], "g": ["only", "only"]})
    assert encoder.names == ("Intercept",)
    np.testing.assert_array_equal(encoder.design(table.table.to_batches()[0]).dense(), [[1.0], [1.0]])
    table, encoder = learned("y ~ 1", {"y": [1.0, 2.0]})
    assert encoder.encode(table.table.to_batches()[0]).design.n_columns == 1
