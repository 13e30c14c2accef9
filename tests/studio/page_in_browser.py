"""The studio's page in Debian's chromium, driven by playwright: what the tests of the page share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (path := shutil.which(name))), None)
PAGE = Path(__file__).parents[2] / "src" / "gradline" / "studio" / "page" / "index.html"

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="the page is tested in a browser, and there is no chromium here")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Studio:
    """One page, opened from its file, with what went wrong on it."""

    def __init__(self, browser: Any, width: int = 1440, height: int = 900, address: str = "", **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address or PAGE.as_uri())
        self.page.wait_for_selector("#loss-now")
        self.settled()

    def settled(self, wait: int = 300) -> None:
        """Wait until what was changed has been worked out."""
        self.page.wait_for_timeout(wait)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def loss(self) -> float:
        return float(self.page.get_attribute("#loss-now", "data-value") or "nan")

    @property
    def step(self) -> int:
        return int(self.page.inner_text("#step-now").replace(",", "").replace("—", "-1"))

    @property
    def limit(self) -> float:
        return float(self.page.get_attribute("[data-limit]", "data-limit") or "nan")

    @property
    def coefficients(self) -> list[float]:
        found = self.page.eval_on_selector_all(
            "[data-coefficient]", "all => all.map(one => [+one.dataset.coefficient, +one.dataset.value])"
        )
        return [value for _, value in sorted(found)]

    def take_steps(self, count: int) -> None:
        """Steps by their keys, ten at a time and then one at a time."""
        keys = ["m"] * (count // 10) + ["n"] * (count % 10)
        self.page.evaluate(
            "keys => keys.forEach(key => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })))", keys
        )
        self.settled(50)

    def close(self) -> None:
        self.context.close()


@contextmanager
def studio(browser: Any, **options: Any) -> Iterator[Studio]:
    """A page of its own, on which nothing may have gone wrong by the end."""
    opened = Studio(browser, **options)
    try:
        yield opened
        assert opened.errors == []
    finally:
        opened.close()


def findings(page: Any) -> list[str]:
    """What axe-core objects to, a line each."""
    from axe_playwright_python.sync_playwright import Axe

    # A colour half faded in is not the colour of the page.
    page.evaluate(
        "() => new Promise(seen => requestAnimationFrame(() => requestAnimationFrame(seen)))"
        ".then(() => Promise.allSettled(document.getAnimations().map(one => one.finished)))"
    )
    response = Axe().run(page).response
    return [f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}" for one in response["violations"] for node in one["nodes"]]


def overflow(page: Any) -> int:
    """Pixels by which the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
