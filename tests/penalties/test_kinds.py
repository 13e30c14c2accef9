"""Quadratic, smooth and proximal penalties: what each declares, how the objective takes it, and who refuses it."""

from dataclasses import dataclass

import numpy as np
import pytest

import gradline as gl
from gradline.objective.objective import Problem
from gradline.penalties.kinds import in_units, kind_of, ridge_strength
from gradline.penalties.quadratic import Quadratic
from gradline.rows.arrays import ArrayRows
from gradline.solvers import registry
from gradline.solvers.least_squares.many_levels import ManyLevels
from gradline.solvers.newton.many_levels import ManyLevelsNewton
from gradline.solvers.refusing import needs_a_diagonal_penalty

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(80, 3))
Y = 0.5 + X @ [1.0, -0.5, 0.2] + 0.3 * RANDOM.normal(size=80)
FIRST_DIFFERENCES = np.diff(np.eye(3), axis=0)
Q = FIRST_DIFFERENCES.T @ FIRST_DIFFERENCES
SOLVERS = [
    gl.ActiveSetNewton(),
    gl.GradientDescent(),
    gl.LBFGS(),
    gl.LeastSquares(),
    gl.Newton(),
    gl.PiecewiseLinear(),
    ManyLevels(),
    ManyLevelsNewton(),
]


class Lasso:
    """strength times the sum of sizes."""

    kind, name = "proximal", "lasso"

    def __init__(self, strength):
        self.strength = strength

    def value(self, slopes):
        return self.strength * float(np.abs(slopes).sum())

    def prox(self, slopes, step):
        return np.sign(slopes) * np.maximum(np.abs(slopes) - self.strength * step, 0.0)

    def subgradient_distance(self, slopes, gradient):
        away = np.where(slopes == 0, np.maximum(np.abs(gradient) - self.strength, 0.0), gradient + self.strength * np.sign(slopes))
        return float(np.linalg.norm(away))


@dataclass(frozen=True)
class SmoothSizes:
    """strength times the sum of sqrt(1 + b^2): smooth and not quadratic; it declares no kind."""

    strength: float
    name: str = "sizes"

    def value(self, slopes):
        return self.strength * float(np.sqrt(1 + slopes**2).sum())

    def gradient(self, slopes):
        return self.strength * slopes / np.sqrt(1 + slopes**2)

    def curvature(self, slopes):
        return self.strength * (1 + slopes**2) ** -1.5


def problem(penalty, loss=gl.losses.squared, y=Y):
    return Problem(ArrayRows(X, np.reshape(y, (80, -1))), loss, penalty)


class TestKinds:
    def test_what_each_declares(self):
        assert kind_of(None) is None
        assert kind_of(gl.penalties.ridge(0.1)) == kind_of(Quadratic(Q)) == "quadratic"
        assert kind_of(SmoothSizes(1.0)) == "smooth"
        assert kind_of(Lasso(1.0)) == "proximal"

    def test_a_strength_is_a_ridges_only(self):
        assert ridge_strength(None) == 0.0
        assert ridge_strength(gl.penalties.ridge(0.3)) == 0.3
        for other in (Quadratic(Q), SmoothSizes(0.3), Lasso(0.3), type("Mine", (gl.penalties.Ridge,), {})(0.3)):
            assert ridge_strength(other) is None

    def test_a_class_made_from_ridge_is_smooth(self):
        assert kind_of(type("Mine", (gl.penalties.Ridge,), {})(0.3)) == "smooth"

    def test_a_kind_that_there_is_none_of(self):
        odd = type("Odd", (SmoothSizes,), {"kind": "rough"})(1.0)
        with pytest.raises(TypeError, match="the penalty 'sizes' is of kind 'rough'; known are quadratic, smooth, proximal"):
            gl.fit(X, Y, penalty=odd)

    @pytest.mark.parametrize(("kind", "missing"), [("quadratic", "ridge_strength"), ("proximal", r"prox\(slopes, step\)")])
    def test_members_that_are_missing(self, kind, missing):
        odd = type("Odd", (SmoothSizes,), {"kind": kind})(1.0)
        with pytest.raises(TypeError, match=f"is of kind '{kind}', and needs .*{missing}"):
            gl.fit(X, Y, penalty=odd)


