"""A penalty beside curves: the optimum at the strengths against Clarabel, and the strengths against the model that is kept."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit

import gradline as gl

RANDOM = np.random.default_rng(3)
N, Z = 240, [f"z{j + 1}" for j in range(8)]
DATA = {"x": RANDOM.uniform(size=N), "w": RANDOM.normal(size=N), **{name: RANDOM.normal(size=N) for name in Z}}
ETA = np.sin(6 * DATA["x"]) + 0.8 * DATA["z1"] - 0.5 * DATA["z2"] + 0.2 * DATA["w"] ** 2
DATA["y"] = ETA + 0.5 * RANDOM.normal(size=N)
DATA["count"] = RANDOM.poisson(np.exp(0.4 * ETA)).astype(float)
DATA["class"] = (RANDOM.random(N) < 1.0 / (1.0 + np.exp(-ETA))).astype(float)
TARGETS = {"poisson": "count", "logistic": "`class`"}
LOSSES = {"huber": gl.losses.huber(1.0), "quantile": gl.losses.quantile(0.8)}
KINDS = ["squared", "huber", "poisson", "logistic", "absolute", "quantile"]
SUM = " + ".join(Z)
PENALTIES = {
    "ridge": (gl.penalties.ridge(0.05), 0.0, 0.05),
    "quadratic": (gl.penalties.quadratic(np.eye(len(Z)), 0.05), 0.0, 0.05),
    "lasso": (gl.penalties.lasso(0.1), 0.1, 0.0),
    "elastic_net": (gl.penalties.elastic_net(0.1, 0.6), 0.06, 0.04),
}


def fitted(kind, penalty, formula=f"s(x) + s(w, k=8) + {SUM}", **more):
    return gl.fit(f"{TARGETS.get(kind, 'y')} ~ {formula}", DATA, loss=LOSSES.get(kind, kind), penalty=penalty, **more)


def by_clarabel(fit, kind, l1, l2):
    """(coefficients, objective without constants) at the strengths of the fit."""
    cp = pytest.importorskip("cvxpy")
    names = fit.encoder.feature_columns
    X = fit.encoder.design(pa.RecordBatch.from_pydict({name: DATA[name] for name in names})).dense()
    y, b = DATA[TARGETS.get(kind, "y").strip("`")], cp.Variable(X.shape[1])
    eta = X @ b
    loss = {
        "squared": lambda: cp.sum_squares(y - eta),
        "huber": lambda: 0.5 * cp.sum(cp.huber(y - eta, 1.0)),
        "poisson": lambda: cp.sum(cp.exp(eta) - cp.multiply(y, eta)),
        "logistic": lambda: cp.sum(cp.logistic(eta) - cp.multiply(y, eta)),
        "absolute": lambda: cp.sum(cp.abs(y - eta)),
        "quantile": lambda: cp.sum(0.8 * cp.pos(y - eta) + 0.2 * cp.pos(eta - y)),
    }[kind]()
    slopes = b[[place for place, name in enumerate(fit.names) if name in Z]]
    objective = loss / N + l1 * cp.norm1(slopes) + 0.5 * l2 * cp.sum_squares(slopes)
    charge = np.diag([l2 * (name in Z) for name in fit.names])
    for curve in fit.curves:
        count = curve.stop - curve.start
        learned = next(own for own in gl.formulas.curves.curves_of(fit.encoder) if own.start == curve.start)
        root = np.linalg.cholesky(learned.matrices[0] + 1e-13 * np.eye(count)).T
        objective += 0.5 * curve.strengths[0] * cp.sum_squares(root @ b[curve.start : curve.stop])
        charge[curve.start : curve.stop, curve.start : curve.stop] += curve.strengths[0] * root.T @ root
    problem = cp.Problem(cp.Minimize(objective))
    problem.solve(cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    return (polished(X, y, b.value, kind, charge, l1, fit.names) if kind in MEANS else b.value), problem.value


MEANS = {"poisson": (np.exp, np.exp), "logistic": (expit, lambda eta: expit(eta) * expit(-eta))}


def polished(X, y, b, kind, charge, l1, names):
    """Newton's steps from the conic solver's answer, with its zeros kept: of exponentials it stops early, and where differs by machine."""
    mean, slope = MEANS[kind]
    own = np.array([name in Z for name in names])
    kept = ~own | (np.abs(b) > 1e-4) if l1 else np.full(len(b), True)
    b, signs = np.where(kept, b, 0.0), l1 * np.where(own, np.sign(b), 0.0)
    for _ in range(5):
        eta = X @ b
        gradient = X.T @ (mean(eta) - y) / N + charge @ b + signs
        curvature = X.T @ (slope(eta)[:, None] * X) / N + charge
        b[kept] -= np.linalg.solve(curvature[np.ix_(kept, kept)], gradient[kept])
    return b


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate:UserWarning")
def test_the_optimum_at_the_strengths(kind, name):
    penalty, l1, l2 = PENALTIES[name]
    fit = fitted(kind, penalty)
    found, height = by_clarabel(fit, kind, l1, l2)
    assert fit.certificate.converged
    assert fit.coefficients == pytest.approx(found, abs=1e-6)
    if kind not in ("poisson", "huber"):
        assert fit.loss <= height + 1e-10
    zero = fit.coefficients[[place for place, own in enumerate(fit.names) if own in Z]] == 0
    assert zero.any() == (l1 > 0)
    if l1 and kind not in ("absolute", "quantile"):
        assert fit.certificate.gap < 1e-8


@pytest.mark.parametrize("smoothing", ["REML", "leave-one-out"])
@pytest.mark.parametrize("kind", ["squared", "poisson"])
def test_strengths_beside_a_lasso_are_those_of_what_is_kept(kind, smoothing):
    fit = fitted(kind, gl.penalties.lasso(0.1), smoothing=smoothing)
    kept = [name for name in Z if fit.coefficients[list(fit.names).index(name)] != 0]
    assert 0 < len(kept) < len(Z)
    plain = fitted(kind, None, f"s(x) + s(w, k=8) + {' + '.join(kept)}", smoothing=smoothing)
    for own, other in zip(fit.curves, plain.curves, strict=True):
        assert own.strengths == pytest.approx(other.strengths, rel=0.02)
        assert own.degrees_of_freedom == pytest.approx(other.degrees_of_freedom, rel=0.1)


@pytest.mark.parametrize("smoothing", ["REML", "leave-one-out"])
@pytest.mark.parametrize("kind", ["squared", "poisson", "huber"])
def test_strengths_beside_a_ridge_lie_between_those_with_and_without_its_columns(kind, smoothing):
    formula = f"s(x, k=8) + {SUM}"
    for penalty, same in ((gl.penalties.ridge(1e-8), formula), (gl.penalties.ridge(1e8), "s(x, k=8)")):
        fit, other = fitted(kind, penalty, formula, smoothing=smoothing), fitted(kind, None, same, smoothing=smoothing)
        assert fit.curves[0].strengths == pytest.approx(other.curves[0].strengths, rel=2e-3)
        assert fit.coefficients[1] == pytest.approx(other.coefficients[1], rel=1e-3)


def test_a_ridge_of_more_columns_than_rows():
    random = np.random.default_rng(1)
    wide = {"x": random.uniform(size=60), **{f"v{j}": random.normal(size=60) for j in range(100)}}
    wide["y"] = np.sin(6 * wide["x"]) + 0.1 * random.normal(size=60)
    fit = gl.fit("y ~ s(x, k=8) + " + " + ".join(f"v{j}" for j in range(100)), wide, penalty=gl.penalties.ridge(3.0))
    assert fit.certificate.converged
    assert 1.0 < fit.curves[0].degrees_of_freedom < 7.0


def test_given_strengths_and_other_penalties():
    lasso = gl.penalties.lasso(0.1, weights={"z1": 0.0}, scaled=True)
    groups = gl.penalties.group_lasso(0.05, groups=[Z[:3], Z[3:5], Z[5:]])
    for penalty in (lasso, groups, gl.penalties.mcp(0.1), gl.penalties.difference(Z, 0.1) + gl.penalties.lasso(0.05)):
        fit = fitted("squared", penalty, f"s(x, strength=0.01) + {SUM}", covariance=False)
        assert fit.certificate.converged
        assert fit.curves[0].strengths == (0.01,)
        assert fit.coefficients[list(fit.names).index("z1")] != 0


def test_more_columns_than_rows():
    random = np.random.default_rng(1)
    wide = {"x": random.uniform(size=60), **{f"v{j}": random.normal(size=60) for j in range(150)}}
    wide["y"] = np.sin(6 * wide["x"]) + wide["v3"] + 0.1 * random.normal(size=60)
    fit = gl.fit("y ~ s(x, k=8) + " + " + ".join(f"v{j}" for j in range(150)), wide, penalty=gl.penalties.lasso(0.1))
    kept = [name for name, own in zip(fit.names, fit.coefficients, strict=True) if name.startswith("v") and own != 0]
    assert "v3" in kept
    assert len(kept) < 40
    assert fit.certificate.gap < 1e-9
    assert np.isfinite(fit.curves[0].degrees_of_freedom)


def test_several_linear_predictors_and_constraints():
    fit = gl.fit({"mean": f"y ~ s(x) + {SUM}", "log_scale": "~ s(w, k=6) + z3"}, DATA, loss="normal", penalty=gl.penalties.lasso(0.15))
    assert fit.certificate.converged
    assert fit.solution.coefficients[list(fit.names).index("z3"), 1] == 0.0
    held = fitted("squared", gl.penalties.lasso(0.05), constraints="z1 <= 0.5")
    assert held.coefficients[list(held.names).index("z1")] == 0.5
    shaped = gl.fit(f"y ~ s(x, k=12, monotone='increasing') + {SUM}", DATA, penalty=gl.penalties.lasso(0.05))
    grid = {**{name: np.zeros(1000) for name in DATA}, "x": np.linspace(-0.5, 1.5, 1000)}
    assert (np.diff(shaped.predict(grid)) >= -1e-14).all()


def test_errors_of_a_ridge_and_one_step_beyond_a_lasso():
    ridge = fitted("squared", gl.penalties.ridge(1e-9))
    plain = fitted("squared", None)
    assert ridge.standard_errors == pytest.approx(plain.standard_errors, rel=1e-3)
    assert [curve.p_value for curve in ridge.curves] == pytest.approx([curve.p_value for curve in plain.curves], rel=1e-2, abs=1e-20)
    lasso = fitted("squared", gl.penalties.lasso(0.1))
    assert lasso.inference.covariance is None
    assert np.isnan(lasso.curves[0].p_value)
    assert np.isnan(lasso.curve("s(x)").standard_errors).all()
    stepped = fitted("squared", gl.penalties.lasso(0.1), covariance="debiased")
    of_x, of_w = (curve.strengths[0] for curve in stepped.curves)
    same = fitted("squared", None, f"s(x, strength={of_x!r}) + s(w, k=8, strength={of_w!r}) + {SUM}")
    # Of squared loss the step ends at the fit of the curves' penalty alone.
    assert stepped.inference.covariance.estimates.ravel() == pytest.approx(same.coefficients, abs=1e-8)
    assert stepped.curve("s(x)").lower == pytest.approx(same.curve("s(x)").lower, abs=1e-6)
    assert stepped.standard_errors == pytest.approx(same.standard_errors, rel=1e-6)
    with pytest.raises(ValueError, match="a curve is none"):
        fitted("squared", gl.penalties.lasso(0.1), covariance="selective")


def test_files_and_summaries(tmp_path):
    for penalty, name in ((gl.penalties.ridge(0.1), "ridge + curves"), (gl.penalties.lasso(0.1), "lasso + curves")):
        fit = fitted("squared", penalty)
        fit.save(tmp_path / "model.json")
        again = gl.load(tmp_path / "model.json")
        assert again.penalty.name == fit.penalty.name == name
        assert "strengths of curves chosen by REML" in str(fit.summary())
        assert "strengths of curves chosen by REML" in str(again.summary())
        assert again.predict(DATA) == pytest.approx(fit.predict(DATA), rel=1e-12)
    assert "of 8 slopes; the penalty set" in str(fit.summary()).replace("\n           ", " ")


def test_the_rows_of_a_file(tmp_path):
    pq.write_table(pa.table(DATA), tmp_path / "rows.parquet")
    here, there = (gl.fit(f"y ~ s(x) + {SUM}", rows, penalty=gl.penalties.lasso(0.1)) for rows in (DATA, tmp_path / "rows.parquet"))
    assert there.coefficients == pytest.approx(here.coefficients, abs=1e-10)


def test_what_is_refused():
    with pytest.raises(ValueError, match="the formula has no others"):
        fitted("squared", gl.penalties.lasso(0.1), "s(x)")
    for penalty in (gl.penalties.lasso(), gl.penalties.ridge("auto")):
        with pytest.raises(ValueError, match="left to the data, and beside curves only theirs are chosen"):
            fitted("squared", penalty)
    with pytest.raises(ValueError, match="no column is named 's\\(x\\)'"):
        fitted("squared", gl.penalties.lasso(0.1, weights={"s(x)": 2.0}))
