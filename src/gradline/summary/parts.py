"""What a summary consists of: facts, and blocks of coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Fact:
    """One line under a label. tone: "good" and "bad" are coloured where there is colour."""

    label: str
    text: str
    tone: Literal["plain", "good", "bad"] = "plain"


@dataclass(frozen=True)
class Row:
    """A coefficient: its name, and a cell for each column of the block. left_out: there is no coefficient, and the cells are empty."""

    name: str
    cells: tuple[str, ...]
    left_out: bool = False


@dataclass(frozen=True)
class Block:
    """The coefficients of one linear predictor. title: empty where there is only one. more: how many are not shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    more: int = 0
    what: str = "the coefficient of each column"
