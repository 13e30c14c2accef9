"""fit() as a user meets it: what it takes, which solver it chooses, and what it says to input it cannot use."""

import numpy as np
import pytest

import gradline as gl
from gradline.losses.arguments import as_loss
from gradline.losses.own_loss import CustomLoss
from gradline.objective.objective import Problem
from gradline.penalties.arguments import as_penalty
from gradline.rows.arrays import ArrayRows
from gradline.solvers.refusing import MOST_COEFFICIENTS
from gradline.solvers.registry import as_solver, automatic

tf = pytest.importorskip("tensorflow")


def squares(y, prediction):
    return tf.square(y - prediction)


def huber(y, prediction):
    size = tf.abs(y - prediction)
    return tf.where(size < 1.0, 0.5 * size**2, size - 0.5)


def pinball(y, prediction):
    return tf.maximum(0.9 * (y - prediction), -0.1 * (y - prediction))


def capped_distance(y, prediction):
    return tf.minimum(tf.abs(y - prediction), 3.0)


def root_mean_square(y, prediction):
    return tf.sqrt(tf.reduce_mean(tf.square(y - prediction)))


X = np.random.default_rng(0).normal(size=(40, 2))
Y = X @ [1.0, -2.0] + np.random.default_rng(1).normal(size=40)
COUNTS = np.random.default_rng(2).poisson(2.0, size=40).astype(float)
LABELS = (np.arange(40) % 2).astype(float)


def label(value):
    return getattr(value, "__name__", "") or ("" if isinstance(value, np.ndarray) else str(value).partition(" ")[0])


class TestSolverChoice:
    @pytest.mark.parametrize(
        ("loss", "target", "expected"),
        [
            ("squared", Y, "least_squares"),
            (squares, Y, "least_squares"),
            (gl.losses.expectile(0.5), Y, "least_squares"),
            (gl.losses.huber(1.35), Y, "Newton"),
            (gl.losses.huber(1.35, scale="joint"), Y, "Newton"),
            (huber, Y, "Newton"),
            ("poisson", COUNTS, "Newton"),
            ("logistic", LABELS, "Newton"),
            ("normal", Y, "Newton"),
            (root_mean_square, Y, "L-BFGS"),
            ("absolute", Y, "PiecewiseLinear"),
            (gl.losses.quantile(0.9), Y, "PiecewiseLinear"),
            (gl.losses.epsilon_insensitive(0.2), Y, "PiecewiseLinear"),
            (pinball, Y, "PiecewiseLinear"),
        ],
        ids=label,
    )
    def test_auto_takes_the_solver_for_the_loss(self, loss, target, expected):
        fit = gl.fit(X, target, loss=loss)
        assert fit.solver == expected
        assert fit.certificate.converged

    @pytest.mark.parametrize(("loss", "penalty"), [(capped_distance, None), ("absolute", gl.penalties.ridge(0.1))], ids=label)
    def test_kinked_losses_without_a_vertex_hold_rows_on_kinks(self, loss, penalty):
        fit = gl.fit(X, Y, loss=loss, penalty=penalty)
        assert fit.solver == "ActiveSetNewton"
        assert fit.certificate.converged
        assert "active-set Newton: the loss has kinks" in str(fit.summary())

    def test_very_many_coefficients_beside_kinks_take_gradient_descent(self):
        rows = ArrayRows(np.zeros((5, MOST_COEFFICIENTS)), np.ones((5, 1)))
        assert isinstance(automatic(Problem(rows, gl.losses.absolute, gl.penalties.ridge(0.1))), gl.GradientDescent)

    def test_very_many_coefficients_take_lbfgs(self):
        rows = ArrayRows(np.zeros((5, MOST_COEFFICIENTS)), np.ones((5, 1)))
        assert isinstance(automatic(Problem(rows, gl.losses.poisson)), gl.LBFGS)
        fewer = ArrayRows(np.zeros((5, MOST_COEFFICIENTS - 1)), np.ones((5, 1)))
        assert isinstance(automatic(Problem(fewer, gl.losses.poisson)), gl.Newton)
        assert isinstance(automatic(Problem(rows, gl.losses.squared)), gl.LeastSquares)

    def test_an_object_is_taken_as_it_is(self):
        solver = gl.LBFGS(max_steps=77)
        assert as_solver(solver, Problem(ArrayRows(X, Y[:, None]), gl.losses.squared)) is solver
        assert gl.fit(X, COUNTS, loss="poisson", solver=solver).solver == "L-BFGS"

    def test_tolerance_reaches_newton(self):
        rough, exact = (gl.fit(X, COUNTS, loss="poisson", tolerance=tolerance) for tolerance in (1e-2, None))
        assert rough.solution.passes < exact.solution.passes

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"tolerance": 1e-6}, "tolerance=1e-06 would not be used: squared loss is solved exactly"),
            ({"loss": "absolute", "tolerance": 1e-6}, "tolerance=1e-06 would not be used: the loss 'absolute' has kinks"),
            ({"loss": "normal", "accuracy": "full"}, "accuracy='full' would not be used: it is for squared loss"),
        ],
    )
    def test_a_keyword_nobody_would_use_is_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            gl.fit(X, Y, **options)


