"""Absorbed levels by pyfixest: writes absorbed.json, the data with it.

Run it with pyfixest (0.60.0 made the file) and pandas installed: python tests/reference/absorbed.py. The fixed effects are taken out to
1e-14. pyfixest leaves singletons out, and rows of separated levels, as it does unless told otherwise.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest as pf


def table(kind, n=160):
    """Columns exactly representable; firms with means of their own, years, regions of firms, and groups that know nothing of either."""
    rng = np.random.default_rng({"connected": 1, "disconnected": 2, "singletons": 3}[kind])
    firm, year = rng.integers(0, 14, n), rng.integers(0, 6, n)
    if kind == "disconnected":
        year = np.where(firm < 7, year % 3, 3 + year % 3)
    if kind == "singletons":
        firm[:4] = [100, 101, 102, 102]
        year[0], year[2] = 50, 51
    product = rng.integers(0, 5, n)
    x1 = np.round(rng.normal(size=n) + 0.2 * (firm % 14), 3)
    x2 = np.round(rng.normal(size=n) + 0.3 * (year % 6), 3)
    y = np.round(2.0 * x1 - x2 + 0.5 * (firm % 14) + year % 6 + 0.3 * product + rng.normal(size=n) * (1 + 0.3 * np.abs(x1)), 3)
    count = rng.poisson(np.exp(0.3 * x1 - 0.2 * x2))
    count = np.where(firm == 3, 0, count)
    weight = np.round(rng.uniform(0.2, 3.0, n), 3)
    columns = {"y": y, "count": count, "x1": x1, "x2": x2, "weight": weight, "firm": firm, "year": year, "product": product}
    return pd.DataFrame(columns | {"region": firm // 4, "group": rng.integers(0, 15, n)})


def errors(fit, kinds):
    return {name: [float(v) for v in fit.vcov(kind).se()] for name, kind in kinds.items()}


KINDS = {"classical": "iid", "HC1": "hetero", "firm": {"CRV1": "firm"}, "region": {"CRV1": "region"}, "group": {"CRV1": "group"}}
CASES = [
    ("connected", "y ~ x1 + x2 | firm", None),
    ("connected", "y ~ x1 + x2 | firm + year", None),
    ("connected", "y ~ x1 + x2 | firm + year", "weight"),
    ("connected", "y ~ x1 + x2 | firm^year", None),
    ("connected", "y ~ x1 + x2 | firm + year + product", None),
    ("connected", "y ~ x1 + x2 | firm + year + product", "weight"),
    ("disconnected", "y ~ x1 + x2 | firm + year", None),
    ("singletons", "y ~ x1 + x2 | firm + year", None),
    ("connected", "count ~ x1 + x2 | firm + year", None),
    ("connected", "count ~ x1 + x2 | firm", None),
]

if __name__ == "__main__":
    found = []
    for kind, formula, weight in CASES:
        data = table(kind)
        if formula.startswith("count"):
            fit = pf.fepois(formula, data, iwls_tol=1e-14, fixef_tol=1e-13, iwls_maxiter=100)
            kinds = {"HC1": "hetero", "firm": {"CRV1": "firm"}, "group": {"CRV1": "group"}}
        else:
            fit, kinds = pf.feols(formula, data, weights=weight, fixef_tol=1e-14), KINDS
        case = {"table": kind, "formula": formula, "weights": weight, "rows": int(fit._N)}
        found.append(case | {"coefficients": [float(v) for v in fit.coef()], "errors": errors(fit, kinds)})
    tables = {kind: {name: column.tolist() for name, column in table(kind).items()} for kind in ("connected", "disconnected", "singletons")}
    content = {"pyfixest": pf.__version__, "tables": tables, "cases": found}
    Path(__file__).with_suffix(".json").write_text(json.dumps(content) + "\n", encoding="utf-8")
