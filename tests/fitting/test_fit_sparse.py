"""Sparse X gives what the same columns written out give: every loss, weights and offsets, penalties, standard errors, diagnostics."""

import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import gradline as gl
from gradline.losses import catalogue

N, P = 400, 7
rng = np.random.default_rng(4)
DENSE = np.where(rng.random((N, P)) < 0.35, rng.normal(size=(N, P)), 0.0)
X = sparse.csr_array(DENSE)
ETA = 0.3 + DENSE @ rng.normal(size=P) * 0.6
REAL = ETA + rng.standard_t(4, size=N)
COUNTS = rng.poisson(np.exp(np.clip(ETA, -3, 2))).astype(float)
AMOUNTS = rng.gamma(2.0, np.exp(ETA) / 2.0) + 1e-3
CLASSES = (rng.random(N) < 1.0 / (1.0 + np.exp(-ETA))) * 1.0
PARTS = 1.0 / (1.0 + np.exp(-REAL))
THREE = np.argmax(np.stack([ETA, 0.0 * ETA, -ETA]) + rng.gumbel(size=(3, N)), axis=0).astype(float)

LOSSES = [
    (gl.losses.squared, REAL),
    (gl.losses.absolute, REAL),
    (gl.losses.quantile(0.8), REAL),
    (gl.losses.epsilon_insensitive(0.3), REAL),
    (gl.losses.expectile(0.8), REAL),
    (gl.losses.huber(1.0), REAL),
    (gl.losses.huber(1.35, scale="joint"), REAL),
    (gl.losses.log_cosh, REAL),
    (gl.losses.cauchy(2.0), REAL),
    (gl.losses.student_t(4.0), REAL),
    (gl.losses.tukey(8.0), REAL),
    (gl.losses.normal, REAL),
    (gl.losses.logistic, CLASSES),
    (gl.losses.multinomial(3), THREE),
    (gl.losses.poisson, COUNTS),
    (gl.losses.negative_binomial(2.0), COUNTS),
    (gl.losses.gamma, AMOUNTS),
    (gl.losses.tweedie(1.5), COUNTS),
    (gl.losses.probit, CLASSES),
    (gl.losses.cloglog, CLASSES),
    (gl.losses.loglog, CLASSES),
    (gl.losses.cauchit, CLASSES),
    (gl.losses.hinge, 2.0 * CLASSES - 1.0),
    (gl.losses.weibull(), AMOUNTS),
    (gl.losses.log_normal(), AMOUNTS),
    (gl.losses.log_logistic(), AMOUNTS),
    (gl.losses.exponential, AMOUNTS),
    (gl.losses.beta(), PARTS),
]


def name_of(case):
    return type(case).__name__ if hasattr(case, "parameters") else ""


TARGETS_OF_ANOTHER_SHAPE = {"Binomial", "Ordinal", "Hurdle", "ZeroInflated", "EstimatedDispersion", "ExponentialMean", "InverseGamma"}
"""Losses of counts out of counts, of ranks and of mixtures, and what others are made of: no loss looks at X."""


def test_no_loss_of_the_catalogue_is_left_out():
    classes = {name for name in catalogue.__all__ if isinstance(getattr(catalogue, name), type)}
    assert classes - TARGETS_OF_ANOTHER_SHAPE <= {type(loss).__name__ for loss, _ in LOSSES}


@pytest.mark.parametrize("beside", ["nothing", "weights and offset"])
@pytest.mark.parametrize(("loss", "y"), LOSSES, ids=name_of)
def test_every_loss(loss, y, beside):
    given, draws = {}, np.random.default_rng(7)
    if beside != "nothing":
        weights = draws.random(N)
        weights[:9] = 0.0
        given = {"weights": weights, "frequencies": draws.integers(1, 4, size=N).astype(float), "offset": draws.normal(size=N) * 0.1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is said of a fit is said of both
        found, plain = gl.fit(X, y, loss=loss, **given), gl.fit(DENSE, y, loss=loss, **given)
    assert found.certificate.converged
    # Of a loss with kinks the vertex is exact; others are at the end of double precision.
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.loss, plain.loss, rtol=1e-12)
    if plain.inference is not None and not plain.inference.unavailable:
        # Rows on a kink lie on either side of it by rounding, and the density there is estimated from those near it.
        rounding = 1e-11 if loss.kinks() is None else 1e-3
        np.testing.assert_allclose(found.standard_errors, plain.standard_errors, rtol=rounding)


@pytest.mark.parametrize("intercept", [True, False])
def test_two_targets(intercept):
    y = np.column_stack([REAL, -2.0 * REAL + np.random.default_rng(7).normal(size=N)])
    found, plain = (gl.fit(held, y, intercept=intercept) for held in (X, DENSE))
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found.standard_errors, plain.standard_errors, rtol=1e-12)


