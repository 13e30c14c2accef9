"""Absorbed levels, y ~ x | firm + year, beside pyfixest's results (tests/reference/absorbed.py) and beside the levels as columns."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import gradline as gl
from gradline.base.errors import ArgumentError, ArgumentTypeError, FormulaError, InferenceError
from gradline.base.warnings import GradlineWarning
from gradline.linalg import level_equations
from gradline.preparing import absorbed_columns
from gradline.tables import beside
from gradline.tables.chunks import run_here
from gradline.tables.table import Table, open_table

REFERENCE = json.loads((Path(__file__).parent.parent / "reference" / "absorbed.json").read_text(encoding="utf-8"))
TABLES = {kind: {name: np.array(own) for name, own in columns.items()} for kind, columns in REFERENCE["tables"].items()}
pytestmark = pytest.mark.filterwarnings("ignore:.*rows? left out as", "ignore:.*left out of the model")


@pytest.fixture(params=["held", "read anew"], autouse=True)
def way(request, monkeypatch):
    """Rows in memory, and rows that are read anew at each pass, whose codes lie in files."""
    if request.param == "read anew":
        monkeypatch.setattr(absorbed_columns, "MOST_HELD", 0)
        monkeypatch.setattr(beside, "MOST_HELD_ROWS", 100)
    return request.param


def arguments(kind):
    return {"covariance": kind} if kind in ("classical", "HC1") else {"covariance": "cluster", "groups": kind}


def named(case):
    return f"{case['table']}: {case['formula']}" + (", weighted" if case["weights"] else "")


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=named)
def test_coefficients_and_errors_are_those_of_pyfixest(case):
    loss = "poisson" if case["formula"].startswith("count") else "squared"
    for kind, errors in case["errors"].items():
        fit = gl.fit(case["formula"], TABLES[case["table"]], loss=loss, weights=case["weights"], **arguments(kind))
        assert fit.rows_used == case["rows"]
        np.testing.assert_allclose(fit.coefficients, case["coefficients"], rtol=1e-11)
        # Where sets are not connected pyfixest counts one degree of freedom too many for each set beyond the first.
        absorbed, n = fit.absorbed, fit.rows_used
        counted = absorbed.degrees if kind in ("classical", "HC1", "group") else absorbed.counted
        left = n - 2 - counted
        np.testing.assert_allclose(fit.standard_errors * np.sqrt(left / (left - (absorbed.sets - 1))), errors, rtol=1e-10)


@pytest.mark.parametrize("loss", ["squared", "poisson", gl.losses.huber(1.0), "logistic"], ids=str)
@pytest.mark.parametrize(("kind", "weights"), [("connected", None), ("connected", "weight"), ("disconnected", None)])
def test_everything_is_as_with_the_levels_as_columns(kind, weights, loss):
    table = dict(TABLES[kind])
    target = {"poisson": "count", "logistic": "high"}.get(loss if isinstance(loss, str) else "", "y")
    # Levels that a loss cannot tell the value of would be left out here and run off there.
    keep = table["firm"] != 3
    table = {name: own[keep] for name, own in table.items()}
    rng = np.random.default_rng(5)
    table["high"] = (rng.random(keep.sum()) < 0.5) * 1
    for covariance in ("HC1", "HC2", "HC3", "cluster"):
        asked = {"weights": weights, "loss": loss, "covariance": covariance, "groups": "group" if covariance == "cluster" else None}
        fit = gl.fit(f"{target} ~ x1 + x2 | firm + year", table, **asked)
        columns = gl.fit(f"{target} ~ x1 + x2 + C(firm) + C(year)", table, **asked)
        assert fit.names == ("x1", "x2")
        np.testing.assert_allclose(fit.coefficients, columns.coefficients[1:3], rtol=1e-9)
        np.testing.assert_allclose(fit.standard_errors, columns.standard_errors[1:3], rtol=1e-8)
        np.testing.assert_allclose(fit.predict(table), columns.predict(table), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(fit.loss, columns.loss, rtol=1e-12)
    if loss == "squared":
        for measure in ("r_squared", "adjusted_r_squared", "log_likelihood", "aic", "bic", "dispersion"):
            np.testing.assert_allclose(getattr(fit, measure), getattr(columns, measure), rtol=1e-10)


def test_frequencies_and_an_offset_are_as_with_the_levels_as_columns():
    table = TABLES["connected"] | {"times": TABLES["connected"]["product"] + 1, "known": TABLES["connected"]["x2"] / 7}
    asked = {"frequencies": "times", "offset": "known", "covariance": "HC1"}
    for target, loss in (("y", "squared"), ("product", "poisson")):
        fit = gl.fit(f"{target} ~ x1 | firm + year", table, loss=loss, **asked)
        columns = gl.fit(f"{target} ~ x1 + C(firm) + C(year)", table, loss=loss, **asked)
        np.testing.assert_allclose(fit.coefficients, columns.coefficients[1:2], rtol=1e-9)
        np.testing.assert_allclose(fit.standard_errors, columns.standard_errors[1:2], rtol=1e-8)
        np.testing.assert_allclose(fit.predict(table), columns.predict(table), rtol=1e-8)


@pytest.mark.parametrize(
    ("absorbed", "columns"),
    [
        ("x2 | firm[x1] + year", "x2 + C(firm)*x1 + C(year)"),
        ("x2 | firm + firm[[x1]] + year", "x2 + C(firm)*x1 + C(year)"),
        ("x2 | firm[[x1]] + year", "x2 + C(firm):x1 + C(year)"),
        ("x2 + C(product) | firm + year", "x2 + C(product) + C(firm) + C(year)"),
        ("x1 + x2 | firm^product", "x1 + x2 + C(firm):C(product)"),
    ],
)
def test_slopes_and_combinations(absorbed, columns):
    table = TABLES["connected"]
    fit = gl.fit(f"y ~ {absorbed}", table)
    other = gl.fit(f"y ~ {columns}", table)
    places = [other.names.index(name) for name in fit.names]
    np.testing.assert_allclose(fit.coefficients, other.coefficients[places], rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, other.standard_errors[places], rtol=1e-8)
    known = fit.predict(table, unseen="missing")
    assert np.isnan(known).sum() == fit.rows_dropped.get("singletons", 0)
    np.testing.assert_allclose(known[~np.isnan(known)], other.predict(table)[~np.isnan(known)], rtol=1e-9)


def test_a_loss_of_ones_own_is_absorbed_too():
    torch = pytest.importorskip("torch")

    def log_cosh(y, prediction):
        return torch.nn.functional.softplus(2.0 * (y - prediction)) - (y - prediction)

    table = TABLES["connected"]
    fit = gl.fit("y ~ x1 + x2 | firm + year", table, loss=log_cosh, covariance="HC1")
    columns = gl.fit("y ~ x1 + x2 + C(firm) + C(year)", table, loss=log_cosh, covariance="HC1")
    np.testing.assert_allclose(fit.coefficients, columns.coefficients[1:3], rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, columns.standard_errors[1:3], rtol=1e-8)


def test_singletons_are_named_and_counted():
    with pytest.warns(GradlineWarning, match=r"4 rows left out as singletons, .*: firm 100, firm 101, year 50, \.\.\.$"):
        fit = gl.fit("y ~ x1 + x2 | firm + year", TABLES["singletons"])
    # Firm 102 has two rows; one of them is alone in its year, and then the other is alone in its firm.
    assert fit.absorbed.singletons == fit.rows_dropped["singletons"] == 4
    assert fit.rows_used == len(TABLES["singletons"]["y"]) - 4
    assert "4 left out (singletons: 4)" in str(fit.summary())


def test_one_singleton_is_one():
    table = TABLES["connected"] | {"firm": np.concatenate([[900], TABLES["connected"]["firm"][1:]])}
    with pytest.warns(GradlineWarning, match=r"^1 row left out as a singleton, the only row of a level, .*: firm 900$"):
        gl.fit("y ~ x1 | firm", table)


def test_a_combination_of_levels_is_named_by_its_columns():
    table = TABLES["connected"]
    alone = {name: own[:40].copy() for name, own in table.items()} | {"year": np.arange(40) // 2, "firm": np.arange(40) // 4}
    alone["year"][0] = 77
    with pytest.warns(
        GradlineWarning, match=r"2 rows left out as singletons, each the only row of a level, .*: firm 0 and year 0, firm 0 and"
    ):
        gl.fit("y ~ x1 | firm^year", alone)


def test_separated_levels_are_named_and_counted():
    table = TABLES["connected"]
    with pytest.warns(GradlineWarning, match=r"13 rows left out as separated: .*'poisson'.*: firm 3$"):
        fit = gl.fit("count ~ x1 | firm", table, loss="poisson")
    assert fit.absorbed.separated == fit.rows_dropped["separated"] == int((table["firm"] == 3).sum())
    one_sided = table | {"high": np.where(table["firm"] == 3, 1, table["count"] > 1)}
    assert gl.fit("high ~ x1 | firm", one_sided, loss="logistic").absorbed.separated >= 13
    # Squared loss tells such a level's value as that of any other.
    assert gl.fit("count ~ x1 | firm", table).absorbed.separated == 0


def test_disconnected_sets_are_found_and_not_compared():
    table = TABLES["disconnected"]
    fit = gl.fit("y ~ x1 | firm + year", table)
    absorbed = fit.absorbed
    assert absorbed.sets == 2
    assert absorbed.degrees == len(absorbed.values("firm")) + len(absorbed.values("year")) - 2
    assert [own.degrees for own in absorbed.categories] == [14, 4]
    years = fit.levels("year")
    assert years.as_dict()[0] == years.as_dict()[3] == 0.0
    assert (years.sets == years.sets[0]).tolist() == [True] * 3 + [False] * 3
    across = {name: own[:1].copy() for name, own in table.items()} | {"firm": np.array([0]), "year": np.array([5])}
    with pytest.raises(InferenceError, match="row 0 combines levels that no chain"):
        fit.predict(across)
    assert np.isnan(fit.predict(across, unseen="missing")).all()


def test_levels_are_the_coefficients_of_columns():
    table = TABLES["connected"] | {"firm": np.array([f"f{value}" for value in TABLES["connected"]["firm"]])}
    fit, columns = gl.fit("y ~ x1 | firm + year", table), gl.fit("y ~ x1 + C(firm) + C(year)", table)
    value = dict(zip(columns.names, columns.coefficients, strict=True))
    for label, own in fit.levels("firm").as_dict().items():
        assert own == pytest.approx(value["Intercept"] + value.get(f"C(firm)[T.{label}]", 0.0), rel=1e-9)
    for label, own in fit.levels("year").as_dict().items():
        assert own == pytest.approx(value.get(f"C(year)[T.{label}]", 0.0), rel=1e-9, abs=1e-12)
    combined = gl.fit("y ~ x1 | product^region", table).levels()
    assert (0, 0) in combined.as_dict()


def test_levels_that_rows_do_not_tell_apart_have_no_values():
    table = TABLES["connected"]
    # What a year adds and what a cohort's age adds are one another, but for a line.
    age = table | {"age": table["year"] - table["firm"] + 20}
    fit = gl.fit("y ~ x1 | firm + year + age", age)
    with pytest.raises(InferenceError, match="do not tell the levels"):
        fit.levels("age")
    with pytest.raises(InferenceError, match="no predictions"):
        fit.predict(age)


def test_model_files_keep_what_predictions_need(tmp_path):
    table = TABLES["connected"] | {"firm": np.array([f"f{value}" for value in TABLES["connected"]["firm"]])}
    for number, formula in enumerate(("y ~ x1 + C(product) | firm + year", "y ~ log(weight) | firm^year", "y ~ x2 | firm[x1] + year")):
        fit = gl.fit(formula, table, covariance="cluster", groups="group")
        fit.save(tmp_path / f"{number}.json")
        again = gl.load(tmp_path / f"{number}.json")
        np.testing.assert_array_equal(again.predict(table, unseen="missing"), fit.predict(table, unseen="missing"))
        np.testing.assert_array_equal(again.standard_errors, fit.standard_errors)
        assert str(again.summary()) == str(fit.summary())
        again.save(tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == (tmp_path / f"{number}.json").read_bytes()


def test_the_summary_says_what_was_absorbed():
    fit = gl.fit("y ~ x1 + x2 | firm + year", TABLES["connected"], covariance="cluster", groups="firm")
    said = " ".join(str(fit.summary()).split())
    assert "formula y ~ x1 + x2 | firm + year" in said
    assert "absorbed firm (14 levels), year (6 levels); 19 degrees of freedom, 6 counted for clusters" in said
    assert "R-squared within the levels" in said
    assert "absorbed: firm (14 levels), year (6 levels)" in repr(fit)


def test_a_column_inside_the_levels_is_named():
    table = TABLES["connected"] | {"size": 3.5 * TABLES["connected"]["firm"] + 1e6}
    with pytest.warns(GradlineWarning, match=r"the absorbed levels of firm \+ year determine them: 'size'"):
        fit = gl.fit("y ~ x1 + size | firm + year", table)
    assert fit.aliased == ("size",)
    assert repr(fit).endswith("left out, determined by absorbed levels or earlier columns: size")
    assert np.isnan(fit.coefficients[1])
    np.testing.assert_allclose(fit.predict(table), gl.fit("y ~ x1 | firm + year", table).predict(table), rtol=1e-10)
    with pytest.warns(GradlineWarning, match="earlier columns and the absorbed levels determine them: 'both'"):
        gl.fit("y ~ x1 + both | firm", table | {"both": table["x1"] + table["firm"] / 3})
    with pytest.warns(GradlineWarning, match="earlier columns and the absorbed levels determine them: 'both'"):
        gl.fit("count ~ x1 + both | firm", table | {"both": table["x1"] + table["firm"] / 3}, loss="poisson")
    with pytest.raises(ArgumentError, match=r"determine every column of the formula \('size'\), .* that vary within them"):
        gl.fit("y ~ size | firm", table)


def test_rows_that_lack_a_level_are_left_out_and_counted(tmp_path):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(TABLES["connected"])
    table.loc[[3, 5], "firm"] = np.nan
    fit = gl.fit("y ~ x1 | firm + year", table)
    assert fit.rows_dropped["firm missing"] == 2
    np.testing.assert_allclose(fit.coefficients, gl.fit("y ~ x1 | firm + year", table.dropna()).coefficients, rtol=1e-12)
    assert np.isnan(fit.predict(table)).sum() == 2
    table["group"] = table["group"].astype("float64")
    table.loc[7, "group"] = np.nan
    with pytest.raises(ArgumentError, match=r"group 'group' is missing in 1 row of.*IS NOT NULL"):
        gl.fit("y ~ x1 | firm", table, covariance="cluster", groups="group")
    table.to_csv(tmp_path / "rows.csv", index=False)
    np.testing.assert_allclose(gl.fit("y ~ x1 | firm + year", tmp_path / "rows.csv").coefficients, fit.coefficients, rtol=1e-12)


@pytest.mark.parametrize(
    ("formula", "more", "error", "message"),
    [
        ("y ~ x1 | firm | year", {}, FormulaError, r"has one \|: .* joined by \+ .*, as in \| firm \+ year"),
        ("y ~ x1 | C(firm)", {}, FormulaError, r"'C\(firm\)' is no category: .* write the name alone, \| firm"),
        ("y ~ x1 | x2", {}, FormulaError, r"'x2' holds numbers with fractions \(row 0: .*\), which are no levels"),
        ("y ~ x1 | frm", {}, FormulaError, "no column 'frm'; did you mean 'firm'"),
        ("y ~ x1 | firm[word]", {}, FormulaError, "'word' holds text, and a slope of each level needs numbers"),
        ("y ~ 1 | firm", {}, ArgumentError, "no column before the |"),
        ("y ~ s(x1) | firm", {}, ArgumentError, "curves"),
        ("y + x2 ~ x1 | firm", {}, ArgumentError, "one target"),
        ("y ~ x1 | row", {}, ArgumentError, "leave no rows"),
        ("y ~ x1 | pair + firm^year^product^region^group", {}, ArgumentError, "leave no"),
        ("y ~ x1 | firm", {"loss": gl.losses.quantile(0.5)}, ArgumentError, "smooth loss"),
        ("y ~ x1 | firm", {"loss": "normal"}, ArgumentError, "smooth loss of one linear predictor"),
        ("y ~ x1 | firm", {"penalty": gl.penalties.ridge(0.1)}, ArgumentTypeError, r"penalty= does not go .* write C\(...\)"),
        ("y ~ x1 | firm", {"constraints": "x1 >= 0"}, ArgumentTypeError, "constraints= does not go"),
        ("y ~ x1 | firm", {"solver": gl.LBFGS()}, ArgumentTypeError, "solver= other than"),
        ("y ~ x1 | firm", {"start": [1.0]}, ArgumentTypeError, "start= does not go"),
        ("y ~ x1 | firm", {"covariance": "newey-west"}, InferenceError, "not worked out"),
        (
            "y ~ x1 | firm",
            {"covariance": "classical", "loss": gl.losses.huber(1.0)},
            InferenceError,
            "of the loss 'huber' is not worked out",
        ),
    ],
)
def test_what_cannot_be_absorbed_is_refused(formula, more, error, message):
    n = len(TABLES["connected"]["y"])
    table = TABLES["connected"] | {"row": np.arange(n), "pair": np.arange(n) // 2, "word": np.array(["a", "b"] * (n // 2))}
    with pytest.raises(error, match=message):
        gl.fit(formula, table, **more)


@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_leverage_counts_the_levels_slopes_and_frequencies(kind):
    table = TABLES["connected"] | {"times": TABLES["connected"]["product"] + 1}
    for absorbed, columns in (("x2 | firm[x1]", "x2 + C(firm)*x1"), ("x2 | firm[x1] + year", "x2 + C(firm)*x1 + C(year)")):
        fit = gl.fit(f"y ~ {absorbed}", table, covariance=kind, frequencies="times")
        other = gl.fit(f"y ~ {columns}", table, covariance=kind, frequencies="times")
        np.testing.assert_allclose(fit.standard_errors, other.standard_errors[[other.names.index("x2")]], rtol=1e-8)


def test_leverage_of_very_many_levels_is_refused(monkeypatch):
    monkeypatch.setattr(level_equations, "DIRECT", 3)
    with pytest.raises(InferenceError, match=r"'HC3' needs the leverage of each row.*more than 3.: ask for"):
        gl.fit("y ~ x1 | firm + year", TABLES["connected"], covariance="HC3")
    assert np.isfinite(gl.fit("y ~ x1 | firm", TABLES["connected"], covariance="HC3").standard_errors).all()


def test_other_processes_are_refused_where_rows_are_passed_over(way):
    class Elsewhere:
        remarks = ()

        def run(self, source, meter, job, reading):
            return run_here(Table(source), job, reading, 1)

    table = dataclasses.replace(open_table(TABLES["connected"]), engine=Elsewhere())
    if way == "held":
        assert gl.fit("y ~ x1 | firm", table).rows_used
        return
    with pytest.raises(ArgumentError, match="leave cluster= out"):
        gl.fit("y ~ x1 | firm", table)


def test_levels_that_leave_no_degree_of_freedom_are_refused():
    n = 24
    rng = np.random.default_rng(0)
    table = {"y": rng.normal(size=n), "pair": np.arange(n) // 2} | {f"x{j}": rng.normal(size=n) for j in range(12)}
    right = " + ".join(f"x{j}" for j in range(12))
    with pytest.raises(ArgumentError, match="no degree of freedom: 24 rows, 12 levels and 12 coefficients"):
        gl.fit(f"y ~ {right} | pair", table)


def test_what_needs_more_than_the_coefficients_is_refused():
    table = TABLES["connected"]
    fit = gl.fit("y ~ x1 + x2 | firm + year", table)
    with pytest.raises(InferenceError, match=r"firm = 99 .row 1. was in no row of the fit"):
        fit.predict({name: np.array([own[0], own[0]]) for name, own in table.items()} | {"firm": np.array([table["firm"][0], 99])})
    with pytest.raises(InferenceError, match="have no reference"):
        fit.predict(table, unseen="reference")
    for question in (
        lambda: fit.bootstrap(table),
        lambda: fit.interval(method="profile", data=table),
        lambda: fit.drop_each(table),
        lambda: fit.effects("x1", data=table),
        lambda: fit.with_covariance("cluster", table, groups="firm"),
        lambda: fit.with_covariance("newey-west", table),
    ):
        with pytest.raises(InferenceError, match="absorbed levels"):
            question()
    with pytest.raises(ArgumentTypeError, match="one fit at a time"):
        gl.path("y ~ x1 + x2 | firm", table, penalty=gl.penalties.lasso())
    with pytest.raises(InferenceError, match="has absorbed no levels"):
        gl.fit("y ~ x1", table).levels()
    np.testing.assert_allclose(
        fit.with_covariance("HC1").standard_errors, gl.fit("y ~ x1 + x2 | firm + year", table, covariance="HC1").standard_errors
    )


def test_fits_are_compared_where_their_levels_are_nested():
    table = TABLES["connected"]
    larger = gl.fit("y ~ x1 + x2 | firm + year", table)
    columns = gl.fit("y ~ x1 + x2 + C(firm) + C(year)", table).compare(gl.fit("y ~ x1 + C(firm)", table))
    found = larger.compare(gl.fit("y ~ x1 | firm", table))
    assert found.numerator == columns.numerator == 6
    np.testing.assert_allclose((found.statistic, found.p_value), (columns.statistic, columns.p_value), rtol=1e-9)
    with pytest.raises(InferenceError, match=r"not nested: the larger has no '\| product'"):
        larger.compare(gl.fit("y ~ x1 | product", table))
    # As many rows, but others: another one is a singleton.
    one, two = ({name: own.copy() for name, own in table.items()} for _ in range(2))
    one["firm"][0], two["firm"][1] = 900, 900
    with pytest.raises(InferenceError, match="different rows"):
        gl.fit("y ~ x1 + x2 | firm", one).compare(gl.fit("y ~ x1 | firm", two))
