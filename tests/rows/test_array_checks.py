"""What may be handed to gradline, and what it says of the rest: what was wrong, where, and what to do instead."""

from __future__ import annotations

import datetime
import decimal
import fractions
import importlib.util
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression as LinearModel
from statsmodels.api import WLS

import gradline as gl
from gradline.rows.array_checks import as_array, as_columns, check_finite

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(20, 2))
Y = X @ [2.0, -1.0] + 3.0 + 0.1 * GENERATOR.normal(size=20)
FRAME = pd.DataFrame(X, columns=["a", "b"])
POLARS = pl.DataFrame({"a": X[:, 0], "b": X[:, 1]})


def changed(array, index, value):
    copy = np.array(array, copy=True)
    copy[index] = value
    return copy


def refused(error, message, *arguments, **options):
    """A fit to these arguments raises the error with a message that holds this text, word for word."""
    with pytest.raises(error, match=re.escape(message)) as caught:
        gl.fit(*arguments, **options)
    return caught.value


# Values that are missing or infinite


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_missing_and_infinite_values_are_placed(value, name):
    advice = "; drop that row or fill the value in before fitting"
    refused(ValueError, f"X holds {name} in row 3, column 'x2'{advice}", changed(X, (3, 1), value), Y)
    refused(ValueError, f"X holds {name} in row 3, column 'b'{advice}", FRAME.assign(b=changed(X[:, 1], 3, value)), Y)
    refused(ValueError, f"X holds {name} in row 3, column 'x2'", changed(X, (3, 1), value).astype(np.float32), Y)
    refused(ValueError, f"X holds {name} in row 7, column 'x'", changed(X[:, 0], 7, value), Y)
    refused(ValueError, f"y holds {name} in row 4{advice}", X, changed(Y, 4, value))
    refused(ValueError, f"y holds {name} in row 4, column 'y2'{advice}", X, changed(np.column_stack([Y, Y]), (4, 1), value))
    for what in ("weights", "offset"):
        refused(ValueError, f"{what} holds {name} in row 2", X, Y, **{what: changed(np.ones(20), 2, value)})


def test_a_missing_value_deep_in_the_data_is_placed():
    big = np.ones((400_000, 4), dtype=np.float32)
    big[345_678, 2] = np.nan
    refused(ValueError, "X holds NaN in row 345678, column 'x3'", big, np.ones(400_000))


def test_a_sum_that_overflows_is_no_infinity():
    check_finite(np.array([[1e308], [1.5e308], [1e308], [0.0]]), "X", None)


@pytest.mark.parametrize("missing", [None, pd.NA, float("nan"), pd.NaT])
def test_every_kind_of_missing_object_is_missing(missing):
    column = np.array([missing] + 19 * [1], dtype=object)
    refused(ValueError, "X holds NaN in row 0, column 'c'", FRAME.assign(c=pd.Series(column, dtype=object)), Y)


def test_nullable_and_masked_columns_with_holes():
    refused(ValueError, "X holds NaN in row 19, column 'c'", FRAME.assign(c=pd.array([1] * 19 + [None], dtype="Int64")), Y)
    refused(ValueError, "X holds NaN in row 0, column 'c'", POLARS.with_columns(c=pl.Series([None] + 19 * [1])), Y)
    refused(ValueError, "X holds NaN in row 5, column 'x1'", np.ma.masked_array(X, mask=np.arange(40).reshape(20, 2) == 10), Y)
    unmasked = gl.fit(np.ma.masked_array(X, mask=False), Y).coefficients
    np.testing.assert_array_equal(unmasked, gl.fit(X, Y).coefficients)


# Shapes


def test_no_rows_and_no_columns():
    refused(ValueError, "X has no rows; a fit needs at least one", X[:0], Y[:0])
    refused(ValueError, "X has no rows; a fit needs at least one", [], [])
    refused(ValueError, "X has no rows; a fit needs at least one", FRAME.iloc[:0], Y[:0])
    refused(ValueError, "y has no rows; a fit needs at least one", X, [])
    refused(ValueError, "X has no columns: 0 feature(s) (shape=(20, 0)) while a minimum of 1 is required.", X[:, :0], Y)


def test_lengths_that_differ():
    refused(ValueError, "y has 19 rows but X has 20; they must match, row by row", X, Y[:-1])
    refused(ValueError, "weights has 19 rows but X has 20", X, Y, weights=np.ones(19))
    refused(ValueError, "frequencies has 21 rows but X has 20", X, Y, frequencies=np.ones(21))
    refused(ValueError, "offset has 2 rows but X has 20", X, Y, offset=[1.0, 2.0])