@pytest.mark.parametrize(
    "penalty",
    [
        gl.penalties.ridge(0.1),
        gl.penalties.ridge("auto"),
        gl.penalties.lasso(0.05),
        gl.penalties.lasso(0.05, scaled=True),
        gl.penalties.elastic_net(0.05, 0.5),
        gl.penalties.scad(0.05),
        gl.penalties.ridge(0.1) + gl.penalties.lasso(0.02),
    ],
    ids=str,
)
@pytest.mark.parametrize(("loss", "y"), [("squared", REAL), ("logistic", CLASSES)])
def test_penalties(penalty, loss, y):
    found, plain = (gl.fit(held, y, loss=loss, penalty=penalty) for held in (X, DENSE))
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("loss", "y"), [("squared", REAL), ("logistic", CLASSES)])
def test_paths(loss, y):
    found, plain = (gl.path(held, y, loss=loss, strengths=6, choose="folds", folds=4) for held in (X, DENSE))
    np.testing.assert_allclose(found.coefficients, plain.coefficients, atol=1e-10)
    np.testing.assert_allclose(found.held_out.mean, plain.held_out.mean, rtol=1e-9)


@pytest.mark.parametrize("kind", ["classical", "HC0", "HC1", "HC2", "HC3", ("cluster", np.arange(N) % 20), ("newey-west", 2)], ids=str)
@pytest.mark.parametrize(("loss", "y"), [("squared", REAL), ("poisson", COUNTS)])
def test_standard_errors(kind, loss, y):
    found, plain = (gl.fit(held, y, loss=loss, covariance=kind) for held in (X, DENSE))
    np.testing.assert_allclose(found.standard_errors, plain.standard_errors, rtol=1e-11)


@pytest.mark.parametrize(("loss", "y"), [("squared", REAL), ("logistic", CLASSES)])
def test_diagnostics(loss, y):
    found, plain = (gl.fit(held, y, loss=loss).diagnose(held, y) for held in (X, DENSE))
    for name in ("leverage", "cooks_distance", "leave_one_out", "fitted"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name), rtol=1e-10, err_msg=name)
    np.testing.assert_allclose(list(found.variance_inflation.values()), list(plain.variance_inflation.values()), rtol=1e-10)
    if loss == "squared":
        for name in ("breusch_pagan", "reset"):
            np.testing.assert_allclose(getattr(found, name).statistic, getattr(plain, name).statistic, rtol=1e-9, err_msg=name)


def test_a_loss_of_ones_own():
    tensorflow = pytest.importorskip("tensorflow")

    def loss(y, prediction):
        return tensorflow.square(y - prediction) + 0.1 * tensorflow.sqrt(1.0 + tensorflow.square(prediction))

    found, plain = gl.fit(X, REAL, loss=loss), gl.fit(DENSE, REAL, loss=loss)
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-11)
    descent = gl.GradientDescent(steps=30)
    found, plain = (gl.fit(held, REAL, loss=loss, solver=descent, covariance="none") for held in (X, DENSE))
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-9)


@pytest.mark.parametrize(
    "solver", [gl.GradientDescent(steps=100), gl.GradientDescent(batch_size=50, steps=40, seed=2), gl.LBFGS(), gl.Newton()], ids=str
)
def test_solvers_asked_for(solver):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, plain = (gl.fit(held, CLASSES, loss="logistic", solver=solver) for held in (X, DENSE))
    np.testing.assert_allclose(found.coefficients, plain.coefficients, atol=1e-7)


class TestLeastSquares:
    def test_nearly_dependent_columns_keep_the_digits_of_their_residuals(self):
        rng = np.random.default_rng(8)
        dense = np.where(rng.random((3000, 6)) < 0.3, rng.normal(size=(3000, 6)), 0.0)
        dense[:, 5] = dense[:, 0] + 1e-5 * dense[:, 4]
        dense[:, 4] = 0.3 * dense[:, 3] + np.where(rng.random(3000) < 0.2, 1.0, 0.0)
        y = dense @ np.arange(1.0, 7.0) + rng.normal(size=3000)
        found, exact = gl.fit(sparse.csr_array(dense), y), gl.fit(dense, y, accuracy="full")
        # Normal equations alone are off by their condition, 1e10, squared times rounding; corrected, by the condition times rounding.
        np.testing.assert_allclose(found.coefficients, exact.coefficients, rtol=1e-8)
        assert found.certificate.converged
        errors = np.abs(found.coefficients - exact.coefficients) / np.abs(exact.coefficients)
        assert (errors <= 10.0 ** -found.digits.ravel()).all()

    def test_qr_is_refused(self):
        for given in ({"accuracy": "full"}, {"solver": gl.LeastSquares("full")}):
            with pytest.raises(
                gl.SolverError, match=r"factors the rows written out \(QR\), and X is a sparse matrix; use accuracy=\"auto\""
            ):
                gl.fit(X, REAL, **given)

    def test_fewer_rows_than_columns(self):
        few = sparse.random_array((20, 50), density=0.3, rng=np.random.default_rng(0), format="csr")
        with pytest.raises(gl.SolverError, match=r"fewer of them \(20\) than columns \(51\).*add a ridge"):
            gl.fit(few, REAL[:20], solver=gl.LeastSquares())
        found, plain = (gl.fit(held, REAL[:20], penalty=gl.penalties.ridge(0.1)) for held in (few, few.toarray()))
        np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-10, atol=1e-12)


