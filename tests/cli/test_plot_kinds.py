"""``gradline plot --kind``: each picture, and what is said where one does not apply."""

import re

import pytest
from inside import call_inside

import gradline as gl

pytest.importorskip("matplotlib")

PENGUINS = gl.datasets.penguins()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("kinds")
    _write(found / "penguins.csv")
    gl.fit("body_mass_g ~ flipper_length_mm + C(species)", found / "penguins.csv").save(found / "mass.json")
    gl.fit("I(sex == 'male') ~ body_mass_g", found / "penguins.csv", loss="logistic").save(found / "sex.json")
    gl.fit("body_mass_g ~ flipper_length_mm", found / "penguins.csv", loss=gl.losses.huber(200)).save(found / "huber.json")
    gl.path("body_mass_g ~ flipper_length_mm + bill_length_mm", found / "penguins.csv", strengths=4).save(found / "path.json")
    return found


def _write(path):
    import pyarrow.csv

    pyarrow.csv.write_csv(pyarrow.table({name: pyarrow.array(PENGUINS[name], from_pandas=True) for name in PENGUINS}), path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["mass.json", "penguins.csv"],
        ["sex.json", "penguins.csv", "--level", "0.8", "--theme", "dark"],
        ["mass.json", "penguins.csv", "--kind", "effects"],
        ["mass.json", "penguins.csv", "--kind", "effects", "--of", "flipper_length_mm", "--level", "0.9"],
        ["mass.json", "penguins.csv", "--kind", "effects", "--of", "species"],
        ["mass.json", "penguins.csv", "--kind", "residuals"],
        ["sex.json", "penguins.csv", "--kind", "calibration"],
        ["sex.json", "penguins.csv", "--kind", "roc"],
        ["path.json", "--kind", "path"],
    ],
)
def test_each_kind_is_drawn(folder, arguments):
    result = call_inside("plot", *arguments, "--out", "out.svg", folder=folder)
    assert (result.returncode, result.stdout) == (0, "picture written: out.svg\n"), result.stderr
    text = (folder / "out.svg").read_text()
    assert text.count("<path") > 20
    assert ("#1b1e22" in text) == ("dark" in arguments)
    (folder / "out.svg").unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mass.json", "penguins.csv", "--kind", "roc"], "predicts numbers: ask for --kind calibration or --kind residuals"),
        (["huber.json", "penguins.csv", "--kind", "calibration"], "aims at none: ask for --kind residuals"),
        (["mass.json", "--kind", "path"], "was not chosen along a path, so it has none to draw: make one with gradline path --path-out"),
        (["path.json", "penguins.csv", "--kind", "path"], "--kind path takes no rows"),
        (["mass.json", "penguins.csv", "--kind", "effects", "--of", "island"], "does not read a column 'island'"),
        (["mass.json", "penguins.csv", "--kind", "pie"], "--kind must be fit, effects, residuals, calibration, roc or path, not 'pie'"),
        (["mass.json", "penguins.csv", "--kind", "roc", "--level", "0.9"], "--kind roc has no intervals; --level goes with --kind fit"),
        (["mass.json", "penguins.csv", "--level", "95"], "--level must be between 0 and 1, such as 0.95, not 95"),
        (["mass.json", "penguins.csv", "--kind", "residuals", "--interval", "none"], "--interval goes with --kind fit"),
        (["mass.json", "penguins.csv", "--interval", "wide"], "--interval must be confidence, prediction or none, not 'wide'"),
        (["mass.json", "penguins.csv", "--of", "species"], "--of goes with --kind effects"),
        (["mass.json", "penguins.csv", "--theme", "sepia"], "--theme must be light or dark"),
        (["sex.json", "penguins.csv", "--interval", "prediction"], "this model predicts classes: --interval confidence"),
    ],
)
def test_a_kind_that_does_not_apply_is_refused_with_what_to_ask_instead(folder, arguments, words):
    before = sorted(path.name for path in folder.iterdir())
    result = call_inside("plot", *arguments, folder=folder)
    said = re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─]", " ", result.stderr))
    assert result.returncode != 0
    assert words in said, said
    assert sorted(path.name for path in folder.iterdir()) == before
