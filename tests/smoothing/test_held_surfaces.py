"""Surfaces held along their columns, and curves of each level: not one violation on fine grids, and the optimum against Clarabel."""

import numpy as np
import pyarrow as pa
import pytest

import gradline as gl
from gradline.formulas.curves import curves_of

RANDOM = np.random.default_rng(5)
N = 400
DATA = {"x": RANDOM.uniform(0, 10, N), "z": RANDOM.uniform(-2, 2, N), "g": RANDOM.choice(["a", "b", "c"], N)}
SIGNAL = 2 * np.log1p(DATA["x"]) + np.sin(3 * DATA["z"]) + 0.2 * DATA["x"] * np.cos(DATA["z"])
DATA["y"] = SIGNAL + 1.5 * RANDOM.normal(size=N)
DATA["count"] = RANDOM.poisson(np.exp(0.2 * SIGNAL)).astype(float)
AT = np.linspace(0.0, 1.0, 300)


def grid(fit, first, second):
    """The linear predictor, (300, 300), over the range of the first column a third wider, and that of the second."""
    low, high = DATA[first].min(), DATA[first].max()
    along = low - (high - low) / 3 + AT * (high - low) * 5 / 3
    across = DATA[second].min() + AT * np.ptp(DATA[second])
    points = {name: part.ravel() for name, part in zip((first, second), np.meshgrid(along, across, indexing="ij"), strict=True)}
    found = fit.predict(points).reshape(300, 300)
    return np.log(found) if fit.loss_name == "poisson" else found


@pytest.mark.parametrize("loss", ["squared", "poisson", "absolute"])
def test_a_surface_rises_along_one_column_at_every_place_of_the_other(loss):
    target = "count" if loss == "poisson" else "y"
    free = gl.fit(f"{target} ~ te(x, z, strength=1e-5)", DATA, loss=loss)
    held = gl.fit(f"{target} ~ te(x, z, strength=1e-5, monotone=['increasing', None])", DATA, loss=loss)
    beside = gl.fit(f"{target} ~ te(x, z, strength=1e-5)", DATA, loss=loss, constraints=gl.constraints.monotone("x", "increasing"))
    assert held.certificate.converged
    assert (np.diff(grid(free, "x", "z"), axis=0) < -1e-6).any()
    assert np.diff(grid(held, "x", "z"), axis=0).min() >= -2e-14
    assert (np.diff(grid(held, "z", "x"), axis=0) < 0).any()
    assert (np.diff(grid(held, "z", "x"), axis=0) > 0).any()
    assert np.array_equal(held.coefficients, beside.coefficients)
    assert held.active_constraints[0].startswith("te(x, z, strength=1e-05, monotone=['increasing', None]) increasing along x at spline ")
    assert len(held.multipliers) == 20


def test_both_columns_each_in_its_direction():
    fit = gl.fit("y ~ te(x, z, k=[8, 6], strength=1e-6, monotone=['increasing', 'decreasing'])", DATA)
    assert np.diff(grid(fit, "x", "z"), axis=0).min() >= -2e-14
    assert np.diff(grid(fit, "z", "x"), axis=0).max() <= 2e-14
    both = gl.fit("y ~ te(x, z, k=[8, 6], strength=1e-6, monotone='increasing')", DATA)
    named = gl.constraints.monotone("te(x, z)", "increasing")
    assert np.array_equal(both.coefficients, gl.fit("y ~ te(x, z, k=[8, 6], strength=1e-6)", DATA, constraints=named).coefficients)
    assert np.diff(grid(both, "z", "x"), axis=0).min() >= -2e-14


def test_a_surface_bends_one_way_along_a_column():
    fit = gl.fit("y ~ te(x, z, k=7)", DATA, constraints=gl.constraints.concave("x"))
    assert np.diff(grid(fit, "x", "z"), 2, axis=0).max() <= 4e-14


