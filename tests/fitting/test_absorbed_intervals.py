"""Intervals of predictions of fits with absorbed levels, beside those of the same model with the levels as columns."""

import numpy as np
import pytest

import gradline as gl
from gradline.base.errors import InferenceError
from gradline.files import level_errors
from gradline.fitting import absorbed_errors
from gradline.preparing import absorbed_columns
from gradline.tables import beside
from levelled_tables import TABLES, connected

pytestmark = pytest.mark.filterwarnings("ignore:.*rows? left out as", "ignore:.*left out of the model")


@pytest.fixture
def table():
    return connected()


def read_anew(monkeypatch):
    monkeypatch.setattr(absorbed_columns, "MOST_HELD", 0)
    monkeypatch.setattr(beside, "MOST_HELD_ROWS", 100)


def same_intervals(fit, columns, new, **asked):
    found, wanted = fit.predict(new, **asked), columns.predict(new, **asked)
    for own, other in zip(found[:3], wanted[:3], strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-8, atol=1e-8)
    assert found.guarantee == wanted.guarantee


@pytest.mark.parametrize("weights", [None, "weight"])
@pytest.mark.parametrize("covariance", ["classical", "HC0", "HC1", "HC2", "HC3", "cluster"])
def test_squared_loss_is_as_with_the_levels_as_columns(table, covariance, weights):
    asked = {"covariance": covariance, "weights": weights, "groups": "product" if covariance == "cluster" else None}
    fit = gl.fit("y ~ x1 + x2 | firm + year", table, **asked)
    columns = gl.fit("y ~ x1 + x2 + C(firm) + C(year)", table, **asked)
    new = {name: own[:20] + (name in ("x1", "x2")) for name, own in table.items()}
    for interval in ("confidence", "prediction"):
        same_intervals(fit, columns, new, interval=interval, level=0.9)
    same_intervals(fit, columns, new, interval="confidence", kind="linear")


@pytest.mark.parametrize(
    ("target", "loss", "covariance"),
    [
        ("count", "poisson", "classical"),
        ("count", "poisson", "HC1"),
        ("high", "logistic", "classical"),
        ("high", "logistic", "HC3"),
        ("y", gl.losses.huber(1.0), "HC1"),
        ("y", gl.losses.huber(1.0), "HC3"),
    ],
)
def test_other_losses_are_as_with_the_levels_as_columns(table, target, loss, covariance):
    fit = gl.fit(f"{target} ~ x1 + x2 | firm + year", table, loss=loss, covariance=covariance)
    columns = gl.fit(f"{target} ~ x1 + x2 + C(firm) + C(year)", table, loss=loss, covariance=covariance)
    same_intervals(fit, columns, table, interval="confidence")
    if loss != "logistic":
        same_intervals(fit, columns, table, interval="prediction", level=0.8)


def test_the_default_errors_of_a_loss_without_a_likelihood_give_jackknife_intervals(table):
    loss = gl.losses.huber(1.0)
    fit = gl.fit("y ~ x1 + x2 | firm + year", table, loss=loss)
    columns = gl.fit("y ~ x1 + x2 + C(firm) + C(year)", table, loss=loss)
    same_intervals(fit, columns, table, interval="prediction", level=0.8)


@pytest.mark.parametrize(
    ("absorbed", "columns"),
    [
        ("x2 | firm[x1] + year", "x2 + C(firm)*x1 + C(year)"),
        ("x2 | firm[[x1]] + year", "x2 + C(firm):x1 + C(year)"),
        ("x1 | year + firm[x2]", "C(firm)*x2 + x1 + C(year)"),
        ("x1 + x2 | firm", "x1 + x2 + C(firm)"),
        ("x1 + C(product) | firm + year", "x1 + C(product) + C(firm) + C(year)"),
        ("x1 + x2 | firm + year + product", "x1 + x2 + C(firm) + C(year) + C(product)"),
    ],
)
@pytest.mark.parametrize("covariance", ["classical", "HC1"])
def test_slopes_combinations_and_many_categories(table, absorbed, columns, covariance):
    fit = gl.fit(f"y ~ {absorbed}", table, covariance=covariance, frequencies="times", offset="known")
    other = gl.fit(f"y ~ {columns}", table, covariance=covariance, frequencies="times", offset="known")
    same_intervals(fit, other, table, interval="confidence")
    same_intervals(fit, other, table, interval="prediction")


