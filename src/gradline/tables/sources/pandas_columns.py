"""Columns of pandas that Arrow has no type for: intervals, as pd.cut makes them, and periods."""

from __future__ import annotations

from typing import Any


def with_plain_columns(frame: Any) -> Any:
    """The frame, its intervals and periods as categories of what they are written as, such as "(0, 10]" and "2026-01", in their own order.

    The frame itself where it has none.
    """
    import pandas as pd

    own = (pd.IntervalDtype, pd.PeriodDtype)
    changed = {}
    for j, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, own):
            changed[j] = _written(pd.Categorical(frame.iloc[:, j]))
        elif isinstance(dtype, pd.CategoricalDtype) and isinstance(dtype.categories.dtype, own):
            changed[j] = _written(frame.iloc[:, j].array)
    if not changed:
        return frame
    columns = [pd.Series(changed[j], index=frame.index) if j in changed else frame.iloc[:, j] for j in range(frame.shape[1])]
    plain = pd.concat(columns, axis=1)
    plain.columns = frame.columns
    return plain


def _written(categories: Any) -> Any:
    return categories.rename_categories([str(level) for level in categories.categories])
