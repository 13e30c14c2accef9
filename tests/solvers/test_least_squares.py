import contextlib
import json
import warnings
from fractions import Fraction
from pathlib import Path

import exact
import numpy as np
import pytest

import gradline as gl
from gradline import penalties
from gradline.losses.catalogue import squared
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers import registry
from gradline.solvers.least_squares import least_squares as module
from gradline.solvers.least_squares.exact_inverse import inverse_gram
from gradline.solvers.least_squares.least_squares import LeastSquares, least_squares

NIST = json.loads((Path(__file__).parents[1] / "reference" / "nist_strd_linear.json").read_text())["datasets"]

# Digits of the worst coefficient against the certified values: what the exact solution of the doubles itself reaches, less a whisker.
CERTIFIED = {"Filip": 7.6, "Wampler2": 13.2, "Pontius": 13.4}


def nist(name):
    data = NIST[name]
    x, y = np.array(data["x"], dtype=float), np.array(data["y"], dtype=float)
    if "^" in data["model"]:
        degree = len(data["certified"]["coefficients"]) - int(data["intercept"])
        x = np.column_stack([x[:, 0] ** i for i in range(1, degree + 1)])
    design = np.column_stack([np.ones(len(y)), x]) if data["intercept"] else x
    return x, y, design, data


def fit(x, y, accuracy="auto", **options):
    ridge = options.pop("ridge", 0.0)
    y = np.asarray(y, dtype=float)
    rows = ArrayRows(np.asarray(x), y[:, None] if y.ndim == 1 else y, **options)
    return least_squares(rows, accuracy=accuracy, ridge=ridge)


@pytest.mark.parametrize("name", NIST)
def test_nist(name):
    x, y, design, data = nist(name)
    rows = ArrayRows(x, y[:, None], intercept=data["intercept"])
    solution = LeastSquares().solve(Problem(rows, squared))
    b = solution.coefficients[:, 0]
    truth = exact.least_squares(design, y)
    right = exact.right_digits(b, truth)
    assert solution.aliased == ()
    assert solution.certificate.converged
    assert right.min() >= 14.9
    assert (solution.digits[:, 0] <= right).all()
    assert solution.digits.min() >= 14.9
    certified = data["certified"]
    values = [Fraction(v) for v in certified["coefficients"]]
    reached, possible = exact.right_digits(b, values).min(), exact.right_digits([float(v) for v in truth], values).min()
    assert reached >= min(possible, 15.0) - 0.05
    assert reached >= CERTIFIED.get(name, 14.0)
    # Residual standard deviation and standard errors, against the doubles' own and the certified ones.
    spare = len(y) - design.shape[1]
    residuals = [a - b for a, b in zip(exact.rational(y), exact.times(design, truth), strict=True)]
    squares = sum(r * r for r in residuals)
    inverse = inverse_gram(rows)
    shape = np.ldexp(np.sqrt(np.diag(inverse.inverse)), -inverse.exponents)
    exact_shape = [exact.square_root(v) for v in exact.inverse_diagonal(design)]
    assert exact.right_digits(shape, exact_shape).min() >= 13.5
    if not squares:
        assert solution.loss <= 1e-20
        return
    deviation = np.sqrt(solution.loss * len(y) / spare)
    exact_deviation = exact.square_root(squares / spare)
    assert exact.right_digits([deviation], [exact_deviation])[0] >= 14
    for ours, best, key in (
        ([deviation], [exact_deviation], "residual_standard_deviation"),
        (shape * deviation, [v * exact_deviation for v in exact_shape], "standard_deviations"),
    ):
        values = [Fraction(v) for v in np.atleast_1d(certified[key])]
        assert exact.right_digits(ours, values).min() >= min(exact.right_digits(best, values).min() - 0.05, 12), key


