import csv
import math
from importlib import resources

import numpy as np
import pytest

import gradline as gl


def test_line_unpacks_and_remembers_the_truth():
    data = gl.datasets.line(seed=3)
    x, y = data
    assert x.shape == y.shape == (1000,)
    assert x is data.x
    assert y is data.y
    assert (data.slope, data.intercept) == (6.0, -5.0)
    assert repr(data) == "Line(1,000 points around y = 6 x - 5)"


def test_line_follows_its_formula():
    x, y = gl.datasets.line(n_examples=50, slope=2.5, intercept=1, noise=0, seed=0)
    np.testing.assert_array_equal(y, 2.5 * x + 1)
    x, y = gl.datasets.line(n_examples=200_000, noise=3, seed=0)
    residual = y - (6 * x - 5)
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs(residual.mean()) < 0.03
    assert abs(residual.std() - 3) < 0.03
    assert abs(np.corrcoef(x, residual)[0, 1]) < 0.01


def test_seeds_repeat_and_their_absence_does_not():
    np.testing.assert_array_equal(gl.datasets.line(seed=5).y, gl.datasets.line(seed=5).y)
    assert not np.array_equal(gl.datasets.line().x, gl.datasets.line().x)
    np.testing.assert_array_equal(gl.datasets.plane(seed=np.int64(5)).Y, gl.datasets.plane(seed=5).Y)


def test_plane_shapes_and_formula():
    data = gl.datasets.plane(n_inputs=4, n_outputs=3, n_examples=20, noise=0, seed=1)
    X, Y = data
    assert X.shape == (20, 4)
    assert Y.shape == (20, 3)
    np.testing.assert_allclose(Y, X @ data.coefficients + data.intercepts, rtol=1e-14)
    assert (np.abs(data.coefficients) >= 1).all()
    assert (np.abs(data.coefficients) <= 9).all()
    assert (data.coefficients == np.round(data.coefficients)).all()
    assert repr(data) == "Plane(20 points, 4 inputs, 3 outputs)"


def test_plane_with_one_output_has_a_flat_target():
    data = gl.datasets.plane(2, 1, 10, seed=1)
    assert data.Y.shape == (10,)
    assert data.coefficients.shape == (2, 1)
    assert data.intercepts.shape == (1,)


def test_plane_with_given_truth_keeps_the_points():
    drawn = gl.datasets.plane(2, 2, 10, noise=0.5, seed=1)
    given = gl.datasets.plane(2, 2, 10, noise=0.5, seed=1, coefficients=[[1, 2], [3, 4]], intercepts=7)
    np.testing.assert_array_equal(given.X, drawn.X)
    np.testing.assert_array_equal(given.coefficients, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(given.intercepts, [7, 7])
    errors = drawn.Y - drawn.X @ drawn.coefficients - drawn.intercepts
    np.testing.assert_allclose(given.Y - given.X @ given.coefficients - 7, errors, atol=1e-12)
    one = gl.datasets.plane(2, 1, 10, coefficients=[1, 2], intercepts=[3])
    np.testing.assert_array_equal(one.coefficients, [[1], [2]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_examples": 0}, "n_examples must be a whole number of at least 1, not 0"),
        ({"n_examples": 2.5}, "n_examples must be a whole number of at least 1, not 2.5"),
        ({"n_examples": True}, "n_examples must be a whole number of at least 1, not True"),
        ({"slope": math.inf}, "slope must be a finite number, not inf"),
        ({"intercept": math.nan}, "intercept must be a finite number, not nan"),
        ({"slope": "6"}, "slope must be a finite number, not '6'"),
        ({"noise": -1}, "noise is a standard deviation, so it must be zero or more, not -1"),
        ({"noise": math.nan}, "noise must be a finite number, not nan"),
        ({"seed": -1}, "seed must be a whole number of zero or more, or None for fresh points each time, not -1"),
        ({"seed": "a"}, "seed must be a whole number of zero or more, or None for fresh points each time, not 'a'"),
    ],
)
def test_line_refuses_what_it_cannot_use(arguments, message):
    with pytest.raises(ValueError, match="^" + message + "$"):
        gl.datasets.line(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_inputs": 0}, "n_inputs must be a whole number of at least 1, not 0"),
        ({"n_outputs": -2}, "n_outputs must be a whole number of at least 1, not -2"),
        ({"noise": math.inf}, "noise must be a finite number, not inf"),
        ({"coefficients": [1, 2]}, r"coefficients has shape \(2,\); 3 inputs and 2 outputs need shape \(3, 2\)"),
        ({"coefficients": "abc"}, "coefficients must be an array of numbers, not 'abc'"),
        ({"coefficients": [[1, 2], [3, math.nan], [5, 6]]}, "coefficients holds NaN or infinity"),
        ({"intercepts": [1, 2, 3]}, r"intercepts has shape \(3,\); give one number for each of the 2 outputs, shape \(2,\)"),
    ],
)
def test_plane_refuses_what_it_cannot_use(arguments, message):
    with pytest.raises(ValueError, match=message):
        gl.datasets.plane(**arguments)


