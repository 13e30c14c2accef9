"""A loss made from another, which answers for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradline.base.types import Array
from gradline.losses.defaults import LossDefaults
from gradline.losses.protocol import Loss


@dataclass(frozen=True)
class Wrapped(LossDefaults):
    """Everything but the derivatives, and what they decide, is that of ``loss``."""

    loss: Loss

    @property
    def meaning(self) -> str:
        return self.loss.meaning

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return self.loss.intercept_only

    @property
    def without_intercept(self) -> tuple[bool, ...]:
        return self.loss.without_intercept

    @property
    def is_resolved(self) -> bool:
        return self.loss.is_resolved

    @property
    def takes_pairs(self) -> bool:
        return self.loss.takes_pairs

    @property
    def lowest_target(self) -> float:
        return self.loss.lowest_target

    @property
    def is_convex(self) -> bool:
        return self.loss.is_convex

    @property
    def of_residuals(self) -> bool:
        return self.loss.of_residuals

    @property
    def never_negative(self) -> bool:
        return self.loss.never_negative

    @property
    def takes_long_runs(self) -> bool:
        return self.loss.takes_long_runs

    @property
    def flat_directions(self) -> Array | None:
        return self.loss.flat_directions

    @property
    def scores_classes(self) -> bool:
        return self.loss.scores_classes

    def all_identified(self) -> Wrapped:
        return replace(self, loss=self.loss.all_identified())

    def n_predictors(self, n_targets: int) -> int:
        return self.loss.n_predictors(n_targets)

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return self.loss.predictor_names(n_targets)

    def predict(self, predictors: Array) -> Array:
        return self.loss.predict(predictors)

    def start(self, targets: Array) -> Array:
        return self.loss.start(targets)

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        self.loss.check_targets(targets, first_row)
