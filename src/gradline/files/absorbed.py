"""The absorbed levels of a fit in a model file: what stood after ``|``, and each level's value, from which predictions follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from gradline.base.errors import ModelFileError
from gradline.files.level_errors import TOO_MANY, LevelErrorsRecord, describe_errors, read_errors
from gradline.files.parts import Count, Number, Part, write_number
from gradline.model.absorbed import AbsorbedCategory, AbsorbedLevels, LevelValues

if TYPE_CHECKING:
    from gradline.model.record import Model

_TYPES: dict[str, Any] = {"integer": np.int64, "number": np.float64, "text": np.str_}


class LabelsRecord(Part):
    """One column's labels of the L levels of a category."""

    kind: Literal["integer", "number", "text"]
    labels: list[int | Number | str]


class CategoryRecord(Part):
    """One category after the | of the formula. L levels, s slopes."""

    name: str
    columns: list[str] = Field(min_length=1)
    slopes: list[str]
    labels: list[LabelsRecord] = Field(description="One for each of the columns.")
    values: list[Number] = Field(description="L constants.", min_length=1)
    slope_values: list[list[Number]] = Field(description="L lists of s.")
    sets: list[Count] = Field(description="L: the connected set that each level lies in.")
    degrees: Count

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        size = len(self.values)
        whole = len(self.slope_values) == len(self.sets) == size and all(len(own.labels) == size for own in self.labels)
        if not whole or len(self.labels) != len(self.columns) or any(len(own) != len(self.slopes) for own in self.slope_values):
            raise ModelFileError(f"the category {self.name!r} should hold as many labels, sets and slopes as it has values, {size}")
        for own in self.labels:
            fitting = {"integer": int, "number": float, "text": str}[own.kind]
            if any(not isinstance(label, fitting) for label in own.labels):
                raise ModelFileError(f"the labels of the category {self.name!r} should all be of the kind {own.kind}")
        return self


class AbsorbedRecord(Part):
    """The absorbed levels."""

    categories: list[CategoryRecord] = Field(min_length=1)
    degrees: Count = Field(description="Degrees of freedom of all levels.")
    counted: Count = Field(description="Those counted for the errors of clusters.")
    sets: Count
    singletons: Count = Field(description="Rows left out, the only ones of a level.")
    separated: Count = Field(description="Rows left out, of levels whose targets the loss fits ever better.")
    within_r_squared: Number
    unidentified: str = Field(description="Why levels have no values of their own; empty where they have.")
    errors: LevelErrorsRecord | None = Field(None, description="How well the levels are known; null where the file does not keep it.")
    without_errors: str = Field(TOO_MANY, description="Why it does not; empty where it does.")


def describe_absorbed(fit: Model) -> dict[str, Any] | None:
    """For the model file; None without absorbed levels."""
    held = fit.absorbed
    if held is None:
        return None
    numbers = {name: getattr(held, name) for name in ("degrees", "counted", "sets", "singletons", "separated", "unidentified")}
    errors = describe_errors(held)
    return numbers | {
        "within_r_squared": write_number(held.within_r_squared),
        "categories": [_category(own) for own in held.categories],
        "errors": errors,
        "without_errors": TOO_MANY if errors is None and held.errors is not None else held.without_errors,
    }


def read_absorbed(record: AbsorbedRecord | None) -> AbsorbedLevels | None:
    """What ``describe_absorbed`` wrote."""
    if record is None:
        return None
    categories = tuple(
        AbsorbedCategory(
            own.name,
            tuple(own.columns),
            tuple(own.slopes),
            LevelValues(
                own.name,
                tuple(np.array(labels.labels, dtype=_TYPES[labels.kind]) for labels in own.labels),
                np.array(own.values, dtype=np.float64),
                np.array(own.slope_values, dtype=np.float64).reshape(len(own.values), len(own.slopes)),
                np.array(own.sets, dtype=np.int64),
            ),
            own.degrees,
        )
        for own in record.categories
    )
    return AbsorbedLevels(
        categories,
        record.degrees,
        record.counted,
        record.sets,
        record.singletons,
        record.separated,
        record.within_r_squared,
        record.unidentified,
        None if record.errors is None else read_errors(record.errors, categories),
        record.without_errors,
    )


def _category(own: AbsorbedCategory) -> dict[str, Any]:
    levels = own.levels
    return {
        "name": own.name,
        "columns": list(own.columns),
        "slopes": list(own.slopes),
        "labels": [{"kind": _kind(labels), "labels": labels.tolist()} for labels in levels.labels],
        "values": [write_number(value) for value in levels.values.tolist()],
        "slope_values": [[write_number(value) for value in row] for row in levels.slopes.tolist()],
        "sets": levels.sets.tolist(),
        "degrees": own.degrees,
    }


def _kind(labels: np.ndarray[Any, Any]) -> str:
    return {"f": "number", "U": "text"}.get(labels.dtype.kind, "integer")
