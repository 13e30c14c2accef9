"""Inference: what a Fit holds beside its coefficients, found in a few passes over the rows it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from gradline.base.errors import ArgumentTypeError, InferenceError
from gradline.base.threads import small_algebra
from gradline.base.types import Array
from gradline.inference.bread import Bread, CurvatureKernel, as_matrix, compute_bread, penalty_part
from gradline.inference.conditional import Selective
from gradline.inference.covariance.estimate import WHITENED, Covariance, covariance, free_coefficients, sandwich_factor, score_products
from gradline.inference.covariance.kinds import CovarianceKind, as_kind, default_kind, known_name
from gradline.inference.covariance.meat import GramKernel
from gradline.inference.kinked import RowLoss, row_loss
from gradline.inference.leave_one_out import ResidualQuantiles, residual_quantiles
from gradline.inference.statistics import FitStatistics, fit_statistics, statistics_kernel
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import ExtraSum, Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel
from gradline.solvers.protocol import Solution

MOST_COEFFICIENTS = 6_000
"""Whose covariance is worked out: a matrix of 275 MiB, several times over."""


def too_many(size: int) -> str:
    """Why so many coefficients have no standard errors."""
    return (
        f"no standard errors: the covariance of {size:,} coefficients would be a matrix of {size**2 * 8 / 2**30:.1f} GiB; at most"
        f" {MOST_COEFFICIENTS:,} have one. Fit fewer columns to have them, such as those that matter most, or resample the rows"
    )


@dataclass(frozen=True, eq=False)
class Inference:
    """Sums and small matrices only, never rows.

    covariance: None where there is none, and ``unavailable`` then says why in a sentence. bread: the inverse curvature, None where it is
    singular. meat: of HC0 and HC1, (d, d), where it was kept. residuals: quantiles of leave-one-out residuals, for prediction intervals of
    losses without a distribution; None where not needed or not to be had. notes: what a user should know. selective: intervals given what
    a penalty kept, in the place of a covariance; None where they were not asked for.
    """

    statistics: FitStatistics
    covariance: Covariance | None
    bread: Bread | None
    meat: Array | None = None
    residuals: ResidualQuantiles | None = None
    unavailable: str = ""
    notes: tuple[str, ...] = ()
    selective: Selective | None = None
    is_pending: ClassVar[bool] = False

    @property
    def has_intervals(self) -> bool:
        """Whether coefficients have intervals."""
        return self.covariance is not None or self.selective is not None

    @property
    def estimates(self) -> tuple[Array | None, str]:
        """((P, k), what to call them): what intervals are about, where that is not the coefficients."""
        if self.selective is not None:
            return self.selective.estimates, "least squares on what was kept"
        return (None, "") if self.covariance is None else (self.covariance.estimates, "debiased")

    def infer(self) -> Inference:
        """Itself: it is worked out already."""
        return self


def infer(
    problem: Problem,
    solution: Solution,
    kind: Any = None,
    *,
    keep_meat: bool = False,
    bread: Bread | None = None,
    statistics: FitStatistics | None = None,
    meat: Array | None = None,
) -> Inference:
    """Everything a Fit can say about its uncertainty. kind: see ``covariance``; None for the loss's default.

    keep_meat: also the meat of HC0 and HC1, at the cost of about one pass of curvature, so that they can be had later without rows. bread,
    statistics, meat: the bread, the fit's sums and that meat, where they are known already.

    Where the default covariance cannot be had the fit stays usable: ``covariance`` is None and ``unavailable`` says why; a default of HC3
    with a row of leverage 1 becomes HC1, with a note. Where ``kind`` was asked for, ValueError says why it cannot be had.
    """
    with small_algebra(problem.shape[0] * problem.shape[1]):
        return _inferred(problem, solution, kind, keep_meat, bread, statistics, meat)


def _inferred(
    problem: Problem,
    solution: Solution,
    kind: Any,
    keep_meat: bool,
    bread: Bread | None,
    statistics: FitStatistics | None,
    meat: Array | None,
) -> Inference:
    free = free_coefficients(problem, solution)
    coefficients = solution.coefficients
    try:
        if free.size > MOST_COEFFICIENTS:
            raise InferenceError(too_many(free.size))
        if kind is not None:
            kind = as_kind(kind, problem.rows.n_rows)
        loss = row_loss(problem, coefficients)
        known = _known_curvature(problem, solution, free, loss)
        if bread is None and in_one_pass(problem, kind, keep_meat):
            bread, statistics, meat = all_sums(problem, solution, free, loss, known)
        elif bread is None:
            bread = compute_bread(problem, coefficients, free, loss, curvature=known)
    except ValueError as error:
        if kind is not None or problem.joint:
            raise
        return Inference(fit_statistics(problem, coefficients, free), None, None, unavailable=str(error))
    totals = fit_statistics(problem, coefficients, free, bread) if statistics is None else statistics
    if meat is None and keep_meat:
        meat = score_products(problem, coefficients, bread, loss)
    found, unavailable, notes = None, "", list[str]()
    try:
        found = covariance(problem, solution, kind, bread=bread, statistics=totals, loss=loss, meat=meat)
    except ValueError as error:
        if kind is not None:
            raise
        if "leverage 1" in str(error) and default_kind(problem.loss) == "HC3" and totals.degrees_of_freedom > 0:
            found = covariance(problem, solution, "HC1", bread=bread, statistics=totals, loss=loss, meat=meat)
            notes.append(f"standard errors are HC1, not HC3: {str(error).split(':')[0]}")
        else:
            unavailable = str(error)
    residuals = None
    if needs_residuals(problem):
        try:
            residuals = residual_quantiles(problem, coefficients, bread, loss)
        except ValueError as error:
            notes.append(f"no jackknife prediction intervals: {str(error).split(':')[0]}")
    if found is not None:
        notes += found.notes
        if not solution.certificate.converged:
            notes.append("the fit has not converged, and its standard errors are those of a minimum")
    return Inference(totals, found, bread, meat, residuals, unavailable, tuple(notes))


def in_one_pass(problem: Problem, kind: Any, keep_meat: bool) -> bool:
    """Whether bread, meat and the fit's sums come from one pass: on rows so many that scores are not whitened one by one."""
    rows = problem.rows
    wanted = keep_meat or (isinstance(kind, CovarianceKind) and kind.name in ("HC0", "HC1"))
    return wanted and problem.shape[1] == 1 and rows.n_rows * rows.n_columns > WHITENED


