"""Fit.diagnose and Fit.residuals: the rows of a fit, given again."""

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
from gradline.preparing import from_table as fitting_tables
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
        monkeypatch.setattr(fitting_tables, "MOST_HELD", 10)
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
    monkeypatch.setattr(fitting_tables, "MOST_HELD", 10)
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
        (ValueError, "with other targets or weights", lambda: gl.fit(X, Y).diagnose(X, Y + 1)),
        (ValueError, "with other targets or weights", lambda: gl.fit(X, Y, weights=DATA.w).diagnose(X, Y, weights=DATA.f)),
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
