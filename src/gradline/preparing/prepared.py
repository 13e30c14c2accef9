"""What both ways into a fit, arrays and tables, hand to the solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.losses.protocol import Loss
from gradline.rows.protocol import Rows

if TYPE_CHECKING:
    from gradline.formulas.encoder import Encoder
    from gradline.preparing.table_clusters import ClusterColumns

Mask = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Prepared:
    """Rows and a loss that go together.

    names (P), the intercept first where there is one; target_names (q). used: rows that count; dropped: rows left out, by reason. named:
    whether the data named its columns. encoder: the formula with what it learned, for tables. mask (P, k): which coefficients the formula
    of each linear predictor has; None for all. streamed: the table's name where its rows are read anew at each pass, else empty. notes:
    what the user should be told. beside: what came beside columns and targets, "weights" and the like: the name of the table's column, None
    for an array. fingerprint: of the rows, where a pass has found it already. clusters: the columns that ``groups=`` names.
    """

    rows: Rows
    loss: Loss
    names: tuple[str, ...]
    target_names: tuple[str, ...]
    used: int
    dropped: dict[str, int]
    named: bool
    weighted: bool
    encoder: Encoder | None = None
    mask: Mask | None = None
    streamed: str = ""
    notes: tuple[str, ...] = field(default=())
    row_columns: Mapping[str, str | None] = field(default_factory=dict)
    fingerprint: int | None = None
    clusters: ClusterColumns | None = None


def without_idle_targets(y: Array, weights: Array | None, frequencies: Array | None) -> Array:
    """y with something harmless where a row counts for nothing: a row of weight zero equals the row left out, whatever it holds."""
    idle = idle_rows(weights, frequencies)
    if idle is None or not idle.any():
        return y
    if idle.all():
        raise ArgumentError("weights times frequencies is zero in every row; at least one row must count")
    return np.where(idle[:, None], y[np.flatnonzero(~idle)[0]], y)


def idle_rows(weights: Array | None, frequencies: Array | None) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
    """Where a weight is zero, (m,); None where there are no weights."""
    given = [held == 0 for held in (weights, frequencies) if held is not None]
    return np.logical_or.reduce(given) if given else None
