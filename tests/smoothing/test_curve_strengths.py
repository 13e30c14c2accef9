"""How strengths are chosen: the criterion beside the marginal likelihood itself, its derivatives, and losses of every kind."""

import numpy as np
import pytest
from scipy.optimize import minimize

import gradline as gl
from gradline.smoothing.criterion import Parabola, Part, Terms
from gradline.smoothing.mixtures import tail_of_mixture


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    n = 250
    rows = {"x": rng.uniform(size=n), "z": rng.normal(size=n), "w": rng.uniform(0.5, 2.0, n)}
    signal = np.sin(7 * rows["x"])
    rows["y"] = signal + 0.1 * rows["z"] + 0.5 * rng.normal(size=n)
    rows["c"] = rng.poisson(np.exp(signal)).astype(float)
    rows["t"] = signal + 0.3 * rng.standard_t(2, size=n)
    return rows


def columns(fit, data):
    import pyarrow as pa

    names = fit.encoder.feature_columns
    return fit.encoder.design(pa.RecordBatch.from_pydict({name: data[name] for name in names})).dense()


def test_reml_is_the_likelihood_of_what_is_left_of_the_fixed_part(data):
    """The curve as a mixed model: fixed part integrated out by contrasts, the rest normal. Patterson and Thompson (1971)."""
    fit = gl.fit("y ~ s(x, k=8)", data)
    X = columns(fit, data)
    (block,) = fit.penalty.blocks
    (root,) = block.roots
    values, vectors = np.linalg.eigh(root.T @ root)
    fixed = np.column_stack([X[:, 0], X[:, 1:] @ vectors[:, :1]])
    random = X[:, 1:] @ (vectors[:, 1:] / np.sqrt(values[1:]))
    contrasts = np.linalg.qr(fixed, mode="complete")[0][:, 2:]
    spread = contrasts.T @ random
    sizes, axes = np.linalg.eigh(spread @ spread.T)
    squares = np.square(axes.T @ (contrasts.T @ data["y"]))

    def loss(point):
        variances = np.exp(point[0]) + np.exp(point[1]) * sizes
        return np.sum(np.log(variances) + squares / variances)

    found = minimize(loss, [np.log(0.25), 1.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).x
    # sigma^2 over the curve's variance is the strength of the sum of squares.
    total = fit.curves[0].strengths[0] * len(data["y"]) / 2.0
    assert np.log(total) == pytest.approx(found[0] - found[1], abs=1e-4)


@pytest.mark.parametrize("dispersion", [None, 0.7])
def test_derivatives_of_the_criterion(dispersion):
    rng = np.random.default_rng(5)
    A = rng.normal(size=(40, 9))
    H, right = A.T @ A, rng.normal(size=9)

    def matrix(c):
        D = np.diff(np.eye(c), n=2, axis=0)
        return D.T @ D

    first = np.arange(1, 5)
    second = np.arange(5, 9)
    both = np.kron(np.eye(2), np.array([[1.0, -1.0], [-1.0, 1.0]]))
    parts = (Part(first, matrix(4), 0, 0), Part(second, both, 1, 0), Part(second, np.diag([1.0, 1.0, 0.0, 0.0]), 1, 1))
    spectra = (np.linalg.eigvalsh(matrix(4))[2:, None], np.array([[2.0, 0.5], [2.0, 0.3], [1.0, 1.0]]))
    terms = Terms(parts, spectra, ((0,), (1, 2)), np.ones(3, dtype=bool), 3)
    parabola = Parabola(H, right, 30.0, dispersion, 36.0, rng.normal(size=9))
    rho = np.array([0.3, -0.5, 0.8])
    point = parabola.at(terms, rho)
    for j in range(3):
        step = np.eye(3)[j] * 1e-5
        above, below = parabola.at(terms, rho + step), parabola.at(terms, rho - step)
        assert point.gradient[j] == pytest.approx((above.value - below.value) / 2e-5, rel=1e-6, abs=1e-8)
        assert point.hessian[j] == pytest.approx((above.gradient - below.gradient) / 2e-5, rel=1e-6, abs=1e-8)


def laplace(fit, data, target, loss):
    """Twice the negative of Laplace's restricted log likelihood at a fit with given strengths, from its rows."""
    X = columns(fit, data)
    b = fit.coefficients
    eta = X @ b
    n = len(eta)
    value, _, curvature = loss.derivatives(data[target][:, None], eta[:, None], 2)
    S = np.zeros((len(b), len(b)))
    log_plus = 0.0
    for block in fit.penalty.blocks:
        own = n * block.matrix
        S[1 + block.start : 1 + block.stop, 1 + block.start : 1 + block.stop] = own
        log_plus += np.log(np.linalg.eigvalsh(own)[-block.roots[0].shape[0] :]).sum()
    A = X.T @ (curvature[:, 0, 0][:, None] * X) + S
    return 2.0 * value.sum() + b @ S @ b + np.linalg.slogdet(A)[1] - log_plus


def test_a_likelihood_has_its_laplace_approximation_at_a_minimum(data):
    fit = gl.fit("c ~ s(x, k=10)", data, loss="poisson")
    best = np.log(fit.curves[0].strengths[0])

    def at(shift):
        given = gl.fit(f"c ~ s(x, k=10, strength={float(np.exp(best + shift))!r})", data, loss="poisson")
        return laplace(given, data, "c", gl.losses.poisson)

    # The place of the minimum of a parabola through three points.
    low, middle, high = at(-0.2), at(0.0), at(0.2)
    assert 0.1 * (low - high) / (low - 2 * middle + high) == pytest.approx(0.0, abs=1e-2)


def test_squared_loss_of_ones_own_and_a_normal_likelihood_agree(data):
    jnp = pytest.importorskip("jax.numpy")
    plain = gl.fit("y ~ s(x) + s(z)", data)
    own = gl.fit("y ~ s(x) + s(z)", data, loss=lambda y, prediction: 3.0 * jnp.square(y - prediction))
    assert [c.degrees_of_freedom for c in own.curves] == pytest.approx([c.degrees_of_freedom for c in plain.curves], rel=1e-6)
    assert own.curves[0].strengths[0] == pytest.approx(3.0 * plain.curves[0].strengths[0], rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "level"),
    [(gl.losses.huber(0.5), None), (gl.losses.absolute, None), (gl.losses.quantile(0.8), 0.8), (gl.losses.student_t(3.0, 0.3), None)],
)
def test_any_loss_finds_the_curve(loss, level, data):
    fit = gl.fit("t ~ s(x, k=15)", data, loss=loss)
    assert fit.certificate.converged
    (curve,) = fit.curves
    assert 4.0 < curve.degrees_of_freedom < 11.0
    assert curve.p_value < 1e-6
    at = np.linspace(0.1, 0.9, 30)
    if level is None:
        assert np.sqrt(np.mean((fit.predict({"x": at}) - np.sin(7 * at)) ** 2)) < 0.15
    else:
        below = np.mean(data["t"] < fit.predict({"x": data["x"]}))
        assert below == pytest.approx(level, abs=0.02)
    band = fit.curve()
    assert np.isfinite(band.lower).all()


