"""``gradline path``, through the command's entry point."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inside import call_inside
from test_fit import refused, write

import gradline as gl
from gradline.cli.path import ROWS_SHOWN, shown_places, with_error

COMMAND = str(Path(sys.executable).with_name("gradline"))


def table(n=240):
    rng = np.random.default_rng(4)
    columns = {f"x{i}": rng.normal(size=n) for i in range(1, 7)}
    return {
        "id": np.arange(n),
        **columns,
        "town": np.resize(["Bern", "Ulm", "Wien"], n),
        "y": 3 * columns["x1"] - 2 * columns["x2"] + rng.normal(size=n),
        "sold": (columns["x1"] + rng.normal(size=n) > 0).astype(int),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("path")
    write(made / "rows.csv", table())
    return made


def coefficients(printed):
    """The table of coefficients at the end of what the command prints."""
    lines = printed.split("Coefficients at strength")[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("──")) + 1
    found = [line.rsplit(None, 1) for line in lines[start : [*lines[start:], ""].index("") + start]]
    return {name: float(number.replace(",", "")) for name, number in found}


@pytest.mark.parametrize("choose", ["one-error", "best"])
def test_the_table_and_the_chosen_model(folder, choose, tmp_path):
    options = ["--choose", choose, "--out", tmp_path / "model.json", "--plot", tmp_path / "path.png"]
    result = call_inside("path", "rows.csv", "y ~ . - id - sold", *options, folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    path = gl.path("y ~ . - id - sold", folder / "rows.csv", choose="folds")
    right = path.fit(path.best if choose == "best" else path.within_one_error)
    assert result.stdout.startswith("Path of y: 240 rows, 100 strengths, 10 folds of rows\n")
    marked = {line.split()[0]: line for line in result.stdout.splitlines() if line.endswith(("best", "within one error"))}
    assert marked[f"{path.best:.6g}"].endswith("best")
    assert marked[f"{path.within_one_error:.6g}"].endswith("within one error")
    printed = coefficients(result.stdout)
    expected = {name: value for name, value in zip(right.names, right.coefficients, strict=True) if value != 0}
    assert list(printed) == list(expected)
    np.testing.assert_allclose(list(printed.values()), list(expected.values()), atol=1e-6)
    zero = len(right.names) - len(expected)
    if zero:
        assert f"{zero} other coefficient" in result.stdout
    loaded = gl.load(tmp_path / "model.json")
    np.testing.assert_array_equal(loaded.coefficients, right.coefficients)
    assert (tmp_path / "path.png").read_bytes().startswith(b"\x89PNG")
    assert result.stdout.endswith(f"\nmodel saved: {tmp_path / 'model.json'}\npicture written: {tmp_path / 'path.png'}\n")


def test_the_script_that_a_user_calls_has_it(folder):
    result = subprocess.run([COMMAND, "path", "--help"], capture_output=True, text=True, timeout=120, cwd=folder)
    assert 'gradline path flats.csv "price ~ ."' in result.stdout


@pytest.mark.parametrize(
    ("options", "penalty", "loss"),
    [
        (["--penalty", "elastic_net:auto,0.5"], gl.penalties.elastic_net(l1_share=0.5), "squared"),
        (["--penalty", "group_lasso", "--loss", "huber:1.35"], gl.penalties.group_lasso(), gl.losses.huber(1.35)),
        (["--penalty", "lasso:auto", "--seed", "3"], gl.penalties.lasso(), "squared"),
    ],
)
def test_penalties_and_losses(folder, options, penalty, loss):
    seed = int(options[-1]) if "--seed" in options else 0
    path = gl.path("y ~ x1 + x3 + town", folder / "rows.csv", penalty=penalty, loss=loss, choose="folds", folds=4, strengths=8, seed=seed)
    result = call_inside("path", "rows.csv", "y ~ x1 + x3 + town", "--folds", 4, "--strengths", 8, *options, folder=folder)
    right = path.fit(path.within_one_error)
    printed = coefficients(result.stdout)
    np.testing.assert_allclose(list(printed.values()), [value for value in right.coefficients if value != 0], atol=1e-6)
    for strength in path.strengths:
        assert f"{strength:.6g}" in result.stdout


USAGE = [
    (["rows.csv"], "give the data and a formula, as in: gradline path flats.csv"),
    (["y ~ x1", "rows.csv"], "the data comes first: gradline path 'rows.csv' 'y ~ x1'"),
    (["rows.csv", "y ~ x1", "--penalty", "laso"], "no penalty is named 'laso'"),
    (["rows.csv", "y ~ x1", "--penalty", "lasso:0.1"], "--penalty lasso:0.1: a path tries many strengths, so that none is given: lasso"),
    (["rows.csv", "y ~ x1", "--penalty", "elastic_net:0.5"], "so that none is given: elastic_net:auto,0.5"),
    (["rows.csv", "y ~ x1", "--penalty", "elastic_net:auto,2"], "must be between 0 and 1"),
    (["rows.csv", "y ~ x1", "--penalty", "ridge"], "gradline fit --penalty ridge:auto chooses a ridge"),
    (["rows.csv", "y ~ x1", "--loss", "hubr:1"], "did you mean huber?"),
    (["rows.csv", "y ~ x1", "--folds", "1"], "--folds must be at least 2, not 1"),
    (["rows.csv", "y ~ x1", "--strengths", "0"], "--strengths must be at least 1, not 0"),
    (["rows.csv", "y ~ x1", "--choose", "worst"], "--choose must be best or one-error, not 'worst'"),
    (["rows.csv", "y ~ x1", "--missing", "ignore"], "--missing must be drop or error"),
    (["rows.csv", "y ~ x1", "--out", "model.txt"], "--out must end in .json"),
    (["rows.csv", "y ~ x1", "--plot", "path.gif"], "--plot must end in .png or .svg or .pdf"),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE, ids=[words for _, words in USAGE])
def test_wrong_usage(arguments, words, folder):
    refused(call_inside("path", *arguments, folder=folder), words, code=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rows.csv", "y ~ x9"], "no column 'x9'"),
        (["rows.csv", "y x1"], "lacks the ~"),
        (["none.csv", "y ~ x1"], "none.csv"),
        (["rows.csv", "y ~ x1", "--folds", "500"], "500 folds need as many rows, and there are 240"),
        (["rows.csv", "y ~ x1", "--loss", "quantile:0.5", "--penalty", "elastic_net"], "smooth part"),
        (["rows.csv", "y ~ x1", "--out", "nowhere/model.json"], "there is no folder 'nowhere'"),
    ],
)
def test_data_that_has_no_path(arguments, words, folder):
    refused(call_inside("path", *arguments, folder=folder), words)


@pytest.mark.parametrize("count", [1, 2, 7, 12, 13, 100, 1000])
def test_a_dozen_places_hold_both_ends_and_the_marks(count):
    for marked in ((0, 0), (count - 1, 0), (count // 2, count // 3), (count // 2, max(count // 2 - 1, 0))):
        places = shown_places(count, marked)
        assert {0, count - 1, *marked} <= set(places)
        assert places == sorted(set(places))
        assert min(count, ROWS_SHOWN - 2) <= len(places) <= ROWS_SHOWN + 2


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (640258.3, 43012.2, "640,258 ± 43,012"),
        (1.14812, 0.07089, "1.148 ± 0.071"),
        (2.0, 0.0, "2 ± 0"),
        (1e-9, 2e-10, "1e-09 ± 2e-10"),
        (3.0, float("nan"), "3 ± nan"),
    ],
)
def test_a_number_is_shown_to_the_second_digit_of_its_error(value, error, shown):
    assert with_error(value, error) == shown


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (["--hold-out", "leave-one-out"], {"choose": "leave-one-out"}),
        (["--hold-out", "blocks", "--folds", "4"], {"choose": "blocks", "folds": 4}),
        (["--groups", "town", "--folds", "3"], {"choose": "folds", "folds": 3, "groups": "town"}),
    ],
)
def test_what_is_held_out_and_the_path_as_a_file(folder, options, asked, tmp_path):
    saved = tmp_path / "path.json"
    asked_for = ["--strengths", "12", "--path-out", saved, *options]
    result = call_inside("path", "rows.csv", "y ~ . - id - sold - town", *asked_for, folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(f"\npath saved: {saved}\n")
    path = gl.path("y ~ . - id - sold - town", folder / "rows.csv", strengths=12, **asked)
    again = gl.load(saved)
    np.testing.assert_array_equal(again.coefficients, path.coefficients)
    np.testing.assert_array_equal(again.held_out.mean, path.held_out.mean)
    assert path.held_out.how in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hold-out", "half"], "--hold-out must be folds, blocks or leave-one-out"),
        (["--hold-out", "blocks", "--groups", "town"], "--groups goes with --hold-out folds"),
        (["--out", "a.json", "--path-out", "a.json"], "the same file"),
        (["--groups", "village"], "village"),
        (["--groups", "town", "--folds", "4"], "need as many groups"),
    ],
)
def test_what_cannot_be_held_out(folder, options, message):
    result = call_inside("path", "rows.csv", "y ~ x1 + x2", *options, folder=folder)
    assert result.returncode != 0
    assert message in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize("strength", ["auto", "leave-one-out"])
def test_fit_with_a_strength_that_the_data_choose(folder, strength, tmp_path):
    out = tmp_path / "model.json"
    result = call_inside("fit", "rows.csv", "y ~ x1 + x2 + x3 + x4", "--penalty", f"lasso:{strength}", "--out", out, folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    fit = gl.fit("y ~ x1 + x2 + x3 + x4", folder / "rows.csv", penalty=gl.penalties.lasso(strength))
    np.testing.assert_array_equal(gl.load(out).coefficients, fit.coefficients)
    assert ("leave-one-out" if strength != "auto" else "10 folds") in " ".join(result.stdout.split())
