"""``gradline demo``: the tutorial from beginning to end, in one command."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from gradline.cli.demonstration.settings import DemoSettings

BACKENDS = ("tensorflow", "jax", "torch")


def demo(
    examples: Annotated[int, typer.Option(help="How many points to make.")] = 1000,
    steps: Annotated[int, typer.Option(help="How many steps of gradient descent to take.")] = 1000,
    learning_rate: Annotated[
        str,
        typer.Option(metavar="NUMBER|auto", help="How far each step goes; 1.5 is too far, which is drawn."),
    ] = "0.01",
    slope: Annotated[float | None, typer.Option(help="The true slope (weight).", show_default="6")] = None,
    intercept: Annotated[float | None, typer.Option(help="The true intercept (bias).", show_default="-5")] = None,
    noise: Annotated[float, typer.Option(help="How far the points scatter (standard deviation).")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="A whole number gives the same points every time.")] = None,
    inputs: Annotated[int, typer.Option(help="How many inputs; more than one makes planes instead of a line.")] = 1,
    outputs: Annotated[int, typer.Option(help="How many outputs to predict at once.")] = 1,
    backend: Annotated[
        str | None,
        typer.Option(metavar="tensorflow|jax|torch", help="What differentiates the loss.", show_default="the first one installed"),
    ] = None,
    output_folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("gradline-demo"),
    animate: Annotated[bool, typer.Option("--animate", help="Also write a moving picture of the learning (GIF).")] = False,
) -> None:
    """Learn a line from noisy points, step by step, with pictures.

    Makes points around y = 6 x - 5, shows the loss it is about to train, trains it by gradient descent, compares the answer with the truth
    and with exact least squares, draws pictures, and then does the same for real penguins.
    """
    _at_least(1, examples=examples, steps=steps, inputs=inputs, outputs=outputs)
    _moderate(slope=slope, intercept=intercept, noise=noise)
    if noise < 0:
        raise typer.BadParameter(f"--noise is a standard deviation, so it must be zero or more, not {noise:g}")
    if seed is not None and seed < 0:
        raise typer.BadParameter(f"--seed must be a whole number of zero or more, not {seed}")
    if (inputs, outputs) != (1, 1) and (slope is not None or intercept is not None):
        raise typer.BadParameter(
            "--slope and --intercept describe a single line; with several inputs or outputs the true coefficients are drawn at random"
        )
    if output_folder.exists() and not output_folder.is_dir():
        raise typer.BadParameter(f"--output-folder: '{output_folder}' is a file, not a folder; give another name")
    settings = DemoSettings(
        examples=examples,
        steps=steps,
        learning_rate=_learning_rate(learning_rate),
        slope=6.0 if slope is None else slope,
        intercept=-5.0 if intercept is None else intercept,
        noise=noise,
        seed=seed,
        inputs=inputs,
        outputs=outputs,
        backend=_backend(backend),
        output_folder=output_folder,
        animate=animate,
    )
    _require_pictures()
    from gradline.cli.demonstration.story import tell

    tell(settings)


def _at_least(smallest: int, **values: int) -> None:
    for name, value in values.items():
        if value < smallest:
            raise typer.BadParameter(f"--{name} must be at least {smallest}, not {value}")


LARGEST = 1e30
"""Of the numbers that points are made with: the loss squares them, and steps multiply them further."""


def _moderate(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            raise typer.BadParameter(f"--{name} must be a finite number, not {value}")
        if value is not None and abs(value) > LARGEST:
            raise typer.BadParameter(f"--{name} must be at most {LARGEST:.0e} in size, since the loss squares what it makes, not {value:g}")


def _learning_rate(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise typer.BadParameter(f"--learning-rate must be a number above zero, such as 0.01, or auto, not {text!r}")
    return rate


def _backend(name: str | None) -> str:
    """The framework to use: the one asked for, or else the first one installed. Installing is only looked up; nothing is imported."""
    if name is not None and name not in BACKENDS:
        raise typer.BadParameter(f"--backend must be one of {', '.join(BACKENDS)}, not {name!r}")
    for backend in BACKENDS if name is None else (name,):
        if importlib.util.find_spec(backend) is not None:
            return backend
    raise _not_installed(name or BACKENDS[0], name or BACKENDS[0])


def _require_pictures() -> None:
    for package, module in (("matplotlib", "matplotlib"), ("pillow", "PIL")):
        if importlib.util.find_spec(module) is None:
            raise _not_installed(package, "plot")


def _not_installed(package: str, extra: str) -> ImportError:
    return ImportError(f'the demo needs {package}, which is not installed; run: pip install "gradline[{extra}]"')
