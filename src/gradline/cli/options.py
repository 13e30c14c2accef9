"""What the options of the commands stand for: a loss, a penalty, a solver; and places where files go."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from gradline.base.errors import ArgumentError

TRAINED = "gradient-descent, nesterov, adam or adamw"
"""Solvers that train step by step, and have options of their own."""

SOLVERS = (
    *("auto", "gradient-descent", "nesterov", "adam", "adamw", "least-squares", "newton", "newton-cg", "l-bfgs"),
    *("piecewise-linear", "active-set-newton", "proximal-newton", "constrained-newton", "constrained-piecewise-linear"),
)


def usage(problem: str) -> typer.BadParameter:
    """Wrong usage, in one line: exit code 2."""
    return typer.BadParameter(problem)


def read_data_and_formula(command: str, data: str | None, formula: str | None, query: str | None, missing: str) -> tuple[str | None, str]:
    """The two arguments of a command that fits: with --query the data may be left out. Raises BadParameter and FormulaError."""
    from gradline.fitting.request import is_formula
    from gradline.formulas.errors import FormulaError

    if formula is None and data is not None and is_formula(data) and query is not None:
        data, formula = None, data
    if formula is None:
        raise usage(f"give the data and a formula, as in: gradline {command} flats.csv 'price ~ area + rooms'")
    if not is_formula(formula):
        if data is not None and is_formula(data):
            raise usage(f"the data comes first: gradline {command} {formula!r} {data!r}")
        raise FormulaError(
            f"malformed formula: {formula!r} lacks the ~ between what is explained and what explains it, as in 'y ~ x1 + x2'"
        )
    if missing not in ("drop", "error"):
        raise usage(f"--missing must be drop or error, not {missing!r}")
    return data, formula


def read_loss(text: str, own: str | None) -> Any:
    """The loss of ``--loss huber:1.35`` or ``--loss-from my_losses.py:name``."""
    if own is None:
        from gradline.losses.arguments import parse

        try:
            return parse(text)
        except ValueError as error:
            raise usage(f"--loss: {error}") from None
    if text != "squared":
        raise usage("give --loss or --loss-from, not both")
    return read_own_loss(own)


def read_penalty(text: str | None) -> Any:
    """The penalty of ``--penalty ridge:0.1``, ``ridge:auto``, ``lasso:0.1`` or ``elastic_net:0.1,0.5``."""
    if text is None:
        return None
    from gradline import penalties

    names = ("ridge", "lasso", "elastic_net", "group_lasso", "scad", "mcp")
    known: dict[str, Callable[..., Any]] = {name: getattr(penalties, name) for name in names}
    name, _, rest = text.partition(":")
    if name.strip() not in known:
        raise usage(f"--penalty: no penalty is named {name!r}; known are {', '.join(known)}, as in ridge:0.1")
    if name.strip() == "group_lasso" and "," in rest:
        raise usage("--penalty group_lasso takes a strength only: its groups are the terms of the formula")
    try:
        return known[name.strip()](
            *(part.strip() if part.strip() in ("auto", "leave-one-out") else float(part) for part in rest.split(","))
        )
    except (ValueError, TypeError) as error:
        why = f"give its strength, as in {name.strip()}:0.1, or {name.strip()}:auto" if not rest or "convert" in str(error) else str(error)
        raise usage(f"--penalty {text}: {why}") from None


def read_path_penalty(text: str) -> Any:
    """The penalty of ``gradline path --penalty lasso`` or ``elastic_net:auto,0.5``, which leaves its strength to the path."""
    from gradline.penalties.arguments import left_to_data

    found = left_to_data(read_penalty(text if ":" in text else f"{text}:auto"))
    if found is None:
        name = text.partition(":")[0].strip()
        if name == "ridge":
            raise usage(
                "--penalty ridge: a path is for penalties that set slopes to zero; gradline fit --penalty ridge:auto chooses a ridge"
            )
        raise usage(f"--penalty {text}: a path tries many strengths, so that none is given: {name}{':auto,0.5' * (name == 'elastic_net')}")
    return found


def read_solver(name: str, learning_rate: str | None, **counts: int | None) -> Any:
    """The solver of ``--solver adam --learning-rate 0.1 --epochs 20``. counts: by the names of the solver's options, such as steps."""
    if name not in SOLVERS:
        raise usage(f"--solver must be one of {', '.join(SOLVERS)}, not {name!r}")
    settings: dict[str, Any] = {option: value for option, value in counts.items() if value is not None}
    if learning_rate is not None:
        settings["learning_rate"] = _read_rate(learning_rate)
    if name == "auto":
        if settings:
            raise usage(f"{_written(next(iter(settings)))} goes with --solver {TRAINED}")
        return "auto"
    from gradline.solvers.registry import kind_named, named

    known = {field.name for field in fields(kind_named(name)[0])}  # type: ignore[arg-type]
    for option in settings:
        if option not in known:
            raise usage(f"{_written(option)} goes with --solver {TRAINED}, not with {name}")
    try:
        return named(name, **settings)
    except (ValueError, TypeError) as error:
        raise usage(f"--solver {name}: {error}") from None


