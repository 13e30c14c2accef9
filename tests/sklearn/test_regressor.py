"""gl.LinearRegression among scikit-learn's own estimators."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.linear_model
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils.estimator_checks import parametrize_with_checks

import gradline as gl
import sklearn
from gradline.autodiff import tapes

tf = pytest.importorskip("tensorflow")


def squared_error(y, prediction):
    """A loss of the user's own, where pickle can find it."""
    return tf.reduce_mean(tf.square(y - prediction))


def pseudo_huber(y, prediction):
    return tf.sqrt(1.0 + tf.square(y - prediction)) - 1.0


def table(n=80, p=3, q=None, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, p))
    truth = generator.normal(size=(p, q or 1))
    y = x @ truth + 2.0 + 0.1 * generator.normal(size=(n, q or 1))
    return x, y if q else y[:, 0]


# parametrize_with_checks warns, while it collects, of an estimator without BaseEstimator: that is the point here.
@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
@parametrize_with_checks(
    [
        gl.LinearRegression(),
        gl.LinearRegression(fit_intercept=False),
        gl.LinearRegression(solver=gl.GradientDescent(steps=200)),
        gl.LinearRegression(loss=squared_error, solver=gl.GradientDescent(steps=100), progress=False),
    ]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_fitting_does_not_load_scikit_learn():
    code = """
import sys
import numpy as np
import gradline as gl
x = np.arange(12.0).reshape(6, 2) ** 2
y = x @ [1.0, 2.0] + 3.0
model = gl.LinearRegression()
try:
    model.predict(x)
except ValueError as error:
    assert isinstance(error, AttributeError), type(error)
    assert "call fit(X, y) before predict" in str(error), error
model.fit(x, y, sample_weight=np.ones(6)).score(x, y)
model.set_params(solver=gl.GradientDescent(), solver__steps=5).get_params()
repr(model)
assert "sklearn" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("q", [None, 1, 2])
def test_coefficients_are_scikit_learns(q, fit_intercept):
    x, y = table(q=q)
    weights = np.random.default_rng(1).uniform(0.1, 3.0, len(x))
    theirs = sklearn.linear_model.LinearRegression(fit_intercept=fit_intercept).fit(x, y, weights)
    ours = gl.LinearRegression(fit_intercept=fit_intercept).fit(x, y, weights)
    assert ours.coef_.shape == theirs.coef_.shape == ((3,) if q is None else (q, 3))
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-10)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-10)
    assert ours.coef_.flags.c_contiguous
    assert np.shape(ours.intercept_) == (() if q is None else (q,))
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-10)
    assert ours.predict(x).shape == y.shape
    assert ours.score(x, y, weights) == pytest.approx(theirs.score(x, y, weights), rel=1e-12)
    assert isinstance(ours.result_, gl.Fit)
    assert ours.n_features_in_ == 3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_score_is_the_r2_of_scikit_learn(shape, weighted):
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(40, 2)), generator.normal(size=shape)
    weights = generator.uniform(0, 2, 40).round(1) if weighted else None
    model = gl.LinearRegression().fit(x, y)
    new = generator.normal(size=shape)
    assert model.score(x, new, weights) == pytest.approx(r2_score(new, model.predict(x), sample_weight=weights), rel=1e-12)


def test_score_of_targets_that_do_not_vary():
    x, y = table(20, 2)
    model = gl.LinearRegression().fit(x, y)
    assert model.score(x, np.ones(20)) == 0.0
    flat = gl.LinearRegression(solver=gl.GradientDescent(steps=1, start=np.zeros(3))).fit(x, np.zeros(20))
    assert flat.score(x, np.zeros(20)) == 1.0
    both = np.column_stack([np.zeros(20), y])
    pair = gl.LinearRegression().fit(x, both)
    assert pair.score(x, both) == pytest.approx(r2_score(both, pair.predict(x)))


def test_score_of_one_row_is_not_defined():
    x, y = table()
    model = gl.LinearRegression().fit(x, y)
    with pytest.warns(gl.GradlineWarning, match="not defined for a single row"):
        assert np.isnan(model.score(x[:1], y[:1]))


def test_bad_input_to_score():
    x, y = table(20, 2)
    model = gl.LinearRegression().fit(x, y)
    with pytest.raises(ValueError, match="y has 19 rows but X has 20"):
        model.score(x, y[:-1])
    with pytest.raises(ValueError, match="y has 2 targets, but the model was fitted to 1"):
        model.score(x, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="y holds NaN in row 3"):
        model.score(x, np.where(np.arange(20) == 3, np.nan, y))


def test_feature_names_are_kept_where_all_are_strings():
    x, y = table()
    named = gl.LinearRegression().fit(pd.DataFrame(x, columns=["a", "b", "c"]), y)
    assert named.feature_names_in_.dtype == object
    assert list(named.feature_names_in_) == ["a", "b", "c"]
    assert named.result_.names == ("Intercept", "a", "b", "c")
    assert not hasattr(gl.LinearRegression().fit(x, y), "feature_names_in_")
    assert not hasattr(gl.LinearRegression().fit(pd.DataFrame(x), y), "feature_names_in_")
    assert list(gl.LinearRegression().fit(pl.DataFrame(x, schema=["a", "b", "c"]), y).feature_names_in_) == ["a", "b", "c"]
    # Fitted anew to an array, it forgets them.
    assert not hasattr(named.fit(x, y), "feature_names_in_")


def test_frames_are_matched_by_name():
    x, y = table()
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    model = gl.LinearRegression().fit(frame, y)
    expected = model.predict(x)
    reordered = frame[["c", "a", "b"]].assign(unused="text")
    for same in (frame, reordered, pl.DataFrame(reordered.to_dict("list"))):
        np.testing.assert_allclose(model.predict(same), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="data has no column 'b'; the model needs a, b, c"):
        model.predict(frame.drop(columns="b"))


def test_one_dimension_is_refused_and_said_how_to_mend():
    x, y = table(p=1)
    with pytest.raises(ValueError, match=r"X has one dimension.* Reshape your data: X\.reshape\(-1, 1\) if it is one column"):
        gl.LinearRegression().fit(x[:, 0], y)
    with pytest.raises(ValueError, match="Reshape your data"):
        gl.LinearRegression().fit(x, y).predict([1.0, 2.0])


def test_wrong_columns_and_missing_values_in_predict():
    x, y = table()
    model = gl.LinearRegression().fit(x, y)
    with pytest.raises(ValueError, match="X has 2 features, but LinearRegression is expecting 3 features as input"):
        model.predict(x[:, :2])
    with pytest.raises(ValueError, match="X holds NaN in row 1, column 'x2'"):
        model.predict([[1.0, 2.0, 3.0], [1.0, np.nan, 3.0]])


def test_wrong_sample_weights_are_called_by_their_name():
    x, y = table(10)
    model = gl.LinearRegression()
    with pytest.raises(ValueError, match="sample_weight has 3 rows but X has 10"):
        model.fit(x, y, sample_weight=[1, 2, 3])
    with pytest.raises(ValueError, match=r"sample_weight is negative in row 2 \(-1\)"):
        model.fit(x, y, sample_weight=np.where(np.arange(10) == 2, -1.0, 1.0))
    with pytest.raises(ValueError, match="sample_weight is zero in every row"):
        model.fit(x, y, sample_weight=np.zeros(10))
    with pytest.raises(ValueError, match="sample_weight holds NaN in row 0"):
        model.fit(x, y, sample_weight=np.full(10, np.nan))


def test_a_weight_of_zero_leaves_the_row_out():
    x, y = table(30)
    weights = np.random.default_rng(3).integers(0, 3, 30).astype(float)
    kept = weights > 0
    model, without = gl.LinearRegression().fit(x, y, weights), gl.LinearRegression().fit(x[kept], y[kept], weights[kept])
    np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-12)
    assert model.result_.rows_used == kept.sum()


def test_not_fitted():
    with pytest.raises(NotFittedError, match=r"this LinearRegression is not fitted yet; call fit\(X, y\) before predict"):
        gl.LinearRegression().predict([[1.0]])


def test_targets_are_required():
    with pytest.raises(ValueError, match="LinearRegression requires y to be passed, but the target y is None"):
        gl.LinearRegression().fit([[1.0], [2.0]], None)


def test_unknown_parameters():
    with pytest.raises(TypeError, match="unexpected keyword argument 'penality'"):
        gl.LinearRegression(penality=1)
    with pytest.raises(ValueError, match=r"invalid parameter 'solvr' for estimator Linear.*; it takes loss, prediction, penalty"):
        gl.LinearRegression().set_params(solvr="auto")
    with pytest.raises(ValueError, match=r"'solver__rate': it takes epochs, batch_size, .*learning_rate, steps, momentum"):
        gl.LinearRegression(solver=gl.GradientDescent()).set_params(solver__rate=0.1)
    with pytest.raises(ValueError, match=r"solver='auto' has no settings; give a solver first, such as solver=gl.GradientDescent"):
        gl.LinearRegression().set_params(solver__learning_rate=0.1)
    with pytest.raises(ValueError, match="learning_rate must be a positive number"):
        gl.LinearRegression(solver=gl.GradientDescent()).set_params(solver__learning_rate=-1.0)


def test_a_solvers_settings_are_parameters():
    solver = gl.GradientDescent(learning_rate=0.1, steps=7)
    model = gl.LinearRegression(solver=solver)
    parameters = model.get_params()
    assert parameters["solver"] is solver
    assert parameters["solver__learning_rate"] == 0.1
    assert "solver__steps" not in model.get_params(deep=False)
    assert model.set_params(solver__steps=9) is model
    assert model.solver == gl.GradientDescent(learning_rate=0.1, steps=9)
    assert solver.steps == 7
    # The new solver comes first, whichever way round they are given.
    model.set_params(solver__steps=11, solver=gl.GradientDescent(learning_rate=0.2))
    assert model.solver == gl.GradientDescent(learning_rate=0.2, steps=11)


def test_a_losss_settings_are_parameters():
    model = gl.LinearRegression(loss=gl.losses.huber(1.35))
    settings = [name for name in model.get_params() if name.startswith("loss__")]
    assert "loss__threshold" in settings
    assert model.set_params(loss__threshold=2.0).loss == gl.losses.huber(2.0)


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_clone_shares_the_parameters_and_drops_the_fit():
    x, y = table()
    records = []
    model = gl.LinearRegression(solver=gl.GradientDescent(steps=3, callbacks=[records.append], learning_rate=0.1), fit_intercept=False)
    model.set_fit_request(sample_weight=True)
    fresh = clone(model)
    assert type(fresh) is gl.LinearRegression
    assert fresh is not model
    assert fresh.get_params() == model.get_params()
    fresh.fit(x, y)
    assert len(records) == 4  # the callback still reaches its owner
    assert not hasattr(model, "coef_")
    assert not hasattr(clone(fresh), "coef_")


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(gl.LinearRegression()) == "LinearRegression()"
    assert repr(gl.LinearRegression(loss="absolute", fit_intercept=False)) == "LinearRegression(loss='absolute', fit_intercept=False)"
    assert re.search(r"solver=GradientDescent\(.*learning_rate=0\.1,", repr(gl.LinearRegression(solver=gl.GradientDescent(0.1))))
    assert repr(gl.LinearRegression(loss=squared_error)) == "LinearRegression(loss=squared_error)"
    assert repr(gl.LinearRegression(start=np.zeros(2))) == "LinearRegression(start=array([0., 0.]))"


def test_start_prediction_backend_and_intercept_reach_the_fit():
    x, y = table()
    exact = gl.LinearRegression().fit(x, y)
    begin = np.r_[exact.intercept_, exact.coef_]
    loss = eval("lambda y, prediction: (y - prediction) ** 2")
    model = gl.LinearRegression(
        loss=loss, prediction=lambda eta: 2.0 * eta, backend="tensorflow", start=begin / 2, solver=gl.GradientDescent(0.01, steps=1)
    )
    model.fit(x, y)
    np.testing.assert_allclose(model.coef_, exact.coef_ / 2, rtol=1e-12)
    np.testing.assert_allclose(model.predict(x), exact.predict(x), rtol=1e-12)


def test_in_a_pipeline():
    x, y = table(60, 2)
    curved = y + x[:, 0] ** 2
    steps = PolynomialFeatures(2, include_bias=False), StandardScaler()
    model = make_pipeline(*steps, gl.LinearRegression())
    model.fit(x, curved, linearregression__sample_weight=np.ones(60))
    assert model.score(x, curved) > 0.99
    theirs = make_pipeline(*map(clone, steps), sklearn.linear_model.LinearRegression()).fit(x, curved)
    np.testing.assert_allclose(model.predict(x), theirs.predict(x), rtol=1e-9)
    assert "LinearRegression" in estimator_html_repr(model)
    assert is_regressor(gl.LinearRegression())


def test_frames_flow_through_a_pipeline_with_their_names():
    x, y = table()
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    model = make_pipeline(StandardScaler().set_output(transform="pandas"), gl.LinearRegression()).fit(frame, y)
    assert list(model[-1].feature_names_in_) == ["a", "b", "c"]


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_grid_search_over_learning_rates():
    x, y = table(60)
    model = Pipeline([("scale", StandardScaler()), ("line", gl.LinearRegression(solver=gl.GradientDescent(steps=40)))])
    search = GridSearchCV(model, {"line__solver__learning_rate": [1e-4, 1e-2, 0.4]}, cv=3).fit(x, y)
    assert search.best_params_ == {"line__solver__learning_rate": 0.4}
    assert search.best_estimator_["line"].solver.learning_rate == 0.4
    solvers = [gl.GradientDescent(rate, steps=40) for rate in (1e-4, 0.4)]
    search = GridSearchCV(gl.LinearRegression(), {"solver": solvers, "fit_intercept": [True, False]}, cv=3).fit(x, y)
    assert search.best_params_ == {"solver": solvers[1], "fit_intercept": True}
    search = GridSearchCV(gl.LinearRegression(), {"solver": ["auto", solvers[0]]}, cv=3).fit(x, y)
    assert search.best_params_ == {"solver": "auto"}


def test_grid_search_over_the_strength_of_a_ridge():
    x, y = table(40, 8)
    strengths = np.array([1e-3, 0.1, 10.0])
    ours = GridSearchCV(gl.LinearRegression(penalty=gl.penalties.ridge(1.0)), {"penalty__strength": strengths}, cv=4).fit(x, y)
    # For squared loss, scikit-learn's alpha is n s / 2: n is that of the training folds.
    theirs = GridSearchCV(sklearn.linear_model.Ridge(), {"alpha": strengths * 30 / 2}, cv=4).fit(x, y)
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-6)


def test_cross_validation_equals_scikit_learns():
    x, y = table(50)
    weights = np.random.default_rng(4).uniform(0.5, 2, 50)
    for params in (None, {"sample_weight": weights}):
        expected = cross_val_score(sklearn.linear_model.LinearRegression(), x, y, cv=5, params=params)
        np.testing.assert_allclose(cross_val_score(gl.LinearRegression(), x, y, cv=5, params=params), expected, rtol=1e-9)


def test_cross_validation_of_a_users_loss_does_not_trace_it_again_for_each_fold(monkeypatch):
    x, y = table(50)
    model = gl.LinearRegression(loss=pseudo_huber, solver=gl.GradientDescent(learning_rate=0.5, steps=400)).fit(x, y)
    built, build = [], tapes._build
    monkeypatch.setattr(tapes, "_build", lambda loss, framework: built.append(loss) or build(loss, framework))
    assert cross_val_score(model, x, y, cv=5).min() > 0.9
    assert not built


def test_transformed_targets_and_metadata_routing():
    x, y = table(40)
    model = TransformedTargetRegressor(gl.LinearRegression(), func=np.exp, inverse_func=np.log)
    assert model.fit(x, np.abs(y) / 10).predict(x).shape == (40,)
    weights = np.random.default_rng(5).uniform(0.5, 2, 40)
    with sklearn.config_context(enable_metadata_routing=True):
        ours = gl.LinearRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight="sample_weight")
        theirs = sklearn.linear_model.LinearRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = [GridSearchCV(m, {"fit_intercept": [True, False]}, cv=3).fit(x, y, sample_weight=weights) for m in (ours, theirs)]
        np.testing.assert_allclose(found[0].cv_results_["mean_test_score"], found[1].cv_results_["mean_test_score"], rtol=1e-9)
        with pytest.raises(ValueError, match=r"\[sample_weight\] are passed but are not explicitly set"):
            GridSearchCV(gl.LinearRegression(), {"fit_intercept": [True]}, cv=3).fit(x, y, sample_weight=weights)


@pytest.mark.parametrize("loss", ["squared", squared_error, pseudo_huber])
def test_pickled_and_copied_before_and_after_the_fit(loss):
    x, y = table()
    model = gl.LinearRegression(loss=loss, solver=gl.GradientDescent(steps=300))
    unfitted = pickle.loads(pickle.dumps(model)).fit(x, y)
    expected = model.fit(x, y).predict(x)
    np.testing.assert_array_equal(unfitted.predict(x), expected)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.predict(x), expected)
        assert again.result_.loss == model.result_.loss
        again.fit(x, y)
        np.testing.assert_array_equal(again.coef_, model.coef_)


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_a_loss_with_more_predictors_than_targets():
    x, y = table(60, 2)

    def negative_log_density(y, eta):
        return 0.5 * tf.exp(-2.0 * eta[:, 1]) * (y - eta[:, 0]) ** 2 + eta[:, 1]

    loss = gl.losses.custom(negative_log_density, linear_predictors=("mean", "log_scale"))
    model = gl.LinearRegression(loss=loss, solver=gl.GradientDescent(learning_rate=0.01, steps=300))
    model.fit(x, y)
    assert model.coef_.shape == (2, 2)
    assert model.intercept_.shape == (2,)
    assert model.predict(x).shape == (60, 2)
    with pytest.raises(ValueError, match="no least value that is known, so that D\\^2 is not defined: score with a metric of your own"):
        model.score(x, y)


def test_a_subclass_keeps_its_parameters():
    class Robust(gl.LinearRegression):
        def __init__(self, *, loss=pseudo_huber, delta=1.0, solver="auto"):
            super().__init__(loss=loss, solver=solver)
            self.delta = delta

    model = Robust(delta=2.0)
    assert set(model.get_params()) == {"loss", "delta", "solver"}
    assert clone(model).delta == 2.0
    assert repr(model) == "Robust(delta=2.0)"


def test_a_strength_that_the_data_choose_and_a_grid_over_strengths():
    from sklearn.model_selection import GridSearchCV

    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5))
    y = 2 * X[:, 0] - X[:, 1] + rng.normal(size=120)
    model = gl.LinearRegression(penalty=gl.penalties.lasso("auto")).fit(X, y)
    path = gl.path(X, y, choose="folds")
    np.testing.assert_allclose(model.coef_, path.fit().slopes)
    assert float(model.result_.penalty.parameters["strength"]) == path.best
    strengths = [0.05, 0.2, 1.0]
    grid = GridSearchCV(gl.LinearRegression(penalty=gl.penalties.lasso(1.0)), {"penalty__strength": strengths}, cv=4).fit(X, y)
    from sklearn.linear_model import Lasso

    theirs = GridSearchCV(Lasso(tol=1e-12), {"alpha": [s / 2 for s in strengths]}, cv=4).fit(X, y)
    np.testing.assert_allclose(grid.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-8)
    assert grid.best_params_["penalty__strength"] == 2 * theirs.best_params_["alpha"]
    chosen = gl.LinearRegression(penalty=gl.penalties.lasso(0.3), covariance="selective").fit(X, y)
    assert np.isfinite(chosen.result_.interval().lower[1])
