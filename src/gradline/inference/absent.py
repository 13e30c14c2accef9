"""What a fit holds in the place of inference where there is none."""

from __future__ import annotations

from dataclasses import dataclass

AFTER_SELECTION = '; covariance="debiased" has errors of one step beyond it, and covariance="selective" intervals given what was kept'
"""What a penalised fit can have instead of standard errors."""

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
