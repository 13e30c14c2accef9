"""The picture of a fitted formula over some of a table's rows."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradline.plot import style
from gradline.predicting import encoder_of, predict_table
from gradline.prediction_outputs import points
from gradline.rows.tables import Table, open_table

if TYPE_CHECKING:
    from gradline.result import Fit

CURVE_POINTS = 300


def draw_table(fitted: Fit, table: Table, out: Path) -> None:
    """Write the picture, whole or not at all. Raises ValueError where predictions and targets cannot share an axis."""
    encoder = encoder_of(fitted)
    table.check_columns(encoder.columns)
    rows = table.sample(style.MAX_POINTS, 0, encoder.columns)
    if not rows.num_rows:
        raise ValueError(f"{table.name} has no rows; there is nothing to draw")
    missing = np.zeros(rows.num_rows, dtype=np.bool_)
    observed, first = np.full((rows.num_rows, len(fitted.target_names)), np.nan), 0
    for batch in rows.to_batches():
        gone, _ = encoder.missing(batch)
        places = np.flatnonzero(~gone)
        missing[first : first + batch.num_rows] = gone
        if len(places):
            kept = batch.filter(_mask(~gone))
            observed[first + places] = encoder.target(kept, first)
        first += batch.num_rows
    if missing.all():
        raise ValueError(f"no row of {table.name} is complete: each misses a value, so there is nothing to draw")
    predicted = predict_table(fitted, encoder, rows, points(fitted, "mean"), "missing")
    q = len(fitted.target_names)
    if predicted.shape[1] != q:
        raise ValueError(f"the model predicts {predicted.shape[1]} numbers a row for {q} targets, so they cannot share an axis")
    use_screenless()
    inputs = encoder.feature_columns
    one = inputs[0] if len(inputs) == 1 and encoder.kinds[inputs[0]] == "number" else None
    axes = style.panels(None, 1, q)
    for j, panel in enumerate(axes[0]):
        name = fitted.target_names[j]
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
    _save(axes[0, 0].figure, out)


def use_screenless() -> None:
    """The command draws into files only, and must work where there is no screen."""
    import matplotlib

    matplotlib.use("Agg")


def _mask(kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> object:
    import pyarrow as pa

    return pa.Array.from_buffers(pa.bool_(), len(kept), [None, pa.py_buffer(np.packbits(kept, bitorder="little"))])


def _save(figure: object, out: Path) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{out.name}.", suffix=out.suffix, dir=out.parent)
    os.close(handle)
    try:
        figure.savefig(temporary, dpi=150, bbox_inches="tight")  # type: ignore[attr-defined]
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, out)
    except BaseException:
        os.unlink(temporary)
        raise