class TestTheWrongSolver:
    """Refused, with the name of one that can."""

    @pytest.mark.parametrize(
        ("loss", "solver", "message"),
        [
            (gl.losses.huber(1.0), gl.LeastSquares(), "LeastSquares solves squared loss only, and the loss is huber: use Newton or LBFGS"),
            ("absolute", gl.LeastSquares(), "LeastSquares solves squared loss only, and the loss is absolute"),
            (
                gl.losses.huber(1.35, scale="joint"),
                gl.GradientDescent(),
                r"has a linear predictor that is one number for all rows; use gl.Newton\(\)",
            ),
            ("absolute", gl.Newton(), "Newton needs a smooth loss, and 'absolute' has kinks; use gl.PiecewiseLinear"),
            (pinball, gl.Newton(), "Newton needs a smooth loss, and 'pinball' has kinks; use gl.PiecewiseLinear"),
            (gl.losses.quantile(0.3), gl.LBFGS(), "LBFGS needs a smooth loss, and 'quantile' has kinks; use gl.PiecewiseLinear"),
            (root_mean_square, gl.Newton(), "Newton needs the curvature of single rows; the loss 'root_mean_square' returns one scalar"),
            (root_mean_square, gl.LeastSquares(), "LeastSquares solves squared loss only"),
            (
                gl.losses.huber(1.0),
                gl.PiecewiseLinear(),
                "PiecewiseLinear solves losses that are piecewise linear.*use gl.Newton or gl.LBFGS",
            ),
            (capped_distance, gl.PiecewiseLinear(), "not convex.*use gl.ActiveSetNewton"),
        ],
        ids=label,
    )
    def test_is_told_who_can(self, loss, solver, message):
        with pytest.raises(ValueError, match=message):
            gl.fit(X, Y, loss=loss, solver=solver)

    def test_a_name(self):
        for name in ("newton", "Newton", "least_squares", "L-BFGS"):
            np.testing.assert_allclose(gl.fit(X, Y, solver=name).coefficients, gl.fit(X, Y).coefficients, rtol=1e-6)
        with pytest.raises(ValueError, match=r"solver='newtn' is not known; give \"auto\" or a solver such as gl\.Newton"):
            gl.fit(X, Y, solver="newtn")

    def test_a_class_instead_of_an_object(self):
        with pytest.raises(TypeError, match=r"solver=Newton is a class; make one, as in solver=gl.Newton\(\)"):
            gl.fit(X, Y, solver=gl.Newton)

    def test_something_else(self):
        with pytest.raises(TypeError, match=r'solver must be "auto" or a solver such as .*, not int 3'):
            gl.fit(X, Y, solver=3)


