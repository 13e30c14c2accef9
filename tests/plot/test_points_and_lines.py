import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from seen import cloud, drawn, words

import gradline as gl
from gradline.plot import style


def test_data_draws_every_point_and_names_the_axes(line):
    ax = gl.plot.data(*line)
    assert np.array_equal(cloud(ax), np.column_stack(line))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert (gl.plot.data(*line, xlabel="hours", ylabel="marks").get_ylabel()) == "marks"


def test_every_picture_draws_where_it_is_told_and_changes_no_setting(line, descended, exact):
    x, y = line
    before = dict(mpl.rcParams)
    figure, axes = plt.subplots(2, 4)
    pictures = [
        lambda ax: gl.plot.data(x, y, ax=ax),
        lambda ax: gl.plot.fit(descended, x, y, true=(6, -5), ax=ax),
        lambda ax: gl.plot.prediction(descended, 2.0, ax=ax),
        lambda ax: gl.plot.everything(descended, x, y, 2.0, ax=ax),
        lambda ax: gl.plot.loss(descended, optimum=exact, ax=ax),
        lambda ax: gl.plot.descent(descended, x, y, ax=ax),
        lambda ax: gl.plot.coefficients(descended, true=(6, -5), ax=ax),
    ]
    for picture, ax in zip(pictures, axes.flat, strict=False):
        assert picture(ax) is ax
        assert ax.get_xlabel()
    figure.canvas.draw()
    assert plt.get_fignums() == [figure.number]
    assert dict(mpl.rcParams) == before


def test_fit_draws_the_line_of_the_predictions_and_the_true_one(line, descended):
    x, y = line
    ax = gl.plot.fit(descended, x, y, true=(6, -5))
    label = next(one.get_label() for one in ax.lines if one.get_label().startswith("fit"))
    ends = drawn(ax, label)[[0, -1]]
    assert np.allclose(ends[:, 0], [x.min(), x.max()])
    assert np.allclose(ends[:, 1], descended.predict(ends[:, 0]))
    true = drawn(ax, "true: y = 6 x − 5")
    assert np.allclose(true[:, 1], 6 * true[:, 0] - 5)
    assert np.array_equal(cloud(ax), np.column_stack(line))
    slope = style.number(descended.slopes[0])
    assert f"fit: y = {slope} x − " in words(ax)


@pytest.mark.parametrize("kind", ["pair", "dataset", "fit", "matrix"])
def test_the_truth_comes_in_many_forms(line, descended, kind):
    points = gl.datasets.line(10, seed=0)
    true = {"pair": [6.0, -5.0], "dataset": points, "fit": gl.fit(points.x, 6 * points.x - 5), "matrix": np.array([[-5.0], [6.0]])}[kind]
    ax = gl.plot.fit(descended, *line, true=true)
    dashed = next(one for one in ax.lines if one.get_label().startswith("true"))
    assert np.allclose(dashed.get_ydata(), 6 * np.asarray(dashed.get_xdata()) - 5)


def test_prediction_marks_the_value_and_writes_it(line, descended):
    ax = gl.plot.prediction(descended, 2.0, x=line[0], y=line[1])
    value = descended.predict(2.0)
    assert np.allclose(drawn(ax, "prediction"), [[2.0, value]])
    assert f"y = {style.number(value)}\nat x = 2" in words(ax)
    guide = drawn(ax, "_guide")
    assert np.allclose(guide, [[2.0, ax.get_ylim()[0]], [2.0, value], [ax.get_xlim()[0], value]])


def test_prediction_beyond_the_data_widens_the_picture(line, descended):
    ax = gl.plot.prediction(descended, [10.0, -10.0], x=line[0], y=line[1])
    assert ax.get_xlim()[0] < -10 < 10 < ax.get_xlim()[1]
    assert len([one for one in ax.lines if "prediction" in one.get_label()]) == 2


