"""``gradline fit``, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inside import call_inside

import gradline as gl

COMMAND = str(Path(sys.executable).with_name("gradline"))


def call(*arguments, folder, **options):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=folder, **options)


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 4, size=n)
    return {"id": np.arange(n), "x": x, "g": np.array(["a", "b", "c"])[np.arange(n) % 3], "y": 6 * x - 5 + rng.normal(size=n)}


def write(path, data, header=True):
    lines = [",".join(data)] if header else []
    lines += [",".join("" if v is None else str(v) for v in row) for row in zip(*data.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "rows.csv", table())
    return tmp_path


def refused(result, *words, code=1):
    """One clear line, and nothing else."""
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if not line.startswith("    ")]
    assert len(lines) == 1
    assert lines[0].startswith("gradline: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in lines[0]


def test_a_summary_and_a_model(folder):
    result = call("fit", "rows.csv", "y ~ x + C(g)", "--out", "model.json", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    expected = gl.fit("y ~ x + C(g)", folder / "rows.csv")
    assert result.stdout.startswith("Linear model of y\n")
    assert "C(g)[T.b]" in result.stdout
    assert result.stdout.endswith("model saved: model.json\n")
    model = gl.load(folder / "model.json")
    np.testing.assert_array_equal(model.coefficients, expected.coefficients)
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "rows.csv"]


def test_json_for_programs(folder):
    options = ["--loss", "huber:1.35", "--penalty", "ridge:0.1", "--where", "x < 3"]
    result = call("fit", "rows.csv", "y ~ x", *options, "--json", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    expected = gl.fit("y ~ x", folder / "rows.csv", loss=gl.losses.huber(1.35), penalty=gl.penalties.ridge(0.1), where="x < 3")
    assert [part["coefficient"] for part in found["coefficients"]] == expected.coefficients.tolist()
    assert [part["name"] for part in found["coefficients"]] == ["Intercept", "x"]
    assert (found["loss"], found["rows_used"], found["converged"]) == ("huber", expected.rows_used, True)


def test_gradient_descent_and_its_options(folder):
    options = ["--solver", "gradient-descent", "--learning-rate", "0.05", "--steps", "800", "--json"]
    found = json.loads(call_inside("fit", "rows.csv", "y ~ x", *options, folder=folder).stdout)
    expected = gl.fit("y ~ x", folder / "rows.csv", solver=gl.GradientDescent(learning_rate=0.05, steps=800))
    assert [part["coefficient"] for part in found["coefficients"]] == expected.coefficients.tolist()
    refused(
        call_inside("fit", "rows.csv", "y ~ x", "--solver", "gradient-descent", "--learning-rate", "9", folder=folder),
        "largest stable rate",
    )


def test_a_training_and_its_options(folder):
    options = ["--solver", "adam", "--learning-rate", "0.1", "--epochs", "5", "--batch-size", "50", "--seed", "1", "--json"]
    found = json.loads(call_inside("fit", "rows.csv", "y ~ x", *options, folder=folder).stdout)
    with pytest.warns(gl.GradlineWarning, match="30 steps done"):
        expected = gl.fit("y ~ x", folder / "rows.csv", solver=gl.Adam(0.1, epochs=5, batch_size=50, seed=1))
    assert [part["coefficient"] for part in found["coefficients"]] == expected.coefficients.tolist()


def test_a_loss_of_ones_own(folder):
    pytest.importorskip("torch")
    source = "import torch\n\ndef late(y, prediction):\n    late = y - prediction\n    return torch.where(late > 0, 3 * late**2, late**2)\n"
    (folder / "my_losses.py").write_text(source)
    result = call("fit", "rows.csv", "y ~ x", "--loss-from", "my_losses.py:late", "--json", folder=folder)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["loss"] == "late"
    refused(call("fit", "rows.csv", "y ~ x", "--loss-from", "my_losses.py:lat", folder=folder), "did you mean 'late'?")


def test_databases(folder):
    import duckdb

    connection = duckdb.connect(str(folder / "rows.duckdb"))
    connection.execute(f"CREATE TABLE flats AS SELECT * FROM read_csv('{folder / 'rows.csv'}')")
    connection.close()
    expected = call_inside("fit", "rows.csv", "y ~ x", "--json", folder=folder)
    coefficients = json.loads(expected.stdout)["coefficients"]
    for arguments in (
        ["flats", "y ~ x", "--database", "rows.duckdb"],
        ["y ~ x", "--database", "rows.duckdb", "--query", "SELECT * FROM flats"],
        ["rows.csv", "y ~ x", "--query", "SELECT * FROM data"],
    ):
        assert json.loads(call_inside("fit", *arguments, "--json", folder=folder).stdout)["coefficients"] == coefficients
    refused(call_inside("fit", "flat", "y ~ x", "--database", "rows.duckdb", folder=folder), "has no table 'flat'; it has 'flats'")


def test_help_teaches_by_example(folder):
    result = call("fit", "--help", folder=folder)
    assert 'gradline fit flats.csv "price ~ area + rooms"' in result.stdout
    assert "--loss quantile:0.9" in result.stdout


USAGE = [
    (["rows.csv"], "give the data and a formula"),
    (["y ~ x", "rows.csv"], "the data comes first: gradline fit 'rows.csv' 'y ~ x'"),
    (["rows.csv", "y ~ x", "--loss", "hubr:1"], "did you mean huber?"),
    (["rows.csv", "y ~ x", "--loss", "huber:a"], "cannot read 'a' as a number"),
    (["rows.csv", "y ~ x", "--penalty", "rigde:1"], "no penalty is named 'rigde'"),
    (["rows.csv", "y ~ x", "--penalty", "ridge"], "give its strength, as in ridge:0.1, or ridge:auto"),
    (["rows.csv", "y ~ x", "--penalty", "lasso"], "give its strength, as in lasso:0.1, or lasso:auto"),
    (["rows.csv", "y ~ x", "--penalty", "ridge:-1"], "must be zero or more"),
    (["rows.csv", "y ~ x", "--solver", "sgd"], "--solver must be one of auto, gradient-descent"),
    (["rows.csv", "y ~ x", "--steps", "3"], "--steps goes with --solver gradient-descent"),
    (["rows.csv", "y ~ x", "--solver", "newton", "--batch-size", "3"], "--batch-size goes with --solver gradient-descent, nesterov"),
    (["rows.csv", "y ~ x", "--solver", "adam", "--learning-rate", "auto"], "--solver adam: learning_rate must be a number"),
    (["rows.csv", "y ~ x", "--solver", "gradient-descent", "--learning-rate", "fast"], "must be a number above zero"),
    (["rows.csv", "y ~ x", "--missing", "ignore"], "--missing must be drop or error"),
    (["rows.csv", "y ~ x", "--out", "model.txt"], "--out must end in .json"),
    (["rows.csv", "y ~ x", "--loss-from", "my_losses.py"], "name of a function in it"),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE, ids=[words for _, words in USAGE])
def test_wrong_usage(arguments, words, folder):
    refused(call_inside("fit", *arguments, folder=folder), words, code=2)


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    """A folder of files that cannot be used; no test may change it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("bad")
    write(folder / "rows.csv", table())
    good = table()
    pq.write_table(pa.table(good), folder / "whole.parquet")
    (folder / "cut.parquet").write_bytes((folder / "whole.parquet").read_bytes()[:-100])
    (folder / "empty").mkdir()
    (folder / "ragged.csv").write_text("x,y\n" + "1,2\n" * 50 + "1,2,3,4\n" + "1,2\n" * 50)
    write(folder / "header.csv", {name: [] for name in good})
    write(folder / "none.csv", good, header=False)
    write(folder / "twice.csv", {"x": [1, 2, 3], "y": [1, 3, 2]})
    (folder / "twice.csv").write_text("x,x,y\n1,2,3\n2,3,5\n3,4,5\n")
    write(folder / "text.csv", {**good, "y": [*good["y"][:200], "n/k", *good["y"][201:]]})
    write(folder / "missing.csv", {**good, "x": [None] * 300})
    write(folder / "stray.csv", {**good, "x": [*good["x"][:200], "n/k", *good["x"][201:]]})
    write(folder / "infinite.csv", {**good, "x": [*good["x"][:10], "inf", *good["x"][11:]]})
    write(folder / "dollars.csv", {**good, "x": [f"${value:.2f}" for value in good["x"]]})
    write(folder / "days.csv", {**good, "day": [f"2024-01-{1 + i % 28:02d}" for i in range(300)]})
    write(folder / "caret.csv", {"x^y": ["1^2", "3^4", "5^7"]})
    (folder / "utf16.csv").write_text("x,y\n1,2\n3,4\n", encoding="utf-16")
    return folder