def test_a_loss_of_ones_own_with_a_kink(data):
    jnp = pytest.importorskip("jax.numpy")
    own = gl.fit("t ~ s(x)", data, loss=lambda y, p: jnp.maximum(0.8 * (y - p), -0.2 * (y - p)))
    known = gl.fit("t ~ s(x)", data, loss=gl.losses.quantile(0.8))
    assert own.curves[0].strengths[0] == pytest.approx(known.curves[0].strengths[0], rel=5e-3)
    assert own.predict({"x": [0.2, 0.7]}) == pytest.approx(known.predict({"x": [0.2, 0.7]}), abs=1e-3)


def test_a_spread_that_is_a_curve():
    rng = np.random.default_rng(2)
    x = rng.uniform(size=1500)
    rows = {"x": x, "y": np.sin(6 * x) + np.exp(-1.5 + 1.5 * np.cos(5 * x)) * rng.normal(size=1500)}
    fit = gl.fit({"mean": "y ~ s(x)", "log_scale": "~ s(x)"}, rows, loss="normal")
    assert [curve.name for curve in fit.curves] == ["mean: s(x)", "log_scale: s(x)"]
    band = fit.curve("log_scale: s(x)")
    true = 1.5 * np.cos(5 * band.values[:, 0])
    assert np.corrcoef(band.estimate, true)[0, 1] > 0.97


