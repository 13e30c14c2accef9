"""What the studio's page hands back gives the numbers on its screen: the script, the command, the model file, the examples."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from tests.studio.engine_in_node import STUDIO, good, points, settings

import gradline as gl
from gradline.cli import main

SCHEMA = json.loads((STUDIO.parent / "docs" / "model-schema.json").read_text())
FILE = "the points.csv"


def _cloud(kind: str = "real", n: int = 40, inputs: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(n, inputs)) * 3 + 50
    y = x @ np.array([0.4, -0.1])[:inputs] + rng.standard_t(3, n)
    return x, {"real": y, "binary": (y > np.median(y)) * 1.0, "count": np.round(np.exp(0.05 * y))}[kind]


CASES: dict[str, tuple[tuple[Any, Any], dict[str, Any], int]] = {
    "squared": (_cloud(), settings(rate=1e-4, start=[2.0, -1.0]), 130),
    "squared, auto, standardised": (_cloud(inputs=2), settings(inputs=2, standardised=True, start=[1.0, 2.0, 3.0]), 77),
    "momentum": (_cloud(), settings(rate=1e-4, momentum=0.9, nesterov=True), 200),
    "batches": (_cloud(inputs=2), settings(inputs=2, rate=1e-5, batch=7, seed=4), 90),
    "diverging": (_cloud(), settings(rate=1e-3), 30),
    "diverged": (_cloud(), settings(rate=1e-2), 30),
    "huber, auto": (_cloud(), settings(("huber", 1.35)), 60),
    "absolute, auto, shortened": (_cloud(), settings("absolute", standardised=True), 130),
    "logistic, auto with momentum": (_cloud("binary"), settings("logistic", momentum=0.9), 130),
    "poisson, auto with momentum, shortened": (
        _cloud("count"),
        settings("poisson", momentum=0.9, start=[-2.0, 0.0], standardised=True),
        130,
    ),
    "poisson": (_cloud("count"), settings("poisson", standardised=True, rate=0.01), 51),
    "gaussian": (_cloud(), settings("gaussian:log", standardised=True, rate=1e-4, start=[2.0, 0.0]), 20),
    "typed": (
        _cloud(),
        settings("y, p -> r = y - p; r < 0 ? 2 * sqrt(1 + r^2) - 2 : softplus(r) - log(2) - r / 2 + r^2 / 9", rate=1e-4),
        40,
    ),
    "typed squared": (_cloud(), settings("y, p -> (y - p)^2 / 2", rate=1e-4), 40),
    "typed kinked": (_cloud(), settings("y, p -> abs(y - p) + (y - p)^2 / 10", standardised=True, rate=0.01), 40),
    "Newton": (_cloud(), settings(("huber", 1.35), method="newton"), 100),
}


@pytest.fixture(scope="module")
def taken() -> dict[str, Any]:
    questions = [
        {"kind": "take", "points": points(*data), "settings": chosen, "steps": steps, "file": FILE, "version": gl.__version__}
        for data, chosen, steps in CASES.values()
    ]
    return dict(zip(CASES, good(questions), strict=True))


def _ran(script: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(script, "script.py", "exec"), found)
    return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("how", ["inline", "fromFile"])
def test_the_script_gives_the_numbers_on_the_screen(
    taken: dict[str, Any], name: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = taken[name]
    monkeypatch.chdir(tmp_path)
    if how == "inline":
        # The function's text is read where a file holds it.
        assert FILE not in shown["inline"]
    else:
        Path(FILE).write_text(shown["csv"])
    found = _ran(shown[how])
    optimum = shown["optimum"]
    if optimum["certificate"]["converged"]:
        np.testing.assert_allclose(found["fit"].coefficients.ravel(), optimum["coefficients"], rtol=1e-8)
        assert found["fit"].loss == pytest.approx(optimum["loss"], rel=1e-10)
    if name == "Newton":
        assert "walk" not in found
        return
    last = shown["last"]
    assert found["last"].step == last["step"]
    np.testing.assert_allclose(found["coefficients"], last["coefficients"], rtol=1e-10)
    assert found["last"].loss == pytest.approx(last["loss"], rel=1e-10)
    if "shortened" in name:
        assert shown["rate"] < shown["firstRate"]
        assert found["walk"].learning_rate == pytest.approx(shown["rate"], rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_the_model_file_loads_and_predicts(taken: dict[str, Any], name: str, tmp_path: Path) -> None:
    shown = taken[name]
    jsonschema.validate(json.loads(shown["model"]), SCHEMA)
    path = tmp_path / "model.json"
    path.write_text(shown["model"])
    if CASES[name][1]["loss"]["kind"] == "typed":
        source = tmp_path / "my_loss.py"
        source.write_text(shown["lossFile"])
        model = gl.load(path, loss=_loss_of(source))
    else:
        model = gl.load(path)
    assert model.coefficients.ravel().tolist() == shown["last"]["coefficients"]
    assert model.loss == pytest.approx(shown["last"]["loss"], rel=1e-10)
    (x, y), _, _ = CASES[name]
    p = model.predict(x, kind="linear")
    coefficients = np.array(shown["last"]["coefficients"])
    np.testing.assert_allclose(p, coefficients[0] + x @ coefficients[1:], rtol=1e-12)
    assert len(y) == model.rows_used
    str(model.summary())
    # What gradline reads it writes again, and the other way round.
    model.save(tmp_path / "again.json")
    assert gl.load(tmp_path / "again.json").coefficients.tolist() == model.coefficients.tolist()


def _loss_of(path: Path) -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.loss


@pytest.mark.parametrize("name", ["squared", "huber, auto", "typed", "momentum", "Newton"])
def test_the_command_gives_what_it_says(taken: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = taken[name]
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_text(shown["csv"])
    if shown["lossFile"] is not None:
        Path("my_loss.py").write_text(shown["lossFile"])
    program, *arguments = shlex.split(shown["command"]["text"])
    assert program == "gradline"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.setattr("sys.argv", ["gradline", *arguments, "--out", "model.json"])
        with contextlib.suppress(SystemExit):
            main()
    model = gl.load("model.json")
    steps = "steps" in shown["command"]["note"] and "needs the Python script" not in shown["command"]["note"]
    want = shown["last"]["coefficients"] if steps else shown["optimum"]["coefficients"]
    np.testing.assert_allclose(model.coefficients.ravel(), want, rtol=1e-8)
    assert steps == (name in ("huber, auto", "typed"))


def test_weights_and_names_that_are_no_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = _cloud(inputs=2)
    weights = np.random.default_rng(1).integers(1, 5, len(y)) / 2
    cloud = {**points(x, y, weights), "inputs": ["body mass (g)\nimport os", 'x "quoted", ü'], "target": "<b>y</b>'; rm"}
    chosen = settings("squared", 2, rate=1e-5)
    (shown,) = good([{"kind": "take", "points": cloud, "settings": chosen, "steps": 9, "file": FILE, "version": gl.__version__}])
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_text(shown["csv"], encoding="utf-8")
    for how in ("inline", "fromFile"):
        if how == "fromFile":
            # A heading of two lines is one that loadtxt cannot skip.
            Path(FILE).write_text(shown["csv"].replace("\nimport os", ""), encoding="utf-8")
        found = _ran(shown[how])
        np.testing.assert_allclose(found["coefficients"], shown["last"]["coefficients"], rtol=1e-11)
        np.testing.assert_allclose(found["fit"].coefficients.ravel(), shown["optimum"]["coefficients"], rtol=1e-9)
        assert "os" not in found
    jsonschema.validate(json.loads(shown["model"]), SCHEMA)
    Path("model.json").write_text(shown["model"])
    assert gl.load("model.json").coefficients.ravel().tolist() == shown["last"]["coefficients"]


def test_examples_are_gradlines_own_data() -> None:
    line, few, penguins, both = (
        one for one in good([{"kind": "preset", "name": name} for name in ("line", "few", "penguins", "penguins2")])
    )
    for made, n in ((line, 1000), (few, 30)):
        x, y = gl.datasets.line(n, seed=1)
        np.testing.assert_allclose(np.ravel(made["points"]["x"]), x, rtol=1e-15)
        np.testing.assert_allclose(made["points"]["y"], y, rtol=1e-15)
        assert (np.ravel(made["points"]["x"]) == x).mean() > 0.99
        assert made["source"]["count"] == n
    data = gl.datasets.penguins()
    kept = np.isfinite(data["flipper_length_mm"])
    np.testing.assert_array_equal(np.ravel(penguins["points"]["x"]), data["flipper_length_mm"][kept])
    np.testing.assert_array_equal(penguins["points"]["y"], data["body_mass_g"][kept])
    np.testing.assert_array_equal(np.array(both["points"]["x"])[:, 1], data["bill_length_mm"][kept])


def test_the_script_of_the_tutorials_points_makes_them_by_a_call() -> None:
    (line,) = good([{"kind": "preset", "name": "line"}])
    question = {"kind": "take", "points": line["points"], "source": line["source"], "settings": settings(rate=0.05), "steps": 100}
    (shown,) = good([{**question, "file": FILE, "version": gl.__version__}])
    assert "x, y = gl.datasets.line(seed=1)" in shown["inline"]
    assert len(shown["inline"]) < 1500
    found = _ran(shown["inline"])
    np.testing.assert_allclose(found["coefficients"], shown["last"]["coefficients"], rtol=1e-12)
