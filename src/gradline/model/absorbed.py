"""The levels that a fit has absorbed: how many, what they cost, and their values where rows tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import Array, IntArray
from gradline.linalg.level_columns import RowLevels

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.model.level_errors import LevelErrors

Labels = np.ndarray[tuple[int], np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class LevelValues:
    """The levels of one category with what each adds to the linear predictor.

    labels: (L,); of combined columns one array each. values (L,): the constants. slopes (L, s): the coefficients of the category's own
    slopes, if it has any. sets (L,): which connected set a level lies in: values are comparable within a set only.
    """

    name: str
    labels: tuple[Labels, ...]
    values: Array
    slopes: Array
    sets: IntArray

    def __len__(self) -> int:
        return len(self.values)

    def as_dict(self) -> dict[Any, float]:
        """The constants by label; of combined columns by the tuple of labels."""
        keys = self.labels[0].tolist() if len(self.labels) == 1 else zip(*(own.tolist() for own in self.labels), strict=True)
        return dict(zip(keys, self.values.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class AbsorbedCategory:
    """One term after ``|``. columns, slopes: of the table. levels: all there were in the rows used. degrees: the degrees of freedom that
    it takes beyond those before it."""

    name: str
    columns: tuple[str, ...]
    slopes: tuple[str, ...]
    levels: LevelValues
    degrees: int

    @property
    def constant(self) -> bool:
        """Whether each level has a constant, as all have but those of ``firm[[x]]``."""
        return not self.slopes or self.name != f"{'^'.join(self.columns)}[[{', '.join(self.slopes)}]]"

    def codes(self, batch: pa.RecordBatch, first_row: int, unseen: str) -> IntArray:
        """Each row's level, (m,); -1 where a column is missing. Raises InferenceError for a level that was not there, unless ``unseen``
        is "missing"."""
        from gradline.preparing.absorbed_columns import codes_among

        key, strange = np.zeros(batch.num_rows, dtype=np.int64), np.zeros(batch.num_rows, dtype=np.bool_)
        missing = strange.copy()
        for name, (labels, _) in zip(self.columns, self._coded, strict=True):
            found = codes_among(labels, batch.column(name))
            missing |= found == -1
            strange |= found == -2
            key = key * len(labels) + np.maximum(found, 0)
        keys, order = self._keys
        places = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        strange |= keys[places] != key
        strange &= ~missing
        if strange.any() and unseen != "missing":
            row = int(np.flatnonzero(strange)[0])
            what = " and ".join(f"{name} = {batch.column(name)[row].as_py()!r}" for name in self.columns)
            raise InferenceError(
                f"{what} (row {first_row + row}) was in no row of the fit, and its absorbed level has no value: leave such rows out, or say"
                " unseen='missing' to have NaN for them"
            )
        return np.where(missing | strange, -1, order[places])

    def slopes_of(self, batch: pa.RecordBatch) -> Array | None:
        """The values of the category's slopes, (m, s); None where it has none."""
        from gradline.tables.sources.arrow import as_numbers

        return np.stack([as_numbers(batch.column(name)) for name in self.slopes], axis=1) if self.slopes else None

    @cached_property
    def _coded(self) -> list[tuple[Labels, IntArray]]:
        """Of each column its own labels, sorted, and the levels' places among them."""
        return [np.unique(own, return_inverse=True) for own in self.levels.labels]

    @cached_property
    def _keys(self) -> tuple[IntArray, IntArray]:
        """(sorted keys of the levels, which level each is)."""
        key = np.zeros(len(self.levels), dtype=np.int64)
        for labels, codes in self._coded:
            key = key * len(labels) + codes
        order = np.argsort(key, kind="stable")
        return key[order], order


