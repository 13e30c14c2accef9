"""Robust and kinked losses against statsmodels' RLM and QuantReg, and users' losses against delicatessen's sandwich."""

import numpy as np
import pytest
import statsmodels.api as sm
from fitted import close, fitted

import gradline as gl
from gradline.inference.covariance.kinds import default_kind
from gradline.inference.diagnostics import diagnose_rows
from gradline.inference.inference import infer, without_rows
from gradline.inference.kinked import row_loss


@pytest.mark.parametrize("name", ["stackloss", "ccard"])
@pytest.mark.parametrize(
    ("norm", "loss"),
    [
        (lambda: sm.robust.norms.HuberT(1.345), lambda s: gl.losses.huber(1.345, scale=s)),
        (lambda: sm.robust.norms.TukeyBiweight(8.0), None),
    ],
    ids=["huber", "tukey"],
)
def test_classical_is_hubers_form(name, norm, loss):
    """RLM with its scale fixed at the start's, Huber's (1973) covariance H1."""
    sets = getattr(sm.datasets, name).load_pandas()
    x, y = sets.exog.to_numpy(float), sets.endog.to_numpy(float)
    theirs = sm.RLM(y, sm.add_constant(x), M=norm()).fit(update_scale=False, tol=1e-13, maxiter=2000)
    chosen = gl.losses.tukey(8.0 * theirs.scale) if loss is None else loss(theirs.scale)
    ours = fitted(x, y, chosen, start=theirs.params)
    close(ours.b, theirs.params, 1e-6)
    close(ours.errors("classical"), theirs.bse, 1e-7)


@pytest.mark.parametrize("level", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_quantile_regression(level):
    sets = sm.datasets.engel.load_pandas().data
    x, y = sets["income"].to_numpy(float), sets["foodexp"].to_numpy(float)
    model = sm.QuantReg(y, sm.add_constant(x))
    ours = fitted(x, y, gl.losses.quantile(level))
    close(ours.errors("classical"), model.fit(level, vcov="iid", p_tol=1e-9).bse, 1e-4)
    robust = model.fit(level, vcov="robust", p_tol=1e-9)
    if level == 0.5:
        close(ours.errors("constant-density"), robust.bse, 1e-4)
        close(fitted(x, y, "absolute").errors("constant-density"), robust.bse, 1e-4)
        close(fitted(x, y, "absolute").errors("HC1"), ours.errors("HC1"), 1e-10)
    # The two rows on the plane have a score of either sign, and its square is taken at its mean here.
    close(ours.errors("constant-density"), robust.bse, 0.05)


def test_powell_sandwich_by_hand():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 2))
    y = x.sum(axis=1) + (1 + x[:, 0] ** 2) * rng.normal(size=300)
    ours = fitted(x, y, gl.losses.quantile(0.3))
    kink = row_loss(ours.problem, ours.b).kinks[0]
    design = sm.add_constant(x)
    r = y - design @ ours.b[:, 0]
    k = 0.75 * np.maximum(1 - (r / kink.widths[0]) ** 2, 0) / kink.widths[0]
    psi = np.where(np.abs(r) < 1e-9, np.sqrt(0.3 * 0.7), np.where(r > 0, 0.3, 0.7))
    a = np.linalg.inv((design * k[:, None]).T @ design)
    scores = design * psi[:, None]
    close(ours.errors("HC0"), np.sqrt(np.diag(a @ scores.T @ scores @ a)), 1e-9)