def families(seed):
    """A random ill-conditioned problem: (family, slopes, target, intercept)."""
    random = np.random.default_rng([2024, seed])
    n = int(random.integers(8, 22))
    p = int(random.integers(2, 7))
    kind = ("vandermonde", "hilbert", "lauchli", "offset", "scales", "collinear", "orthogonal_noise")[seed % 7]
    intercept = bool(random.integers(2))
    if kind == "hilbert":
        n = max(n, p + 8)
    if kind == "vandermonde":
        points = random.uniform(0, 1, n) * 10.0 ** random.integers(-2, 3) + float(random.integers(0, 10))
        x = points[:, None] ** np.arange(1, p + 1)
    elif kind == "hilbert":
        x = 1.0 / (np.arange(n)[:, None] + np.arange(p + 4)[None, :] + 1.0)
    elif kind == "lauchli":
        delta = 10.0 ** -random.uniform(1, 12)
        x = np.concatenate([np.ones((1, p)), delta * np.eye(p), random.normal(size=(2, p)) * delta])
        intercept = False
    elif kind == "offset":
        x = random.normal(size=(n, p)) + 10.0 ** random.uniform(0, 13)
        intercept = True
    elif kind == "scales":
        x = random.normal(size=(n, p)) * 10.0 ** random.uniform(-150, 150, size=p)
    else:
        x = random.normal(size=(n, p))
        x[:, -1] = x[:, : p - 1].sum(axis=1) + 10.0 ** -random.uniform(2, 13) * random.normal(size=n)
    y = random.normal(size=x.shape[0]) * 10.0 ** random.uniform(-3, 3)
    if kind == "orthogonal_noise":
        # Wampler's case: moderate coefficients beside noise orthogonal to the columns, where cond^2 bites.
        design = np.column_stack([np.ones(n), x]) if intercept else x
        q = np.linalg.qr(design)[0]
        noise = y - q @ (q.T @ y)
        y = design.sum(axis=1) + (noise - q @ (q.T @ noise)) * 10.0 ** random.uniform(0, 4)
    elif random.integers(2):
        scale = np.abs(x).max(axis=0)
        y = y * 1e-6 + (x / scale) @ random.normal(size=x.shape[1])
    return kind, x, y, intercept


def scaled_condition(design):
    scaled = design / np.abs(design).max(axis=0)
    return np.linalg.cond(scaled / np.linalg.norm(scaled, axis=0))


def peers(design, y):
    """Coefficients by the usual methods, those that answer."""
    import scipy.linalg

    answers = [np.linalg.lstsq(design, y, rcond=None)[0]]
    answers.append(scipy.linalg.lstsq(design, y, lapack_driver="gelsy")[0])
    try:
        from sklearn.linear_model import LinearRegression
        from statsmodels.api import OLS
    except ImportError:
        return answers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answers.append(LinearRegression(fit_intercept=False).fit(design, y).coef_)
        for method in ("pinv", "qr"):
            with contextlib.suppress(np.linalg.LinAlgError):
                answers.append(OLS(y, design).fit(method=method).params)
    return answers


def judge(seed):
    kind, x, y, intercept = families(seed)
    solution = fit(x, y, intercept=intercept)
    design = np.column_stack([np.ones(len(y)), x]) if intercept else x
    condition = scaled_condition(design)
    kept = [j for j in range(design.shape[1]) if j not in solution.aliased]
    truth = exact.least_squares(design[:, kept], y)
    right = exact.right_digits(solution.coefficients[kept, 0], truth)
    claimed = solution.digits[kept, 0]
    assert (claimed <= right + 1e-9).all(), (kind, seed, condition, claimed, right)
    if condition <= 1e13:
        assert not solution.aliased, (kind, seed, condition)
        assert right.min() >= 14, (kind, seed, condition, right)
        assert claimed.min() >= 14, (kind, seed, condition, claimed)
    if not solution.aliased:
        with np.errstate(all="ignore"):
            others = [exact.right_digits(np.nan_to_num(b), truth).min() for b in peers(design, y)]
        assert right.min() >= min(max(others), 15.5), (kind, seed, condition, right, others)
    return condition, right.min(), claimed.min(), len(solution.aliased)


@pytest.mark.parametrize("seed", range(98))
def test_ill_conditioned(seed):
    judge(seed)


@pytest.mark.study
def test_five_hundred_ill_conditioned():
    for seed in range(98, 600):
        judge(seed)


