"""Pictures of the command: drawn by ``gradline.plot``, written into files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gradline.base.atomic_file import open_whole


def write_picture(axes: Any, out: Path) -> None:
    """Write the figure of Axes, or of an array of them, whole or not at all."""
    figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
    with open_whole(out) as file:
        figure.savefig(file, format=out.suffix[1:].lower(), dpi=150, bbox_inches="tight")


def use_screenless() -> None:
    """The command draws into files only, and must work where there is no screen."""
    import matplotlib

    matplotlib.use("Agg")
