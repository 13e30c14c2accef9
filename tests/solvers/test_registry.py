"""What solvers refuse, who is taken in their place, and that one place asks."""

import dataclasses
import re
import types

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

import gradline as gl
from gradline import losses, penalties
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers import registry
from gradline.solvers.least_squares.many_levels import ManyLevels
from gradline.solvers.newton.many_levels import ManyLevelsNewton

RANDOM = np.random.default_rng(11)
N = 60
A, B = RANDOM.normal(size=(2, N))
TWO = {"y1": A + 2 * B + RANDOM.normal(size=N), "y2": B + RANDOM.normal(size=N), "a": A, "b": B}
FORMULAS = {"y1": "y1 + y2 ~ a", "y2": "~ b"}
SOLVERS = [gl.ActiveSetNewton(), gl.GradientDescent(), gl.LBFGS(), gl.LeastSquares(), gl.Newton(), gl.PiecewiseLinear()]


@dataclasses.dataclass(frozen=True)
class Own:
    """A penalty of one's own: strength times the squares. Its ``strength`` is twice a ridge's, whatever its name says."""

    strength: float
    name: str = "ridge"

    def value(self, slopes):
        return self.strength * float(np.sum(slopes**2))

    def gradient(self, slopes):
        return 2 * self.strength * slopes

    def curvature(self, slopes):
        return np.full(slopes.shape, 2 * self.strength)


def named(solver):
    return type(solver).__name__


def problem(loss="squared", targets=1, columns=2, **options):
    rows = ArrayRows(RANDOM.normal(size=(30, columns)), RANDOM.normal(size=(30, targets)))
    return Problem(rows, losses.by_name(loss) if isinstance(loss, str) else loss, **options)


def absolute_apart(columns):
    """Each target's own least absolute deviations, by SciPy's linear programs: (intercept, slope) of each."""
    found = []
    for target, column in columns:
        design, y = np.column_stack([np.ones(N), TWO[column]]), TWO[target]
        eye = np.eye(N)
        cost = np.concatenate([np.zeros(2), np.full(2 * N, 1.0)])
        bounds = [(None, None)] * 2 + [(0, None)] * (2 * N)
        found.append(scipy.optimize.linprog(cost, A_eq=np.hstack([design, eye, -eye]), b_eq=y, bounds=bounds).x[:2])
    return found


class TestAFormulaForEachTarget:
    @pytest.mark.parametrize("solver", ["auto", *SOLVERS], ids=str)
    @pytest.mark.parametrize(
        "loss", ["squared", "absolute", losses.quantile(0.3), losses.huber(1.0), losses.epsilon_insensitive(0.2)], ids=str
    )
    def test_is_kept_to_or_refused(self, solver, loss):
        keeps = (gl.Newton, gl.LBFGS) if loss == "squared" or loss == losses.huber(1.0) else (gl.ActiveSetNewton,)
        if not (solver == "auto" or isinstance(solver, keeps)):
            with pytest.raises(ValueError, match=rf"{named(solver)} .*(use|:) (gl\.)?\w+"):
                gl.fit(FORMULAS, TWO, loss=loss, solver=solver)
            return
        fit = gl.fit(FORMULAS, TWO, loss=loss, solver=solver)
        assert fit.coefficients[2, 0] == 0
        assert fit.coefficients[1, 1] == 0
        assert fit.certificate.converged

    def test_absolute_errors_are_those_of_each_target_alone(self):
        with pytest.raises(ValueError, match=r"PiecewiseLinear moves every coefficient, but here each .* formula; use gl\.ActiveSetNewton"):
            gl.fit(FORMULAS, TWO, loss="absolute", solver=gl.PiecewiseLinear())
        fit = gl.fit(FORMULAS, TWO, loss="absolute")
        (first, second) = absolute_apart([("y1", "a"), ("y2", "b")])
        np.testing.assert_allclose(fit.coefficients[[0, 1], 0], first, rtol=1e-7)
        np.testing.assert_allclose(fit.coefficients[[0, 2], 1], second, rtol=1e-7)

    def test_squared_errors_are_those_of_each_target_alone(self):
        fit = gl.fit(FORMULAS, TWO)
        np.testing.assert_allclose(fit.coefficients[[0, 1], 0], np.polyfit(A, TWO["y1"], 1)[::-1], rtol=1e-9)
        np.testing.assert_allclose(fit.coefficients[[0, 2], 1], np.polyfit(B, TWO["y2"], 1)[::-1], rtol=1e-9)
        with pytest.raises(ValueError, match="accuracy='full' would not be used: LeastSquares moves every coefficient"):
            gl.fit(FORMULAS, TWO, accuracy="full")

    @pytest.mark.parametrize("parent", [gl.PiecewiseLinear, gl.LeastSquares, gl.GradientDescent])
    def test_a_subclass_does_not_slip_through(self, parent):
        subclass = type("Mine", (parent,), {})
        with pytest.raises(ValueError, match="Mine moves every coefficient"):
            gl.fit(FORMULAS, TWO, loss="absolute" if parent is gl.PiecewiseLinear else "squared", solver=subclass())

    def test_a_subclass_of_one_that_can_is_held_to_it(self):
        class Careless(gl.Newton):
            def solve(self, problem, start=None, progress=False):
                return gl.LeastSquares().solve(dataclasses.replace(problem, mask=None))

        with pytest.raises(ValueError, match=r"Careless moved the coefficient of 'a', which is not free"):
            gl.fit(FORMULAS, TWO, solver=Careless())
        plain = gl.fit("y1 ~ a + b", TWO, solver=Careless())
        np.testing.assert_allclose(plain.coefficients, gl.fit("y1 ~ a + b", TWO).coefficients)


