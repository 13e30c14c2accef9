"""What a fit holds in the place of inference where there is none."""

from __future__ import annotations

from dataclasses import dataclass

from gradline.losses.protocol import Loss
from gradline.penalties.beside_curves import curve_part
from gradline.penalties.kinked_penalty import as_kinked
from gradline.penalties.protocol import Penalty


def after_selection(loss: Loss, penalty: Penalty | None) -> str:
    """What a fit whose penalty has kinks can have instead of standard errors: the end of a sentence."""
    if loss.kinks() is not None:
        return ""
    kinked, debiased = as_kinked(penalty), '; covariance="debiased" has errors of one step beyond it'
    if loss.squared_scale() is None or kinked is None or kinked.absolute is None or not kinked.rest_is_quadratic or curve_part(kinked):
        return debiased
    return f'{debiased}, and covariance="selective" intervals given what was kept'


ASK = 'ask for them with gl.fit(..., covariance="default"), or a kind such as "classical", "HC3" or ("cluster", groups)'


JOINT = (
    "the loss {!r} is one number of all rows together, so that no row has a score of its own: return one number per row, and there are"
    " standard errors"
)


@dataclass(frozen=True)
class NoInference:
    """Why a fit says nothing of its uncertainty, and what to do about it: a sentence."""

    reason: str

    def infer(self) -> None:
        """Nothing: what every fit is asked."""


NOT_ASKED = NoInference(f"they were not asked for: {ASK}")