def _known_curvature(problem: Problem, solution: Solution, free: CoefficientMap, loss: RowLoss) -> Array | None:
    """A over all coefficients as the solver left it, where it did and kinks add nothing to it."""
    if solution.curvature is None or loss.kinks or loss.expected or loss.constant is not None:
        return None
    return np.asarray(free.matrix @ (free.matrix @ (solution.curvature * problem.total_weight)).T)


def all_sums(
    problem: Problem, solution: Solution, free: CoefficientMap, loss: RowLoss, known: Array | None
) -> tuple[Bread, FitStatistics, Array]:
    """(bread, statistics, meat of HC0 and HC1) in one pass. known: A over all coefficients, where the solver left it."""
    coefficients = solution.coefficients
    if known is not None and solution.extra:
        gram, sums = solution.extra
    else:
        kernels: tuple[KernelAt, ...] = (GramKernel(loss, coefficients), statistics_kernel(problem, coefficients))
        if known is None:
            kernels = (*kernels, CurvatureKernel(loss, coefficients))
        gram, sums, *curvature = problem.rows.reduce(Together(coefficients, kernels))
        if known is None:
            known = curvature[0] + as_matrix(penalty_part(problem, coefficients))
    bread = compute_bread(problem, coefficients, free, loss, curvature=known)
    return bread, fit_statistics(problem, coefficients, free, bread, sums), np.asarray(bread.root.T @ gram @ bread.root)


