"""The minimum of a parabola with a penalty: groups that leave, and parabolas that have no minimum."""

import numpy as np
import pytest

import gradline as gl
from gradline.penalties.kinked import SparseGroups
from gradline.solvers.proximal import quadratic_model
from gradline.solvers.proximal.quadratic_model import minimise_model

RNG = np.random.default_rng(2)


def groups_of(d, size, weight, free=0):
    group = np.arange(d) // size
    group[:free] = -1
    return SparseGroups(np.zeros(d), group, np.full(d // size + 1, weight))


def counted(monkeypatch):
    steps, plain = [0], quadratic_model._newton_step

    def count(*arguments):
        steps[0] += 1
        return plain(*arguments)

    monkeypatch.setattr(quadratic_model, "_newton_step", count)
    return steps


@pytest.mark.parametrize("rows", [300, 30])
def test_a_group_that_belongs_at_zero_goes_there_in_few_steps(rows, monkeypatch):
    columns = RNG.normal(size=(rows, 60))
    curvature, part = columns.T @ columns / rows, groups_of(60, 4, 0.15)
    linear = -curvature @ np.where(np.arange(60) < 12, 1.0, 0.0) + 0.02 * RNG.normal(size=60)
    steps = counted(monkeypatch)
    # From where every group is in, so that most have to leave.
    found = minimise_model(curvature, linear, part, RNG.normal(size=60))
    left = part.violation(found.x, linear + curvature @ found.x)
    assert found.bounded
    assert np.abs(left).max() < 1e-12
    assert 12 <= np.count_nonzero(found.x) < 60
    assert steps[0] < 150


def test_a_parabola_that_falls_without_end_is_told(monkeypatch):
    columns = RNG.normal(size=(3, 20))
    steps = counted(monkeypatch)
    linear, part = RNG.normal(size=20), groups_of(20, 5, 0.1)
    found = minimise_model(columns.T @ columns, linear, part, np.zeros(20))
    assert not found.bounded
    assert steps[0] < 50
    # Against a penalty that outweighs the slope it has an end, though its curvature has none.
    held = minimise_model(columns.T @ columns, linear, groups_of(20, 5, 10.0), np.zeros(20))
    assert held.bounded
    assert not held.x.any()


def test_few_rows_between_the_bends_of_a_loss_with_groups(monkeypatch):
    X = RNG.normal(size=(40, 80))
    y = X[:, :5] @ np.array([2, -1.5, 1, 1, -1]) + RNG.standard_t(3, size=40)
    steps = counted(monkeypatch)
    path = gl.path(X, y, loss=gl.losses.huber(1.35), penalty=gl.penalties.group_lasso(groups=list(np.arange(80) // 5)), strengths=4)
    assert path.converged.all()
    assert path.gaps.max() < 1e-10
    assert steps[0] < 2_000
