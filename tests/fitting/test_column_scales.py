"""Penalties meet columns of other origins and units: answers are those of columns near one, and what differs in unit is said."""

import warnings

import numpy as np
import pytest

import gradline as gl

RNG = np.random.default_rng(5)
N = 200
X = RNG.normal(size=(N, 5))
Y = X @ [2.0, -1.0, 0.0, 0.0, 0.5] + RNG.normal(size=N)
BINARY = (Y > 0) * 1.0
UNIT = np.array([2.0**-13, 1.0, 2.0**13, 1.0, 2.0**26])
FAR = X * UNIT + np.array([0.0, 2.0**20, 0.0, -(2.0**20), 0.0])
NEAR = (FAR - np.array([0.0, 2.0**20, 0.0, -(2.0**20), 0.0])) / UNIT
"""Exactly: what rounding left of X in FAR."""

PENALTIES = {
    "lasso": lambda s: gl.penalties.lasso(s, scaled=True),
    "net": lambda s: gl.penalties.elastic_net(s, 0.6, scaled=True),
    "mcp": lambda s: gl.penalties.mcp(s, scaled=True),
    "groups": lambda s: gl.penalties.group_lasso(s, [[0, 1], [2, 3, 4]], scaled=True),
}


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize(("loss", "y"), [("squared", Y), ("logistic", BINARY)])
def test_a_penalised_fit_does_not_depend_on_origins_and_units(name, loss, y):
    strength = 0.3 if loss == "squared" else 0.03
    far = gl.fit(FAR, y, loss=loss, penalty=PENALTIES[name](strength))
    near = gl.fit(NEAR, y, loss=loss, penalty=PENALTIES[name](strength))
    assert far.certificate.converged
    np.testing.assert_allclose(far.slopes * UNIT, near.slopes, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(far.slopes == 0, near.slopes == 0)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_path_does_not_depend_on_origins_and_units(name):
    far, near = (
        gl.path(x, BINARY, loss="logistic", penalty=PENALTIES[name]("auto"), strengths=6, choose="folds", folds=3) for x in (FAR, NEAR)
    )
    assert far.converged.all()
    np.testing.assert_allclose(far.strengths, near.strengths, rtol=1e-9)
    np.testing.assert_allclose(far.coefficients[:, 1:, 0] * UNIT, near.coefficients[:, 1:, 0], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(far.held_out.mean, near.held_out.mean, rtol=1e-7)
    np.testing.assert_allclose(far.fit(far.strengths[3]).predict(FAR), near.fit(near.strengths[3]).predict(NEAR), rtol=1e-7)
    if name != "mcp":
        assert far.gaps.max() <= 1e-9


@pytest.mark.parametrize("name", ["lasso", "elastic_net", "mcp", "scad", "group_lasso"])
def test_units_more_than_ten_times_apart_are_said_once(name):
    table = {"grams": 1000.0 * X[:, 0], "metres": X[:, 1], "y": Y}
    made = {"group_lasso": gl.penalties.group_lasso(0.1, [["grams", "metres"]])}.get(name) or getattr(gl.penalties, name)(0.1)
    with pytest.warns(gl.GradlineWarning, match=r"'grams' varies by .* 'metres' varies by .* scaled=True") as seen:
        gl.fit("y ~ grams + metres", table, penalty=made)
    assert len(seen) == 1
    with pytest.warns(gl.GradlineWarning, match="scaled=True") as seen:
        gl.path("y ~ grams + metres", table, penalty=gl.penalties.lasso() + gl.penalties.ridge(0.1), strengths=3)
    assert len(seen) == 1


def test_nothing_is_said_where_units_do_not_matter():
    table = {
        "grams": 1000.0 * X[:, 0],
        "metres": X[:, 1],
        "same": 4.0 * X[:, 2],
        "rare": (np.arange(N) == 7) * 1.0,
        "one": np.ones(N),
        "y": Y,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gl.fit("y ~ grams + metres", table, penalty=gl.penalties.lasso(0.1, scaled=True))
        gl.fit("y ~ grams + metres", table, penalty=gl.penalties.lasso(0.1, weights={"grams": 1e3}))
        gl.fit("y ~ grams + metres", table, penalty=gl.penalties.ridge(0.1))
        gl.fit("y ~ grams + metres", table, penalty=gl.penalties.difference(["grams", "metres"], 0.1))
        gl.fit("y ~ grams + metres", table)
        # Four times, a rare indicator, a constant: no other unit would mend them.
        gl.fit("y ~ metres + same + rare + one", table, penalty=gl.penalties.lasso(0.1))
