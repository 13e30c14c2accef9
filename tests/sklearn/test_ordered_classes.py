"""loss="ordinal": the cumulative logit, as a loss and as a classifier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import cross_val_score
from statsmodels.miscmodels.ordinal_model import OrderedModel

import gradline as gl

GRADES = ["low", "middling", "high", "top"]


def graded(n=400, k=4, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    latent = x @ [1.0, -0.5] + generator.logistic(size=n)
    return x, np.searchsorted(np.quantile(latent, np.linspace(0, 1, k + 1)[1:-1]), latent)


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.ConvergenceWarning")
@pytest.mark.parametrize("k", [2, 3, 4, 7])
def test_coefficients_and_errors_are_those_of_statsmodels(k):
    x, y = graded(k=k, seed=k)
    ours = gl.fit(x, y * 1.0, loss="ordinal")
    reference = OrderedModel(y, x, distr="logit").fit(method="newton", disp=0)
    cuts = reference.model.transform_threshold_params(reference.params)[1:-1]
    coefficients = ours.coefficients.reshape(3, -1)
    np.testing.assert_allclose(coefficients[1:, 0], reference.params[:2], rtol=1e-6)
    np.testing.assert_allclose(coefficients[0, 1:], cuts, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.standard_errors.reshape(3, -1)[1:, 0], reference.bse[:2], rtol=1e-5)
    assert ours.log_likelihood == pytest.approx(reference.llf, rel=1e-10)
    np.testing.assert_allclose(gl.LinearClassifier(loss="ordinal").fit(x, y).predict_proba(x), reference.predict(x), atol=1e-7)


def test_two_classes_are_the_logistic():
    x, y = graded(k=2)
    ordinal, logistic = (gl.LinearClassifier(loss=loss).fit(x, y) for loss in ("ordinal", "logistic"))
    np.testing.assert_allclose(ordinal.coef_, logistic.coef_, rtol=1e-9)
    np.testing.assert_allclose(ordinal.decision_function(x), logistic.decision_function(x), rtol=1e-8, atol=1e-10)


def test_what_the_estimator_shows():
    x, y = graded()
    model = gl.LinearClassifier(loss="ordinal", penalty=gl.penalties.ridge(0.01)).fit(x, y)
    assert model.coef_.shape == (1, 2)
    assert model.intercept_.shape == (3,)
    chances = model.predict_proba(x)
    above = 1 / (1 + np.exp(-(x @ model.coef_.T + model.intercept_)))
    np.testing.assert_allclose(1 - np.cumsum(chances, axis=1)[:, :3], above, atol=1e-12)
    assert (model.predict(x) == model.classes_[chances.argmax(axis=1)]).all()
    assert (model.decision_function(x).argmax(axis=1) == chances.argmax(axis=1)).all()
    assert cross_val_score(model, x, y, scoring="neg_log_loss").mean() > -1.4


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: pd.Categorical(np.array(GRADES)[y], categories=GRADES, ordered=True),
        lambda y: pd.Series(pd.Categorical(np.array(GRADES)[y], categories=[*GRADES, "none such"], ordered=True)),
        lambda y: pl.Series(np.array(GRADES)[y], dtype=pl.Enum(GRADES)),
        lambda y: (y + 1) * 10,
        lambda y: np.datetime64("2024-01-01") + y,
    ],
)
def test_the_order_is_that_of_the_data(labels):
    x, y = graded()
    given = labels(y)
    plain, model = gl.LinearClassifier(loss="ordinal").fit(x, y), gl.LinearClassifier(loss="ordinal").fit(x, given)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    assert (model.classes_[y] == np.asarray(given)).all()
    assert model.score(x, given) == plain.score(x, y)


def test_text_has_no_order_of_its_own():
    x, y = graded()
    with pytest.raises(
        ValueError, match=r"loss='ordinal' takes classes that have an order, and text has none: say it, as in\n? ?y = pd.Cat"
    ):
        gl.LinearClassifier(loss="ordinal").fit(x, np.array(GRADES)[y])


def test_an_offset_moves_the_log_odds_and_not_the_cuts():
    x, y = graded()
    offset = np.random.default_rng(1).normal(size=len(y))
    model = gl.LinearClassifier(loss="ordinal").fit(x, y, offset=offset)
    wide = gl.fit(np.c_[x, offset], y * 1.0, loss="ordinal").coefficients
    held = gl.fit(x, y * 1.0, loss="ordinal", offset=np.c_[offset, np.zeros((len(y), 3))])
    np.testing.assert_allclose(model.coef_[0], held.slopes[:, 0], rtol=1e-10)
    assert wide.shape == (4, 4)
    shifted = 1 / (1 + np.exp(-(x @ model.coef_[0] + offset + model.intercept_[0])))
    np.testing.assert_allclose(1 - model.predict_proba(x, offset=offset)[:, 0], shifted, atol=1e-12)
    columns = {"a": x[:, 0], "b": x[:, 1], "y": y * 1.0, "o": offset}
    by_formula = gl.fit("y ~ a + b + offset(o)", columns, loss="ordinal")
    np.testing.assert_allclose(by_formula.coefficients, held.coefficients, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(by_formula.predict(columns), model.predict_proba(x, offset=offset), atol=1e-9)
    diagnosed = held.diagnose(x, y * 1.0, offset=offset)
    assert np.isfinite(diagnosed.leverage).all()


def test_saved_and_loaded(tmp_path):
    x, y = graded()
    fit = gl.fit(x, y * 1.0, loss="ordinal")
    fit.save(tmp_path / "model.json")
    again = gl.load(tmp_path / "model.json")
    np.testing.assert_array_equal(again.predict(x), fit.predict(x))
    assert again.predictor_names == ("location", "threshold_1", "threshold_2", "threshold_3")
    assert "location" in str(fit.summary())