BAD = [
    ("nowhere.csv", "y ~ x", ["no such file: 'nowhere.csv'"]),
    ("row.csv", "y ~ x", ["did you mean 'rows.csv'?"]),
    ("empty", "y ~ x", ["the folder 'empty' holds no Parquet"]),
    ("*.feather", "y ~ x", ["no file matches '*.feather'"]),
    ("cut.parquet", "y ~ x", ["'cut.parquet' is not a whole Parquet file"]),
    ("ragged.csv", "y ~ x", ["ragged.csv", "line 52"]),
    ("header.csv", "y ~ x", ["header.csv", "has no rows"]),
    ("none.csv", "y ~ x", ["column 'y'"]),
    ("twice.csv", "y ~ x", ["'x'", "more than once"]),
    ("text.csv", "y ~ x", ["'y'", "'n/k'"]),
    ("missing.csv", "y ~ x", ["x has no levels, since its column is missing in every row"]),
    ("stray.csv", "y ~ x", ["column 'x'", "'n/k'"]),
    ("infinite.csv", "y ~ x", ["column 'x' holds infinity in row 10", '--where "isfinite(x)"']),
    ("dollars.csv", "y ~ x", ["column 'x' holds text, such as '$2.73' in row 0", "write C(x)"]),
    ("days.csv", "y ~ day", ["column 'day' holds dates", '--query "SELECT *, date_diff(']),
    ("caret.csv", "y ~ x", ["has no column 'y'", "one column, 'x^y'", '--query "SELECT * FROM read_csv(']),
    ("utf16.csv", "y ~ x", ["'utf16.csv' is UTF-16 text"]),
    ("missing.csv", "x ~ y", ["column 'x'", "missing in every one of 300 rows"]),
    ("rows.csv", "g ~ x", ["column 'g' of 'rows.csv' holds text, 'a' in row 0", "I(g == 'a')"]),
    ("rows.csv", "y = x", ["malformed formula: 'y = x' lacks the ~"]),
    ("rows.csv", "y ~ 0", ["neither columns nor an intercept"]),
    ("rows.csv", "y ~ x**2", ["I(x ** 2)"]),
    ("rows.csv", "y ~ xx", ["no column 'xx'; did you mean 'x'?"]),
    ("rows.csv", "y ~ x +", ["malformed formula"]),
    ("rows.csv", "y ~ x + y", ["'y' is the target"]),
    ("rows.csv", "y ~ log(0 - x)", ["log(0 - x)", "row 0"]),
    ("rows.csv", "y ~ g2 + x", ["no column 'g2'"]),
]


