import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from seen import boxes, drawn, holds, pixels, words

import gradline as gl
from gradline.plot.animated import _frames
from gradline.plot.objective import Objective
from gradline.solvers.history import History


def history(losses):
    n = len(losses)
    return History(np.arange(n), np.array(losses, dtype=float), np.ones(n), np.zeros((n, 2, 1)))


def test_loss_draws_the_history_on_a_log_scale_with_the_optimum(descended, exact):
    ax = gl.plot.loss(descended, optimum=exact)
    assert ax.get_yscale() == "log"
    assert np.array_equal(drawn(ax, "loss"), np.column_stack([descended.history.step, descended.history.loss]))
    assert drawn(ax, "optimum")[0, 1] == pytest.approx(exact.loss)
    assert "optimum" in words(ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss (log scale)")


def test_loss_above_the_optimum_is_what_is_left(descended, exact):
    ax = gl.plot.loss(descended, optimum=exact.loss, excess=True)
    left = descended.history.loss - exact.loss
    assert np.array_equal(drawn(ax, "loss")[left > 0, 1], left[left > 0])


def test_an_optimum_of_another_scale_is_brought_to_this_one(planes):
    def half(y, prediction):
        import tensorflow as tf

        return tf.reduce_mean(tf.square(y - prediction))

    fit = gl.fit(*planes, loss=half, solver=gl.GradientDescent(steps=300))
    ax = gl.plot.loss(fit, optimum=gl.fit(*planes))
    assert drawn(ax, "optimum")[0, 1] == pytest.approx(fit.loss, rel=1e-6)


def test_losses_below_zero_are_drawn_all_the_same():
    falling = history([3.0, 0.0, -1.0, -1.5])
    assert gl.plot.loss(falling).get_yscale() == "linear"
    above = gl.plot.loss(falling, optimum=-2.0)
    assert above.get_yscale() == "log"
    assert np.allclose(drawn(above, "loss")[:, 1], [5, 2, 1, 0.5])
    assert above.get_ylabel() == "loss above the optimum (log scale)"


def test_an_optimum_of_zero_and_infinite_losses_are_remarked_on():
    ax = gl.plot.loss(history([3.0, 1.0, np.inf]), optimum=0.0)
    assert "below any log scale" in words(ax)
    assert "1 step with an infinite loss left out" in words(ax)


@pytest.mark.parametrize("optimum", [None, 0.9])
@pytest.mark.parametrize(
    "losses",
    [
        64.65 * 1.4 ** np.arange(11),
        64.65 * 2.2 ** np.arange(10),
        [64.65, 75.13],
        [1, 1.0001, 1.001, 1.1, 5, 200],
        [1, 2],
        [1.0, 1e8],
        [100, 95, 50, 20, 4, 3, 2.9, 2.8],
        1 + 64 * 0.8 ** np.arange(100),
        [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
        [5],
        [2, 2, 2],
    ],
)
def test_numbers_of_the_ends_stay_within_the_axes_and_off_the_curve(losses, optimum):
    path = history(losses)
    ax = gl.plot.loss(path, optimum=optimum)
    placed = [(text, box) for text, box in boxes(ax) if not text.startswith("optimum")]
    assert len(placed) == min(len(losses), 2)
    frame = ax.get_window_extent().extents
    steps = np.linspace(0, len(losses) - 1, 3000)
    curve = pixels(ax, np.column_stack([steps, np.exp(np.interp(steps, path.step, np.log(path.loss)))]))
    for text, box in placed:
        assert (box[:2] > frame[:2]).all(), text
        assert (box[2:] < frame[2:] + 1).all(), text
        assert holds(box, curve) == 0, text
    assert curve[:, 1].max() < frame[3]


def test_several_paths_are_compared(descended, line):
    slow = gl.fit(*line, solver=gl.GradientDescent(0.02, steps=200))
    ax = gl.plot.loss({"fast": descended, "slow": slow})
    assert np.array_equal(drawn(ax, "slow")[:, 1], slow.history.loss)
    assert "fast | slow" in words(ax)


def test_descent_draws_the_path_over_contours_whose_minimum_is_the_optimum(line, descended, exact):
    ax = gl.plot.descent(descended, *line)
    path = drawn(ax, "path, one dot per step")
    steps = descended.history.coefficients[:, ::-1, 0]
    assert np.allclose(path[0], steps[0])
    assert all(np.abs(steps - point).sum(axis=1).min() < 1e-12 for point in path)
    assert np.allclose(drawn(ax, "end")[0], descended.coefficients[::-1])
    assert np.allclose(drawn(ax, "optimum")[0], exact.coefficients[::-1])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight of x", "bias (intercept)")
    contours = next(c for c in ax.collections if hasattr(c, "levels") and not c.filled)
    innermost = np.concatenate(contours.allsegs[0])
    assert np.allclose(innermost.mean(axis=0), exact.coefficients[::-1], atol=0.2)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left < path[:, 0].min() < path[:, 0].max() < right
    assert bottom < path[:, 1].min() < path[:, 1].max() < top


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
@pytest.mark.parametrize("loss", ["squared", gl.losses.huber(1.0), "absolute"])
def test_the_objective_is_the_problem_s_own(line, loss):
    x, y = line
    fit = gl.fit(x, y, loss=loss, solver=gl.GradientDescent(0.05, steps=50))
    objective = Objective(fit, x[:, None], y[:, None])
    points = np.random.default_rng(1).normal(size=(5, 2, 1))
    expected = [objective.problem.evaluate(point, 0).value for point in points]
    assert np.allclose(objective.values(points), expected, rtol=1e-12)
    best = objective.optimum(fit.solution.coefficients, fit.history.gradient_norm[0])
    nearby = best + 0.05 * np.array([[[1], [0]], [[-1], [0]], [[0], [1]], [[0], [-1]]])
    assert (objective.values(nearby) > objective.values(best[None])).all()


def test_a_loss_of_all_rows_together_has_contours_too(line):
    def root(y, prediction):
        import tensorflow as tf

        return tf.sqrt(tf.reduce_mean(tf.square(y - prediction)))

    fit = gl.fit(*line, loss=root, solver=gl.GradientDescent(0.1, steps=200))
    ax = gl.plot.descent(fit, *line)
    assert np.allclose(drawn(ax, "optimum")[0], gl.fit(*line).coefficients[::-1], atol=1e-4)


def test_descent_weighs_the_rows_as_the_fit_did(line):
    x, y = line
    weights = np.where(x > 0, 5.0, 0.1)
    fit = gl.fit(x, y, weights=weights, solver=gl.GradientDescent(steps=50))
    best = gl.fit(x, y, weights=weights).coefficients
    assert np.allclose(drawn(gl.plot.descent(fit, x, y, weights=weights), "optimum")[0], best[::-1])


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_a_diverging_path_is_followed_out_of_the_view(line):
    x, y = 20 * line[0], line[1]
    fit = gl.fit(x, y, solver=gl.GradientDescent(0.01, allow_divergence=True))
    ax = gl.plot.descent(fit, x, y)
    assert "leaves for infinity" in words(ax)
    # The arrow of the legend is drawn, where the step after the last that is seen crosses the edge.
    arrow = [text for text in ax.texts if getattr(text, "arrow_patch", None) is not None]
    assert len(arrow) == 1
    inside = int(words(ax).partition("after step ")[2].split()[0])
    last, beyond = fit.history.coefficients[inside : inside + 2, ::-1, 0]
    tip = np.array(arrow[0].xy)
    share = (tip - last) / (beyond - last)
    assert share[0] == pytest.approx(share[1])
    assert 0 < share[0] < 1
    within = ax.transAxes.inverted().transform(ax.transData.transform(tip))
    assert np.abs(within - 0.5).max() == pytest.approx(0.5)
    best = gl.fit(x, y).coefficients[1]
    left, right = ax.get_xlim()
    assert left < best < right
    assert right - left < 40 * abs(best)
    assert np.isfinite(ax.dataLim.get_points()).all()
    gl.plot.loss(fit)
    assert len(gl.plot.animation(fit, x, y, frames=5).steps) >= 2


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_a_path_of_one_coefficient_that_diverges_has_no_end(line):
    x, y = line
    fit = gl.fit(x, y, intercept=False, solver=gl.GradientDescent(1.2, steps=30, allow_divergence=True))
    ax = gl.plot.descent(fit, x, y)
    assert "leaves for infinity after step" in words(ax)
    assert "| end" not in words(ax)
    assert len([text for text in ax.texts if getattr(text, "arrow_patch", None) is not None]) == 1
    stays = gl.plot.descent(gl.fit(x, y, intercept=False, solver=gl.GradientDescent(0.1)), x, y)
    assert "| end" in words(stays)
    assert "infinity" not in words(stays)


@pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")
def test_only_a_path_that_diverges_is_said_to_leave(line):
    x, y = line
    detour = gl.fit(x, y, loss="normal", solver=gl.GradientDescent(steps=200))
    assert "infinity" not in words(gl.plot.descent(detour, x, y))
    rests = gl.fit(x, y, solver=gl.GradientDescent(0.1, steps=5, start=gl.fit(x, y).coefficients))
    ax = gl.plot.descent(rests, x, y)
    assert "infinity" not in words(ax)
    assert 1e-3 < np.ptp(ax.get_xlim()) < 1


def test_records_that_are_not_every_step_are_not_called_steps(line):
    fit = gl.fit(*line, solver=gl.GradientDescent(0.05, steps=200, record_every=10))
    assert "one dot every 10 steps" in words(gl.plot.descent(fit, *line))


def test_more_coefficients_are_cut_along_the_steepest_directions(planes, many):
    ax = gl.plot.descent(many, *planes)
    design = np.column_stack([np.ones(200), planes.X])
    top = np.linalg.eigh(design.T @ design)[1][:, -1]
    # Both targets curve alike, so the plane is the steepest direction of each: the path is its two projections, in either order.
    start = (many.history.coefficients[0] - gl.fit(*planes).coefficients).T @ top
    assert np.allclose(np.sort(np.abs(drawn(ax, "start")[0])), np.sort(np.abs(start)))
    assert np.allclose(drawn(ax, "optimum")[0], 0)
    assert "on a plane through 8 dimensions" in words(ax)
    assert ax.get_xlabel().startswith("along ")


def test_one_coefficient_is_a_curve(line):
    x, y = line
    fit = gl.fit(x, y, intercept=False, solver=gl.GradientDescent(0.1, steps=50))
    ax = gl.plot.descent(fit, x, y)
    path = drawn(ax, "path")
    assert np.allclose(path, np.column_stack([fit.history.coefficients[:, 0, 0], fit.history.loss]))


def test_the_animation_is_a_gif_of_the_frames_it_promises(line, descended, exact, tmp_path):
    made = gl.plot.animation(descended, *line, tmp_path / "learning.gif", true=(6, -5), optimum=exact, frames=12)
    with Image.open(tmp_path / "learning.gif") as gif:
        assert gif.n_frames == len(made.steps) == 12
        assert gif.size == (800, 380)
        first = np.asarray(gif.convert("RGB")).copy()
        assert tuple(first[0, 0]) == (255, 255, 255)
        gif.seek(11)
        assert gif.info["duration"] > 2000
        last = np.asarray(gif.convert("RGB"))
        assert (first != last).any(axis=2).mean() > 0.005
    assert len(made.data) < 1_500_000
    assert made.steps[0] == 0
    assert made.steps[-1] == 200
    assert np.all(np.diff(np.diff(made.steps)) >= -1)
    assert (tmp_path / "learning.gif").read_bytes() == made.data
    assert "data:image/gif;base64," in made._repr_html_()


def test_the_animation_of_several_inputs_and_of_many_rows(planes, many):
    made = gl.plot.animation(many, *planes, frames=6, optimum=gl.fit(*planes))
    with Image.open(io.BytesIO(made.data)) as gif:
        assert gif.n_frames == 6


def test_frames_are_spaced_geometrically_and_never_more_than_there_are():
    assert list(_frames(history(np.ones(5)), 48)) == [0, 1, 2, 3, 4]
    chosen = _frames(history(np.ones(10_001)), 30)
    assert (len(chosen), chosen[0], chosen[-1]) == (30, 0, 10_000)
    assert np.median(chosen) < 1000


@pytest.mark.parametrize("picture", [lambda f, x, y: gl.plot.loss(f), gl.plot.descent, gl.plot.animation])
def test_a_fit_without_a_path_names_the_solver_that_records_one(line, exact, picture):
    with pytest.raises(ValueError, match=r"records no path.*gl\.GradientDescent\(\)"):
        picture(exact, *line)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y, f: gl.plot.loss(f, excess=True), r"give optimum="),
        (lambda x, y, f: gl.plot.loss(f, optimum=np.nan), r"optimum must be a finite number"),
        (lambda x, y, f: gl.plot.loss(history([np.inf, np.nan])), r"no recorded loss is finite"),
        (lambda x, y, f: gl.plot.descent(f, np.where(x > 1, np.nan, x), y), r"missing or infinite value"),
        (lambda x, y, f: gl.plot.animation(f, x, y, frames=1), r"frames must be a whole number of at least 2"),
        (lambda x, y, f: gl.plot.animation(f, x, y, seconds=0), r"seconds must be above 0"),
    ],
)
def test_what_cannot_be_drawn_is_said(line, descended, call, message):
    with pytest.raises(ValueError, match=message):
        call(*line, descended)


def test_matplotlib_is_imported_by_the_first_picture_only_and_its_absence_is_explained():
    code = (
        "import sys, gradline as gl; gl.plot.data; assert 'matplotlib' not in sys.modules; sys.modules['matplotlib'] = None\n"
        "try: gl.plot.data([1.0], [1.0])\n"
        "except ImportError as error: assert 'pip install \"gradline[plot]\"' in str(error), error\n"
        "else: raise SystemExit('no ImportError')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "a.gif.mov", "a", "folder.gif/a.webm"])
def test_an_animation_is_written_under_the_name_of_a_gif_only(descended, line, tmp_path, name):
    place = tmp_path / name
    with pytest.raises(gl.ArgumentError, match=r"an animation is written as a GIF, which '.*' is not the name of; write '.*\.gif'"):
        gl.plot.animation(descended, *line, place)
    made = gl.plot.animation(descended, *line, frames=2)
    with pytest.raises(ValueError, match=r"write '.*\.gif'"):
        made.save(str(place))
    assert list(tmp_path.iterdir()) == []
    assert made.save(tmp_path / "A.GIF").read_bytes()[:6] == b"GIF89a"
