"""Fits by formula against statsmodels' own, on the data it ships."""

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from memory_table import MemoryTable

from gradline import losses
from gradline.formula import parse
from gradline.problem import Problem
from gradline.rows.arrays import ArrayRows
from gradline.solvers.least_squares import LeastSquares


def fit(formula, frame, batch_rows=50):
    table = MemoryTable({name: frame[name].to_numpy() for name in frame}, batch_rows)
    encoder = parse(formula, table.columns).learn(table)
    matrix, targets = table.encode(encoder)
    rows = ArrayRows(matrix[:, int(encoder.intercept) :], targets, intercept=encoder.intercept)
    return encoder, LeastSquares().solve(Problem(rows, losses.by_name("squared"), None, encoder.names))


@pytest.mark.parametrize(
    ("dataset", "formula"),
    [
        ("longley", "TOTEMP ~ GNPDEFL + GNP + UNEMP + ARMED + POP + YEAR"),
        ("statecrime", "murder ~ np.log(poverty) * urban + scale(single) + I(hs_grad ** 2)"),
        ("statecrime", "np.log(murder) ~ bs(urban, df=4) + poverty - 1"),
        ("fair", "affairs ~ C(rate_marriage) * age + C(religious, Sum) + children"),
        ("fair", "affairs ~ C(rate_marriage, Treatment(5.0)):children + cr(age, df=4) - 1"),
        ("copper", "WORLDCONSUMPTION ~ center(COPPERPRICE) + I(COPPERPRICE / INCOMEINDEX) + TIME"),
    ],
)
def test_formula_fits_equal_statsmodels(dataset, formula):
    frame = getattr(sm.datasets, dataset).load_pandas().data.reset_index(drop=True)
    frame = frame.loc[:, ~frame.columns.duplicated()]
    theirs = smf.ols(formula.replace("scale(", "standardize("), frame).fit()
    encoder, ours = fit(formula.replace("scale(", "standardize("), frame)
    assert len(encoder.names) == len(theirs.params)
    np.testing.assert_allclose(ours.loss * len(frame), theirs.ssr, rtol=1e-9)
    found = dict(zip(encoder.names, ours.coefficients[:, 0], strict=True))
    shared = {name.replace(".0]", "]"): value for name, value in theirs.params.items()}
    found = {name.replace(".0]", "]"): value for name, value in found.items()}
    same = [name for name in found if name in shared and not name.startswith(("bs", "cr"))]
    assert len(same) >= len(found) - 6
    if "bs(" not in formula and "cr(" not in formula:
        assert len(same) == len(found)
    np.testing.assert_allclose([found[name] for name in same], [shared[name] for name in same], rtol=1e-8)
