"""Messages written for Python, with their keywords as the command's options."""

from __future__ import annotations

import ast
import re
import shlex

_KEYWORDS = "where|query|database|missing|unseen|weights|frequencies|offset|covariance|groups|penalty|interval|level|calibration|loss"
_IN_PYTHON = re.compile(rf"(?<![\w.(])({_KEYWORDS})=('(?:[^'\\]|\\.)*[^\w'](?:[^'\\]|\\.)*')")
"""A text as Python writes it, which a shell reads otherwise."""

_EXAMPLES = (
    (r"penalty=gl\.penalties\.(\w+)\(([^()]*)\)", r"--penalty \1:\2"),
    (r"solver=gl\.GradientDescent\(\.\.\.\)", "--solver gradient-descent"),
    (rf"(?<![\w.(])({_KEYWORDS})=(['\"])(\w+)\2", r"--\1 \3"),
    (rf"(?<![\w.(])({_KEYWORDS})=(?=[\"'\s;,.)]|$)", r"--\1 "),
)


def as_options(message: str) -> str:
    """``missing="drop"`` as ``--missing drop``, ``where=`` as ``--where``: what somebody at a command line can type."""
    message = _IN_PYTHON.sub(lambda match: f"--{match[1]} {shlex.quote(ast.literal_eval(match[2]))}", message)
    for pattern, option in _EXAMPLES:
        message = re.sub(pattern, option, message)
    return re.sub(r"(--\w+) (?=[;,.)]|$)", r"\1", re.sub(r"(--\w+)  ", r"\1 ", message))
