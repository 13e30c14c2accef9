"""The table's view in a browser, before a real server: by clicking and by keys, numbers of gl.fit, nothing lost with the server."""

import csv
import os
import re
import threading
import time

import numpy as np
import pytest
from page_in_browser import needs_browser
from talking import serving

import gradline as gl
from gradline.studio import answers
from gradline.studio.answers import Studio
from gradline.studio.spec import DataPlace, FileLoss
from gradline.tables.table import open_table

pytestmark = needs_browser

PENGUINS = gl.datasets.penguins()


@pytest.fixture(scope="module")
def server():
    with serving(Studio(open_table(PENGUINS), DataPlace(None, python="data"))) as found:
        yield found


class View:
    """The table's view of a page, with what went wrong on it."""

    def __init__(self, browser, address, width=1440, height=900, script="", **options):
        self.context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.page = self.context.new_page()
        self.errors = []
        self.requests = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        if script:
            self.page.add_init_script(script)
        self.page.goto(address)
        self.page.click("#tab-table")

    def wait(self, selector, **options):
        return self.page.wait_for_selector(selector, timeout=30_000, **options)

    def formula(self, text):
        """Wait until this is what was fitted."""
        self.wait(f"#t-written:text-is({text!r})")

    def estimates(self):
        cells = self.page.locator("#t-coefficients tbody tr td:nth-child(2)").all_inner_texts()
        return np.array([as_number(cell) for cell in cells])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.close()


def as_number(text):
    text = text.replace("−", "-")
    found = re.fullmatch(r"(\S+) × 10(\S+)", text)
    if found is None:
        return float(text)
    return float(found[1]) * 10.0 ** int(found[2].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))


def build(view):
    view.page.click("[aria-label='Explain body_mass_g']")
    view.page.click("[aria-label='Put flipper_length_mm into the model']")
    view.page.click("[aria-label='Put species into the model']")
    view.formula("body_mass_g ~ flipper_length_mm + C(species)")


def test_a_model_is_built_by_clicking_and_shows_the_numbers_of_gl_fit(browser, server):
    with View(browser, server.access.new_address()) as view:
        build(view)
        own = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", PENGUINS)
        np.testing.assert_allclose(view.estimates(), own.coefficients, rtol=1e-5)
        assert "2 rows left out" in view.page.inner_text("#t-warnings")
        warnings, coefficients = (view.page.locator(selector).bounding_box() for selector in ("#t-warnings", "#t-coefficients"))
        assert warnings["y"] < coefficients["y"]  # warnings first
        view.page.select_option("[aria-label='Interaction of flipper_length_mm with']", "1")
        view.formula("body_mass_g ~ flipper_length_mm + C(species) + flipper_length_mm:C(species)")
        view.page.click("[aria-label='Take flipper_length_mm × species out']")
        view.page.select_option("[aria-label='How flipper_length_mm is taken']", "spline")
        view.formula("body_mass_g ~ s(flipper_length_mm) + C(species)")
        view.page.click("#t-tab-curves")
        view.wait("[aria-label='s(flipper_length_mm)'] canvas")
        view.page.select_option("#t-loss", "quantile")
        view.page.fill("#t-option", "0.5")
        view.page.press("#t-option", "Enter")
        view.page.click("#t-tab-coefficients")
        view.wait("dd:text('quantile(')")
        assert view.errors == []
        assert all(url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "blob:")) for url in view.requests)


def test_a_text_target_is_clicked_and_the_class_that_counts_as_1_is_said_and_chosen(browser, server):
    with View(browser, server.access.new_address()) as view:
        view.wait(".t-entry svg[aria-label^='male: ']", state="attached")  # the columns are described
        view.page.click("[aria-label='Explain sex']")
        view.page.click("[aria-label='Put body_mass_g into the model']")
        view.formula("I(sex == 'male') ~ body_mass_g")
        assert view.page.input_value("#t-loss") == "logistic"
        assert view.page.inner_text("#t-classes") == "male counts as 1, female as 0."
        own = gl.fit("I(sex == 'male') ~ body_mass_g", PENGUINS, loss="logistic")
        np.testing.assert_allclose(view.estimates(), own.coefficients, rtol=1e-5)
        view.page.select_option("#t-class", "female")
        view.formula("I(sex == 'female') ~ body_mass_g")
        view.page.click("[aria-label='Explain species']")
        view.formula("species ~ body_mass_g")
        assert view.page.input_value("#t-loss") == "multinomial"
        view.page.click("[aria-label='Explain bill_length_mm']")
        view.formula("bill_length_mm ~ body_mass_g")
        assert view.page.input_value("#t-loss") == "squared"
        assert view.errors == []


