"""A formula's encoder, taken apart into what rows of a table are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.types import Array
from gradline.design.dense import Design

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class FormulaDesign:
    """The design of a formula. formula: a ``gradline.formulas.Encoder``."""

    formula: Any

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the right-hand sides."""
        return tuple(self.formula.feature_columns)

    @property
    def numeric_columns(self) -> Sequence[str]:
        """None: transforms and categoricals look after their own columns."""
        return ()

    @property
    def n_columns(self) -> int:
        return int(self.formula.n_columns)

    @property
    def row_numbers(self) -> int:
        """Numbers a row of the design holds."""
        return int(self.formula.row_numbers)

    @property
    def intercept(self) -> bool:
        return bool(self.formula.intercept)

    @property
    def names(self) -> tuple[str, ...]:
        """The design columns."""
        return tuple(self.formula.names)

    def design(self, batch: pa.RecordBatch, first_row: int = 0) -> Design:
        design: Design = self.formula.design(batch, first_row)
        return design


@dataclass(frozen=True)
class FormulaTargets:
    """The left-hand side of a formula."""

    formula: Any

    @property
    def columns(self) -> Sequence[str]:
        return tuple(self.formula.columns)

    @property
    def n_values(self) -> int:
        return len(self.formula.target_names)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        return np.ascontiguousarray(self.formula.target(batch, first_row))


@dataclass(frozen=True)
class FormulaOffset:
    """The offset() terms of a formula, a column for each of its linear predictors."""

    formula: Any

    @property
    def columns(self) -> Sequence[str]:
        return tuple(self.formula.feature_columns)

    @property
    def n_values(self) -> int:
        return len(self.formula.predictors)

    def values(self, batch: pa.RecordBatch, first_row: int = 0) -> Array:
        return np.ascontiguousarray(self.formula.offset(batch, first_row))
