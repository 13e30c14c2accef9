"""Pictures of diagnostics: what they draw equals statsmodels' numbers, and they draw nothing that means nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm
from seen import boxes, drawn, holds, pixels, words
from statsmodels.graphics.regressionplots import plot_partregress

import gradline as gl
from gradline.plot.smooth import lowess

PICTURES = [gl.plot.residuals, gl.plot.scale_location, gl.plot.quantiles, gl.plot.leverage]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = 1 + x @ [1, -2, 0.5] + rng.normal(size=120) * (1 + 0.5 * x[:, 0] ** 2)
    y[7] += 12
    return x, y


@pytest.fixture(scope="module")
def squares(data):
    x, y = data
    return gl.fit(x, y), sm.OLS(y, sm.add_constant(x)).fit()


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 2))
    y = rng.poisson(np.exp(0.4 + x @ [0.5, -0.3])).astype(float)
    return x, y, gl.fit(x, y, loss="poisson"), sm.GLM(y, sm.add_constant(x), sm.families.Poisson()).fit(tol=1e-12)


def cloud(ax):
    """The points (m, 2) of the rows."""
    return np.asarray(next(one for one in ax.collections if one.get_label() == "_rows").get_offsets())


def sorted_points(points):
    return points[np.lexsort(points.T)]


@pytest.mark.parametrize("robust", [0, 3])
def test_the_smooth_line_is_lowess(robust):
    rng = np.random.default_rng(2)
    x = rng.normal(size=150)
    y = np.sin(x) + 0.3 * rng.standard_t(2, size=150)
    expected = sm.nonparametric.lowess(y, x, frac=2 / 3, it=robust)
    at, height = lowess(x, y, robust=robust)
    assert np.allclose(np.column_stack([at, height]), expected, atol=1e-10)


def test_residuals_against_fitted_values_with_their_trend(data, squares):
    fit, reference = squares
    ax = gl.plot.residuals(fit, *data)
    assert np.allclose(cloud(ax), np.column_stack([reference.fittedvalues, reference.resid]))
    expected = sm.nonparametric.lowess(reference.resid, reference.fittedvalues, frac=2 / 3, it=3)
    assert np.allclose(drawn(ax, "trend"), expected, atol=1e-8)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted y", "residual of y")
    assert "row 7" in words(ax)


def test_weighted_residuals_are_times_the_root_of_the_weight(data):
    x, y = data
    weights = np.linspace(0.5, 2, 120)
    ax = gl.plot.residuals(gl.fit(x, y, weights=weights), x, y, weights=weights)
    reference = sm.WLS(y, sm.add_constant(x), weights=weights).fit()
    assert np.allclose(cloud(ax), np.column_stack([reference.fittedvalues, reference.wresid]))
    assert ax.get_ylabel() == "weighted residual of y"


def test_the_quantile_picture_has_the_points_of_statsmodels(data, squares):
    fit, reference = squares
    ax = gl.plot.quantiles(fit, *data)
    studentised = reference.get_influence().resid_studentized_internal
    expected = sm.ProbPlot(studentised, a=0.5)
    assert np.allclose(cloud(ax), np.column_stack([expected.theoretical_quantiles, np.sort(studentised)]), atol=1e-10)
    line = drawn(ax, "_line")
    assert np.array_equal(line[:, 0], line[:, 1])
    assert "standardised residual of y" in words(ax)


def test_the_band_holds_order_statistics_as_often_as_it_says(data, squares):
    ax = gl.plot.quantiles(squares[0], *data)
    band = next(one for one in ax.collections if one.get_label() == "_band")
    corners = band.get_paths()[0].vertices
    rng = np.random.default_rng(3)
    largest = np.sort(rng.normal(size=(4000, 120)), axis=1)[:, -1]
    at_end = corners[np.isclose(corners[:, 0], norm.ppf(119.5 / 120)), 1]
    assert np.mean((largest > at_end.min()) & (largest < at_end.max())) == pytest.approx(0.95, abs=0.012)


def test_frequencies_take_the_places_of_as_many_rows(data):
    x, y = data
    frequencies = np.arange(120) % 3 + 1
    ax = gl.plot.quantiles(gl.fit(x, y, frequencies=frequencies), x, y, frequencies=frequencies)
    order = np.argsort(cloud(ax)[:, 1], kind="stable")
    residuals = gl.fit(x, y, frequencies=frequencies).diagnose(x, y, frequencies=frequencies).standardised
    counts = frequencies[np.argsort(residuals)]
    assert np.allclose(norm.cdf(cloud(ax)[order, 0]), (np.cumsum(counts) - counts / 2) / counts.sum())


def test_spread_draws_roots_of_standardised_residuals(data, squares):
    fit, reference = squares
    ax = gl.plot.scale_location(fit, *data)
    studentised = reference.get_influence().resid_studentized_internal
    assert np.allclose(cloud(ax), np.column_stack([reference.fittedvalues, np.sqrt(np.abs(studentised))]))
    assert ax.get_ylabel() == "√|standardised residual|"


def test_leverage_with_contours_of_cooks_distance(data, squares):
    fit, reference = squares
    ax = gl.plot.leverage(fit, *data)
    influence = reference.get_influence()
    assert np.allclose(cloud(ax), np.column_stack([influence.hat_matrix_diag, influence.resid_studentized_internal]))
    worst = np.argsort(-influence.cooks_distance[0])[:3]
    assert all(f"row {row}" in words(ax) for row in worst)
    # Where Cook's distance is 0.5, r^2 h / (p (1 - h)) is.
    x = np.random.default_rng(4).normal(size=(20, 1))
    y = x[:, 0] + 0.5 * x[:, 0] ** 2
    line = drawn(gl.plot.leverage(gl.fit(x, y), x, y), "Cook's distance 0.5")
    assert np.allclose(line[:, 1] ** 2 * line[:, 0] / (2 * (1 - line[:, 0])), 0.5)


def test_leverage_of_counts_is_that_of_the_glm(counts):
    x, y, fit, reference = counts
    influence = reference.get_influence(observed=False)
    expected = np.column_stack([influence.hat_matrix_diag, influence.resid_studentized])
    assert np.allclose(cloud(gl.plot.leverage(fit, x, y)), expected, rtol=1e-6)


def test_counts_get_quantile_residuals_on_the_scale_of_the_linear_predictor(counts):
    x, y, fit, reference = counts
    ax = gl.plot.residuals(fit, x, y)
    points = cloud(ax)
    assert np.allclose(points[:, 0], np.log(reference.fittedvalues), rtol=1e-6)
    from scipy.stats import poisson

    mean = reference.fittedvalues
    low, high = norm.ppf(poisson.cdf(y - 1, mean)), norm.ppf(poisson.cdf(y, mean))
    assert ((low - 1e-6 <= points[:, 1]) & (points[:, 1] <= high + 1e-6)).all()
    assert ax.get_ylabel() == "randomised quantile residual of y"
    assert ax.get_xlabel() == "predicted log mean of y"
    assert np.array_equal(cloud(gl.plot.residuals(fit, x, y)), points)  # the same draw every time


def test_rates_and_weighted_counts_get_pearson_residuals(counts):
    x, y, *_ = counts
    fit = gl.fit(x, y / 3, loss="poisson")
    assert gl.plot.residuals(fit, x, y / 3).get_ylabel() == "Pearson residual of y"
    assert np.allclose(cloud(gl.plot.residuals(fit, x, y / 3))[:, 1], fit.diagnose(x, y / 3).standardised)


def test_a_quantile_s_trend_is_a_quantile(data):
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, size=2000)
    y = x + rng.normal(size=2000)
    fit = gl.fit(x, y, loss=gl.losses.quantile(0.9))
    ax = gl.plot.residuals(fit, x, y)
    # Nine in ten residuals lie below zero, so that a line through their mean would be near -1.28.
    assert cloud(ax)[:, 1].mean() < -1.1
    assert np.abs(drawn(ax, "trend")[3:-3, 1]).max() < 0.3


def test_a_loss_of_one_s_own_has_pictures_too(data):
    def late(y, prediction):
        import tensorflow as tf

        return tf.where(y > prediction, 3.0 * tf.square(y - prediction), tf.square(y - prediction))

    x, y = data
    fit = gl.fit(x, y, loss=late)
    ax = gl.plot.residuals(fit, x, y)
    assert np.allclose(cloud(ax)[:, 1], y - fit.predict(x))
    assert "assumes no distribution" in words(gl.plot.quantiles(fit, x, y))
    assert gl.plot.leverage(fit, x, y).get_ylabel() == "Cook's distance"


def test_partial_regressions_are_those_of_statsmodels(data, squares):
    x, y = data
    axes = gl.plot.partial_regression(squares[0], x, y)
    for j, ax in enumerate(axes.ravel()):
        others = sm.add_constant(np.delete(x, j, axis=1))
        _, (across, upwards) = plot_partregress(y, x[:, j], others, ret_coords=True)
        assert np.allclose(cloud(ax), np.column_stack([across, upwards]), atol=1e-10)
        line = drawn(ax, f"slope {gl.plot.style.number(squares[1].params[j + 1])}")
        assert np.allclose(line[:, 1], squares[1].params[j + 1] * line[:, 0])
        assert (ax.get_xlabel(), ax.get_ylabel()) == (f"x{j + 1} | others", "y | others")


@pytest.mark.parametrize("kind", ["weighted", "poisson", "logistic", "own"])
def test_the_weighted_slope_of_a_partial_regression_is_the_coefficient(data, counts, kind):
    from gradline.plot.added_variable import partial_residuals
    from gradline.plot.subject import diagnosed

    def late(y, prediction):
        import tensorflow as tf

        return tf.where(y > prediction, 3.0 * tf.square(y - prediction), tf.square(y - prediction))

    x, y = data if kind in ("weighted", "own") else counts[:2]
    more = {"weights": np.linspace(0.5, 2, 120)} if kind == "weighted" else {}
    y = (y > 1).astype(float) if kind == "logistic" else y
    fit = gl.fit(x, y, loss={"weighted": "squared", "own": late}.get(kind, kind), **more)
    across, upwards, weights, _ = partial_residuals(diagnosed(fit, x, y, more), [1, 2])
    for j in (0, 1):
        slope = np.sum(weights * across[:, j] * upwards[:, j]) / np.sum(weights * across[:, j] ** 2)
        assert slope == pytest.approx(fit.coefficients[j + 1], rel=1e-6)
    if kind == "weighted":
        others = sm.WLS(x[:, 0], sm.add_constant(x[:, 1:]), weights=more["weights"]).fit()
        assert np.allclose(across[:, 0], others.resid)


def test_coefficients_have_their_intervals(data):
    fit = gl.fit(*data, covariance="HC3")
    ax = gl.plot.coefficients(fit, level=0.9)
    lines = next(one for one in ax.collections if one.get_label() == "_interval").get_segments()
    expected = fit.interval(0.9)
    assert np.allclose([segment[:, 0] for segment in lines], np.column_stack([expected.lower, expected.upper]))
    assert "90% intervals" in words(ax)
    scaled = gl.plot.coefficients(fit, in_standard_errors=True, intercept=False)
    assert np.allclose(drawn(scaled, "fitted")[:, 0], fit.statistics[1:])
    assert [label.get_text() for label in scaled.get_yticklabels()] == ["x1", "x2", "x3"]


def test_the_panel_draws_all_four_from_one_pass(data, squares):
    axes = gl.plot.diagnostics(squares[0], *data)
    assert axes.shape == (2, 2)
    assert [ax.get_title("left") for ax in axes.ravel()] == ["Residuals", "Quantiles", "Spread", "Influence"]
    for picture, ax in zip([gl.plot.residuals, gl.plot.quantiles, gl.plot.scale_location, gl.plot.leverage], axes.ravel(), strict=True):
        assert np.array_equal(cloud(ax), cloud(picture(squares[0], *data)))


def test_every_picture_draws_where_it_is_told(data, squares):
    figure, axes = plt.subplots(2, 3)
    for picture, ax in zip([*PICTURES, gl.plot.calibration], axes.ravel(), strict=False):
        assert picture(squares[0], *data, ax=ax) is ax
    assert gl.plot.partial_regression(squares[0], *data, columns="x2", ax=axes[1, 2]) is axes[1, 2]
    figure.canvas.draw()
    assert plt.get_fignums() == [figure.number]


def test_several_targets_have_a_panel_each(data):
    x, y = data
    both = np.column_stack([y, -y + x[:, 0]])
    fit = gl.fit(x, both)
    axes = gl.plot.residuals(fit, x, both)
    assert axes.shape == (1, 2)
    assert np.allclose(cloud(axes[0, 1])[:, 1], both[:, 1] - fit.predict(x)[:, 1])
    assert gl.plot.leverage(fit, x, both).get_ylabel() == "Cook's distance"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(6)
    x = rng.normal(size=20_000)
    y = 2 * x + rng.standard_t(4, size=20_000)
    path = tmp_path_factory.mktemp("large") / "rows.parquet"
    pq.write_table(pa.table({"x": x, "y": y}), path)
    return x, y, path


def test_large_data_is_sampled_with_its_extremes_and_says_so(large):
    x, y, _ = large
    fit = gl.fit(x, y)
    ax = gl.plot.residuals(fit, x, y)
    points, residuals = cloud(ax), y - fit.predict(x)
    assert 5000 < len(points) <= 5030
    assert "5,000 of 20,000 rows drawn, and the extremes" in words(ax)
    assert set(np.round(np.sort(residuals)[-10:], 9)) <= set(np.round(points[:, 1], 9))
    assert f"row {np.abs(residuals).argmax():,}" in words(ax)
    # The ends of the quantile picture are where they are among all rows.
    ends = cloud(gl.plot.quantiles(fit, x, y))
    standardised = np.sort(fit.diagnose(x, y).standardised)
    assert np.allclose(ends[-10:], np.column_stack([norm.ppf((np.arange(19_990, 20_000) + 0.5) / 20_000), standardised[-10:]]))


@pytest.mark.parametrize("picture", PICTURES)
def test_a_table_read_again_and_again_gives_the_same_picture(large, picture, monkeypatch):
    import gradline.preparing.from_table

    x, y, path = large
    expected = cloud(picture(gl.fit(x, y), x, y))
    monkeypatch.setattr(gradline.preparing.from_table, "MOST_HELD", 1000)
    fit = gl.fit("y ~ x", path)
    found = picture(fit, path)
    assert np.allclose(sorted_points(cloud(found)), sorted_points(expected), rtol=1e-6, atol=1e-8)


def test_rows_are_numbered_as_in_the_table(data):
    x, y = data
    table = {"a": x[:, 0].copy(), "b": x[:, 1], "y": y}
    table["a"][[0, 3, 50]] = np.nan
    ax = gl.plot.residuals(gl.fit("y ~ a + b", table), table)
    assert "row 7" in words(ax)
    assert "3 rows left out" in words(ax)


def test_rows_that_are_not_the_fit_s_are_drawn_without_what_is_of_the_fit(data, squares):
    x, y = data
    rng = np.random.default_rng(8)
    new_x = rng.normal(size=(60, 3))
    new_y = rng.normal(size=60)
    fit = squares[0]
    assert np.allclose(cloud(gl.plot.residuals(fit, new_x, new_y))[:, 1], new_y - fit.predict(new_x))
    scale = np.sqrt(squares[1].scale)
    fit = gl.fit(x, y, covariance="default")
    assert np.allclose(np.sort(cloud(gl.plot.quantiles(fit, new_x, new_y))[:, 1]), np.sort(new_y - fit.predict(new_x)) / scale)
    for picture in (gl.plot.leverage, gl.plot.partial_regression, gl.plot.diagnostics):
        with pytest.raises(ValueError, match="of the rows a model was fitted to, and these are others"):
            picture(fit, new_x, new_y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, x, y: gl.plot.residuals(gl.fit(x, np.arange(120) % 3, loss="multinomial"), x, np.arange(120) % 3), "no residual of one"),
        (lambda f, x, y: gl.plot.partial_regression(f, x, y, columns="z"), "'z' is no column of the model; its columns are x1, x2, x3"),
        (lambda f, x, y: gl.plot.partial_regression(gl.fit(x, y, loss=gl.losses.huber(0.5)), x, y), "has none in some rows"),
        (lambda f, x, y: gl.plot.partial_regression(gl.fit(x, y, loss="absolute"), x, y), "has kinks"),
        (lambda f, x, y: gl.plot.partial_regression(gl.fit(x, y, loss="normal"), x, y), "of one linear predictor, and this model has 2"),
        (lambda f, x, y: gl.plot.partial_regression(gl.fit(x, y, penalty=gl.penalties.ridge(1.0)), x, y), "without a penalty"),
        (lambda f, x, y: gl.plot.residuals(f, x[:, :2], y), "2 columns"),
        (lambda f, x, y: gl.plot.leverage(gl.fit(x[:4], y[:4]), x[:4], y[:4]), "every row has leverage 1"),
        (lambda f, x, y: gl.plot.residuals(f, gl.fit(x, y + 1).diagnose(x, y + 1)), "of another fit"),
        (lambda f, x, y: gl.plot.diagnostics(gl.fit(x, x), x, x), "of one target"),
        (lambda f, x, y: gl.plot.coefficients(f, level=1.5), "level"),
    ],
)
def test_what_cannot_be_drawn_is_said(data, squares, call, message):
    with pytest.raises(ValueError, match=message):
        call(gl.fit(*data, covariance="default"), *data)


def test_the_remark_about_intervals_leaves_the_names_of_narrow_panels_alone():
    rng = np.random.default_rng(2)
    fit = gl.fit(rng.normal(size=(300, 2)), rng.integers(0, 5, 300), loss=gl.losses.multinomial(5))
    axes = np.ravel(gl.plot.coefficients(fit))
    assert [ax.get_title("right") for ax in axes] == [""] * 4
    assert [ax.get_title("left") for ax in axes] == ["class_1", "class_2", "class_3", "class_4"]
    assert axes[-1].get_xlabel() == "coefficient\n95% intervals"


def skewed(seed, n):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, np.exp(x @ [0.5, 0.5] + 0.6 * rng.normal(size=n))


@pytest.mark.parametrize("picture", ["residuals", "scale_location", "quantiles", "leverage"])
@pytest.mark.parametrize(("seed", "n"), [(102, 6000), (103, 25), (101, 300), (7, 12)])
def test_the_number_of_a_row_hides_no_named_point_and_no_other_number(picture, seed, n):
    x, y = skewed(seed, n)
    ax = plt.subplots(figsize=(5.2, 3.4), layout="constrained")[1]
    getattr(gl.plot, picture)(gl.fit(x, y), x, y, ax=ax)
    placed = [(text, box) for text, box in boxes(ax) if text.startswith("row ")]
    assert len(placed) == 3
    named = pixels(ax, drawn(ax, "_named"))
    frame = ax.get_window_extent().extents
    for i, (text, box) in enumerate(placed):
        assert holds(box, named) == 0, text
        assert (box[:2] >= frame[:2] - 1).all(), text
        assert (box[2:] <= frame[2:] + 1).all(), text
        for other, its in placed[:i]:
            assert (np.minimum(box[2:], its[2:]) <= np.maximum(box[:2], its[:2])).any(), (text, other)


@pytest.mark.parametrize(("seed", "n", "moved"), [(103, 25, False), (101, 300, False), (104, 100, True)])
def test_cooks_distances_are_named_outside_of_the_points(seed, n, moved):
    x, y = skewed(seed, n)
    if moved:
        x[3], y[3], x[4], y[4] = 9, -30, [9, 8.8], 30
    fit = gl.fit(x, y)
    ax = gl.plot.leverage(fit, x, y)
    assert ax.get_legend() is None
    right = ax.get_xlim()[1]
    named = {text: box for text, box in boxes(ax) if text.startswith("Cook's")}
    assert named.keys() == {"Cook's 0.5", "Cook's 1"}
    heights = []
    for text, box in named.items():
        assert box[0] > ax.get_window_extent().x1
        assert box[2] <= ax.figure.bbox.x1
        # r^2 h / (p (1 - h)) is the distance where the line meets the edge.
        expected = np.sqrt(float(text.split()[1]) * 3 * (1 - right) / right)
        height = ax.transData.inverted().transform([0, 0.5 * (box[1] + box[3])])[1]
        heights.append((height, expected))
    assert heights[0][0] == pytest.approx(heights[0][1], abs=0.02 * np.ptp(ax.get_ylim()))
    assert heights[1][0] >= heights[0][0]
    (first, second) = named.values()
    assert second[1] > first[1] + 0.9 * (first[3] - first[1])
