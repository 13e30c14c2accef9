"""The table of strengths in docs/penalties.md: the same penalty, in the words of scikit-learn, glum and statsmodels."""

import numpy as np
import pytest

import gradline as gl

RNG = np.random.default_rng(5)
N, P, STRENGTH, SHARE = 250, 5, 0.08, 0.6
X = RNG.normal(size=(N, P)) * [1.0, 2.0, 0.5, 1.0, 1.0]
ETA = 0.4 + X @ [0.8, -0.4, 0.0, 0.0, 0.1]
TARGETS = {
    "squared": ETA + RNG.normal(size=N),
    "logistic": (RNG.random(N) < 1 / (1 + np.exp(-ETA))) * 1.0,
    "poisson": RNG.poisson(np.exp(ETA)) * 1.0,
}
PENALTIES = {
    "lasso": (gl.penalties.lasso(STRENGTH), 1.0),
    "elastic_net": (gl.penalties.elastic_net(STRENGTH, SHARE), SHARE),
    "ridge": (gl.penalties.ridge(STRENGTH), 0.0),
}


def ours(loss, name):
    fit = gl.fit(X, TARGETS[loss], loss=loss, penalty=PENALTIES[name][0])
    if name != "ridge":
        assert (fit.slopes == 0).any(), "a case where the lasso does nothing would show nothing"
    return np.concatenate([[fit.intercept], fit.slopes])


def of_scikit_learn(loss, name):
    linear = pytest.importorskip("sklearn.linear_model")
    tight = {"tol": 1e-12, "max_iter": 200_000}
    if loss == "squared":
        return {
            "lasso": lambda: linear.Lasso(alpha=STRENGTH / 2, **tight),
            "elastic_net": lambda: linear.ElasticNet(alpha=STRENGTH / 2, l1_ratio=SHARE, **tight),
            "ridge": lambda: linear.Ridge(alpha=N * STRENGTH / 2),
        }[name]()
    if loss == "poisson":
        return linear.PoissonRegressor(alpha=STRENGTH, solver="newton-cholesky", **tight)
    return linear.LogisticRegression(C=1 / (N * STRENGTH), l1_ratio=PENALTIES[name][1], solver="saga", **tight)


@pytest.mark.parametrize(
    ("loss", "name"),
    [("squared", name) for name in PENALTIES] + [("logistic", name) for name in PENALTIES] + [("poisson", "ridge")],
)
def test_scikit_learn(loss, name):
    found = of_scikit_learn(loss, name).fit(X, TARGETS[loss])
    theirs = np.concatenate([np.ravel(found.intercept_), np.ravel(found.coef_)])
    np.testing.assert_allclose(ours(loss, name), theirs, atol=1e-6)


def test_scikit_learn_across_targets():
    linear = pytest.importorskip("sklearn.linear_model")
    targets = np.column_stack([TARGETS["squared"], 2 * X[:, 0] - X[:, 3] + RNG.normal(size=N), RNG.normal(size=N)])
    fit = gl.fit(X, targets, penalty=gl.penalties.group_lasso(0.4, across="targets"))
    theirs = linear.MultiTaskLasso(alpha=0.4 * np.sqrt(3) / 2, tol=1e-12, max_iter=100_000).fit(X, targets)
    np.testing.assert_allclose(fit.slopes.T, theirs.coef_, atol=1e-6)
    assert (fit.slopes == 0).all(axis=1).any()


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("loss", TARGETS)
def test_glum(loss, name):
    glum = pytest.importorskip("glum")
    family = {"squared": "normal", "logistic": "binomial", "poisson": "poisson"}[loss]
    alpha = STRENGTH / 2 if loss == "squared" else STRENGTH
    model = glum.GeneralizedLinearRegressor(
        family=family, alpha=alpha, l1_ratio=PENALTIES[name][1], scale_predictors=False, gradient_tol=1e-10, max_iter=1000
    )
    found = model.fit(X, TARGETS[loss])
    np.testing.assert_allclose(ours(loss, name), np.concatenate([[found.intercept_], found.coef_]), atol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("loss", TARGETS)
def test_statsmodels(loss, name):
    models = pytest.importorskip("statsmodels.api")
    # It penalises the constant too, unless its own strength is 0.
    alpha = np.where(np.arange(P + 1) == 0, 0.0, STRENGTH / 2 if loss == "squared" else STRENGTH)
    columns, share = models.add_constant(X), PENALTIES[name][1]
    tight = {} if name == "ridge" else {"cnvrg_tol": 1e-12, "zero_tol": 1e-9}
    if loss == "squared":
        model = models.OLS(TARGETS[loss], columns)
    else:
        family = models.families.Binomial() if loss == "logistic" else models.families.Poisson()
        model = models.GLM(TARGETS[loss], columns, family=family)
    found = model.fit_regularized(alpha=alpha, L1_wt=share, maxiter=2000, **tight)
    np.testing.assert_allclose(ours(loss, name), found.params, atol=1e-4)


def test_statsmodels_logit():
    models = pytest.importorskip("statsmodels.api")
    alpha = np.where(np.arange(P + 1) == 0, 0.0, N * STRENGTH)
    found = models.Logit(TARGETS["logistic"], models.add_constant(X)).fit_regularized(alpha=alpha, acc=1e-12, disp=False, trim_mode="off")
    np.testing.assert_allclose(ours("logistic", "lasso"), found.params, atol=1e-5)
