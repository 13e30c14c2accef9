"""Fit.diagnose and Fit.residuals: the rows of a fit, given again."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.diagnostic import het_breuschpagan, linear_reset
from statsmodels.stats.outliers_influence import variance_inflation_factor
from statsmodels.stats.stattools import durbin_watson

import gradline as gl
from gradline.preparing import from_table
from gradline.rows.fingerprint import fingerprint

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = 1 + X @ [1.0, -0.5, 0.2] + RNG.normal(size=200)


def frame():
    data = pd.DataFrame(X, columns=list("abc")).assign(y=Y, w=RNG.random(200) + 0.1, f=RNG.integers(1, 3, 200))
    data.loc[3, "a"] = np.nan
    return data


DATA = frame()


def close(actual, desired, tolerance=1e-8):
    np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=1e-12)


def test_rows_of_arrays_equal_statsmodels():
    found = gl.fit(X, Y).diagnose(X, Y)
    model = sm.OLS(Y, sm.add_constant(X)).fit()
    theirs = model.get_influence()
    close(found.leverage, theirs.hat_matrix_diag)
    close(found.cooks_distance, theirs.cooks_distance[0])
    close(found.standardised, theirs.resid_studentized_internal)
    close(found.residuals, model.resid)
    close(found.fitted, model.fittedvalues)
    close(Y - found.leave_one_out, theirs.resid_press)


def test_tests_of_the_model_equal_statsmodels():
    found = gl.fit(X, Y).diagnose(X, Y)
    exog = sm.add_constant(X)
    model = sm.OLS(Y, exog).fit()
    close(found.breusch_pagan[1:5], het_breuschpagan(model.resid, exog))
    wald = linear_reset(model, power=3, use_f=False)
    close([found.reset.statistic, found.reset.p_value], [float(wald.statistic), float(wald.pvalue)], 1e-6)
    close(found.durbin_watson, durbin_watson(model.resid))
    close(found.collinearity.condition_number, model.condition_number)
    assert list(found.variance_inflation) == ["x1", "x2", "x3"]
    close(list(found.variance_inflation.values()), [variance_inflation_factor(exog, j) for j in (1, 2, 3)])
    close(found.leave_one_out_loss.left_out, np.mean((Y - found.leave_one_out) ** 2))


@pytest.mark.parametrize("held", [True, False], ids=["in memory", "streamed"])
def test_rows_of_a_table_keep_their_places(held, monkeypatch, tmp_path):
    if not held:
        monkeypatch.setattr(from_table, "MOST_HELD", 10)
    path = tmp_path / "rows.csv"
    DATA.to_csv(path, index=False)
    fit = gl.fit("y ~ a + b + c", path, weights="w")
    found = fit.diagnose(path)
    assert found.rows.in_memory == held
    full = DATA.dropna()
    model = smf.wls("y ~ a + b + c", full, weights=full.w).fit()
    assert len(found.leverage) == 200
    assert np.isnan(found.leverage[3])
    kept = np.delete(np.arange(200), 3)
    close(found.residuals[kept], model.resid)
    scaled = sm.OLS(model.model.wendog, model.model.wexog).fit().get_influence()
    close(found.leverage[kept], scaled.hat_matrix_diag)
    close(found.cooks_distance[kept], scaled.cooks_distance[0])
    close(found.durbin_watson, durbin_watson(model.wresid))
    close(np.concatenate([part.leverage[:, 0] for part in found.batches()]), found.leverage, 1e-15)


def test_beyond_memory_the_tests_hold_no_row(monkeypatch):
    monkeypatch.setattr("gradline.model.diagnose.MOST_NUMBERS", 100)
    found = gl.fit(X, Y).diagnose(X, Y)
    assert 0 < found.breusch_pagan.p_value < 1
    with pytest.raises(ValueError, match=r"200 rows with 6 numbers each would take .* go over diagnose\(\.\.\.\)\.batches\(\)"):
        _ = found.leverage
    assert sum(len(part.leverage) for part in found.batches()) == 200


def test_another_order_and_repeated_rows_are_the_same_rows():
    order = RNG.permutation(200)
    fit = gl.fit(X, Y)
    close(fit.diagnose(X[order], Y[order]).leverage, fit.diagnose(X, Y).leverage[order])
    counted = gl.fit(X, Y, frequencies=DATA.f)
    assert counted.fingerprint == gl.fit(np.repeat(X, DATA.f, axis=0), np.repeat(Y, DATA.f)).fingerprint
    weights = np.where(np.arange(200) < 50, 0.0, 1.0)
    assert gl.fit(X, Y, weights=weights).fingerprint == gl.fit(X[50:], Y[50:]).fingerprint


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.sampled_from([0.5, 1.0, 2.0])), min_size=1, max_size=30), st.randoms())
def test_a_fingerprint_adds_up_in_any_order(rows, random):
    y, w = np.array(rows).T
    whole = fingerprint(y[:, None], w, None)
    order = list(range(len(rows)))
    random.shuffle(order)
    assert fingerprint(y[order, None], w[order], None) == whole
    cut = len(rows) // 2
    assert (fingerprint(y[:cut, None], w[:cut], None) + fingerprint(y[cut:, None], w[cut:], None)) % 2**64 == whole
    changed = y.copy()
    changed[0] += 1 + abs(y[0])
    assert fingerprint(changed[:, None], w, None) != whole
    assert fingerprint(y[:, None], w * 3, None) != whole


def test_streams_and_arrays_have_one_fingerprint(monkeypatch):
    held = gl.fit("y ~ a + b", DATA, weights="w", frequencies="f")
    monkeypatch.setattr(from_table, "MOST_HELD", 10)
    assert gl.fit("y ~ a + b", DATA, weights="w", frequencies="f").fingerprint == held.fingerprint
    full = DATA.dropna()
    assert gl.fit(full[["a"]], full.y, weights=full.w, frequencies=full.f).fingerprint == held.fingerprint


def test_residuals_of_any_rows():
    fit = gl.fit("y ~ a + b + c", DATA)
    new = pd.DataFrame({"a": [0.0, np.nan, 1.0], "b": 0.0, "c": 0.0, "y": [1.0, 2.0, np.nan]})
    found = fit.residuals(new)
    assert np.isnan(found).tolist() == [False, True, True]
    close(found[0], 1.0 - fit.predict({"a": [0.0], "b": [0.0], "c": [0.0]})[0])
    close(gl.fit(X, Y).residuals(X[:5], Y[:5]), Y[:5] - gl.fit(X, Y).predict(X[:5]))
    with pytest.raises(ValueError, match="predicts 3 numbers for 1 targets"):
        gl.fit(X, np.arange(200) % 3, loss="multinomial").residuals(X, np.arange(200) % 3)


def test_a_fit_to_a_frame_takes_its_rows_from_a_table():
    full = DATA.dropna()
    fit = gl.fit(full[["a", "b"]], full.y)
    close(fit.diagnose(full).leverage, fit.diagnose(full[["a", "b"]], full.y).leverage)


def test_other_losses():
    counts = np.random.default_rng(1).poisson(np.exp(0.3 * X[:, 0]))
    fit = gl.fit(X, counts, loss="poisson")
    theirs = sm.GLM(counts, sm.add_constant(X), family=sm.families.Poisson()).fit(tol=1e-14).get_influence()
    found = fit.diagnose(X, counts)
    close(found.leverage, theirs.hat_matrix_diag, 1e-7)
    close(found.cooks_distance, theirs.cooks_distance[0], 1e-6)
    assert (found.leave_one_out > 0).all()
    with pytest.raises(ValueError, match="Breusch-Pagan is defined for squared loss"):
        _ = found.breusch_pagan


@pytest.mark.parametrize(
    ("error", "message", "ask"),
    [
        (ValueError, "199 rows, and the fit used 200", lambda: gl.fit(X, Y).diagnose(X[1:], Y[1:])),
        (ValueError, "with other targets, weights or offsets", lambda: gl.fit(X, Y).diagnose(X, Y + 1)),
        (ValueError, "with other targets, weights or offsets", lambda: gl.fit(X, Y, weights=DATA.w).diagnose(X, Y, weights=DATA.f)),
        (ValueError, "fitted with weights=, which belong to the rows", lambda: gl.fit(X, Y, weights=DATA.w).diagnose(X, Y)),
        (ValueError, "fitted with offset=, which belong to the rows", lambda: gl.fit(X, Y, offset=DATA.w).diagnose(X, Y)),
        (ValueError, "give X and y", lambda: gl.fit(X, Y).diagnose(X)),
        (ValueError, "a table that holds y, a", lambda: gl.fit("y ~ a", DATA).diagnose(X[:, :1])),
        (ValueError, "has no column 'w'", lambda: gl.fit("y ~ a", DATA, weights="w").diagnose(DATA[["y", "a"]])),
        (ValueError, "X has 2 columns, but the model was fitted to 3", lambda: gl.fit(X, Y).diagnose(X[:, :2], Y)),
        (TypeError, "names the target: give the table alone", lambda: gl.fit("y ~ a", DATA).diagnose(DATA, DATA.y)),
        (TypeError, "where= goes with a table", lambda: gl.fit(X, Y).diagnose(X, Y, where="x > 0")),
        (TypeError, "weights= names a column", lambda: gl.fit("y ~ a", DATA).diagnose(DATA, weights=DATA.w)),
        (TypeError, "offset= goes with arrays", lambda: gl.fit("y ~ a", DATA).diagnose(DATA, offset="b")),
    ],
)
def test_refused(error, message, ask):
    with pytest.raises(error, match=message):
        ask()


def test_what_it_says_of_itself_is_there():
    found = gl.fit(X, Y).diagnose(X, Y)
    first, by_row, whole = repr(found).split("\n")
    assert first == "Diagnosis of 200 rows of a fit of squared loss"
    for line, sized in ((by_row, True), (whole, False)):
        for name in line.split(": ")[1].split(", "):
            assert (getattr(getattr(found, name), "shape", ()) == (200,)) is sized


COUNTS = np.random.default_rng(1).poisson(np.exp(0.3 * X[:, 0]))
WEIGHTS = np.random.default_rng(2).random(200)
FITTED = {
    "squared": (Y, {}),
    "ridge": (Y, {"penalty": gl.penalties.ridge(0.3)}),
    "weights": (Y, {"weights": WEIGHTS, "frequencies": np.arange(200) % 3}),
    "offset": (Y, {"offset": X[:, 0] + 1}),
    "two targets": (np.column_stack([Y, Y**2]), {}),
    "far from zero": (1e9 + Y, {}),
    "poisson": (COUNTS, {"loss": "poisson"}),
    "multinomial": (COUNTS % 3, {"loss": "multinomial"}),
    "normal": (Y, {"loss": "normal"}),
    "huber, joint scale": (Y, {"loss": gl.losses.huber(1.35, scale="joint")}),
    "absolute": (Y, {"loss": "absolute"}),
    "quantile with a ridge": (Y, {"loss": gl.losses.quantile(0.9), "penalty": gl.penalties.ridge(0.1)}),
    "epsilon": (Y, {"loss": gl.losses.epsilon_insensitive(0.5)}),
    "few digits": (Y, {"loss": "log_cosh", "tolerance": 1e-2}),
    "not converged": (Y, {"solver": gl.GradientDescent(learning_rate=0.1, steps=7)}),
    "not converged, kinked": (Y, {"loss": "absolute", "solver": gl.GradientDescent(learning_rate=0.01, steps=30)}),
    "fewer rows than columns": (Y[:3], {}),
}


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize("name", FITTED)
def test_other_columns_are_known_by_the_gradient(name):
    target, given = FITTED[name]
    x = X[: len(target)]
    fit = gl.fit(x, target, **given)
    rows = {keyword: value for keyword, value in given.items() if keyword in ("weights", "frequencies", "offset")}
    order = np.random.default_rng(4).permutation(len(target))
    fit.diagnose(np.asfortranarray(x), target, **rows)
    fit.diagnose(x[order], target[order], **{keyword: value[order] for keyword, value in rows.items()})
    others = {
        "other columns": np.random.default_rng(3).normal(size=x.shape),
        "columns in another order": x[:, [1, 0, 2]],
        "another unit": x * [1, 2, 1],
        "moved": x + 0.1,
    }
    if len(target) == 200:
        others["rows in another order"] = x[order]
    for other in others.values():
        with pytest.raises(ValueError, match="these are not the rows the model was fitted to"):
            fit.diagnose(other, target, **rows)
    if name == "squared":
        with pytest.raises(ValueError, match="targets and weights agree, and the columns do not"):
            fit.with_covariance("HC3", x[:, ::-1], target)


def test_a_fit_from_a_file_knows_its_columns_too(tmp_path):
    gl.fit("y ~ a + b", DATA, weights="w").save(tmp_path / "m.json")
    loaded = gl.load(tmp_path / "m.json")
    assert np.nansum(loaded.diagnose(DATA).leverage) == pytest.approx(3)
    with pytest.raises(ValueError, match="the columns do not"):
        loaded.diagnose(DATA.assign(b=DATA.b * 1.01))


@pytest.mark.parametrize("held", [True, False], ids=["in memory", "streamed"])
def test_levels_kept_as_codes_are_checked_too(held, monkeypatch):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"g": [f"g{i % 40}" for i in range(400)], "x": rng.normal(size=400)})
    table["y"] = table.x + rng.normal(size=400)
    if not held:
        monkeypatch.setattr(from_table, "MOST_HELD", 10)
    fit = gl.fit("y ~ x + C(g)", table)
    fit.diagnose(table)
    with pytest.raises(ValueError, match="the columns do not"):
        fit.diagnose(table.assign(g=table.g.sample(frac=1, random_state=0).to_numpy()))


def test_an_offset_is_a_part_of_the_rows():
    offset = np.random.default_rng(0).normal(size=(5, 1))
    y = np.zeros((5, 1))
    plain = fingerprint(y, None, None)
    assert fingerprint(y, None, None, 0 * offset) == plain
    assert fingerprint(y, None, None, offset) != plain
    two = fingerprint(y, None, None, np.hstack([offset, 0 * offset]))
    assert two != fingerprint(y, None, None, np.hstack([0 * offset, offset]))
    assert two == fingerprint(y, None, None, offset)
    held = gl.fit("y ~ a + offset(b)", DATA)
    full = DATA.dropna()
    assert held.fingerprint == gl.fit(full[["a"]], full.y, offset=full.b).fingerprint != gl.fit("y ~ a", DATA).fingerprint


def test_another_column_is_seen_beside_one_far_from_zero():
    # What rounding leaves of the gradient of the far column is more than the whole slope of the other.
    columns = X + np.array([0.0, 1e6, 1e9])
    fit = gl.fit(columns, Y)
    fit.diagnose(columns, Y)
    with pytest.raises(ValueError, match="not the rows"):
        fit.diagnose(np.column_stack([columns[::-1, 0], columns[:, 1:]]), Y)


def test_a_model_of_an_earlier_version_knows_its_rows_whose_offset_it_left_out():
    counts, offset = np.floor(np.exp(1 + X[:, 0])), RNG.random(200)
    fit = gl.fit(X, counts, loss="poisson", offset=offset)
    older = dataclasses.replace(fit, fingerprint=fingerprint(counts[:, None], None, None))
    assert older.fingerprint != fit.fingerprint
    expected = fit.with_covariance("HC1", X, counts, offset=offset).standard_errors
    close(older.with_covariance("HC1", X, counts, offset=offset).standard_errors, expected)
    with pytest.raises(ValueError, match="not the rows"):
        older.with_covariance("HC1", X, counts, offset=offset[::-1])
