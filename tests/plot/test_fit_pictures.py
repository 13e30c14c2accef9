"""``gl.plot.fit`` over tables: curves with bands, shares of classes, planes; and the colours of light and dark paper."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from mpl_toolkits.mplot3d import Axes3D
from seen import cloud, drawn, words
from statsmodels.stats.proportion import proportion_confint

import gradline as gl
from gradline.plot import style

PENGUINS = gl.datasets.penguins()


@pytest.fixture(scope="module", autouse=True)
def closed():
    yield
    plt.close("all")


def band(ax):
    """The lower and upper edge (g, 2) of the only band."""
    (found,) = [one for one in ax.collections if one.get_label() == "_band"]
    corners = found.get_paths()[0].vertices
    across = np.unique(corners[:, 0])
    ends = [corners[corners[:, 0] == x, 1] for x in across]
    return across, np.array([[low.min(), low.max()] for low in ends])


def test_a_curve_over_a_table_has_the_band_of_its_predictions(line):
    x, y = line
    fit = gl.fit("y ~ x + I(x ** 2)", {"x": x, "y": y})
    ax = gl.plot.fit(fit, {"x": x, "y": y}, level=0.8)
    assert np.array_equal(cloud(ax), np.column_stack(line))
    curve = drawn(ax, "fit")
    assert np.allclose(curve[:, 1], fit.predict({"x": curve[:, 0]}))
    across, ends = band(ax)
    expected = fit.predict({"x": across}, interval="confidence", level=0.8)
    assert np.allclose(ends, np.column_stack([expected.lower, expected.upper]))
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title("left")) == ("x", "y", "y by x")
    assert "80% confidence band" in words(ax)


def test_a_band_of_predictions_is_wider_and_none_is_none(line, exact):
    narrow, wide = (band(gl.plot.fit(exact, *line, interval=which))[1] for which in ("confidence", "prediction"))
    assert (np.diff(wide) > 3 * np.diff(narrow)).all()
    bare = gl.fit(*line, covariance="none")
    for fit, interval in ((exact, None), (bare, "auto")):
        assert "band" not in words(gl.plot.fit(fit, *line, interval=interval))
    with pytest.raises(ValueError, match="standard errors"):
        gl.plot.fit(bare, *line, interval="confidence")
    with pytest.raises(ValueError, match='interval must be "auto"'):
        gl.plot.fit(exact, *line, interval="wide")


def test_a_probability_has_the_shares_observed_beside_it():
    rng = np.random.default_rng(1)
    x = np.repeat([0.0, 1.0, 2.0], 40)
    y = (rng.random(120) < 1 / (1 + np.exp(1 - x))).astype(float)
    table = {"x": x, "y": y}
    fit = gl.fit("y ~ x", table, loss="logistic")
    ax = gl.plot.fit(fit, table)
    curve = drawn(ax, "fit")
    assert np.allclose(curve[:, 1], fit.predict({"x": curve[:, 0]}))
    (bars,) = ax.containers
    shares = np.array([y[x == value].mean() for value in (0, 1, 2)])
    assert np.allclose(bars.lines[0].get_xydata(), np.column_stack([[0, 1, 2], shares]))
    reached = np.array([segment[:, 1] for segment in bars.lines[2][0].get_segments()])
    wanted = [proportion_confint(y[x == value].sum(), 40, method="wilson") for value in (0, 1, 2)]
    assert np.allclose(reached, wanted)
    points = np.asarray(next(one for one in ax.collections if one.get_label() == "data").get_offsets())
    assert np.array_equal(np.round(points[:, 1]), y)
    assert np.abs(points[:, 1] - y).max() < 0.04
    assert ax.get_ylabel() == "P(y = 1)"
    # The same of arrays.
    again = gl.plot.fit(gl.fit(x, y, loss="logistic"), x, y)
    assert np.allclose(drawn(again, "fit"), curve)


def test_frequencies_count_in_shares():
    table = {"x": [0.0, 0.0, 1.0, 1.0], "y": [0.0, 1.0, 0.0, 1.0], "f": [9, 1, 4, 6]}
    ax = gl.plot.fit(gl.fit("y ~ x", table, loss="logistic", frequencies="f"), table)
    assert np.allclose(ax.containers[0].lines[0].get_ydata(), [0.1, 0.6])


def test_several_classes_have_a_curve_each():
    fit = gl.fit("species ~ flipper_length_mm", PENGUINS, loss="multinomial")
    ax = gl.plot.fit(fit, PENGUINS)
    curves = [drawn(ax, name) for name in ("Adelie", "Chinstrap", "Gentoo")]
    assert np.allclose(sum(curve[:, 1] for curve in curves), 1.0)
    assert len(ax.containers) == 3
    shares = np.array([bars.lines[0].get_ydata() for bars in ax.containers])
    assert np.allclose(shares.sum(axis=0), 1.0)
    assert ax.get_ylabel() == "probability of species"


def test_two_inputs_of_numbers_are_a_plane(planes, monkeypatch):
    draw, surfaces = Axes3D.plot_surface, []
    monkeypatch.setattr(Axes3D, "plot_surface", lambda ax, *at, **look: (surfaces.append(at), draw(ax, *at, **look))[1])
    X, Y = planes
    X, Y = X[:, :2], Y[:, 0]
    fit = gl.fit(X, Y)
    ax = gl.plot.fit(fit, X, Y)
    assert (ax.name, ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("3d", "x1", "x2", "y")
    points = np.concatenate([np.column_stack(one._offsets3d) for one in ax.collections if one.get_label() in ("data", "_below")])
    assert np.allclose(points[np.lexsort(points.T)], np.column_stack([X, Y])[np.lexsort(np.column_stack([X, Y]).T)])
    (first, second, height) = surfaces[0]
    assert np.allclose(fit.predict(np.column_stack([first.ravel(), second.ravel()])), height.ravel())
    for flat in (gl.plot.fit(fit, X, Y, view="predicted"), gl.plot.fit(fit, X, Y, ax=plt.figure().subplots())):
        assert flat.get_xlabel() == "predicted y"
    with pytest.raises(ValueError, match="needs Axes of three dimensions"):
        gl.plot.fit(fit, X, Y, view="plane", ax=plt.figure().subplots())
    with pytest.raises(ValueError, match="a plane is over two inputs of numbers, and this model reads x"):
        gl.plot.fit(gl.fit(X[:, 0], Y), X[:, 0], Y, view="plane")


def test_categories_and_many_inputs_are_observed_against_predicted():
    fit = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", PENGUINS)
    ax = gl.plot.fit(fit, PENGUINS)
    points = cloud(ax)
    assert len(points) == fit.rows_used
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted body_mass_g", "observed body_mass_g")
    shares = gl.plot.fit(gl.fit("I(sex == 'male') ~ body_mass_g + C(species)", PENGUINS, loss="logistic"), PENGUINS)
    assert shares.get_xlabel() == "predicted P(sex == 'male')"
    assert shares.get_title("left").strip() == "Observed against predicted"


def test_what_goes_with_arrays_alone_is_refused_of_a_table():
    fit = gl.fit("body_mass_g ~ flipper_length_mm", PENGUINS)
    with pytest.raises(TypeError, match=r"groups= goes with x and y as arrays; gl.plot.effects\(fit.predictions"):
        gl.plot.fit(fit, PENGUINS, groups=[1])
    with pytest.raises(TypeError, match=r"takes where=, query= and database= of a table, not colour="):
        gl.plot.fit(fit, PENGUINS, colour="red")
    with pytest.raises(TypeError, match="where= goes with a table"):
        gl.plot.fit(gl.fit([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]), [1.0, 2.0, 4.0], [1.0, 2.0, 3.0], where="x > 1")


def test_roc_curves_of_several_classes_are_drawn_together():
    fit = gl.fit("species ~ flipper_length_mm", PENGUINS, loss="multinomial")
    found = fit.classification(PENGUINS)
    together, one = gl.plot.roc(found), gl.plot.roc(found, label=2)
    text = words(together)
    assert all(name in text for name in ("Adelie, area", "Chinstrap, area", "Gentoo, area"))
    assert np.array_equal(together.lines[3].get_xydata(), one.lines[1].get_xydata())
    assert one.get_title("left") == "ROC curve of species, Gentoo"


def test_no_line_wipes_out_the_points_near_it(line, exact):
    for ax in (gl.plot.fit(exact, *line), gl.plot.residuals(exact, *line)):
        assert not [one for one in ax.lines if to_hex(one.get_color()) == style.LIGHT.paper]


def test_scales_say_that_they_are_logarithmic(line, descended, planes):
    assert gl.plot.loss(descended).get_ylabel() == "loss (log scale)"
    X, Y = planes
    slopes = gl.plot.path(gl.path(X, Y[:, 0], strengths=5))
    assert slopes.get_xlabel().endswith("(log scale)")
    contours = gl.plot.descent(descended, *line)
    assert any(text.get_text().startswith("loss ") for text in contours.texts)


@pytest.mark.parametrize("how", ["theme", "dark_background"])
def test_pictures_on_dark_paper_are_light(line, exact, how):
    before = dict(mpl.rcParams)
    with gl.plot.theme("dark") if how == "theme" else plt.style.context("dark_background"):
        ax = gl.plot.fit(exact, *line)
        cube = gl.plot.fit(gl.fit(np.column_stack([line[0], line[0] ** 2]), line[1]), np.column_stack([line[0], line[0] ** 2]), line[1])
    assert dict(mpl.rcParams) == before
    paper = style.DARK.paper if how == "theme" else "#000000"
    assert to_hex(ax.get_facecolor()) == to_hex(ax.figure.get_facecolor()) == paper
    assert to_hex(next(one for one in ax.lines if one.get_label().startswith("fit")).get_color()) == style.DARK.fit
    assert style._lightness(mpl.colors.to_rgb(ax.xaxis.label.get_color())) > 0.8
    assert style._lightness(mpl.colors.to_rgb(cube.zaxis.label.get_color())) > 0.8
    assert to_hex(gl.plot.data(*line).get_facecolor()) == "#ffffff"


def test_colours_stand_out_from_their_paper():
    """Contrast of 3 : 1 and more for marks, 4.5 : 1 for words (WCAG 2.1, 1.4.3 and 1.4.11)."""

    def luminance(color):
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(color)]
        return float(np.dot([0.2126, 0.7152, 0.0722], parts))

    def contrast(first, second):
        low, high = sorted([luminance(first), luminance(second)])
        return (high + 0.05) / (low + 0.05)

    for look in (style.LIGHT, style.DARK):
        assert min(contrast(color, look.paper) for color in (look.ink, look.quiet)) > 4.5
        assert min(contrast(color, look.paper) for color in (look.blue, look.vermillion, look.green)) > 3
    with pytest.raises(ValueError, match='a theme is "light" or "dark"'), gl.plot.theme("sepia"):
        pass


def test_a_fit_with_absorbed_levels_is_observed_against_predicted():
    data = gl.datasets.grunfeld()
    fit = gl.fit("invest ~ value + capital | firm + year", data)
    ax = gl.plot.fit(fit, data)
    assert ax.name == "rectilinear"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted invest", "observed invest")
    np.testing.assert_allclose(np.sort(cloud(ax)[:, 0]), np.sort(fit.predict(data)))
    with pytest.raises(ValueError, match="a plane is over two inputs of numbers, and this model reads value, capital, firm, year"):
        gl.plot.fit(fit, data, view="plane")
    assert gl.plot.fit(gl.fit("invest ~ value | firm", data), data).get_xlabel() == "predicted invest"
