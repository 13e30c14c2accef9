"""Model: the record of a fit. It holds no rows, and nothing in it reaches up to pictures, files or pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gradline.base.names import INTERCEPT
from gradline.base.numbers import visible
from gradline.base.types import Array
from gradline.inference.absent import NOT_ASKED, NoInference
from gradline.losses.protocol import Loss
from gradline.model.uncertainty import ModelUncertainty
from gradline.penalties.kinked import BoolArray
from gradline.penalties.kinked_penalty import set_to_zero as penalised_away
from gradline.penalties.protocol import Penalty
from gradline.smoothing.terms import FittedCurve
from gradline.solvers.history import History
from gradline.solvers.protocol import Certificate, Solution

if TYPE_CHECKING:
    from gradline.formulas.encoder import Encoder
    from gradline.inference.asked import PendingInference
    from gradline.inference.inference import Inference
    from gradline.model.absorbed import AbsorbedLevels

MOST_TERMS = 12
"""Of a linear predictor, that ``repr`` shows."""


@dataclass(frozen=True, eq=False)
class Model(ModelUncertainty):
    """A fitted model, as summaries, pictures, reports and files see it. Immutable, and holds no rows.
    Equal to itself only: compare ``coefficients`` to compare two fits.

    names: the design columns, the intercept first where there is one. target_names: the q targets. solution: what the solver returned.
    rows_used: rows with a weight above zero. rows_dropped: how many were left out, by reason.
    """

    names: tuple[str, ...]
    target_names: tuple[str, ...]
    loss_function: Loss
    solution: Solution
    rows_used: int
    rows_dropped: dict[str, int]
    named: bool = False
    """Whether the columns were named by the data, so that predict can match them by name."""
    penalty: Penalty | None = None
    """What was added to the mean loss."""
    solver_asked: bool = False
    """Whether the user chose the solver, rather than ``solver="auto"``."""
    uncertainty: Inference | PendingInference | NoInference = NOT_ASKED
    """What was found of the coefficients' uncertainty, or the sums from which it follows, or why there is nothing; see ``inference``."""
    seconds: float | None = None
    """What the fit took, by the clock on the wall; None where nobody measured."""
    encoder: Encoder | None = None
    """The formula with what it learned from the rows; None where the columns were taken as they are."""
    row_columns: Mapping[str, str | None] = field(default_factory=dict)
    """What came beside columns and targets: "weights", "frequencies", "offset", each with its column's name, None for an array."""
    curves: tuple[FittedCurve, ...] = ()
    """What is said of each curve of the formula, s(x) and te(x, z)."""
    class_labels: tuple[str, ...] = ()
    """What the targets 0, 1, ... stand for, where labels were numbered for the fit, as ``gl.LinearClassifier`` does."""
    absorbed: AbsorbedLevels | None = None
    """The levels after ``|`` in the formula; None where there are none."""
    fingerprint: int | None = None
    """Of the targets, weights and offsets of the rows, whatever their order (``rows/fingerprint.py``)."""

    @property
    def coefficients(self) -> Array:
        """One number per name, (P,); with several linear predictors (P, k). NaN for a column left out as aliased."""
        return self._squeeze(self._marked(self.solution.coefficients))

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns left out of the model because earlier columns determine them."""
        return tuple(self.names[i] for i in self.solution.aliased)

    @property
    def digits(self) -> Array | None:
        """Significant decimal digits claimed, shaped like ``coefficients``; None where the solver makes no such claim."""
        return None if self.solution.digits is None else self._squeeze(self._marked(self.solution.digits))

    @property
    def intercept(self) -> float | Array:
        """The intercept, one for each linear predictor where there are several; 0 if the model has none."""
        k = self.solution.coefficients.shape[1]
        row = self.solution.coefficients[0] if self.has_intercept else np.zeros(k)
        return float(row[0]) if k == 1 else row.copy()

    @property
    def slopes(self) -> Array:
        """The coefficients without the intercept: (p,), or (p, k)."""
        return self._squeeze(self._marked(self.solution.coefficients)[int(self.has_intercept) :])

    @property
    def has_intercept(self) -> bool:
        """Whether the model has an intercept."""
        return bool(self.names) and self.names[0] == INTERCEPT

    @property
    def observed_names(self) -> tuple[str, ...]:
        """What a prediction is compared with: the targets, or the one thing that two of them tell."""
        return self.loss_function.observed_names(self.target_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, in the order of their numbers; empty where the targets are numbers and nothing more is known."""
        return self.class_labels or (() if self.encoder is None else self.encoder.target_levels)

    @property
    def predictor_names(self) -> tuple[str, ...]:
        """The linear predictors, such as ("mean", "log_scale"); for several targets, theirs."""
        names = self.loss_function.predictor_names(len(self.target_names))
        return (
            self.target_names if len(names) == len(self.target_names) and not (self.loss_function.takes_pairs and len(names) > 1) else names
        )

    @property
    def loss(self) -> float:
        """The mean loss a row at the coefficients."""
        return self.solution.loss

    @property
    def loss_name(self) -> str:
        """The loss that was minimised."""
        return self.loss_function.name

    @property
    def solver(self) -> str:
        """What found the coefficients."""
        return self.solution.solver

    @property
    def certificate(self) -> Certificate:
        """Why the coefficients can be believed, or not."""
        return self.solution.certificate

    @property
    def history(self) -> History | None:
        """The path of the fit, for solvers that record one."""
        return self.solution.history

    @property
    def learning_rate(self) -> float | None:
        """The rate gradient descent used."""
        return self.solution.learning_rate

    def _marked(self, array: Array) -> Array:
        if not self.solution.aliased:
            return array
        marked = array.copy()
        marked[list(self.solution.aliased)] = np.nan
        return marked

    def _squeeze(self, array: Array) -> Array:
        return array[:, 0].copy() if array.shape[1] == 1 else array.copy()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} of {self.loss_name} loss by {self.solver}: {self.rows_used:,} rows, loss {self.loss:.6g}"]
        if not self.certificate.converged:
            lines.append(f"not converged: {self.certificate.reason}")
        zero = set_to_zero(self)
        for j, predictor in enumerate(self.predictor_names):
            mask = None if self.encoder is None or len(self.encoder.predictors) == 1 else self.encoder.mask[:, j]
            own = [i for i in range(len(self.names)) if not in_curve(self, i, j)]
            only, without = self.loss_function.intercept_only, self.loss_function.without_intercept
            if mask is None and only and only[j]:
                # One number for all rows, in which no column can be.
                own = own[: int(self.has_intercept)]
            elif without and without[j]:
                own = own[int(self.has_intercept) :]
            first = own if zero is None or len(own) <= MOST_TERMS else [i for i in own if not zero[i, j]]
            kept = [i for i in first[:MOST_TERMS] if i not in self.solution.aliased and (mask is None or mask[i])]
            terms = [_term(self.solution.coefficients[i, j], self.names[i]) for i in kept]
            terms += [f"... {len(first) - MOST_TERMS} more"] if len(first) > MOST_TERMS else []
            terms += [f"... {len(own) - len(first):,} others zero"] if len(first) < len(own) else []
            terms += [f"+ {curve.name.rpartition(': ')[2]}" for curve in self.curves if curve.predictor == j]
            against = class_against(self, j)
            lines.append(f"  {predictor}{f' ({against})' if against else ''} = " + " ".join(terms).removeprefix("+ "))
        if self.absorbed is not None:
            lines.append(f"  absorbed: {', '.join(f'{own.name} ({len(own.levels):,} levels)' for own in self.absorbed.categories)}")
        if self.aliased:
            others = "constant or determined by" if self.absorbed is None else "determined by absorbed levels or"
            lines.append(f"  left out, {others} earlier columns: {', '.join(self.aliased)}")
        return "\n".join(lines)


def _term(value: float, name: str) -> str:
    sign = "-" if value < 0 else "+"
    return f"{sign} {abs(value):.6g}" + ("" if name == INTERCEPT else f" {name}")


def in_curve(fit: Model, column: int, predictor: int) -> bool:
    """Whether a design column is one of those that a curve is made of, in a linear predictor: its coefficient means nothing alone."""
    return any(curve.start <= column < curve.stop and curve.predictor == predictor for curve in fit.curves)


def set_to_zero(fit: Model) -> BoolArray | None:
    """(P, k): the coefficients that a penalty with kinks set to zero; None where there is no such penalty."""
    first = int(fit.has_intercept)
    zero = penalised_away(fit.penalty, fit.solution.coefficients[first:])
    if zero is None:
        return None
    found = np.zeros(fit.solution.coefficients.shape, dtype=np.bool_)
    found[first:] = zero
    return found


def class_against(fit: Model, predictor: int) -> str:
    """What a linear predictor is the log odds of, "Gentoo against Adelie", where classes have names; else empty."""
    names, classes = fit.predictor_names, fit.class_names
    if len(classes) != len(names) + 1 or names[predictor] != f"class_{predictor + 1}":
        return ""
    return visible(f"{classes[predictor + 1]} against {classes[0]}")
