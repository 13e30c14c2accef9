"""Any loss to its optimum: gradline beside the best solver each peer has, for the same objective on the same data, in one run.

    python benchmarks/losses.py [--rows 1000000] [--columns 100] [--only huber,poisson]

Columns are independent and of one scale, which is where first-order methods need fewest iterations (logistic regression four); joint
Huber, poisson, logistic and student run once more on columns as tables have them: correlated (0.5 each with each), in units that differ by
up to a hundredfold. Every row prints seconds, the ratio, both objectives (evaluated by one and the same function), both gradient norms,
and gradline's passes over the data. "As exact" is gradline with a tolerance under which its gradient is still the smaller of the two.
Times are the best of a few repeats; peers that take long run once.
"""

from __future__ import annotations

import argparse
import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import gradline as gl
from clock import best
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.kernel import Kernel

warnings.filterwarnings("ignore")


class Judge:
    """Evaluates every answer with one objective."""

    def __init__(self, x, y, loss, penalty=None):
        self.problem = Problem(ArrayRows(x, y[:, None]), loss, penalty)

    def __call__(self, coefficients):
        value, gradient, _ = self.problem.evaluate(np.asarray(coefficients, dtype=float).reshape(-1, 1), 1)
        return value, float(np.linalg.norm(gradient))


def report(job, peer, peer_time, peer_answer, own_time, fit, judge):
    peer_value, peer_norm = judge(peer_answer)
    own_value, own_norm = judge(fit.solution.coefficients)
    print(
        f"{job:40s} {own_time:8.3f} s  {fit.solution.passes:3d} passes  {peer:34s} {peer_time:8.3f} s  {peer_time / own_time:7.1f} x"
        f"   objective {own_value:.12g} / {peer_value:.12g}   gradient {own_norm:.1e} / {peer_norm:.1e}",
        flush=True,
    )


