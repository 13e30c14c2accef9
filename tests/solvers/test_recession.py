"""Problems without an optimum are detected, explained and mended by a ridge; problems with one never raise the alarm."""

import warnings

import numpy as np
import pytest

import gradline as gl

SEPARATED = r"keeps falling as the coefficient of {} grows in size without end: no finite coefficients are best \(separation\)"


def columns(n=200, p=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


def labels(eta, seed=1):
    return (np.random.default_rng(seed).random(eta.shape) < 1.0 / (1.0 + np.exp(-eta))).astype(float)


def level(n=200, share=0.15, seed=2):
    return (np.random.default_rng(seed).random(n) < share).astype(float)


def separated(which):
    """(X, y, loss, the names of the columns to blame): problems whose objective falls for ever along a slope."""
    X, g = columns(), level()
    with_level = np.column_stack([X, g])
    if which == "logistic complete":
        return X, (X[:, 1] > 0.3).astype(float), "logistic", "'b'"
    if which == "logistic quasi-complete":
        y = labels(X @ [1.0, 0.5])
        y[g == 1] = 1.0
        return with_level, y, "logistic", "'g'"
    if which == "logistic two levels at once":
        h = level(seed=5) * (1 - g)
        y = labels(X @ [1.0, 0.5])
        y[g == 1], y[h == 1] = 1.0, 0.0
        return np.column_stack([X[:, 0], h, g]), y, "logistic", "'b' and 'g'"
    if which == "multinomial":
        return X, np.digitize(X[:, 0], [-0.5, 0.5]).astype(float), "multinomial", "'Intercept' and 'a' in class_1 and class_2"
    counts = np.random.default_rng(3).poisson(np.exp(0.5 + X @ [0.5, 0.2])).astype(float)
    counts[g == 1] = 0.0
    loss = {"poisson": "poisson", "negative_binomial": gl.losses.negative_binomial(0.5), "tweedie": gl.losses.tweedie(1.5)}[which]
    return with_level, counts, loss, "'g'"


WITHOUT_END = [
    "logistic complete",
    "logistic quasi-complete",
    "logistic two levels at once",
    "multinomial",
    "poisson",
    "negative_binomial",
    "tweedie",
]


def names(X):
    return ["a", "b", "g"][: X.shape[1]]


@pytest.mark.parametrize("which", WITHOUT_END)
class TestSeparated:
    def test_it_is_said_with_the_column_and_a_remedy(self, which):
        X, y, loss, blamed = separated(which)
        with pytest.warns(gl.GradlineWarning, match=SEPARATED.format(blamed)) as raised:
            fit = gl.fit(X, y, loss=loss, names=names(X))
        assert len(raised) == 1
        assert not fit.certificate.converged
        assert "ridge" in fit.certificate.remedy
        assert "not converged" in repr(fit)
        assert np.isfinite(fit.predict(X)).all()

    def test_the_ridge_that_is_suggested_converges(self, which):
        X, y, loss, _ = separated(which)
        fit = gl.fit(X, y, loss=loss, penalty=gl.penalties.ridge(1e-3))
        assert fit.certificate.converged
        assert fit.certificate.gradient_norm < 1e-12


class TestWhoIsToBlame:
    def test_a_level_too_rare_for_any_sample(self):
        # 6 rows of 300,000: whoever looks at a sample of the rows sees a column of zeros.
        X = columns(300_000, 3)
        y = labels(X @ [1.0, 0.5, 0.0])
        rare = np.zeros(len(X))
        rare[::50_000] = 1.0
        y[::50_000] = 0.0
        with pytest.warns(gl.GradlineWarning, match=SEPARATED.format("'x4'")):
            gl.fit(np.column_stack([X, rare]), y, loss="logistic")

    @pytest.mark.parametrize(("loss", "value"), [("logistic", 1.0), ("logistic", 0.0), ("poisson", 0.0), ("negative_binomial", 0.0)])
    def test_a_target_that_never_changes(self, loss, value):
        # No ridge helps here, since none holds the intercept.
        loss = gl.losses.negative_binomial(1.0) if loss == "negative_binomial" else loss
        with pytest.warns(gl.GradlineWarning, match=SEPARATED.format("'Intercept'") + ".*look at the target"):
            gl.fit(columns(), np.full(200, value), loss=loss)

    def test_a_class_that_never_occurs(self):
        y = np.random.default_rng(4).choice([0.0, 2.0], size=200)
        with pytest.warns(gl.GradlineWarning, match=SEPARATED.format("'Intercept' in class_1") + ".*never one of its classes"):
            gl.fit(columns(), y, loss="multinomial")

    def test_rows_of_weight_zero_do_not_count(self):
        # The rows that would end the separation are there, but weigh nothing.
        X, y, loss, blamed = separated("logistic quasi-complete")
        X, y = np.vstack([X, [0.0, 0.0, 1.0]]), np.append(y, 0.0)
        weights = np.ones(len(y))
        assert gl.fit(X, y, loss=loss, weights=weights).certificate.converged
        weights[-1] = 0.0
        with pytest.warns(gl.GradlineWarning, match=SEPARATED.format(blamed)):
            gl.fit(X, y, loss=loss, names=names(X), weights=weights)

    def test_a_loss_of_the_user(self):
        jnp = pytest.importorskip("jax.numpy")

        def cross_entropy(y, prediction):
            return jnp.logaddexp(0.0, prediction) - y * prediction

        X, y, _, blamed = separated("logistic quasi-complete")
        with pytest.warns(gl.GradlineWarning, match=SEPARATED.format(blamed)):
            gl.fit(X, y, loss=cross_entropy, names=names(X))

    def test_lbfgs_says_it_too(self):
        X, y, loss, blamed = separated("logistic quasi-complete")
        with pytest.warns(gl.GradlineWarning, match="L-BFGS has not converged: .*" + SEPARATED.format(blamed)):
            fit = gl.fit(X, y, loss=loss, names=names(X), solver=gl.LBFGS())
        assert not fit.certificate.converged
        assert gl.fit(X, y, loss=loss, solver=gl.LBFGS(), penalty=gl.penalties.ridge(1e-3)).certificate.converged


class TestExactFits:
    """A loss that learns a spread has no optimum where rows are fitted exactly."""

    @pytest.mark.parametrize("loss", ["normal", gl.losses.huber(1.35, scale="joint")])
    @pytest.mark.parametrize("coefficients", [[1.0, 2.0], [0.0, 0.0]])
    def test_all_rows(self, loss, coefficients):
        X = columns()
        with pytest.warns(gl.GradlineWarning, match="the rows are fitted exactly, so their spread shrinks.*loss='squared'"):
            fit = gl.fit(X, 1.0 + X @ coefficients, loss=loss)
        assert not fit.certificate.converged
        np.testing.assert_allclose(fit.solution.coefficients[:, 0], [1.0, *coefficients], atol=1e-7)

    def test_a_threshold_too_small_for_the_rows(self):
        random = np.random.default_rng(0)
        X = random.normal(size=(200, 2))
        y = X @ [1.0, 2.0] + random.normal(size=200)
        with pytest.warns(gl.GradlineWarning, match=r"the scale falls to zero.*Give a larger threshold \(1\.35 is usual\)"):
            fit = gl.fit(X, y, loss=gl.losses.huber(1.0001, scale="joint"))
        assert not fit.certificate.converged
        assert gl.fit(X, y, loss=gl.losses.huber(1.35, scale="joint")).certificate.converged

    def test_one_row_of_a_level_of_its_own(self):
        X = columns()
        y = X @ [1.0, 2.0] + np.random.default_rng(1).normal(size=200)
        own = np.zeros(200)
        own[7] = 1.0
        X = np.column_stack([X, own])
        with pytest.warns(gl.GradlineWarning, match="rows where 'own' is not zero are fitted exactly.*add a ridge"):
            gl.fit(X, y, loss="normal", names=["a", "b", "own"])
        mended = gl.fit(X, y, loss="normal", penalty=gl.penalties.ridge(1e-3))
        assert mended.certificate.converged

    def test_gamma_keeps_its_optimum(self):
        # Its dispersion is no part of the loss, so an exact fit is an optimum like any other.
        X = columns()
        fit = gl.fit(X, np.exp(0.5 + X @ [0.3, -0.2]), loss="gamma")
        assert fit.certificate.converged
        np.testing.assert_allclose(fit.coefficients, [0.5, 0.3, -0.2], atol=1e-12)


def well_posed(seed):
    """A problem with an optimum, made to look like one without: rare mixed levels, large coefficients, units far apart, few rows."""
    random = np.random.default_rng([99, seed])
    n = int(random.choice([60, 300, 3000]))
    p = int(random.integers(1, 4))
    X = random.normal(size=(n, p))
    slopes = random.normal(size=p) * random.choice([0.3, 1.0, 3.0])
    eta = X @ slopes
    rare = np.zeros(n)
    rare[random.choice(n, size=6, replace=False)] = 1.0
    X = np.column_stack([X * 10.0 ** random.integers(-6, 7, size=p), rare])
    kind = ["logistic", "poisson", "multinomial", "gamma", "normal", "negative_binomial"][seed % 6]
    if kind in ("logistic", "multinomial"):
        scores = eta[:, None] * ([[0.0, 1.0]] if kind == "logistic" else [[0.0, 0.7, -0.5]]) + random.gumbel(
            size=(n, 2 if kind == "logistic" else 3)
        )
        y = scores.argmax(axis=1).astype(float)
        # Every label within the level, on both sides of every other column.
        y[rare == 1] = [0, 1, 0, 1, 0, 1] if kind == "logistic" else [0, 1, 2, 0, 1, 2]
    elif kind in ("poisson", "negative_binomial"):
        y = random.poisson(np.exp(np.clip(eta, -4, 4))).astype(float)
        y[np.flatnonzero(rare)[:2]] = [1.0, 0.0]
    elif kind == "gamma":
        y = np.exp(np.clip(eta, -6, 6)) * random.gamma(1.5, size=n) + 1e-6
    else:
        y = eta + np.exp(0.3 * random.normal()) * random.normal(size=n)
    return X, y, gl.losses.negative_binomial(0.5) if kind == "negative_binomial" else kind


def has_optimum(X, y, loss):
    """Whether a linear program finds no direction of recession; told for two classes only, true otherwise."""
    if loss != "logistic":
        return True
    from scipy.optimize import linprog

    design = np.column_stack([np.ones(len(X)), X / np.abs(X).max(axis=0)])
    signed = np.where(y == 1, 1.0, -1.0)[:, None] * design
    return linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(X)), bounds=(-1, 1)).fun > -1e-8


