"""Adam and AdamW, with the names, defaults and formulas of Keras."""

from __future__ import annotations

from dataclasses import dataclass

from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.objective.objective import Problem
from gradline.schedules.decays import Schedule
from gradline.solvers.first_order.rules import AdaptiveMoments
from gradline.solvers.first_order.settings import STEPS, Training, as_schedule, check_rate, check_training, is_number
from gradline.solvers.first_order.training import Method, prepare, train
from gradline.solvers.protocol import Solution, as_start


@dataclass(frozen=True)
class Adam(Training):
    """Adam: steps of about the same length for every coefficient, however steep or flat the loss is along it.

    It reaches the neighbourhood of the optimum without a rate having to be found for the data, and then circles there: a rate that falls
    (``gl.schedules``) brings it closer. The certificate says whether it came near enough.

    Parameters
    ----------
    learning_rate : float or function of the step, default 0.001
        About how far each coefficient moves in a step. One of ``gl.schedules``, or any function that gives the rate of step 0, 1, ....
    steps : int, default 1000
        How many.
    beta_1, beta_2 : float in [0, 1)
        How much of the mean of the gradients, and of their squares, is kept at each step.
    epsilon : float, default 1e-7
        Added to the root of the mean square, against division by zero.
    epochs : int, optional
        Passes over the rows in mini-batches, in place of ``steps``; needs ``batch_size``.
    batch_size : int, optional
        Rows a step. All rows unless given.
    shuffle : bool, default True
        Whether mini-batches are drawn at random; otherwise they are taken in the rows' order.
    start : array, optional
        Coefficients to begin from, (P,) or (P, k), the intercept first. Zeros unless given.
    seed : int, optional
        Of the mini-batches and of the validation part.
    callbacks : sequence
        As for ``gl.GradientDescent``.
    record_every : int, optional
        Steps between records. Unless given, every step, with epochs each epoch; with small batches from much data, often enough that the
        records cost at most 32 times the steps.
    validation : float or array, optional
        A share of the rows, held out at random: no step sees them, and the history has the loss on them. Or the numbers of the rows to hold
        out, or a truth value for each row.
    patience : int, optional
        Early stopping: epochs (without ``epochs``, records) in a row without a fall of the validation loss, after which the training ends.
        The coefficients are those where it was lowest.
    min_delta : float, default 0
        How far it must fall to count.

    Raises
    ------
    ValueError, TypeError
        For a value that cannot be used, and for options that do not go together.

    Notes
    -----
    Kingma and Ba (2015), "Adam: A method for stochastic optimization", in the order of operations of the end of their section 2, as Keras
    has it: epsilon stands beside the root before that is corrected. PyTorch's
    stands after, which makes a difference of the order of epsilon.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> rate = gl.schedules.cosine(0.1, steps=500)
    >>> fit = gl.fit(x, y, solver=gl.Adam(learning_rate=rate, steps=500))
    >>> fit.certificate.converged
    True
    """

    learning_rate: float | Schedule = 0.001
    steps: int = STEPS
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        if isinstance(self.learning_rate, str):
            raise SolverError(
                f"learning_rate must be a number or a function of the step, not {self.learning_rate!r}: Adam's steps do not grow with the"
                " gradient, so that the data has no largest stable rate for them; 0.01 to 0.1 of a typical coefficient is a beginning"
            )
        check_rate(self.learning_rate, auto=False)
        for name in ("beta_1", "beta_2"):
            if not (is_number(getattr(self, name)) and 0 <= getattr(self, name) < 1):
                raise SolverError(f"{name} must be at least 0 and below 1, not {getattr(self, name)!r}")
        if not (is_number(self.epsilon) and 0 <= self.epsilon < float("inf")):
            raise SolverError(f"epsilon must be a number of at least 0, not {self.epsilon!r}")
        check_training(self, self.steps)

    def solve(self, problem: Problem, start: Array | None = None, progress: bool | None = False) -> Solution:
        """Run the steps. Raises ValueError for a batch larger than the data and a validation part that leaves nothing."""
        begin = as_start(self.start if start is None else start, problem.shape)
        method = self._method(problem)
        return train(self, self.steps, method, problem, prepare(self, problem), begin, progress)

    def _method(self, problem: Problem) -> Method:
        return self._named("Adam", AdaptiveMoments(self.beta_1, self.beta_2, self.epsilon))

    def _named(self, name: str, rule: AdaptiveMoments) -> Method:
        rate = self.learning_rate
        fixed = None if callable(rate) else float(rate)
        advice = (
            ("a larger learning_rate", "a falling one (learning_rate=gl.schedules.cosine(...))")
            if fixed is not None
            else ("a larger learning_rate",)
        )
        return Method(name, rule, as_schedule(rate), fixed, False, True, advice)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay apart from the gradient: each step also shrinks the coefficients, by the learning rate times ``weight_decay``.

    Where it comes to rest is not the minimum of the loss, but a point nearer zero. What is proven, and what a ridge means by its strength,
    is for ``penalty=gl.penalties.ridge(...)``; the certificate is about the loss.

    Parameters
    ----------
    learning_rate, steps, beta_1, beta_2, epsilon
        As for :class:`gradline.Adam`.
    weight_decay : float, default 0.004
        Per unit of learning rate.
    decay_intercept : bool, default True
        Whether the intercept shrinks too, as in Keras and PyTorch.
    epochs, batch_size, shuffle, start, seed, callbacks, record_every, validation, patience, min_delta
        As for :class:`gradline.Adam`.

    Raises
    ------
    ValueError, TypeError
        For a value that cannot be used, and for options that do not go together.

    Notes
    -----
    Loshchilov and Hutter (2019), "Decoupled weight decay regularization", algorithm 2; the decay is multiplied by the learning rate, as in
    Keras and PyTorch.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> falling = gl.schedules.cosine(0.2, steps=400)
    >>> fit = gl.fit(x, y, solver=gl.AdamW(falling, weight_decay=0.0001, steps=400))
    >>> len(fit.history)
    401
    """

    weight_decay: float = 0.004
    decay_intercept: bool = True

    def __post_init__(self) -> None:
        if not (is_number(self.weight_decay) and 0 <= self.weight_decay < float("inf")):
            raise SolverError(f"weight_decay must be a number of at least 0, not {self.weight_decay!r}")
        super().__post_init__()

    def _method(self, problem: Problem) -> Method:
        first = 0 if self.decay_intercept or not problem.rows.intercept else 1
        return self._named("AdamW", AdaptiveMoments(self.beta_1, self.beta_2, self.epsilon, float(self.weight_decay), first))
