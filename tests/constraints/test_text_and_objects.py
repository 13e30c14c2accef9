"""What ``constraints=`` takes: text, objects, lists of them; and what it refuses, saying why."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, nnls

import gradline as gl
from gradline.constraints.contradictions import contradiction
from gradline.constraints.linear_text import read_constraints
from gradline.constraints.polyhedron import Polyhedron

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(120, 4))
Y = X @ [1.0, -0.5, 0.2, 0.6] + RANDOM.normal(size=120)
TABLE = {f"x{j + 1}": X[:, j] for j in range(4)} | {"y": Y, "region": np.array(["east", "north", "south"])[RANDOM.integers(0, 3, 120)]}


def rows_of(text, names=("x1", "x2", "x3", "x4")):
    return [(row.weights.tolist(), row.right, row.relation, row.text) for row in read_constraints(text, names)]


class TestText:
    def test_relations_and_chains(self):
        assert rows_of("x1 >= 0") == [([1, 0, 0, 0], 0, ">=", "x1 >= 0")]
        assert rows_of("x2 + x3 == 1") == [([0, 1, 1, 0], 1, "=", "x2 + x3 = 1")]
        assert rows_of("0 <= x4 <= 1") == [([0, 0, 0, 1], 0, ">=", "0 <= x4"), ([0, 0, 0, -1], -1, ">=", "x4 <= 1")]
        assert rows_of("2*x1 - x2/4 < 3 + x4; x1 ≥ -1")[0][:3] == ([-2, 0.25, 0, 1], -3, ">=")

    def test_levels_and_linear_predictors(self):
        fit = gl.fit("y ~ x1 + C(region)", TABLE, constraints="C(region)[T.north] >= C(region)[T.south], C(region)[T.north] >= 0.1")
        north, south = fit.coefficients[[fit.names.index(f"C(region)[T.{name}]") for name in ("north", "south")]]
        assert north >= south
        assert north >= 0.1
        fit = gl.fit({"mean": "y ~ x1 + x2", "log_scale": "~ x1"}, TABLE, loss="normal", constraints="mean:x2 >= 0, log_scale:x1 = 0.05")
        assert fit.coefficients[fit.names.index("x2"), 0] == 0.0
        assert fit.coefficients[fit.names.index("x1"), 1] == 0.05

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("x9 >= 0", "no coefficient 'x9'; did you mean"),
            ("2 >= 1", "'2 >= 1' holds no coefficient"),
            ("x1 >= x1", "holds no coefficient"),
            ("x1", "has no >=, <= or =: write what it is to be"),
            ("", "the constraint is empty"),
            ("x1 * x2 >= 0", "not linear"),
            ("x1 >= 0 x2", "cannot be read at 'x2'"),
        ],
    )
    def test_bad_text(self, text, said):
        with pytest.raises(gl.ArgumentError, match=said):
            gl.fit(X, Y, constraints=text)

    def test_a_hypothesis_is_still_an_equation(self):
        with pytest.raises(gl.InferenceError, match="what holds within bounds is a constraint"):
            gl.fit(X, Y).test("x1 >= 0")

    def test_a_name_without_its_linear_predictor(self):
        with pytest.raises(gl.ArgumentError, match="did you mean 'mean:x1' or 'log_scale:x1'"):
            gl.fit({"mean": "y ~ x1 + x2", "log_scale": "~ x1"}, TABLE, loss="normal", constraints="x1 >= 0")

    def test_a_coefficient_that_a_linear_predictor_has_not(self):
        with pytest.raises(gl.ArgumentError, match="which the formula of that linear predictor has not"):
            gl.fit({"mean": "y ~ x1 + x2", "log_scale": "~ x1"}, TABLE, loss="normal", constraints="log_scale:x2 >= 0")


class TestObjects:
    def test_bounds_by_number_array_and_name(self):
        for bounds in (
            gl.constraints.bounds(lower=0.0, upper=0.7),
            gl.constraints.bounds(lower=[0.0] * 4, upper=[0.7] * 4),
            gl.constraints.bounds(lower={f"x{j}": 0.0 for j in range(1, 5)}, upper={f"x{j}": 0.7 for j in range(1, 5)}),
            ["0 <= x1 <= 0.7, 0 <= x2 <= 0.7", gl.constraints.bounds(0.0, 0.7)],
            gl.constraints.nonnegative() + gl.constraints.linear(np.eye(4), upper=0.7),
            "x1 <= 0.7, x2 <= 0.7, x3 <= 0.7, x4 <= 0.7" + gl.constraints.nonnegative(),
        ):
            fit = gl.fit(X, Y, constraints=bounds)
            assert fit.slopes[0] == 0.7
            assert fit.slopes[1] == 0.0
            assert ((fit.slopes >= 0) & (fit.slopes <= 0.7)).all()

    def test_sums_and_linear_forms_with_the_intercept(self):
        fit = gl.fit(X, Y, constraints=gl.constraints.sum_to(0.5, ["x1", "x2"]))
        assert fit.slopes[:2].sum() == pytest.approx(0.5, abs=1e-15)
        fit = gl.fit(X, Y, constraints=gl.constraints.linear([[1.0, 1.0, 0, 0, 0]], 0.25, 0.25))
        assert fit.intercept + fit.slopes[0] == pytest.approx(0.25, abs=1e-15)

    def test_a_term_stands_for_its_columns(self):
        fit = gl.fit("y ~ x1 + C(region)", TABLE, constraints=gl.constraints.bounds(lower={"C(region)": 0.3}))
        assert all(fit.coefficients[j] >= 0.3 for j, name in enumerate(fit.names) if name.startswith("C("))

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (lambda: gl.constraints.bounds(lower={"x1": 2.0}, upper={"x1": 1.0}), "the bounds of 'x1' cross: the lower is 2, the upper 1"),
            (lambda: gl.constraints.linear(np.eye(4)[:1], 2.0, 1.0), "ends of row 0 .* cross"),
            (lambda: gl.constraints.linear(np.zeros((1, 4)), 0.0), "row 0 of A .* holds no coefficient"),
            (lambda: gl.constraints.linear(np.eye(3), 0.0), "a column for each of 4 slopes"),
            (lambda: gl.constraints.nonnegative("x7"), "'x7', which is no coefficient; did you mean"),
            (lambda: gl.constraints.bounds(), "needs lower=, upper=, or both"),
            (lambda: gl.constraints.monotone("x1", "up"), '"increasing" or "decreasing"'),
            (lambda: gl.constraints.monotone("x1", "increasing", within=(3, 2)), "lower end before the upper"),
            (lambda: gl.constraints.convex("x1"), "no spline, polynomial or category with an order"),
            (lambda: gl.constraints.bounds(lower=-np.inf), "every end is infinite"),
            (list, "is empty"),
        ],
    )
    def test_bad_objects(self, given, said):
        with pytest.raises(ValueError, match=said):
            gl.fit(X, Y, constraints=given())

    @pytest.mark.parametrize("given", [3, {"x1": (0, 1)}, gl.constraints.nonnegative, np.eye(4)])
    def test_what_is_no_constraint(self, given):
        with pytest.raises(TypeError, match="constraints"):
            gl.fit(X, Y, constraints=given)

    def test_solvers_and_starts_that_do_not_go_with_them(self):
        with pytest.raises(ValueError, match=r"LeastSquares keeps to no constraints, .* use gl\.ConstrainedNewton"):
            gl.fit(X, Y, constraints="x1 >= 0", solver=gl.LeastSquares())
        with pytest.raises(ValueError, match="start= does not meet the constraint 'x1 >= 0'"):
            gl.fit(X, Y, constraints="x1 >= 0", start=[0.0, -1.0, 0.0, 0.0, 0.0])
        with pytest.raises(ValueError, match="it goes with constraints="):
            gl.fit(X, Y, inference="face")
        with pytest.raises(ValueError, match="inference= is one of"):
            gl.fit(X, Y, constraints="x1 >= 0", inference="bootstrap")

    def test_words_of_other_programs(self):
        with pytest.raises(TypeError, match=r"here it is constraints=gl\.constraints\.nonnegative"):
            gl.fit(X, Y, positive=True)
        with pytest.raises(AttributeError, match=r"nonnegative\(\) \+ gl.constraints.sum_to"):
            _ = gl.constraints.simplex


class TestContradictions:
    def test_the_smallest_group_is_named(self):
        with pytest.raises(gl.ArgumentError, match="no coefficients meet the constraints 'x1 >= 0', 'x1 \\+ x2 <= 1', 'x2 >= 2' together"):
            gl.fit(X, Y, constraints="x3 >= 0, x1 >= 0, x4 = 2, x1 + x2 <= 1, x2 >= 2")
        with pytest.raises(gl.ArgumentError, match="'x1 = 1', 'x1 = 2' together"):
            gl.fit(X, Y, loss="absolute", constraints="x1 = 1, x1 = 2")

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 2**32))
    def test_no_row_of_it_can_be_spared(self, seed):
        random = np.random.default_rng(seed)
        m, d = 12, 4
        matrix, right = random.normal(size=(m, d)), random.normal(size=m) + 1.0
        equal = random.random(m) < 0.2
        polyhedron = Polyhedron(matrix, right, equal, tuple(map(str, range(m))), (d, 1))

        def possible(rows):
            rows = list(rows)
            flags = equal[rows]
            ends = {"A_ub": -matrix[rows][~flags], "b_ub": -right[rows][~flags], "A_eq": matrix[rows][flags], "b_eq": right[rows][flags]}
            found = linprog(np.zeros(d), **{k: v if len(v) else None for k, v in ends.items()}, bounds=(None, None))
            return found.status == 0

        rows = contradiction(polyhedron)
        assert bool(rows) != possible(range(m))
        if rows:
            assert not possible(rows)
            assert all(possible(other for other in rows if other != row) for row in rows)


class TestSquared:
    @pytest.mark.parametrize("row_scale", [1e-21, 1.0, 1e21])
    @pytest.mark.parametrize("column_scale", [1e-21, 1.0, 1e21])
    def test_nonnegative_least_squares_in_any_units(self, row_scale, column_scale):
        expected = nnls(X, Y)[0]
        columns = np.array([column_scale, 1.0, 1.0 / column_scale, column_scale])
        fit = gl.fit(X * columns * row_scale, Y * row_scale, intercept=False, constraints=gl.constraints.nonnegative())
        assert fit.coefficients * columns == pytest.approx(expected, abs=1e-10)
        assert (fit.coefficients[expected == 0] == 0).all()

    def test_dependent_columns_and_more_columns_than_rows(self):
        wide = RANDOM.normal(size=(10, 30))
        fit = gl.fit(wide, Y[:10], constraints=[gl.constraints.nonnegative(), gl.constraints.sum_to(1.0)])
        assert (fit.slopes >= 0).all()
        assert fit.slopes.sum() == pytest.approx(1.0, abs=1e-14)
        gradient = 2.0 * wide.T @ (wide @ fit.slopes + fit.intercept - Y[:10]) / 10
        assert gradient == pytest.approx(fit.constraints.force[1:, 0], abs=1e-10)

    def test_columns_that_say_the_same_are_not_told_apart(self):
        twice = np.column_stack([X[:, 0], X[:, 0], X[:, 1]])
        with pytest.warns(gl.GradlineWarning, match="not unique"):
            fit = gl.fit(twice, Y, constraints="x1 >= 0.1, x2 >= 0.1", covariance=False)
        alone = gl.fit(X[:, :2], Y, constraints="x1 >= 0.2")
        assert fit.loss == pytest.approx(alone.loss, rel=1e-13)
        assert fit.slopes[0] + fit.slopes[1] == pytest.approx(alone.slopes[0], abs=1e-12)
        # One that no constraint is on is left out, as ever.
        with pytest.warns(gl.GradlineWarning, match="left out of the model"):
            fit = gl.fit(twice, Y, constraints="x3 >= 0")
        assert fit.aliased == ("x2",)

    def test_far_columns_keep_their_digits(self):
        far = X + 1e6
        near = gl.fit(X, Y, constraints=gl.constraints.nonnegative())
        assert gl.fit(far, Y, constraints=gl.constraints.nonnegative()).slopes == pytest.approx(near.slopes, rel=1e-9, abs=1e-9)

    def test_large_data_take_one_pass_and_moments_none(self, monkeypatch):
        monkeypatch.setattr("gradline.solvers.constrained.squared.EXACT_NUMBERS", 100)
        monkeypatch.setattr("gradline.fitting.constrained.EXACT_NUMBERS", 100)
        fit = gl.fit(X, Y, names=["x1", "x2", "x3", "x4"], constraints="x2 >= 0, x1 + x3 = 1")
        assert fit.solution.passes == 1
        exact = gl.Moments({**{f"x{j + 1}": X[:, j] for j in range(4)}, "y": Y}).fit("y ~ .", constraints="x2 >= 0, x1 + x3 = 1")
        assert fit.coefficients == pytest.approx(exact.coefficients, abs=1e-12)
        assert exact.active_constraints == fit.active_constraints == ("x2 >= 0", "x1 + x3 = 1")
        assert exact.multipliers == pytest.approx(fit.multipliers, abs=1e-12)
        assert exact.dispersion == pytest.approx(fit.dispersion)
        assert fit.standard_errors == pytest.approx(gl.fit(X, Y).standard_errors)
        assert fit.log_likelihood == pytest.approx(exact_likelihood(fit))

    def test_moments_refuse_what_a_fit_refuses(self):
        with pytest.raises(gl.ArgumentError, match="'x1 >= 2', 'x1 <= 1' together"):
            gl.Moments({"x1": X[:, 0], "y": Y}).fit("y ~ x1", constraints="x1 >= 2, x1 <= 1")


def exact_likelihood(fit):
    squares = float(np.sum(np.square(Y - X @ fit.slopes - fit.intercept)))
    return -0.5 * len(Y) * (np.log(2 * np.pi * squares / len(Y)) + 1.0)


def test_without_daqp_the_command_to_install_it_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "daqp", None)
    with pytest.raises(ImportError, match=r"pip install \"gradline\[constraints\]\""):
        gl.fit(X, Y, constraints="x1 >= 0")


def test_rows_that_are_read_anew_at_each_pass(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text(
        "\n".join(["x1,x2,y", *(f"{a!r},{b!r},{c!r}" for a, b, c in zip(X[:, 0].tolist(), X[:, 1].tolist(), Y.tolist(), strict=True))])
    )
    monkeypatch.setattr("gradline.preparing.from_table.MOST_HELD", 10)
    for loss in ("squared", gl.losses.huber(1.0)):
        streamed = gl.fit("y ~ x1 + x2", path, loss=loss, constraints="x2 >= 0, x1 <= 0.5")
        held = gl.fit("y ~ x1 + x2", TABLE, loss=loss, constraints="x2 >= 0, x1 <= 0.5")
        assert streamed.coefficients == pytest.approx(held.coefficients, abs=1e-12)
        assert streamed.multipliers == pytest.approx(held.multipliers, abs=1e-10)
    with pytest.raises(ValueError, match="needs its rows in memory"):
        gl.fit("y ~ x1 + x2", path, loss="absolute", constraints="x2 >= 0")
