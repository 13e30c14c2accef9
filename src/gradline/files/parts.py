"""What every part of a model file is made of."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

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
