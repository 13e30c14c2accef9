"""The pictures of the command: a fitted formula over some of a table's rows, and a path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradline.base.atomic_file import open_whole
from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.formulas.formula import Encoder, FormulaError
from gradline.model.outputs import points
from gradline.model.predict_table import check_kinds, encoder_of, predict_table
from gradline.plot import style
from gradline.tables.batches import picked
from gradline.tables.table import Table, open_table

if TYPE_CHECKING:
    import pyarrow as pa

    from gradline.api.path import Path as FittedPath
    from gradline.api.result import Fit

CURVE_POINTS = 300


def draw_table(fitted: Fit, table: Table, out: Path) -> None:
    """Write the picture, whole or not at all. Raises ValueError where predictions and targets cannot share an axis."""
    encoder = encoder_of(fitted)
    check_kinds(encoder, table, encoder.columns)
    rows = table.sample(style.MAX_POINTS, 0, encoder.columns)
    if not rows.num_rows:
        raise ArgumentError(f"{table.name} has no rows; there is nothing to draw")
    try:
        observed, missing = _observed(encoder, rows)
        observed = fitted.loss_function.observed(observed)
        if missing.all():
            raise ArgumentError(f"no row of {table.name} is complete: each misses a value, so there is nothing to draw")
        predicted = predict_table(fitted, encoder, rows, points(fitted, "mean"), "missing")
    except FormulaError:
        # A sample counts rows in its own way: the table's own number is found in the table.
        first = 0
        for batch in table.batches(encoder.columns):
            encoder.encode(batch, first, unseen="missing")
            first += batch.num_rows
        raise
    if np.isnan(predicted[~missing]).all():
        raise ArgumentError(
            f"every row of {table.name} has a level that was not there when the model was fitted, so there is nothing to draw"
        )
    q = len(fitted.observed_names)
    if predicted.shape[1] != q:
        raise ArgumentError(f"the model predicts {predicted.shape[1]} numbers per row for {q} targets, so they cannot share an axis")
    use_screenless()
    inputs = encoder.feature_columns
    one = inputs[0] if len(inputs) == 1 and encoder.kinds[inputs[0]] == "number" else None
    axes = style.panels(None, 1, q)
    for j, panel in enumerate(axes[0]):
        name = fitted.observed_names[j]
        if one is None:
            shown = ~(missing | np.isnan(predicted[:, j]))
            style.points(panel, predicted[shown, j], observed[shown, j])
            both = np.concatenate([predicted[shown, j], observed[shown, j]])
            limits = style.tidy((float(both.min()), float(both.max())))
            panel.plot(limits, limits, color=style.INK, linewidth=1.2, label="observed = predicted", zorder=3)
            style.dress(panel, f"predicted {name}", f"observed {name}")
        else:
            across = np.asarray(rows.column(one).to_pylist(), dtype=np.float64)
            style.points(panel, across[~missing], observed[~missing, j])
            grid = np.linspace(across[~missing].min(), across[~missing].max(), CURVE_POINTS)
            curve = predict_table(fitted, encoder, open_table({one: grid}), points(fitted, "mean"), "missing")
            panel.plot(grid, curve[:, j], color=style.FIT, linewidth=2.2, label="fit", zorder=4)
            style.dress(panel, one, name)
        style.legend(panel)
    with open_whole(out) as file:
        axes[0, 0].figure.savefig(file, format=out.suffix[1:].lower(), dpi=150, bbox_inches="tight")


def draw_path(found: FittedPath, out: Path) -> None:
    """Write the picture of a path, whole or not at all."""
    use_screenless()
    axes = found.plot()
    with open_whole(out) as file:
        axes[0, 0].figure.savefig(file, format=out.suffix[1:].lower(), dpi=150, bbox_inches="tight")


def _observed(encoder: Encoder, rows: pa.Table) -> tuple[Array, np.ndarray[Any, np.dtype[np.bool_]]]:
    """The targets (m, q), NaN where a row misses a value, and where that is (m,)."""
    missing = np.zeros(rows.num_rows, dtype=np.bool_)
    observed, first = np.full((rows.num_rows, len(encoder.targets)), np.nan), 0
    for batch in rows.to_batches():
        gone, _ = encoder.missing(batch)
        places = np.flatnonzero(~gone)
        missing[first : first + batch.num_rows] = gone
        if len(places):
            observed[first + places] = encoder.target(picked(batch, places), first)
        first += batch.num_rows
    return observed, missing


def use_screenless() -> None:
    """The command draws into files only, and must work where there is no screen."""
    import matplotlib

    matplotlib.use("Agg")