def test_a_text_target_clicked_before_its_classes_are_counted_takes_their_loss_when_they_are(browser, monkeypatch):
    counted = threading.Event()
    described = answers.describe
    monkeypatch.setattr(answers, "describe", lambda table, names: described(table, names) if counted.wait(60) else [])
    with serving(Studio(open_table(PENGUINS), DataPlace(None, python="data"))) as own, View(browser, own.access.new_address()) as view:
        view.page.click("[aria-label='Explain species']")
        assert view.page.input_value("#t-loss") == "squared"
        counted.set()
        view.formula("species ~ 1")
        assert view.page.input_value("#t-loss") == "multinomial"
        assert view.errors == []


def test_a_target_of_true_and_false_takes_the_logistic_loss(browser):
    heavy = np.array(PENGUINS["body_mass_g"], dtype=float) > 4000.0
    data = {"heavy": heavy, "flipper_length_mm": PENGUINS["flipper_length_mm"]}
    with serving(Studio(open_table(data), DataPlace(None, python="data"))) as own, View(browser, own.access.new_address()) as view:
        view.page.click("[aria-label='Explain heavy']")
        view.page.click("[aria-label='Put flipper_length_mm into the model']")
        view.formula("heavy ~ flipper_length_mm")
        assert view.page.input_value("#t-loss") == "logistic"
        found = gl.fit("heavy ~ flipper_length_mm", data, loss="logistic")
        np.testing.assert_allclose(view.estimates(), found.coefficients, rtol=1e-5)
        assert view.errors == []


def test_every_part_of_a_fit_is_shown(browser, server):
    with View(browser, server.access.new_address()) as view:
        build(view)
        view.page.click("#t-tab-diagnostics")
        for title in ("Residuals", "Quantiles", "Spread", "Influence", "Calibration"):
            view.wait(f"section[aria-label='{title}'] canvas[role=img]")
        view.page.click("section[aria-label='Residuals'] summary")
        assert view.page.locator("section[aria-label='Residuals'] tbody tr").count() == 200  # the table behind the picture
        view.page.click("#t-tab-effects")
        view.wait("#t-effects")
        assert "Gentoo - Adelie" in view.page.inner_text("#t-effects")
        view.page.click("#t-tab-path")
        view.wait("section[aria-label='Held out'] canvas")
        view.page.click("button:has-text('Take the best')")
        view.page.click("#t-tab-coefficients")
        view.wait("dd:text('lasso(')")
        view.page.click("#t-tab-predict")
        view.page.fill("#t-new-0", "200")
        view.page.fill("#t-new-1", "Gentoo")
        view.page.click("button[type=submit]")
        view.wait("#t-predicted")
        view.page.click("#t-tab-take")
        view.page.click("button:has-text('Python')")
        view.wait("#t-taken")
        assert "gl.penalties.lasso(" in view.page.inner_text("#t-taken")
        with view.page.expect_download() as saved:
            view.page.click("button:has-text('Model file')")
            view.page.click("#t-file")
        assert saved.value.suggested_filename == "model.json"
        assert view.errors == []


