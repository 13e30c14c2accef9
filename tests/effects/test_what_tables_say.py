"""What tables of tests say of themselves: which test, and that it is not adjusted."""

import gradline as gl

PENGUINS = gl.datasets.penguins()
SEXES = gl.fit("I(sex == 'male') ~ body_mass_g + C(species)", PENGUINS, loss="logistic")
MASS = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", PENGUINS)


def title(table):
    return str(table).splitlines()[0]


def test_each_kind_of_test_of_terms_has_its_heading():
    assert title(SEXES.anova(3)) == "Wald tests of the terms of I(sex == 'male')"
    assert title(SEXES.anova(3, data=PENGUINS)) == "Analysis of deviance of I(sex == 'male')"
    assert title(SEXES.anova(3, test="Wald", data=PENGUINS)).startswith("Wald tests")
    assert title(MASS.anova(3)) == "Analysis of variance of body_mass_g"
    robust = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", PENGUINS, covariance="HC3")
    assert title(robust.anova(3)) == "Wald tests of the terms of body_mass_g"


def test_contrasts_that_are_not_adjusted_say_so():
    said = "not adjusted for 3 contrasts"
    assert said in str(MASS.contrasts("C(species)", "pairs"))
    assert said not in str(MASS.contrasts("C(species)", "pairs", adjust="holm"))
    one = {"birds": {"Adelie": 1, "Chinstrap": -0.5, "Gentoo": -0.5}}
    assert "adjusted" not in str(MASS.contrasts("C(species)", one))