def test_weights_frequencies_and_offset_exactly():
    random = np.random.default_rng(1)
    n = 15
    x, y, offset = random.normal(size=(n, 2)), random.normal(size=n), random.normal(size=(n, 1)) * 1e3
    weights, frequencies = random.uniform(0.1, 3, n), random.integers(0, 4, n).astype(float)
    weights[3] = 0.0
    solution = fit(x, y, weights=weights, frequencies=frequencies, offset=offset)
    design = np.column_stack([np.ones(n), x])
    w = [Fraction(a) * Fraction(b) for a, b in zip(weights.tolist(), frequencies.tolist(), strict=True)]
    left = [Fraction(a) - Fraction(b) for a, b in zip(y.tolist(), offset[:, 0].tolist(), strict=True)]
    columns = list(zip(*exact.rational(design), strict=True))
    gram = [[sum(a * b * c for a, b, c in zip(u, v, w, strict=True)) for v in columns] for u in columns]
    truth = exact.solve(gram, [sum(a * b * c for a, b, c in zip(u, left, w, strict=True)) for u in columns])
    assert exact.right_digits(solution.coefficients[:, 0], truth).min() >= 15.5
    eta = design @ solution.coefficients[:, 0] + offset[:, 0]
    assert solution.loss == pytest.approx(np.average((y - eta) ** 2, weights=weights * frequencies), rel=1e-10)


def test_frequency_two_is_the_row_twice_and_weight_zero_is_the_row_left_out():
    random = np.random.default_rng(2)
    x, y = random.normal(size=(12, 2)), random.normal(size=12)
    frequencies = np.array([2.0, 0.0] + [1.0] * 10)
    twice = np.r_[0, 0, 2:12]
    assert np.array_equal(fit(x, y, frequencies=frequencies).coefficients, fit(x[twice], y[twice]).coefficients)
    x[1], y[1] = 1e300, -1e300
    assert np.array_equal(fit(x, y, weights=frequencies).coefficients, fit(x[twice], y[twice]).coefficients)


@pytest.mark.parametrize("intercept", [True, False])
def test_ridge_exactly(intercept):
    random = np.random.default_rng(3)
    n, strength = 9, 0.3
    x, y, weights = random.normal(size=(n, 3)) + 100, random.normal(size=n), random.uniform(0.5, 2, n)
    solution = fit(x, y, weights=weights, ridge=strength, intercept=intercept)
    design = np.column_stack([np.ones(n), x]) if intercept else x
    w = [Fraction(v) for v in weights.tolist()]
    penalty = sum(w) * Fraction(strength) / 2
    truth = exact.least_squares(design, y, w, [Fraction(0)] * int(intercept) + [penalty] * 3)
    assert exact.right_digits(solution.coefficients[:, 0], truth).min() >= 15.5
    b = solution.coefficients[:, 0]
    value = np.average((y - design @ b) ** 2, weights=weights) + strength / 2 * (b[int(intercept) :] ** 2).sum()
    assert solution.loss == pytest.approx(value, rel=1e-10)


def test_ridge_with_more_columns_than_rows():
    random = np.random.default_rng(4)
    x, y = random.normal(size=(4, 9)), random.normal(size=4)
    solution = fit(x, y, ridge=0.5)
    centred = x - x.mean(axis=0)
    slopes = np.linalg.solve(centred.T @ centred + np.eye(9), centred.T @ (y - y.mean()))
    np.testing.assert_allclose(solution.coefficients[1:, 0], slopes, rtol=1e-10)
    assert solution.aliased == ()


def test_several_targets_are_the_targets_one_by_one():
    random = np.random.default_rng(5)
    x, y = random.normal(size=(30, 3)), random.normal(size=(30, 3)) * [1, 1e-8, 1e8]
    together = fit(x, y)
    for j in range(3):
        alone = fit(x, y[:, j])
        assert np.array_equal(together.coefficients[:, j], alone.coefficients[:, 0])
    assert together.digits.shape == (4, 3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("intercept", [True, False])
def test_wide_problems_take_the_minimum_norm(seed, intercept):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(5, 9)) + (1000 if seed % 2 else 0), random.normal(size=5)
    if seed > 1:
        x[1] = x[0] + 1e-8 * x[1]
    solution = fit(x, y, intercept=intercept)
    truth = exact.minimum_norm(x, y, intercept)
    right = exact.right_digits(solution.coefficients[:, 0], truth)
    assert right.min() >= 14
    assert (solution.digits[:, 0] <= right).all()
    assert solution.digits[int(intercept) :].min() >= 12
    assert "least Euclidean norm" in solution.notes[0]


