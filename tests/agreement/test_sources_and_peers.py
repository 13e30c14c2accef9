"""One formula, one answer: that of statsmodels and scikit-learn on data that they ship, and the same from whatever the rows come from."""

import re

import duckdb
import numpy as np
import pandas as pd
import patsy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

import gradline as gl
from gradline.preparing import from_table

TIGHT = {"tol": 1e-15, "maxiter": 300, "tol_criterion": "params"}


def dataset(name):
    frame = getattr(sm.datasets, name).load_pandas().data.reset_index(drop=True)
    return frame.loc[:, ~frame.columns.duplicated()]


def as_patsy(name):
    """What patsy calls a column of ours: it counts the columns of a basis from 0."""
    return re.sub(r"((?:bs|cr|cc)\([^()]*\))\[(\d+)\]", lambda found: f"{found[1]}[{int(found[2]) - 1}]", name)


def of_patsy(name):
    """patsy writes whole numbers among floats as 1.0."""
    return re.sub(r"\[(T\.|S\.)?(-?\d+)\.0\]", r"[\1\2]", name)


def check(fit, theirs, data):
    """Coefficients and their errors by name, predictions, and the objective's minimum, to 1e-9."""
    names = [as_patsy(name) for name in fit.names]
    order = [of_patsy(name) for name in theirs.params.index]
    assert sorted(names) == sorted(order)
    rows = [order.index(name) for name in names]
    errors = np.asarray(theirs.bse)[rows]
    # A coefficient that is nearly zero is known to its error, not to itself.
    np.testing.assert_array_less(
        np.abs(fit.coefficients - np.asarray(theirs.params)[rows]), 1e-9 * np.maximum(errors, np.abs(fit.coefficients))
    )
    np.testing.assert_allclose(fit.standard_errors, errors, rtol=1e-7)
    np.testing.assert_allclose(fit.predict(data), theirs.predict(data), rtol=1e-9, atol=1e-9 * np.abs(theirs.fittedvalues).max())


LEAST_SQUARES = [
    ("longley", "TOTEMP ~ GNPDEFL + GNP + UNEMP + ARMED + POP + YEAR"),
    ("stackloss", "STACKLOSS ~ AIRFLOW * WATERTEMP + ACIDCONC"),
    ("stackloss", "np.log(STACKLOSS) ~ center(AIRFLOW) + I(WATERTEMP ** 2) + standardize(ACIDCONC)"),
    ("fair", "affairs ~ C(rate_marriage) + age + np.log(yrs_married) + C(occupation)"),
    ("fair", "affairs ~ C(rate_marriage) * age + C(religious, Sum) + children"),
    ("fair", "affairs ~ C(rate_marriage, Treatment(5.0)):children + cr(age, df=4) - 1"),
    ("anes96", "TVnews ~ C(PID) * age + bs(income, df=5)"),
    ("anes96", "popul ~ (C(vote) + age + educ) ** 2"),
    ("ccard", "AVGEXP ~ C(OWNRENT) / INCOME + bs(AGE, df=4, degree=2)"),
    ("copper", "WORLDCONSUMPTION ~ center(COPPERPRICE) + I(COPPERPRICE / INCOMEINDEX) + TIME"),
    ("statecrime", "murder ~ np.log(poverty) * urban + standardize(single) + I(hs_grad ** 2)"),
    ("statecrime", "np.log(murder) ~ bs(urban, df=4) + poverty - 1"),
    ("statecrime", "violent ~ np.sqrt(poverty) * urban + cc(single, df=3, constraints='center')"),
    ("grunfeld", "invest ~ value + capital + firm"),
    ("grunfeld", "np.log(invest) ~ np.log(value) * np.log(capital) + C(year) + firm - 1"),
    ("macrodata", "np.log(realcons) ~ np.log(realdpi) + C(quarter, Sum) + unemp:C(quarter) + tbilrate"),
    ("engel", "foodexp ~ bs(income, knots=[600, 900, 1500])"),
]


