"""``gradline effects``, through the command's entry point: the tables that the Python face gives, and what is said of wrong usage."""

import subprocess
import sys
from pathlib import Path

import pytest
from inside import call_inside

import gradline as gl

pyarrow = pytest.importorskip("pyarrow")
COMMAND = str(Path(sys.executable).with_name("gradline"))


@pytest.fixture(scope="module")
def fit():
    penguins = gl.datasets.penguins()
    return gl.fit("I(sex == 'male') ~ body_mass_g + flipper_length_mm + C(species)", penguins, loss="logistic")


@pytest.fixture(scope="module")
def folder(fit, tmp_path_factory):
    import pyarrow.csv

    made = tmp_path_factory.mktemp("effects")
    fit.save(made / "model.json")
    pyarrow.csv.write_csv(pyarrow.table(gl.datasets.penguins()), made / "penguins.csv")
    return made


@pytest.fixture(scope="module")
def loaded(folder):
    return gl.load(folder / "model.json")


CASES = {
    "all": ([], lambda f, d: f.effects(data=d)),
    "groups": (["--of", "body_mass_g", "--by", "species"], lambda f, d: f.effects("body_mass_g", by="species", data=d)),
    "change": (
        ["--of", "body_mass_g", "--change", "3000,4000", "--ratio"],
        lambda f, d: f.effects("body_mass_g", change=(3000.0, 4000.0), compare="ratio", data=d),
    ),
    "means": (["--kind", "at-means", "--level", "0.9"], lambda f, d: f.effects(kind="at means", level=0.9, data=d)),
    "linear": (["--of", "species", "--scale", "linear"], lambda f, d: f.effects("species", scale="linear", data=d)),
    "predictions": (
        ["--predictions", "--at", "body_mass_g=3000,4000", "--at", "species=all"],
        lambda f, d: f.predictions(at={"body_mass_g": [3000, 4000], "species": "all"}, data=d),
    ),
    "level": (["--predictions", "--at", "species=Gentoo"], lambda f, d: f.predictions(at={"species": "Gentoo"}, data=d)),
    "contrasts": (
        ["--contrasts", "species", "--adjust", "holm"],
        lambda f, d: f.contrasts("species", "pairs", adjust="holm", data=d),
    ),
    "reference": (["--contrasts", "C(species)", "--compare", "reference"], lambda f, d: f.contrasts("C(species)", "reference", data=d)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_command_prints_what_python_answers(folder, loaded, case):
    options, asked = CASES[case]
    result = call_inside("effects", "model.json", "penguins.csv", *options, folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{asked(loaded, folder / 'penguins.csv')}\n"


def test_no_rows_are_needed_where_everything_is_set(folder, loaded):
    at = ["--at", "body_mass_g=3000,4000", "--at", "flipper_length_mm=200", "--at", "species=all"]
    result = call_inside("effects", "model.json", "--predictions", *at, folder=folder)
    assert result.stdout == f"{loaded.predictions(at={'body_mass_g': [3000, 4000], 'flipper_length_mm': 200, 'species': 'all'})}\n"


def test_files_hold_the_whole_table(folder, loaded, tmp_path):
    import pyarrow.csv
    import pyarrow.parquet

    right = loaded.effects("body_mass_g", by="species", data=folder / "penguins.csv").to_arrow()
    for ending, read in (("csv", pyarrow.csv.read_csv), ("parquet", pyarrow.parquet.read_table)):
        out = tmp_path / f"table.{ending}"
        result = subprocess.run(
            [COMMAND, "effects", "model.json", "penguins.csv", "--of", "body_mass_g", "--by", "species", "--out", str(out)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.endswith(f"\ntable written: {out}\n")
        found = read(out)
        assert found.column_names == right.column_names
        assert found.column("estimate").to_pylist() == pytest.approx(right.column("estimate").to_pylist(), rel=1e-15)
    for ending, start in (("md", "**Effects"), ("tex", r"\begin{table}"), ("html", '<div class="gradline-table">')):
        out = tmp_path / f"table.{ending}"
        assert call_inside("effects", "model.json", "penguins.csv", "--out", out, folder=folder).returncode == 0
        assert out.read_text().startswith(start)


def test_a_picture_is_drawn(folder, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "effects.svg"
    at = ["--predictions", "--at", "body_mass_g=3000,3500,4000,4500", "--at", "species=all"]
    result = call_inside("effects", "model.json", "penguins.csv", *at, "--plot", out, folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "picture written" in result.stdout
    assert b"<svg" in out.read_bytes()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--of", "mass"], 1, ["mass", "body_mass_g"]),
        (["--of", "species", "--predictions"], 2, ["--of does not go with --predictions"]),
        (["--contrasts", "species", "--change", "1"], 2, ["--change does not go with --contrasts"]),
        (["--adjust", "holm"], 2, ["--adjust goes with --contrasts"]),
        (["--contrasts", "island"], 1, ["island"]),
        (["--contrasts", "species", "--adjust", "sidak"], 1, ["sidak"]),
        (["--kind", "mean"], 2, ["--kind must be average, at-means or each-row"]),
        (["--change", "a"], 2, ["--change must be a number"]),
        (["--change", "nan"], 2, ["--change must be a number"]),
        (["--at", "species"], 2, ["--at takes a column and its values"]),
        (["--at", "species="], 2, ["--at takes a column and its values"]),
        (["--at", "species=Gentoo", "--at", "species=Adelie"], 2, ["--at gives column 'species' twice"]),
        (["--predictions", "--at", "species=Gento"], 1, ["no level 'Gento'", "did you mean 'Gentoo'"]),
        (["--predictions", "--at", "body_mass_g=heavy"], 1, ["body_mass_g", "heavy"]),
        (["--level", "95"], 1, ["level"]),
        (["--out", "table.txt"], 2, ["--out must end in"]),
        (["--out", "penguins.csv"], 2, ["is what is read"]),
    ],
)
def test_wrong_usage_is_told(folder, options, code, words):
    result = call_inside("effects", "model.json", "penguins.csv", *options, folder=folder)
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


def test_rows_that_are_needed_are_asked_for(folder):
    result = call_inside("effects", "model.json", folder=folder)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "a Fit holds no rows: give DATA" in result.stderr
    assert "--at " in result.stderr