@pytest.mark.parametrize(("data", "formula", "words"), BAD, ids=[f"{data} {formula}" for data, formula, _ in BAD])
def test_data_that_cannot_be_used(data, formula, words, bad_files):
    before = sorted(path.name for path in bad_files.iterdir())
    refused(call_inside("fit", data, formula, "--out", "model.json", folder=bad_files), *words)
    assert sorted(path.name for path in bad_files.iterdir()) == before


def test_options_that_the_data_does_not_allow(folder):
    write(folder / "gaps.csv", {**table(), "x": [None, *table()["x"][1:]]})
    for options, words in (
        (["--missing", "error"], ["column 'x' is missing in row 0", "leave such rows out with --missing drop"]),
        (["--where", "x > 100"], ["'gaps.csv' where x > 100 has no rows"]),
        (["--where", "xx > 1"], ["there is no column 'xx'; did you mean 'x'?"]),
        (["--query", "SELECT x, y FROM data WHERE x > 100"], ["the query over 'gaps.csv' has no rows"]),
        (["--weights", "g"], ["--weights names column 'g' of 'gaps.csv', which holds text, 'a' in row 0"]),
        (["--loss", "poisson"], ["target 'y' of 'gaps.csv', loss poisson: row 2 holds -0.83", "targets must be counts"]),
    ):
        refused(call_inside("fit", "gaps.csv", "y ~ x", *options, folder=folder), *words)


