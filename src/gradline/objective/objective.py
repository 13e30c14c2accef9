"""The objective: rows, a loss, and the one pass that yields value, gradient and curvature.

F(B)      = sum_i f_i w_i loss(y_i, eta_i) / sum_i f_i w_i + penalty(B),    eta = X B + offset
gradient  = X' G / sum f w             G_i = f_i w_i d loss / d eta_i
curvature = sum_i H_i (x) x_i x_i'     H_i = f_i w_i d2 loss / d eta_i^2, over sum f w
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.constraints.protocol import Constraints
from gradline.design.dense import Design, adjoint_with_constants, weighted_gram
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.losses.own_loss import joint_message
from gradline.losses.probing import show_row
from gradline.losses.protocol import Loss
from gradline.objective.not_finite import NotFiniteKernel
from gradline.objective.row_curvature import PreviousCurvature, RowChange, RowCurvature
from gradline.penalties.kinds import PenaltyTerms, kind_of, ridge_strength, terms_of
from gradline.penalties.protocol import Penalty, PenaltyKind
from gradline.rows.arrays import ArrayRows
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.rows.protocol import Rows

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

RUNS = 8

RUN_ROWS = 2**17
"""Rows a tape sees at once, at most: a call costs half a millisecond however few they are, and holds Python's lock for much of it."""


class Evaluation(NamedTuple):
    """The objective at one point: value; gradient (P, k) or None; curvature (kP, kP), blocks ordered by linear predictor, or None."""

    value: float
    gradient: Array | None = None
    curvature: Array | None = None


class Sums(NamedTuple):
    """Over rows, before they are divided by the weight: gradient (P, k) and curvature (kP, kP), None below their order. changed: the rows
    whose curvature is not what it was, where the pass compares."""

    weight: float
    value: float
    gradient: Array | None
    curvature: Array | None
    changed: tuple[RowChange, ...] = ()


class ExtraSum(Protocol):
    """A sum over rows that an evaluation takes along, from what it has worked out of a block anyway."""

    def map_evaluated(self, block: Block, predictors: Array, derivatives: RowDerivatives) -> Any: ...

    def merge(self, first: Any, second: Any) -> Any:
        """Associative, and called in row order."""


@dataclass(frozen=True)
class _EvaluateKernel(Kernel[tuple[Sums, list[Any]]]):
    loss: Loss
    coefficients: Array
    order: int
    previous: PreviousCurvature | None = None
    extra_sums: tuple[ExtraSum, ...] = ()

    def map(self, block: Block) -> tuple[Sums, list[Any]]:
        k = self.coefficients.shape[1]
        return functools.reduce(self.merge, map(self._of_piece, block.pieces(k * k if self.order == 2 else k)))

    def _of_piece(self, block: Block) -> tuple[Sums, list[Any]]:
        predictors = block.linear_predictors(self.coefficients)
        return self._sums(block, predictors, self.loss.derivatives(block.targets, predictors, self.order))

    def map_run(self, blocks: list[Block]) -> Iterator[tuple[Sums, list[Any]]]:
        """The same of several blocks, for a tape, which takes many rows at once."""
        predictors = [block.linear_predictors(self.coefficients) for block in blocks]
        targets = [block.targets for block in blocks]
        value, gradient, curvature = self.loss.derivatives(np.concatenate(targets), np.concatenate(predictors), self.order)
        start = 0
        for block, own in zip(blocks, predictors, strict=True):
            rows = slice(start, start + block.n_rows)
            start = rows.stop
            part = RowDerivatives(value[rows], None if gradient is None else gradient[rows], None if curvature is None else curvature[rows])
            yield self._sums(block, own, part)

    def merge(self, first: tuple[Sums, list[Any]], second: tuple[Sums, list[Any]]) -> tuple[Sums, list[Any]]:
        return merged_sums(first[0], second[0]), [r.merge(a, b) for r, a, b in zip(self.extra_sums, first[1], second[1], strict=True)]

    def _sums(self, block: Block, predictors: Array, derivatives: RowDerivatives) -> tuple[Sums, list[Any]]:
        extra = [extra_sum.map_evaluated(block, predictors, derivatives) for extra_sum in self.extra_sums]
        return weighted_sums(block, derivatives, self.loss.intercept_only, self.previous), extra


