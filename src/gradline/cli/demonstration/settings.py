"""What the demonstration is told to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class DemoSettings:
    """What the user chose, checked. learning_rate: a positive number or "auto"."""

    examples: int
    steps: int
    learning_rate: float | Literal["auto"]
    slope: float
    intercept: float
    noise: float
    seed: int | None
    inputs: int
    outputs: int
    backend: str
    output_folder: Path
    animate: bool

    @property
    def one_line(self) -> bool:
        """Whether this is the plain line, one input and one output."""
        return self.inputs == self.outputs == 1
