"""Few rows, columns that determine each other, units far apart, no optimum: what constraints must stand beside."""

import numpy as np
import pytest
from scipy.optimize import linprog

import gradline as gl


def lowest(X, y, share, A, lower):
    """The least sum of check losses of y - X b with A b >= lower, by a linear program of all rows."""
    n, p = X.shape
    cost = np.concatenate([np.zeros(p), np.full(n, share), np.full(n, 1 - share)])
    equations = np.hstack([X, np.eye(n), -np.eye(n)])
    found = linprog(
        cost,
        A_ub=np.hstack([-A, np.zeros((len(A), 2 * n))]),
        b_ub=-lower,
        A_eq=equations,
        b_eq=y,
        bounds=[(None, None)] * p + [(0, None)] * (2 * n),
        method="highs",
    )
    return found.fun


@pytest.mark.filterwarnings("ignore:.*not unique")
@pytest.mark.parametrize("seed", range(12))
def test_quantiles_of_few_rows_whose_smoothed_loss_is_straight(seed):
    random = np.random.default_rng(seed)
    n, p = [(20, 3), (40, 4), (60, 5), (12, 2)][seed % 4]
    X, A = random.normal(size=(n, p)), random.integers(-2, 3, size=(3, p)).astype(float)
    A, lower = A[np.abs(A).sum(axis=1) > 0], -1.0
    y, share = X.sum(axis=1) + random.normal(size=n), [0.5, 0.3][seed % 2]
    fit = gl.fit(X, y, loss=gl.losses.quantile(share), intercept=False, constraints=gl.constraints.linear(A, lower=lower))
    residuals = y - X @ fit.slopes
    assert fit.certificate.converged
    assert np.maximum(share * residuals, (share - 1) * residuals).sum() == pytest.approx(
        lowest(X, y, share, A, np.full(len(A), lower)), rel=1e-9
    )


def twice(random, n=60):
    X = random.normal(size=(n, 3))
    X[:, 2] = 2 * X[:, 0]
    return X, -1.5 * X[:, 0] + 0.5 * X[:, 1] + 0.3 * random.normal(size=n)


@pytest.mark.filterwarnings("ignore:the optimum is not unique", "ignore:left out of the model")
@pytest.mark.parametrize("loss", ["squared", gl.losses.huber(0.3), "absolute"], ids=str)
@pytest.mark.parametrize("constraint", ["x1 >= 0", "x1 + 2*x3 >= -10, x1 >= 0.5", "x2 >= 0"])
def test_a_column_that_is_twice_a_constrained_one_takes_its_part(loss, constraint):
    X, y = twice(np.random.default_rng(3))
    free, held = gl.fit(X[:, :2], y, loss=loss), gl.fit(X, y, loss=loss, constraints=constraint)
    assert held.certificate.converged
    assert held.loss == pytest.approx(free.loss, rel=1e-10)


@pytest.mark.filterwarnings("ignore:.*not unique", "ignore:left out of the model")
def test_sums_alone_give_it_that_part_too():
    X, y = twice(np.random.default_rng(4))
    table = {"x1": X[:, 0], "x2": X[:, 1], "x3": X[:, 2] + 3.0, "y": y}
    sums, plain = gl.Moments(table), gl.fit("y ~ x1 + x2", table)
    for constraint in ("x1 >= 0", "Intercept >= 2"):
        found = sums.fit("y ~ x1 + x2 + x3", constraints=constraint).coefficients
        left = y - np.column_stack([np.ones(60), table["x1"], table["x2"], table["x3"]]) @ found
        assert np.mean(left**2) == pytest.approx(plain.loss, rel=1e-9)


@pytest.mark.filterwarnings("ignore:.*not unique", "ignore:left out of the model")
def test_what_no_constraint_presses_on_does_not_run_away():
    """A direction without curvature that a constraint runs along: the smallest coefficients, not rounding over rounding."""
    X = np.outer([2.55, 1.63, 0.64], [1.0, 2.0])
    fit = gl.fit(X, [-1.9, 1.0, -1.0], intercept=False, constraints=gl.constraints.linear([[1.0, 2.0], [1.0, 2.0]], lower=0.0))
    assert np.abs(fit.slopes).max() < 1.0
    assert fit.loss == pytest.approx(np.mean(np.square([-1.9, 1.0, -1.0])), rel=1e-9)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("power", [0, 4, 8])
