"""Adds to from_r.json what R's packages do not give to enough digits: python losses.py writes reference.json.

Log likelihoods written out with PyTorch, without gradline: Newton's method from R's coefficients, standard errors from the inverse of the
Hessian that automatic differentiation gives. Beta regression and the negative binomial are statsmodels' too.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
torch.set_default_dtype(torch.float64)


def poisson(y, eta, _):
    return y * eta - torch.exp(eta) - torch.lgamma(y + 1)


def negative_binomial(y, eta, log_dispersion):
    theta = torch.exp(-log_dispersion)
    mean = torch.exp(eta)
    return (
        torch.lgamma(y + theta)
        - torch.lgamma(theta)
        - torch.lgamma(y + 1)
        + theta * torch.log(theta / (theta + mean))
        + y * torch.log(mean / (theta + mean))
    )


def zero_inflated(counts):
    def log_likelihood(b, x, y):
        p = x.shape[1]
        eta, dispersion, zero = x @ b[:p], b[p : len(b) - p].sum(), torch.sigmoid(x @ b[-p:])
        f = counts(y, eta, dispersion)
        return torch.where(y == 0, torch.log(zero + (1 - zero) * torch.exp(counts(0 * y, eta, dispersion))), torch.log(1 - zero) + f).sum()

    return log_likelihood


def hurdle(counts):
    def log_likelihood(b, x, y):
        p = x.shape[1]
        eta, dispersion, passed = x @ b[:p], b[p : len(b) - p].sum(), torch.sigmoid(x @ b[-p:])
        above = counts(y, eta, dispersion) - torch.log(1 - torch.exp(counts(0 * y, eta, dispersion)))
        return torch.where(y == 0, torch.log(1 - passed), torch.log(passed) + above).sum()

    return log_likelihood


def beta(b, x, y):
    mean, phi = torch.sigmoid(x @ b[:-1]), torch.exp(b[-1])
    a, c = mean * phi, (1 - mean) * phi
    return (torch.lgamma(phi) - torch.lgamma(a) - torch.lgamma(c) + (a - 1) * torch.log(y) + (c - 1) * torch.log(1 - y)).sum()


def plain_negative_binomial(b, x, y):
    return negative_binomial(y, x @ b[:-1], b[-1]).sum()


MODELS = {
    "negative_binomial": plain_negative_binomial,
    "zero_inflated_poisson": zero_inflated(poisson),
    "zero_inflated_negbin": zero_inflated(negative_binomial),
    "hurdle_poisson": hurdle(poisson),
    "hurdle_negbin": hurdle(negative_binomial),
    "beta": beta,
}


def solve(log_likelihood, start, x, y):
    """Coefficients, standard errors and the log likelihood."""
    b = torch.tensor(start)
    for _ in range(30):
        at = lambda c: log_likelihood(c, x, y)  # noqa: E731
        step = torch.linalg.solve(torch.autograd.functional.hessian(at, b), torch.autograd.functional.jacobian(at, b))
        b = b - step
        if step.abs().max() < 1e-12:
            break
    hessian = torch.autograd.functional.hessian(at, b)
    return b.tolist(), torch.linalg.inv(-hessian).diagonal().sqrt().tolist(), float(at(b))


def statsmodels_beta(x, y):
    from statsmodels.othermod.betareg import BetaModel

    found = BetaModel(y, x).fit(disp=0, method="bfgs", maxiter=2000, gtol=1e-10)
    return found.params.tolist(), found.bse.tolist(), float(found.llf)


def statsmodels_negative_binomial(x, y, start):
    from statsmodels.discrete.discrete_model import NegativeBinomial

    found = NegativeBinomial(y, x).fit(start_params=[*start[:-1], math.exp(start[-1])], disp=0, method="newton", maxiter=200)
    # The dispersion there, its log here.
    alpha = found.params[-1]
    return [*found.params[:-1], math.log(alpha)], [*found.bse[:-1], found.bse[-1] / alpha], float(found.llf)


def main():
    found = json.loads((HERE / "from_r.json").read_text())
    for name, log_likelihood in MODELS.items():
        own = found[name]
        x = np.column_stack([np.ones(len(own["y"])), own["X"]])
        y = np.array(own["y"], dtype=float)[:, 0]
        if name == "beta":
            coefficients, errors, value = statsmodels_beta(x, y)
            own["statsmodels"] = {"coefficients": coefficients, "errors": errors, "log_likelihood": value}
            start = coefficients
        else:
            start = own["coefficients"]
            own["R"] = {"coefficients": start, "log_likelihood": own["log_likelihood"]}
        if name == "negative_binomial":
            coefficients, errors, value = statsmodels_negative_binomial(x, y, start)
            own["statsmodels"] = {"coefficients": coefficients, "errors": errors, "log_likelihood": value}
        own["coefficients"], own["errors"], own["log_likelihood"] = solve(log_likelihood, start, torch.tensor(x), torch.tensor(y))
        for other in ("R", "statsmodels"):
            if other in own:
                off = np.abs(np.array(own[other]["coefficients"]) - own["coefficients"]) / own["errors"]
                print(
                    name,
                    other,
                    "coefficients off by",
                    off.max(),
                    "errors; log likelihood by",
                    own[other]["log_likelihood"] - own["log_likelihood"],
                )
                if "errors" in own[other]:
                    print("   standard errors off by", np.abs(np.array(own[other]["errors"]) / own["errors"] - 1).max())
    (HERE / "reference.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
