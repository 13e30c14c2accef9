"""center(), scale() and standardize()."""

from __future__ import annotations

import numpy as np

from gradline.base.types import Array
from gradline.formulas.errors import FormulaError
from gradline.formulas.learner import Options, State


class Moments:
    """Mean and spread, merged batch by batch (Chan, Golub and LeVeque 1983)."""

    def __init__(self, options: Options, key: str) -> None:
        self.options, self.key = options, key
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def update(self, values: Array) -> None:
        if not values.size:
            return
        mean = float(values.mean())
        squares = float(np.square(values - mean).sum())
        total, shift = self.count + values.size, mean - self.mean
        self.squares += squares + shift * shift * (self.count * values.size / total)
        self.mean += shift * (values.size / total)
        self.count = total

    def finish(self) -> State:
        center, scale = self.options.get("center", True), self.options.get("scale", False)
        about = self.mean if center is True else (0.0 if center is False else float(center))
        if scale is True:
            spare = self.count - self.options["ddof"]
            if spare <= 0:
                raise FormulaError(f"{self.key} needs more rows than the {self.count} there are")
            scale = float(np.sqrt((self.squares + self.count * (self.mean - about) ** 2) / spare))
            if scale == 0.0:
                raise FormulaError(f"{self.key}: the column holds one value only, so that there is no spread to divide by")
        return {"center": None if center is False else about, "scale": None if scale is False else float(scale)}


def apply_scaling(values: Array, options: Options, state: State, key: str) -> Array:
    """(values - center) / scale."""
    if state["center"] is not None:
        values = values - state["center"]
    return values if state["scale"] is None else values / state["scale"]


class Standardized(Moments):
    """patsy's names for the options of scale()."""

    def __init__(self, options: Options, key: str) -> None:
        super().__init__({"center": options["center"], "scale": options["rescale"], "ddof": options["ddof"]}, key)