def test_no_false_alarm_on_a_hundred_problems():
    alarms = []
    for seed in range(100):
        X, y, loss = well_posed(seed)
        if not has_optimum(X, y, loss):
            continue
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            fit = gl.fit(X, y, loss=loss)
        if raised or not fit.certificate.converged:
            alarms.append((seed, loss, [str(one.message) for one in raised]))
    assert not alarms
    assert sum(has_optimum(*well_posed(seed)) for seed in range(100)) > 90


def test_the_alarm_agrees_with_a_linear_program():
    """On small data where separation is a toss-up: the alarm is raised exactly where the linear program finds a direction."""
    verdicts = []
    for seed in range(60):
        random = np.random.default_rng([7, seed])
        X = random.normal(size=(14, 2))
        y = labels(4.0 * X[:, 0], seed)
        if y.min() == y.max():
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converged = gl.fit(X, y, loss="logistic").certificate.converged
        assert converged == has_optimum(X, y, "logistic"), seed
        verdicts.append(converged)
    assert 10 < sum(verdicts) < len(verdicts) - 10


@pytest.mark.parametrize("power", [1, 2])
def test_a_loss_without_a_least_value_is_told_from_separation(power):
    X = columns()
    y = X @ [1.0, 2.0] + np.random.default_rng(7).normal(size=len(X))

    def upside_down(y, prediction):
        return -((y - prediction) ** power)

    with pytest.warns(gl.GradlineWarning, match="'upside_down' has no least value. Look at the loss: is its sign right") as caught:
        fit = gl.fit(X, y, loss=gl.losses.custom(upside_down, backend="jax"))
    assert not fit.certificate.converged
    assert not any("separation" in str(one.message) for one in caught)


