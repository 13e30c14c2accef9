"""``y ~ .``: all other columns, as if each had been written."""

import numpy as np
import pytest

import gradline as gl

RNG = np.random.default_rng(3)
N = 90
DATA = {
    "id": np.arange(N),
    "x": RNG.normal(size=N),
    "town": np.resize(["Bern", "Ulm", "Wien"], N),
    "y": RNG.normal(size=N) + 3.0,
    "floor area": RNG.normal(size=N),
}
WRITTEN = {
    "y ~ .": "y ~ id + x + town + `floor area`",
    "y ~ . - id": "y ~ x + town + `floor area`",
    "y ~ . - `floor area` - id - 1": "y ~ x + town - 1",
    "y ~ `floor area` + . - x": "y ~ `floor area` + id + town",
    "log(y) ~ . - id": "log(y) ~ x + town + `floor area`",
    "log(y) ~ . - y": "log(y) ~ id + x + town + `floor area`",
    "y + x ~ . - id": "y + x ~ town + `floor area`",
    "y ~ . + log(id + 1) - id": "y ~ x + town + `floor area` + log(id + 1)",
    "y ~ . + x:town": "y ~ id + x + town + `floor area` + x:town",
    "y ~ . * x - id": "y ~ x + town + `floor area` + id:x + town:x + `floor area`:x",
}


def table(kind, folder):
    import pandas as pd

    frame = pd.DataFrame(DATA)
    if kind == "frame":
        return frame
    if kind == "parquet":
        frame.to_parquet(folder / "flats.parquet")
        return folder / "flats.parquet"
    frame.to_csv(folder / "flats.csv", index=False)
    return str(folder / "flats.csv")


@pytest.mark.parametrize("kind", ["frame", "parquet", "csv"])
def test_a_dot_is_the_formula_written_out(kind, tmp_path):
    data = table(kind, tmp_path)
    for short, long in WRITTEN.items():
        found, right = gl.fit(short, data), gl.fit(long, data)
        assert found.names == right.names
        np.testing.assert_array_equal(found.coefficients, right.coefficients)


def test_a_saved_model_knows_which_columns_it_was_fitted_to(tmp_path):
    fit = gl.fit("y ~ . - id", DATA)
    fit.save(tmp_path / "model.json")
    loaded = gl.load(tmp_path / "model.json")
    new = {"later": np.ones(N), **{name: column for name, column in DATA.items() if name not in ("id", "y")}}
    np.testing.assert_array_equal(loaded.predict(new), fit.predict(DATA))
    assert loaded.names == fit.names


def test_the_target_of_another_formula_is_no_feature():
    fit = gl.fit({"mean": "log(y) ~ x", "log_scale": "~ . - id - town"}, DATA, loss="normal")
    assert fit.names == ("Intercept", "x", "floor area")


@pytest.mark.parametrize(
    ("formula", "data", "words"),
    [
        ("y ~ .", {"y": [1.0, 2.0, 4.0]}, "'.' stands for all other columns, and the data has none beside 'y'\n    y ~ .\n        ^"),
        ("log(y) ~ . - 1", {"y": [1.0, 2.0, 4.0]}, "none beside 'y'"),
        ("y ~ (.)**2", {"y": [1.0, 2.0, 4.0]}, "none beside 'y'"),
        ("y ~ . - idd", DATA, "the data has no column 'idd' to take away; did you mean 'id'?"),
        ("y ~ . - C(town)", DATA, "C(town) is no term of the formula"),
        ("y ~ . - x:towns", DATA, "the data has no column 'towns' to take away"),
    ],
)
def test_what_a_dot_cannot_mean_is_refused(formula, data, words):
    with pytest.raises(gl.FormulaError) as refused:
        gl.fit(formula, data)
    assert words in str(refused.value)


def test_a_dot_needs_no_formulaic():
    import subprocess
    import sys

    code = (
        "import sys; from gradline.formulas.formula import parse;"
        "print(parse('y ~ . - id', ['y', 'id', 'x', 'z']).columns);"
        "assert 'formulaic' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'id'" not in done.stdout
    assert "'z'" in done.stdout
