"""The studio's engine, bundled once and asked questions in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

STUDIO = Path(__file__).parents[2] / "studio"


def needs() -> str | None:
    """What is missing to run it, in words."""
    if shutil.which("node") is None:
        return "node is not on the path: the studio's engine in the page is not tested"
    if not (STUDIO / "node_modules" / "esbuild").exists():
        return "esbuild is not there (npm ci in studio/): the studio's engine in the page is not tested"
    return None


@lru_cache(maxsize=1)
def bundle() -> Path:
    path = Path(mkdtemp(prefix="gradline-engine-")) / "engine.mjs"
    subprocess.run(["node", str(STUDIO / "test" / "bundle.mjs"), str(path)], check=True, cwd=STUDIO, capture_output=True, timeout=120)
    return path


def ask(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers, each {"good": ...} or {"refused": {"path", "message"}}."""
    reason = needs()
    if reason is not None:
        pytest.skip(reason)
    done = subprocess.run(
        ["node", str(STUDIO / "test" / "answer.mjs"), str(bundle())],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def good(questions: list[dict[str, Any]]) -> list[Any]:
    answers = ask(questions)
    for question, answer in zip(questions, answers, strict=True):
        assert "good" in answer, (question, answer)
    return [answer["good"] for answer in answers]


def numbers(values: Any) -> np.ndarray[Any, Any]:
    """Of lists of numbers, where text stands for those that JSON lacks."""
    return np.array(values, dtype=np.float64)


def points(x: Any, y: Any, weights: Any = None) -> dict[str, Any]:
    x = np.asarray(x, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    made = {"inputs": ["x", "z"][: x.shape[1]], "target": "y", "x": x.tolist(), "y": np.asarray(y, dtype=np.float64).tolist()}
    return made if weights is None else {**made, "weights": np.asarray(weights).tolist()}


def settings(loss: Any = "squared", inputs: int = 1, **changed: Any) -> dict[str, Any]:
    if isinstance(loss, str):
        loss = {"kind": "catalogue", "name": loss} if "->" not in loss else {"kind": "typed", "text": loss}
    elif isinstance(loss, tuple):
        loss = {"kind": "catalogue", "name": loss[0], "option": loss[1]}
    usual = {
        "loss": loss,
        "method": "descent",
        "rate": "auto",
        "momentum": 0.0,
        "nesterov": False,
        "batch": None,
        "seed": 0,
        "start": [0.0] * (1 + inputs),
        "standardised": False,
    }
    return {**usual, **changed}
