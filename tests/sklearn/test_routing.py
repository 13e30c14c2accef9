"""Weights, frequencies and offsets beside X and y, through scikit-learn's metadata routing: alone, in pipelines and in searches."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import mean_poisson_deviance
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradline as gl
import sklearn


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def table(n=120, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 3))
    eta = x @ [0.5, -0.3, 0.2] + 0.4
    return x, eta, generator


def estimators():
    x, eta, generator = table()
    counts = generator.poisson(np.exp(eta)).astype(float)
    labels = np.where(generator.random(len(eta)) < 1 / (1 + np.exp(-eta)), "yes", "no")
    return {
        "squared": (gl.LinearRegression(penalty=gl.penalties.ridge(1.0)), x, eta + generator.normal(size=len(eta))),
        "poisson": (gl.LinearRegression(loss="poisson", penalty=gl.penalties.ridge(1.0)), x, counts),
        "logistic": (gl.LinearClassifier(penalty=gl.penalties.ridge(1.0)), x, labels),
        "hinge": (gl.LinearClassifier(loss="hinge", penalty=gl.penalties.ridge(1.0)), x, labels),
    }


@pytest.mark.parametrize("word", ["sample_weight", "frequencies"])
@pytest.mark.parametrize("name", ["squared", "poisson", "logistic", "hinge"])
def test_weight_two_equals_the_row_twice_in_a_search(routing, name, word):
    model, x, y = estimators()[name]
    twice = np.random.default_rng(1).integers(1, 3, len(y))
    fold = np.arange(len(y)) % 3
    grid = {"penalty__strength": [0.01, 0.3, 10.0]}
    asking = clone(model).set_fit_request(**{word: True}).set_score_request(**{word: True})
    weighted = GridSearchCV(asking, grid, cv=PredefinedSplit(fold)).fit(x, y, **{word: twice})
    rows = np.repeat(np.arange(len(y)), twice)
    repeated = GridSearchCV(model, grid, cv=PredefinedSplit(fold[rows])).fit(x[rows], y[rows])
    np.testing.assert_allclose(weighted.cv_results_["mean_test_score"], repeated.cv_results_["mean_test_score"], rtol=1e-9)
    np.testing.assert_allclose(weighted.best_estimator_.coef_, repeated.best_estimator_.coef_, rtol=1e-7, atol=1e-9)
    assert weighted.best_params_ == repeated.best_params_
    if word == "frequencies" and name == "squared":
        ours, theirs = (search.best_estimator_.result_ for search in (weighted, repeated))
        np.testing.assert_allclose(ours.standard_errors, theirs.standard_errors, rtol=1e-9)


def test_an_offset_goes_through_pipelines_and_searches(routing):
    model, x, y = estimators()["poisson"]
    exposure = np.random.default_rng(2).uniform(-1, 1, len(y))
    asking = (
        model.set_fit_request(offset="log_exposure").set_predict_request(offset="log_exposure").set_score_request(offset="log_exposure")
    )
    pipeline = make_pipeline(StandardScaler(), asking)
    search = GridSearchCV(pipeline, {"linearregression__penalty__strength": [0.01, 1.0]}, cv=KFold(3)).fit(x, y, log_exposure=exposure)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_
    expected = best[-1].predict(best[0].transform(x), offset=exposure)
    np.testing.assert_allclose(best.predict(x, log_exposure=exposure), expected, rtol=1e-12)
    by_hand = []
    for train, test in KFold(3).split(x):
        fitted = clone(pipeline).set_params(linearregression__penalty__strength=0.01).fit(x[train], y[train], log_exposure=exposure[train])
        by_hand.append(fitted.score(x[test], y[test], log_exposure=exposure[test]))
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(np.mean(by_hand), rel=1e-9)
    with pytest.raises(ValueError, match="fitted with offset=, which is a part of it"):
        search.predict(x)


def test_probabilities_and_scores_of_a_classifier_ask_for_an_offset(routing):
    model, x, y = estimators()["logistic"]
    offset = np.random.default_rng(3).normal(size=len(y))
    model.set_fit_request(offset=True).set_predict_request(offset=True).set_predict_proba_request(offset=True)
    model.set_predict_log_proba_request(offset=True).set_decision_function_request(offset=True).set_score_request(offset=True)
    pipeline = make_pipeline(StandardScaler(), model).fit(x, y, offset=offset)
    chances = pipeline.predict_proba(x, offset=offset)
    np.testing.assert_allclose(np.exp(pipeline.predict_log_proba(x, offset=offset)), chances, rtol=1e-12)
    np.testing.assert_allclose(1 / (1 + np.exp(-pipeline.decision_function(x, offset=offset))), chances[:, 1], rtol=1e-12)
    assert (pipeline.predict(x, offset=offset) == np.array(["no", "yes"])[chances.argmax(axis=1)]).all()
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(ValueError, match="fitted with offset="):
            getattr(model, method)(x)
    scores = cross_validate(model, x, y, cv=3, params={"offset": offset})["test_score"]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("word", ["sample_weight", "frequencies", "offset"])
@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_what_was_not_requested_is_refused(routing, name, word):
    model, x, y = estimators()[name]
    beside = {word: np.ones(len(y))}
    with pytest.raises(UnsetMetadataPassedError, match=rf"\[{word}\] are passed but are not explicitly set"):
        GridSearchCV(model, {"fit_intercept": [True]}, cv=3).fit(x, y, **beside)
    with pytest.raises(UnsetMetadataPassedError, match=rf"\[{word}\] are passed but are not explicitly set"):
        make_pipeline(StandardScaler(), model).fit(x, y, **beside)
    # A request that says no leaves it out.
    refusing = clone(model).set_fit_request(**{word: False}).set_score_request(**{word: False})
    with pytest.raises(TypeError, match="unexpected argument"):
        GridSearchCV(refusing, {"fit_intercept": [True]}, cv=3).fit(x, y, **beside)


def test_requests_add_up_and_are_cloned():
    model = gl.LinearClassifier().set_fit_request(sample_weight=True).set_fit_request(offset="shift").set_score_request(frequencies=False)
    requests = clone(model).get_metadata_routing()
    assert requests.fit.requests == {"sample_weight": True, "frequencies": None, "offset": "shift"}
    assert requests.score.requests == {"sample_weight": None, "frequencies": False, "offset": None}
    assert requests.predict_proba.requests == {"offset": None}
    assert gl.LinearRegression().get_metadata_routing().partial_fit.requests == dict.fromkeys(("sample_weight", "frequencies", "offset"))


def test_without_routing_a_forgotten_offset_is_an_error_wherever_it_is_needed():
    model, x, y = estimators()["poisson"]
    offset = np.random.default_rng(4).normal(size=len(y))
    model.fit(x, y, offset=offset)
    for ask in (lambda: model.predict(x), lambda: model.score(x, y)):
        with pytest.raises(ValueError, match="fitted with offset="):
            ask()
    # The best constant has the offset too: log(sum y / sum exp offset), McCullagh and Nelder (1989), section 6.2.
    null = np.exp(offset + np.log(y.sum() / np.exp(offset).sum()))
    left = mean_poisson_deviance(y, model.predict(x, offset=offset)) / mean_poisson_deviance(y, null)
    assert model.score(x, y, offset=offset) == pytest.approx(1 - left, rel=1e-9)
    assert model.score(x, y, offset=0.0) != model.score(x, y, offset=offset)
    with pytest.raises(ValueError, match="offset has 3 rows but X has 120"):
        model.predict(x, offset=offset[:3])
    # A row of weight zero may hold anything.
    weights = np.ones(len(y))
    weights[5] = 0.0
    odd = np.where(np.arange(len(y)) == 5, np.nan, offset)
    assert model.score(x, y, weights, offset=odd) == pytest.approx(
        model.score(np.delete(x, 5, 0), np.delete(y, 5), offset=np.delete(offset, 5))
    )
    refitted = clone(model).fit(x, y, weights, offset=odd)
    np.testing.assert_allclose(
        refitted.coef_, clone(model).fit(np.delete(x, 5, 0), np.delete(y, 5), offset=np.delete(offset, 5)).coef_, rtol=1e-9
    )