def test_contradictions_are_named_in_any_units(loss, power):
    random = np.random.default_rng(7)
    scale = 10.0 ** np.array([-power, 0.0, power])
    X, A = random.normal(size=(40, 3)) * scale, np.array([[1.0, 1.0, 0.0], [0.0, 1.0, -1.0], [-1.0, -2.0, 1.0], [1.0, 0.0, 0.0]]) * scale
    y = (X[:, 1] > 0).astype(float)
    with pytest.raises(ValueError, match="no coefficients meet the constraints") as caught:
        gl.fit(X, y, loss=loss, constraints=gl.constraints.linear(A, lower=[1.0, 1.0, -1.5, -5.0]))
    assert str(caught.value).count(">=") == 3


def test_separation_within_constraints_is_no_convergence():
    x = np.linspace(-1.0, 1.0, 40)
    with pytest.warns(UserWarning, match="separation"):
        fit = gl.fit(np.column_stack([x, x**2]), (x > 0.01).astype(int), loss="logistic", constraints="x2 >= 0", covariance=False)
    assert not fit.certificate.converged


@pytest.mark.filterwarnings("ignore:.*not unique")
def test_an_exact_fit_within_constraints_is_convergence():
    X = np.random.default_rng(2).normal(size=(4, 7))
    fit = gl.fit(X, X @ np.arange(7.0), loss=gl.losses.huber(1.0), constraints="x1 >= 0", covariance=False)
    assert fit.certificate.converged
    assert fit.loss < 1e-20


@pytest.mark.filterwarnings("ignore:.*not unique", "ignore:left out of the model")
@pytest.mark.parametrize("n", [3, 5])
def test_counts_of_fewer_rows_than_columns(n):
    """Curvature is lost along directions in which the loss does not fall without end: every row is met."""
    random = np.random.default_rng(n)
    X = random.normal(size=(n, 6))
    y = random.poisson(2.0, n) + 1
    fit = gl.fit(X, y, loss="poisson", constraints="x1 + x2 >= 1, x3 <= 0", covariance=False)
    assert fit.certificate.converged
    assert fit.predict(X) == pytest.approx(y, rel=1e-6)
    assert fit.constraints.polyhedron.missed(fit.solution.coefficients).max() <= 1e-12


def test_columns_dependent_but_for_rounding_are_said():
    """The second column is twice the first to nine digits, and what is best in the tenth is lost in the sums."""
    X = np.outer([2.55273822, 1.62952073, 0.64318829], [1.0, 2.0])
    X[0, 1] += 1e-8
    with pytest.raises(ValueError, match="nearly dependent"):
        gl.fit(X, [-1.9, 1.0, -1.0], intercept=False, constraints=gl.constraints.linear([[1.0, 2.0]], lower=0.0))


def test_messages_write_what_can_be_asked_for():
    random = np.random.default_rng(1)
    X, y = random.normal(size=(30, 2)), random.normal(size=30)
    fit = gl.fit(X, y, constraints=gl.constraints.linear([[2.0, -1.5]], lower=3.0))
    (said,) = fit.active_constraints
    assert np.array_equal(gl.fit(X, y, constraints=said).coefficients, fit.coefficients)
    with pytest.raises(ValueError, match=r"cannot be read at 'x1 >= 3': a multiple is written with \*"):
        gl.fit(X, y, constraints="2 x1 >= 3")
    with pytest.raises(ValueError, match="leaves two pieces"):
        gl.fit(X, y, constraints="x1 != 3")


@pytest.mark.filterwarnings("ignore:.*not unique", "ignore:ConstrainedNewton has not converged")
@pytest.mark.parametrize("rows", [[[-1.01e168, -5.56e16]], [[5.9e16, -1.0], [1.28e16, -12.0]], [[1e300, 1e-300]]])
def test_weights_of_any_size_are_met_or_said_to_be_missed(rows):
    random = np.random.default_rng(0)
    fit = gl.fit(random.normal(size=(30, 2)), random.normal(size=30), constraints=gl.constraints.linear(rows, lower=0.0, upper=1.0))
    missed = fit.constraints.polyhedron.missed(fit.solution.coefficients).max()
    assert missed <= 1e-9 or not fit.certificate.converged


@pytest.mark.filterwarnings("ignore:.*not unique", "ignore:left out of the model")
@pytest.mark.parametrize("loss", ["absolute", gl.losses.quantile(0.3)], ids=str)
def test_kinked_losses_of_fewer_rows_than_columns(loss):
    random = np.random.default_rng(5)
    X = random.normal(size=(4, 7))
    fit = gl.fit(X, random.normal(size=4), loss=loss, constraints="x1 + x2 >= 1, x3 <= 0", covariance=False)
    assert fit.certificate.converged
    assert fit.loss < 1e-12