def test_dimensions():
    refused(ValueError, "X has 3 dimensions; give one row per example and one column per variable, shape (n, p)", X[:, :, None], Y)
    refused(ValueError, "y has 3 dimensions", X, Y[:, None, None])
    refused(ValueError, "weights has shape (20, 2); give one number per row, shape (20,)", X, Y, weights=np.ones((20, 2)))
    refused(ValueError, "offset has 2 columns, but there is 1 linear predictor", X, Y, offset=np.ones((20, 2)))


@pytest.mark.parametrize(
    ("data", "shown"),
    [(5, "5"), ({"a": [1.0]}, "a dict"), ((i for i in range(3)), "a generator")],
)
def test_what_is_no_table_at_all(data, shown):
    refused(TypeError, f"X is {shown}, not rows of numbers; give an array, a list of rows or a data frame", data, Y)
    refused(TypeError, f"y is {shown}, not rows of numbers", X, data)


def test_arrays_without_a_formula_and_a_formula_without_a_table():
    needs = 'fit() needs a formula and data, as in gl.fit("y ~ x1 + x2", data)'
    refused(TypeError, needs, X)
    refused(TypeError, needs, "rows.csv", Y)
    refused(TypeError, "'y = x' is no formula: it lacks the ~", "y = x", pd.DataFrame({"x": [1.0], "y": [2.0]}))
    refused(TypeError, "X is None, not rows of numbers", None, Y)
    refused(TypeError, "the formula comes first: gl.fit('y ~ x', data)", X, "y ~ x")


def test_ragged_lists():
    refused(ValueError, "X is ragged: its rows have different lengths", [[1, 2], [3]], [1, 2])
    refused(ValueError, "y is ragged: its rows have different lengths", X[:2], [[1, 2], [3]])


# Values that are no numbers


def test_text():
    refused(TypeError, "X holds text, 'a' in row 0, column 0; encode it as numbers first", [["a", "b"]], [1])
    refused(TypeError, "X holds text, 'four' in row 1, column 1", [["1", "2"], ["3", "four"]], [1, 2])
    refused(TypeError, "y holds text, 'yes' in row 0; encode it as numbers first", X, ["yes"] * 20)
    # Text that looks like numbers is still text, in whatever it comes.
    refused(TypeError, "X holds text, '1' in row 0, column 0", [["1", 2.0], [3, 4]], [1, 2])
    refused(TypeError, "X holds '1' in row 0, column 0", np.array([["1", 2.0], [3, 4]], dtype=object), [1, 2])
    message = "X holds '7' in row 0, column 'c'; the argument must be free of strings and objects: give numbers"
    refused(TypeError, message, FRAME.assign(c=pd.Series(["7"] * 20, dtype=object)), Y)


def test_objects_that_are_no_numbers():
    refused(TypeError, "X holds {'k': 1} in row 1, column 0", np.array([[1], [{"k": 1}]], dtype=object), [1, 2])
    refused(TypeError, "y holds [1] in row 1", [[1], [2]], pd.Series([1, [1]], dtype=object))


def test_complex_numbers():
    refused(ValueError, "Complex data not supported: X holds complex numbers; give real ones", X + 1j, Y)
    refused(ValueError, "Complex data not supported: y holds complex numbers", X, Y + 0j)


def test_dates_and_records():
    days = np.array(["2020-01-01"] * 3, dtype="datetime64[D]")
    refused(TypeError, "X holds datetime64[D] values, not numbers; encode them as numbers first", days, [1, 2, 3])
    records = np.array([(1.0, 2)], dtype=[("a", float), ("b", int)])
    refused(TypeError, "X holds [('a', '<f8'), ('b', '<i8')] values, not numbers", records, [1])


@pytest.mark.parametrize("container", ["csr_array", "csc_matrix", "coo_array"])
def test_sparse_matrices_other_than_x(container):
    refused(TypeError, "y is a sparse matrix", X, getattr(scipy.sparse, container)(Y[:, None]))


