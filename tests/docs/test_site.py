"""The site that `make docs` builds: no dead link, nothing from other machines, readable by everybody at every width.

Without a built site these tests are skipped: `make docs` takes a minute or two, and CI runs it before them. ``GRADLINE_SITE`` names another
folder.
"""

import importlib.util

import pytest
from built_site import SITE, dead_links, find_chromium, foreign_files, pages, served

BUILT = (SITE / "index.html").exists()
pytestmark = pytest.mark.skipif(not BUILT, reason="no site is built: run make docs")

LOOKED_AT = (
    "index.html",
    "glossary.html",
    "effects.html",
    "coming-from/from-statsmodels.html",
    "reference/gradline.fit.html",
    "gallery/index.html",
    "gallery/losses/plot_3_quantiles.html",
)
WIDTHS = (390, 1280)

EXAMPLES = 30
"""In the gallery, at least."""


@pytest.fixture(scope="module")
def found():
    return pages()


def test_no_link_is_dead(found):
    assert len(found) > 100
    assert dead_links(found) == []


def test_no_page_or_stylesheet_fetches_anything_from_elsewhere(found):
    assert foreign_files(found) == []


def test_the_gallery_has_its_examples_with_pictures(found):
    examples = [path for path in found if path.name.startswith("plot_") and "gallery" in path.parts]
    assert len(examples) >= EXAMPLES
    for path in examples:
        assert any("_images/sphx_glr_plot" in target for target, _ in found[path].references), path.name


def test_no_folder_of_this_machine_is_shown(found):
    root = str(SITE.parents[2])
    assert [str(path.relative_to(SITE)) for path in found if root in path.read_text(encoding="utf-8")] == []


@pytest.fixture(scope="module")
def browser():
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed")
    from playwright.sync_api import sync_playwright

    if (program := find_chromium()) is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address():
    with served() as where:
        yield where


@pytest.fixture
def opened(browser, address):
    """Opens a page of the site; what it asks of other machines, and what goes wrong on it, is kept."""
    contexts = []

    def open_page(name, width, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.foreign, page.wrong = [], []
        page.on(
            "request", lambda request: None if request.url.startswith((address, "data:", "blob:")) else page.foreign.append(request.url)
        )
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("response", lambda response: page.wrong.append(f"{response.status} {response.url}") if response.status >= 400 else None)
        page.goto(f"{address}/{name}", wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", LOOKED_AT)
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_ask_no_other_machine_and_fit_the_window(opened, name, width):
    page = opened(name, width)
    assert page.foreign == []
    assert page.wrong == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src)") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "width"), [(name, width) for name in LOOKED_AT for width in WIDTHS if width > 1000 or name == "index.html"]
)
def test_axe_finds_nothing_serious(opened, name, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(name, width, scheme)
    assert page.get_attribute("html", "data-theme") == scheme
    found = axe.run(page).response["violations"]
    serious = [
        (one["id"], one["impact"], [node["html"][:160] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_the_search_works_without_a_network(opened):
    page = opened("search.html?q=huber", 1280)
    page.wait_for_selector("#search-results li a", timeout=20_000)
    links = page.eval_on_selector_all("#search-results li a", "all => all.map(one => one.getAttribute('href'))")
    assert any("gradline.losses.huber" in link for link in links)
    assert page.foreign == []