def weighted_sums(
    block: Block, derivatives: RowDerivatives, constant: tuple[bool, ...] = (), previous: PreviousCurvature | None = None
) -> Sums:
    """The weighted sums of a block, through its design. constant: which linear predictors have an intercept only. previous: what each row's
    curvature was at the point before; where it is known, what changed is told in place of the sum."""
    value, gradient, curvature = derivatives
    weights = block.row_weights
    total = float(block.n_rows)
    if weights is not None:
        total, value = float(weights.sum()), _weigh(weights, value)
        gradient = None if gradient is None else _weigh(weights, gradient)
        curvature = None if curvature is None else _weigh(weights, curvature)
    changed: tuple[RowChange, ...] = ()
    if previous is not None and curvature is not None:
        changed = (previous.compare(block, curvature),)
        curvature = curvature if previous.rows is None else None
    return Sums(
        total,
        float(value.sum()),
        None if gradient is None else _adjoint(block.design, gradient, constant),
        None if curvature is None else weighted_gram(block.design, curvature, constant),
        changed,
    )


def _adjoint(design: Design, gradient: Array, constant: tuple[bool, ...]) -> Array:
    return adjoint_with_constants(design, gradient, constant) if any(constant) else design.adjoint(gradient)


def merged_sums(first: Sums, second: Sums) -> Sums:
    """The sums of both; the first's arrays are added to in place."""
    return Sums(
        first.weight + second.weight,
        first.value + second.value,
        _add(first.gradient, second.gradient),
        _add(first.curvature, second.curvature),
        first.changed + second.changed,
    )


def _weigh(weights: Array, values: Array) -> Array:
    """Rows times their weights; a row of weight zero counts for nothing even where its loss overflows."""
    with np.errstate(invalid="ignore", over="ignore"):
        weighted: Array = weights.reshape(-1, *[1] * (values.ndim - 1)) * values
    if not np.isfinite(weighted).all():
        weighted[weights == 0] = 0.0
    return weighted


