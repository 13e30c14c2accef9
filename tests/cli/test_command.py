"""The command as a whole: help, version, errors and what is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import gradline
from gradline.cli import errors

COMMAND = str(Path(sys.executable).with_name("gradline"))
HEAVY = ("tensorflow", "jax", "torch", "sklearn", "matplotlib", "duckdb", "pandas", "numpy", "scipy")


def call(*arguments, command=(COMMAND,), **options):
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, **options)


def test_help_names_the_commands():
    result = call("--help")
    assert result.returncode == 0
    assert "demo" in result.stdout
    assert "\x1b" not in result.stdout
    assert call().stdout == result.stdout


def test_module_and_version():
    for command in ((COMMAND,), (sys.executable, "-m", "gradline")):
        result = call("--version", command=command)
        assert (result.returncode, result.stdout, result.stderr) == (0, f"gradline {gradline.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    program = (
        "import sys, gradline.cli\n"
        f"sys.argv = ['gradline', *{arguments!r}]\n"
        "try:\n    gradline.cli.main()\n"
        f"finally:\n    print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = call("-c", program, command=(sys.executable,))
    assert result.returncode == 0, result.stderr
    assert "LOADED []" in result.stdout


def test_unknown_command_and_option_are_one_line():
    for arguments, words in ((["dmeo"], "dmeo"), (["demo", "--stepz", "3"], "--stepz"), (["--colour"], "--colour")):
        result = call(*arguments)
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("gradline: ")
        assert words in result.stderr


def run_raising(error, monkeypatch, capsys, *arguments):
    app = typer.Typer()

    @app.command()
    def command(debug: bool = False):
        raise error

    monkeypatch.setattr(sys, "argv", ["gradline", *arguments])
    with pytest.raises(SystemExit) as stop:
        errors.run(app)
    return stop.value.code, capsys.readouterr().err


def test_errors_end_in_one_line(monkeypatch, capsys):
    assert run_raising(ValueError("y is\n  short"), monkeypatch, capsys) == (1, "gradline: y is short\n")
    assert run_raising(ImportError("no jax"), monkeypatch, capsys) == (1, "gradline: no jax\n")
    assert run_raising(MemoryError(), monkeypatch, capsys) == (1, "gradline: MemoryError\n")
    assert run_raising(typer.BadParameter("--n is bad"), monkeypatch, capsys) == (2, "gradline: --n is bad\n")
    assert run_raising(KeyboardInterrupt(), monkeypatch, capsys) == (130, "gradline: stopped at your request\n")
    code, text = run_raising(AttributeError("oops"), monkeypatch, capsys)
    assert code == 1
    assert text.count("\n") == 1
    assert "bug worth reporting (AttributeError: oops)" in text
    assert "--debug" in text


def test_debug_shows_the_traceback(monkeypatch, capsys):
    code, text = run_raising(ValueError("y is short"), monkeypatch, capsys, "--debug")
    assert code == 1
    assert text.startswith("Traceback")
    assert text.endswith("gradline: y is short\n")


@pytest.mark.parametrize("columns", [60, 100])
@pytest.mark.parametrize("command", ["fit", "predict", "plot", "report", "demo"])
def test_help_keeps_examples_on_one_line_each(command, columns):
    result = call(command, "--help", env={**os.environ, "COLUMNS": str(columns)})
    lines = result.stdout.splitlines()
    assert result.returncode == 0
    assert all(len(line) <= min(columns, 80) for line in lines if not line.startswith("    gradline "))
    assert len([line for line in lines if line.startswith(f"    gradline {command} ")]) >= (2 if command != "demo" else 0)
    assert "<bool>" not in result.stdout
    assert "..." not in call("--help").stdout.partition("Commands:")[2]