class TestQuadratic:
    def test_its_minimum_solves_the_normal_equations(self):
        fit = gl.fit(X, Y, penalty=Quadratic(0.7 * Q))
        centred = X - X.mean(axis=0)
        expected = np.linalg.solve(2 * centred.T @ centred / 80 + 0.7 * Q, 2 * centred.T @ (Y - Y.mean()) / 80)
        np.testing.assert_allclose(fit.slopes, expected, rtol=1e-9)

    @pytest.mark.parametrize("solver", [gl.Newton(), gl.LBFGS(tolerance=1e-12), gl.ActiveSetNewton()], ids=str)
    def test_other_losses(self, solver):
        loss = gl.losses.absolute if isinstance(solver, gl.ActiveSetNewton) else gl.losses.huber(0.5)
        found = gl.fit(X, Y, loss=loss, penalty=Quadratic(0.7 * np.eye(3)), solver=solver)
        ridge = gl.fit(X, Y, loss=loss, penalty=gl.penalties.ridge(0.7), solver=solver)
        np.testing.assert_allclose(found.coefficients, ridge.coefficients, rtol=1e-7, atol=1e-9)

    def test_standard_errors_of_a_multiple_of_the_identity_are_the_ridges(self):
        y = np.column_stack([Y, X @ [0.3, 0.1, -1.0] + RANDOM.normal(size=80)])
        for target in (Y, y):
            found, ridge = (gl.fit(X, target, penalty=penalty) for penalty in (Quadratic(0.4 * np.eye(3)), gl.penalties.ridge(0.4)))
            np.testing.assert_allclose(found.standard_errors, ridge.standard_errors, rtol=1e-8)

    def test_standard_errors_of_any_matrix(self):
        fit = gl.fit(X, Y, penalty=Quadratic(0.7 * Q), covariance="HC0")
        design = np.column_stack([np.ones(80), X])
        whole = np.zeros((4, 4))
        whole[1:, 1:] = 0.7 * Q
        inverse = np.linalg.inv(2 * design.T @ design + 80 * whole)
        scores = design * (2 * (Y - fit.predict(X)))[:, None]
        np.testing.assert_allclose(fit.standard_errors, np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse)), rtol=1e-8)

    def test_the_objective_holds_all_of_its_curvature(self):
        y = np.column_stack([Y, -Y])
        B = RANDOM.normal(size=(4, 2))
        with_it, without = (problem(penalty, y=y).evaluate(B, 2) for penalty in (Quadratic(Q), None))
        expected = np.zeros((8, 8))
        expected[1:4, 1:4] = expected[5:, 5:] = Q
        np.testing.assert_allclose(with_it.curvature - without.curvature, expected, atol=1e-12)
        np.testing.assert_allclose(with_it.gradient[1:] - without.gradient[1:], Q @ B[1:], atol=1e-12)
        np.testing.assert_array_equal(with_it.gradient[0], without.gradient[0])
        assert with_it.value - without.value == pytest.approx(0.5 * np.trace(B[1:].T @ Q @ B[1:]), rel=1e-10)

    def test_columns_in_other_units(self):
        unit = np.array([[2.0], [0.5], [4.0]])
        moved, slopes = in_units(Quadratic(Q), unit), RANDOM.normal(size=(3, 2))
        scaled = Quadratic(unit * Q * unit.T)
        assert moved.value(slopes) == pytest.approx(scaled.value(slopes), rel=1e-14)
        np.testing.assert_allclose(moved.gradient(slopes), scaled.gradient(slopes), rtol=1e-13)
        np.testing.assert_allclose(moved.curvature(slopes), scaled.curvature(slopes), rtol=1e-13)
        assert ridge_strength(in_units(gl.penalties.ridge(1.0), unit)) is None

    def test_it_survives_a_model_file(self, tmp_path):
        fit = gl.fit(X, Y, penalty=Quadratic(0.7 * Q), covariance="HC1")
        fit.save(tmp_path / "model.json")
        loaded = gl.load(tmp_path / "model.json")
        assert loaded.penalty.name == "quadratic"
        np.testing.assert_array_equal(loaded.standard_errors, fit.standard_errors)

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            (np.ones((2, 3)), "must be square and finite"),
            ([[np.nan]], "must be square and finite"),
            ([[1.0, 2.0], [0.0, 1.0]], r"must be symmetric: entry \(0, 1\) is not entry \(1, 0\)"),
            ([[1.0, 0.0], [0.0, -1.0]], "positive semidefinite, and has the eigenvalue -1"),
        ],
    )
    def test_a_matrix_that_is_none(self, matrix, message):
        with pytest.raises(ValueError, match=message):
            Quadratic(matrix)

    def test_other_columns(self):
        with pytest.raises(ValueError, match="the penalty 'quadratic' is for 2 columns, and the model has 3"):
            gl.fit(X, Y, penalty=Quadratic(np.eye(2)))

    def test_a_solver_of_levels_one_by_one_refuses_what_couples_them(self):
        held = problem(Quadratic(Q))
        assert "ManyLevelsNewton eliminates levels one by one, and the penalty 'quadratic' couples" in needs_a_diagonal_penalty(
            ManyLevelsNewton(), held
        )
        assert needs_a_diagonal_penalty(ManyLevelsNewton(), problem(SmoothSizes(1.0))) is None


