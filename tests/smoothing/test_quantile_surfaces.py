"""Surfaces beside quantile loss: their optimum is one, and their strengths do not vanish where rows are few."""

import warnings

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

import gradline as gl
from gradline.solvers.kinks.active_set_steps import NOT_UNIQUE

LEVEL = 0.9


def rows_of(seed, n=300):
    rng = np.random.default_rng(seed)
    x, z = rng.uniform(-3, 3, n), rng.uniform(-3, 3, n)
    return {"x": x, "z": z, "y": np.sin(x) + 0.5 * z + rng.normal(size=n)}


def fitted(data, terms="te(x, z)"):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = gl.fit(f"y ~ {terms}", data, loss=gl.losses.quantile(LEVEL))
    return fit, [str(one.message) for one in said]


def design_of(fit, data):
    names = fit.encoder.feature_columns
    return fit.encoder.design(pa.RecordBatch.from_pydict({name: data[name] for name in names})).dense()


@pytest.mark.parametrize("strengths", ["[1e-6, 794.0]", "[7e-7, 2100.0]", "[2000.0, 1e-7]", "[1e-4, 1e-4]"])
@pytest.mark.parametrize("seed", [6, 7])
def test_the_optimum_is_unique_and_nothing_else_is_said(seed, strengths):
    """The optimality conditions of the quadratic program in 50 digits: they have one solution, which is the fit's."""
    mp = pytest.importorskip("mpmath")
    data = rows_of(seed)
    fit, said = fitted(data, f"te(x, z, strength={strengths})")
    X, y, b = design_of(fit, data), data["y"], fit.coefficients
    n, p = X.shape
    rest = y - X @ b
    held = np.flatnonzero(np.abs(rest) < 1e-9)
    slopes = np.where(rest > 0, -LEVEL, 1 - LEVEL)
    slopes[held] = 0.0
    [block] = fit.penalty.blocks
    with mp.workdps(50):
        size = p + len(held)
        matrix, right = mp.zeros(size), mp.zeros(size, 1)
        for strength, root in zip(block.strengths, block.roots, strict=True):
            part = mp.matrix(root.tolist())
            part = part.T * part * mp.mpf(strength)
            for i in range(part.rows):
                for j in range(part.cols):
                    matrix[1 + block.start + i, 1 + block.start + j] += part[i, j]
        exact = [[mp.mpf(float(value)) for value in row] for row in X]
        for j in range(p):
            right[j] = -mp.fsum(exact[i][j] * mp.mpf(float(slopes[i])) for i in range(n)) / n
        for place, i in enumerate(held):
            right[p + place] = mp.mpf(float(y[i]))
            for j in range(p):
                matrix[p + place, j] = matrix[j, p + place] = exact[i][j]
        solved = mp.lu_solve(matrix, right)  # raises where they have more than one
        found = np.array([float(solved[j]) for j in range(p)])
        multipliers = np.array([float(solved[p + place] * n) for place in range(len(held))])
    beside = np.setdiff1d(np.arange(n), held)
    assert (np.sign(y - X @ found)[beside] == np.sign(rest)[beside]).all()
    assert ((multipliers > -LEVEL) & (multipliers < 1 - LEVEL)).all()
    assert b == pytest.approx(found, rel=1e-9, abs=1e-9)
    assert NOT_UNIQUE not in fit.solution.notes
    assert not said


def test_a_direction_that_nothing_holds_is_told():
    """Twice a column, of which the penalty holds the sum alone."""
    data = rows_of(1, 60)
    X = np.column_stack([data["x"], data["x"]])
    with pytest.warns(gl.GradlineWarning, match="not unique"):
        fit = gl.fit(X, data["y"], loss=gl.losses.quantile(LEVEL), penalty=gl.penalties.quadratic(np.ones((2, 2)), 1e-3))
    assert NOT_UNIQUE in fit.solution.notes
    b = fit.coefficients

    def height(slopes):
        rest = data["y"] - b[0] - X @ slopes
        return np.mean(np.maximum(LEVEL * rest, (LEVEL - 1) * rest)) + 0.5e-3 * slopes.sum() ** 2

    assert height(b[1:] + np.array([5.0, -5.0])) == pytest.approx(height(b[1:]), rel=1e-13)


@pytest.mark.parametrize("seed", range(8))
def test_strengths_do_not_vanish_where_rows_are_few(seed):
    """Of 24 degrees of freedom a surface as smooth as this needs a third; with all of them it runs through as many rows."""
    rng = np.random.default_rng(seed)
    x, z = rng.uniform(0, 1, 200), rng.uniform(0, 1, 200)
    fit, said = fitted({"x": x, "z": z, "y": np.sin(4 * x) * z + 0.3 * rng.normal(size=200)})
    assert not said
    assert 3 <= fit.curves[0].degrees_of_freedom < 12
    at = np.linspace(0.05, 0.95, 15)
    gx, gz = (part.ravel() for part in np.meshgrid(at, at))
    truth = np.sin(4 * gx) * gz + 0.3 * norm.ppf(LEVEL)
    found = fit.predict({"x": gx, "z": gz}).ravel()
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.15