def test_everything_holds_data_lines_and_prediction(line, descended):
    ax = gl.plot.everything(descended, *line, 1.5, true=(6, -5))
    assert len(cloud(ax)) == 300
    assert np.allclose(drawn(ax, "prediction")[0, 1], descended.predict(1.5))
    for word in ("data", "fit: ", "true: ", "prediction"):
        assert word in words(ax)


def test_large_data_is_sampled_the_same_way_and_says_so():
    x = np.random.default_rng(0).normal(size=20_000)
    first, second = gl.plot.data(x, 2 * x), gl.plot.data(x, 2 * x)
    assert np.array_equal(cloud(first), cloud(second))
    assert cloud(first).shape == (5000, 2)
    assert "5,000 of 20,000 points drawn" in words(first)


def test_rows_with_gaps_are_left_out_and_counted():
    ax = gl.plot.data([1.0, 2.0, np.nan, 4.0], [1.0, np.nan, 3.0, 4.0])
    assert np.array_equal(cloud(ax), [[1, 1], [4, 4]])
    assert "2 incomplete rows left out" in words(ax)


def test_groups_have_a_colour_and_a_marker_each(line):
    x, y = line
    labels = np.where(x > 0, "right", "left")
    ax = gl.plot.data(x, y, groups=labels)
    assert len(ax.collections) == 2
    assert len({tuple(one.get_facecolor()[0]) for one in ax.collections}) == 2
    assert "left | right" in words(ax)


def test_by_draws_a_line_for_each_group_with_its_own_indicators():
    rng = np.random.default_rng(3)
    group = np.repeat(["a", "b"], 50)
    length = rng.normal(size=100)
    X = np.column_stack([length, group == "b"]).astype(float)
    fit = gl.fit(X, 2 * length + 5 * X[:, 1] + rng.normal(size=100), names=["length", "is b"])
    ax = gl.plot.fit(fit, X, X[:, 0], by="length", groups=group)
    for label, indicator in (("a", 0.0), ("b", 1.0)):
        line = drawn(ax, f"_fit, {label}")
        assert np.allclose(line[:, 1], fit.predict(np.column_stack([line[:, 0], np.full(len(line), indicator)])))
        assert np.allclose(line[[0, -1], 0], [length[group == label].min(), length[group == label].max()])
    assert ax.get_xlabel() == "length"


def test_several_fits_take_the_colours_of_their_groups(line):
    x, y = line
    labels = np.where(x > 0, "right", "left")
    fits = {name: gl.fit(x[labels == name], y[labels == name]) for name in ("left", "right")}
    ax = gl.plot.fit({**fits, "all": gl.fit(x, y)}, x, y, groups=labels)
    right = drawn(ax, "_fit, right")
    assert np.allclose(right[:, 1], fits["right"].predict(right[:, 0]))
    assert right[:, 0].min() > 0
    assert "all" in words(ax)


def test_several_inputs_are_small_multiples(planes):
    axes = gl.plot.data(*planes)
    assert axes.shape == (2, 3)
    assert np.array_equal(cloud(axes[1, 2]), np.column_stack([planes.X[:, 2], planes.Y[:, 1]]))
    assert (axes[1, 2].get_xlabel(), axes[1, 0].get_ylabel()) == ("x3", "y2")


def test_several_inputs_are_observed_against_predicted(planes, many):
    axes = gl.plot.fit(many, *planes)
    assert axes.shape == (1, 2)
    for j, ax in enumerate(axes[0]):
        assert np.allclose(cloud(ax), np.column_stack([many.predict(planes.X)[:, j], planes.Y[:, j]]))
        assert ax.get_xlabel() == f"predicted y{j + 1}"


def test_several_inputs_predict_with_and_without_the_data(planes, many):
    new = [1.0, 2.0, -1.0]
    value = many.predict(np.array([new]))[0]
    with_data = gl.plot.prediction(many, new, x=planes.X, y=planes.Y)
    assert np.allclose(drawn(with_data[0, 1], "prediction"), [[value[1], value[1]]])
    alone = gl.plot.prediction(many, new)
    assert np.allclose(drawn(alone, "prediction")[:, 0], value)
    together = gl.plot.everything(many, *planes, new, true=planes)
    assert together.shape == (1, 3)
    assert style.number(value[0]) in words(together[0, 0])


