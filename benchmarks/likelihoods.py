"""Likelihoods of classes, counts and shares beside statsmodels, to the same optimum, in one run: python benchmarks/likelihoods.py.

Both give coefficients and standard errors. statsmodels is asked for the optimiser that its pages name for the model.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from statsmodels.discrete.count_model import ZeroInflatedPoisson
from statsmodels.discrete.discrete_model import NegativeBinomial, Probit
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.othermod.betareg import BetaModel

import gradline as gl

ROWS, COLUMNS, TIMES = 20_000, 10, 3


def best_of(fit):
    times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        found = fit()
        times.append(time.perf_counter() - start)
    return min(times), found


def main():
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, COLUMNS))
    design = np.column_stack([np.ones(ROWS), X])
    eta = 0.3 * X @ rng.normal(size=COLUMNS)
    mean = np.exp(0.5 + eta)
    share = 1 / (1 + np.exp(-eta))
    counts = rng.negative_binomial(2, 1 / (1 + mean / 2))
    zeros = rng.poisson(mean) * (rng.random(ROWS) < 0.7)
    classes = np.digitize(eta + rng.logistic(size=ROWS), [-1.0, 0.0, 1.5])
    spent = np.clip(rng.beta(10 * share, 10 * (1 - share)), 1e-9, 1 - 1e-9)
    answers = (eta + rng.normal(size=ROWS) > 0).astype(float)
    cases = {
        "probit": (answers, "probit", lambda y: Probit(y, design).fit(disp=0)),
        "ordinal": (classes, "ordinal", lambda y: OrderedModel(y, X, distr="logit").fit(method="bfgs", disp=0, maxiter=500)),
        "negative_binomial": (counts, "negative_binomial", lambda y: NegativeBinomial(y, design).fit(disp=0, maxiter=500)),
        "zero_inflated": (
            zeros,
            "zero_inflated",
            lambda y: ZeroInflatedPoisson(y, design, exog_infl=design).fit(method="bfgs", disp=0, maxiter=500),
        ),
        "beta": (spent, "beta", lambda y: BetaModel(y, design).fit(disp=0, maxiter=500)),
    }
    print(f"{ROWS:,} rows, {COLUMNS} columns, best of {TIMES}")
    for name, (y, loss, other) in cases.items():
        own, fit = best_of(lambda y=y, loss=loss: gl.fit(X, y, loss=loss))
        theirs, found = best_of(lambda y=y, other=other: other(y))
        off = (fit.log_likelihood - found.llf) / abs(found.llf)
        print(
            f"{name:18} gradline {own:7.3f} s   statsmodels {theirs:7.3f} s   {theirs / own:6.1f} x   log likelihood {off:+.1e} of its size"
        )


if __name__ == "__main__":
    main()
