"""A user's own loss: probed once, then as good as a built-in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradline.autodiff.calling import takes_class_scores
from gradline.autodiff.framework import Framework, function_name, infer_framework, require_framework
from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.autodiff.tape import Tape, UserLoss
from gradline.autodiff.tapes import tape_for
from gradline.base.errors import ArgumentTypeError, LossError
from gradline.base.types import Array
from gradline.losses.defaults import LossDefaults
from gradline.losses.identification import flat_directions
from gradline.losses.kinks import SMOOTH, Kinks, find_kinks
from gradline.losses.probing import check_order, confirm, data_inside, probe
from gradline.losses.protocol import Parameter, Written

EXAMPLES = 200
"""Targets kept with a bound loss."""

PROBED = 10_000
"""Rows of a large table that a function is probed on."""


@dataclass(frozen=True)
class CustomLoss:
    """A user's loss before it has met data; made by :func:`custom`."""

    function: Callable[[Any, Any], Any]
    prediction: Callable[[Any], Any] | None
    linear_predictors: tuple[str, ...] | None
    likelihood: bool
    framework: Framework
    scores_classes: bool = False
    """Whether a classifier gave it one linear predictor a class."""

    @property
    def name(self) -> str:
        return function_name(self.function)

    @property
    def is_resolved(self) -> bool:
        return True

    @property
    def rows_to_bind(self) -> int:
        return PROBED

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        return ()

    @property
    def written(self) -> Written:
        """How it is written; what the function returns is not known before ``bind``."""
        own = self.linear_predictors
        return Written(self.function, self.prediction, self.framework, linear_predictors=own, identity=self.prediction is None)

    def resolve(self, highest: Array) -> CustomLoss:
        return self

    def n_predictors(self, n_targets: int) -> int:
        return n_targets if self.linear_predictors is None else len(self.linear_predictors)

    @property
    def takes_order(self) -> bool:
        return False

    @property
    def takes_labels(self) -> bool:
        return False

    def with_own_formulas(self) -> CustomLoss:
        return self

    def formula_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        """The names the user gave, else those of the targets where there are several."""
        if self.linear_predictors is not None:
            return self.linear_predictors
        return tuple(target_names) if len(target_names) > 1 else ("prediction",)

    def squared_scale(self) -> float | None:
        """None: whether a function is squared loss is found by ``bind``."""
        return None

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        """Nothing is refused: a function does not tell what targets it is for."""

    def bind(self, targets: Array, offset: Array | None = None) -> BoundLoss:
        """Probe the function on a few rows, targets (m, q), and return the loss ready for a Problem.

        Raises ValueError for a function that returns the wrong shape, something not numeric or not finite, that ignores its
        prediction, that mixes rows while returning one number per row, or that raises.
        """
        n_targets = targets.shape[1]
        k = self.n_predictors(n_targets)
        unknown = UserLoss(self.function, self.prediction, "joint", n_targets, k)
        tape = tape_for(unknown, self.framework)
        try:
            tape.finding = tape.finding or probe(tape, unknown, targets, offset, self.name)
            finding = confirm(tape, unknown, tape.finding, targets, self.name)
        except ValueError as error:
            advice = data_inside(unknown)
            raise (LossError(str(error).rstrip(".") + advice) if advice else error) from error.__cause__
        if finding.form == "joint" and k == 1 and takes_class_scores(self.function):
            raise LossError(_needs_scores(self.name, self.framework))
        check_order(unknown, lambda loss, y, eta: tape_for(loss, self.framework).call(y, eta), targets, self.name)
        loss = UserLoss(self.function, self.prediction, finding.form, n_targets, k)
        spread = np.linspace(0, len(targets) - 1, min(len(targets), EXAMPLES)).astype(np.int64)
        examples = targets[np.concatenate([spread, targets.argmin(axis=0), targets.argmax(axis=0)])]
        return BoundLoss(self, loss, finding.squared_scale, examples)


