"""What a loss owes the rest of gradline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.types import Array, BoolArray
from gradline.losses.distribution import Distribution

if TYPE_CHECKING:
    from gradline.autodiff.framework import Framework
    from gradline.autodiff.tape import Form, Tape

Parameter = float | int | str | None

TargetKind = Literal["number", "label", "class"]
"""What a target is: a number, a label 0 or 1, or the number of a class."""

Aim = Literal["mean", "quantile"] | None
"""What of the target a prediction stands for; None where it is neither."""


class Written(NamedTuple):
    """How a loss is written, for its record in a model file.

    function: the user's function, or the object itself for a loss that is a class; prediction: the user's forward pass, or None.
    framework: what these are written in, None where it is NumPy. form: what ``function`` returns. linear_predictors: the names the user
    gave, or None. identity: whether a prediction is the linear predictor itself, so that predicting needs none of the user's code.
    """

    function: Any
    prediction: Any = None
    framework: Framework | None = None
    form: Form = "row"
    linear_predictors: tuple[str, ...] | None = None
    identity: bool = False


class SpreadUnits(NamedTuple):
    """Of rows, (m,) each. units: how many squares of Pearson's residuals each stands for. tells: whether its own square can be larger than
    the variance of the loss allows, which that of a single label cannot."""

    units: Array
    tells: BoolArray


class UnboundLoss(Protocol):
    """A loss before it has met data: one of the catalogue, or a function of the user's own.

    Rows are prepared with it in this order: ``resolve`` where the targets' maxima are known, ``n_predictors`` for the offset, ``bind``.
    """

    @property
    def name(self) -> str: ...

    @property
    def is_resolved(self) -> bool:
        """False while the largest targets must be seen before k is known (a multinomial without a class count)."""

    @property
    def rows_to_bind(self) -> int:
        """How many rows ``bind`` wants to see at most: 0 for a loss that knows all of itself, and any rows then do."""

    @property
    def written(self) -> Written:
        """How it is written, for model files."""

    def resolve(self, highest: Array) -> UnboundLoss:
        """The loss that knows k, given the columnwise maximum of all targets (q,): itself unless ``is_resolved`` is False."""

    def n_predictors(self, n_targets: int) -> int:
        """k, given q. Raises ValueError where the loss cannot take q targets or is not resolved."""

    @property
    def takes_order(self) -> bool:
        """Targets are classes in an order, which numbers alone have of themselves."""

    @property
    def takes_labels(self) -> bool:
        """Targets are any number of classes without an order, so that text may be numbered as it is sorted."""

    def with_own_formulas(self) -> UnboundLoss:
        """The loss where each linear predictor has a formula of its own, so that one that is a single number unless told otherwise may have
        columns. Itself for most."""

    def formula_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        """What the formulas of the k linear predictors go by, where each has its own. Raises ValueError as ``n_predictors`` does."""

    @property
    def intercept_only(self) -> tuple[bool, ...]:
        """One flag a linear predictor, once the loss is resolved: True where it is one number for all rows, which no column and no offset
        enters. Empty where no predictor is so restricted."""

    def squared_scale(self) -> float | None:
        """As for ``Loss``, where it is known before any data is seen; otherwise None."""

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        """As for ``Loss``; nothing is refused by a loss of which nothing is known yet."""

    def bind(self, targets: Array, offset: Array | None = None) -> Loss:
        """The loss of these targets (m, q), ready for a Problem: resolved and checked, or probed on a few of the rows.

        offset: (m, k) or None. Raises ValueError for targets outside the loss's domain, and for a function that is no loss.
        """


class Loss(UnboundLoss, Protocol):
    """A loss of one row: ``loss(y_i, prediction(eta_i))`` with q targets and k linear predictors per row.

    ``losses.defaults.LossDefaults`` answers everything but the name and ``derivatives`` for a loss that claims nothing.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.losses.huber(1.35).name, gl.losses.huber(1.35).parameters
    ('huber', {'threshold': 1.35, 'scale': 1.0})
    """

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The numbers that make the loss: ``by_name(loss.name, **loss.parameters) == loss`` for a loss of the catalogue."""

    @property
    def meaning(self) -> str:
        """One sentence on what the coefficients mean; empty if nothing is known."""

    @property
    def target_kind(self) -> TargetKind:
        """What a target is: intervals, calibration and their words depend on it."""

    @property
    def aims_at(self) -> Aim:
        """What of the target a prediction stands for."""

    @property
    def predicts_probabilities(self) -> bool:
        """Each number of a prediction is a probability; where there are several they are those of all classes, and add up to one."""

    @property
    def quantile_level(self) -> float | None:
        """The level of the quantile that a prediction is, where it is one."""

    @property
    def distribution(self) -> Distribution | None:
        """Of a target given its linear predictors, where the loss is a likelihood whose distribution function is known."""

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        """A name for each of the k linear predictors, such as ("mean", "log_scale")."""

    @property
    def without_intercept(self) -> tuple[bool, ...]:
        """One flag a linear predictor: True where it has slopes alone, since others hold its intercept. Empty where all have one."""

    def resolve(self, highest: Array) -> Loss: ...

    def with_own_formulas(self) -> Loss: ...

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        """targets (m, q), predictors (m, k); order 0, 1 or 2. Overflow gives infinity, without a NumPy warning."""

    def predict(self, predictors: Array) -> Array:
        """The forward pass (inverse link): (m, k) linear predictors to (m, ...) predictions."""

    def start(self, targets: Array) -> Array:
        """Constant linear predictors (k,) at which the loss of these targets (m, q) is finite: where a solver may begin."""

    def check_targets(self, targets: Array, first_row: int = 0) -> None:
        """Raises ValueError naming the loss, the first offending row (counted from 0; ``first_row`` is the number of ``targets[0]``),
        its value, and what is allowed."""

    def variance(self, predictors: Array) -> Array | None:
        """Variance of each prediction's target, dispersion left out: shaped like ``predict``; None if the loss implies none."""

    def observed(self, targets: Array) -> Array:
        """What of the targets (m, q) a prediction is compared with, (m, outputs): the targets themselves for most."""

    def observed_names(self, target_names: Sequence[str]) -> tuple[str, ...]:
        """What ``observed`` is called, (outputs,)."""

    def observed_variance(self, targets: Array, predictors: Array) -> Array | None:
        """The variance of ``observed``, where it depends on the row's targets too, as on its trials; ``variance`` for most."""

    def expected_targets(self, targets: Array, predictors: Array) -> Array:
        """The targets' expectation (m, q), at which the curvature is the expected one; ``targets`` tell what is given, such as trials."""

    def saturated_loss(self, targets: Array) -> Array | None:
        """The least each row's loss can be, (m,), for the deviance 2 sum w (loss - least): McCullagh and Nelder (1989), section 2.3.
        None for losses that are no exponential family, of which the deviance is not defined."""

    def log_density_at_dispersion(self, targets: Array, predictors: Array, dispersion: Array) -> Array | None:
        """log p(y | eta) of each target at a dispersion (m, q) that the loss itself leaves out; None where it leaves none out."""

    def squared_scale(self) -> float | None:
        """c where the loss is c times the sum over targets of (y - eta)^2, otherwise None."""

    def kinks(self) -> tuple[float, ...] | None:
        """Where the derivative jumps: positions of r = y - eta in rising order; None if it never does.

        Positions are given only where the loss is a function of r alone (summed over targets); the empty tuple says
        the loss has kinks at places it cannot name.
        """

    @property
    def flat_directions(self) -> Array | None:
        """(k, r): orthonormal directions of the linear predictors along which no row's loss changes; None where there are none."""

    @property
    def scores_classes(self) -> bool:
        """Whether its linear predictors are scores that a classifier made, one a class: adding a number to all of them changes no
        prediction, so that such a direction need not be warned of."""

    def all_identified(self) -> Loss:
        """The same loss with no ``flat_directions``: they were found on some rows, and others contradict them."""

    @property
    def lowest_target(self) -> float:
        """The lower end of the targets the loss is defined for; minus infinity where they have none."""

    @property
    def is_convex(self) -> bool:
        """Known to be convex in the linear predictors."""

    @property
    def never_negative(self) -> bool:
        """Known to be at least zero in every row."""

    @property
    def is_likelihood(self) -> bool:
        """The loss is -log of a density of y, normalising constant included."""

    @property
    def has_free_dispersion(self) -> bool:
        """The density leaves out a dispersion that multiplies ``variance`` and is to be estimated (squared, gamma, tweedie)."""

    @property
    def piecewise_linear(self) -> bool:
        """Linear in r = y - eta between its kinks."""

    @property
    def is_equidispersed(self) -> bool:
        """The variance equals the mean (Poisson), which data may contradict."""

    def spread_units(self, targets: Array, copies: Array, precision: Array | None) -> SpreadUnits | None:
        """For a variance that follows from the mean alone, which data may exceed: what of rows (m, q), which stand for so many copies (m,)
        of a precision (m,), is one observation of it. None for other losses."""

    @property
    def uses_expected_information(self) -> bool:
        """Classical standard errors take the expected curvature, as generalized linear models do, rather than the observed one."""

    @property
    def has_tuning_scale(self) -> bool:
        """The density has a scale that is given, not estimated (Student's t), so the inverse information is not the covariance."""

    @property
    def estimates_scale(self) -> bool:
        """The last linear predictor is a scale itself, not its logarithm, and must stay above zero."""

    @property
    def sums_over_targets(self) -> bool:
        """The loss of a row is a sum of one loss for each target and its own linear predictor."""

    @property
    def limit_remedy(self) -> str:
        """What to do where a linear predictor beyond the first runs away; empty where there is nothing to say of this loss alone."""

    @property
    def takes_pairs(self) -> bool:
        """Two target columns are one observation, such as successes and failures, so that its linear predictors are not the targets'."""

    @property
    def of_residuals(self) -> bool:
        """The loss is known to be a function of y - eta alone, for as many targets as linear predictors."""

    @property
    def joint(self) -> bool:
        """The loss is a scalar of all rows together, so that ``derivatives`` raises and only ``tape`` gives a gradient."""

    @property
    def tape(self) -> Tape | None:
        """What differentiates the user's function, where the loss is one: over all rows at once, and as a loop of its framework."""

    @property
    def takes_long_runs(self) -> bool:
        """A call costs much however few its rows, so that ``derivatives`` should see many rows at once."""

    @property
    def adds_up(self) -> bool:
        """The user's function adds its rows up: a loop written by hand walks down the sum, and not the mean."""

    @property
    def is_at_hand(self) -> bool:
        """False for what stands in a loaded model for a function of the user's, until it is given again."""
