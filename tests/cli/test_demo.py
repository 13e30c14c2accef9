"""``gradline demo`` through its real entry point."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inside import call_inside
from PIL import Image

import gradline as gl

COMMAND = str(Path(sys.executable).with_name("gradline"))
LINE_PICTURES = {"training-data", "line-of-best-fit", "prediction", "all-together", "loss", "descent", "penguins"}
PLANE_PICTURES = {"training-data", "coefficients", "observed-and-predicted", "loss", "descent", "penguins"}


def demo(*arguments, folder=None, **environment):
    where = [] if folder is None else ["--output-folder", str(folder)]
    variables = {**os.environ, "PYTHONWARNINGS": "default", **environment}
    return subprocess.run([COMMAND, "demo", *arguments, *where], capture_output=True, text=True, timeout=300, env=variables)


def numbers(text, label):
    """The numbers of the table row that starts with ``label``."""
    (row,) = re.findall(rf"^ *{re.escape(label)}((?: +-?[\d,.]+(?:e[+-]\d+)?)+)$", text, re.MULTILINE)
    return [float(word.replace(",", "")) for word in row.split()]


def check_pictures(folder, names, animated=()):
    assert {path.name for path in folder.iterdir()} == {f"{name}.png" for name in names} | set(animated)
    for path in folder.iterdir():
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == ("GIF" if path.suffix == ".gif" else "PNG")
            assert min(picture.size) > 200
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10


@pytest.fixture(scope="module")
def line_demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("line") / "new" / "pictures"
    return demo("--examples", "200", "--steps", "350", "--seed", "1", "--backend", "tensorflow", "--animate", folder=folder), folder


def test_line_says_what_it_does(line_demo):
    result, folder = line_demo
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    text = result.stdout
    assert "200 points around the line y = 6 x - 5" in text
    assert "tf.reduce_mean(tf.square(y - prediction))" in text
    assert "gl.DivergenceError: learning_rate=0.01 is above" in text
    assert "344 penguins" in text
    assert "2 of them" in text
    assert str(folder) in text
    assert "absl" not in text


def test_piped_output_is_plain_and_80_wide(line_demo):
    text = line_demo[0].stdout
    assert "\x1b" not in text
    assert "\r" not in text
    folder = str(line_demo[1])
    assert [line for line in text.splitlines() if len(line) > 80 and folder not in line] == []
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_line_numbers_are_those_of_fit(line_demo):
    text = line_demo[0].stdout
    x, y = gl.datasets.line(200, seed=1)
    exact = gl.fit(x, y)
    with pytest.warns(gl.GradlineWarning, match="has not converged: 350 steps done"):
        descent = gl.fit(x, y, solver=gl.GradientDescent(learning_rate=0.01, steps=350))
    for label, row, truth in (("weight W", 1, 6), ("bias B", 0, -5)):
        expected = [truth, descent.coefficients[row], exact.coefficients[row]]
        np.testing.assert_allclose(numbers(text, label), expected, atol=5.1e-7)
    np.testing.assert_allclose(numbers(text, "loss"), [descent.loss, exact.loss], atol=5.1e-7)
    assert f"Initial loss, with weight 0 and bias 0:  {np.mean(y**2):.6f}" in text
    assert f"Final loss:  {descent.loss:.6f}" in text
    assert f"the trained line predicts  y = {descent.predict(2.0):.6f}" in text
    history = descent.history
    for step in (0, 100, 200, 300, 350):
        record = history[step]
        np.testing.assert_allclose(
            numbers(text, str(step)), [record.loss, record.coefficients[1, 0], record.coefficients[0, 0]], atol=5.1e-7
        )


def test_lesson_numbers_are_those_of_fit(line_demo):
    text = line_demo[0].stdout
    x, y = gl.datasets.line(200, seed=1)
    exact = gl.fit(20 * x, y)
    hurried = gl.fit(20 * x, y, solver=gl.GradientDescent(momentum=0.9))
    for label, fit in (("exact least squares", exact), ("auto with momentum=0.9", hurried)):
        np.testing.assert_allclose(numbers(text, label), [fit.loss, fit.coefficients[1], fit.coefficients[0]], atol=5.1e-7)


def test_penguin_numbers_are_those_of_fit(line_demo):
    text = line_demo[0].stdout
    table = gl.datasets.penguins()
    keep = ~np.isnan(table["body_mass_g"])
    columns = [table["flipper_length_mm"], table["species"] == "Chinstrap", table["species"] == "Gentoo"]
    exact = gl.fit(np.column_stack(columns)[keep], table["body_mass_g"][keep])
    # R: lm(body_mass_g ~ flipper_length_mm + species, palmerpenguins::penguins)
    np.testing.assert_allclose(exact.coefficients, [-4031.477, 40.705, -206.510, 266.810], atol=6e-4)
    for label, value in zip(("grams for each mm", "Chinstrap, against", "Gentoo, against"), exact.slopes, strict=True):
        (row,) = [line for line in text.splitlines() if line.startswith(label)]
        descent, printed = (float(word.replace(",", "")) for word in row.split()[-2:])
        assert printed == pytest.approx(value, abs=5.1e-4)
        assert descent == pytest.approx(value, abs=5e-3)


def test_line_pictures(line_demo):
    check_pictures(line_demo[1], LINE_PICTURES, animated=["learning.gif"])


def test_planes_in_jax(tmp_path):
    pytest.importorskip("jax")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "loss.png").write_text("an old one")
    result = demo("--inputs", "3", "--outputs", "2", "--examples", "200", "--seed", "1", "--backend", "jax", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "jnp.mean(jnp.square(y - prediction))" in result.stdout
    points = gl.datasets.plane(3, 2, 200, seed=1)
    exact = gl.fit(points.X, points.Y)
    for j in range(2):
        for i, name in enumerate(("bias B", "weight W1", "weight W2", "weight W3")):
            true, descent, best = numbers(result.stdout, f"{name}, y{j + 1}")
            assert true == (points.intercepts[j] if i == 0 else points.coefficients[i - 1, j])
            assert best == pytest.approx(exact.coefficients[i, j], abs=5.1e-7)
            assert descent == pytest.approx(best, abs=0.01)
    lowest = np.mean((points.Y - exact.predict(points.X)) ** 2)
    descent, best = numbers(result.stdout, "loss")
    assert best == pytest.approx(lowest, abs=5.1e-7)
    assert lowest < descent < 1.01 * lowest
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "notes.txt").unlink()
    check_pictures(tmp_path, PLANE_PICTURES)


def test_torch_and_a_derived_rate(tmp_path):
    pytest.importorskip("torch")
    result = demo(
        "--examples", "50", "--learning-rate", "auto", "--noise", "0", "--slope", "2", "--seed", "4", "--backend", "torch", folder=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "torch.mean(torch.square(y - prediction))" in result.stdout
    assert "The derived learning rate is 0." in result.stdout
    assert numbers(result.stdout, "weight W") == [2, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps must be at least 1, not 0"),
        (["--examples", "-3"], "--examples must be at least 1, not -3"),
        (["--inputs", "0"], "--inputs must be at least 1, not 0"),
        (["--outputs", "0"], "--outputs must be at least 1, not 0"),
        (["--noise", "-1"], "--noise is a standard deviation, so it must be zero or more, not -1"),
        (["--noise", "nan"], "--noise must be a finite number, not nan"),
        (["--slope", "inf"], "--slope must be a finite number, not inf"),
        (["--slope", "1e300"], "--slope must be at most 1e+30 in size, since the loss squares what it makes, not 1e+300"),
        (["--intercept", "-1e200"], "--intercept must be at most 1e+30 in size"),
        (["--seed", "-1"], "--seed must be a whole number of zero or more, not -1"),
        (["--learning-rate", "fast"], "--learning-rate must be a number above zero, such as 0.01, or auto, not 'fast'"),
        (["--learning-rate", "0"], "--learning-rate must be a number above zero, such as 0.01, or auto, not '0'"),
        (["--backend", "theano"], "--backend must be one of tensorflow, jax, torch, not 'theano'"),
        (["--inputs", "2", "--slope", "3"], "--slope and --intercept describe a single line"),
        (["--output-folder", __file__], "is a file, not a folder"),
        (["--steps", "many"], "'--steps'"),
        (["surprise"], "surprise"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(arguments, message):
    result = call_inside("demo", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("gradline: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_one_set_of_names(line_demo):
    text = line_demo[0].stdout
    introduced = "its weight W, which is its slope, and its bias B, which is its intercept"
    assert re.sub(r"\s+", " ", text).count(introduced) == 1
    assert text.count("slope") == text.count("intercept") == 1


def test_a_rate_that_must_diverge_is_drawn_beside_the_stable_one(tmp_path):
    pytest.importorskip("jax")
    result = demo("--learning-rate", "1.5", "--seed", "1", "--examples", "300", "--steps", "50", "--backend", "jax", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    text = result.stdout
    x, y = gl.datasets.line(300, seed=1)
    full = np.column_stack([np.ones_like(x), x])
    stable = 1 / np.linalg.eigvalsh(full.T @ full / len(x))[-1]
    assert f"The largest stable rate for these points is {stable:.6g}" in re.sub(r"\s+", " ", text)
    assert "gl.DivergenceError unless it is told allow_divergence=True" in re.sub(r"\s+", " ", text)
    # The losses of the three runs, by a loop written by hand.
    for step in range(5):
        expected = []
        for rate in (1.5, stable, stable / 2):
            b = np.zeros(2)
            for _ in range(step):
                b = b + 2 * rate * full.T @ (y - full @ b) / len(y)
            expected.append(np.mean((y - full @ b) ** 2))
        row = next(line.split() for line in text.splitlines() if re.match(rf" +{step} +[\d,.]+ +[\d,.]+ +[\d,.]+$", line))
        np.testing.assert_allclose([float(word.replace(",", "")) for word in row[1:]], expected, atol=6e-4)
    assert f"50 steps, learning rate {stable / 2:.6g}." in text
    check_pictures(tmp_path, LINE_PICTURES | {"divergence"})


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = demo(folder=tmp_path / "file" / "pictures")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "pictures" in result.stderr


def test_what_is_not_installed_is_named_with_its_command(monkeypatch):
    from gradline.cli import demo as command

    installed = {"torch"}
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: object() if name in installed else None)
    assert command._backend(None) == "torch"
    with pytest.raises(ImportError, match=re.escape('the demo needs jax, which is not installed; run: pip install "gradline[jax]"')):
        command._backend("jax")
    with pytest.raises(
        ImportError, match=re.escape('the demo needs matplotlib, which is not installed; run: pip install "gradline[plot]"')
    ):
        command._require_pictures()
    installed.clear()
    with pytest.raises(ImportError, match=re.escape('run: pip install "gradline[tensorflow]"')):
        command._backend(None)