def test_the_keyboard_is_enough(browser, server):
    with View(browser, server.access.new_address()) as view:
        page = view.page
        view.wait(".t-entry")

        def tab_to(label):
            for _ in range(120):
                page.keyboard.press("Tab")
                if page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id") == label:
                    return
            raise AssertionError(f"{label} is not reached")

        page.focus("#tab-table")
        tab_to("Put flipper_length_mm into the model")
        page.keyboard.press("Enter")
        tab_to("Explain body_mass_g")
        page.keyboard.press("Space")
        view.formula("body_mass_g ~ flipper_length_mm")
        view.wait("#t-said:has-text('body_mass_g ~ flipper_length_mm: 342 rows')", state="attached")  # and it is spoken
        tab_to("t-tab-coefficients")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == "t-tab-diagnostics"
        view.wait("section[aria-label='Residuals']")


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (768, "dark"), (1440, "light")])
def test_nothing_stands_in_the_way_of_those_who_see_or_move_otherwise(browser, server, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    with View(browser, server.access.new_address(), width, color_scheme=scheme, reduced_motion="reduce") as view:

        def part(name):
            if width < 700:
                view.page.click(f".t-parts button:has-text('{name}')")

        if width < 700:
            part("Columns")
        view.page.click("[aria-label='Explain body_mass_g']")
        view.page.click("[aria-label='Put species into the model']")
        for name, tab in (("Columns", ""), ("Model", ""), ("Result", "diagnostics"), ("Result", "predict")):
            if width > 700 and not tab:
                continue  # columns and model are seen beside the result
            part(name)
            if tab:
                view.wait("#t-coefficients, #t-panel")
                view.page.click(f"#t-tab-{tab}")
                view.page.wait_for_timeout(800)
            found = Axe().run(view.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
            assert found.violations_count == 0, (name, tab, found.generate_report())
            assert view.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_html_in_a_csv_stays_text(browser, tmp_path):
    attack = "<img src=x onerror=\"document.title='taken'\">"
    place = tmp_path / "<i>html.csv"
    with place.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["y", attack])
        writer.writerows([[i * i % 7, attack if i % 2 else "<script>document.title='taken'</script>"] for i in range(30)])
    with serving(Studio(open_table(str(place)), DataPlace(str(place)))) as server, View(browser, server.access.new_address()) as view:
        view.page.click("[aria-label='Explain y']")
        view.page.locator(".t-entry").nth(1).locator("button").nth(1).click()
        view.wait("#t-coefficients tbody tr:nth-child(2)")
        for tab in ("effects", "predict", "take"):
            view.page.click(f"#t-tab-{tab}")
            view.page.wait_for_timeout(200)
        assert view.page.locator(".t-view img, .t-view i, .t-view script").count() == 0
        assert attack in view.page.inner_text(".t-list")
        assert view.page.title() != "taken"
        assert view.errors == []


def test_what_cannot_be_fitted_is_said_and_what_was_stays(browser, server):
    with View(browser, server.access.new_address()) as view:
        build(view)
        before = view.estimates()
        view.page.select_option("#t-loss", "logistic")
        view.wait("#t-problem")
        assert "logistic" in view.page.inner_text("#t-problem")
        assert view.estimates().tolist() == before.tolist()
        assert "of the model before" in view.page.inner_text(".t-result header")
        view.page.select_option("#t-loss", "squared")
        view.wait("#t-problem", state="detached")
        view.page.click("button:has-text('typed')")
        view.page.fill("#t-formula", "body_mass_g ~ (year")
        view.wait("#t-problem")
        view.page.fill("#t-formula", "body_mass_g ~ year")
        view.formula("body_mass_g ~ year")
        assert view.errors == []


def test_a_page_that_is_loaded_again_goes_on_where_it_was(browser, server):
    with View(browser, server.access.new_address()) as view:
        build(view)
        view.page.reload()
        view.page.click("#tab-table")
        view.formula("body_mass_g ~ flipper_length_mm + C(species)")


def test_two_pages_have_each_their_own_model(browser, server):
    with View(browser, server.access.new_address()) as one, View(browser, server.access.new_address()) as two:
        build(one)
        two.page.click("[aria-label='Explain bill_length_mm']")
        two.formula("bill_length_mm ~ 1")
        one.formula("body_mass_g ~ flipper_length_mm + C(species)")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_with_a_killed_server_nothing_is_lost_and_the_next_one_goes_on(browser, tmp_path):
    from test_server_process import Process, free_port

    table = tmp_path / "line.csv"
    x, y = gl.datasets.line(seed=1)
    table.write_text("x,y\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    port = free_port()
    first = Process(tmp_path, table, "--port", port)
    with View(browser, first.address) as view:
        view.page.click("[aria-label='Explain y']")
        view.page.click("[aria-label='Put x into the model']")
        view.formula("y ~ x")
        before = view.estimates()
        first.kill()
        view.wait("#lost")
        assert "Nothing on this page is" in view.page.inner_text("#lost")
        assert view.estimates().tolist() == before.tolist()
        view.page.select_option("#t-loss", "huber")  # asked while nobody answers
        second = Process(tmp_path, table, "--port", port)
        try:
            view.wait("#lost", state="detached")
            view.wait("dd:text('huber(')")
            view.page.click("#t-tab-take")  # of a fit that the first server made
            view.page.click("button:has-text('Command')")
            view.wait("#t-taken")
            assert "--loss huber" in view.page.inner_text("#t-taken")
        finally:
            second.kill()


def test_a_browser_without_websocket_is_told(browser, server):
    with View(browser, server.access.new_address(), script="delete window.WebSocket") as view:
        view.wait("#lost")
        assert "no WebSocket" in view.page.inner_text("#lost")


def test_a_wide_table_is_listed_in_parts_and_searched(browser):
    random = np.random.default_rng(0)
    wide = {f"x{j}": random.normal(size=60) for j in range(3000)} | {"y": random.normal(size=60)}
    with serving(Studio(open_table(wide))) as server, View(browser, server.access.new_address()) as view:
        view.wait(".t-entry")
        assert view.page.locator(".t-entry").count() == 40
        view.page.click("button:has-text('more')")
        view.wait(".t-entry:nth-child(80)")
        view.page.fill("#t-search", "x2999")
        view.wait(".t-entry:only-child")
        view.page.click("[aria-label='Put x2999 into the model']")
        view.page.fill("#t-search", "y")
        view.page.click("[aria-label='Explain y']")
        view.formula("y ~ x2999")


def test_a_table_without_numbers_is_shown(browser):
    with (
        serving(Studio(open_table({"a": ["x", "y", "x", "z"], "b": ["u", None, "v", "u"]}))) as server,
        View(browser, server.access.new_address()) as view,
    ):
        view.page.click("[aria-label='Explain a']")
        view.wait("#t-coefficients")
        assert view.page.input_value("#t-loss") == "multinomial"
        view.page.select_option("#t-loss", "squared")
        view.wait("#t-problem")
        view.page.select_option("#t-loss", "multinomial")
        view.wait("#t-problem", state="detached")
        view.wait("#t-coefficients")


def test_without_a_table_the_page_says_how_to_give_one(browser):
    with serving(Studio()) as server, View(browser, server.access.new_address()) as view:
        view.wait("text=gradline studio flats.csv")


def test_a_fit_given_from_python_is_shown_without_rows(browser):
    fit = gl.fit("body_mass_g ~ flipper_length_mm", PENGUINS)
    with serving(Studio(given=fit)) as server, View(browser, server.access.new_address()) as view:
        view.formula("body_mass_g ~ flipper_length_mm")
        np.testing.assert_allclose(view.estimates(), fit.coefficients, rtol=1e-5)
        view.page.click("#t-tab-diagnostics")
        view.wait("text=gl.studio(fit, data=...)")


def test_a_loss_of_a_file_is_watched_on_points(browser):
    def lopsided(y, p):
        import jax.numpy as jnp

        return jnp.where(y > p, 3.0, 1.0) * jnp.square(y - p)

    losses = [FileLoss("mine.py", "lopsided", lambda: lopsided)]
    with serving(Studio(losses=losses)) as server, View(browser, server.access.new_address()) as view:
        page = view.page
        page.click("#tab-watch")
        page.select_option("select:has(option[value='file:lopsided'])", "file:lopsided")
        for _ in range(100):
            if page.locator("#equation").count():
                break
            time.sleep(0.1)
        page.wait_for_timeout(3000)
        assert page.locator("#trouble").count() == 0
        assert page.locator("option[value='file:lopsided']").count() == 1
        page.click("#tab-take")
        page.wait_for_timeout(500)
        # The path of the page holds the key to the server: no link may carry it on.
        assert page.input_value("#link").startswith("#")
        assert "/s/" not in page.input_value("#link")
        assert view.errors == []
