"""What is wrong with a model file, in one line."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError


def first_problem(error: ValidationError) -> str:
    """The first thing wrong, with the field it is in, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"] if part not in ("built-in", "own"))
    field = field.removeprefix(".").removeprefix("model.") or "the file"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if first["type"] == "missing":
        text = f"the field {field} is missing"
    elif first["type"] == "extra_forbidden":
        text = f"the field {field} is not known"
    elif first["type"] == "value_error" and not message.startswith("should"):
        text = message if field == "model" else f"{field}: {message}"
    else:
        text = f"{field} {message}, not {shown(first['input'])}"
    more = len(problems) - 1
    return text if not more else f"{text} (and {more} more {'problem' if more == 1 else 'problems'})"


def shown(value: Any) -> str:
    """A value from a file, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