@dataclass(frozen=True)
class BoundLoss(LossDefaults):
    """A probed user loss: satisfies the Loss protocol through a tape, and claims what the user says or the probe finds, no more."""

    custom: CustomLoss
    loss: UserLoss
    scale: float | None
    examples: Array | None = field(default=None, compare=False, repr=False)
    """Some targets (m, q), for the scale on which kinks are looked for; not kept when the loss is pickled."""
    identified: bool = False
    """Whether every linear predictor is known to matter, so that nothing is looked for."""

    @cached_property
    def found_kinks(self) -> Kinks:
        """What a search of the loss finds; made once, when a solver has to be chosen."""
        if self.joint or self.scale is not None:
            return SMOOTH
        return find_kinks(self.derivatives, self._some_targets, self.loss.n_predictors)

    @cached_property
    def flat_directions(self) -> Array | None:
        """What a look at the loss finds; made once, when its coefficients are mapped."""
        if self.identified or self.joint or self.scale is not None or self.loss.n_predictors == 1:
            return None
        return flat_directions(self.derivatives, self._some_targets, self.loss.n_predictors)

    @property
    def scores_classes(self) -> bool:
        return self.custom.scores_classes

    def all_identified(self) -> BoundLoss:
        return replace(self, identified=True)

    @property
    def _some_targets(self) -> Array:
        return np.array([[-1.0], [1.0]]) * np.ones(self.loss.n_targets) if self.examples is None else self.examples

    def kinks(self) -> tuple[float, ...] | None:
        return self.found_kinks.positions

    @property
    def piecewise_linear(self) -> bool:
        return self.found_kinks.piecewise_linear

    @cached_property
    def tape(self) -> Tape:
        return tape_for(self.loss, self.custom.framework)

    @property
    def takes_long_runs(self) -> bool:
        return True

    @property
    def adds_up(self) -> bool:
        return self.loss.adds_up

    @property
    def written(self) -> Written:
        return self.custom.written._replace(form=self.loss.form)

    @property
    def rows_to_bind(self) -> int:
        return self.custom.rows_to_bind

    def bind(self, targets: Array, offset: Array | None = None) -> BoundLoss:
        """The same function probed on these targets, of which it may be another loss."""
        return self.custom.bind(targets, offset)

    def formula_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        return self.custom.formula_names(target_names)

    @property
    def name(self) -> str:
        return self.custom.name

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {}

    @property
    def is_likelihood(self) -> bool:
        return self.custom.likelihood

    @property
    def is_convex(self) -> bool:
        return self.scale is not None or self.found_kinks.convex

    @property
    def of_residuals(self) -> bool:
        return self.found_kinks.of_residuals

    def start(self, targets: Array) -> Array:
        """The median where the loss is one of residuals; elsewhere nothing is known of where its linear predictors lie."""
        return np.asarray(np.median(targets, axis=0)) if self.of_residuals else super().start(targets)

    @property
    def joint(self) -> bool:
        """Whether the function is a scalar that is neither the mean nor the sum of its one-row values."""
        return self.loss.form == "joint"

    def n_predictors(self, n_targets: int) -> int:
        return self.loss.n_predictors

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        if self.custom.linear_predictors is not None:
            return self.custom.linear_predictors
        return ("prediction",) if n_targets == 1 else tuple(f"y{j + 1}" for j in range(n_targets))

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        if self.joint:
            raise LossError(joint_message(self.name))
        return self.tape.derivatives(targets, predictors, order)

    def predict(self, predictors: Array) -> Array:
        if self.loss.prediction is None:
            return predictors
        return self.tape.predict(predictors)

    def squared_scale(self) -> float | None:
        return self.scale

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("tape", "examples")} | {"examples": None}


def bound_again(written: Written, likelihood: bool, n_targets: int, n_predictors: int, squared_scale: float | None) -> BoundLoss:
    """The loss of a function that was probed once, by what was found then. written: the function, with the form it was found to have."""
    assert written.framework is not None
    custom = CustomLoss(written.function, written.prediction, written.linear_predictors, likelihood, written.framework)
    loss = UserLoss(written.function, written.prediction, written.form, n_targets, n_predictors)
    return BoundLoss(custom, loss, squared_scale)