def test_equivariance_of_every_kind():
    """y -> 1000 y + X c scales standard errors by 1000 exactly, whatever the loss."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 2))
    y = x.sum(axis=1) + rng.standard_t(4, size=80)
    moved = 1000 * y + x @ [300, -2000] + 7
    for small, large in [("absolute", "absolute"), (gl.losses.huber(1.0), gl.losses.huber(1000.0)), ("squared", "squared")]:
        for kind in ("classical", "HC1", "HC3"):
            close(fitted(x, moved, large).errors(kind), 1000 * fitted(x, y, small).errors(kind), 1e-6)


def test_default_kinds():
    losses = gl.losses
    classical = [losses.squared, losses.poisson, losses.gamma, losses.logistic, losses.normal, losses.tweedie(1.5), losses.expectile(0.5)]
    jackknife = [losses.huber(1.0), losses.student_t(4), losses.cauchy(1.0), losses.log_cosh, losses.expectile(0.2)]
    assert {default_kind(loss) for loss in classical} == {"classical"}
    assert {default_kind(loss) for loss in jackknife} == {"HC3"}
    assert {default_kind(loss) for loss in (losses.absolute, losses.quantile(0.3), losses.epsilon_insensitive(0.1))} == {"HC0"}


def test_huber_joint_scale_holds_its_slopes_fixed():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(100, 2))
    y = x.sum(axis=1) + rng.standard_t(3, size=100)
    found = fitted(x, y, gl.losses.huber(1.35, scale="joint")).covariance()
    assert np.isnan(found.standard_errors[1:, 1]).all()
    assert np.isfinite(found.standard_errors[:, 0]).all()
    assert found.standard_errors[0, 1] > 0
    larger = fitted(x, 1000 * y, gl.losses.huber(1.35, scale="joint")).covariance()
    close(larger.standard_errors[:, 0], 1000 * found.standard_errors[:, 0], 1e-6)


def test_weights_and_frequencies_of_a_robust_loss():
    rng = np.random.default_rng(4)
    x, y, f = rng.normal(size=(60, 2)), rng.standard_t(3, size=60), rng.integers(0, 3, 60)
    loss = gl.losses.huber(1.0)
    once, repeated = fitted(x, y, loss, frequencies=f), fitted(np.repeat(x, f, axis=0), np.repeat(y, f), loss)
    for kind in ("classical", "HC0", "HC1", "HC2", "HC3"):
        close(once.errors(kind), repeated.errors(kind), 1e-9)
    w = rng.random(60)
    ours = fitted(x, y, loss, weights=w)
    design = sm.add_constant(x)
    r = y - design @ ours.b[:, 0]
    a = np.linalg.inv((design * (w * (np.abs(r) <= 1))[:, None]).T @ design)
    scores = design * (w * np.clip(r, -1, 1))[:, None]
    close(ours.errors("HC0"), np.sqrt(np.diag(a @ scores.T @ scores @ a)), 1e-9)


def test_cooks_distance_of_a_robust_loss_is_in_the_metric_of_its_covariance():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(50, 2)), rng.standard_t(3, size=50)
    ours = fitted(x, y, gl.losses.huber(1.0))
    found = ours.covariance("HC1")
    rows = diagnose_rows(ours.problem, ours.b, ours.bread, ours.statistics, found, row_loss(ours.problem, ours.b))
    design = sm.add_constant(x)
    r = y - design @ ours.b[:, 0]
    a = (design * (np.abs(r) <= 1)[:, None]).T @ design
    for i in (0, 7, 30):
        move = np.linalg.solve(a - (abs(r[i]) <= 1) * np.outer(design[i], design[i]), design[i] * np.clip(r[i], -1, 1))
        close(rows.cooks_distance[i], move @ np.linalg.solve(found.matrix, move) / 3, 1e-7)


def test_without_rows_hc0_and_hc1_come_from_what_a_fit_keeps():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(70, 2)), rng.standard_t(3, size=70)
    for loss in ("squared", gl.losses.huber(1.0)):
        ours = fitted(x, y, loss)
        held = infer(ours.problem, ours.solution, keep_meat=True)
        for kind in ("HC0", "HC1"):
            close(without_rows(held, kind).standard_errors, ours.errors(kind), 1e-12)
            assert without_rows(held, kind).degrees_of_freedom == ours.covariance(kind).degrees_of_freedom
        with pytest.raises(ValueError, match="needs the rows"):
            without_rows(held, "HC2")


torch = pytest.importorskip("torch")


def asymmetric(y, eta):
    """Squared above, Huber-like below, with different slopes."""
    r = y - eta
    return torch.where(r > 0, 2.0 * (torch.sqrt(1.0 + r * r) - 1.0), torch.log(torch.cosh(r)))


def rate(y, eta):
    """Poisson-like, of a rate on the softplus scale."""
    mean = torch.nn.functional.softplus(eta) + 0.1
    return mean - y * torch.log(mean)


def spread(y, eta):
    """A Laplace-like centre and a scale, k = 2."""
    scale = torch.exp(eta[:, 1])
    return torch.sqrt(0.5 + ((y - eta[:, 0]) / scale) ** 2) + eta[:, 1]


@pytest.mark.parametrize(
    ("function", "predictors"), [(asymmetric, None), (rate, None), (spread, ("mean", "log_scale"))], ids=["asymmetric", "rate", "spread"]
)
def test_users_losses_against_delicatessen(function, predictors):
    delicatessen = pytest.importorskip("delicatessen")
    rng = np.random.default_rng(8)
    x = rng.normal(size=(150, 2))
    y = x @ [1, -0.5] + rng.standard_t(5, size=150) if function is not rate else rng.poisson(2.0, 150).astype(float)
    loss = gl.losses.custom(function, linear_predictors=predictors)
    ours = fitted(x, y, loss)
    design, k = sm.add_constant(x), 1 if predictors is None else 2
    size = design.shape[1]

    def psi(theta):
        eta = torch.tensor(np.stack([design @ theta[j * size : (j + 1) * size] for j in range(k)], axis=1), requires_grad=True)
        function(torch.tensor(y), eta if k > 1 else eta[:, 0]).sum().backward()
        gradient = eta.grad.numpy()
        return np.concatenate([gradient[:, j] * design.T for j in range(k)])

    start = ours.b.T.ravel()
    theirs = delicatessen.MEstimator(psi, init=start)
    theirs.estimate(solver="hybr", tolerance=1e-12, deriv_method="approx", dx=1e-6)
    close(ours.errors("HC0").T.ravel(), np.sqrt(np.diag(theirs.variance)), 1e-6)


@pytest.mark.filterwarnings("ignore::gradline.GradlineWarning")
@pytest.mark.parametrize("unit", [1e300, 1e-300])
@pytest.mark.parametrize("loss", ["squared", "absolute", "logistic", gl.losses.huber(1.35)], ids=str)
def test_standard_errors_of_columns_at_the_ends_of_a_double_are_those_of_their_unit(loss, unit):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(80, 2))
    y = x @ [1.0, -2.0] + generator.normal(size=80)
    y = (y > 0) * 1.0 if loss == "logistic" else y
    fit, plain = gl.fit(x * [unit, 1.0], y, loss=loss), gl.fit(x, y, loss=loss)
    np.testing.assert_allclose(fit.standard_errors * [1.0, unit, 1.0], plain.standard_errors, rtol=1e-9)
    np.testing.assert_allclose(fit.statistics, plain.statistics, rtol=1e-9)
