"""The studio's page in a real browser: what it shows is what gradline works out."""

import contextlib
import gzip
import io
import math
import re

import pytest
from page_in_browser import PAGE, needs_browser, studio

import gradline as gl

# A walk that is stopped on its way is what these tests are about; gradline warns of it.
pytestmark = [needs_browser, pytest.mark.filterwarnings("ignore::gradline.base.warnings.GradlineWarning")]


def the_script(page):
    page.get_by_role("tab", name="Take away").click()
    text = page.inner_text("#python")
    page.get_by_role("tab", name="Watch").click()
    return text


def run(script):
    """What a script prints, and the names it leaves."""
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "studio.py", "exec"), names)
    return printed.getvalue(), names


def test_the_page_is_one_small_file_that_asks_for_nothing(browser):
    text = PAGE.read_bytes()
    assert len(gzip.compress(text, 9)) <= 150_000
    assert b"default-src 'none'" in text
    with studio(browser) as opened:
        opened.take_steps(30)
        for view in ("Compare", "Take away", "Watch"):
            opened.page.get_by_role("tab", name=view).click()
            opened.settled(100)
        assert [address for address in opened.requests if not address.startswith(("data:", "blob:"))] == [PAGE.as_uri()]


def test_the_policy_lets_no_foreign_code_run(browser):
    with studio(browser) as opened:
        page = opened.page
        page.evaluate("const s = document.createElement('script'); s.textContent = 'window.foreign = 1'; document.head.append(s)")
        assert page.evaluate("window.foreign") is None
        with pytest.raises(Exception, match=r"Content Security Policy|Failed to fetch"):
            page.evaluate("fetch('http://127.0.0.1:9/')")
        opened.errors.clear()  # the two refusals are said on the console


def test_just_below_the_marked_rate_the_walk_arrives_and_just_above_it_explodes(browser):
    with studio(browser) as opened:
        page = opened.page
        page.get_by_role("button", name="just below").click()
        opened.settled()
        assert page.locator("#too-fast").count() == 0
        before = opened.loss
        opened.take_steps(1000)
        lowest = gl.fit(*gl.datasets.line(30, seed=1)).loss
        assert opened.loss - lowest < 1e-6 * (before - lowest)
        opened.press("r")
        opened.settled()
        page.get_by_role("button", name="just above").click()
        opened.settled()
        assert opened.step == 0
        assert "must fail" in page.inner_text("#too-fast")  # said before the first step
        opened.take_steps(400)
        assert opened.loss > 900 * before
        assert "Ended at step" in page.inner_text("#exploded")


def test_the_mark_is_where_gradline_draws_the_line(browser):
    x, y = gl.datasets.line(30, seed=1)
    with studio(browser) as opened:
        limit = opened.limit
    gl.fit(x, y, solver=gl.GradientDescent(learning_rate=limit * (1 - 1e-9), steps=5), covariance=False)
    with pytest.raises(gl.DivergenceError):
        gl.fit(x, y, solver=gl.GradientDescent(learning_rate=limit * (1 + 1e-9), steps=5), covariance=False)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_python_handed_back_gives_the_numbers_on_the_screen(browser, momentum):
    with studio(browser) as opened:
        if momentum:
            opened.page.fill("#momentum", str(momentum))
            opened.settled()
        opened.take_steps(37)
        script, shown, loss = the_script(opened.page), opened.coefficients, opened.loss
    printed, names = run(script)
    assert names["last"].step == 37
    assert names["last"].loss == pytest.approx(loss, rel=1e-12)
    assert names["last"].coefficients.ravel().tolist() == pytest.approx(shown, rel=1e-12)
    assert "step 37" in printed


def test_python_of_changed_points_a_typed_loss_and_standardised_x(browser):
    pytest.importorskip("jax")
    with studio(browser) as opened:
        page = opened.page
        page.get_by_role("button", name="Add an outlier").click()
        page.select_option("#loss", "typed:")
        page.check("#standardised")
        page.fill("#rate-number", "0.05")
        page.press("#rate-number", "Tab")
        opened.settled()
        opened.take_steps(25)
        script, shown, loss = the_script(page), opened.coefficients, opened.loss
    _, names = run(script)
    assert names["last"].step == 25
    assert names["last"].loss == pytest.approx(loss, rel=1e-9)
    assert names["coefficients"].tolist() == pytest.approx(shown, rel=1e-9)


