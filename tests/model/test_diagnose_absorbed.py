"""What the rows say of fits with absorbed levels, beside what they say of the same model with the levels as columns."""

import json
from pathlib import Path

import numpy as np
import pytest

import gradline as gl
from gradline.base.errors import InferenceError
from gradline.fitting import absorbed_errors
from gradline.model import level_rows

REFERENCE = json.loads((Path(__file__).parent.parent / "reference" / "absorbed.json").read_text(encoding="utf-8"))
TABLES = {kind: {name: np.array(own) for name, own in columns.items()} for kind, columns in REFERENCE["tables"].items()}
pytestmark = pytest.mark.filterwarnings("ignore:.*rows? left out as", "ignore:.*left out of the model")

BY_ROW = ("leverage", "cooks_distance", "leave_one_out", "fitted", "residuals", "standardised")


@pytest.fixture(params=["held", "read anew"])
def way(request, monkeypatch):
    """Rows given again in memory, and rows that are read anew at each pass."""
    if request.param == "read anew":
        monkeypatch.setattr(level_rows, "MOST_HELD", 0)
    return request.param


@pytest.fixture
def table():
    found = dict(TABLES["connected"])
    rng = np.random.default_rng(5)
    keep = found["firm"] != 3
    found = {name: own[keep] for name, own in found.items()}
    n = len(found["y"])
    return found | {"high": (rng.random(n) < 0.5) * 1, "times": found["product"] + 1, "known": found["x2"] / 7}


def both(table, target="y", absorbed="x1 + x2 | firm + year", columns="x1 + x2 + C(firm) + C(year)", **asked):
    return gl.fit(f"{target} ~ {absorbed}", table, **asked), gl.fit(f"{target} ~ {columns}", table, **asked)


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        ("y", {}),
        ("y", {"weights": "weight", "covariance": "HC1"}),
        ("y", {"frequencies": "times", "offset": "known"}),
        ("y", {"covariance": False}),
        ("count", {"loss": "poisson"}),
        ("count", {"loss": "poisson", "weights": "weight", "covariance": "HC1"}),
        ("high", {"loss": "logistic"}),
        ("y", {"loss": gl.losses.huber(1.0), "covariance": "HC1"}),
        ("y", {"loss": gl.losses.huber(1.0), "covariance": "HC3"}),
    ],
    ids=str,
)
def test_row_by_row_it_is_as_with_the_levels_as_columns(table, way, target, asked):
    fit, columns = both(table, target, **asked)
    found, wanted = fit.diagnose(table), columns.diagnose(table)
    for name in BY_ROW:
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-8, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(found.leave_one_out_loss, wanted.leave_one_out_loss, rtol=1e-8)
    np.testing.assert_allclose(fit.residuals(table), columns.residuals(table), rtol=1e-8, atol=1e-9)
    in_parts = np.concatenate([part.leverage for part in found.batches()])
    np.testing.assert_allclose(in_parts, found.by_row.leverage, rtol=1e-12)


@pytest.mark.parametrize(
    ("absorbed", "columns"),
    [
        ("x2 | firm[x1] + year", "x2 + C(firm)*x1 + C(year)"),
        ("x2 | firm[[x1]] + year", "x2 + C(firm):x1 + C(year)"),
        ("x1 + C(product) | firm", "x1 + C(product) + C(firm)"),
        ("x1 + x2 | firm + year + product", "x1 + x2 + C(firm) + C(year) + C(product)"),
    ],
)
def test_slopes_and_many_categories(table, way, absorbed, columns):
    fit, other = both(table, absorbed=absorbed, columns=columns)
    found, wanted = fit.diagnose(table), other.diagnose(table)
    for name in BY_ROW:
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-8, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("asked", [{}, {"weights": "weight"}, {"frequencies": "times"}], ids=str)
def test_tests_of_the_whole_are_as_with_the_levels_as_columns(table, way, asked):
    fit, columns = both(table, **asked)
    found, wanted = fit.diagnose(table), columns.diagnose(table)
    for name in ("breusch_pagan", "reset"):
        own, other = getattr(found, name), getattr(wanted, name)
        assert (own.degrees, own.residual_degrees) == (other.degrees, other.residual_degrees)
        np.testing.assert_allclose(own[1:5], other[1:5], rtol=1e-8, err_msg=name)
    if "frequencies" not in asked:
        np.testing.assert_allclose(found.durbin_watson, wanted.durbin_watson, rtol=1e-10)
    for name in ("x1", "x2"):
        assert found.variance_inflation[name] == pytest.approx(wanted.variance_inflation[name], rel=1e-9)


def test_columns_of_other_losses_are_as_collinear(table, way):
    fit, columns = both(table, "count", loss="poisson")
    found, wanted = fit.diagnose(table), columns.diagnose(table)
    assert found.variance_inflation["x2"] == pytest.approx(wanted.variance_inflation["x2"], rel=1e-9)
    with pytest.raises(InferenceError, match="RESET is defined for squared loss"):
        _ = found.reset


