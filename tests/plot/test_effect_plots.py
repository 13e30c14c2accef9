"""Pictures of effects, predictions, contrasts and ROC curves."""

import numpy as np
import pytest
from seen import words

import gradline as gl

PENGUINS = gl.datasets.penguins()
FIT = gl.fit("body_mass_g ~ flipper_length_mm * C(species) + sex", PENGUINS)
GRID = {"flipper_length_mm": [180, 190, 200, 210, 220], "species": "all"}


def test_predictions_along_a_number_are_lines_with_bands():
    table = FIT.predictions(at=GRID, data=PENGUINS)
    ax = gl.plot.effects(table)
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) == 5]
    assert len(lines) == 3
    adelie = [value for value, name in zip(table["estimate"], table["species"], strict=True) if name == "Adelie"]
    np.testing.assert_allclose(lines[0].get_ydata(), adelie)
    assert len(ax.collections) == 3
    assert "species Adelie" in words(ax)
    assert "species Gentoo" in words(ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("flipper_length_mm", "body_mass_g")
    assert ax.get_title(loc="left") == "Predictions of body_mass_g"
    assert ax.get_title(loc="right") == "95% intervals"


def test_effects_and_contrasts_are_dots_with_a_line_at_no_effect():
    table = FIT.contrasts("C(species)", at={"flipper_length_mm": 200}, level=0.9)
    ax = gl.plot.effects(table)
    assert [text.get_text() for text in ax.get_yticklabels()] == table["contrast"]
    np.testing.assert_allclose(ax.collections[0].get_offsets()[:, 0], table["estimate"])
    assert ax.get_title(loc="right") == "90% intervals"
    assert any(np.all(np.equal(line.get_xdata(), 0)) for line in ax.get_lines())
    ends = ax.get_lines()[0].get_xdata()
    np.testing.assert_allclose(ends, [table["lower"][0], table["upper"][0]])


def test_ratios_are_against_one():
    fit = gl.fit("I(sex == 'male') ~ body_mass_g + C(species)", PENGUINS, loss="logistic")
    ax = gl.plot.effects(fit.effects("species", compare="ratio", data=PENGUINS))
    assert any(np.all(np.equal(line.get_xdata(), 1)) for line in ax.get_lines())
    curve = gl.plot.roc(fit.classification(PENGUINS))
    assert "area 0.936" in words(curve)
    assert curve.get_title(loc="left") == "ROC curve of I(sex == 'male')"


def test_slopes_along_their_own_column():
    fit = gl.fit("body_mass_g ~ poly(flipper_length_mm, 2)", PENGUINS)
    ax = gl.plot.effects(fit.effects("flipper_length_mm", at={"flipper_length_mm": [180, 200, 220]}))
    assert ax.get_ylabel() == "slope in flipper_length_mm"


def test_several_groups_of_several_outputs_have_a_panel_for_each_output():
    penguins = gl.datasets.penguins()
    fit = gl.fit(
        "C(species, levels=['Adelie', 'Chinstrap', 'Gentoo']) ~ body_mass_g + sex",
        penguins,
        loss="multinomial",
        penalty=gl.penalties.ridge(0.1),
    )
    grid = {"body_mass_g": [3000, 4000, 5000], "sex": "all"}
    axes = gl.plot.effects(fit.predictions(at=grid)).ravel()
    assert [panel.get_title(loc="left") for panel in axes] == ["Adelie", "Chinstrap", "Gentoo"]
    assert [len(panel.lines) for panel in axes] == [2, 2, 2]
    # Of one group the outputs are lines of one panel.
    one = gl.plot.effects(fit.predictions(at=grid | {"sex": "male"}))
    assert len(one.lines) == 3
    shown = gl.plot.calibration(fit, penguins).ravel()
    assert [panel.get_xlabel() for panel in shown][2] == "predicted P(species = Gentoo)"


def test_no_dot_is_drawn_of_a_coefficient_that_is_not_there():
    y = np.random.default_rng(0).negative_binomial(2, 0.3, size=200)
    fit = gl.fit("y ~ x", {"y": y, "x": np.arange(200.0) % 7}, loss="negative_binomial")
    mean, dispersion = gl.plot.coefficients(fit).ravel()
    there = [np.isfinite(panel.lines[1].get_xdata()).tolist() for panel in (mean, dispersion)]
    assert there == [[True, True], [True, False]]


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(gl.ArgumentTypeError, match=r"gl\.plot\.coefficients"):
        gl.plot.effects(FIT)
    table = FIT.predictions(at=GRID, data=PENGUINS)
    with pytest.raises(gl.ArgumentError, match="no column 'bill'"):
        gl.plot.effects(table, x="bill")
    with pytest.raises(gl.ArgumentError, match="holds no numbers"):
        gl.plot.effects(table, x="species")
    with pytest.raises(gl.ArgumentError, match="at most 40"):
        gl.plot.effects(FIT.predictions(data=PENGUINS, kind="each row"))
    fit = gl.fit("I(sex == 'male') ~ body_mass_g", PENGUINS, loss="logistic")
    with pytest.raises(gl.ArgumentError, match="class from 0 to 1"):
        gl.plot.roc(fit.classification(PENGUINS), label=2)
