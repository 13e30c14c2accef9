"""The report of fits with absorbed levels."""

import json
from pathlib import Path

import numpy as np
import pytest

import gradline as gl

pytest.importorskip("matplotlib")
REFERENCE = json.loads((Path(__file__).parent.parent / "reference" / "absorbed.json").read_text(encoding="utf-8"))
TABLES = {kind: {name: np.array(own) for name, own in columns.items()} for kind, columns in REFERENCE["tables"].items()}
pytestmark = pytest.mark.filterwarnings("ignore:.*rows? left out as", "ignore:.*left out of the model")


def test_it_says_what_was_absorbed_and_left_out():
    table = TABLES["singletons"] | {"size": TABLES["singletons"]["firm"] / 3}
    fit = gl.fit("y ~ x1 + size | firm + year", table, covariance="cluster", groups="firm")
    report = fit.report(table)
    levels = report.html[report.html.index('id="levels"') : report.html.index('id="measures"')]
    for category in fit.absorbed.categories:
        assert f"<td>{len(category.levels):,}</td><td>{category.degrees:,}</td>" in levels
    assert "4 singletons" in levels
    assert f"{fit.absorbed.within_r_squared:.4g}" in levels
    assert f"{fit.absorbed.counted} of them are counted" in levels
    concerns = {concern.title: concern for concern in report.concerns}
    assert "the absorbed levels or earlier columns determine it" in concerns["Columns left out as redundant"].text
    assert "firm 100" in concerns["Of the absorbed levels"].text
    # They lack no value, so that nothing is to be found out of gaps.
    assert not any("left out of the fit" in title for title in concerns)


@pytest.mark.parametrize("loss", ["poisson", gl.losses.huber(1.0)], ids=str)
def test_other_losses_and_levels_without_values(loss):
    table = TABLES["connected"]
    age = table | {"age": table["year"] - table["firm"] + 20}
    fit = gl.fit(f"{'count' if loss == 'poisson' else 'y'} ~ x1 + x2 | firm + year + age", age, loss=loss)
    html = fit.report(age).html
    assert "no values of their own: the rows do not tell the levels" in html
    assert "R-squared within" not in html


def test_other_rows_are_looked_at_too():
    table = TABLES["connected"]
    fit = gl.fit("y ~ x1 + x2 | firm + year", table)
    few = {name: own[:60].copy() for name, own in table.items()}
    few["firm"][3] = 99
    report = fit.report(few)
    assert "On new data" in {concern.title for concern in report.concerns}
    assert "1 row left out" in report.html or "Rows that matter most" not in report.html


def test_advice_is_such_as_goes_with_levels():
    table = {name: own.copy() for name, own in TABLES["connected"].items()}
    table["y"][5] += 500
    table["x1"][5] += 30
    table["x3"] = table["x1"] + 1e-3 * table["x2"]
    fit = gl.fit("y ~ x1 + x3 | firm + year", table)
    concerns = {concern.title: concern for concern in fit.report(table).concerns}
    assert concerns["Collinear columns"].code == ()
    influential = next(concern for title, concern in concerns.items() if "influential" in title)
    assert influential.code[0].startswith("loss=gl.losses.huber(")
    threshold = float(influential.code[0].removeprefix("loss=gl.losses.huber(").removesuffix(")"))
    gl.fit("y ~ x1 + x3 | firm + year", table, loss=gl.losses.huber(threshold))


def test_the_picture_of_the_fit_is_of_all_that_it_reads():
    import matplotlib.pyplot as plt

    table = TABLES["connected"]
    for formula in ("y ~ x1 + x2 | firm", "y ~ x1 | firm + year"):
        axes = gl.plot.fit(gl.fit(formula, table), table)
        assert axes.get_xlabel() == "predicted y"
        plt.close("all")


def test_residuals_are_drawn_as_with_the_levels_as_columns():
    import matplotlib.pyplot as plt

    table = TABLES["connected"]
    fit, columns = gl.fit("y ~ x1 + x2 | firm + year", table), gl.fit("y ~ x1 + x2 + C(firm) + C(year)", table)
    for draw in (gl.plot.residuals, gl.plot.quantiles, gl.plot.scale_location, gl.plot.leverage):
        clouds = [
            np.concatenate([np.asarray(own.get_offsets()) for own in draw(each, table).collections if len(own.get_offsets())])
            for each in (fit, columns)
        ]
        np.testing.assert_allclose(*clouds, rtol=1e-8, atol=1e-8)
        plt.close("all")
