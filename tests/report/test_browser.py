"""The report in a real browser: nothing is fetched, nothing complains, everything is seen, at the width of a telephone and of a desk."""

import io

import numpy as np
import pytest
from browser import find_browser, look, print_to_pdf
from PIL import Image

import gradline as gl

pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed: the report is not opened in a browser")

NAME = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with every kind of warning, a column named like a script and one with a very long name."""
    rng = np.random.default_rng(0)
    n = 400
    x = rng.normal(size=n)
    table = {
        "x": x,
        "x_again": x + 0.05 * rng.normal(size=n),
        NAME: rng.uniform(0, 4, size=n),
        "a_column_with_a_name_that_is_too_long_for_any_telephone_" * 2: rng.normal(size=n),
        "price in $ per $": rng.normal(size=n),
        "group": np.array(["first", "second", "third"])[rng.integers(0, 3, size=n)],
    }
    table["y"] = table["x"] + table[NAME] ** 2 + rng.normal(size=n) * (0.2 + table[NAME])
    table["y"][5] = np.nan
    table["y"][11] += 8
    names = " + ".join(f"`{name}`" for name in table if name not in ("y", "group"))
    fit = gl.fit(f"y ~ {names} + C(group)", table, covariance="classical")
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert {concern.level for concern in fit.report(table, path=path).concerns} == {"serious", "look"}
    return path


SEEN = """({
    title: document.title,
    headings: [...document.querySelectorAll('h1, h2')].map(one => one.textContent),
    language: document.documentElement.lang,
    silent: [...document.images].filter(one => !one.alt).length,
    nameless: [...document.querySelectorAll('table')].filter(one => !one.caption).length,
    scopeless: [...document.querySelectorAll('th')].filter(one => !one.scope).length,
    scripts: document.scripts.length,
    wide: [...document.querySelectorAll('main *')].filter(one =>
        one.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !one.closest('.scroll')).map(one => one.outerHTML),
    small: [...document.querySelectorAll('p, td, th, dd, dt, figcaption')].filter(one =>
        parseFloat(getComputedStyle(one).fontSize) < 12).length,
    columns: new Set([...document.querySelectorAll('.pictures > figure')].map(one => Math.round(one.getBoundingClientRect().left))).size,
    faint: [...document.querySelectorAll('p, h1, h2, h3, td, th, dd, dt, strong, .level, code')].filter(one => {
        const numbers = text => text.match(/[\\d.]+/g).map(Number);
        const light = rgb => rgb.slice(0, 3).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const layers = [];
        for (let box = one; box; box = box.parentElement) {
            const paper = numbers(getComputedStyle(box).backgroundColor);
            layers.push(paper);
            if ((paper[3] ?? 1) === 1) break;
        }
        const behind = layers.reverse().reduce((under, over) =>
            under.map((c, i) => c + (over[i] - c) * (over[3] ?? 1)), [255, 255, 255]);
        const pair = [light(numbers(getComputedStyle(one).color)), light(behind)].sort((a, b) => b - a);
        return (pair[0] + 0.05) / (pair[1] + 0.05) < 4.5;
    }).map(one => one.outerHTML)
})"""


@pytest.mark.parametrize(("width", "columns", "dark"), [(390, 1, False), (1280, 2, False), (1280, 2, True)])
def test_the_page_stands_by_itself_at(page, width, columns, dark):
    seen = look(page, width, script=SEEN, dark=dark)
    assert seen.messages == []
    assert seen.requests == []
    assert seen.broken == []
    assert seen.content <= seen.window <= width
    answer = seen.answer
    assert answer["wide"] == []
    assert answer["faint"] == []
    assert answer["small"] == answer["silent"] == answer["nameless"] == answer["scopeless"] == answer["scripts"] == 0
    assert answer["columns"] == columns
    assert answer["language"] == "en"
    assert answer["headings"][:3] == ["Linear model of y", "Before you use this model", "What was fitted"]
    picture = np.asarray(Image.open(io.BytesIO(seen.screenshot)).convert("L"), dtype=float)
    assert picture.shape[0] > 2000
    assert picture[0, 0] < 60 if dark else picture[0, 0] > 250


def test_the_name_of_a_column_is_text_and_runs_nothing(page):
    script = "({shown: document.body.textContent.includes('<script>alert(1)</script>'), scripts: document.scripts.length})"
    assert look(page, 1280, script=script).answer == {"shown": True, "scripts": 0}


def test_a_script_that_got_in_would_not_run(page, tmp_path):
    broken = tmp_path / "broken.html"
    injected = "</main><script>document.title = 'taken over'</script><img src='https://127.0.0.1:9/pixel.png'>"
    broken.write_text(page.read_text(encoding="utf-8").replace("</main>", injected), encoding="utf-8")
    seen = look(broken, 1280, script="document.title")
    assert seen.answer == "Linear model of y"
    assert any("Content Security Policy" in message for message in seen.messages)


def test_it_prints_on_a_few_pages(page):
    printed = print_to_pdf(page)
    assert printed.startswith(b"%PDF")
    pages = printed.count(b"/Type /Page\n") or printed.count(b"/Type /Page ") or printed.count(b"/Type /Page/")
    assert 2 <= pages <= 8
