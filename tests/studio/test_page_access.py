"""The studio's page for everybody: by keyboard, by ear, on a telephone, magnified, without movement."""

import pytest
from page_in_browser import findings, needs_browser, overflow, studio

pytestmark = needs_browser


def spoken(opened):
    return opened.page.inner_text("#said")


@pytest.mark.parametrize(("scheme", "width", "height"), [("light", 1440, 900), ("dark", 1440, 900), ("light", 360, 740)])
def test_axe_finds_nothing(browser, scheme, width, height):
    with studio(browser, width=width, height=height, color_scheme=scheme) as opened:
        page = opened.page
        opened.take_steps(20)
        found = {}
        for details in page.locator("details > summary").all():
            if details.is_visible():
                details.click()
        found["tables"] = findings(page)
        if width < 700:
            for pane in ("Surface", "Loss", "Settings"):
                page.locator(".panes").get_by_text(pane, exact=True).click()
                found[pane] = findings(page)
        else:
            page.get_by_role("button", name="just above").click()
            opened.settled()
            opened.take_steps(400)
            found["exploded"] = findings(page)
            page.select_option("#preset", "plane")
            opened.settled()
            found["plane"] = findings(page)
            page.get_by_role("button", name="Your own").click()
            page.fill("#csv", "a,b\n1,2\n,3\n3,x\n")
            found["csv"] = findings(page)
            page.keyboard.press("Escape")
        for view in ("Compare", "Take away"):
            page.get_by_role("tab", name=view).click()
            opened.settled()
            found[view] = findings(page)
        opened.press("?")
        found["keys"] = findings(page)
        page.keyboard.press("Escape")
        page.click("#lesson")
        for part in range(7):
            opened.settled(150)
            if part in (1, 4):
                found[f"lesson {part + 1}"] = findings(page)
            page.click("#lesson-next")
        assert {where: lines for where, lines in found.items() if lines} == {}


def test_the_lesson_is_done_by_keyboard_alone(browser):
    with studio(browser) as opened:
        page = opened.page

        def task_done():
            page.wait_for_selector("#task[data-done=true]")
            # On to the next by Tab, from wherever one is.
            for _ in range(80):
                if page.evaluate("document.activeElement?.id") == "lesson-next":
                    break
                page.keyboard.press("Tab")
            else:
                raise AssertionError("Next was not reached by Tab")
            page.keyboard.press("Enter")
            opened.settled(150)

        def tab_to(name):
            for _ in range(80):
                if name in page.evaluate("[document.activeElement.id, document.activeElement.textContent.trim()]"):
                    return
                page.keyboard.press("Tab")
            raise AssertionError(f"{name} was not reached by Tab")

        def slide(key, until):
            for _ in range(200):
                if until(float(page.evaluate("document.activeElement.value"))):
                    return
                page.keyboard.press(key)
            raise AssertionError("the slider did not get there")

        page.keyboard.press("l")
        opened.settled()
        assert "Points around a line" in page.evaluate("document.activeElement.textContent")
        opened.press("g")
        opened.settled(100)
        opened.press("ArrowUp", "ArrowUp", "ArrowUp")
        task_done()
        tab_to("start-1")
        slide("ArrowRight", lambda w: w >= 6)
        tab_to("start-0")
        slide("ArrowLeft", lambda b: b <= -5)
        task_done()
        tab_to("squares")
        opened.press("Enter")
        task_done()
        opened.press("n", "n", "n")
        task_done()
        tab_to("just above")
        opened.press("Enter")
        opened.settled()
        opened.press("p")
        page.wait_for_selector("#exploded", timeout=30_000)
        tab_to("just below")
        opened.press("Enter")
        opened.settled()
        opened.press(*["m"] * 3)
        task_done()
        opened.press("o")
        task_done()
        tab_to("new-0")
        opened.press("Control+a", "3")
        page.wait_for_selector("#task[data-done=true]")
        tab_to("Finish")
        opened.press("Enter")
        opened.settled()
        assert page.locator(".lesson").count() == 0


