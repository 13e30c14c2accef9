"""Draw the pictures of the documentation into docs/images: python docs/make_images.py

The demo with seed 1 draws those of docs/tutorial.md, whose numbers are for the same points; the rest are drawn here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib

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


if __name__ == "__main__":
    matplotlib.use("Agg")
    demo(IMAGES, "--animate")
    planes()
    momentum()
