"""What every part of a model file is made of, and what to say of one that is not."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, WithJsonSchema

from gradline.base.errors import ModelFileError

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""JSON has no names for these; a descent that was let run may end there."""


def _read_number(value: Any) -> Any:
    if isinstance(value, str):
        return _WORDS.get(value, value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ModelFileError("should be a number within the range of double precision")
    return value


def write_number(value: float) -> float | str:
    """A number as JSON has it, or one of the three words."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


Number = Annotated[
    float,
    BeforeValidator(_read_number),
    PlainSerializer(write_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": list(_WORDS)}]}),
]
"""A double, written with as many digits as give it back to the bit."""

Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """A part of a model file."""

    # Strict: "3" is not a number, and 1 is not true. A field nobody knows means a file nobody can be sure of.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


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