def test_duplicate_column_names():
    twice = "column name 'a' appears more than once; rename the columns so that each can be told apart"
    refused(ValueError, twice, pd.DataFrame(X, columns=["a", "a"]), Y)
    refused(ValueError, "column name '1' appears more than once", pd.DataFrame(X, columns=[1, "1"]), Y)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pd.Series(["u"] * 20, dtype="str"), "str"),
        (pd.Categorical(["u"] * 20), "category"),
        (pd.Categorical([1] * 20), "category"),
        (pd.Timestamp("2020-01-01"), "datetime64"),
        (pd.to_timedelta(np.arange(20), unit="s"), "timedelta64"),
        (pd.period_range("2020", periods=20, freq="M"), "period"),
    ],
)
def test_columns_of_a_pandas_frame_that_hold_no_numbers(column, dtype):
    error = refused(TypeError, "column 'c' of X holds ", FRAME.assign(c=column), Y)
    assert str(error).endswith(" values, not numbers; encode it as numbers, or leave it out")
    assert dtype in str(error)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pl.lit("u"), "String"),
        (pl.lit("u").cast(pl.Categorical), "Categorical"),
        (pl.lit("u").cast(pl.Enum(["u"])), "Enum"),
        (pl.lit(datetime.date(2020, 1, 1)), "Date"),
        (pl.lit(datetime.timedelta(1)), "Duration"),
        (pl.struct("a"), "Struct"),
    ],
)
def test_columns_of_a_polars_frame_that_hold_no_numbers(column, dtype):
    error = refused(TypeError, f"column 'c' of X holds {dtype}", POLARS.with_columns(c=column), Y)
    assert "values, not numbers; encode it as numbers, or leave it out" in str(error)


def test_a_lazy_frame_is_to_be_collected():
    refused(TypeError, "X is a LazyFrame, not read yet; give X.collect()", POLARS.lazy(), Y)


# What is taken


def as_nullable(x):
    return pd.DataFrame(x).convert_dtypes()


