"""What a model file holds of the coefficients' uncertainty: sums and small matrices, never rows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, Field

from gradline.files.parts import Count, Number, Part

Finite = Annotated[float, AllowInfNan(False)]
Positive = Annotated[float, AllowInfNan(False), Field(gt=0)]
Matrix = list[list[Finite]]
"""Rows of one length."""


class WeightSumsRecord(Part):
    """Of the rows of positive weight: how many; sum f; sum f w; sum f log w."""

    rows: Count
    copies: Positive
    weight: Positive
    log_weight: Finite


class SumsRecord(Part):
    """The sums from which the classical inference of squared loss follows."""

    kind: Literal["sums"]
    root: Matrix = Field(description="P lists: (X' F W X + ridge)^-1 is this matrix times its transpose.")
    products: Matrix = Field(description="q lists: weighted products of the residuals.")
    total_squares: list[Finite]
    weights: WeightSumsRecord
    scale: Finite = Field(description="c, where the loss is c (y - prediction)^2.")
    strength: Finite = Field(description="Of the ridge; 0 without.")


class StatisticsRecord(Part):
    """The fit as a whole; see gradline.inference.statistics.FitStatistics."""

    rows: Count
    count: Positive
    weight: Positive
    parameters: Count
    effective_parameters: Number
    degrees_of_freedom: Number
    loss_name: str
    loss_sum: Number
    squared: bool
    intercept: bool
    penalised: bool
    squares: list[Number] | None
    total_squares: list[Number]
    dispersion: list[Number] | None
    log_likelihood: Number | None
    deviance: Number | None


class CovarianceRecord(Part):
    """The covariance of the coefficients, those of the first linear predictor first: factor diag(signs) factor'."""

    kind: str
    description: str
    factor: Matrix = Field(description="k P lists.")
    signs: list[Finite] | None = Field(description="Of the factor's columns; null for ones.")
    estimated: list[bool] = Field(description="k P: which coefficients were estimated.")
    degrees_of_freedom: Number | None = Field(description="Of Student's t; null for the normal distribution.")
    clusters: list[Count]
    notes: list[str]
    estimates: Matrix | None = Field(
        None, description="P lists of k: what the errors are about, where that is not the coefficients; null for these."
    )


class SelectiveRecord(Part):
    """Intervals given what a penalty kept: normal between two limits. P lists of k each, null where a coefficient was not kept."""

    estimates: list[list[Number]] = Field(description="Of least squares on the kept columns.")
    spreads: list[list[Number]] = Field(description="Their standard deviations before anything is given.")
    below: list[list[Number]] = Field(description="The lower limits, in spreads from the estimate.")
    above: list[list[Number]] = Field(description="The upper limits, in spreads from the estimate.")
    description: str


class BreadRecord(Part):
    """The inverse of the objective's total curvature: root root'."""

    root: Matrix = Field(description="k P lists; P lists where all targets have the same curvature, whose blocks then lie on the diagonal.")
    one: bool = Field(description="Whether the root is that of one target.")
    free: list[bool] = Field(description="k P: which coefficients are free.")
    penalty: list[Finite] = Field(
        description="k P: the diagonal of the penalty's part of the curvature; (k P)^2, row by row, where it couples coefficients."
    )


class ResidualsRecord(Part):
    """Order statistics of leave-one-out residuals, for prediction intervals."""

    ranks: list[Count]
    values: Matrix = Field(description="A list for each rank, of a number for each target.")
    count: Count
    scaled: bool = Field(description="Whether they are divided by the root of the loss's variance.")


class InferenceRecord(Part):
    """What was found in passes over the rows."""

    kind: Literal["found"]
    statistics: StatisticsRecord
    covariance: CovarianceRecord | None
    bread: BreadRecord | None
    meat: Matrix | None = Field(description="Of HC0 and HC1, in the coordinates of the bread's root.")
    residuals: ResidualsRecord | None
    unavailable: str = Field(description="Why there is no covariance; empty where there is one.")
    notes: list[str]
    selective: SelectiveRecord | None = Field(None, description="In the place of a covariance, where that was asked for.")


class AbsentRecord(Part):
    """Nothing, and why."""

    kind: Literal["none"]
    reason: str


UncertaintyRecord = Annotated[SumsRecord | InferenceRecord | AbsentRecord, Field(discriminator="kind")]


def misfit(record: Any, columns: int, predictors: int, targets: int) -> str:
    """What does not fit a model of so many columns, linear predictors and targets; empty where all does."""
    size = columns * predictors
    if isinstance(record, SumsRecord):
        if predictors != targets or not _shaped(record.root, columns) or not _shaped(record.products, targets, targets):
            return f"the sums are not those of {columns} columns and {targets} targets"
        return "" if len(record.total_squares) == targets else f"total_squares should hold {targets} numbers"
    if not isinstance(record, InferenceRecord):
        return ""
    covariance, bread = record.covariance, record.bread
    if covariance is not None:
        if not _shaped(covariance.factor, size) or len(covariance.estimated) != size:
            return f"the covariance should be that of {size} coefficients"
        if covariance.signs is not None and len(covariance.signs) != len(covariance.factor[0]):
            return "the covariance should have a sign for each column of its factor"
        if covariance.estimates is not None and not _shaped(covariance.estimates, columns, predictors):
            return f"the estimates of the covariance should be {columns} lists of {predictors}"
    chosen = record.selective
    if chosen is not None:
        for table in (chosen.estimates, chosen.spreads, chosen.below, chosen.above):
            if len(table) != columns or any(len(row) != predictors for row in table):
                return f"selective intervals should hold {columns} lists of {predictors}"
    if bread is not None:
        numbers = len(bread.penalty)
        if not _shaped(bread.root, columns if bread.one else size) or len(bread.free) != size or numbers not in (size, size * size):
            return f"the bread should be that of {size} coefficients"
        width = len(bread.root[0]) * (predictors if bread.one else 1)
        if record.meat is not None and not _shaped(record.meat, width, width):
            return f"the meat should hold {width} lists of {width} numbers"
    elif record.meat is not None:
        return "a meat needs its bread"
    held = record.residuals
    if held is not None and (not _shaped(held.values, len(held.ranks)) or not held.ranks):
        return "the residuals should have a list of values for each rank"
    return ""


def _shaped(matrix: Matrix, rows: int, width: int | None = None) -> bool:
    width = len(matrix[0]) if width is None and matrix else width
    return len(matrix) == rows and all(len(row) == width for row in matrix)
