"""Intervals by profiles and bootstraps hold the truth about as often as they say."""

import cover_bootstrap_study as study
import pytest


@pytest.mark.study
@pytest.mark.parametrize("cell", study.CELLS, ids=lambda cell: cell.name)
def test_cover_is_near_95(cell):
    # Four times as many as in the table of docs/effects.md: a share has a standard error of 0.006.
    shares, plain = study.coverage(cell, 4 * study.DATA_SETS, study.SEED)
    print(cell.name, shares, plain)
    # Percentiles fall a little short at a hundred rows, as theory has it.
    assert (shares >= 0.88).all()
    assert (shares <= 0.98).all()
    # On the same data sets, so that luck is shared.
    assert (shares >= plain - 0.035).all()
