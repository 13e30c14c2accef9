"""An interval that says how it was found, with the p-values that go with it."""

from __future__ import annotations

from typing import Any

from gradline.base.types import Array
from gradline.inference.intervals import Interval


class TestedInterval(Interval):
    """``lower, upper = interval`` as of any; p_values: shaped like the ends; method: in words."""

    p_values: Array
    method: str
    __test__ = False

    def __new__(cls, lower: Array, upper: Array, p_values: Array, method: str) -> TestedInterval:
        found = super().__new__(cls, lower, upper)
        found.p_values, found.method = p_values, method
        return found

    def __reduce__(self) -> Any:
        return TestedInterval, (self.lower, self.upper, self.p_values, self.method)