def test_penguins_columns():
    table = gl.datasets.penguins()
    assert list(table) == ["species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex", "year"]
    assert {len(column) for column in table.values()} == {344}
    species, counts = np.unique(table["species"], return_counts=True)
    assert dict(zip(species, counts, strict=True)) == {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}
    for name in ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"):
        assert table[name].dtype == np.float64
        assert np.isnan(table[name]).sum() == 2
    assert [cell is None for cell in table["sex"]].count(True) == 11
    assert table["flipper_length_mm"][0] == 181
    assert round(float(np.nanmean(table["body_mass_g"])), 2) == 4201.75  # the mean R's palmerpenguins documents


def test_penguins_are_the_published_file():
    published = pytest.importorskip("palmerpenguins")
    ours = resources.files("gradline") / "data" / "penguins.csv"
    theirs = resources.files(published) / "data" / "penguins.csv"
    with ours.open(encoding="utf-8") as first, theirs.open(encoding="utf-8") as second:
        assert list(csv.reader(first)) == list(csv.reader(second))


def test_penguins_are_fresh_each_time():
    gl.datasets.penguins()["body_mass_g"][:] = 0
    assert gl.datasets.penguins()["body_mass_g"][0] == 3750


REAL = {"doctors": 10, "engel": 235, "grunfeld": 220, "penguins": 344, "stack_loss": 21, "travel": 210}


@pytest.mark.parametrize(("name", "rows"), REAL.items())
def test_real_tables_have_their_rows_and_say_where_they_are_from(name, rows):
    table = getattr(gl.datasets, name)()
    assert {len(column) for column in table.values()} == {rows}
    assert all(column.dtype == np.float64 or column.dtype.kind in "UO" for column in table.values())
    told = getattr(gl.datasets, name).__doc__
    assert "Source: " in told or "source: " in told.lower()
    assert "ublic domain" in told


def test_doctors_give_the_published_rate_ratio():
    # Stata's manual, [R] poisson: 1.425519, from 1.154984 to 1.759421; the deviance 12.13244.
    doctors = gl.datasets.doctors()
    doctors["log_years"] = np.log(doctors["person_years"])
    fit = gl.fit("deaths ~ C(smokes) + C(age)", doctors, loss="poisson", offset="log_years")
    ends = fit.interval()
    found = np.exp([fit.slopes[0], ends.lower[1], ends.upper[1]])
    np.testing.assert_allclose(found, [1.425519, 1.154984, 1.759421], atol=5e-7)
    assert round(fit.deviance, 4) == 12.1324


def test_engel_gives_the_published_median_regression():
    # R's quantreg, vignette: 81.48225 + 0.56018 income.
    fit = gl.fit("food ~ income", gl.datasets.engel(), loss=gl.losses.quantile(0.5))
    np.testing.assert_allclose(fit.coefficients, [81.48225, 0.56018], atol=5e-6)


def test_stack_loss_gives_the_published_plane():
    # Brownlee's, as R's ?stackloss has it.
    fit = gl.fit("loss ~ air + water + acid", gl.datasets.stack_loss())
    np.testing.assert_allclose(fit.coefficients, [-39.9197, 0.7156, 1.2953, -0.1521], atol=5e-5)


def test_grunfeld_agrees_with_statsmodels():
    table = gl.datasets.grunfeld()
    published = pytest.importorskip("statsmodels.api").datasets.grunfeld.load_pandas().data
    np.testing.assert_array_equal(table["invest"], published["invest"])
    np.testing.assert_array_equal(table["firm"], published["firm"])


def test_travel_counts_as_published():
    modes, counts = np.unique(gl.datasets.travel()["mode"], return_counts=True)
    assert dict(zip(modes.tolist(), counts.tolist(), strict=True)) == {"air": 58, "bus": 30, "car": 59, "train": 63}
