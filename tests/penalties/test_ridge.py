"""Penalties: their own numbers, and their strengths beside scikit-learn's."""

import numpy as np
import pytest

import gradline as gl
from gradline.penalties.ridge import Ridge


class TestRidge:
    def test_value_gradient_and_curvature(self):
        slopes = np.array([[1.0, -2.0], [3.0, 0.5]])
        ridge = gl.penalties.ridge(0.4)
        assert ridge == Ridge(0.4)
        assert ridge.name == "ridge"
        assert ridge.value(slopes) == pytest.approx(0.2 * (1 + 4 + 9 + 0.25), rel=1e-15)
        np.testing.assert_allclose(ridge.gradient(slopes), 0.4 * slopes, rtol=1e-15)
        np.testing.assert_array_equal(ridge.curvature(slopes), np.full((2, 2), 0.4))

    @pytest.mark.parametrize("strength", [-1.0, -1e-300])
    def test_a_negative_strength(self, strength):
        with pytest.raises(ValueError, match=f"the strength of a ridge must be zero or more, not {strength}"):
            gl.penalties.ridge(strength)

    @pytest.mark.parametrize("strength", [np.nan, np.inf, "strong", True, None, [0.1]])
    def test_a_strength_that_is_no_number(self, strength):
        with pytest.raises(ValueError, match='the strength of a ridge must be a finite number or "auto", not'):
            gl.penalties.ridge(strength)

    def test_whole_and_numpy_numbers(self):
        assert gl.penalties.ridge(1) == gl.penalties.ridge(np.float32(1.0)) == Ridge(1.0)

    def test_something_else_is_refused(self):
        with pytest.raises(
            TypeError, match=r"penalty must be a penalty such as gl.penalties.ridge\(0.1\) or gl.penalties.lasso\(0.1\), not float 0.1"
        ):
            gl.fit(np.arange(4.0), np.arange(4.0), penalty=0.1)


def data(kind, n=200):
    random = np.random.default_rng(0)
    X = random.normal(size=(n, 3))
    eta = 0.5 + X @ [0.8, -0.5, 0.3]
    return X, {
        "squared": lambda: eta + random.normal(size=n),
        "logistic": lambda: (random.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": lambda: random.poisson(np.exp(eta)).astype(float),
        "gamma": lambda: np.exp(eta) * random.gamma(2.0, size=n),
        "huber": lambda: eta + random.standard_t(2, size=n),
        "multinomial": lambda: random.integers(0, 3, size=n).astype(float),
    }[kind]()


@pytest.fixture(scope="module")
def linear_model():
    return pytest.importorskip("sklearn.linear_model")


@pytest.mark.parametrize("s", [0.01, 0.3])
class TestBesideScikitLearn:
    """The table of docs/losses.md: which of scikit-learn's strengths a ridge of strength s is."""

    def agrees(self, fit, model, tolerance=1e-6):
        np.testing.assert_allclose(fit.slopes, np.squeeze(model.coef_), rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(fit.intercept, np.squeeze(model.intercept_), rtol=tolerance, atol=tolerance)

    def test_squared(self, linear_model, s):
        X, y = data("squared")
        self.agrees(gl.fit(X, y, penalty=gl.penalties.ridge(s)), linear_model.Ridge(alpha=len(y) * s / 2).fit(X, y), 1e-10)

    def test_newton_and_least_squares_agree_on_it(self, linear_model, s):
        X, y = data("squared")
        first, second = (gl.fit(X, y, penalty=gl.penalties.ridge(s), solver=solver) for solver in ("auto", gl.Newton()))
        np.testing.assert_allclose(first.coefficients, second.coefficients, rtol=1e-11)

    def test_logistic(self, linear_model, s):
        X, y = data("logistic")
        model = linear_model.LogisticRegression(C=1 / (len(y) * s), tol=1e-10, max_iter=10_000).fit(X, y)
        self.agrees(gl.fit(X, y, loss="logistic", penalty=gl.penalties.ridge(s)), model)

    @pytest.mark.parametrize("kind", ["poisson", "gamma"])
    def test_counts_and_amounts(self, linear_model, s, kind):
        X, y = data(kind)
        model = {"poisson": linear_model.PoissonRegressor, "gamma": linear_model.GammaRegressor}[kind]
        self.agrees(
            gl.fit(X, y, loss=kind, penalty=gl.penalties.ridge(s)),
            model(alpha=s, tol=1e-10, max_iter=10_000, solver="newton-cholesky").fit(X, y),
        )

    def test_tweedie(self, linear_model, s):
        X, y = data("gamma")
        model = linear_model.TweedieRegressor(power=1.5, link="log", alpha=s, tol=1e-10, max_iter=10_000, solver="newton-cholesky")
        self.agrees(gl.fit(X, y, loss=gl.losses.tweedie(1.5), penalty=gl.penalties.ridge(s)), model.fit(X, y))

    def test_joint_huber(self, linear_model, s):
        # Its objective is n scale + 2 scale sum H(z) + alpha |b|^2: 2 n times ours, so alpha = n s.
        # Its L-BFGS stops at five digits.
        X, y = data("huber")
        model = linear_model.HuberRegressor(epsilon=1.35, alpha=len(y) * s, tol=1e-10, max_iter=10_000).fit(X, y)
        fit = gl.fit(X, y, loss=gl.losses.huber(1.35, scale="joint"), penalty=gl.penalties.ridge(s))
        np.testing.assert_allclose(fit.coefficients[1:, 0], model.coef_, rtol=1e-4)
        np.testing.assert_allclose(fit.coefficients[0], [model.intercept_, model.scale_], rtol=1e-4)

    def test_huber(self, linear_model, s):
        # Fixed scale: SGD apart, scikit-learn has no such estimator; the penalty's place is checked by the optimality condition.
        X, y = data("huber")
        fit = gl.fit(X, y, loss=gl.losses.huber(1.35), penalty=gl.penalties.ridge(s))
        clipped = np.clip(y - fit.predict(X), -1.35, 1.35)
        np.testing.assert_allclose(X.T @ clipped / len(y), s * fit.slopes, rtol=1e-10, atol=1e-13)
        assert abs(clipped.mean()) < 1e-13

    def test_multinomial(self, linear_model, s):
        # scikit-learn penalises coefficients of every class, gradline of every class but the first: no strength makes them equal.
        X, y = data("multinomial")
        fit = gl.fit(X, y, loss="multinomial", penalty=gl.penalties.ridge(s))
        p = fit.predict(X)
        for j in (1, 2):
            np.testing.assert_allclose(X.T @ ((y == j) - p[:, j]) / len(y), s * fit.slopes[:, j - 1], rtol=1e-9, atol=1e-13)
