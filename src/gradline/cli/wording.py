"""Messages written for Python, with their keywords as the command's options."""

from __future__ import annotations

import re

_KEYWORDS = "where|query|database|missing|unseen|weights|frequencies|offset|covariance|groups|penalty|interval|level|calibration|loss"
_EXAMPLES = (
    (r"penalty=gl\.penalties\.(\w+)\(([^()]*)\)", r"--penalty \1:\2"),
    (r"solver=gl\.GradientDescent\(\.\.\.\)", "--solver gradient-descent"),
    (rf"(?<![\w.(])({_KEYWORDS})=(['\"])(\w+)\2", r"--\1 \3"),
    (rf"(?<![\w.(])({_KEYWORDS})=(?=[\"'\s;,.)]|$)", r"--\1 "),
)


def as_options(message: str) -> str:
    """``missing="drop"`` as ``--missing drop``, ``where=`` as ``--where``: what somebody at a command line can type."""
    for pattern, option in _EXAMPLES:
        message = re.sub(pattern, option, message)
    return re.sub(r"(--\w+) (?=[;,.)]|$)", r"\1", re.sub(r"(--\w+)  ", r"\1 ", message))