class TestOneNumberForAllRows:
    def test_is_kept_to_or_refused(self):
        with pytest.raises(ValueError, match=r"GradientDescent moves every .* one number for all rows; use gl\.Newton\(\)"):
            gl.fit(A[:, None], TWO["y1"], loss=losses.huber(1.35, scale="joint"), solver=gl.GradientDescent())


@pytest.mark.parametrize(
    ("solver", "kept", "refused"),
    [
        (gl.LeastSquares(), problem(penalty=penalties.ridge(1.0)), problem(losses.huber(1.0))),
        (gl.LeastSquares(), problem(targets=2), problem(penalty=Own(1.0))),
        (gl.LeastSquares(), problem(), problem(targets=2, mask=np.array([[True, True], [True, False], [False, True]]))),
        (gl.Newton(), problem(losses.huber(1.0), penalty=Own(1.0)), problem("absolute")),
        (gl.Newton(), problem(targets=2, mask=np.array([[True, True], [True, False], [False, True]])), problem(losses.quantile(0.2))),
        (gl.LBFGS(), problem(losses.huber(1.0), penalty=Own(1.0)), problem("absolute")),
        (gl.ActiveSetNewton(), problem("absolute", penalty=penalties.ridge(1.0)), problem(losses.huber(1.0))),
        (gl.PiecewiseLinear(), problem("absolute"), problem("absolute", penalty=penalties.ridge(1.0))),
        (gl.PiecewiseLinear(), problem("absolute", targets=2), problem(losses.huber(1.0))),
        (gl.GradientDescent(), problem("absolute", penalty=Own(1.0)), problem(mask=np.array([[True], [True], [False]]))),
        (gl.NewtonCG(), problem(losses.huber(1.0), penalty=Own(1.0)), problem("absolute")),
        (ManyLevels(), None, problem()),
        (ManyLevelsNewton(), None, problem(losses.huber(1.0))),
    ],
)
def test_what_each_refuses(solver, kept, refused):
    assert kept is None or solver.refuses(kept) is None
    reason = solver.refuses(refused)
    assert named(solver) in reason
    with pytest.raises(ValueError, match=re.escape(reason)):
        registry.solve(solver, refused)


def test_a_scalar_of_all_rows_is_refused_by_who_needs_rows():
    def joint(y, prediction):
        return tf.sqrt(tf.reduce_mean(tf.square(y - prediction)))

    rows = ArrayRows(A[:, None], TWO["y1"][:, None])
    held = Problem(rows, losses.custom(joint).bind(rows.targets))
    refusing = {named(solver) for solver in [*SOLVERS, gl.GradientDescent(batch_size=5)] if solver.refuses(held)}
    assert refusing == {"ActiveSetNewton", "LeastSquares", "Newton", "PiecewiseLinear", "GradientDescent"}
    assert gl.GradientDescent().refuses(held) is None
    assert isinstance(registry.automatic(held), gl.LBFGS)


