"""What a solver that trains step by step remembers of its way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradline.base.numbers import short
from gradline.base.types import Array, IntArray
from gradline.base.written_tables import WrittenTable

SHOWN = 12
"""Records of a history in a notebook, about."""


class Record(NamedTuple):
    """The objective at one step: coefficients (P, k), loss and the Euclidean norm of its gradient.

    validation_loss: of the rows held out, None where none are. learning_rate: of the step that led here, at the start of the first one;
    None where there is none.
    """

    step: int
    loss: float
    gradient_norm: float
    coefficients: Array
    validation_loss: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, eq=False)
class History:
    """The path of a fit: step (t,), loss (t,), gradient_norm (t,), coefficients (t, P, k). Step 0 is the start.

    validation_loss (t,): of the rows held out; learning_rate (t,): of the step that led to each record, at the start of the first one;
    epoch (t,): passes over the rows until then, whole and part. Each is None where there is no such thing.

    Iterates and indexes as Records.
    """

    step: IntArray
    loss: Array
    gradient_norm: Array
    coefficients: Array
    validation_loss: Array | None = None
    learning_rate: Array | None = None
    epoch: Array | None = None

    def __len__(self) -> int:
        return int(self.step.size)

    def __getitem__(self, index: int) -> Record:
        return Record(
            int(self.step[index]),
            float(self.loss[index]),
            float(self.gradient_norm[index]),
            self.coefficients[index],
            None if self.validation_loss is None else float(self.validation_loss[index]),
            None if self.learning_rate is None else float(self.learning_rate[index]),
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if not len(self):
            return "History(empty)"
        first, last = self[0], self[-1]
        return f"History({len(self)} records, steps {first.step} to {last.step}, loss {first.loss:.6g} to {last.loss:.6g})"

    def _repr_html_(self) -> str:
        """The first and last record and some between, spread as learning is: many early, few late."""
        last = len(self) - 1
        shown = sorted({0, *(round(place) for place in np.geomspace(1, max(last, 1), SHOWN))} & set(range(len(self))))
        columns = [("step", [f"{self.step[i]:,}" for i in shown])]
        told = {"epoch": self.epoch, "learning rate": self.learning_rate, "loss": self.loss, "loss held out": self.validation_loss}
        columns += [(name, [short(float(found[i])) for i in shown]) for name, found in told.items() if found is not None]
        columns.append(("gradient norm", [short(float(self.gradient_norm[i])) for i in shown]))
        rows = tuple(zip(*(texts for _, texts in columns), strict=True))
        left_out = len(self) - len(shown)
        notes = (f"{left_out:,} more {'record' if left_out == 1 else 'records'} between these.",) if left_out else ()
        return WrittenTable(tuple(name for name, _ in columns), rows, words=0, title="History", notes=notes).to_html()
