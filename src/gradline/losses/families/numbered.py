"""What losses of classes numbered 0 .. K - 1 in one column share."""

from __future__ import annotations

import numpy as np

from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.losses.defaults import BoolArray, LossDefaults


class NumberedClasses(LossDefaults):
    """``n_classes``, a field of the loss, is None until the targets are seen."""

    n_classes: int | None

    never_negative = True
    is_convex = True
    is_likelihood = True
    target_kind = "class"
    aims_at = "mean"

    @property
    def is_resolved(self) -> bool:
        return self.n_classes is not None

    def in_domain(self, targets: Array) -> BoolArray:
        allowed: BoolArray = (targets >= 0) & (np.floor(targets) == targets)
        if self.n_classes is not None:
            allowed &= targets < self.n_classes
        return allowed

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        self.require_one_target(targets.shape[1])
        super().check_targets(targets, first_row)

    def known_classes(self, n_targets: int) -> int:
        """How many classes there are. Raises LossError before that is known, and for several targets."""
        self.require_one_target(n_targets)
        if self.n_classes is None:
            raise LossError(
                f"loss {self.name}: the number of classes is not known before the targets are seen; give {self.name}(n_classes)"
            )
        return self.n_classes