EXACT = {
    "list": lambda x: x.tolist(),
    "tuple of tuples": lambda x: tuple(map(tuple, x)),
    "float32": lambda x: x.astype(np.float32),
    "float16": lambda x: x.astype(np.float16),
    "longdouble": lambda x: x.astype(np.longdouble),
    "int8": lambda x: x.astype(np.int8),
    "int64": lambda x: x.astype(np.int64),
    "Fortran order": np.asfortranarray,
    "columns of a wider array": lambda x: np.column_stack([x, x, x])[:, 3:6],
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards and back": lambda x: x[::-1].copy()[::-1],
    "big-endian": lambda x: x.astype(">f8"),
    "matrix": np.matrix,
    "objects": lambda x: x.astype(object),
    "decimals": lambda x: np.array([[decimal.Decimal(v) for v in row] for row in x.tolist()], dtype=object),
    "fractions": lambda x: np.array([[fractions.Fraction(v) for v in row] for row in x.tolist()], dtype=object),
    "memoryview": lambda x: memoryview(np.ascontiguousarray(x)),
    "pandas": pd.DataFrame,
    "pandas, mixed": lambda x: pd.DataFrame(x).astype({0: np.int32, 1: np.float32}),
    "pandas, nullable": as_nullable,
    "polars": lambda x: pl.DataFrame(x, schema=["u", "v", "w"]),
    "polars, mixed": lambda x: pl.DataFrame(x, schema={"u": pl.Int16, "v": pl.Float32, "w": pl.Float64}),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", EXACT)
def test_the_same_numbers_give_the_same_answer_in_any_container(kind):
    generator = np.random.default_rng(1)
    x = generator.integers(-20, 20, (60, 3)).astype(float)
    y = (x @ [1.0, -2.0, 0.5] + 4.0 + generator.integers(-3, 4, 60)).round()
    expected = gl.fit(x, y)
    given = EXACT[kind](x)
    fit = gl.fit(given, y)
    np.testing.assert_allclose(fit.coefficients, expected.coefficients, rtol=1e-12)
    np.testing.assert_allclose(fit.predict(given), expected.predict(x), rtol=1e-12)
    targets = EXACT[kind](np.column_stack([y, y, -y]))
    np.testing.assert_allclose(gl.fit(x, targets).coefficients[:, 2], -expected.coefficients, rtol=1e-10)


def test_booleans_are_zero_and_one():
    flags = X > 0
    np.testing.assert_allclose(gl.fit(flags, Y).coefficients, gl.fit(flags.astype(float), Y).coefficients, rtol=1e-13)
    frame = FRAME.assign(c=X[:, 0] > 0)
    expected = gl.fit(np.column_stack([X, X[:, 0] > 0]), Y).coefficients
    np.testing.assert_allclose(gl.fit(frame, Y).coefficients, expected, rtol=1e-12)
    np.testing.assert_allclose(gl.fit(POLARS.with_columns(c=pl.col("a") > 0), Y).coefficients, expected, rtol=1e-12)


def test_nothing_is_written_to_what_is_given():
    x, y, weights = X.copy(), Y.copy(), np.ones(20)
    for array in (x, y, weights):
        array.setflags(write=False)
    for solver in ("auto", gl.GradientDescent(learning_rate=0.1), gl.GradientDescent(batch_size=20, learning_rate=0.1)):
        gl.fit(x, y, weights=weights, solver=solver, start=[0.0, 0.0, 0.0])
    np.testing.assert_array_equal(x, X)


def test_tensors_of_the_frameworks_are_arrays():
    expected = gl.fit(X, Y).coefficients
    tf = pytest.importorskip("tensorflow")
    np.testing.assert_array_equal(gl.fit(tf.constant(X), tf.constant(Y)).coefficients, expected)
    half = tf.cast(tf.constant(X), tf.bfloat16)
    rounded = gl.fit(tf.cast(half, tf.float64), Y).coefficients
    np.testing.assert_array_equal(gl.fit(half, Y).coefficients, rounded)
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(gl.fit(torch.tensor(X), torch.tensor(Y)).coefficients, expected)
    message = "X could not be turned into an array; RuntimeError: Can't call numpy() on Tensor that requires grad"
    refused(TypeError, message, torch.tensor(X, requires_grad=True), Y)


def test_names_come_from_the_data():
    assert gl.fit(X, Y).names == ("Intercept", "x1", "x2")
    assert gl.fit(X[:, 0], Y).names == ("Intercept", "x")
    assert gl.fit(FRAME, pd.Series(Y, name="price")).target_names == ("price",)
    assert gl.fit(POLARS, pl.DataFrame({"u": Y, "v": Y})).target_names == ("u", "v")
    assert gl.fit(FRAME["a"], Y).names == ("Intercept", "a")
    assert gl.fit(X, Y, names=["width", "height"]).names == ("Intercept", "width", "height")
    assert gl.fit(pd.DataFrame(X), Y).names == ("Intercept", "0", "1")


# Arguments


def test_unknown_keywords():
    refused(TypeError, "fit() got an unexpected keyword argument 'wieghts'; did you mean 'weights'?", X, Y, wieghts=Y)
    refused(TypeError, "unexpected keyword argument 'fit_intercept'; here it is intercept=", X, Y, fit_intercept=True)
    for word, ours in {"cov_type": "covariance=", "family": "loss=", "exposure": "offset=, with the logarithm of the exposure"}.items():
        refused(TypeError, f"unexpected keyword argument {word!r}; here it is {ours}", X, Y, **{word: "x"})
    refused(TypeError, "unexpected keyword argument 'zzz'; it takes data, target, loss, prediction", X, Y, zzz=1)
    belongs = "unexpected keyword argument 'learning_rate'; it belongs to the solver: solver=gl.GradientDescent(learning_rate=...)"
    refused(TypeError, belongs, X, Y, learning_rate=0.1)


def test_wrong_losses():
    refused(ValueError, "no loss is named 'squred'; did you mean squared?", X, Y, loss="squred")
    for theirs, ours in {"mse": "squared", "pinball": "quantile", "log-loss": "logistic"}.items():
        refused(ValueError, f"no loss is named {theirs!r}; did you mean {ours}?", X, Y, loss=theirs)
    refused(ValueError, "names with numbers are the command line's; write gl.losses.huber(1.35)", X, Y, loss="huber:1.35")
    message = "loss must be a name, a loss of gl.losses or a function loss(y, prediction), not int 5"
    refused(TypeError, message, X, Y, loss=5)
    refused(TypeError, "loss=huber is what makes the loss: call it, as in loss=gl.losses.huber(...)", X, Y, loss=gl.losses.huber)


def test_targets_outside_what_the_loss_is_for():
    counts = np.abs(Y).round()
    refused(ValueError, "loss poisson: row 4 holds -1; targets must be counts: 0 or above", X, changed(counts, 4, -1.0), loss="poisson")
    labels = changed(np.ones(20), 2, 2)
    refused(ValueError, "loss logistic: row 2 holds 2; targets must be labels 0 or 1", X, labels, loss="logistic")


def test_wrong_solvers():
    unknown = {
        "newtn": "gl.Newton()",
        "sgdd": "gl.GradientDescent()",
        "saga": "gl.ActiveSetNewton(), gl.Adam(), gl.AdamW(), gl.Constrained",
    }
    for name, such in unknown.items():
        refused(ValueError, f'solver={name!r} is not known; give "auto" or a solver such as {such}', X, Y, solver=name)
    refused(TypeError, 'solver must be "auto" or a solver such as gl.GradientDescent(), not int 5', X, Y, solver=5)
    refused(TypeError, "solver=GradientDescent is a class; make one, as in solver=gl.GradientDescent()", X, Y, solver=gl.GradientDescent)


def test_wrong_penalties():
    meant = {
        "lasso": "gl.penalties.lasso(0.1)",
        "l1": "gl.penalties.lasso(0.1)",
        "elasticnet": "gl.penalties.elastic_net(0.1, 0.5)",
        "else": "gl.penalties.ridge(0.1)",
    }
    for word, such in meant.items():
        refused(TypeError, f"penalty must be a penalty such as {such}, not str {word!r}", X, Y, penalty=word)
    such = "gl.penalties.ridge(0.2) or gl.penalties.lasso(0.2)"
    refused(TypeError, f"penalty must be a penalty such as {such}, not float 0.2", X, Y, penalty=0.2)


def test_wrong_starts():
    shape = "start has shape (2,), but the model has 3 coefficients for each of 1 linear predictors: give shape (3, 1)"
    for solver in ("auto", gl.GradientDescent()):
        refused(ValueError, shape, X, Y, start=[1.0, 2.0], solver=solver)
        refused(ValueError, "start holds NaN or infinity; give finite coefficients", X, Y, start=[1.0, np.nan, 0.0], solver=solver)
        refused(TypeError, "start must be an array of coefficients, shape (3, 1), not 'zero'", X, Y, start="zero", solver=solver)
    refused(ValueError, shape, X, Y, solver=gl.GradientDescent(start=[1.0, 2.0]))
    refused(ValueError, "give shape (3, 2)", X, np.column_stack([Y, Y]), start=[1.0, 2.0, 3.0])
    refused(ValueError, "give shape (2, 1)", X, Y, start=[1.0, 2.0, 3.0], intercept=False)


def test_wrong_weights():
    refused(ValueError, "weights is negative in row 2 (-1); weights are zero or more", X, Y, weights=changed(np.ones(20), 2, -1))
    refused(ValueError, "weights is zero in every row; at least one row must count", X, Y, weights=np.zeros(20))
    whole = "frequencies is 0.5 in row 3; frequencies count repeated rows, so give whole numbers, or use weights="
    refused(ValueError, whole, X, Y, frequencies=changed(np.ones(20), 3, 0.5))
    refused(TypeError, "weights is 2.0, not rows of numbers", X, Y, weights=2.0)


def test_wrong_names_and_flags():
    refused(ValueError, "names has 1 entries, but X has 2 columns", X, Y, names=["a"])
    refused(ValueError, "names holds the same name twice; each column needs its own", X, Y, names=["a", "a"])
    refused(TypeError, "names must be a sequence with one name for each column, not the single string 'ab'", X, Y, names="ab")
    refused(TypeError, "intercept must be True or False, not 'no'", X, Y, intercept="no")


@pytest.mark.parametrize("rate", [0, -1.0, np.nan, np.inf, "fast", None, True, [0.1]])
def test_a_learning_rate_is_a_positive_number(rate):
    with pytest.raises(ValueError, match=re.escape(f'learning_rate must be a positive number or "auto", not {rate!r}')):
        gl.GradientDescent(learning_rate=rate)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_learning_rate_above_the_largest_stable_one(momentum):
    curvature = 2 * np.linalg.eigvalsh(np.cov(np.column_stack([np.ones(20), X]).T, bias=True) + np.outer(*2 * [np.r_[1, X.mean(0)]]))[-1]
    stable = 2 * (1 + momentum) / curvature
    message = f"learning_rate=5 is above {stable:.6g}, the largest stable rate for this data"
    error = refused(gl.DivergenceError, message, X, Y, solver=gl.GradientDescent(learning_rate=5.0, momentum=momentum))
    assert 'learning_rate="auto"' in str(error)
    gl.fit(X, Y, solver=gl.GradientDescent(learning_rate=0.9 * stable, momentum=momentum))


@pytest.mark.parametrize("name", ["steps", "batch_size", "record_every"])
@pytest.mark.parametrize("count", [0, -5, 2.5, "10", True])
def test_counts_are_whole_numbers_of_at_least_one(name, count):
    with pytest.raises(ValueError, match=re.escape(f"{name} must be a whole number of at least 1, not {count!r}")):
        gl.GradientDescent(**{name: count})


def test_other_settings_of_gradient_descent():
    for momentum in (1, -0.1, np.nan, "a"):
        with pytest.raises(ValueError, match=re.escape(f"momentum must be at least 0 and below 1, not {momentum!r}")):
            gl.GradientDescent(momentum=momentum)
    with pytest.raises(ValueError, match=r"nesterov=True needs momentum above 0, such as momentum=0\.9"):
        gl.GradientDescent(nesterov=True, momentum=0)
    for seed in (-1, "a", 0.5):
        with pytest.raises(ValueError, match=f"seed must be a whole number of at least 0, or None, not {seed!r}"):
            gl.GradientDescent(seed=seed)
    for callbacks in (print, 5, [5]):
        with pytest.raises(TypeError, match="callbacks must be a list of functions of a Record, or of objects with "):
            gl.GradientDescent(callbacks=callbacks)


def test_a_batch_larger_than_the_data():
    message = "batch_size=21 is more than the 20 rows there are; give at most 20, or None for all rows"
    refused(ValueError, message, X, Y, solver=gl.GradientDescent(batch_size=21))


@pytest.mark.parametrize("framework", ["tensorflow", "jax", "torch"])
def test_a_backend_that_is_not_installed(framework, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == framework else find(name, *rest))
    message = f'the backend "{framework}" is not installed; run: pip install "gradline[{framework}]"'
    refused(ImportError, message, X, Y, loss=lambda y, p: (y - p) ** 2, backend=framework)


def test_an_unknown_backend():
    message = 'backend=\'numpy\' is not one of "tensorflow", "jax", "torch"'
    refused(ValueError, message, X, Y, loss=lambda y, p: (y - p) ** 2, backend="numpy")


# Prediction


def test_what_predict_says():
    fit = gl.fit(FRAME, Y)
    with pytest.raises(ValueError, match="data has no column 'b'; the model needs a, b"):
        fit.predict(FRAME[["a"]])
    with pytest.raises(ValueError, match="data has 3 columns, but the model was fitted to 2: a, b"):
        fit.predict(np.ones((4, 3)))
    with pytest.raises(ValueError, match="data holds infinity in row 1, column 'b'"):
        fit.predict([[1.0, 2.0], [3.0, np.inf]])
    with pytest.raises(ValueError, match='kind must be "mean" or "linear", not \'median\''):
        fit.predict(FRAME, kind="median")
    with pytest.raises(ValueError, match="data has no column 'b'; the model needs a, b"):
        fit.predict(POLARS.select("a"))
    with pytest.raises(TypeError, match="column 'b' of data holds str"):
        fit.predict(FRAME.assign(b="u"))


def test_predict_gives_a_missing_row_nan_and_matches_columns_by_name():
    fit = gl.fit(FRAME, Y)
    expected = fit.predict(X)
    for frame in (FRAME[["b", "a"]].assign(extra="text"), POLARS.select("b", pl.lit("text").alias("extra"), "a")):
        np.testing.assert_allclose(fit.predict(frame), expected, rtol=1e-13)
    numbered = gl.fit(pd.DataFrame(X), Y)
    np.testing.assert_allclose(numbered.predict(pd.DataFrame(X)[[1, 0]]), expected, rtol=1e-13)
    pyarrow = pytest.importorskip("pyarrow")
    arrow = pyarrow.table({"b": X[:, 1], "a": X[:, 0]})
    assert gl.fit(arrow, Y).names == ("Intercept", "b", "a")
    np.testing.assert_allclose(fit.predict(arrow), expected, rtol=1e-13)
    holes = fit.predict(FRAME.assign(a=changed(X[:, 0], 3, np.nan)))
    assert np.flatnonzero(np.isnan(holes)).tolist() == [3]
    np.testing.assert_allclose(np.delete(holes, 3), np.delete(expected, 3), rtol=1e-13)
    line = gl.fit(X[:, 0], Y)
    assert float(line.predict(2.0)) == line.predict([2.0])[0]


# Masks


MASKED = np.ma.array([1.0, 2.0, 3.0, 4.0, 99.0], mask=[0, 0, 0, 0, 1])
WHOLE = [1.0, 3.0, 2.0, 5.0, 4.0]
LINE = np.polynomial.Polynomial.fit([1.0, 2.0, 3.0, 4.0], WHOLE[:4], 1).convert().coef


@pytest.mark.parametrize(
    "masked",
    [
        MASKED,
        MASKED.astype(np.float32),
        MASKED.astype(int),
        np.ma.array(["a", "b", "a", "b", "c"], mask=[0, 0, 0, 0, 1]),
        np.ma.array(np.arange(5).astype("datetime64[D]"), mask=[0, 0, 0, 0, 1]),
        np.ma.array([1, "a", None, 2, 3], mask=[0, 0, 0, 0, 1], dtype=object),
    ],
)
def test_what_is_masked_is_missing_in_any_type(masked):
    found = as_array(masked, "X")
    assert type(found) is np.ndarray
    assert pd.isna(found).tolist() == [value is None or hidden for value, hidden in zip(masked.data, masked.mask, strict=True)]
    np.testing.assert_array_equal(found[:4], masked.data[:4])


def test_masks_are_seen_at_every_door():
    fit = gl.fit("y ~ x", {"x": MASKED, "y": WHOLE})
    np.testing.assert_allclose(fit.coefficients, LINE, atol=1e-13)
    assert fit.rows_dropped == {"x missing": 1}
    fit = gl.fit("y ~ x", {"y": MASKED, "x": WHOLE, "w": np.ma.array(np.ones(5), mask=[1, 0, 0, 0, 0])}, weights="w")
    assert fit.rows_used == 3
    expected = np.append(LINE[0] + LINE[1] * np.arange(1, 5), np.nan)
    by_formula = gl.fit("y ~ x", {"x": MASKED[:4], "y": WHOLE[:4]})
    by_array = gl.fit(MASKED[:4], WHOLE[:4])
    for data in (
        MASKED,
        MASKED[:, None],
        list(MASKED),
        [np.ma.array([value], mask=[hidden]) for value, hidden in zip(MASKED.data, MASKED.mask)],
    ):
        np.testing.assert_allclose(by_formula.predict(data), expected, atol=1e-13)
        np.testing.assert_allclose(by_array.predict(data), expected, atol=1e-13)
    np.testing.assert_allclose(by_formula.predict({"x": MASKED}), expected, atol=1e-13)
    with pytest.raises(ValueError, match="column 'x' holds nan in row 4"):
        gl.Moments({"x": MASKED, "y": WHOLE})
    with pytest.raises(ValueError, match="column 'x1' holds nan in row 4"):
        gl.Moments.from_arrays(MASKED[:, None], WHOLE)
    with pytest.raises(ValueError, match="weights holds nan in row 4"):
        gl.Moments({"y": WHOLE}, weights=MASKED)
    refused(ValueError, "y holds NaN in row 4", WHOLE, MASKED)
    refused(ValueError, "weights holds NaN in row 4", WHOLE, WHOLE, weights=MASKED)
    refused(ValueError, "offset holds NaN in row 4", WHOLE, WHOLE, offset=MASKED)
    refused(ValueError, "the group of row 4 is missing", WHOLE, WHOLE, covariance="cluster", groups=MASKED)
    refused(
        ValueError, "the group of row 4 is missing", WHOLE, WHOLE, covariance="cluster", groups=np.ma.array(list("aabbc"), mask=MASKED.mask)
    )
    with pytest.raises(ValueError, match="X holds NaN in row 4"):
        gl.LinearRegression().fit(MASKED[:, None], WHOLE)


# Integers that float64 cannot hold


WIDE = [2**53 + 1, 2, 2**53 + 3, 7]


def test_wide_integers_are_told_of_once_at_every_door():
    def told(what, call):
        with pytest.warns(gl.GradlineWarning) as caught:
            call()
        found = [str(one.message) for one in caught if "2^53" in str(one.message)]
        assert len(found) == 1, found
        assert found[0].startswith(
            f"{what} holds integers beyond 2^53, which lose digits as float64 (2 of them, the first 9007199254740993"
        )

    y, array, frame = [1.0, 3.0, 2.0, 4.0], np.array(WIDE), pd.DataFrame({"a": WIDE, "b": [0.5, 1.5, 0.25, 2]})
    fit, named = gl.fit([1.0, 2.0, 3.0, 4.0], y), gl.fit("y ~ x", {"x": [1.0, 2.0, 3.0, 4.0], "y": y})
    told("X", lambda: gl.fit(WIDE, y))
    told("X", lambda: gl.fit(array.astype(np.uint64), y))
    told("X", lambda: gl.fit(array.astype(object), y))
    told("y", lambda: gl.fit(y, array))
    told("weights", lambda: gl.fit(y, y, weights=array))
    told("offset", lambda: gl.fit(y, y, offset=array))
    # A frame of several types becomes one array, in which the digits are gone already.
    told("column 'a' of X", lambda: gl.fit(frame, y))
    told("column 'a' of X", lambda: gl.fit(pl.DataFrame(frame), y))
    told("data", lambda: fit.predict(array))
    told("column 'x' of the dict of arrays", lambda: named.predict({"x": array}))
    told("y", lambda: fit.residuals([1.0, 2.0, 3.0, 4.0], array))
    told("X", lambda: gl.LinearRegression().fit(array[:, None], y))
    told("column 'a'", lambda: gl.Moments({"a": array, "y": y}))
    told("column 'a'", lambda: gl.Moments(frame))
    told("column 'x1'", lambda: gl.Moments.from_arrays(array[:, None], y))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=2, max_size=5), st.data())
