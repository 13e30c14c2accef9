"""Which cluster each row belongs to: codes held for all rows, or read with each block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from gradline.base.errors import InferenceError
from gradline.base.types import IntArray
from gradline.rows.array_checks import unmasked
from gradline.rows.block import Block
from gradline.rows.protocol import Rows


class BlockGroups(Protocol):
    """What a kernel needs to know of clusters: how to find those of a block's rows. It holds no rows to read."""

    @property
    def sizes(self) -> tuple[int, ...]: ...

    def split(self, block: Block) -> tuple[Block, IntArray]:
        """(the block of the fit, codes (m, ways))."""


class Groups(Protocol):
    """Clusters, one-way or two-way. sizes: how many codes each way has, counted from 0."""

    @property
    def sizes(self) -> tuple[int, ...]: ...

    def rows(self, rows: Rows) -> Rows:
        """The rows of the fit, in blocks that ``split`` takes. Raises ValueError where labels do not go with them."""

    def changed(self, change: Callable[[Rows], Rows]) -> Groups:
        """The clusters of the same rows with their columns changed."""

    @property
    def in_blocks(self) -> BlockGroups:
        """For a kernel over the blocks of ``rows``."""


def codes_of_way(groups: BlockGroups, codes: IntArray, way: int) -> IntArray:
    """The codes (m,) of one way; of their intersection where ``way`` is beyond the two."""
    return codes[:, way] if way < len(groups.sizes) else codes[:, 0] * groups.sizes[1] + codes[:, 1]


@dataclass(frozen=True)
class HeldGroups:
    """codes (n, ways): of all rows, in order."""

    codes: IntArray

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(int(size) + 1 for size in self.codes.max(axis=0))

    def rows(self, rows: Rows) -> Rows:
        if len(self.codes) != rows.n_rows:
            raise InferenceError(f"there are {len(self.codes)} labels of clusters, but {rows.n_rows} rows")
        return rows

    def changed(self, change: Callable[[Rows], Rows]) -> HeldGroups:
        return self

    @property
    def in_blocks(self) -> HeldGroups:
        return self

    def split(self, block: Block) -> tuple[Block, IntArray]:
        return block, self.codes[block.first_row : block.first_row + block.n_rows]


@dataclass(frozen=True)
class ReadGroups:
    """Codes that come with each block, as targets after the fit's own. labelled: such rows."""

    labelled: Rows
    n_targets: int
    sizes: tuple[int, ...]

    def rows(self, rows: Rows) -> Rows:
        return self.labelled

    def changed(self, change: Callable[[Rows], Rows]) -> ReadGroups:
        return replace(self, labelled=change(self.labelled))

    @property
    def in_blocks(self) -> LastTargets:
        return LastTargets(self.n_targets, self.sizes)


@dataclass(frozen=True)
class LastTargets:
    """Codes that are the targets after the first ``n_targets``."""

    n_targets: int
    sizes: tuple[int, ...]

    def split(self, block: Block) -> tuple[Block, IntArray]:
        q = self.n_targets
        return replace(block, targets=block.targets[:, :q]), block.targets[:, q:].astype(np.int64)


def held_groups(groups: Any, n_rows: int) -> HeldGroups:
    """Labels of any type: (n,), or for two ways (n, 2), a data frame of two columns, or a pair of arrays.

    Raises ValueError for another length, a missing label, or more than two ways.
    """
    if isinstance(groups, str):
        raise InferenceError(f"groups={groups!r} names a column, but the data is arrays: give the labels themselves, one per row")
    if hasattr(groups, "columns") and np.ndim(groups) == 2:  # A data frame: each column keeps its own type.
        ways: Sequence[Any] = [np.asarray(groups[name]) for name in groups.columns]
    elif isinstance(groups, tuple | list) and groups and np.ndim(groups[0]) == 1:
        ways = [np.asarray(unmasked(way)) for way in groups]
    else:
        array = np.asarray(unmasked(groups))
        ways = [array] if array.ndim == 1 else [array[:, j] for j in range(array.shape[1])] if array.ndim == 2 else []
    if len(ways) not in (1, 2):
        raise InferenceError(f"clusters are one-way or two-way: give one or two labels per row, not an array of shape {np.shape(groups)}")
    return HeldGroups(np.stack([_codes(way, n_rows) for way in ways], axis=1))


def _codes(labels: np.ndarray[Any, Any], n_rows: int) -> IntArray:
    if labels.ndim != 1 or len(labels) != n_rows:
        raise InferenceError(f"the groups of the clusters have shape {labels.shape}, but there are {n_rows} rows: give one label per row")
    if labels.dtype.kind in "fc":
        missing = np.isnan(labels)
    elif labels.dtype.kind in "mM":
        missing = np.isnat(labels)
    elif labels.dtype.kind == "O":
        # NaN and NaT differ from themselves; pandas.NA compares to nothing at all.
        missing = np.array([label is None or type(label).__name__ == "NAType" or label != label for label in labels], dtype=np.bool_)
    else:
        missing = np.zeros(n_rows, dtype=np.bool_)
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise InferenceError(
            f"the group of row {row} is missing ({int(missing.sum())} in all): every row belongs to a cluster; leave such rows out,"
            " or give each a label of its own"
        )
    try:
        _, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        _, codes = np.unique(np.array([f"{type(label).__name__} {label}" for label in labels]), return_inverse=True)
    return np.asarray(codes.ravel(), dtype=np.int64)
