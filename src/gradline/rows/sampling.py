"""Which rows a sample takes."""

from __future__ import annotations

import numpy as np

from gradline.base.types import IntArray


def spread_rows(total: int, count: int, seed: int) -> IntArray:
    """``count`` random row numbers of ``total``, rising: one from each of as many equal stretches, so that none of the data is missed."""
    places = (np.arange(count) + np.random.default_rng(seed).random(count)) * (total / count)
    return np.minimum(places.astype(np.int64), total - 1)