def test_an_identifier_is_noted(folder):
    result = call("fit", "rows.csv", "y ~ x + C(id)", folder=folder)
    assert result.returncode == 0
    assert result.stderr.startswith("note: C(id) has 300 levels in 300 rows, as an identifier has")


def test_a_million_levels_are_refused(folder):
    query = "SELECT 'u' || range AS id, random() AS x, random() AS y FROM range(1000000)"
    result = call_inside("fit", "y ~ x + id", "--query", query, folder=folder)
    refused(result, "column 'id' of the query has more than 250,000 levels; is it an identifier?")


def test_a_category_with_one_level_is_noted(folder):
    write(folder / "one.csv", {**table(), "g": ["a"] * 300})
    result = call_inside("fit", "one.csv", "y ~ x + C(g)", folder=folder)
    assert result.returncode == 0
    assert result.stderr == "note: C(g) has one level in all rows, 'a', and adds nothing to the model\n"


def test_a_caret_points_at_the_place(folder):
    result = call_inside("fit", "rows.csv", "y ~ x + log(xx)", folder=folder)
    refused(result, "'xx'")
    assert result.stderr.splitlines()[1:] == ["    y ~ x + log(xx)", "                ^^"]


def test_names_that_need_quotes(folder):
    names = {"größe m²": "x", "it's": "y", "select": "id"}
    data = {name: table()[key] for name, key in names.items()}
    (folder / "odd.csv").write_text("\ufeff", encoding="utf-8")
    write(folder / "odd.csv", data)
    result = call_inside("fit", "odd.csv", "`it's` ~ `größe m²` + select", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "größe m²" in result.stdout


def test_places_that_cannot_be_written(folder):
    refused(call_inside("fit", "rows.csv", "y ~ x", "--out", "nowhere/model.json", folder=folder), "there is no folder 'nowhere'")
    (folder / "dir.json").mkdir()
    refused(call_inside("fit", "rows.csv", "y ~ x", "--out", "dir.json", folder=folder), "is a folder")
    write(folder / "rows.json", table())
    refused(call_inside("fit", "rows.json", "y ~ x", "--out", "rows.json", folder=folder), "is what is read", code=2)


def test_a_small_fit_starts_fast(folder):
    """Neither a framework nor pandas nor scikit-learn is imported."""
    program = (
        "import sys, gradline.cli\n"
        "sys.argv = ['gradline', 'fit', 'rows.csv', 'y ~ x + C(g)', '--loss', 'huber:1']\n"
        "try:\n    gradline.cli.main()\n"
        "finally:\n    print('LOADED', [m for m in ('tensorflow', 'jax', 'torch', 'pandas', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "LOADED []" in result.stdout
