"""gl.LinearClassifier among scikit-learn's own classifiers."""

from __future__ import annotations

import datetime
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn.linear_model
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import gradline as gl
from sklearn import datasets as examples

tf = pytest.importorskip("tensorflow")
RIDGE = gl.penalties.ridge(0.01)


def exponential(y, score):
    """A loss of a margin, y in -1 and 1."""
    return tf.exp(-y * score)


def squared_hinge(y, score):
    return tf.square(tf.maximum(1 - y * score, tf.zeros_like(y)))


def cross_entropy_of_two(y, score):
    """A loss of y in 0 and 1."""
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=score)


def cross_entropy(y, scores):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y, tf.int32), scores)


def crammer_singer(y, scores):
    """Crammer and Singer (2001), smoothed: the largest score of a wrong class should stay below the right one's by one."""
    right = tf.one_hot(tf.cast(y, tf.int32), 3, dtype=scores.dtype)
    own = tf.reduce_sum(right * scores, axis=1)
    return tf.reduce_logsumexp(scores + 1 - right, axis=1) - own


def table(n=200, k=2, p=3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, p))
    eta = np.c_[np.zeros(n), x @ generator.normal(size=(p, k - 1)) + generator.normal(size=k - 1)]
    return x, (eta + generator.gumbel(size=(n, k))).argmax(axis=1)


NAMES = np.array(["amber", "blue", "cyan", "dun", "ecru"])


# parametrize_with_checks warns, while it collects, of an estimator without BaseEstimator: that is the point here.
@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
@parametrize_with_checks([gl.LinearClassifier(), gl.LinearClassifier(loss="hinge", penalty=RIDGE, class_weight="balanced")])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.study
@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
@parametrize_with_checks([gl.LinearClassifier(loss="multinomial", penalty=RIDGE), gl.LinearClassifier(loss=cross_entropy, penalty=RIDGE)])
def test_scikit_learns_own_checks_of_other_losses(estimator, check):
    check(estimator)