@pytest.mark.parametrize(("rows", "columns", "mean"), [(2, 3, 0), (5, 9, 10), (5, 5, 10), (6, 20, 1e6), (12, 40, 10)])
@pytest.mark.parametrize("row_columns", [("weights",), ("frequencies",), ("weights", "frequencies")])
@pytest.mark.parametrize("intercept", [True, False])
def test_weights_do_not_move_what_interpolates(rows, columns, mean, row_columns, intercept):
    random = np.random.default_rng(rows)
    x, y = random.normal(mean, 1, size=(rows, columns)), random.normal(size=rows)
    counts = {"weights": random.uniform(1e-3, 9, size=rows), "frequencies": random.integers(1, 9, size=rows).astype(float)}
    solution = fit(x, y, intercept=intercept, **{name: counts[name] for name in row_columns})
    truth = exact.minimum_norm(x, y, intercept)
    right = exact.right_digits(solution.coefficients[:, 0], truth)
    assert right.min() >= 13
    assert (solution.digits[:, 0] <= right).all()
    assert solution.certificate.converged


def test_weighted_rows_fewer_than_columns_by_hand():
    # The slopes of least norm through (1, 2, 3) -> 1 and (4, 6, 5) -> 2 are the difference of the rows over its squared length, 29.
    with pytest.warns(gl.GradlineWarning, match="least Euclidean norm"):
        fitted = gl.fit([[1.0, 2, 3], [4, 6, 5]], [1.0, 2], weights=[1, 9])
    np.testing.assert_allclose(fitted.coefficients[1:], [3 / 29, 4 / 29, 2 / 29], rtol=1e-14)
    np.testing.assert_allclose(fitted.predict([[1.0, 2, 3], [4, 6, 5]]), [1, 2], rtol=1e-14)


@pytest.mark.parametrize("weights", [None, [1.0, 3, 1, 1], [0.3, 0.7, 5, 2], [2, 2, 0, 1]])
@pytest.mark.parametrize("mean", [0.0, 10.0, 1e6])
def test_repeated_rows_fewer_than_columns(weights, mean):
    # Two rows that are the same are one row of their mean target, with the weight of both: what is left interpolates.
    random = np.random.default_rng(3)
    x, y = random.normal(mean, 1, size=(4, 7)), np.array([1.0, 4.0, 2.0, 3.0])
    x[1] = x[0]
    w = np.ones(4) if weights is None else np.array(weights)
    solution = fit(x, y, weights=None if weights is None else w)
    kept = [i for i in (1, 2, 3) if w[i] > 0]
    joined = y.copy()
    joined[1] = (w[0] * y[0] + w[1] * y[1]) / (w[0] + w[1])
    truth = np.array(exact.minimum_norm(x[kept], joined[kept], True), dtype=float)
    np.testing.assert_allclose(solution.coefficients[1:, 0], truth[1:], rtol=1e-12 * max(mean, 1), atol=0)
    assert solution.certificate.converged


@pytest.mark.parametrize("n", [2, 3])
def test_rows_that_are_all_the_same_give_their_mean(n):
    weights = np.arange(1.0, n + 1)
    solution = fit(np.full((n, 5), 10.7), np.arange(float(n)), weights=weights)
    np.testing.assert_allclose(solution.coefficients[:, 0], [np.average(np.arange(n), weights=weights), 0, 0, 0, 0, 0], atol=1e-14)
    assert solution.certificate.converged


def test_one_row():
    solution = fit(np.array([[2.0, 1.0]]), [3.0])
    np.testing.assert_allclose(solution.coefficients[:, 0], [3, 0, 0])
    assert solution.loss == pytest.approx(0, abs=1e-30)


def test_weights_all_on_one_row():
    weights = np.zeros(10)
    weights[4] = 2.0
    x, y = np.random.default_rng(6).normal(size=(10, 2)), np.arange(10.0)
    solution = fit(x, y, weights=weights)
    np.testing.assert_allclose(solution.coefficients[:, 0], [4, 0, 0], atol=1e-14)


def test_aliasing_leaves_out_later_columns():
    random = np.random.default_rng(7)
    a, b = random.normal(size=40), random.normal(size=40)
    x = np.column_stack([a, np.full(40, 7.0), b, a, np.zeros(40), a + b, random.normal(size=40)])
    y = a - b + random.normal(size=40)
    solution = fit(x, y)
    assert solution.aliased == (2, 4, 5, 6)
    assert np.isnan(solution.digits[[2, 4, 5, 6], 0]).all()
    assert not solution.coefficients[[2, 4, 5, 6]].any()
    smaller = fit(x[:, [0, 2, 6]], y)
    assert np.array_equal(solution.coefficients[[0, 1, 3, 7]], smaller.coefficients)