def test_two_targets_are_two_fits(data):
    both = gl.fit("y + t ~ s(x) + s(z)", data)
    alone = gl.fit("t ~ s(x) + s(z)", data)
    assert both.curves[2].strengths[0] == pytest.approx(alone.curves[0].strengths[0], rel=1e-6)
    assert both.coefficients[:, 1] == pytest.approx(alone.coefficients, abs=1e-5)


def test_frequencies_are_repeated_rows(data):
    counts = np.arange(len(data["y"])) % 3 + 1
    once = gl.fit("y ~ s(x)", {**data, "f": counts}, frequencies="f")
    again = gl.fit("y ~ s(x)", {name: np.repeat(values, counts) for name, values in data.items()})
    # The means of the basis, which only place the curve, are those of the rows as they stand.
    assert once.curves[0].strengths[0] == pytest.approx(again.curves[0].strengths[0], rel=1e-6)
    assert once.predict({"x": [0.1, 0.6]}) == pytest.approx(again.predict({"x": [0.1, 0.6]}), rel=1e-7)
    assert once.curves[0].degrees_of_freedom == pytest.approx(again.curves[0].degrees_of_freedom, rel=1e-6)


def test_leave_one_out_is_at_its_minimum(data):
    fit = gl.fit("y ~ s(x, k=12)", data, smoothing="leave-one-out")
    strength = fit.curves[0].strengths[0]

    def left_out(factor):
        given = gl.fit(f"y ~ s(x, k=12, strength={strength * factor!r})", data)
        X = columns(given, data)
        n = len(X)
        S = np.zeros((X.shape[1],) * 2)
        S[1:, 1:] = given.penalty.curvature(np.zeros((X.shape[1] - 1, 1))) * n / 2.0
        hat = X @ np.linalg.solve(X.T @ X + S, X.T)
        return np.mean(((data["y"] - hat @ data["y"]) / (1.0 - np.diag(hat))) ** 2)

    assert left_out(1.0) < min(left_out(1.1), left_out(0.9))
    assert fit.penalty.chosen_by == "leave-one-out"


@pytest.mark.parametrize("loss", ["poisson", gl.losses.huber(0.5)])
def test_leave_one_out_of_other_losses(loss, data):
    target = "c" if loss == "poisson" else "t"
    fit = gl.fit(f"{target} ~ s(x, k=10)", data, loss=loss, smoothing="leave-one-out")
    by_reml = gl.fit(f"{target} ~ s(x, k=10)", data, loss=loss)
    assert fit.diagnose(data).leave_one_out_loss.left_out <= by_reml.diagnose(data).leave_one_out_loss.left_out + 1e-5


@pytest.mark.parametrize(("target", "loss"), [("y", "squared"), ("c", "poisson")])
def test_columns_that_determine_each_other_are_named(target, loss, data):
    with pytest.raises(ValueError, match=r"'z'.*determine each other"):
        gl.fit(f"{target} ~ s(x) + z + I(2 * z)", data, loss=loss)


@pytest.mark.parametrize("loss", ["squared", gl.losses.huber(0.5), "poisson"])
@pytest.mark.parametrize("direction", ["increasing", "decreasing"])
def test_a_curve_that_is_held_monotone_is(direction, loss, data):
    target = "c" if loss == "poisson" else "t"
    fit = gl.fit(f"{target} ~ s(x, k=12, monotone='{direction}')", data, loss=loss)
    sign = 1.0 if direction == "increasing" else -1.0
    steps = sign * np.diff(fit.predict({"x": np.linspace(-0.5, 1.5, 10_000)}, kind="linear"))
    assert steps.min() > -1e-14
    # The best increasing curve through a wave that falls more than it rises may be level.
    assert steps.max() > 1e-6 or direction == "increasing"
    free = gl.fit(f"{target} ~ s(x, k=12)", data, loss=loss)
    assert fit.curves[0].strengths == pytest.approx(free.curves[0].strengths)
    assert fit.loss >= free.loss