@dataclass(frozen=True, eq=False)
class AbsorbedLevels:
    """What stood after ``|`` in the formula of a fit.

    categories: in the formula's order. degrees: the degrees of freedom that all levels take. counted: those counted for the standard
    errors of clusters, among which categories nested in clusters are not. sets: of levels that rows connect. singletons, separated: rows
    left out since they alone have a level, or since their level's targets are all at the end of the loss's range. within_r_squared: the
    share explained of what the levels leave; NaN for losses other than squared. unidentified: why levels have no values of their own;
    empty where they have.
    """

    categories: tuple[AbsorbedCategory, ...]
    degrees: int
    counted: int
    sets: int
    singletons: int
    separated: int
    within_r_squared: float
    unidentified: str = ""
    errors: LevelErrors | None = None
    """How well the levels are known; None where that was not worked out, and ``without_errors`` says why."""
    without_errors: str = "the levels' own errors were not worked out"

    @property
    def columns(self) -> tuple[str, ...]:
        """What predicting needs of a table."""
        return tuple(dict.fromkeys(name for own in self.categories for name in (*own.columns, *own.slopes)))

    @property
    def names(self) -> tuple[str, ...]:
        """Such as ("firm", "year")."""
        return tuple(own.name for own in self.categories)

    def values(self, name: str | None = None) -> LevelValues:
        """The levels of one category. Raises InferenceError for an unknown name, and where rows do not tell levels apart."""
        if name is None and len(self.categories) == 1:
            name = self.categories[0].name
        found = next((own.levels for own in self.categories if own.name == name), None)
        if found is None:
            said = "name one of" if name is None else f"{name!r} was not absorbed; it can be"
            raise InferenceError(f"{said} {', '.join(map(repr, self.names))}")
        self.require_values("the levels have no values of their own")
        return found

    def require_values(self, what: str) -> None:
        """Raises InferenceError where rows do not tell levels apart."""
        if self.unidentified:
            raise InferenceError(f"{what}: {self.unidentified}")

    def of_rows(self, batch: pa.RecordBatch, first_row: int, unseen: str) -> LevelsOfRows:
        """The levels of some rows and what they add. Raises InferenceError for unknown levels, and for levels of sets that no row of the
        fit connects, unless ``unseen`` is "missing"."""
        if unseen == "reference":
            raise InferenceError("absorbed levels have no reference: unseen must be 'error' or 'missing'")
        total, sets = np.zeros(batch.num_rows), np.full(batch.num_rows, -1)
        codes, slopes = list[IntArray](), list[Array | None]()
        for own in self.categories:
            found, values = own.codes(batch, first_row, unseen), own.slopes_of(batch)
            there = np.where(found >= 0, own.levels.sets[found], -1)
            total += own.levels.values[found]
            if values is not None:
                total += np.einsum("ij,ij->i", own.levels.slopes[found], values)
            apart = (sets >= 0) & (there >= 0) & (sets != there) if self.sets > 1 else np.zeros(len(sets), dtype=np.bool_)
            if apart.any() and unseen != "missing":
                row = int(np.flatnonzero(apart)[0])
                raise InferenceError(
                    f"row {first_row + row} combines levels that no chain of the fit's rows connects, so that their sum is not known:"
                    " leave such rows out, or say unseen='missing' to have NaN for them"
                )
            total[apart | (found < 0)] = np.nan
            sets = np.where(there >= 0, there, sets)
            codes.append(np.maximum(found, 0))
            slopes.append(values)
        return LevelsOfRows(total, RowLevels(tuple(codes), tuple(slopes)))

    def require_errors(self, what: str) -> LevelErrors:
        """How well the levels are known. Raises InferenceError where that was not worked out."""
        if self.errors is None:
            raise InferenceError(f"{what}: {self.without_errors}")
        return self.errors


class LevelsOfRows(NamedTuple):
    """values (m,): what the levels add to each row's linear predictor, NaN where a level is missing or unknown. levels: the rows' own; any
    where they are missing."""

    values: Array
    levels: RowLevels

    def take(self, rows: IntArray) -> LevelsOfRows:
        """Of some of the rows."""
        slopes = tuple(None if own is None else own[rows] for own in self.levels.slopes)
        return LevelsOfRows(self.values[rows], RowLevels(tuple(own[rows] for own in self.levels.codes), slopes))