@pytest.mark.parametrize(("name", "formula"), LEAST_SQUARES, ids=[f"{name} {formula}" for name, formula in LEAST_SQUARES])
def test_least_squares_by_statsmodels(name, formula):
    data = dataset(name)
    check(gl.fit(formula, data), smf.ols(formula, data).fit(method="qr"), data)


LIKELIHOODS = [
    ("randhie", "mdvis ~ lncoins + idp + C(hlthp) + fmde", "poisson", lambda: sm.families.Poisson()),
    ("randhie", "mdvis ~ C(lncoins) + idp * C(hlthg) + np.log1p(physlm)", "poisson", lambda: sm.families.Poisson()),
    ("fair", "I(affairs > 0) ~ C(rate_marriage) * yrs_married + bs(age, df=4)", "logistic", lambda: sm.families.Binomial()),
    ("anes96", "vote ~ C(PID) + age + cr(income, df=3, constraints='center')", "logistic", lambda: sm.families.Binomial()),
    ("scotland", "YES ~ COUTAX + UNEMPF * np.log(AGE)", "gamma", lambda: sm.families.Gamma(sm.families.links.Log())),
]


@pytest.mark.parametrize(("name", "formula", "loss", "family"), LIKELIHOODS, ids=[f"{case[0]} {case[1]}" for case in LIKELIHOODS])
def test_likelihoods_by_statsmodels(name, formula, loss, family):
    data = dataset(name)
    # statsmodels takes a true-or-false target apart into two columns.
    theirs = formula.replace("I(affairs > 0)", "np.where(affairs > 0, 1.0, 0.0)")
    check(gl.fit(formula, data, loss=loss, tolerance=1e-20), smf.glm(theirs, data, family=family()).fit(**TIGHT), data)


def test_offset_weights_and_missing_rows_by_statsmodels():
    data = dataset("cancer").assign(region=np.arange(301) % 4, w=1.0 + np.arange(301) % 3)
    data.loc[5, "region"] = np.nan
    fit = gl.fit("cancer ~ C(region) + offset(np.log(population))", data, loss="poisson", frequencies="w", tolerance=1e-20)
    whole = data.dropna()
    model = smf.glm("cancer ~ C(region)", whole, family=sm.families.Poisson(), offset=np.log(whole.population), freq_weights=whole.w)
    theirs = model.fit(**TIGHT)
    assert (fit.rows_used, fit.rows_dropped) == (300, {"region missing": 1})
    np.testing.assert_allclose(fit.coefficients, theirs.params, rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, theirs.bse, rtol=1e-9)
    np.testing.assert_allclose(fit.predict(whole), theirs.fittedvalues, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_diabetes_by_scikit_learn(loss):
    data = load_diabetes(as_frame=True)
    fit = gl.fit(data.frame, target="target", features=list(data.data.columns), loss=gl.losses.huber(1000.0) if loss == "huber" else loss)
    # Huber's loss is half the squared one where no residual passes its threshold.
    expected = LinearRegression(tol=1e-15).fit(data.data, data.target)
    np.testing.assert_allclose(fit.coefficients, [expected.intercept_, *expected.coef_], rtol=1e-9)
    np.testing.assert_allclose(fit.predict(data.frame), expected.predict(data.data), rtol=1e-9)


# ------------------------------------------------------------------------------------------------ whatever the rows come from

N = 20_000


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=N), rng.integers(0, 4, size=N)
    # A column whose mean dwarfs its spread, and one in other units: what sums taken carelessly lose.
    z = 1e4 + rng.normal(size=N)
    eta = 0.3 + 0.2 * x + np.array([0.0, 0.3, -0.2, 0.1])[g] + 0.1 * (z - 1e4)
    small = 1e-6 * rng.normal(size=N)
    return pd.DataFrame(
        {"y": eta + rng.normal(size=N), "count": rng.poisson(np.exp(eta)), "x": x, "z": z, "small": small, "g": np.array(list("abcd"))[g]}
    )


