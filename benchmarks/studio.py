"""The studio's page under the hand: time from a pointer's move to the picture that shows it, 1,000 points, the processor slowed four times.

python benchmarks/studio.py
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from playwright.sync_api import sync_playwright

PAGE = Path(__file__).parents[1] / "src" / "gradline" / "studio" / "page" / "index.html"
SLOWED = 4
MOVES = 120

# A message posted from within a frame arrives once that frame is painted.
WATCH = """
() => {
  window.delays = [];
  document.querySelector('.pane-points .canvas').addEventListener('pointermove', (event) => {
    const began = event.timeStamp;
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => window.delays.push(performance.now() - began);
      port2.postMessage(0);
    });
  });
}
"""


def dragged(page, loss):
    page.select_option("#preset", "line")
    page.wait_for_timeout(1500)
    page.select_option("#loss", loss)
    page.wait_for_timeout(3000)
    page.evaluate(WATCH)
    box = page.locator(".pane-points .canvas").bounding_box()
    handle = page.locator("#point").bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for k in range(MOVES):
        page.mouse.move(box["x"] + 80 + 2 * k, box["y"] + 60 + (k % 40) * 4)
        page.wait_for_timeout(30)
    page.mouse.up()
    page.wait_for_timeout(500)
    return sorted(page.evaluate("window.delays"))


def main():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(PAGE.as_uri())
        page.wait_for_selector("#loss-now")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        print(f"first paint after {paint:.0f} ms")
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        for loss in ("squared", "huber"):
            delays = dragged(page, loss)
            p95 = delays[int(0.95 * (len(delays) - 1))]
            print(
                f"{loss:>8}: drag to repaint {statistics.median(delays):.0f} ms at the median, {p95:.0f} ms at the 95th percentile of {len(delays)} moves"
            )
        browser.close()


if __name__ == "__main__":
    main()