def extra_sums(problem: Problem) -> tuple[ExtraSum, ...]:
    """The sums of ``infer``, with the meat kept, that a solver's last pass may take along as ``Solution.along``; none where they are to be
    whitened, or where the curvature that goes with them is not the loss's own."""
    if problem.joint or problem.loss.kinks() is not None or not in_one_pass(problem, None, keep_meat=True):
        return ()
    anywhere = np.zeros(problem.shape)
    return GramKernel(RowLoss(problem.loss), anywhere), statistics_kernel(problem, anywhere)


class KernelAt(Kernel[Any], Protocol):
    """A kernel that can be given the linear predictors."""

    def at(self, block: Block, predictors: Array) -> Any: ...


@dataclass(frozen=True)
class Together(Kernel[list[Any]]):
    """Several kernels at the same coefficients in one pass: predictors are worked out once, and a block stays in the cache."""

    coefficients: Array
    kernels: tuple[KernelAt, ...]

    def map(self, block: Block) -> list[Any]:
        predictors = block.linear_predictors(self.coefficients)
        return [kernel.at(block, predictors) for kernel in self.kernels]

    def merge(self, first: list[Any], second: list[Any]) -> list[Any]:
        return [kernel.merge(a, b) for kernel, a, b in zip(self.kernels, first, second, strict=True)]


def needs_residuals(problem: Problem) -> bool:
    """Whether prediction intervals rest on leave-one-out residuals: neither squared loss nor a likelihood whose distribution is known,
    nor a class."""
    loss = problem.loss
    return not (
        loss.squared_scale() is not None
        or loss.target_kind != "number"
        or (loss.distribution is not None and loss.distribution.has_quantiles)
    )


def without_rows(inference: Inference, kind: Any) -> Covariance:
    """HC0 or HC1 of a fit that kept its meat, from no rows. Raises ValueError for kinds that need them, TypeError for what names none."""
    if isinstance(kind, tuple | list) and kind and isinstance(kind[0], str):
        name = known_name(kind[0])
        raise InferenceError(f"covariance {name!r} needs the rows the model was fitted to: fit.with_covariance({_shown(kind)}, data)")
    if not isinstance(kind, str):
        raise ArgumentTypeError(f'covariance takes the name of a kind such as "HC1", not {type(kind).__name__} {kind!r}')
    kind = known_name(kind)
    if inference.covariance is not None and inference.covariance.kind == kind:
        return inference.covariance
    if kind not in ("HC0", "HC1") or inference.meat is None or inference.bread is None:
        raise InferenceError(f"covariance {kind!r} needs the rows the model was fitted to: with_covariance({kind!r}, data)")
    totals = inference.statistics
    if kind == "HC1" and not totals.degrees_of_freedom > 0:
        raise InferenceError(f"HC1 multiplies by n / (n - p), and {totals.count:,.6g} rows leave no degree of freedom")
    scale = totals.count / totals.degrees_of_freedom if kind == "HC1" else 1.0
    estimated = np.asarray(abs(inference.bread.free.matrix).sum(axis=1)).ravel() > 0
    degrees = totals.degrees_of_freedom if totals.squared else None
    words = "A^-1 (sum of s s') A^-1" + (", times n / (n - p)" if kind == "HC1" else "")
    factor = sandwich_factor(inference.bread, scale * inference.meat)
    return Covariance(kind, words, factor, inference.bread.shape, estimated, degrees)


def _shown(kind: Any) -> str:
    """A kind with its groups or lags, as it is written in a call; labels themselves are not written out."""
    rest = [repr(part) if isinstance(part, str | int | float) else "groups" for part in kind[1:]]
    return f"({', '.join([repr(kind[0]), *rest])})"
