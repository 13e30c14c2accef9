"""Calibration: bins by hand, intervals against statsmodels."""

import numpy as np
import pytest
import scipy.stats as st
from seen import words
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.rates import confint_poisson

import gradline as gl


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(1000, 2))


def dots(ax):
    """(predicted, observed, lower, upper) of each bin, (b, 4)."""
    (container,) = ax.containers
    line, _, (bars,) = container.lines
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    return np.column_stack([line.get_xdata(), line.get_ydata(), ends])


def by_hand(predicted, observed, bins=10):
    """Rows of each bin of equal size."""
    place = np.searchsorted(np.quantile(predicted, np.arange(1, bins) / bins), predicted)
    return [np.flatnonzero(place == i) for i in range(bins)]


def test_means_of_measurements_with_their_intervals(x):
    y = 1 + x @ [1, -1] + np.random.default_rng(1).normal(size=1000)
    fit = gl.fit(x, y)
    found = dots(gl.plot.calibration(fit, x, y, level=0.9))
    predicted = fit.predict(x)
    for dot, rows in zip(found, by_hand(predicted, y), strict=True):
        residuals = y[rows] - predicted[rows]
        interval = st.t.interval(0.9, len(rows) - 1, loc=y[rows].mean(), scale=residuals.std(ddof=1) / np.sqrt(len(rows)))
        assert np.allclose(dot, [predicted[rows].mean(), y[rows].mean(), *interval])


def test_shares_of_labels_with_wilson_s_intervals(x):
    y = np.random.default_rng(2).binomial(1, 1 / (1 + np.exp(-x @ [1, -1]))).astype(float)
    fit = gl.fit(x, y, loss="logistic")
    ax = gl.plot.calibration(fit, x, y, bins=5)
    predicted = fit.predict(x)
    for dot, rows in zip(dots(ax), by_hand(predicted, y, 5), strict=True):
        interval = proportion_confint(y[rows].sum(), len(rows), alpha=0.05, method="wilson")
        assert np.allclose(dot, [predicted[rows].mean(), y[rows].mean(), *interval])
    assert ax.get_xlabel() == "predicted P(y = 1)"
    assert "200 rows per dot, 95% intervals" in words(ax)


def test_means_of_counts_with_exact_poisson_intervals(x):
    y = np.random.default_rng(3).poisson(np.exp(-1 + x @ [0.5, -0.5])).astype(float)
    fit = gl.fit(x, y, loss="poisson")
    predicted = fit.predict(x)
    for dot, rows in zip(dots(gl.plot.calibration(fit, x, y)), by_hand(predicted, y), strict=True):
        interval = confint_poisson(y[rows].sum(), len(rows), method="exact-c")
        assert np.allclose(dot, [predicted[rows].mean(), y[rows].mean(), *interval])


def test_the_share_below_a_quantile_is_held_against_its_level(x):
    y = x @ [1, -1] + np.random.default_rng(4).normal(size=1000)
    fit = gl.fit(x, y, loss=gl.losses.quantile(0.8))
    ax = gl.plot.calibration(fit, x, y)
    predicted = fit.predict(x)
    for dot, rows in zip(dots(ax), by_hand(predicted, y), strict=True):
        assert dot[1] == np.mean(y[rows] <= predicted[rows])
    assert "level 0.8" in words(ax)
    assert gl.plot.calibration(gl.fit(x, y, loss="absolute"), x, y).get_xlabel() == "predicted 0.5 quantile of y"


def test_each_class_has_a_panel(x):
    y = np.random.default_rng(5).integers(0, 3, size=1000).astype(float)
    fit = gl.fit(x, y, loss="multinomial")
    axes = gl.plot.calibration(fit, x, y)
    assert axes.shape == (1, 3)
    predicted = fit.predict(x)[:, 2]
    for dot, rows in zip(dots(axes[0, 2]), by_hand(predicted, y), strict=True):
        assert np.allclose(dot[:2], [predicted[rows].mean(), np.mean(y[rows] == 2)])


def test_weights_and_frequencies_count(x):
    y = x @ [1, -1] + np.random.default_rng(6).normal(size=1000)
    frequencies = np.random.default_rng(7).integers(0, 3, size=1000)
    fit = gl.fit(x, y, frequencies=frequencies)
    repeated = np.repeat(np.arange(1000), frequencies)
    found = gl.plot.calibration(fit, x, y, frequencies=frequencies, bins=4)
    again = dots(gl.plot.calibration(gl.fit(x[repeated], y[repeated]), x[repeated], y[repeated], bins=4))
    # Edges of bins are those of the rows without their frequencies, so that only the middle of things is alike.
    assert np.allclose(dots(found)[:, 1], again[:, 1], atol=0.12)
    weights = np.linspace(0.1, 3, 1000)
    fit = gl.fit(x, y, weights=weights)
    predicted = fit.predict(x)
    for dot, rows in zip(dots(gl.plot.calibration(fit, x, y, weights=weights)), by_hand(predicted, y), strict=True):
        assert np.allclose(dot[1], np.average(y[rows], weights=weights[rows]))


def test_every_row_of_a_large_table_is_counted(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    import gradline.preparing.from_table

    rng = np.random.default_rng(8)
    x = rng.normal(size=60_000)
    y = x + rng.normal(size=60_000)
    pq.write_table(pa.table({"x": x, "y": y}), tmp_path / "rows.parquet")
    monkeypatch.setattr(gradline.preparing.from_table, "MOST_HELD", 1000)
    fit = gl.fit("y ~ x", tmp_path / "rows.parquet")
    ax = gl.plot.calibration(fit, tmp_path / "rows.parquet")
    fewest, most = (int(part.replace(",", "")) for part in words(ax).split(" rows per dot")[0].split(" | ")[-1].split(" to "))
    assert 5_000 < fewest < 6_000 < most < 7_000
    found = dots(ax)
    assert (np.abs(found[:, 1] - found[:, 0]) < 0.06).all()
    assert (found[:, 3] - found[:, 2] < 0.07).all()


@pytest.mark.parametrize(
    ("loss", "more", "message"),
    [
        (gl.losses.huber(1.0), {}, "aims neither at the mean nor at a quantile"),
        ("squared", {"bins": 1}, "bins must be a whole number from 2 up, not 1"),
        ("squared", {"level": 95}, "level"),
    ],
)
def test_what_cannot_be_calibrated_is_said(x, loss, more, message):
    y = x @ [1, -1] + np.random.default_rng(9).normal(size=1000)
    with pytest.raises(ValueError, match=message):
        gl.plot.calibration(gl.fit(x, y, loss=loss), x, y, **more)
