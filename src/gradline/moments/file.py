"""The file of moments: JSON with every number to the last bit, a version and a checksum. It holds sums, never a row, and runs no code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from gradline.base.atomic_file import write_whole
from gradline.base.errors import ArgumentError
from gradline.solvers.least_squares.second_moments import SecondMoments

FORMAT = "gradline moments"
VERSION = 1


def write_moments(path: Path, names: tuple[str, ...], sums: SecondMoments) -> None:
    """Write the file whole or not at all. Raises as ``write_whole`` does."""
    rows, columns = np.tril_indices(len(names))
    content = {
        "names": list(names),
        "shift": sums.shift.tolist(),
        "exponents": sums.exponents.tolist(),
        "sums": sums.sums.tolist(),
        "products": sums.products[rows, columns].tolist(),
        "weight": sums.weight,
        "count": sums.count,
        "log_weight": sums.log_weight,
        "rows": sums.rows,
        "steps": sums.steps,
    }
    text = json.dumps({"format": FORMAT, "version": VERSION, "checksum": _checksum(content), "content": content}, allow_nan=False)
    write_whole(path, text + "\n")


def read_moments(path: Path) -> tuple[tuple[str, ...], SecondMoments]:
    """(names, sums). Raises ValueError that says what is wrong with the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):  # what is no JSON or no text, and numbers of more digits than Python reads
        raise ArgumentError(f"{path} is not a whole moments file: it is cut short, damaged or of another kind") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ArgumentError(f"{path} is not a moments file")
    version = document.get("version")
    if version != VERSION:
        raise ArgumentError(f"{path} is a moments file of version {version!r}, and this gradline reads {VERSION}: use a later one")
    content = document.get("content")
    if not isinstance(content, dict) or document.get("checksum") != _checksum(content):
        raise ArgumentError(f"{path} has been edited or damaged: its checksum does not match. Save the moments again")
    return _decode(path, content)


def _decode(path: Path, content: dict[str, Any]) -> tuple[tuple[str, ...], SecondMoments]:
    """A checksum can be made for anything, so the shapes are checked too."""
    try:
        names = tuple(str(name) for name in content["names"])
        m = len(names)
        lower = np.array(content["products"], dtype=np.float64)
        if lower.shape != (m * (m + 1) // 2,):
            raise ArgumentError(f"{lower.size} products for {m} columns")
        products = np.zeros((m, m))
        rows, columns = np.tril_indices(m)
        products[rows, columns] = lower
        products[columns, rows] = lower
        sums = SecondMoments(
            shift=np.array(content["shift"], dtype=np.float64),
            exponents=np.array(content["exponents"], dtype=np.int64),
            sums=np.array(content["sums"], dtype=np.float64),
            products=products,
            weight=float(content["weight"]),
            count=float(content["count"]),
            log_weight=float(content["log_weight"]),
            rows=int(content["rows"]),
            steps=int(content["steps"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise ArgumentError(f"{path} is not a sound moments file: {problem}") from None
    shapes = {sums.shift.shape, sums.exponents.shape, sums.sums.shape}
    if m == 0 or shapes != {(m,)} or len(set(names)) != m or not sums.finite() or not (sums.weight > 0 and np.isfinite(sums.shift).all()):
        raise ArgumentError(f"{path} is not a sound moments file: its sums do not belong together")
    return names, sums


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
