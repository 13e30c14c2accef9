"""Tables with categories to absorb, and what pyfixest found of them."""

import json
from pathlib import Path

import numpy as np

REFERENCE = json.loads((Path(__file__).parent / "reference" / "absorbed.json").read_text(encoding="utf-8"))
TABLES = {kind: {name: np.array(own) for name, own in columns.items()} for kind, columns in REFERENCE["tables"].items()}


def connected():
    """Firms and years that are all connected, without the firm of one row, which would be left out; and columns for other losses."""
    found, rng = dict(TABLES["connected"]), np.random.default_rng(5)
    keep = found["firm"] != 3
    found = {name: own[keep] for name, own in found.items()}
    n = len(found["y"])
    return found | {"high": (rng.random(n) < 0.5) * 1, "times": found["product"] + 1, "known": found["x2"] / 7}