class TestTargets:
    """Outside a loss's domain: the loss, the first row and its value, and what is allowed."""

    @pytest.mark.parametrize(
        ("loss", "bad", "message"),
        [
            ("poisson", -2.0, "loss poisson: row 7 holds -2; targets must be counts: 0 or above"),
            (gl.losses.negative_binomial(1.0), -0.5, "loss negative_binomial: row 7 holds -0.5; targets must be counts"),
            ("logistic", 0.3, "loss logistic: row 7 holds 0.3; targets must be labels 0 or 1"),
            ("gamma", 0.0, "loss gamma: row 7 holds 0; targets must be above 0"),
            (gl.losses.tweedie(1.5), -1.0, "loss tweedie: row 7 holds -1; targets must be 0 or above"),
            (gl.losses.tweedie(3.0), 0.0, "loss tweedie: row 7 holds 0; targets must be above 0"),
            (gl.losses.multinomial(2), 2.0, "loss multinomial: row 7 holds 2; targets must be class labels 0 to 1"),
            ("multinomial", 0.5, "loss multinomial: row 7 holds 0.5; targets must be class labels"),
        ],
        ids=label,
    )
    def test_the_first_bad_row_is_named(self, loss, bad, message):
        y = LABELS.copy() + (1.0 if getattr(loss, "name", loss) in ("gamma",) or getattr(loss, "power", 0) > 2 else 0.0)
        y[[7, 20]] = bad, -9.0
        with pytest.raises(ValueError, match=message):
            gl.fit(X, y, loss=loss)

    def test_with_several_targets_the_column_too(self):
        y = np.column_stack([COUNTS, COUNTS])
        y[5, 1] = -3.0
        with pytest.raises(ValueError, match="loss poisson: row 5, target 2, holds -3"):
            gl.fit(X, y, loss="poisson")

    @pytest.mark.parametrize("kind", ["weights", "frequencies"])
    def test_a_row_of_weight_zero_may_hold_anything(self, kind):
        y, weights = COUNTS.copy(), np.ones(40)
        y[7], weights[7] = -5.0, 0.0
        kept = weights > 0
        fit, without = gl.fit(X, y, loss="poisson", **{kind: weights}), gl.fit(X[kept], y[kept], loss="poisson")
        np.testing.assert_allclose(fit.coefficients, without.coefficients, rtol=1e-12)
        assert fit.rows_used == 39

    @pytest.mark.parametrize("loss", ["normal", "multinomial", gl.losses.huber(1.35, scale="joint")], ids=label)
    def test_one_column_only(self, loss):
        with pytest.raises(ValueError, match="takes one target column, but there are 2; fit each target by itself"):
            gl.fit(X, np.column_stack([LABELS, LABELS]), loss=loss)

    @pytest.mark.parametrize(("bad", "what"), [(np.nan, "NaN"), (np.inf, "infinity")])
    def test_not_finite(self, bad, what):
        y = Y.copy()
        y[11] = bad
        with pytest.raises(ValueError, match=f"y holds {what} in row 11; drop that row"):
            gl.fit(X, y)


class TestRowNumbers:
    @pytest.mark.parametrize("keyword", ["weights", "frequencies", "offset"])
    def test_a_wrong_length(self, keyword):
        with pytest.raises(ValueError, match=f"{keyword} has 39 rows but X has 40; they must match, row by row"):
            gl.fit(X, COUNTS, loss="poisson", **{keyword: np.ones(39)})

    @pytest.mark.parametrize("keyword", ["weights", "frequencies", "offset"])
    @pytest.mark.parametrize(("bad", "what"), [(np.nan, "NaN"), (np.inf, "infinity")])
    def test_not_finite(self, keyword, bad, what):
        values = np.ones(40)
        values[11] = bad
        with pytest.raises(ValueError, match=f"{keyword} holds {what} in row 11"):
            gl.fit(X, COUNTS, loss="poisson", **{keyword: values})

    @pytest.mark.parametrize("keyword", ["weights", "frequencies"])
    def test_negative(self, keyword):
        values = np.ones(40)
        values[[11, 30]] = -2.0, -1.0
        with pytest.raises(ValueError, match=rf"{keyword} is negative in row 11 \(-2\)"):
            gl.fit(X, Y, **{keyword: values})

    @pytest.mark.parametrize("keyword", ["weights", "frequencies"])
    def test_all_zero(self, keyword):
        with pytest.raises(ValueError, match=f"{keyword} is zero in every row; at least one row must count"):
            gl.fit(X, Y, **{keyword: np.zeros(40)})

    @pytest.mark.parametrize("loss", ["squared", "poisson"])
    def test_all_zero_between_them(self, loss):
        with pytest.raises(ValueError, match="weights times frequencies is zero in every row; at least one row must count"):
            gl.fit(X, COUNTS, loss=loss, weights=LABELS, frequencies=1.0 - LABELS)

    def test_a_frequency_that_is_no_count(self):
        with pytest.raises(ValueError, match=r"frequencies is 1.5 in row 0; frequencies count repeated rows, .* use weights="):
            gl.fit(X, Y, frequencies=np.full(40, 1.5))

    def test_an_offset_with_a_column_for_each_predictor(self):
        with pytest.raises(ValueError, match="offset has 3 columns, but there are 2 linear predictors"):
            gl.fit(X, Y, loss="normal", offset=np.ones((40, 3)))
        one, both = gl.fit(X, Y, loss="normal", offset=np.ones(40)), gl.fit(X, Y, loss="normal", offset=np.ones((40, 2)))
        np.testing.assert_allclose(one.coefficients, both.coefficients, rtol=1e-12)