def test_a_separated_loss_that_is_negative_is_still_separation():
    X, g = columns(), level()
    counts = np.random.default_rng(3).poisson(np.exp(2.5 + X @ [0.5, 0.2])).astype(float)
    counts[g == 1] = 0.0

    def without_constant(y, eta):
        import jax.numpy as jnp

        return jnp.exp(eta) - y * eta  # far below zero at its best

    with pytest.warns(gl.GradlineWarning, match=SEPARATED.format("'g'")):
        gl.fit(np.column_stack([X, g]), counts, loss=without_constant, names=["a", "b", "g"])


KINKED = [gl.penalties.lasso(0.02), gl.penalties.elastic_net(0.02, 0.5), gl.penalties.scad(0.02), gl.penalties.mcp(0.02)]


class TestBesideAPenaltyWithKinks:
    """No such penalty holds an intercept: what it runs away with is said as it is without one."""

    @pytest.mark.parametrize("penalty", [None, gl.penalties.ridge(0.01), *KINKED], ids=lambda one: getattr(one, "name", "none"))
    def test_a_dispersion_at_its_limit(self, penalty):
        X, y = columns(400, 3), np.random.default_rng(1).binomial(6, 0.4, size=400).astype(float)
        said = SEPARATED.format("'Intercept' in log_dispersion") + ".*vary no more than Poisson counts"
        with pytest.warns(gl.GradlineWarning, match=said) as raised:
            fit = gl.fit(X, y, loss="negative_binomial", penalty=penalty)
        assert len(raised) == 1
        assert not fit.certificate.converged

    @pytest.mark.parametrize("penalty", KINKED, ids=lambda one: one.name)
    @pytest.mark.parametrize("log_dispersion", [-30.0, -400.0, -2000.0])
    def test_a_start_at_the_limit(self, penalty, log_dispersion):
        X, y = columns(400, 3), np.random.default_rng(1).binomial(6, 0.4, size=400).astype(float)
        start = np.zeros((4, 2))
        start[0] = np.log(y.mean()), log_dispersion
        with pytest.warns(gl.GradlineWarning, match="vary no more than Poisson counts"):
            fit = gl.fit(X, y, loss="negative_binomial", penalty=penalty, start=start)
        assert not fit.certificate.converged

    @pytest.mark.parametrize("penalty", KINKED, ids=lambda one: one.name)
    def test_counts_that_vary_more_have_an_optimum(self, penalty):
        X, random = columns(400, 3), np.random.default_rng(1)
        y = random.poisson(np.exp(0.3 * X[:, 0]) * random.gamma(2.0, 0.5, size=400)).astype(float)
        with warnings.catch_warnings():
            warnings.simplefilter("error", gl.GradlineWarning)
            fit = gl.fit(X, y, loss="negative_binomial", penalty=penalty)
            again = gl.fit(X, y, loss="negative_binomial", penalty=penalty, start=fit.coefficients)
        assert fit.certificate.converged
        assert again.certificate.converged

    def test_a_column_that_is_charged_does_not_run_away(self):
        X, y, loss, _ = separated("logistic quasi-complete")
        with warnings.catch_warnings():
            warnings.simplefilter("error", gl.GradlineWarning)
            assert gl.fit(X, y, loss=loss, penalty=gl.penalties.lasso(0.01)).certificate.converged

    def test_one_that_is_not_charged_does(self):
        X, y, loss, blamed = separated("logistic quasi-complete")
        with pytest.warns(gl.GradlineWarning, match=SEPARATED.format(blamed)):
            gl.fit(X, y, loss=loss, names=names(X), penalty=gl.penalties.lasso(0.01, weights={"g": 0.0}))
