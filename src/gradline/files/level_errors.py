"""How well a fit knows its absorbed levels, in a model file: what intervals of predictions and leverages follow from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from gradline.base.errors import ModelFileError
from gradline.files.covariances import describe_covariance, read_covariance
from gradline.files.parts import Part
from gradline.files.uncertainty_schema import CovarianceRecord, Finite, Matrix

if TYPE_CHECKING:
    from gradline.model.absorbed import AbsorbedCategory, AbsorbedLevels
    from gradline.model.level_errors import LevelErrors

MOST_NUMBERS = 2**18
"""Numbers by level that a file holds, some 5 MB."""

TOO_MANY = "the model was loaded from a file, which does not keep them for so many levels: fit again to have them"


class LevelErrorsRecord(Part):
    """The inverse curvature of levels, diagonal + root root', and what they say of the P columns. L columns of levels, category by
    category: constants, then each slope."""

    diagonal: list[Finite] = Field(description="L numbers.")
    root: Matrix = Field(description="L lists.")
    turns: list[list[Matrix]] = Field(
        description="For each category and each of its slopes what is taken out of it, by level: of the constant and of earlier slopes."
    )
    shift: list[Finite] = Field(description="P: what is taken out of the columns in all rows.")
    levels: Matrix = Field(description="L lists of P: what is taken out of them for each level.")
    left_out: list[bool] = Field(description="P: columns that are aliased.")
    curvature: Finite = Field(gt=0)
    robust: CovarianceRecord | None = Field(
        description="Of the P columns and of each level's part, for standard errors that are not classical; null where there is none."
    )
    without: str = Field(description="Why there is none.")

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        size, columns = len(self.diagonal), len(self.shift)
        if len(self.root) != size or len(self.levels) != size or len({len(row) for row in self.root}) > 1:
            raise ModelFileError(f"root and levels should hold as many lists as there are numbers in diagonal, {size}")
        if len(self.left_out) != columns or any(len(row) != columns for row in self.levels):
            raise ModelFileError(f"left_out and each list of levels should hold as many as shift, {columns}")
        return self


def describe_errors(absorbed: AbsorbedLevels) -> dict[str, Any] | None:
    """For the model file; None where there is nothing, or too much."""
    held = absorbed.errors
    if held is None or len(held.form.diagonal) * (held.form.root.shape[1] + len(held.left_out) + 1) > MOST_NUMBERS:
        return None
    assert held.taken.levels is not None
    numbers: list[Any] = [held.form.diagonal, held.form.root, held.taken.levels, held.taken.shift]
    if not all(np.isfinite(own).all() for own in numbers):
        return None
    return {
        "diagonal": held.form.diagonal.tolist(),
        "root": held.form.root.tolist(),
        "turns": [[own.tolist() for own in each] for each in held.form.columns.turns],
        "shift": held.taken.shift.tolist(),
        "levels": held.taken.levels.tolist(),
        "left_out": held.left_out.tolist(),
        "curvature": float(held.curvature),
        "robust": None if held.robust is None else describe_covariance(held.robust),
        "without": held.without,
    }


def read_errors(record: LevelErrorsRecord, categories: tuple[AbsorbedCategory, ...]) -> LevelErrors:
    """What ``describe_errors`` wrote. Raises ModelFileError for levels that are not as many as the categories have."""
    from gradline.linalg.level_columns import Category, LevelColumns, Taken
    from gradline.linalg.level_form import LevelForm
    from gradline.model.level_errors import LevelErrors

    wrong = ModelFileError("the errors of absorbed levels should be of as many levels and slopes as the categories have")
    if len(categories) != len(record.turns):
        raise wrong
    sizes = [Category(len(own.levels), len(own.slopes), own.constant) for own in categories]
    total = sum(own.n_columns for own in sizes)
    if len(record.diagonal) != total:
        raise wrong
    try:
        turns = tuple(
            tuple(np.array(own, dtype=np.float64).reshape(size.size, int(size.constant) + j) for j, own in enumerate(given))
            for size, given in zip(sizes, record.turns, strict=True)
        )
        if [len(own) for own in turns] != [size.slopes for size in sizes]:
            raise wrong
        root = np.array(record.root, dtype=np.float64).reshape(total, -1)
    except ValueError:
        raise wrong from None
    # Of a slope that is the same in all rows of a level, nothing is left in the form.
    flat = tuple(tuple(np.zeros(size.size, dtype=np.bool_) for _ in own) for size, own in zip(sizes, turns, strict=True))
    columns = LevelColumns(tuple(sizes), turns, flat)
    form = LevelForm(columns, np.array(record.diagonal, dtype=np.float64), root)
    shift = np.array(record.shift, dtype=np.float64)
    taken = Taken(columns, shift, np.array(record.levels, dtype=np.float64).reshape(total, len(shift)))
    size = len(shift) + form.width
    robust = None
    if record.robust is not None:
        if len(record.robust.factor) != size or len(record.robust.estimated) != size:
            raise ModelFileError(f"the covariance of absorbed levels should have {size} rows")
        robust = read_covariance(record.robust, (size, 1))
    return LevelErrors(form, taken, np.array(record.left_out, dtype=np.bool_), record.curvature, robust, record.without)