def test_an_aliased_column_and_singletons(way):
    table = dict(TABLES["singletons"])
    table["size"] = table["firm"] / 3
    fit = gl.fit("y ~ x1 + size + x2 | firm + year", table)
    assert fit.absorbed.singletons == 4
    found = fit.diagnose(table)
    gone = np.isnan(found.leverage)
    assert gone.sum() == 4
    kept = {name: own[~gone] for name, own in table.items()}
    columns = gl.fit("y ~ x1 + x2 + C(firm) + C(year)", kept).diagnose(kept)
    for name in BY_ROW:
        np.testing.assert_allclose(getattr(found, name)[~gone], getattr(columns, name), rtol=1e-8, atol=1e-9, err_msg=name)
    assert np.isnan(found.variance_inflation["size"])
    np.testing.assert_allclose(found.breusch_pagan.statistic, columns.breusch_pagan.statistic, rtol=1e-8)
    np.testing.assert_allclose(found.reset.f_statistic, columns.reset.f_statistic, rtol=1e-8)
    # The fit without the rows that it leaves out by itself is known by the same rows.
    np.testing.assert_allclose(fit.diagnose(kept).leverage, columns.leverage, rtol=1e-8)


def test_levels_without_values_of_their_own_add_up_in_the_rows_of_the_fit(table, way):
    age = table | {"age": table["year"] - table["firm"] + 20}
    fit = gl.fit("y ~ x1 + x2 | firm + year + age", age)
    assert fit.absorbed.unidentified
    found = fit.diagnose(age)
    assert found.leverage.sum() == pytest.approx(fit.absorbed.degrees + 2, abs=30)
    columns = gl.fit("y ~ x1 + x2 + C(firm) + C(year) + C(age)", age).diagnose(age)
    np.testing.assert_allclose(found.residuals, columns.residuals, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.leverage, columns.leverage, rtol=1e-8)
    other = {name: own[:30] for name, own in age.items()}
    with pytest.raises(InferenceError, match="of other rows than those of the fit nothing is known"):
        fit.residuals(other)


def test_other_rows_are_told_from_those_of_the_fit(table, way):
    fit = gl.fit("y ~ x1 + x2 | firm + year", table)
    few = {name: own[:50] for name, own in table.items()}
    with pytest.raises(InferenceError, match="50 rows, and the fit used 147"):
        fit.diagnose(few)
    with pytest.raises(InferenceError, match="the gradient there is another"):
        fit.diagnose(table | {"x1": table["x1"][::-1]})
    with pytest.raises(InferenceError, match="not the rows the model was fitted to"):
        fit.diagnose(table | {"firm": table["firm"][::-1]})
    strange = {name: own.copy() for name, own in few.items()}
    strange["firm"][4] = 999
    residuals = fit.residuals(strange)
    assert np.flatnonzero(np.isnan(residuals)).tolist() == [4]
    np.testing.assert_allclose(residuals[:4], table["y"][:4] - fit.predict(few)[:4], rtol=1e-10)


def test_a_loaded_model_knows_its_rows(table, tmp_path):
    fit = gl.fit("y ~ x1 + x2 | firm + year", table)
    fit.save(tmp_path / "model.json")
    again = gl.load(tmp_path / "model.json")
    np.testing.assert_allclose(again.diagnose(table).cooks_distance, fit.diagnose(table).cooks_distance, rtol=1e-10)


def test_calibration_with_levels(table):
    fit, columns = both(table)
    rng = np.random.default_rng(0)
    fresh = table | {"y": columns.predict(table) + rng.normal(size=len(table["y"]))}
    found, wanted = (own.predict(table, interval="prediction", calibration=fresh) for own in (fit, columns))
    np.testing.assert_allclose(found.upper, wanted.upper, rtol=1e-8)


def test_levels_that_are_too_many_have_residuals_but_no_leverage(table, monkeypatch):
    monkeypatch.setattr(absorbed_errors, "MOST_NUMBERS", 20)
    fit, columns = both(table)
    found = fit.diagnose(table)
    with pytest.raises(InferenceError, match="no leverage of rows, nor what follows from it: the levels are too many"):
        _ = found.leverage
    np.testing.assert_allclose(fit.residuals(table), columns.residuals(table), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.durbin_watson, columns.diagnose(table).durbin_watson, rtol=1e-9)
    np.testing.assert_allclose(found.variance_inflation["x1"], columns.diagnose(table).variance_inflation["x1"], rtol=1e-9)


def test_what_another_covariance_leaves_unmeasured(table, monkeypatch):
    monkeypatch.setattr(absorbed_errors, "MOST_TOGETHER", 3)
    fit, columns = both(table, loss=gl.losses.huber(1.0), covariance="HC1")
    found, wanted = fit.diagnose(table), columns.diagnose(table)
    assert np.isnan(found.cooks_distance).all()
    np.testing.assert_allclose(found.leverage, wanted.leverage, rtol=1e-8)


@pytest.mark.parametrize("kind", ["classical", "HC0", "HC1", "HC2", "HC3"])
def test_another_covariance_of_the_rows_given_again(table, way, kind):
    fit, columns = both(table, offset="known")
    found = fit.with_covariance(kind, table)
    np.testing.assert_allclose(found.standard_errors, columns.with_covariance(kind, table).standard_errors[1:3], rtol=1e-8)
    assert found.covariance().kind == kind


def test_reset_leaves_the_offset_alone(table, way):
    fit, columns = both(table, offset="known")
    own, other = fit.diagnose(table).reset, columns.diagnose(table).reset
    np.testing.assert_allclose(own.f_statistic, other.f_statistic, rtol=1e-8)
