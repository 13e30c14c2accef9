"""The studio under the hand. Of the page: time from a pointer's move to the picture that shows it, 1,000 points, the processor slowed four
times. Of the server: time from a click on another column to its fit, on 1,000,000 rows, beside the same fit by ``gl.fit`` from the file.

python benchmarks/studio.py
"""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import sync_playwright

PAGE = Path(__file__).parents[1] / "src" / "gradline" / "studio" / "page" / "index.html"
SLOWED = 4
MOVES = 120

# A message posted from within a frame arrives once that frame is painted.
WATCH = """
() => {
  const watched = window.delays !== undefined;
  window.delays = [];
  if (watched) return; // one listener, however many losses are dragged
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


ROWS = 1_000_000
COLUMNS = ("x1", "x2", "x3", "g", "x4", "x5")


def write_tables(folder):
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    random = np.random.default_rng(0)
    columns = {f"x{j}": random.normal(size=ROWS) for j in range(1, 9)}
    columns["g"] = np.array(list("abcdefgh"))[random.integers(0, 8, ROWS)]
    columns["y"] = 2 * columns["x1"] - columns["x2"] + random.normal(size=ROWS)
    pa.parquet.write_table(pa.table(columns), folder / "rows.parquet")
    pa.csv.write_csv(pa.table(columns), folder / "rows.csv")


def clicks(place, loss):
    """Seconds to each fit as columns are added one by one, and seconds of gl.fit for the same model from the file."""
    from websockets.sync.client import connect

    import gradline as gl
    from gradline.losses.arguments import by_name

    options = {"threshold": 1.35} if loss == "huber" else {}
    ids, asked, alone = itertools.count(1), [], []
    with gl.studio(str(place), port=0) as studio:
        own = f"http://127.0.0.1:{studio.port}"
        page = own + httpx.get(studio.url).headers["location"]
        with connect(page.replace("http", "ws", 1) + "socket", origin=own, max_size=None) as socket:
            socket.recv()
            for count in range(1, len(COLUMNS) + 1):
                terms = [{"factors": [{"column": name, "transform": "factor" if name == "g" else "none"}]} for name in COLUMNS[:count]]
                model = {"target": "y", "terms": terms, "loss": {"kind": "catalogue", "name": loss, "options": options}}
                began = time.perf_counter()
                socket.send(json.dumps({"id": next(ids), "ask": "fit", "lane": "fit", "with": {"model": model}}))
                while "answer" not in (message := json.loads(socket.recv())):
                    assert "problem" not in message, message
                asked.append(time.perf_counter() - began)
                formula = message["answer"]["formula"]
                began = time.perf_counter()
                gl.fit(formula, place, loss=by_name(loss, **options), covariance="default")
                alone.append(time.perf_counter() - began)
    return asked, alone


def serve():
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder))
        for kind, loss in itertools.product(("parquet", "csv"), ("squared", "huber")):
            asked, alone = clicks(Path(folder) / f"rows.{kind}", loss)
            middle, most = statistics.median(asked[1:]), max(asked[1:])
            words = f"first fit {asked[0]:.2f} s, a column more {middle:.2f} s at the median, {most:.2f} s at most"
            print(f"{kind:>8}, {loss:<8} {words}: {middle / statistics.median(alone[1:]):.2f} of gl.fit from the file")


def main():
    serve()
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
            middle = statistics.median(delays)
            print(f"{loss:>8}: drag to repaint {middle:.0f} ms at the median, {p95:.0f} ms at the 95th percentile of {len(delays)} moves")
        browser.close()


if __name__ == "__main__":
    main()
