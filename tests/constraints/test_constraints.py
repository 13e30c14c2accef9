"""A problem holds constraints: no solver loses them in silence, and the automatic choice keeps to them."""

import dataclasses

import numpy as np
import pytest

import gradline as gl
from gradline.constraints.protocol import Bounds, Constraints, LinearForms
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers import registry
from gradline.solvers.centring import centred
from gradline.solvers.least_squares.many_levels import ManyLevels
from gradline.solvers.newton.many_levels import ManyLevelsNewton

RANDOM = np.random.default_rng(5)
COUNTS = "keeps to no constraints, and the problem has bounds; use gl.ConstrainedNewton"


@dataclasses.dataclass(frozen=True)
class NotBelowZero:
    """Slopes from zero up, and nothing else."""

    name: str = "bounds"
    equalities: LinearForms | None = None
    inequalities: LinearForms | None = None

    @property
    def bounds(self) -> Bounds:
        return Bounds(np.array([[-np.inf], [0.0], [0.0]]), np.full((3, 1), np.inf))


def problem(loss=gl.losses.squared, constraints: Constraints | None = None, far=0.0):
    return Problem(ArrayRows(RANDOM.normal(size=(40, 2)) + far, RANDOM.normal(size=(40, 1))), loss, constraints=constraints)


@pytest.mark.parametrize("solver", [gl.GradientDescent(), gl.LBFGS(), gl.LeastSquares(), gl.Newton()], ids=str)
def test_solvers_of_smooth_losses_refuse_them(solver):
    assert solver.refuses(problem()) is None
    held = problem(constraints=NotBelowZero())
    assert f"{type(solver).__name__} {COUNTS}" in solver.refuses(held)
    with pytest.raises(ValueError, match=COUNTS):
        registry.solve(solver, held)


@pytest.mark.parametrize("solver", [gl.ActiveSetNewton(), gl.PiecewiseLinear()], ids=str)
def test_solvers_of_kinked_losses_refuse_them(solver):
    assert solver.refuses(problem(gl.losses.absolute)) is None
    assert COUNTS in solver.refuses(problem(gl.losses.absolute, NotBelowZero()))


@pytest.mark.parametrize("solver", [ManyLevels(), ManyLevelsNewton()], ids=str)
def test_solvers_of_many_levels_refuse_them(solver):
    assert COUNTS in solver.refuses(problem(constraints=NotBelowZero()))


@pytest.mark.parametrize("loss", [gl.losses.squared, gl.losses.huber(1.0), gl.losses.absolute], ids=str)
def test_the_automatic_choice_keeps_to_constraints_of_another_hand(loss):
    held = problem(loss, NotBelowZero())
    solution = registry.solve(registry.automatic(held), held)
    assert (solution.coefficients[1:] >= 0).all()
    assert solution.held is not None
    assert solution.certificate.converged


def test_they_stay_with_samples_and_in_the_users_units():
    held = problem(constraints=NotBelowZero(), far=1e9)
    assert held.sample(10).constraints is held.constraints
    assert centred(held) is None
    assert centred(dataclasses.replace(held, constraints=None)) is not None
