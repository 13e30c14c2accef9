"""gl.fit over tables: one way for every source, rows read anew, and what it says to what it cannot use."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gradline as gl
from gradline.preparing import from_table

jnp = pytest.importorskip("jax.numpy")


@pytest.fixture
def streaming(monkeypatch):
    """Every table is too large to be held."""
    monkeypatch.setattr(from_table, "MOST_HELD", 10)


def rows(n=400, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.uniform(1, 3, size=n)
    g = np.array(["a", "b", "c"])[rng.integers(0, 3, size=n)]
    eta = 0.5 + 0.4 * x - 0.3 * (g == "b")
    return pd.DataFrame(
        {
            "y": eta + rng.normal(size=n) * np.exp(0.3 * z - 1),
            "count": rng.poisson(np.exp(eta)),
            "label": (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int),
            "x": x,
            "z": z,
            "g": g,
            "w": rng.integers(0, 4, size=n).astype(float),
            "log_z": np.log(z),
        }
    )


DATA = rows()


def close(fit, other, tolerance=1e-9):
    np.testing.assert_allclose(fit.coefficients, np.asarray(other), rtol=tolerance, atol=tolerance)


def test_the_offset_is_a_part_of_the_model():
    fit = gl.fit("count ~ x + C(g)", DATA, loss="poisson", offset="log_z", frequencies="w")
    assert fit.rows_used == (DATA.w > 0).sum()
    assert fit.rows_dropped == {"weight zero": (DATA.w == 0).sum()}
    without = gl.fit("count ~ x + C(g) + offset(log(z))", DATA, loss="poisson", frequencies="w")
    close(fit, without.coefficients)
    np.testing.assert_allclose(fit.predict(DATA), fit.predict(DATA.assign(log_z=0.0)) * DATA.z, rtol=1e-12)


def sources(folder):
    pq.write_table(pa.Table.from_pandas(DATA, preserve_index=False), folder / "rows.parquet", row_group_size=50)
    DATA.to_csv(folder / "rows.csv", index=False)
    return {
        "parquet": str(folder / "rows.parquet"),
        "csv": folder / "rows.csv",
        "pandas": DATA,
        "polars": pl.from_pandas(DATA),
        "arrow": pa.Table.from_pandas(DATA, preserve_index=False),
        "dict": {name: DATA[name].to_numpy() for name in DATA},
        "generator": (DATA[i : i + 90] for i in range(0, len(DATA), 90)),
    }


LOSSES = [("y", "squared"), ("y", gl.losses.huber(1.0)), ("count", "poisson"), ("label", "logistic"), ("y", "normal")]


class TestOneRoad:
    @pytest.mark.parametrize("kind", ["parquet", "csv", "pandas", "polars", "arrow", "dict", "generator"])
    def test_every_source_gives_the_same_fit_and_predictions(self, kind, tmp_path):
        expected = gl.fit("y ~ x + log(z) + C(g)", DATA)
        fit = gl.fit("y ~ x + log(z) + C(g)", sources(tmp_path)[kind])
        np.testing.assert_array_equal(fit.coefficients, expected.coefficients)
        np.testing.assert_array_equal(fit.predict(sources(tmp_path)[kind]), expected.predict(DATA))

    @pytest.mark.parametrize(("target", "loss"), LOSSES)
    def test_streamed_rows_agree_with_rows_in_memory(self, target, loss, streaming, tmp_path, monkeypatch):
        path = sources(tmp_path)["parquet"]
        fit = gl.fit(f"{target} ~ x + z + C(g)", path, loss=loss, weights="w")
        monkeypatch.undo()
        close(fit, gl.fit(f"{target} ~ x + z + C(g)", path, loss=loss, weights="w").coefficients, 1e-8)
        assert fit.rows_used == (DATA.w > 0).sum()

    def test_gradient_descent_streams_and_batches_are_refused(self, streaming):
        fit = gl.fit("y ~ x", DATA, loss=gl.losses.log_cosh, solver=gl.GradientDescent(steps=300, learning_rate=0.5))
        close(fit, gl.fit(DATA[["x"]], DATA.y, loss=gl.losses.log_cosh).coefficients, 1e-6)
        with pytest.raises(ValueError, match="mini-batches draw rows at random, but the pandas frame is too large"):
            gl.fit("y ~ x", DATA, solver=gl.GradientDescent(batch_size=10))

    def test_rows_of_a_query_a_condition_and_a_database(self, tmp_path):
        import duckdb

        expected = gl.fit("y ~ x", DATA[DATA.z > 2])
        connection = duckdb.connect(str(tmp_path / "rows.duckdb"))
        connection.register("frame", DATA)
        connection.execute("CREATE TABLE rows AS SELECT * FROM frame")
        connection.close()
        database = str(tmp_path / "rows.duckdb")
        for fit in (
            gl.fit("y ~ x", DATA, where="z > 2"),
            gl.fit("y ~ x", DATA, query="SELECT * FROM data WHERE z > 2"),
            gl.fit("y ~ x", "rows", database=database, where="z > 2"),
            gl.fit("y ~ x", query="SELECT * FROM rows WHERE z > 2", database=database),
        ):
            close(fit, expected.coefficients)

    def test_a_formula_for_each_linear_predictor(self):
        formulas = {"log_scale": "~ z", "mean": "y ~ x + C(g)"}
        fit = gl.fit(formulas, DATA, loss="normal")
        assert fit.encoder.predictors == ("mean", "log_scale")
        free = np.array(fit.encoder.mask)
        assert (fit.coefficients[~free] == 0).all()
        assert (fit.coefficients[free] != 0).all()

        def minus_log_likelihood(theta):
            b = np.zeros(free.shape)
            b[free] = theta
            numbers = {"Intercept": np.ones(len(DATA)), "x": DATA.x, "z": DATA.z, "C(g)[T.b]": DATA.g == "b", "C(g)[T.c]": DATA.g == "c"}
            design = np.column_stack([numbers[name] for name in fit.names])
            mean, log_scale = (design @ b).T
            return np.mean(log_scale + 0.5 * np.log(2 * np.pi) + 0.5 * ((DATA.y - mean) / np.exp(log_scale)) ** 2)

        best = fit.coefficients[free]
        assert minus_log_likelihood(best) == pytest.approx(fit.loss, rel=1e-12)
        for i in range(len(best)):
            for step in (-1e-4, 1e-4):
                assert minus_log_likelihood(best + step * np.eye(len(best))[i]) > fit.loss

    @pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"penalty": gl.penalties.ridge(0.1)}, {"offset": "z"}])
    def test_a_category_of_many_levels_is_kept_as_codes(self, options, streaming, monkeypatch):
        rng = np.random.default_rng(0)
        data = pd.concat([DATA] * 20, ignore_index=True)
        data = data.assign(g=rng.integers(0, 120, size=len(data)).astype(str), y=data.y + rng.normal(size=len(data)))
        fit = gl.fit("y ~ x + C(g)", data, **options)
        monkeypatch.undo()
        held = gl.fit("y ~ x + C(g)", data, **options)
        assert len(fit.names) == 121
        close(fit, held.coefficients)
        assert fit.loss == pytest.approx(held.loss, rel=1e-12)
        assert fit.certificate.converged

    def test_a_user_loss_is_probed_on_a_sample(self, streaming):
        torch = pytest.importorskip("torch")

        def huber(y, prediction):
            size = torch.abs(y - prediction)
            return torch.where(size < 1.0, 0.5 * size**2, size - 0.5)

        close(gl.fit("y ~ x + z", DATA, loss=huber), gl.fit("y ~ x + z", DATA, loss=gl.losses.huber(1.0)).coefficients, 1e-7)

    def test_a_multinomial_learns_its_classes_from_the_whole_table(self, streaming, monkeypatch):
        data = DATA.assign(kind=DATA.g.map({"a": 0, "b": 1, "c": 2}))
        fit = gl.fit("kind ~ x + z", data, loss="multinomial")
        monkeypatch.undo()
        close(fit, gl.fit("kind ~ x + z", data, loss="multinomial").coefficients, 1e-8)
        assert fit.predict(data).shape == (len(data), 3)


class TestMissing:
    def test_rows_are_dropped_and_counted_by_column_or_refused(self, streaming):
        data = DATA.copy()
        data.loc[3, "x"] = np.nan
        data.loc[[5, 6], "g"] = None
        fit = gl.fit("y ~ x + C(g)", data)
        assert fit.rows_dropped == {"x missing": 1, "g missing": 2}
        assert fit.rows_used == 397
        close(fit, gl.fit("y ~ x + C(g)", data.dropna()).coefficients)
        with pytest.raises(ValueError, match="column 'x' is missing in row 3; fill it in, or leave such rows out"):
            gl.fit("y ~ x + C(g)", data, missing="error")

    @pytest.mark.parametrize("held", [True, False])
    def test_rows_after_dropped_ones_are_named_as_in_the_table(self, held, monkeypatch):
        if not held:
            monkeypatch.setattr(from_table, "MOST_HELD", 10)

        def logarithm(y, prediction):
            return jnp.square(y - prediction) * jnp.where(y == 77.0, jnp.nan, 1.0)

        data = DATA.assign(alone=(np.arange(400) == 300).astype(float), y=np.where(np.arange(400) == 200, 77.0, DATA.y))
        data.loc[[3, 150], "x"] = np.nan
        with pytest.raises(ValueError, match="'logarithm' is not finite at the starting coefficients: it is nan in row 200, where y = 77"):
            gl.fit("y ~ x", data, loss=logarithm)
        with pytest.raises(ValueError, match="row 300 has leverage 1"):
            gl.fit("y ~ x + alone", data, covariance="HC3")
        fit = gl.fit("y ~ x + alone", data, loss=gl.losses.huber(1.0), covariance="default")
        assert fit.inference.notes[0] == "standard errors are HC1, not HC3: row 300 has leverage 1"
        for leaves_out in (lambda: fit.with_covariance("HC3", data), lambda: fit.diagnose(data).leave_one_out_loss):
            with pytest.raises(ValueError, match="row 300 has leverage 1"):
                leaves_out()

    def test_predictions_keep_the_rows(self):
        data = DATA[["x", "g"]].copy()
        fit = gl.fit("y ~ x + C(g)", DATA)
        data.loc[3, "x"] = np.nan
        found = fit.predict(data)
        assert np.flatnonzero(np.isnan(found)).tolist() == [3]
        np.testing.assert_array_equal(np.delete(found, 3), np.delete(fit.predict(DATA), 3))

    def test_unseen_levels(self):
        fit = gl.fit("y ~ x + C(g)", DATA)
        data = DATA.assign(g=np.where(np.arange(400) == 7, "q", DATA.g))
        with pytest.raises(ValueError, match=r"column 'g' holds 'q' in row 7, a level that was not there .* a, b, c"):
            fit.predict(data)
        assert np.flatnonzero(np.isnan(fit.predict(data, unseen="missing"))).tolist() == [7]
        # What sums up rows takes no unseen=, and says what it does take.
        for summed_up in (fit.residuals, fit.diagnose, fit.report):
            with pytest.raises(ValueError, match=r"'q' in row 7, .*; it had a, b, c; leave such rows out, as in where=\"g <> 'q'\""):
                summed_up(data)
        assert fit.residuals(data, where="g <> 'q'").shape == (399,)
        reference = fit.predict(DATA.assign(g="a"))
        assert fit.predict(data, unseen="reference")[7] == reference[7]
        with pytest.raises(ValueError, match='unseen must be "error", "reference" or "missing"'):
            fit.predict(data, unseen="zero")

    def test_one_number_arrays_and_no_columns(self):
        fit = gl.fit("y ~ log(z)", DATA)
        assert fit.predict(2.0) == fit.predict({"z": [2.0]})[0] == fit.predict(np.array([2.0]))[0]
        assert fit.predict(pd.DataFrame({"z": []}, dtype=float)).shape == (0,)
        assert gl.fit("y ~ 1", DATA).predict(DATA[:5]).shape == (5,)
        with pytest.raises(ValueError, match="data is an array of 2 columns, but the formula reads 1: z"):
            fit.predict(np.ones((3, 2)))


def changed(column, row, value):
    return DATA.assign(**{column: np.where(np.arange(400) == row, value, DATA[column])})


NO_TEXT = pd.array([None] * 400, "string")

REFUSED = [
    (TypeError, "where= goes with a table", lambda: gl.fit(DATA[["x"]], DATA.y, where="x > 0")),
    (TypeError, "missing= goes with a table", lambda: gl.fit(DATA[["x"]], DATA.y, missing="drop")),
    (TypeError, "names= goes with arrays", lambda: gl.fit("y ~ x", DATA, names=["a"])),
    (TypeError, "unexpected keyword argument 'were'; did you mean 'where'?", lambda: gl.fit("y ~ x", DATA, were="x > 0")),
    (TypeError, 'in a formula write "- 1"', lambda: gl.fit("y ~ x", DATA, intercept=False)),
    (TypeError, "weights= names a column where the data is a table", lambda: gl.fit("y ~ x", DATA, weights=DATA.w)),
    (TypeError, "the formula names the target already", lambda: gl.fit("y ~ x", DATA, target="y")),
    (TypeError, "features must be a list of column names, not the single text 'x'", lambda: gl.fit(DATA, target="y", features="x")),
    (TypeError, "features= needs target=", lambda: gl.fit(DATA, features=["x"])),
    (TypeError, "is no table; give a path, a data frame", lambda: gl.fit("y ~ x", 3)),
    (TypeError, "give X and y as two arguments", lambda: gl.fit("y ~ x", (DATA[["x"]], DATA.y))),
    (TypeError, "give the data: gl.fit('y ~ x', data)", lambda: gl.fit("y ~ x")),
    (ValueError, "has no column 'ww'; did you mean 'w'?", lambda: gl.fit("y ~ x", DATA, weights="ww")),
    (ValueError, "no column 'xx'; did you mean 'x'?", lambda: gl.fit("y ~ xx", DATA)),
    (ValueError, "'y' is the target", lambda: gl.fit("y ~ x + y", DATA)),
    (ValueError, 'missing must be "drop" or "error"', lambda: gl.fit("y ~ x", DATA, missing="keep")),
    (ValueError, "weights 'x' of the pandas frame is", lambda: gl.fit("y ~ x", DATA, weights="x")),
    (ValueError, "weights times frequencies is zero in every row", lambda: gl.fit("y ~ x", DATA.assign(w=0.0), weights="w")),
    (ValueError, "has an offset() already", lambda: gl.fit("y ~ x + offset(z)", DATA, offset="z")),
    (ValueError, "has no linear predictor 'scale'", lambda: gl.fit({"mean": "y ~ x", "scale": "~ z"}, DATA, loss="normal")),
    (ValueError, "has a linear predictor 'log_scale' too", lambda: gl.fit({"mean": "y ~ x"}, DATA, loss="normal")),
    (ValueError, "column 'x' holds infinity in row 9", lambda: gl.fit("y ~ x", changed("x", 9, np.inf))),
    (ValueError, "log(x)", lambda: gl.fit("y ~ log(x)", DATA)),
    (ValueError, "'y' is the target and cannot explain itself", lambda: gl.fit(DATA, target="y", features=["x", "y"])),
    (ValueError, "the target 'g' holds text, and a target is a number", lambda: gl.fit(DATA, target="g", features=["x"])),
    (TypeError, "column 'g' of the pandas frame holds text, '", lambda: gl.fit("g ~ x", DATA)),
    (TypeError, "for one of two classes write I(g == 'a')", lambda: gl.fit("g ~ x", DATA)),
    (TypeError, "a formula is text such as 'y ~ x', not int 3", lambda: gl.fit({"mean": "y ~ x", "log_scale": 3}, DATA, loss="normal")),
    (TypeError, "column 'g' of the pandas frame, which holds text, '", lambda: gl.fit("y ~ x", DATA, weights="g")),
    (
        ValueError,
        "z has no levels, since its column is missing in every row",
        lambda: gl.fit("y ~ z", DATA.assign(z=NO_TEXT)),
    ),
    (
        ValueError,
        "column 'y' of the pandas frame is missing in every one of 400",
        lambda: gl.fit("y ~ x", DATA.assign(y=NO_TEXT)),
    ),
    (ValueError, "has no rows", lambda: gl.fit("y ~ x", DATA, where="x > 100")),
    (ValueError, "column 'z' of the pandas frame is missing in every one of 400 rows", lambda: gl.fit("y ~ z", DATA.assign(z=np.nan))),
]


@pytest.mark.parametrize(("error", "message", "call"), REFUSED, ids=[message for _, message, _ in REFUSED])
def test_what_is_refused(error, message, call):
    with pytest.raises(error, match=re.escape(message)) as caught:
        call()
    assert str(caught.value).count("\n") in (0, 2)


@pytest.mark.parametrize("large", [False, True])
def test_a_target_outside_the_domain_is_named_by_its_row_in_the_table(large, request):
    if large:
        request.getfixturevalue("streaming")
    data = changed("count", 210, -3).assign(x=np.where(np.isin(np.arange(400), [4, 100]), np.nan, DATA.x))
    with pytest.raises(ValueError, match="row 210") as caught:
        gl.fit("count ~ x", data, loss="poisson")
    assert "-3" in str(caught.value)
    assert str(caught.value).startswith("target 'count' of the pandas frame, loss poisson: ")
    # A row of weight zero may hold anything.
    gl.fit("count ~ x", data.assign(w=np.arange(400) != 210), loss="poisson", weights="w")


def test_a_constant_column_is_left_out_with_a_warning():
    with pytest.warns(gl.GradlineWarning, match="left out of the model, since it is constant or determined by earlier columns: 'z'"):
        fit = gl.fit("y ~ x + z", DATA.assign(z=1.0))
    assert fit.aliased == ("z",)


@pytest.mark.parametrize("large", [False, True])
def test_nearly_a_level_a_row_is_told(large, request):
    if large:
        request.getfixturevalue("streaming")
    message = r"C\(id\) has 300 levels in 400 rows, as an identifier has: its coefficients repeat single rows; leave it out"
    with pytest.warns(gl.GradlineWarning, match=message):
        gl.fit("y ~ x + C(id)", DATA.assign(id=np.arange(400) % 300))
    gl.fit("y ~ C(id)", DATA.assign(id=np.arange(400) % 200))


def test_integers_beyond_doubles_are_told():
    with pytest.warns(gl.GradlineWarning, match="column 'n' of the pandas frame holds integers beyond 2"):
        gl.fit("y ~ n", DATA.assign(n=2**53 + 2 * np.arange(400) + 1))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    "loss", [gl.losses.quantile(0.9), gl.losses.absolute, gl.losses.epsilon_insensitive(0.3)], ids=lambda loss: loss.name
)
def test_a_vertex_over_streamed_rows_with_gaps_is_that_of_the_rows_that_are_whole(monkeypatch, loss, ties):
    rng = np.random.default_rng(3)
    n = 30_000
    columns = {"x": rng.normal(size=n), "z": rng.normal(size=n), "y": rng.normal(size=n)}
    if ties:  # whose jitter goes by the numbers of rows
        columns = {name: np.round(column) for name, column in columns.items()}
    columns["x"][rng.random(n) < 0.1] = np.nan
    columns["y"][5_000:9_000] = np.nan
    columns["z"][[0, n - 1]] = np.nan
    held = gl.fit("y ~ x + z", columns, loss=loss)
    # The same search, so that ties are parted in the same way: a sample of the rows, and few of them held.
    monkeypatch.setattr("gradline.solvers.kinks.whitening.HELD_NUMBERS", 60_000)
    monkeypatch.setattr("gradline.tables.rows.block_rows", lambda n_columns, n_predictors: 500)
    searched = gl.fit("y ~ x + z", columns, loss=loss)
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    streamed = gl.fit("y ~ x + z", columns, loss=loss)
    assert streamed.solver == held.solver == "PiecewiseLinear"
    assert streamed.certificate.converged
    assert streamed.rows_used == held.rows_used == np.isfinite(sum(columns.values())).sum()
    np.testing.assert_array_equal(streamed.coefficients, searched.coefficients)
    if not ties:
        np.testing.assert_array_equal(streamed.coefficients, held.coefficients)
    assert abs(streamed.loss - held.loss) <= 1e-13 * held.loss