def test_the_optimum_is_gradlines_and_certified(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with studio(browser) as opened:
        for name, data in (("penguins", None), ("outliers", None), ("few", gl.datasets.line(30, seed=1))):
            opened.page.select_option("#preset", name)
            opened.settled()
            opened.page.click("#to-optimum")
            opened.settled(100)
            assert "proved" in opened.page.inner_text(".proof")
            if data is not None:
                assert opened.coefficients == pytest.approx(gl.fit(*data).coefficients.ravel().tolist(), rel=1e-12)
            script = the_script(opened.page)
            opened.page.get_by_role("tab", name="Take away").click()
            with opened.page.expect_download() as caught:
                opened.page.click("#save-table")
            caught.value.save_as(tmp_path / "points.csv")
            opened.page.get_by_role("tab", name="Watch").click()
            _, names = run(script)
            assert names["fit"].coefficients.ravel().tolist() == pytest.approx(opened.coefficients, rel=1e-8)


def test_steps_are_taken_back_and_the_time_slider_looks_at_any(browser):
    with studio(browser) as opened:
        opened.take_steps(12)
        at_twelve = opened.loss
        opened.press("b", "b")
        opened.settled(50)
        assert opened.step == 10
        opened.press("n", "n")
        opened.settled(50)
        assert (opened.step, opened.loss) == (12, at_twelve)
        opened.page.get_by_label("Step looked at").fill("3")
        opened.settled(50)
        assert opened.step == 3
        opened.press("r")
        opened.settled()
        assert opened.step == 0


def test_playing_stops_at_the_optimum(browser):
    with studio(browser) as opened:
        opened.page.get_by_role("button", name="fast").click()
        opened.page.fill("#rate-number", "0.4")
        opened.page.press("#rate-number", "Tab")
        opened.settled()
        opened.page.click("#play")
        opened.page.wait_for_selector("#play[aria-label=Play]", timeout=30_000)
        x, y = gl.datasets.line(30, seed=1)
        assert opened.loss == pytest.approx(gl.fit(x, y).loss, rel=1e-12)


def test_a_point_is_dragged_and_everything_follows(browser):
    with studio(browser) as opened:
        page = opened.page
        before, lowest = opened.loss, page.inner_text(".read .quiet")
        box = page.locator(".pane-points .canvas").bounding_box()
        handle = page.locator("#point").bounding_box()
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, box["y"] + 60, steps=5)
        page.mouse.up()
        opened.settled()
        assert opened.loss != before
        assert page.inner_text(".read .quiet") != lowest
        count = int(re.match(r"(\d+) points", page.inner_text("label[for=preset]")).group(1))
        page.mouse.click(box["x"] + 10 + box["width"] / 2, box["y"] + 40)  # lets go of the point
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 40)
        opened.settled()
        assert f"{count + 1} points" in page.inner_text("label[for=preset]")


def test_two_inputs_are_shown_flat_and_solid(browser):
    with studio(browser) as opened:
        page = opened.page
        page.select_option("#preset", "plane")
        opened.settled()
        for pair in ("x · z", "z · intercept", "x · intercept"):
            page.get_by_role("button", name=pair).click()
            opened.settled()
        page.get_by_role("button", name="3-D").click()
        opened.take_steps(20)
        assert opened.step == 20
        assert len(opened.coefficients) == 3
        opened.page.click("#to-optimum")
        opened.settled(50)
        assert "proved" in page.inner_text(".proof")


def test_losses_are_compared_on_the_same_points(browser):
    with studio(browser) as opened:
        page = opened.page
        page.select_option("#preset", "lever")
        opened.settled()
        script = the_script(page)
        page.get_by_role("tab", name="Compare").click()
        opened.settled()
        page.click("#add-loss")
        opened.settled()
        rows = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in page.locator("#compared tbody tr").all()]
        assert len(rows) == 4
        assert page.locator("#add-loss").count() == 0
    _, names = run(script)
    x, y = names["x"], names["y"]
    for row, loss in zip(rows, (gl.losses.squared, gl.losses.huber(1.35)), strict=False):
        fit = gl.fit(x, y, loss=loss)
        assert float(row[1].replace("−", "-")) == pytest.approx(float(fit.slopes[0]), rel=1e-3)
        assert float(row[2].replace("−", "-")) == pytest.approx(float(fit.intercept), rel=1e-3)
        assert math.isfinite(float(row[4]))


def test_the_model_file_is_one_that_gradline_reads(browser, tmp_path):
    with studio(browser) as opened:
        opened.take_steps(15)
        opened.page.get_by_role("tab", name="Take away").click()
        with opened.page.expect_download() as caught:
            opened.page.click("#save-model")
        path = tmp_path / "model.json"
        caught.value.save_as(path)
        opened.page.get_by_role("tab", name="Watch").click()
        shown = opened.coefficients
    model = gl.load(path)
    assert [float(value) for value in model.coefficients.ravel()] == shown


def test_a_link_holds_points_settings_step_and_locks(browser):
    with studio(browser) as opened:
        page = opened.page
        page.get_by_role("button", name="Add a point").click()
        page.select_option("#loss", "huber")
        opened.settled()
        opened.take_steps(14)
        loss = opened.loss
        page.get_by_role("tab", name="Take away").click()
        page.get_by_label("learning rate").check()
        page.get_by_label("points", exact=True).check()
        page.fill("#asking", "Why does <b>this</b> not explode?")
        opened.settled()
        link = page.input_value("#link")
    with studio(browser, address=link) as opened:
        page = opened.page
        assert (opened.step, opened.loss) == (14, loss)
        assert page.input_value("#loss") == "huber"
        assert page.is_disabled("#rate")
        assert page.is_disabled("#preset")
        assert not page.is_disabled("#momentum")
        assert page.inner_text("#task-text") == "Why does <b>this</b> not explode?"
        page.focus("#point")
        opened.press("ArrowUp", "Delete")
        opened.settled()
        assert opened.loss == loss
        page.click("#afresh")
        opened.settled()
        assert not page.is_disabled("#rate")


def test_a_visit_goes_on_where_the_last_one_ended(browser):
    with studio(browser) as opened:
        opened.page.select_option("#preset", "lever")
        opened.settled()
        opened.take_steps(6)
        opened.page.fill("#momentum", "0.5")
        opened.settled(1200)
        loss = opened.loss
        opened.page.reload()
        opened.page.wait_for_selector("#loss-now")
        opened.settled()
        assert "26 points" in opened.page.inner_text("label[for=preset]")
        assert opened.loss == loss