def test_rows_that_are_read_anew_give_the_same_and_say_what_they_do_not(table, monkeypatch):
    held = gl.fit("y ~ x1 + x2 | firm + year", table).predict(table, interval="prediction")
    poisson = gl.fit("count ~ x1 + x2 | firm + year", table, loss="poisson").predict(table, interval="confidence")
    read_anew(monkeypatch)
    fit = gl.fit("y ~ x1 + x2 | firm + year", table)
    np.testing.assert_allclose(fit.predict(table, interval="prediction").upper, held.upper, rtol=1e-9)
    other = gl.fit("count ~ x1 + x2 | firm + year", table, loss="poisson").predict(table, interval="confidence")
    np.testing.assert_allclose(other.lower, poisson.lower, rtol=1e-9)
    robust = gl.fit("y ~ x1 + x2 | firm + year", table, covariance="HC1")
    with pytest.raises(InferenceError, match=r"by the covariance 'HC1'.*so few rows.*covariance=\"classical\""):
        robust.predict(table, interval="confidence")


def test_sets_that_are_not_connected(table):
    apart = TABLES["disconnected"]
    fit, columns = gl.fit("y ~ x1 | firm + year", apart), gl.fit("y ~ x1 + C(firm) + C(year)", apart)
    same_intervals(fit, columns, apart, interval="confidence")


def test_unknown_levels_are_refused_or_missing(table):
    fit = gl.fit("y ~ x1 + x2 | firm + year", table)
    new = {name: own[:3].copy() for name, own in table.items()}
    new["firm"][1] = 999
    with pytest.raises(InferenceError, match=r"firm = 999 \(row 1\) was in no row of the fit"):
        fit.predict(new, interval="confidence")
    found = fit.predict(new, interval="prediction", unseen="missing")
    assert np.isnan(found.lower).tolist() == np.isnan(found.prediction).tolist() == [False, True, False]


def test_an_aliased_column_changes_nothing(table):
    table["size"] = 3.5 * table["firm"] + 1e6
    fit = gl.fit("y ~ x1 + size + x2 | firm + year", table)
    same_intervals(fit, gl.fit("y ~ x1 + x2 + C(firm) + C(year)", table), table, interval="prediction")


def test_clusters_that_hold_levels_tell_nothing_of_them(table):
    fit = gl.fit("y ~ x1 + x2 | firm + year", table, covariance="cluster", groups="firm")
    with pytest.raises(InferenceError, match="levels of firm lie within clusters, whose scores they bring to zero"):
        fit.predict(table, interval="confidence")


def test_levels_that_are_too_many_are_refused(table, monkeypatch):
    monkeypatch.setattr(absorbed_errors, "MOST_NUMBERS", 20)
    fit = gl.fit("y ~ x1 + x2 | firm + year", table)
    with pytest.raises(InferenceError, match="no intervals of predictions: the levels are too many"):
        fit.predict(table, interval="confidence")
    monkeypatch.undo()
    monkeypatch.setattr(absorbed_errors, "MOST_TOGETHER", 3)
    with pytest.raises(InferenceError, match="at most 3 levels and columns together"):
        gl.fit("y ~ x1 + x2 | firm + year", table, covariance="HC1").predict(table, interval="confidence")


@pytest.mark.parametrize("covariance", ["classical", "HC1"])
@pytest.mark.parametrize("formula", ["y ~ x1 + x2 | firm + year", "y ~ x2 | year + firm[x1]", "y ~ x2 | firm[[x1]]"])
def test_model_files_keep_them(table, tmp_path, covariance, formula):
    fit = gl.fit(formula, table, covariance=covariance)
    fit.save(tmp_path / "model.json")
    again = gl.load(tmp_path / "model.json")
    for interval in ("confidence", "prediction"):
        found, wanted = (own.predict(table, interval=interval) for own in (again, fit))
        np.testing.assert_allclose(found.lower, wanted.lower, rtol=1e-13)
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "model.json").read_bytes()


def test_model_files_of_very_many_levels_leave_them_out(table, tmp_path, monkeypatch):
    monkeypatch.setattr(level_errors, "MOST_NUMBERS", 20)
    fit = gl.fit("y ~ x1 + x2 | firm + year", table)
    fit.save(tmp_path / "model.json")
    again = gl.load(tmp_path / "model.json")
    np.testing.assert_array_equal(again.predict(table), fit.predict(table))
    with pytest.raises(InferenceError, match="loaded from a file, which does not keep them for so many levels"):
        again.predict(table, interval="confidence")


def test_the_command_predicts_with_intervals(table, tmp_path):
    pd = pytest.importorskip("pandas")
    from typer.testing import CliRunner

    from gradline.cli import app

    pd.DataFrame(table).to_csv(tmp_path / "rows.csv", index=False)
    fit = gl.fit("y ~ x1 + x2 | firm + year", tmp_path / "rows.csv")
    fit.save(tmp_path / "model.json")
    given = ["predict", "model.json", "rows.csv", "--out", "out.csv", "--interval", "prediction"]
    found = CliRunner().invoke(app, [str(tmp_path / own) if "." in own else own for own in given])
    assert found.exit_code == 0, found.output
    np.testing.assert_allclose(pd.read_csv(tmp_path / "out.csv")["upper"], fit.predict(table, interval="prediction").upper, rtol=1e-9)