class TestSmooth:
    def test_a_penalty_that_declares_nothing_is_taken_as_before(self):
        fit = gl.fit(X, Y, penalty=SmoothSizes(0.6))
        residuals = Y - fit.predict(X)
        np.testing.assert_allclose(2 * X.T @ residuals / 80, SmoothSizes(0.6).gradient(fit.slopes), rtol=1e-8)

    def test_a_curvature_of_another_shape(self):
        odd = type("Odd", (SmoothSizes,), {"curvature": lambda self, slopes: np.ones(3)})(1.0)
        with pytest.raises(TypeError, match=r"has a curvature of shape \(3,\): give its diagonal, \(3, 1\), or all of it, \(3, 3\)"):
            gl.fit(X, Y, penalty=odd, solver=gl.Newton())


class TestProximal:
    @pytest.mark.parametrize("solver", SOLVERS, ids=str)
    def test_every_solver_refuses_it(self, solver):
        loss = gl.losses.absolute if isinstance(solver, gl.ActiveSetNewton | gl.PiecewiseLinear) else gl.losses.squared
        held = problem(Lasso(0.1), loss)
        reason = solver.refuses(held)
        assert type(solver).__name__ in reason
        assert solver.refuses(problem(None, loss)) is None or isinstance(solver, ManyLevels | ManyLevelsNewton)
        with pytest.raises(ValueError, match=type(solver).__name__):
            registry.solve(solver, held)

    @pytest.mark.parametrize("options", [{}, {"solver": gl.Newton(), "covariance": "HC1"}, {"loss": "absolute"}], ids=str)
    def test_a_fit_says_that_none_can(self, options):
        with pytest.raises(ValueError, match=r"'lasso' is(;| none;) use gl\.\w*Newton"):
            gl.fit(X, Y, penalty=Lasso(0.1), **options)

    def test_its_value_counts_and_it_has_no_derivatives(self):
        B = RANDOM.normal(size=(4, 1))
        held = problem(Lasso(0.1))
        assert held.evaluate(B, 0).value == pytest.approx(problem(None).evaluate(B, 0).value + 0.1 * np.abs(B[1:]).sum(), rel=1e-14)
        with pytest.raises(ValueError, match="the penalty 'lasso' has kinks, and no derivatives"):
            held.evaluate(B, 1)