def make(n, p, seed=0, correlated=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    b = rng.normal(size=p) * 0.3 / np.sqrt(p / 10)
    if correlated:
        units = 10.0 ** rng.uniform(-1.0, 1.0, size=p)
        x += rng.normal(size=(n, 1))
        x *= units / np.sqrt(2.0)
        b /= units
    return rng, x, x @ b + 0.5


def named(n, p, correlated):
    """What to call the data, and the data."""
    return f"{n:,} x {p}{' correlated' if correlated else ''}", *make(n, p, correlated=correlated)


def bare_gram(x):
    """The symmetric product with weights that a Newton step cannot do without, block by block on both cores."""
    rows = ArrayRows(x, np.zeros((len(x), 1)), intercept=False)
    weights = np.full(len(x), 0.5)

    class Kernel(Kernel):
        def map(self, block):
            h = weights[block.first_row : block.first_row + block.n_rows]
            scaled = block.design.values * np.sqrt(h)[:, None]
            return scaled.T @ scaled

        def merge(self, first, second):
            first += second
            return first

    return rows.reduce(Kernel())


def huber_loss(y, prediction):
    import tensorflow as tf

    error = tf.abs(y - prediction)
    return tf.where(error <= 1.35, 0.5 * tf.square(error), 1.35 * error - 0.5 * 1.35**2)


def joint_huber(n, p, correlated=False):
    from sklearn.linear_model import HuberRegressor

    n = min(n, 100_000)
    data, rng, x, eta = named(n, p, correlated)
    y = eta + rng.standard_t(2, size=n)
    loss = gl.losses.huber(1.35, scale="joint")
    problem = Problem(ArrayRows(x, y[:, None]), loss)

    def judge(coefficients):
        value, gradient, _ = problem.evaluate(coefficients, 1)
        return value, float(np.linalg.norm(problem.free.restrict_gradient(gradient)))

    peer_time, peer = best(lambda: HuberRegressor(epsilon=1.35, alpha=0.0, max_iter=10_000, tol=1e-5).fit(x, y), 2)
    answer = np.zeros((p + 1, 2))
    answer[0, 0], answer[1:, 0], answer[0, 1] = peer.intercept_, peer.coef_, peer.scale_
    for words, solver in (("", "auto"), (", as exact", gl.Newton(tolerance=1e-7))):
        own_time, fit = best(lambda solver=solver: gl.fit(x, y, loss=loss, solver=solver), 5)
        report(f"huber, joint scale, {data}{words}", f"HuberRegressor, {peer.n_iter_} iterations", peer_time, answer, own_time, fit, judge)


def huber(n, p):
    rng, x, eta = make(n, p)
    y = eta + rng.standard_t(2, size=n)
    small = min(n, 100_000)
    # The threshold in the target's units: what a user's own function writes.
    fixed = gl.losses.huber(1.35)
    fixed_time, fixed_fit = best(lambda: gl.fit(x[:small], y[:small], loss=fixed), 3)
    gl.fit(x[:1000], y[:1000], loss=huber_loss)
    user_time, user_fit = best(lambda: gl.fit(x[:small], y[:small], loss=huber_loss), 3)
    plain = Judge(x[:small], y[:small], fixed)
    report(
        f"huber, your function, {small:,} x {p}",
        "gradline built in",
        fixed_time,
        fixed_fit.solution.coefficients,
        user_time,
        user_fit,
        plain,
    )

    import statsmodels.api as sm

    design = np.column_stack([np.ones(small), x[:small]])
    peer_time, peer = best(
        lambda: sm.RLM(y[:small], design, M=sm.robust.norms.HuberT(1.35)).fit(
            scale_est=_UnitScale(), maxiter=200, tol=1e-9, update_scale=False
        ),
        1,
    )
    report(f"huber, scale 1, {small:,} x {p}", "statsmodels RLM", peer_time, peer.params, fixed_time, fixed_fit, plain)

    gram_time, _ = best(lambda: bare_gram(x), 3)
    own_time, fit = best(lambda: gl.fit(x, y, loss=fixed), 3)
    _, norm = Judge(x, y, fixed)(fit.solution.coefficients)
    print(
        f"{f'huber, {n:,} x {p}':34s} {own_time:8.3f} s  {fit.solution.passes:3d} passes  {own_time / gram_time:.2f} bare weighted Gram"
        f" matrices of {gram_time:.3f} s   gradient {norm:.1e}"
    )
    user_time, _ = best(lambda: gl.fit(x, y, loss=huber_loss), 2)
    print(f"{f'huber, your function, {n:,} x {p}':34s} {user_time:8.3f} s  {user_time / own_time:.2f} times the built-in")


class _UnitScale:
    """statsmodels' RLM with the scale held at one."""

    def __call__(self, *arguments, **keywords):
        return 1.0


def poisson(n, p, correlated=False):
    from glum import GeneralizedLinearRegressor
    from sklearn.linear_model import PoissonRegressor

    data, rng, x, eta = named(n, p, correlated)
    y = rng.poisson(np.exp(eta)).astype(float)
    judge = Judge(x, y, gl.losses.poisson)
    own_time, fit = best(lambda: gl.fit(x, y, loss=gl.losses.poisson), 3)
    for name, make_peer in (
        ("glum", lambda: GeneralizedLinearRegressor(family="poisson", alpha=0, gradient_tol=1e-8)),
        ("PoissonRegressor(newton-cholesky)", lambda: PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8)),
    ):
        peer_time, peer = best(lambda make_peer=make_peer: make_peer().fit(x, y), 2)
        report(f"poisson, {data}", name, peer_time, np.r_[peer.intercept_, peer.coef_], own_time, fit, judge)


def logistic(n, p, correlated=False):
    from glum import GeneralizedLinearRegressor
    from sklearn.linear_model import LogisticRegression

    data, rng, x, eta = named(n, p, correlated)
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)
    judge = Judge(x, y, gl.losses.logistic)
    own_time, fit = best(lambda: gl.fit(x, y, loss=gl.losses.logistic), 3)
    near_time, near = best(lambda: gl.fit(x, y, loss=gl.losses.logistic, solver=gl.Newton(tolerance=1e-4)), 3)
    for name, make_peer, repeats in (
        ("LogisticRegression(lbfgs, 1e-4)", lambda: LogisticRegression(C=np.inf, solver="lbfgs", tol=1e-4, max_iter=500), 2),
        ("glum", lambda: GeneralizedLinearRegressor(family="binomial", alpha=0, gradient_tol=1e-8), 1),
        ("LogisticRegression(newton-cholesky)", lambda: LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8), 1),
    ):
        peer_time, peer = best(lambda make_peer=make_peer: make_peer().fit(x, y), repeats)
        answer = np.r_[np.ravel(peer.intercept_), np.ravel(peer.coef_)]
        report(f"logistic, {data}", name, peer_time, answer, own_time, fit, judge)
        if "1e-4" in name:
            report(f"logistic, {data}, as exact", name, peer_time, answer, near_time, near, judge)