class TestStart:
    @pytest.mark.parametrize("solver", ["auto", gl.LBFGS(), gl.GradientDescent()], ids=["auto", "L-BFGS", "descent"])
    def test_a_wrong_shape(self, solver):
        with pytest.raises(ValueError, match=r"start has shape \(2,\), but the model has 3 coefficients .* give shape \(3, 1\)"):
            gl.fit(X, COUNTS, loss="poisson", start=np.zeros(2), solver=solver)

    def test_not_finite(self):
        with pytest.raises(ValueError, match="start holds NaN or infinity; give finite coefficients"):
            gl.fit(X, COUNTS, loss="poisson", start=[0.0, np.nan, 0.0])

    def test_it_does_not_move_a_convex_optimum(self):
        first, second = (gl.fit(X, COUNTS, loss="poisson", start=start) for start in (None, [3.0, -1.0, 1.0]))
        np.testing.assert_allclose(first.coefficients, second.coefficients, rtol=1e-9)


class TestLossArgument:
    def test_names_objects_and_functions(self):
        assert as_loss("poisson") is gl.losses.poisson
        assert as_loss(gl.losses.huber(2.0)) == gl.losses.huber(2.0)
        custom = as_loss(squares)
        assert isinstance(custom, CustomLoss)
        assert as_loss(custom) is custom

    def test_an_unknown_name(self):
        with pytest.raises(ValueError, match="no loss is named 'poison'; did you mean poisson"):
            as_loss("poison")

    def test_a_loss_that_has_still_to_be_made(self):
        with pytest.raises(TypeError, match=r"loss=huber is what makes the loss: call it, as in loss=gl.losses.huber\(...\)"):
            as_loss(gl.losses.huber)

    def test_something_else(self):
        with pytest.raises(TypeError, match=r"loss must be a name, a loss of gl.losses or a function loss\(y, prediction\), not int 3"):
            as_loss(3)

    @pytest.mark.parametrize(("keyword", "value"), [("prediction", tf.exp), ("backend", "tensorflow")])
    def test_keywords_for_functions_only(self, keyword, value):
        with pytest.raises(
            ValueError, match=f"{keyword}= goes with a loss function of your own; this loss, 'poisson', has its own already"
        ):
            gl.fit(X, COUNTS, loss="poisson", **{keyword: value})

    def test_a_ridge_of_zero_is_no_penalty(self):
        assert as_penalty(gl.penalties.ridge(0.0)) is None
        assert as_penalty(gl.penalties.ridge(0.1)) == gl.penalties.ridge(0.1)

    def test_an_unknown_keyword(self):
        with pytest.raises(TypeError, match=r"fit\(\) got an unexpected keyword argument 'los'; did you mean 'loss'"):
            gl.fit(X, Y, los="poisson")


class TestAliased:
    def test_it_is_said_and_marked(self):
        copied = np.column_stack([X, X[:, 0]])
        with pytest.warns(gl.GradlineWarning, match="left out of the model.*'x3'"):
            fit = gl.fit(copied, COUNTS, loss="poisson")
        assert np.isnan(fit.coefficients[3])
        np.testing.assert_allclose(fit.predict(copied), gl.fit(X, COUNTS, loss="poisson").predict(X), rtol=1e-10)


class TestIntercept:
    def test_without_one(self):
        fit = gl.fit(X, COUNTS, loss="poisson", intercept=False)
        assert fit.names == ("x1", "x2")
        assert fit.intercept == 0.0
        # The gradient condition of a fit without an intercept: residuals at right angles to the columns, and no promise of their sum.
        residuals = COUNTS - fit.predict(X)
        np.testing.assert_allclose(X.T @ residuals, 0.0, atol=1e-10)
        assert abs(residuals.sum()) > 1.0


def test_an_offset_is_no_part_of_a_scale_that_is_one_number_for_all_rows():
    generator = np.random.default_rng(8)
    x, offset = generator.normal(size=(120, 1)), generator.normal(size=120)
    y = 2.0 * x[:, 0] + generator.standard_t(4, size=120)
    loss = gl.losses.huber(1.35, scale="joint")
    plain, shifted = gl.fit(x, y, loss=loss), gl.fit(x, y + offset, loss=loss, offset=offset)
    np.testing.assert_allclose(shifted.coefficients, plain.coefficients, rtol=1e-9, atol=1e-12)
    table = {"x": x[:, 0], "y": y + offset, "o": offset}
    by_formula = gl.fit("y ~ x + offset(o)", table, loss=loss)
    np.testing.assert_allclose(by_formula.coefficients, plain.coefficients, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(by_formula.predict(table, kind="linear")[:, 1], plain.coefficients[0, 1], rtol=1e-9)
    np.testing.assert_allclose(shifted.predict(x, offset=offset, kind="linear"), by_formula.predict(table, kind="linear"), rtol=1e-9)