OF_CLASSES: dict[Framework, str] = {
    "torch": 'torch.nn.functional.cross_entropy(scores, y.long(), reduction="none")',
    "tensorflow": "tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y, tf.int32), scores)",
    "jax": "-jnp.take_along_axis(jax.nn.log_softmax(scores), y.astype(int)[:, None], axis=1)[:, 0]",
}
"""How a cross-entropy of a score for each class is written: labels come as float64, and some of these functions want whole numbers."""


def _needs_scores(name: str, framework: Framework) -> str:
    """Why a loss of one score a class is none of one linear predictor, and what to write."""
    return (
        f"the loss {name!r} takes a score for each class, and each row has one linear predictor here: it would be a softmax over the rows."
        " A target of class numbers 0, 1, ... needs a linear predictor for each class, each with a name:"
        f' loss=gl.losses.custom(lambda y, scores: {OF_CLASSES[framework]}, linear_predictors=["class 0", "class 1", "class 2"]).'
        ' loss="multinomial" is that loss ready made, and loss="logistic" the one of two classes'
    )


def joint_message(name: str) -> str:
    """Why a joint scalar loss cannot have row derivatives, and what to do."""
    return (
        f"the loss {name!r} returns one scalar that is neither the mean nor the sum of its own one-row values, so a row has no loss of"
        " its own: only first-order solvers on data in memory apply (gl.LBFGS, or gl.GradientDescent with full batches; no weights)."
        " Return one number per row to unlock everything."
    )


def custom(
    function: Callable[[Any, Any], Any],
    prediction: Callable[[Any], Any] | None = None,
    *,
    linear_predictors: tuple[str, ...] | list[str] | None = None,
    likelihood: bool = False,
    backend: str | None = None,
) -> CustomLoss:
    """A loss of your own, written in TensorFlow, JAX or PyTorch. A bare function as ``loss=`` of ``gl.fit`` is short for it.

    Parameters
    ----------
    function : callable
        ``function(y, prediction)`` returns one number per row, or one scalar such as a mean. y has shape (m,) with one target, otherwise
        (m, q); both arguments are float64 tensors of the framework. A function whose arguments are named the other way round, such as
        PyTorch's (input, target) or Optax's (predictions, targets), is called that way round.
    prediction : callable, optional
        ``prediction(eta)``: from linear predictors, (m,) for one and (m, k) for several, to what ``function`` takes as prediction.
        The linear predictors themselves unless given.
    linear_predictors : sequence of str, optional
        A name for each of the k linear predictors of a row, where there are not as many as targets: ("mean", "log_scale").
    likelihood : bool
        Whether the function is minus a log density, which gives the fit a likelihood, AIC and BIC.
    backend : {"tensorflow", "jax", "torch"}, optional
        The framework. Read off the function unless given.

    Returns
    -------
    Loss
        For ``loss=`` of ``gl.fit``.

    Raises
    ------
    TypeError
        For a function that is not callable, or is a class instead of an object of it.
    ValueError
        Where the framework cannot be told from the function.
    ImportError
        Where the framework is not installed. The message holds the pip command.

    Examples
    --------
    >>> import gradline as gl
    >>> import jax.numpy as jnp
    >>> def log_cosh(y, prediction):
    ...     return jnp.log(jnp.cosh(y - prediction))
    >>> x, y = gl.datasets.line(seed=1)
    >>> own = gl.fit(x, y, loss=gl.losses.custom(log_cosh))
    >>> shipped = gl.fit(x, y, loss=gl.losses.log_cosh)
    >>> bool(abs(own.slopes - shipped.slopes).max() < 1e-8)
    True
    """
    for role, f in (("loss", function), ("prediction", prediction)):
        if f is not None and not callable(f):
            raise ArgumentTypeError(f"{role} must be a function, not {type(f).__name__} {f!r}")
        if isinstance(f, type):
            raise ArgumentTypeError(f"{role}={f.__name__} is a class: make an object of it, as in {role}={f.__name__}(), with brackets")
    framework = require_framework(backend) if backend is not None else infer_framework(function, prediction)
    require_framework(framework)
    if linear_predictors is not None and (isinstance(linear_predictors, str) or not linear_predictors):
        raise LossError('linear_predictors must be a sequence of names such as ("mean", "log_scale")')
    names = None if linear_predictors is None else tuple(linear_predictors)
    return CustomLoss(function, prediction, names, likelihood, framework)