def student(n, p, correlated=False):
    from scipy.optimize import minimize

    data, rng, x, eta = named(n, p, correlated)
    y = eta + rng.standard_t(4, size=n)
    judge = Judge(x, y, gl.losses.student_t(4.0))

    def objective(b):
        r = x @ b[1:] + b[0] - y
        s = 1 + r * r / 4
        g = 5 * r / 4 / s / n
        return 2.5 * np.mean(np.log(s)), np.r_[g.sum(), x.T @ g]

    peer_time, peer = best(
        lambda: minimize(
            objective, np.zeros(p + 1), jac=True, method="L-BFGS-B", options={"gtol": 1e-8, "ftol": 0, "maxiter": 500, "maxfun": 600}
        ),
        1,
    )
    own_time, fit = best(lambda: gl.fit(x, y, loss=gl.losses.student_t(4.0)), 3)
    report(f"student-t, {data}", f"scipy L-BFGS-B, {peer.nit} iterations", peer_time, peer.x, own_time, fit, judge)


def quantile(n, p):
    from sklearn.linear_model import QuantileRegressor

    rng, x, eta = make(n, p)
    y = eta + rng.standard_t(3, size=n)
    loss = gl.losses.quantile(0.9)
    m = min(n, 5000)
    judge = Judge(x[:m], y[:m], loss)
    peer_time, peer = best(lambda: QuantileRegressor(quantile=0.9, alpha=0.0, solver="highs").fit(x[:m], y[:m]), 1)
    own_time, fit = best(lambda: gl.fit(x[:m], y[:m], loss=loss), 3)
    report(f"quantile 0.9, {m:,} x {p}", "QuantileRegressor(highs)", peer_time, np.r_[peer.intercept_, peer.coef_], own_time, fit, judge)

    import statsmodels.api as sm

    m = min(n, 20_000)
    judge = Judge(x[:m], y[:m], loss)
    design = np.column_stack([np.ones(m), x[:m]])
    peer_time, peer = best(lambda: sm.QuantReg(y[:m], design).fit(0.9, max_iter=5000), 1)
    own_time, fit = best(lambda: gl.fit(x[:m], y[:m], loss=loss), 3)
    report(f"quantile 0.9, {m:,} x {p}", "statsmodels QuantReg", peer_time, peer.params, own_time, fit, judge)
    own_time, fit = best(lambda: gl.fit(x, y, loss=loss), 1)
    print(f"{f'quantile 0.9, {n:,} x {p}':34s} {own_time:8.3f} s  {fit.solution.passes:3d} passes  {fit.certificate.reason}")


def growth(n, p):
    """Time and memory as rows grow a hundredfold: each loss on 100,000, 1,000,000 and 10,000,000 rows by 20 columns."""
    import resource

    jobs = {
        "huber": (gl.losses.huber(1.35), lambda rng, eta: eta + rng.standard_t(2, size=eta.size)),
        "poisson": (gl.losses.poisson, lambda rng, eta: rng.poisson(np.exp(eta)).astype(float)),
        "logistic": (gl.losses.logistic, lambda rng, eta: (rng.uniform(size=eta.size) < 1 / (1 + np.exp(-eta))).astype(float)),
        "student_t": (gl.losses.student_t(4.0), lambda rng, eta: eta + rng.standard_t(4, size=eta.size)),
        "quantile 0.9": (gl.losses.quantile(0.9), lambda rng, eta: eta + rng.standard_t(3, size=eta.size)),
    }
    rng, x, eta = make(10 * n, 20)
    for name, (loss, draw) in jobs.items():
        y = draw(rng, eta)
        times = []
        for m in (n // 10, n, 10 * n):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            seconds, _ = best(lambda loss=loss, m=m, y=y: gl.fit(x[:m], y[:m], loss=loss), 2)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            times.append((m, seconds, grown))
        line = "   ".join(f"{m:,} rows {seconds:.3f} s (+{grown:.0f} MB)" for m, seconds, grown in times)
        print(
            f"{name:14s} {line}   growth {times[1][1] / times[0][1]:.1f} and {times[2][1] / times[1][1]:.1f} for 10 times the rows",
            flush=True,
        )


JOBS = {
    "joint": joint_huber,
    "huber": huber,
    "poisson": poisson,
    "logistic": logistic,
    "student": student,
    "quantile": quantile,
    "growth": growth,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--only", default=",".join(JOBS))
    options = parser.parse_args()
    for name in options.only.split(","):
        JOBS[name](options.rows, options.columns)
        if name in ("joint", "poisson", "logistic", "student"):
            JOBS[name](options.rows, options.columns, correlated=True)


if __name__ == "__main__":
    main()