def wide(n=300, p=7000):
    rng = np.random.default_rng(6)
    held = sparse.random_array((n, p), density=10 / p, rng=rng, format="csr")
    return held, (rng.random(n) < 0.5) * 1.0


class TestVeryManyColumns:
    def test_no_matrix_of_them_is_held(self):
        held, y = wide(2000, 30_000)
        tracemalloc.start()
        fit = gl.fit(held, y, loss="logistic", penalty=gl.penalties.ridge(0.01))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert fit.solver == "NewtonCG"
        assert fit.certificate.converged
        assert peak < 2**26  # one Gram matrix would be 7 GB
        assert "30,001 coefficients" in str(fit.summary())

    def test_standard_errors_are_refused_with_the_reason(self):
        held, y = wide()
        penalty = gl.penalties.ridge(0.1)
        fit = gl.fit(held, y, loss="logistic", penalty=penalty)
        with pytest.raises(gl.InferenceError, match=r"covariance of 7,001 coefficients .* GiB; at most 6,000 have one\. Fit fewer columns"):
            fit.standard_errors
        with pytest.raises(gl.InferenceError, match="at most 6,000 have one"):
            gl.fit(held, y, loss="logistic", penalty=penalty, covariance="HC1")

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"solver": gl.Newton()}, r"Newton holds a matrix of 7,001 x 7,001 numbers .*use gl\.NewtonCG\(\) or gl\.LBFGS\(\)"),
            ({"solver": gl.GradientDescent()}, r"GradientDescent holds a matrix .*use gl\.NewtonCG\(\)"),
            ({"loss": "absolute"}, r"PiecewiseLinear holds .*|ActiveSetNewton holds .*use a smooth loss, such as gl\.losses\.huber"),
            ({"penalty": gl.penalties.lasso(0.1)}, r"ProximalNewton holds .*use a smooth penalty such as gl\.penalties\.ridge"),
            ({"loss": "squared", "solver": gl.LeastSquares()}, r"LeastSquares holds a matrix of 7,001"),
        ],
    )
    def test_who_cannot_says_who_can(self, given, words):
        held, y = wide()
        with pytest.raises(gl.SolverError, match=words):
            gl.fit(held, y, **{"loss": "logistic", **given})

    def test_squared_loss_as_scikit_learn(self):
        held, y = wide()
        fit = gl.fit(held, y, penalty=gl.penalties.ridge(0.01), tolerance=1e-13)
        # Mean squared error plus strength / 2: alpha = n strength / 2.
        peer = Ridge(alpha=300 * 0.01 / 2, solver="sparse_cg", tol=1e-14).fit(held, y)
        np.testing.assert_allclose(fit.coefficients[1:], peer.coef_, atol=1e-10)
        assert fit.solver == "NewtonCG"

    def test_logistic_as_scikit_learn(self):
        held, y = wide()
        fit = gl.fit(held, y, loss="logistic", penalty=gl.penalties.ridge(0.01))
        peer = LogisticRegression(C=1.0 / (300 * 0.01), tol=1e-12, max_iter=5000).fit(held, y)
        np.testing.assert_allclose(fit.coefficients[1:], peer.coef_[0], atol=1e-6)


class TestPipelines:
    words = np.array([f"w{i}" for i in range(120)])
    rng = np.random.default_rng(2)
    texts = tuple(" ".join(row) for row in words[(120 * rng.random((300, 25)) ** 2).astype(int)])
    y = np.array([text.count("w1 ") + 0.5 * text.count("w3 ") for text in texts]) + 0.1 * rng.normal(size=300)

    def test_texts_by_a_vectoriser(self):
        model = make_pipeline(TfidfVectorizer(), gl.LinearRegression(penalty=gl.penalties.ridge(0.001))).fit(self.texts, self.y)
        columns = model[0].transform(self.texts)
        plain = gl.LinearRegression(penalty=gl.penalties.ridge(0.001)).fit(columns.toarray(), self.y)
        np.testing.assert_allclose(model[-1].coef_, plain.coef_, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.score(self.texts, self.y), plain.score(columns.toarray(), self.y), rtol=1e-12)
        np.testing.assert_allclose(model.predict(self.texts), plain.predict(columns.toarray()), rtol=1e-10)

    def test_searched(self):
        model = make_pipeline(TfidfVectorizer(), gl.LinearRegression(penalty=gl.penalties.ridge(1.0)))
        search = GridSearchCV(model, {"linearregression__penalty__strength": [1e-3, 10.0]}, cv=3).fit(self.texts, self.y)
        assert search.best_params_ == {"linearregression__penalty__strength": 1e-3}