class TestASolverFromElsewhere:
    def test_that_does_not_say_what_it_refuses(self):
        own = types.SimpleNamespace(solve=lambda problem, start=None, progress=False: gl.LeastSquares().solve(problem))
        with pytest.raises(TypeError, match=r"does not say what it refuses: give it a method refuses\(problem\)"):
            gl.fit(A[:, None], TWO["y1"], solver=own)

    def test_that_does(self):
        class Mine:
            def refuses(self, problem):
                return "Mine takes no penalty" if problem.penalty is not None else None

            def solve(self, problem, start=None, progress=False):
                return dataclasses.replace(gl.LeastSquares().solve(problem), solver="mine")

        fit = gl.fit(A[:, None], TWO["y1"], solver=Mine())
        assert fit.solver == "mine"
        with pytest.raises(ValueError, match="Mine takes no penalty"):
            gl.fit(A[:, None], TWO["y1"], penalty=penalties.ridge(1.0), solver=Mine())
        with pytest.raises(ValueError, match="Mine moved the coefficient of 'a'"):
            gl.fit(FORMULAS, TWO, solver=Mine())


class TestAPenaltyOfOnesOwn:
    """(X'X / n + strength) b = X'y / n of centred columns is the minimum of mean squares and strength times the squared slopes."""

    X = np.column_stack([A, B])

    def expected(self, y, strength):
        centred, target = self.X - self.X.mean(axis=0), y - y.mean(axis=0)
        return np.linalg.solve(centred.T @ centred / N + strength * np.eye(2), centred.T @ target / N)

    @pytest.mark.parametrize("solver", ["auto", gl.Newton(), gl.LBFGS(tolerance=1e-12)], ids=str)
    @pytest.mark.parametrize("name", ["ridge", "mine"])
    @pytest.mark.parametrize("targets", [("y1",), ("y1", "y2")])
    def test_beside_squared_loss(self, solver, name, targets):
        y = np.column_stack([TWO[target] for target in targets])
        fit = gl.fit(self.X, y, penalty=Own(0.3, name), solver=solver)
        np.testing.assert_allclose(fit.solution.coefficients[1:], self.expected(y, 0.3), rtol=1e-6)
        assert fit.certificate.converged

    def test_its_standard_errors_are_those_of_the_same_ridge(self):
        own, ridge = (gl.fit(self.X, TWO["y1"], penalty=penalty) for penalty in (Own(0.3), penalties.ridge(0.6)))
        np.testing.assert_allclose(own.slopes, ridge.slopes, rtol=1e-8)
        np.testing.assert_allclose(own.standard_errors, ridge.standard_errors, rtol=1e-6)

    def test_least_squares_refuses_it_and_says_who_can(self):
        with pytest.raises(ValueError, match=r"LeastSquares takes a ridge penalty or none, .* use gl\.Newton\(\)"):
            gl.fit(self.X, TWO["y1"], penalty=Own(0.3, "mine"), solver=gl.LeastSquares())

    def test_a_subclass_of_ridge_that_charges_for_something_else(self):
        class Twice(penalties.Ridge):
            def value(self, slopes):
                return 2 * super().value(slopes)

            def gradient(self, slopes):
                return 2 * super().gradient(slopes)

            def curvature(self, slopes):
                return 2 * super().curvature(slopes)

        fit = gl.fit(self.X, TWO["y1"], penalty=Twice(0.3))
        np.testing.assert_allclose(fit.slopes, self.expected(TWO["y1"], 0.3), rtol=1e-8)

    @pytest.mark.parametrize("loss", ["logistic", "absolute", losses.huber(0.5)], ids=str)
    def test_beside_other_losses(self, loss):
        y = (TWO["y1"] > 0).astype(float) if loss == "logistic" else TWO["y1"]
        own, ridge = (gl.fit(self.X, y, loss=loss, penalty=penalty) for penalty in (Own(0.05), penalties.ridge(0.1)))
        np.testing.assert_allclose(own.coefficients, ridge.coefficients, rtol=1e-6, atol=1e-8)
