"""Draw the pictures of the documentation into docs/images: python docs/make_images.py

The demo with seed 1 draws those of docs/tutorial.md, whose numbers are for the same points; the rest are drawn here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

import gradline as gl

IMAGES = Path(__file__).parent / "images"


def demo(folder: Path, *arguments: str) -> None:
    """Run the demo for its pictures."""
    command = [sys.executable, "-m", "gradline", "demo", "--seed", "1", "--output-folder", str(folder), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def planes() -> None:
    """The pictures of three inputs and two outputs that a page shows."""
    with tempfile.TemporaryDirectory() as folder:
        demo(Path(folder), "--inputs", "3", "--outputs", "2")
        for name in ("coefficients", "observed-and-predicted"):
            shutil.copyfile(Path(folder) / f"{name}.png", IMAGES / f"planes-{name}.png")


def momentum() -> None:
    """Plain descent and momentum on inputs times 20."""
    x, y = gl.datasets.line(seed=1)
    plain = gl.fit(20 * x, y, solver=gl.GradientDescent())
    rolling = gl.fit(20 * x, y, solver=gl.GradientDescent(momentum=0.9))
    axes = gl.plot.loss({"plain": plain, "momentum 0.9": rolling}, optimum=gl.fit(20 * x, y))
    axes.figure.savefig(IMAGES / "momentum.png")


def training() -> None:
    """The three trainings of docs/training.md, which makes them."""
    page = (IMAGES.parent / "training.md").read_text(encoding="utf-8")
    held: dict[str, Any] = {"__name__": "training"}
    for block in page.split("```python\n")[1:4]:
        exec(block.partition("```")[0], held)
    gl.plot.histories(held["fits"]).figure.savefig(IMAGES / "training-histories.png", dpi=110)


def path() -> None:
    """The path of docs/penalties.md."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    y = 3 * X[:, 0] - 2 * X[:, 1] + 0.5 * X[:, 2] + rng.normal(size=300)
    axes = gl.path(X, y, choose="folds").plot()
    axes[0, 0].figure.savefig(IMAGES / "path.png", dpi=90)


def smooth() -> None:
    """The curves of docs/smooth.md, whose first block makes the data and the fit."""
    page = (IMAGES.parent / "smooth.md").read_text(encoding="utf-8")
    held: dict[str, Any] = {"__name__": "smooth"}
    exec(page.partition("```python\n")[2].partition("```")[0], held)
    axes = gl.plot.smooths(held["fit"])
    axes[0].figure.savefig(IMAGES / "smooth-demand.png", dpi=100)


def diagnostics() -> None:
    """The four diagnostic pictures of docs/report.md, and its report as a browser shows it at two widths."""
    penguins = gl.datasets.penguins()
    formula = "body_mass_g ~ flipper_length_mm + bill_length_mm + C(species)"
    gl.fit(formula, penguins)  # so that the time in the report is that of a fit, not of imports
    fit = gl.fit(formula, penguins)
    axes = gl.plot.diagnostics(fit, penguins)
    axes[0, 0].figure.savefig(IMAGES / "diagnostics.png", dpi=90)
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("docs/images/report.png needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = fit.report(penguins, name="penguins.csv").html
        start, end = page.index("<header>"), page.index('<section aria-labelledby="diagnostics">')
        (Path(folder) / "top.html").write_text(page, encoding="utf-8")
        (Path(folder) / "diagnostics.html").write_text(page[:start] + page[end:], encoding="utf-8")
        screens = [photograph(browser, Path(folder) / "top.html", 1000), photograph(browser, Path(folder) / "diagnostics.html", 500)]
    # No window is narrower than 500 pixels; a telephone's is 390, and the page is as wide as its window.
    together = Image.new("RGB", (sum(screen.width for screen in screens) + 3 * 20, screens[0].height + 40), "#8a929c")
    place = 20
    for screen in screens:
        together.paste(screen, (place, 20))
        place += screen.width + 20
    together.quantize(64).save(IMAGES / "report.png", optimize=True)


def photograph(browser: str, page: Path, width: int) -> Image.Image:
    """The top of a page in a window of so many pixels."""
    screen = page.with_suffix(".png")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--hide-scrollbars"]
    size = [f"--window-size={width},1060", f"--screenshot={screen}", f"--user-data-dir={page.parent / page.stem}"]
    subprocess.run([browser, *quiet, *size, page.as_uri()], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Image.open(screen).convert("RGB")


if __name__ == "__main__":
    matplotlib.use("Agg")
    demo(IMAGES, "--animate")
    planes()
    momentum()
    training()
    path()
    smooth()
    diagnostics()