@pytest.mark.parametrize(
    "formula", ["te(x, z, strength=1e-5, monotone=['increasing', None])", "g + s(x, by=g, strength=1e-5, monotone='increasing')"]
)
def test_the_optimum_is_clarabels(formula):
    cp = pytest.importorskip("cvxpy")
    fit = gl.fit(f"y ~ {formula}", DATA)
    names = fit.encoder.feature_columns
    X = fit.encoder.design(pa.RecordBatch.from_pydict({name: DATA[name] for name in names})).dense()
    b = cp.Variable(X.shape[1])
    objective, rules = cp.sum_squares(DATA["y"] - X @ b) / N, []
    for curve in curves_of(fit.encoder):
        own = b[curve.start : curve.stop]
        for matrix in curve.matrices:
            objective += 0.5e-5 * cp.quad_form(own, cp.psd_wrap(matrix))
        # B-splines of degree 3 over 7 cells, or 2: what the basis is at many points tells their coefficients.
        k = 10 if len(curve.variables) == 1 else 5
        points = np.stack(
            [
                part.ravel()
                for part in np.meshgrid(*[np.linspace(*ends, 60) for ends in zip(curve.low, curve.high, strict=True)], indexing="ij")
            ],
            1,
        )
        from gradline.formulas.splines.penalised import even_basis

        bases = [even_basis(points[:, j], curve.low[j], curve.high[j], k, 3) for j in range(points.shape[1])]
        plain = bases[0].T if len(bases) == 1 else np.einsum("im,jm->mij", *bases).reshape(len(points), -1)
        inner = np.linalg.lstsq(plain, curve.basis(points), rcond=None)[0]
        differences = np.diff(np.eye(k), axis=0)
        rules.append((differences if len(bases) == 1 else np.kron(differences, np.eye(k))) @ inner @ own >= 0)
    problem = cp.Problem(cp.Minimize(objective), rules)
    problem.solve(cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    assert fit.loss == pytest.approx(problem.value, abs=1e-9)
    assert fit.coefficients == pytest.approx(b.value, abs=1e-6)
    assert fit.active_constraints


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_each_levels_curve_rises(loss):
    target = "count" if loss == "poisson" else "y"
    fit = gl.fit(f"{target} ~ g + s(x, by=g, strength=1e-6, monotone='increasing')", DATA, loss=loss)
    along = np.linspace(-4.0, 14.0, 10_000)
    for level in "abc":
        found = fit.predict({"x": along, "g": [level] * len(along)})
        assert np.diff(np.log(found) if loss == "poisson" else found).min() >= -2e-14
    assert any("[b] increasing at spline" in text for text in fit.multipliers)
    beside = gl.fit(f"{target} ~ g + s(x, by=g, strength=1e-6)", DATA, loss=loss, constraints=gl.constraints.monotone("x", "increasing"))
    assert np.array_equal(fit.coefficients, beside.coefficients)
    band = fit.curve(fit.curves[0].name)
    assert (np.diff(band.simultaneous_lower) >= 0).all()


def test_the_curve_that_multiplies_a_number():
    fit = gl.fit("y ~ s(x, by=z, strength=1e-6, monotone='increasing')", DATA)
    along = np.linspace(-4.0, 14.0, 10_000)
    slope = fit.predict({"x": along, "z": np.ones(10_000)}) - fit.predict({"x": along, "z": np.zeros(10_000)})
    assert np.diff(slope).min() >= -4e-14
    with pytest.raises(ValueError, match="whose sign decides which way it goes"):
        gl.fit("y ~ s(x, by=z)", DATA, constraints=gl.constraints.monotone("x", "increasing"))


def test_files_keep_what_is_held(tmp_path):
    fit = gl.fit("y ~ te(x, z, monotone=['increasing', None])", DATA)
    fit.save(tmp_path / "surface.json")
    assert np.array_equal(gl.load(tmp_path / "surface.json").predict(DATA), fit.predict(DATA))


def test_what_is_refused():
    for formula, words in (
        ("te(x, z, monotone=['increasing'])", "for each of the 2 columns"),
        ("te(x, z, monotone=['up', None])", "not 'up'"),
        ("te(x, z, monotone=None)", "not None"),
        ("s(x, monotone=['increasing'])", "must be"),
    ):
        with pytest.raises(ValueError, match=words):
            gl.fit(f"y ~ {formula}", DATA)
    with pytest.raises(ValueError, match="computed value"):
        gl.fit("y ~ te(log1p(x), z)", DATA, constraints=gl.constraints.monotone("x", "increasing"))