def test_no_columns():
    assert fit(np.empty((4, 0)), [1.0, 2.0, 3.0, 6.0]).coefficients.tolist() == [[3.0]]
    nothing = fit(np.empty((4, 0)), [1.0, 2.0, 3.0, 6.0], intercept=False)
    assert nothing.coefficients.shape == (0, 1)
    assert nothing.loss == pytest.approx(12.5)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e307])
def test_columns_whose_squares_leave_the_range(scale):
    random = np.random.default_rng(8)
    x, y = random.uniform(-1, 1, size=(25, 2)), random.normal(size=25)
    plain = fit(x, y).coefficients[:, 0]
    big = fit(x * [scale, 1.0], y).coefficients[:, 0]
    np.testing.assert_allclose(big * [1, scale, 1], plain, rtol=1e-12)


@pytest.mark.parametrize(
    "convert",
    [np.asfortranarray, lambda x: x.astype(np.float32), lambda x: np.repeat(x, 2, axis=0)[::2], lambda x: x.astype(np.int32)],
    ids=["fortran", "float32", "strided", "integer"],
)
def test_inputs(convert):
    random = np.random.default_rng(9)
    x, y = np.round(random.normal(size=(50, 3)) * 100), random.normal(size=50)
    assert np.array_equal(fit(convert(x), y).coefficients, fit(x, y).coefficients)


def test_the_threaded_road_is_the_one_block_road(monkeypatch):
    random = np.random.default_rng(10)
    x, y = random.normal(size=(20_000, 12)) + 50, random.normal(size=(20_000, 2))
    weights, frequencies = random.uniform(0, 1, 20_000), random.integers(0, 3, 20_000).astype(float)
    threaded = fit(x, y, weights=weights, frequencies=frequencies)
    monkeypatch.setattr(module, "in_one_block", lambda rows: rows.in_memory())
    single = fit(x, y, weights=weights, frequencies=frequencies)
    np.testing.assert_array_max_ulp(threaded.coefficients, single.coefficients, 1)
    assert threaded.digits.min() >= 15


def large(monkeypatch):
    monkeypatch.setattr(module, "EXACT_NUMBERS", 0)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_normal_equations_claim_no_more_than_is_true(monkeypatch, offset, intercept, weighted):
    large(monkeypatch)
    random = np.random.default_rng(11)
    n, p = 30_000, 10
    x = random.normal(size=(n, p)) @ (np.eye(p) + 0.2 * random.normal(size=(p, p))) + (offset if intercept else 0.0)
    y = x @ random.normal(size=(p, 2)) + random.normal(size=(n, 2))
    options = {"weights": random.uniform(0, 2, n), "frequencies": random.integers(0, 3, n).astype(float)} if weighted else {}
    quick, full = (fit(x, y, accuracy, intercept=intercept, **options) for accuracy in ("auto", "full"))
    assert quick.passes == 1
    assert full.passes > 1
    with np.errstate(divide="ignore"):
        right = -np.log10(np.abs(quick.coefficients - full.coefficients) / np.abs(full.coefficients))
    assert (quick.digits <= right).all()
    assert quick.digits.min() > 7
    assert quick.loss == pytest.approx(full.loss, rel=1e-10)


def test_few_digits_bring_the_exact_road(monkeypatch):
    large(monkeypatch)
    random = np.random.default_rng(12)
    x = random.normal(size=(5000, 3))
    x[:, 2] = x[:, 0] + 1e-4 * x[:, 2]
    y = x @ np.ones(3) + random.normal(size=5000)
    solution = fit(x, y)
    assert solution.passes > 2
    assert solution.digits.min() >= 15
    assert fit(np.column_stack([x, x[:, 0]]), y).aliased == (4,)


