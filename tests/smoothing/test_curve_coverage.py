"""How often the bands of a curve hold it: a study, run by ``make study``."""

import numpy as np
import pytest

import gradline as gl

LOSSES = {
    "squared": "squared",
    "logistic": "logistic",
    "poisson": "poisson",
    "huber": gl.losses.huber(0.5),
    "median": gl.losses.quantile(0.5),
}


def drawn(name, f, rng):
    """Targets around f, or around what f stands for in the loss."""
    n = len(f)
    return {
        "squared": lambda: f + 0.5 * rng.normal(size=n),
        "logistic": lambda: (rng.logistic(size=n) < f) * 1.0,
        "poisson": lambda: rng.poisson(np.exp(f)) * 1.0,
        "huber": lambda: f + 0.4 * rng.standard_t(2, size=n),
        "median": lambda: f + 0.4 * rng.standard_t(3, size=n),
    }[name]()


def coverage(name, n=200, replications=300, seed=0):
    """(share of places held by the pointwise band, share of curves held by the simultaneous one)."""
    rng = np.random.default_rng(seed)
    places, curves = [], []
    for _ in range(replications):
        x = np.sort(rng.uniform(size=n))
        f = np.sin(7 * x) * (2.0 if name == "logistic" else 1.0)
        band = gl.fit("y ~ s(x, k=15)", {"x": x, "y": drawn(name, f, rng)}, loss=LOSSES[name]).curve(at=x)
        true = f - f.mean()
        places.append(np.mean((band.lower <= true) & (true <= band.upper)))
        curves.append(((band.simultaneous_lower <= true) & (true <= band.simultaneous_upper)).all())
    return float(np.mean(places)), float(np.mean(curves))


@pytest.mark.study
@pytest.mark.parametrize("name", LOSSES)
def test_bands_hold_their_curve(name):
    place, curve = coverage(name)
    print(f"{name}: {place:.3f} of places, {curve:.3f} of curves")
    assert place > 0.935
    assert curve > 0.92