def test_just_the_integers_that_round_are_counted(values, data):
    values = [value >> data.draw(st.integers(0, 12)) for value in values]
    rounded = [value for value in values if int(float(value)) != value]
    kinds = [object]
    kinds += [np.int64] if all(-(2**63) <= value < 2**63 for value in values) else []
    kinds += [np.uint64] if min(values) >= 0 else []
    for kind in kinds:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = as_columns(np.array(values, dtype=kind)).values
        np.testing.assert_array_equal(found.astype(float)[:, 0], [float(value) for value in values])
        if rounded:
            assert f"({len(rounded):,} of them, the first {rounded[0]} in row {values.index(rounded[0])})" in str(caught[0].message)
        assert len(caught) == bool(rounded)


def test_numbers_beyond_float64():
    refused(ValueError, "X holds a number beyond the range of float64 in row 1", np.array([1, 10**400], dtype=object), [1.0, 2.0])


# Categories are no numbers, whatever their levels


@pytest.mark.parametrize("categories", [pd.Series([1, 2, 7, 9] * 5, dtype="category"), pd.Categorical([1, 2, 7, 9] * 5)])
def test_categories_of_integers_are_refused_as_arrays(categories):
    arrow = pa.array(np.asarray(categories)).dictionary_encode()
    for data in (categories, pd.DataFrame({"g": categories}), arrow, pa.table({"g": arrow})):
        for arguments, options in (((data, Y), {}), ((Y, data), {}), ((X, Y), {"weights": data}), ((X, Y), {"offset": data})):
            refused(TypeError, "values, not numbers; encode it as numbers", *arguments, **options)
    with pytest.raises(ValueError, match="column 'g' is not numeric"):
        gl.Moments({"g": categories, "y": Y}, columns=["g", "y"])


