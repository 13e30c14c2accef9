"""Intervals of constrained fits hold the truth as often as they promise, at the boundary and inside."""

import constrained_study as study
import pytest


@pytest.mark.parametrize("where", study.TRUTHS)
def test_at_a_glance(where):
    """40 replications: three standard errors below 95% are 85%."""
    shares, widths, _ = study.coverage("squared", study.TRUTHS[where], "intersection", 40, 1)
    assert shares.mean() >= 0.85
    assert (widths <= 1.0 + 1e-9).all()


@pytest.mark.study
@pytest.mark.parametrize("loss", study.LOSSES)
@pytest.mark.parametrize("where", study.TRUTHS)
def test_the_default_covers(loss, where):
    found = study.coverage(loss, study.TRUTHS[where], "intersection", study.REPLICATIONS, study.SEED)
    print(study.line(loss, where, "intersection", found))
    assert found[0].min() >= 0.935
    assert (found[1] <= 1.0 + 1e-9).all()