def test_points_are_moved_added_and_deleted_by_keyboard(browser):
    with studio(browser) as opened:
        page = opened.page
        opened.press("g")
        opened.settled(100)
        first = page.get_attribute("#point", "aria-label")
        opened.press("PageDown")
        assert page.get_attribute("#point", "aria-label") != first
        opened.press("End")
        before = page.get_attribute("#point", "aria-label")
        opened.press("Shift+ArrowUp")
        opened.settled(600)
        assert page.get_attribute("#point", "aria-label") != before
        assert "Loss" in spoken(opened)
        opened.press("Enter")
        opened.settled()
        assert "31 points" in page.inner_text("label[for=preset]")
        assert "added" in spoken(opened)
        opened.press("Delete", "Delete")
        opened.settled()
        assert "29 points" in page.inner_text("label[for=preset]")
        assert page.evaluate("document.activeElement.id") == "point"


def test_the_start_is_moved_by_keyboard(browser):
    with studio(browser) as opened:
        opened.press("s")
        opened.settled(100)
        opened.press("Shift+ArrowRight", "ArrowDown")
        opened.settled(600)
        assert "Start" in spoken(opened)
        assert opened.coefficients != [0, 0]


def test_the_plane_is_turned_by_keyboard(browser):
    with studio(browser) as opened:
        page = opened.page
        page.select_option("#preset", "plane")
        opened.settled()
        page.get_by_role("button", name="3-D").click()
        opened.press("g")
        page.wait_for_selector("#plane:focus")
        first = page.get_attribute("#plane", "aria-label")
        opened.press("ArrowRight", "Shift+ArrowUp")
        assert page.get_attribute("#plane", "aria-label") == "The plane. Turned by 42 degrees, seen from 39 degrees above"
        page.wait_for_selector("#said:has-text('Turned by 42 degrees')", state="attached")
        opened.press(*["ArrowDown"] * 20)
        assert "seen from 5 degrees above" in page.get_attribute("#plane", "aria-label")  # never from below
        opened.press("Home")
        assert page.get_attribute("#plane", "aria-label") == first


def test_steps_and_results_are_spoken(browser):
    with studio(browser) as opened:
        opened.press("n")
        opened.settled(50)
        assert "Step 1: loss" in spoken(opened)
        opened.press("o")
        opened.settled(50)
        assert "At the optimum" in spoken(opened)
        assert opened.page.get_attribute("#said", "aria-live") == "polite"


def test_single_keys_can_be_switched_off(browser):
    with studio(browser) as opened:
        opened.press("?")
        opened.page.get_by_label("single keys work").uncheck()
        opened.press("Escape", "n", "n")
        opened.settled(50)
        assert opened.step == 0


def test_without_movement_a_run_is_one_jump(browser):
    with studio(browser, reduced_motion="reduce") as opened:
        assert "run 100" in opened.page.inner_text("#play")
        opened.page.click("#play")
        opened.settled(50)
        assert opened.step == 100


# 320 pixels are a desk's 1280 at 400%.
@pytest.mark.parametrize(("width", "height"), [(320, 256), (360, 740), (768, 1024), (1440, 900)])
def test_nothing_is_wider_than_the_window(browser, width, height):
    with studio(browser, width=width, height=height) as opened:
        page = opened.page
        assert overflow(page) <= 0
        if width <= 704:
            for pane in ("Surface", "Loss", "Settings", "Points"):
                page.locator(".panes").get_by_text(pane, exact=True).click()
                assert overflow(page) <= 0
                assert page.locator(".pane.shown >> visible=true").count() > 0
        for view in ("Compare", "Take away", "Watch"):
            page.get_by_role("tab", name=view).click()
            opened.settled(150)
            assert overflow(page) <= 0
        page.click("#lesson")
        opened.settled(150)
        assert overflow(page) <= 0
        assert page.locator("[aria-label=Residuals]").is_hidden()  # no line yet, no errors to show


def test_light_and_dark_follow_the_system_until_one_chooses(browser):
    with studio(browser, color_scheme="dark") as opened:
        page = opened.page

        def becomes(theme):
            page.wait_for_selector(f"html[data-theme={theme}]", state="attached")

        becomes("dark")
        page.emulate_media(color_scheme="light")
        becomes("light")
        page.click("#theme")
        becomes("dark")
        # Chromium keeps what is stored in another process, which may hear of it after a page that is loaded again at once.
        page.wait_for_timeout(500)
        page.reload()
        page.wait_for_selector("#loss-now")
        becomes("dark")