def _add(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return None
    first += second
    return first


@dataclass(frozen=True)
class _WeightKernel(Kernel[float]):
    def map(self, block: Block) -> float:
        weights = block.row_weights
        return float(block.n_rows if weights is None else weights.sum())

    def merge(self, first: float, second: float) -> float:
        return first + second


@dataclass(frozen=True)
class _RowCurvatureKernel(Kernel[float]):
    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> float:
        curvature = self.loss.derivatives(block.targets, block.linear_predictors(self.coefficients), 2).curvature
        assert curvature is not None
        size = np.abs(np.linalg.eigvalsh(curvature)).max(axis=1) * block.design.row_squares()
        weights = block.row_weights
        return float((size if weights is None else weights * size).max())

    def merge(self, first: float, second: float) -> float:
        return max(first, second)


@dataclass(frozen=True)
class Problem:
    """A loss over rows, a penalty and constraints. Coefficients are (P, k): a row per design column, a column per linear predictor."""

    rows: Rows
    loss: Loss
    penalty: Penalty | None = None
    names: tuple[str, ...] = ()
    """The design columns, for messages; numbered where not given."""
    mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]] | None = None
    """(P, k): the coefficients that the formula of each linear predictor has; None for all. The others are zero."""
    sampled: Problem | None = None
    """What this is a sample of, whose rows messages name; None for a problem of its own."""
    constraints: Constraints | None = None
    """Which coefficients are allowed; None for all. No evaluation looks at them: a solver keeps to them, or refuses."""
    face: CoefficientMap | None = None
    """The coefficients that move while constraints hold, where a solution is looked at as one on their face; None elsewhere."""

    @functools.cached_property
    def n_predictors(self) -> int:
        return self.loss.n_predictors(self.rows.n_targets)

    @property
    def shape(self) -> tuple[int, int]:
        """(P, k)."""
        return self.rows.n_columns, self.n_predictors

    def column_name(self, column: int) -> str:
        """What to call a design column in a message."""
        if self.names:
            return repr(self.names[column])
        return "the intercept" if column == 0 and self.rows.intercept else f"column {column - int(self.rows.intercept)}"

    @property
    def joint(self) -> bool:
        """Whether the loss is a scalar of all rows together, with no loss of a row."""
        return self.loss.joint

    @property
    def joint_message(self) -> str:
        """Why a joint loss is refused, and what to do."""
        return joint_message(self.loss.name)

    @functools.cached_property
    def target_scale(self) -> float:
        """A typical size of the targets: their largest magnitude among a few rows."""
        return float(np.abs(self.rows.sample(100).targets).max())

    def block_gradient(self, block: Block, coefficients: Array) -> Array:
        """An unbiased estimate of the objective's gradient from some of its rows: (P, k)."""
        return self.block_evaluation(block, coefficients)[1]

    def block_evaluation(self, block: Block, coefficients: Array) -> tuple[float, Array]:
        """Unbiased estimates of the objective and of its gradient (P, k) from some of its rows."""
        sums, _ = _EvaluateKernel(self.loss, coefficients, 1).map(block)
        assert sums.gradient is not None
        share = self.rows.n_rows / (block.n_rows * self.total_weight)
        penalised = self._penalised(coefficients, Evaluation(sums.value * share, sums.gradient * share), 1)
        assert penalised.gradient is not None
        return penalised.value, penalised.gradient

    def without_penalty(self) -> Problem:
        """The loss of the same rows alone."""
        return self if self.penalty is None else replace(self, penalty=None)

    @functools.cached_property
    def total_weight(self) -> float:
        """sum f w over all rows."""
        return self.rows.reduce(_WeightKernel())

    def why_not_finite(self, coefficients: Array, order: int = 0) -> str:
        """A sentence naming the first row whose loss, or whose derivatives up to the order, are not finite at these coefficients."""
        if self.sampled is not None:
            return self.sampled.why_not_finite(coefficients, order)
        first = None if self.joint else self.rows.reduce(NotFiniteKernel(self.loss, coefficients, order))
        what = ("", "gradient of the ", "curvature of the ")[order if first is None else first.order]
        start = f"the {what}loss {self.loss.name!r} is not finite at the starting coefficients"
        if self.joint:
            return f"{start}; give another start="
        if first is None:
            return f"{start}: each row's is finite, but their sum overflows; rescale the target or the columns"
        where = f"it is {first.value:g} in row {first.row}, where y = {show_row(first.target)} and the linear predictor is"
        remedies = {
            0: "a loss (or prediction=) that is finite there",
            1: "a loss whose derivatives are finite there (a square root of zero, for example, has none)",
            2: "a loss whose second derivatives are finite there, or solver=gl.LBFGS(), which needs none",
        }
        return f"{start}: {where} {show_row(first.predictor)}; give another start=, or {remedies[first.order]}"

    def largest_row_curvature(self, coefficients: Array) -> float:
        """The largest eigenvalue of one row's own objective, n f_i w_i H_i (x) x_i x_i' / sum f w, over the rows."""
        return self.rows.reduce(_RowCurvatureKernel(self.loss, coefficients)) * self.rows.n_rows / self.total_weight

    def evaluate(self, coefficients: Array, order: int) -> Evaluation:
        """One pass over the rows. order 0: value; 1: and gradient; 2: and curvature."""
        if self.joint:
            return self._evaluate_joint(coefficients, order)
        return self.evaluate_with(coefficients, order)[0]

    def evaluate_with(
        self, coefficients: Array, order: int, kept: RowCurvature | None = None, extra_sums: tuple[ExtraSum, ...] = ()
    ) -> tuple[Evaluation, list[Any]]:
        """``evaluate`` of a loss of one row, and what extra sums summed, in their order; they see derivatives up to the order.

        kept: what the last pass at order 2 kept of each row, which makes this one cheaper, and is brought up to date.
        """
        sums, extra = self._sums(_EvaluateKernel(self.loss, coefficients, order, None if kept is None else kept.previous, extra_sums))
        if kept is not None and order == 2:
            sums = sums._replace(curvature=kept.finish(sums.curvature, list(sums.changed)))
        w = sums.weight
        # What total_weight would need a pass for.
        self.__dict__.setdefault("total_weight", w)
        value = sums.value / w
        gradient = None if sums.gradient is None else sums.gradient / w
        curvature = None if sums.curvature is None else sums.curvature / w
        return self._penalised(coefficients, Evaluation(value, gradient, curvature), order), extra

    @functools.cached_property
    def free(self) -> CoefficientMap:
        """The coefficients a solver may move: all of them, or the intercept only in predictors that are one number for all rows; across the
        directions that change no row's loss, where the loss has any and no penalty decides."""
        if self.face is not None:
            return self.face
        flat = self.loss.flat_directions
        if flat is None:
            return CoefficientMap.selecting(self.movable)
        return CoefficientMap.identified(self.movable, flat, self.undecided)

    @property
    def movable(self) -> BoolArray:
        """(P, k): which coefficients are no constants of the problem."""
        free = np.ones(self.shape, dtype=np.bool_)
        for j, only in enumerate(self.loss.intercept_only):
            if only and not self.rows.intercept:
                raise SolverError(
                    f"the loss {self.loss.name!r} needs an intercept for its {self.loss.predictor_names(1)[j]}; leave intercept=True"
                )
            free[1:, j] &= not only
        if self.rows.intercept:
            for j, without in enumerate(self.loss.without_intercept):
                free[0, j] &= not without
        if self.mask is not None:
            free &= self.mask
        return free

    @property
    def undecided(self) -> BoolArray:
        """(P,): the columns some of whose coefficients no penalty holds."""
        decided = np.zeros(self.shape, dtype=np.bool_)
        if self.penalty_kind in ("quadratic", "smooth"):
            curvature = self.penalty_terms(np.zeros(self.shape), 2).curvature
            assert curvature is not None
            decided = (curvature if curvature.shape == self.shape else np.diag(curvature).reshape(self.shape[::-1]).T) > 0
        return np.asarray(~decided.all(axis=1))

    @property
    def all_free(self) -> bool:
        """Whether every coefficient may move."""
        if self.face is not None:
            return False
        return not any(self.loss.intercept_only) and (self.mask is None or bool(self.mask.all()))

    def sample(self, n_rows: int, seed: int = 0) -> Problem:
        """The same problem over a random sample of rows, held in memory."""
        return replace(self, rows=ArrayRows.of_block(self.rows.sample(n_rows, seed).without_zero_weights()), sampled=self)

    def _sums(self, kernel: _EvaluateKernel) -> tuple[Sums, list[Any]]:
        rows = self.rows
        if not (rows.resident and self.loss.takes_long_runs):
            return rows.reduce(kernel)
        # A tape sees several blocks at once, in runs that are enough for the cores of most machines.
        return rows.reduce_runs(kernel, min(RUN_ROWS, max(rows.n_rows // RUNS, RUN_ROWS // 8)))

    @functools.cached_property
    def penalty_kind(self) -> PenaltyKind | None:
        """Which kind the penalty is; None where there is none."""
        return kind_of(self.penalty)

    @property
    def ridge_strength(self) -> float | None:
        """The strength of the penalty where it is a ridge, 0 where there is no penalty; None for any other."""
        return ridge_strength(self.penalty)

    @functools.cached_property
    def penalty_is_diagonal(self) -> bool:
        """Whether no coefficient's part of the penalty depends on another coefficient, as far as its curvature at zero tells."""
        if self.penalty_kind in (None, "proximal"):
            return True
        curvature = self.penalty_terms(np.zeros(self.shape), 2).curvature
        assert curvature is not None
        return curvature.shape == self.shape

    def penalty_terms(self, coefficients: Array, order: int) -> PenaltyTerms:
        """The penalty's part of the objective, up to the order; zero where there is no penalty.

        Raises ValueError for derivatives of a proximal penalty: the smooth rest of such a problem is ``replace(problem, penalty=None)``.
        """
        return terms_of(self.penalty, coefficients, self.rows.intercept, order)

    def _penalised(self, coefficients: Array, plain: Evaluation, order: int) -> Evaluation:
        if self.penalty is None:
            return plain
        terms = self.penalty_terms(coefficients, order)
        gradient, curvature = plain.gradient, plain.curvature
        if gradient is not None and terms.gradient is not None:
            gradient = gradient + terms.gradient
        if curvature is not None and terms.curvature is not None:
            curvature = curvature.copy()
            if terms.curvature.shape == coefficients.shape:
                curvature[np.diag_indices_from(curvature)] += terms.curvature.T.ravel()
            else:
                curvature += terms.curvature
        return Evaluation(plain.value + terms.value, gradient, curvature)

    def _evaluate_joint(self, coefficients: Array, order: int) -> Evaluation:
        """Value and gradient of a scalar of all rows together, on data in memory."""
        block = self.rows.in_memory()
        if order > 1 or block is None:
            raise SolverError(self.joint_message)
        tape = self.loss.tape
        assert tape is not None
        predictors = block.linear_predictors(coefficients)
        value = float(tape.call(block.targets, predictors))
        if order == 0:
            return self._penalised(coefficients, Evaluation(value), 0)
        gradient = tape.gradient(block.targets, predictors)
        assert gradient is not None
        return self._penalised(coefficients, Evaluation(value, block.design.adjoint(gradient)), 1)