def test_fitting_does_not_load_scikit_learn():
    code = """
import sys
import numpy as np
import gradline as gl
x = np.arange(24.0).reshape(12, 2) ** 2 % 7
y = ["yes", "no", "maybe"] * 4
model = gl.LinearClassifier(penalty=gl.penalties.ridge(0.1), class_weight="balanced").fit(x, y)
model.predict(x), model.predict_proba(x), model.decision_function(x), model.score(x, y)
assert "<pre>LinearClassifier(" in model._repr_html_()
assert "sklearn" not in sys.modules and "tensorflow" not in sys.modules and "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_two_classes_are_scikit_learns(fit_intercept):
    x, y = table()
    weights = np.random.default_rng(1).uniform(0.1, 3.0, len(x))
    strength = 0.05
    theirs = sklearn.linear_model.LogisticRegression(
        C=1 / (weights.sum() * strength), fit_intercept=fit_intercept, tol=1e-12, solver="newton-cholesky"
    )
    theirs.fit(x, NAMES[y], weights)
    ours = gl.LinearClassifier(penalty=gl.penalties.ridge(strength), fit_intercept=fit_intercept).fit(x, NAMES[y], weights)
    assert ours.coef_.shape == theirs.coef_.shape == (1, 3)
    assert ours.intercept_.shape == theirs.intercept_.shape == (1,)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), rtol=1e-7)
    np.testing.assert_allclose(ours.predict_log_proba(x), theirs.predict_log_proba(x), rtol=1e-7)
    np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), rtol=1e-6)
    assert (ours.predict(x) == theirs.predict(x)).all()
    assert (ours.classes_ == theirs.classes_).all()
    assert ours.score(x, NAMES[y], weights) == pytest.approx(theirs.score(x, NAMES[y], weights), rel=1e-12)


def test_more_classes_are_the_multinomial():
    x, y = table(k=4)
    theirs = sklearn.linear_model.LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(x, NAMES[y])
    for loss in ("logistic", "multinomial", gl.losses.logistic, gl.losses.multinomial(4)):
        ours = gl.LinearClassifier(loss=loss).fit(x, NAMES[y])
        assert ours.coef_.shape == (4, 3)
        assert ours.intercept_.shape == (4,)
        np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), rtol=1e-4)
        np.testing.assert_allclose(ours.decision_function(x), x @ ours.coef_.T + ours.intercept_, rtol=1e-10, atol=1e-12)
        # Log odds against the first class.
        np.testing.assert_allclose(ours.coef_, theirs.coef_ - theirs.coef_[:1], rtol=1e-4, atol=1e-6)
    assert ours.result_.loss_name == "multinomial"
    assert ours.result_.standard_errors.shape == (4, 3)


def test_the_hinge_is_a_support_vector_machine():
    x, y = table()
    strength = 0.1
    theirs = SVC(kernel="linear", C=1 / (len(y) * strength), tol=1e-10).fit(x, NAMES[y])
    ours = gl.LinearClassifier(loss="hinge", penalty=gl.penalties.ridge(strength)).fit(x, NAMES[y])
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), rtol=1e-5, atol=1e-6)
    assert (ours.predict(x) == theirs.predict(x)).all()


GENERATED = [table(k=2 + seed % 4, p=2 + seed % 5, seed=seed) for seed in range(16)]
REAL = [examples.load_iris(return_X_y=True), examples.load_wine(return_X_y=True), examples.load_breast_cancer(return_X_y=True)]
REAL.append((REAL[0][0], np.where(REAL[0][1] == 1, 1, 0)))
LABELS = [lambda y: NAMES[y], lambda y: y, lambda y: y * 10 - 5, lambda y: NAMES[::-1][y].astype(object), lambda y: y.astype(float)]


@pytest.mark.parametrize("place", range(20))
def test_the_class_predicted_is_the_likeliest(place):
    x, y = (GENERATED + REAL)[place]
    labels = LABELS[place % 5](y)
    x = StandardScaler().fit_transform(x)
    for loss in ("logistic", gl.losses.custom(cross_entropy, linear_predictors=[f"s{j}" for j in range(y.max() + 1)], likelihood=True)):
        model = gl.LinearClassifier(loss=loss, penalty=RIDGE, covariance=False).fit(x, labels)
        chances = model.predict_proba(x)
        assert (model.classes_ == np.unique(labels)).all()
        assert model.classes_.dtype == labels.dtype
        assert (model.predict(x) == model.classes_[chances.argmax(axis=1)]).all()
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-14)
        score = model.decision_function(x)
        assert (model.predict(x) == model.classes_[(score > 0).astype(int) if score.ndim == 1 else score.argmax(axis=1)]).all()
        assert model.score(x, labels) == (model.predict(x) == labels).mean()


def test_the_names_of_the_classes_are_in_the_tables(tmp_path):
    flowers, species = examples.load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[species]
    fit = gl.LinearClassifier(penalty=RIDGE).fit(flowers[:, :1], labels).result_
    assert fit.class_names == ("setosa", "versicolor", "virginica")
    text = str(fit.summary(exponentiate=True))
    assert "class_1: versicolor against setosa" in text
    assert "odds ratio" in text
    assert fit.effects(data=flowers[:, :1])["output"] == ["setosa", "versicolor", "virginica"]
    assert "said virginica" in str(fit.classification(flowers[:, :1], species))
    fit.save(tmp_path / "flowers.json")
    assert gl.load(tmp_path / "flowers.json").predictions(at={"x": 5.0})["output"] == ["setosa", "versicolor", "virginica"]
    two = gl.LinearClassifier(penalty=RIDGE).fit(flowers[50:, :1], labels[50:]).result_
    assert "Effects on the probability of y = virginica" in str(two.effects(data=flowers[50:, :1]))
    assert "virginica is said from a probability of 0.5" in str(two.classification(flowers[50:, :1], species[50:] - 1))
    table = {"kind": labels, "length": flowers[:, 0]}
    formula = gl.fit("C(kind, levels=['virginica', 'setosa', 'versicolor']) ~ length", table, loss="multinomial")
    assert formula.effects(data=table)["output"] == ["virginica", "setosa", "versicolor"]
    assert "class_2: versicolor against virginica" in str(formula.summary())
    # Text alone is numbered as a classifier sorts its labels.
    alone = gl.fit("kind ~ length", table, loss="multinomial")
    assert alone.class_names == ("setosa", "versicolor", "virginica")
    np.testing.assert_allclose(alone.coefficients, gl.fit(flowers[:, :1], species, loss="multinomial").coefficients, rtol=1e-10)
    with pytest.raises(gl.ArgumentError, match="holds one class only, 'setosa'"):
        gl.fit("kind ~ length", {"kind": labels[:50], "length": flowers[:50, 0]}, loss="multinomial")


DAYS = [datetime.date(2024, 1, 1), datetime.date(2024, 2, 1)]


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: np.array([False, True])[y],
        lambda y: np.array(["2024-01-01", "2024-02-01"], dtype="datetime64[D]")[y],
        lambda y: [DAYS[i] for i in y],
        lambda y: pd.Series(NAMES[y], dtype="category"),
        lambda y: pd.Series(NAMES[y]),
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: pl.Series(NAMES[y]),
        lambda y: pl.Series(NAMES[y], dtype=pl.Categorical),
        lambda y: [NAMES[i].item() for i in y],
        lambda y: NAMES[y].astype(bytes),
        lambda y: pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01"]).tz_localize("Europe/Paris")[y]),
    ],
)
def test_labels_of_any_type(labels):
    x, y = table()
    given = labels(y)
    plain = gl.LinearClassifier().fit(x, y)
    model = gl.LinearClassifier().fit(x, given)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    assert (np.asarray(given)[:50] == model.classes_[y[:50]]).all()
    assert model.score(x, given) == plain.score(x, y)
    assert len(model.predict(x[:3])) == 3


@pytest.mark.parametrize(
    ("loss", "values"),
    [
        (exponential, [-1, 1]),
        (squared_hinge, [-1, 1]),
        (cross_entropy_of_two, [0, 1]),
        ("squared", [-1, 1]),
        ("huber", [-1, 1]),
        ("logistic", [0, 1]),
        ("hinge", [-1, 1]),
        (gl.losses.custom(cross_entropy_of_two, linear_predictors=["score"]), [0, 1]),
    ],
)
def test_a_loss_of_one_score_is_given_the_labels_that_it_knows(loss, values):
    x, y = table()
    loss = gl.losses.huber(1.0) if loss == "huber" else loss
    model = gl.LinearClassifier(loss=loss, penalty=RIDGE).fit(x, NAMES[y])
    direct = gl.fit(x, np.array(values, dtype=float)[y], loss=loss, penalty=RIDGE)
    np.testing.assert_allclose(model.coef_[0], direct.slopes, rtol=1e-6)
    assert (model.predict(x) == NAMES[(direct.predict(x, kind="linear") > 0).astype(int)]).all()
    assert hasattr(model, "predict_proba") == (loss == "logistic")


def test_your_own_loss_of_a_score_for_each_class():
    x, y = table(k=3)
    shipped = gl.LinearClassifier().fit(x, NAMES[y])
    own = gl.LinearClassifier(loss=cross_entropy).fit(x, NAMES[y])
    assert own.coef_.shape == (3, 3)
    # One score too many: the smallest coefficients are given, and no prediction depends on it, so that nothing is warned of.
    assert "of the coefficients that fit alike the smallest are given" in own.result_.certificate.reason
    with pytest.warns(gl.GradlineWarning, match="does not identify all its linear predictors"):
        gl.fit(x, y, loss=gl.losses.custom(cross_entropy, linear_predictors=NAMES[:3].tolist()))
    assert own.result_.predictor_names == ("amber", "blue", "cyan")
    np.testing.assert_allclose(own.coef_ - own.coef_[:1], shipped.coef_, rtol=1e-6, atol=1e-8)
    assert not hasattr(own, "predict_proba")
    margin = gl.LinearClassifier(loss=crammer_singer, penalty=RIDGE).fit(x, NAMES[y])
    assert (margin.predict(x) == NAMES[margin.decision_function(x).argmax(axis=1)]).all()
    assert margin.score(x, NAMES[y]) == pytest.approx(shipped.score(x, NAMES[y]), abs=0.05)
    # With two classes a loss that calls a softmax has two scores, of which the difference is shown.
    pair = gl.LinearClassifier(loss=cross_entropy).fit(*table())
    np.testing.assert_allclose(pair.coef_, gl.LinearClassifier().fit(*table()).coef_, rtol=1e-6)
    assert pair.result_.slopes.shape == (3, 2)


def test_what_is_said_to_be_a_likelihood_has_probabilities():
    x, y = table(k=3)
    names = ["a", "b", "c"]
    own = gl.LinearClassifier(loss=gl.losses.custom(cross_entropy, linear_predictors=names, likelihood=True)).fit(x, y)
    np.testing.assert_allclose(own.predict_proba(x), gl.LinearClassifier().fit(x, y).predict_proba(x), rtol=1e-6)
    wrong = gl.LinearClassifier(loss=gl.losses.custom(crammer_singer, linear_predictors=names, likelihood=True), penalty=RIDGE).fit(x, y)
    with pytest.raises(ValueError, match="is said to be a likelihood, but exp\\(-loss\\) of the 3 classes adds up to"):
        wrong.predict_proba(x)


def test_losses_that_cannot_tell_the_classes_apart():
    x, y = table(k=3)
    two = (y > 0) * 1
    for loss, labels, match in (
        (
            "hinge",
            y,
            "Only binary classification is supported. The type of the target is multiclass. The loss 'hinge' has one score, and y has 3",
        ),
        ("squared", y, "sklearn.multiclass.OneVsRestClassifier"),
        (gl.losses.multinomial(4), y, "the loss 'multinomial' has 3 linear predictors, which are no scores of 3 classes"),
        ("poisson", two, "the loss 'poisson' does not tell two classes apart"),
        ("normal", two, "the loss 'normal' has 2 linear predictors, which are no scores of 2 classes"),
        (gl.losses.custom(exponential, linear_predictors=["score"]), y, "Only binary classification is supported"),
        (exponential, y, "a loss of one score takes two classes"),
        (gl.losses.custom(cross_entropy, linear_predictors=["a", "b"]), y, "has 2 linear predictors and y has 3 classes"),
    ):
        with pytest.raises(ValueError, match=match):
            gl.LinearClassifier(loss=loss).fit(x, labels)


def test_a_loss_that_wants_whole_numbers_is_told_how_to_have_them():
    def wrong(y, scores):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(y, scores)

    with pytest.raises(ValueError, match=r"labels come as float64: write loss=lambda y, scores: tf\.nn\.sparse_softmax_cross_entropy"):
        gl.LinearClassifier(loss=wrong).fit(*table(k=3))


def test_bad_labels():
    x, y = table(20)
    model = gl.LinearClassifier()
    text = NAMES[y].astype(object)

    def with_one(value, place=3, of=text):
        changed = np.array(of, dtype=object)
        changed[place] = value
        return changed

    for labels, match in (
        (y + 0.5, r"Unknown label type: continuous. y holds [01].5 in row 0, and a classifier takes labels: use gl.LinearRegression"),
        (np.where(np.arange(20) == 4, 0.25, y), "y holds 0.25 in row 4"),
        (with_one(0.5, of=y), "y holds 0.5 in row 3"),
        (np.zeros(20), "y holds one class only, 0.0: a classifier needs rows of at least two classes"),
        (["a"] * 20, "y holds one class only, 'a'"),
        (np.where(np.arange(20) == 4, np.nan, y), "y holds a missing value, nan, in row 4; drop that row"),
        (np.where(np.arange(20) == 4, np.inf, y), "y holds infinity, inf, in row 4"),
        (with_one(None), "y holds a missing value, None, in row 3"),
        (with_one(np.nan), "y holds a missing value, nan, in row 3"),
        (pd.Series(text).where(np.arange(20) != 5), "y holds a missing value, nan, in row 5"),
        (pd.Series(y, dtype="Int64").where(np.arange(20) != 5), "y holds a missing value, nan, in row 5"),
        (
            np.where(np.arange(20) == 6, np.datetime64("NaT"), np.datetime64("2024-01-01", "D") + y),
            "y holds a missing value, NaT, in row 6",
        ),
        (np.ma.array(y, mask=np.arange(20) == 7), "y holds a missing value, nan, in row 7"),
        (y + 1j, "Complex data not supported: y holds complex numbers"),
        (np.c_[y, y], r"y has shape \(20, 2\); a classifier takes one label per row"),
        (y[:-1], "y has 19 rows but X has 20"),
        (None, "requires y to be passed"),
    ):
        with pytest.raises(ValueError, match=match):
            model.fit(x, labels)
    for labels in (with_one(1), [*text[:3].tolist(), 1, *text[4:].tolist()]):
        with pytest.raises(TypeError, match=r"labels of y are of several types: '.*' in row 0 is str, 1 in row 3 is int"):
            model.fit(x, labels)


def test_a_row_of_weight_zero_may_hold_anything():
    x, y = table(30)
    labels = NAMES[y].astype(object)
    labels[:2] = [np.nan, "none such"]
    x[0, 0] = np.nan
    weights = np.r_[0.0, 0.0, np.ones(28)]
    model = gl.LinearClassifier(penalty=RIDGE).fit(x, labels, weights)
    without = gl.LinearClassifier(penalty=RIDGE).fit(x[2:], labels[2:])
    assert list(model.classes_) == list(without.classes_)
    np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-10)
    assert model.score(x, labels, weights) == without.score(x[2:], labels[2:])


def test_a_class_that_the_fit_has_not_seen_is_named():
    x, y = table()
    model = gl.LinearClassifier().fit(x, NAMES[y])
    with pytest.raises(ValueError, match="y holds 'ecru' in row 7, which is no class of the fit: those are 'amber', 'blue'"):
        model.score(x, np.where(np.arange(len(y)) == 7, "ecru", NAMES[y]))


@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights(weighted):
    x, y = table(k=3)
    weights = np.random.default_rng(2).uniform(0.5, 2.0, len(y)) if weighted else None
    totals = np.bincount(y, weights)
    balanced = {NAMES[j]: totals.sum() / (3 * totals[j]) for j in range(3)}
    each = np.array(list(balanced.values()))[y] * (1.0 if weights is None else weights)
    expected = gl.LinearClassifier(penalty=RIDGE).fit(x, NAMES[y], each)
    for given in ("balanced", balanced):
        found = gl.LinearClassifier(penalty=RIDGE, class_weight=given).fit(x, NAMES[y], weights)
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9, atol=1e-12)
    partly = gl.LinearClassifier(penalty=RIDGE, class_weight={"blue": 2.0}).fit(x, NAMES[y])
    np.testing.assert_allclose(
        partly.coef_, gl.LinearClassifier(penalty=RIDGE).fit(x, NAMES[y], 1.0 + (y == 1)).coef_, rtol=1e-9, atol=1e-12
    )
    for given, match in (
        ({"red": 2.0}, "class_weight names 'red', which is no class: y holds 'amber', 'blue', 'cyan'"),
        ({"blue": -1.0}, "class_weight of 'blue' is -1; weights are finite and zero or more"),
        ("even", 'class_weight must be "balanced" or a dict'),
    ):
        with pytest.raises(ValueError, match=match):
            gl.LinearClassifier(class_weight=given).fit(x, NAMES[y])


def test_among_scikit_learns_metaestimators():
    x, y = table(k=3, n=150)
    labels = NAMES[y]
    model = gl.LinearClassifier(penalty=RIDGE)
    theirs = sklearn.linear_model.LogisticRegression(C=1.0)
    assert is_classifier(model)
    for scoring in ("roc_auc_ovr", "neg_log_loss", "accuracy", "f1_macro"):
        found = cross_val_score(make_pipeline(StandardScaler(), model), x, labels, cv=3, scoring=scoring)
        expected = cross_val_score(make_pipeline(StandardScaler(), theirs), x, labels, cv=3, scoring=scoring)
        np.testing.assert_allclose(found, expected, atol=0.05)
    chances = cross_val_predict(model, x, labels, cv=3, method="predict_proba")
    assert log_loss(labels, chances) < 1.1
    for combined in (
        VotingClassifier([("ours", model), ("theirs", theirs)], voting="soft"),
        StackingClassifier([("ours", model), ("theirs", theirs)], final_estimator=gl.LinearClassifier(penalty=RIDGE), cv=3),
        OneVsRestClassifier(gl.LinearClassifier(loss="hinge", penalty=RIDGE)),
        CalibratedClassifierCV(OneVsRestClassifier(gl.LinearClassifier(loss="hinge", penalty=RIDGE)), cv=3),
        RFE(model, n_features_to_select=2),
    ):
        assert combined.fit(x, labels).score(x, labels) > 0.5
        assert set(combined.predict(x)) <= set(NAMES[:3])


def test_probabilities_of_a_hinge_come_by_calibration():
    x, y = table(300)
    model = gl.LinearClassifier(loss="hinge", penalty=RIDGE).fit(x, NAMES[y])
    for method in ("predict_proba", "predict_log_proba"):
        assert not hasattr(model, method)
    with pytest.raises(
        AttributeError, match=r"the loss 'hinge' is no likelihood, and its scores are no probabilities.*CalibratedClassifierCV"
    ):
        model.predict_proba(x)
    calibrated = CalibratedClassifierCV(clone(model), ensemble=False, cv=3).fit(x, NAMES[y])
    assert log_loss(NAMES[y], calibrated.predict_proba(x)) < 1.05 * log_loss(NAMES[y], gl.LinearClassifier().fit(x, y).predict_proba(x))


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_searches_over_losses_and_their_settings():
    x, y = table(120)
    grid = {"loss": ["logistic", "hinge", squared_hinge], "penalty__strength": [0.01, 0.1]}
    search = GridSearchCV(gl.LinearClassifier(penalty=RIDGE), grid, cv=3, error_score="raise").fit(x, NAMES[y])
    assert len(search.cv_results_["mean_test_score"]) == 6
    grid = {"loss__threshold": [0.5, 1.5], "class_weight": [None, "balanced"]}
    search = GridSearchCV(gl.LinearClassifier(loss=gl.losses.huber(1.0)), grid, cv=3, scoring="roc_auc", error_score="raise").fit(x, y)
    assert search.best_score_ > 0.6
    regression = GridSearchCV(
        gl.LinearRegression(loss=gl.losses.huber(1.0), penalty=RIDGE),
        [{"loss__threshold": [0.5, 1.5], "penalty__strength": [0.01, 0.1]}, {"loss": ["absolute", "squared"]}],
        cv=3,
        scoring="neg_mean_absolute_error",
        error_score="raise",
    ).fit(x, x[:, 0])
    assert np.isfinite(regression.cv_results_["mean_test_score"]).all()


def test_pickled_and_in_other_processes():
    x, y = table()
    for loss in ("logistic", "hinge", exponential):
        model = gl.LinearClassifier(loss=loss, penalty=RIDGE).fit(x, NAMES[y])
        again = pickle.loads(pickle.dumps(model))
        assert (again.predict(x) == model.predict(x)).all()
        np.testing.assert_array_equal(again.fit(x, NAMES[y]).coef_, model.coef_)
    model = gl.LinearClassifier(penalty=RIDGE).fit(x, NAMES[y])
    with joblib.parallel_config("loky", n_jobs=2):
        elsewhere = joblib.Parallel()(joblib.delayed(m.predict_proba)(x) for m in (model, model))
    np.testing.assert_array_equal(elsewhere[0], model.predict_proba(x))


def test_frames_names_and_pictures_of_itself():
    x, y = table()
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    model = gl.LinearClassifier().fit(frame, NAMES[y])
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert model.n_features_in_ == 3
    assert model.n_iter_ >= 1
    np.testing.assert_array_equal(model.predict_proba(frame[["c", "a", "b"]]), model.predict_proba(frame))
    with pytest.raises(ValueError, match="X has 2 features, but LinearClassifier is expecting 3 features as input"):
        model.predict(x[:, :2])
    assert "LinearClassifier" in model._repr_html_()
    assert "<style>" in model._repr_html_()
    assert repr(model) == "LinearClassifier()"
    with pytest.raises(NotFittedError, match="call fit"):
        gl.LinearClassifier().predict(x)
    transformed = make_pipeline(StandardScaler(), gl.LinearClassifier()).set_output(transform="pandas").fit(frame, NAMES[y])
    assert list(transformed[-1].feature_names_in_) == ["a", "b", "c"]
    tags = model.__sklearn_tags__()
    assert (tags.input_tags.sparse, tags.input_tags.pairwise, tags.classifier_tags.multi_class) == (True, False, True)
    assert not gl.LinearClassifier(loss="hinge").__sklearn_tags__().classifier_tags.multi_class


def test_the_result_has_the_inference():
    x, y = table()
    model = gl.LinearClassifier(covariance="HC1").fit(x, NAMES[y])
    direct = gl.fit(x, y * 1.0, loss="logistic", covariance="HC1")
    np.testing.assert_allclose(model.result_.standard_errors, direct.standard_errors, rtol=1e-12)
    assert "log odds" in str(model.result_.summary())


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_a_sparse_x_is_the_same_written_out(loss):
    x, y = table(k=2)
    sparse = scipy.sparse.csr_array(np.where(np.abs(x) < 0.7, 0.0, x))
    model = gl.LinearClassifier(loss=loss, penalty=RIDGE).fit(sparse, NAMES[y])
    dense = gl.LinearClassifier(loss=loss, penalty=RIDGE).fit(sparse.toarray(), NAMES[y])
    np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-9, atol=1e-12)
    assert (model.predict(sparse) == dense.predict(sparse.toarray())).all()
    parts = gl.LinearRegression()
    for rows in np.array_split(np.arange(len(y)), 3):
        parts.partial_fit(sparse[rows], x[rows, 0])
    np.testing.assert_allclose(parts.coef_, gl.LinearRegression().fit(sparse.toarray(), x[:, 0]).coef_, rtol=1e-11, atol=1e-12)