@pytest.fixture(scope="module")
def sources(frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    shuffled = frame.sample(frac=1, random_state=1)
    pq.write_table(table, folder / "one.parquet", row_group_size=N)
    pq.write_table(table, folder / "thousand.parquet", row_group_size=N // 1000)
    pq.write_table(pa.Table.from_pandas(shuffled, preserve_index=False), folder / "shuffled.parquet")
    frame.to_csv(folder / "rows.csv", index=False)
    with duckdb.connect(str(folder / "rows.duckdb")) as connection:
        connection.execute(f"CREATE TABLE kept AS FROM '{folder / 'one.parquet'}'")
    return {
        "Parquet, one batch": lambda: {"data": folder / "one.parquet"},
        "Parquet, a thousand batches": lambda: {"data": folder / "thousand.parquet"},
        "Parquet, shuffled": lambda: {"data": folder / "shuffled.parquet"},
        "CSV": lambda: {"data": folder / "rows.csv"},
        "DuckDB": lambda: {"data": "kept", "database": folder / "rows.duckdb"},
        "DuckDB, shuffled by SQL": lambda: {"query": "SELECT * FROM kept ORDER BY hash(x)", "database": folder / "rows.duckdb"},
        "pandas": lambda: {"data": frame},
        "a generator of a thousand batches": lambda: {"data": (table.slice(i, N // 1000) for i in range(0, N, N // 1000))},
    }


NAMES = [
    "Parquet, one batch",
    "Parquet, a thousand batches",
    "Parquet, shuffled",
    "CSV",
    "DuckDB",
    "DuckDB, shuffled by SQL",
    "pandas",
    "a generator of a thousand batches",
]
FORMULAS = {
    "squared": ("squared", "y ~ g * z + small + x"),
    "squared, with a spline": ("squared", "y ~ g * z + small + bs(x, df=4)"),
    "Newton's method": ("poisson", "count ~ x * g + z + small"),
}


@pytest.fixture(scope="module")
def in_memory(frame):
    """The same fits of arrays that are held, from designs that patsy makes."""
    found = {}
    for case, (loss, formula) in FORMULAS.items():
        target, _, right = formula.partition(" ~ ")
        design = patsy.dmatrix(right, frame, return_type="dataframe")
        found[case] = gl.fit(design.iloc[:, 1:].to_numpy(), frame[target], names=list(design.columns[1:]), loss=loss, covariance="default")
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", FORMULAS)
@pytest.mark.parametrize("held", [True, False])
def test_every_source_gives_the_same_fit(name, case, held, sources, in_memory, monkeypatch):
    if not held:
        monkeypatch.setattr(from_table, "MOST_HELD", 10)
    loss, formula = FORMULAS[case]
    fit, expected = gl.fit(formula, **sources[name](), loss=loss, covariance="default"), in_memory[case]
    names = [as_patsy(name) for name in fit.names]
    rows = [names.index(name) for name in expected.names]
    difference = np.abs(fit.coefficients[rows] - expected.coefficients)
    np.testing.assert_array_less(difference, 1e-8 * expected.standard_errors)
    np.testing.assert_allclose(fit.standard_errors[rows], expected.standard_errors, rtol=1e-8)
    assert fit.loss == pytest.approx(expected.loss, rel=1e-12)
    assert fit.rows_used == N
    assert fit.certificate.converged
    assert fit.fingerprint == expected.fingerprint
    if case == "squared":  # where both have the same design, to the bit
        # What is claimed of digits is kept, and both claims hold at once.
        claimed = 10.0 ** -np.minimum(np.ravel(fit.digits)[rows], np.ravel(expected.digits))
        np.testing.assert_array_less(difference, 2 * claimed * np.maximum(np.abs(expected.coefficients), expected.standard_errors))


def test_a_shuffle_of_the_rows_of_one_table_changes_nothing_but_rounding(frame):
    _, formula = FORMULAS["squared, with a spline"]
    expected = gl.fit(formula, frame)
    for seed in range(3):
        fit = gl.fit(formula, frame.sample(frac=1, random_state=seed))
        np.testing.assert_array_less(np.abs(fit.coefficients - expected.coefficients), 1e-12 * expected.standard_errors)