# Rows of weight zero may hold anything


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["weights", "frequencies"])
def test_a_row_of_weight_zero_equals_the_row_left_out(odd, kind):
    weights = np.where(np.arange(20) % 5 == 1, 0.0, 1.0 + np.arange(20) % 3)
    used = weights > 0
    odd_x, odd_y = X.copy(), Y.copy()
    odd_x[1, 0] = odd_x[6] = odd_y[1] = odd_y[11] = odd
    offset = np.where(used, 0.5, odd)
    right = WLS(Y[used] - 0.5, np.column_stack([np.ones(used.sum()), X[used]]), weights=weights[used]).fit()
    fits = [gl.fit(data, odd_y, **{kind: weights}, offset=offset) for data in (odd_x, odd_x.astype(object), pd.DataFrame(odd_x))]
    table = {"a": odd_x[:, 0], "b": odd_x[:, 1], "y": odd_y, "w": weights, "o": offset}
    for missing in ("drop", "error"):
        fits.append(gl.fit("y ~ a + b", table, **{kind: "w"}, offset="o", missing=missing))
    for fit in fits:
        np.testing.assert_allclose(fit.coefficients, right.params, rtol=1e-11)
        assert fit.rows_used == used.sum()
        assert sum(fit.rows_dropped.values()) == (~used).sum()
    fit = fits[0]
    np.testing.assert_allclose(fit.standard_errors, gl.fit(X[used], Y[used], **{kind: weights[used]}, offset=offset[used]).standard_errors)
    found = fit.residuals(odd_x, odd_y, **{kind: weights}, offset=offset)
    np.testing.assert_allclose(found[used], Y[used] - fit.predict(X[used], offset=offset[used]))
    assert np.isnan(found[~used]).all()
    leverage = fit.diagnose(odd_x, odd_y, **{kind: weights}, offset=offset).leverage
    np.testing.assert_allclose((leverage * (weights if kind == "frequencies" else 1.0))[used].sum(), 3.0)
    moments = gl.Moments({"a": odd_x[:, 0], "b": odd_x[:, 1], "y": odd_y}, **{kind: weights})
    np.testing.assert_allclose(moments.means["a"], np.average(X[used, 0], weights=weights[used]))
    by_sums = gl.Moments.from_arrays(odd_x, odd_y, **{kind: weights}).fit("y ~ x1 + x2")
    np.testing.assert_allclose(by_sums.coefficients[1:], right.params[1:], rtol=1e-10)
    refused(ValueError, "X holds", changed(X, (0, 0), odd), Y, **{kind: weights})


def test_an_estimator_fits_and_scores_without_rows_of_weight_zero():
    weights = np.r_[np.zeros(3), np.ones(17)]
    odd_x, odd_y = changed(X, 1, np.nan), changed(Y, 2, np.nan)
    right = LinearModel().fit(X[3:], Y[3:])
    model = gl.LinearRegression().fit(odd_x, odd_y, sample_weight=weights)
    np.testing.assert_allclose(model.coef_, right.coef_, rtol=1e-11)
    np.testing.assert_allclose(model.score(odd_x, odd_y, sample_weight=weights), right.score(X[3:], Y[3:]), rtol=1e-12)
    with pytest.raises(ValueError, match="X holds NaN in row 1"):
        model.score(odd_x, Y)


def test_residuals_of_rows_of_weight_zero_are_their_own():
    weights = np.r_[np.zeros(3), np.ones(17)]
    fit = gl.fit(X, Y, weights=weights)
    np.testing.assert_allclose(fit.residuals(X, Y, weights=weights), Y - fit.predict(X), atol=1e-14)