def _read_rate(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise usage(f"--learning-rate must be a number above zero, such as 0.01, or auto, not {text!r}") from None


def _written(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def check_out(out: Path, option: str, inputs: list[str], endings: tuple[str, ...] = ()) -> None:
    """Before any work: whether a file can be written there, and would not replace what is read.

    Raises BadParameter for an ending that is not known and for an input, OSError for a place that cannot be written.
    """
    if endings and out.suffix.lower() not in endings:
        raise usage(f"{option} must end in {' or '.join(endings)}, and {str(out)!r} does not")
    for path in inputs:
        if out.exists() and os.path.exists(path) and os.path.samefile(out, path):
            raise usage(f"{option} {str(out)!r} is what is read; give another name")
    folder = out.parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{option}: there is no folder {str(folder)!r}")
    if out.is_dir():
        raise IsADirectoryError(f"{option}: {str(out)!r} is a folder; give a file in it")
    if not os.access(folder, os.W_OK) or (out.exists() and not os.access(out, os.W_OK)):
        raise PermissionError(f"{option}: {str(out)!r} cannot be written: permission denied")


def require_drawing(start: str) -> None:
    """Raises ImportError, with the pip command, where what draws is not installed. start: of the sentence that says so."""
    import importlib.util

    for package, module in (("matplotlib", "matplotlib"), ("pillow", "PIL")):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f'{start} {package}, which is not installed; run: pip install "gradline[plot]"')


def check_model_columns(fitted: Any, table: Any, *, targets: bool = True) -> None:
    """Raises DataError for a column that the model reads and the table lacks, which a query may have made for the fit."""
    from gradline.base.errors import DataError
    from gradline.tables.sources.columns import unknown_column

    if fitted.encoder is None:
        return
    for name in fitted.encoder.columns if targets else fitted.encoder.feature_columns:
        if name not in table.columns:
            said = unknown_column(name, table.columns, table.name, table.source.hint)
            raise DataError(f"{said} (where --query made that column, give the same --query again)")


def input_files(data: str | None, database: str | None) -> list[str]:
    """The files that are read, so that none is overwritten; nothing for what is no file."""
    from gradline.tables.sources.paths import find_files, is_remote, is_stream_path

    found = [] if database is None or is_remote(database) else [os.path.expanduser(database)]
    if data is not None and database is None and not is_remote(data) and not is_stream_path(data):
        found += find_files(data).paths
    return found


def read_own_loss(text: str, option: str = "--loss-from") -> Any:
    """The function of ``FILE.py:NAME``; the file is run. Raises as the command says, naming the option."""
    path, colon, name = text.rpartition(":")
    if not colon or not path or not name:
        raise usage(f"{option} must be a Python file and the name of a function in it, as in my_losses.py:loss, not {text!r}")
    path = os.path.expanduser(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{option}: no such file: {path!r}")
    import importlib.util
    import sys

    folder = os.path.dirname(os.path.abspath(path))
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise usage(f"{option}: {path!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # A loss's neighbours are found as when Python runs the file itself.
    sys.path.insert(0, folder)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError:
        raise
    except Exception as error:
        raise ArgumentError(f"{option}: running {path!r} failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        from gradline.base.words import nearest

        known = [found for found, value in vars(module).items() if callable(value) and not found.startswith("_")]
        near = nearest(name, known)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known[:8]) or 'none'}"
        raise ArgumentError(f"{option}: {path!r} has no function {name!r}; {hint}")
    return getattr(module, name)