def test_one_input_and_several_targets_share_the_axes(line):
    x, _ = line
    Y = np.column_stack([x, 1 - x])
    fit = gl.fit(x, Y)
    ax = gl.plot.fit(fit, x, Y, true=([1, -1], [0, 1]))
    colors = [one.get_color() for one in ax.lines if one.get_label().startswith("y")]
    assert colors == [style.color(0), style.color(1)]
    assert len(cloud(ax)) == 2 * len(x)
    assert "y1 = 2" in words(gl.plot.everything(fit, x, Y, 2.0))


def test_coefficients_stand_beside_the_truth(planes, many):
    axes = gl.plot.coefficients(many, true=planes)
    for j, ax in enumerate(axes[0]):
        assert np.allclose(drawn(ax, "fitted")[:, 0], many.coefficients[:, j])
        assert np.allclose(drawn(ax, "true")[:, 0], [planes.intercepts[j], *planes.coefficients[:, j]])
    assert [tick.get_text() for tick in axes[0, 0].get_yticklabels()] == list(many.names)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y, f, g: gl.plot.data(x, y[:5]), r"y has 5 rows but x has 300"),
        (lambda x, y, f, g: gl.plot.data(x, y, groups=["a"]), r"groups has 1 rows"),
        (lambda x, y, f, g: gl.plot.data(x, y, ax=plt.subplots(1, 2)[1]), r"ax holds 2 Axes, but this picture needs one Axes"),
        (lambda x, y, f, g: gl.plot.data(x, np.full(300, np.nan)), r"no row of the data is complete"),
        (lambda x, y, f, g: gl.plot.data(np.ones((300, 2)), y, xlabel="one"), r"xlabel has 1 labels, but the picture needs 2"),
        (lambda x, y, f, g: gl.plot.fit(f, np.ones((300, 2)), y), r"x has 2 columns, but the model was fitted to 1"),
        (lambda x, y, f, g: gl.plot.fit(f, x, np.ones((300, 2))), r"y has 2 columns, but the fit has 1 targets"),
        (lambda x, y, f, g: gl.plot.fit(f, x, y, true=(1, 2, 3)), r"true has shape .* give true=\(slopes, intercept\)"),
        (lambda x, y, f, g: gl.plot.fit(f, x, y, true="steep"), r"true could not be read"),
        (lambda x, y, f, g: gl.plot.fit({}, x, y), r"no fit was given"),
        (lambda x, y, f, g: gl.plot.fit(f, x, y, by="z"), r"by='z' is no input of the fit; its inputs are x"),
        (lambda x, y, f, g: gl.plot.fit(g, np.ones((9, 3)), np.ones((9, 2)), true=(1, 2)), r"use gl.plot.coefficients"),
        (lambda x, y, f, g: gl.plot.prediction(f, np.nan), r"new_x holds NaN"),
        (lambda x, y, f, g: gl.plot.prediction(f, 1.0, x=x), r"give both x and y"),
        (lambda x, y, f, g: gl.plot.coefficients(g, true=np.ones((2, 2))), r"true has shape \(2, 2\)"),
    ],
)
def test_what_cannot_be_drawn_is_said(line, descended, many, call, message):
    with pytest.raises(ValueError, match=message):
        call(*line, descended, many)


def test_what_is_no_axes_and_no_fit_is_said(line, descended):
    with pytest.raises(TypeError, match="ax must be Matplotlib Axes"):
        gl.plot.data(*line, ax=plt.figure())
    with pytest.raises(TypeError, match=r"give a gl\.Fit"):
        gl.plot.fit("fit", *line)


def test_numbers_are_written_as_a_reader_writes_them():
    assert [style.number(v) for v in (-5.0, 12345.6, 1234.0, 4.44e-16, 0.0)] == ["−5", "12,346", "1,234", "4.44×10⁻¹⁶", "0"]
    assert style.equation("y", ["x"], [-6.0], 5.0) == "y = −6 x + 5"
