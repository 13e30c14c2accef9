"""Learning rates that change on the way: ``learning_rate=`` of a solver takes one, or any function of the step.

Each is called with the number of the step, 0 for the first, and gives its rate. A step is one change of the coefficients: with mini-batches
one batch.
"""

from gradline.schedules.decays import Schedule, constant, cosine, exponential, step, warm_up

__all__ = ["Schedule", "constant", "cosine", "exponential", "step", "warm_up"]


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted(__all__)