@pytest.mark.filterwarnings("ignore:nothing is left of the band")
def test_constraints_beside_curves(data):
    held = gl.fit("y ~ s(x) + z", data, constraints="z <= 0")
    assert held.coefficients[-1] == 0.0
    shaped = gl.fit("y ~ s(x) + z", data, constraints=[gl.constraints.monotone("x", "increasing"), "z <= 0"])
    assert np.diff(shaped.curve().estimate).min() > -1e-14
    assert shaped.coefficients[-1] == 0.0
    robust = gl.fit("y ~ s(x, monotone='increasing')", data, loss="absolute")
    assert robust.certificate.converged
    assert np.diff(robust.curve().estimate).min() > -1e-12


def test_what_goes_with_no_curve_is_said(data):
    with pytest.raises(ValueError, match="no curves"):
        gl.fit("y ~ x", data, smoothing="leave-one-out")
    with pytest.raises(ValueError, match="REML"):
        gl.fit("y ~ s(x)", data, smoothing="AIC")
    with pytest.raises(ValueError, match="the formula has no others"):
        gl.fit("y ~ s(x)", data, penalty=gl.penalties.ridge(0.1))
    with pytest.raises(ValueError, match=r"gl\.fit"):
        gl.path("y ~ s(x)", data, penalty=gl.penalties.lasso())
    with pytest.raises(ValueError, match="several"):
        gl.fit("y + t ~ s(x)", data, smoothing="leave-one-out")


@pytest.mark.parametrize(
    ("ones", "weights", "spare", "statistic"),
    [(0, (1.3, 0.2), None, 2.0), (3, (1.4, 0.1), None, 8.0), (3, (1.1, 0.6), 40.0, 8.0), (0, (1.3, 0.2), 30.0, 3.0)],
)
def test_tails_of_mixtures(ones, weights, spare, statistic):
    rng = np.random.default_rng(0)
    n = 400_000
    drawn = weights[0] * rng.chisquare(1, n) + weights[1] * rng.chisquare(1, n) + (rng.chisquare(ones, n) if ones else 0.0)
    limit = statistic * (rng.chisquare(spare, n) / spare if spare else 1.0)
    share = np.mean(drawn > limit)
    assert tail_of_mixture(statistic, ones, weights, spare) == pytest.approx(share, abs=4.0 * np.sqrt(share / n))


def test_a_curve_of_nothing_is_rejected_as_often_as_it_should():
    rng = np.random.default_rng(8)
    x = rng.uniform(size=200)
    found = [gl.fit("y ~ s(x)", {"x": x, "y": rng.normal(size=200)}).curves[0].p_value for _ in range(120)]
    assert 0.0 <= np.mean(np.array(found) < 0.1) < 0.22


@pytest.mark.parametrize("loss", ["squared", gl.losses.huber(0.5), gl.losses.quantile(0.5)])
@pytest.mark.parametrize(("origin", "unit"), [(3.0, 1e-6), (-40.0, 2.0**20)])
def test_units_of_the_column_change_nothing(origin, unit, loss, data):
    plain = gl.fit("t ~ s(x, k=8)", data, loss=loss)
    moved = gl.fit("t ~ s(x, k=8)", {**data, "x": origin * unit + unit * data["x"]}, loss=loss)
    assert moved.curves[0].degrees_of_freedom == pytest.approx(plain.curves[0].degrees_of_freedom, rel=1e-4)
    assert moved.predict({"x": origin * unit + unit * np.array([0.2, 0.9])}) == pytest.approx(plain.predict({"x": [0.2, 0.9]}), abs=1e-4)


def test_units_of_the_target_change_nothing_but_units(data):
    plain = gl.fit("y ~ s(x)", data)
    moved = gl.fit("y ~ s(x)", {**data, "y": 1e6 * data["y"] + 1e7})
    assert moved.curves[0].strengths == pytest.approx(plain.curves[0].strengths, rel=1e-5)
    assert moved.curves[0].p_value == pytest.approx(plain.curves[0].p_value, rel=1e-3)
    assert moved.curve().estimate == pytest.approx(1e6 * plain.curve().estimate, rel=1e-5, abs=1.0)
