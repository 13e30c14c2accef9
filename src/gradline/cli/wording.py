"""Messages written for Python as the command says them: keywords as options, warnings as notes."""

from __future__ import annotations

import ast
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_KEYWORDS = "where|query|database|missing|unseen|weights|frequencies|offset|covariance|groups|penalty|interval|level|calibration|loss|seed"
_IN_PYTHON = re.compile(rf"(?<![\w.(])({_KEYWORDS})=('(?:[^'\\]|\\.)*[^\w'](?:[^'\\]|\\.)*')")
"""A text as Python writes it, which a shell reads otherwise."""

_SET_TO = re.compile(r"(?<![\w.(])at=\{((?:'[^']*': (?:\.\.\.|\[\.\.\.\])(?:, )?)+)\}")
"""Columns that are to be set."""

_EXAMPLES = (
    # The command has neither a penalty's scales nor its factors; its own --weights are those of rows.
    (
        r"Give the penalty scaled=True, so that units do not matter, or a factor for each column \(weights=\)",
        "The command takes columns as they are: put them on one scale in the formula, as in scale(x), or use"
        " gl.penalties with scaled=True in Python",
    ),
    (r"covariance=\(\"newey-west\", \d+\)", "--covariance newey-west"),
    (r"covariance=\(\"cluster\", groups\)", "--covariance cluster --groups COLUMN"),
    (r"penalty=gl\.penalties\.(\w+)\(\"(\w+)\"\)", r"--penalty \1:\2"),
    (r"loss=gl\.losses\.(\w+)\(([\d.]+)\)", r"--loss \1:\2"),
    (r"loss=gl\.losses\.(\w+)\(([\d.]+), scale=\"joint\"\)", r"--loss \1:\2,joint"),
    (r"Fit\.table\(\)", "the model file"),
    (r"penalty=gl\.penalties\.(\w+)\(([^()]*)\)", r"--penalty \1:\2"),
    (r"(?<![\w.(])data=\.\.\.", "DATA"),
    (r"solver=gl\.GradientDescent\(\.\.\.\)", "--solver gradient-descent"),
    (rf"(?<![\w.(])({_KEYWORDS})=(['\"])(\w+)\2", r"--\1 \3"),
    (rf"(?<![\w.(])({_KEYWORDS})=(?=[\"'\s;,.)]|$)", r"--\1 "),
)


def as_options(message: str) -> str:
    """``missing="drop"`` as ``--missing drop``, ``where=`` as ``--where``: what somebody at a command line can type."""
    message = _SET_TO.sub(lambda match: " ".join(f"--at {shlex.quote(n)}=..." for n in re.findall(r"'([^']*)': ", match[1])), message)
    message = _IN_PYTHON.sub(lambda match: f"--{match[1]} {shlex.quote(ast.literal_eval(match[2]))}", message)
    for pattern, option in _EXAMPLES:
        message = re.sub(pattern, option, message)
    return re.sub(r"(--\w+) (?=[;,.)]|$)", r"\1", re.sub(r"(--\w+)  ", r"\1 ", message))


@contextmanager
def noting_warnings() -> Iterator[list[str]]:
    """gradline's own warnings as one line each on standard error, without file names and line numbers; yields the notes so far."""
    from gradline.base.warnings import GradlineWarning

    notes: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", GradlineWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, GradlineWarning):
                notes.append(str(message))
                print(f"note: {as_options(str(message))}", file=sys.stderr)
            else:
                usual(message, category, *rest, **more)

        warnings.showwarning = show
        yield notes