def test_a_good_fit_takes_its_loss_from_residuals(monkeypatch):
    large(monkeypatch)
    random = np.random.default_rng(13)
    x = random.normal(size=(5000, 3))
    y = 1 + x @ np.ones(3) + 1e-6 * random.normal(size=5000)
    quick, full = fit(x, y), fit(x, y, "full")
    assert quick.passes == 2
    assert quick.loss == pytest.approx(full.loss, rel=1e-8)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_normal_equations_of_extreme_columns(monkeypatch, scale):
    large(monkeypatch)
    random = np.random.default_rng(14)
    x, y = random.normal(size=(5000, 2)), random.normal(size=5000)
    solution = fit(x * [scale, 1.0], y)
    np.testing.assert_allclose(solution.coefficients[:, 0] * [1, scale, 1], fit(x, y).coefficients[:, 0], rtol=1e-9)
    first_small = x * [scale, 1.0]
    first_small[:2000, 0] = 1.0
    assert np.isfinite(fit(first_small, y).coefficients).all()


def test_the_inverse_of_weighted_rows_with_a_ridge():
    random = np.random.default_rng(16)
    x, weights = random.normal(size=(20_000, 9)) + 30, random.uniform(0, 2, 20_000)
    rows = ArrayRows(x, x[:, :1], weights=weights)
    found = inverse_gram(rows, ridge=0.1)
    design = np.column_stack([np.ones(20_000), x])
    penalty = np.diag([0.0] + [weights.sum() * 0.05] * 9)
    direct = np.linalg.inv((design.T * weights) @ design + penalty)
    np.testing.assert_allclose(np.ldexp(found.inverse, -np.add.outer(found.exponents, found.exponents)), direct, rtol=1e-6)
    aliased = inverse_gram(ArrayRows(np.column_stack([x[:50], x[:50, 0]]), x[:50, :1]))
    assert aliased.aliased == (10,)
    assert not aliased.inverse[10].any()


def test_a_ridge_in_the_problem():
    random = np.random.default_rng(17)
    rows = ArrayRows(random.normal(size=(20, 2)), random.normal(size=(20, 1)))
    solution = LeastSquares().solve(Problem(rows, squared, penalties.ridge(0.3)))
    assert np.array_equal(solution.coefficients, least_squares(rows, ridge=0.3).coefficients)


def test_other_losses_are_refused():
    class Absolute:
        name = "absolute"

        def squared_scale(self):
            return None

    with pytest.raises(ValueError, match="use Newton or LBFGS"):
        registry.solve(LeastSquares(), Problem(ArrayRows(np.ones((2, 1)), np.ones((2, 1))), Absolute()))
    with pytest.raises(ValueError, match="accuracy"):
        LeastSquares(accuracy="high")


def test_a_multiple_of_squared_loss():
    random = np.random.default_rng(15)
    rows = ArrayRows(random.normal(size=(20, 2)), random.normal(size=(20, 1)))
    plain, half = least_squares(rows, ridge=0.5), least_squares(rows, ridge=0.25, loss_scale=0.5)
    assert np.array_equal(plain.coefficients, half.coefficients)
    assert half.loss == pytest.approx(plain.loss / 2)


@pytest.mark.parametrize(("mean", "spread"), [(1e3, 1.0), (1e4, 0.1), (1e4, 1.0), (1e4, 100.0), (1e5, 10.0)])
def test_a_spline_beside_its_own_column_far_from_zero_is_aliased(mean, spread):
    """Column and splines add up to each other but for the last digits of the column, which its mean makes large beside its spread: R's lm
    says NA. The fitted values are those of the same cubic pieces written out around the mean, which no cancellation touches."""
    generator = np.random.default_rng(4)
    n = 600
    z = mean + spread * generator.normal(size=n)
    table = {"x": generator.normal(size=n), "g": generator.choice(list("abc"), n), "z": z}
    table["y"] = table["x"] + np.sin((z - mean) / spread) + generator.normal(size=n)
    with pytest.warns(gl.GradlineWarning, match=r"determined by earlier columns: 'bs\(z, df=4\)\[4\]:g\[c\]'"):
        fit = gl.fit("y ~ x*g + z + bs(z, df=4):g", table)
    assert fit.certificate.converged
    u = (z - mean) / spread
    pieces = np.column_stack([np.ones(n), u, u**2, u**3, np.maximum(u - np.median(u), 0.0) ** 3])
    design = np.concatenate(
        [np.where((table["g"] == level)[:, None], np.column_stack([pieces, table["x"]]), 0.0) for level in "abc"], axis=1
    )
    expected = design @ np.linalg.lstsq(design, table["y"], rcond=None)[0]
    # The knots are doubles of size mean: that is what parts the two.
    np.testing.assert_allclose(fit.predict(table), expected, atol=1e-9 * mean / spread)
