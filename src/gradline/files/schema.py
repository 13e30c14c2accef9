"""The shape of a model file, version 2. ``python -m gradline.files`` prints it as JSON Schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AllowInfNan, Field, JsonValue, model_validator

from gradline.base.errors import ModelFileError
from gradline.base.names import INTERCEPT
from gradline.files.absorbed import AbsorbedRecord
from gradline.files.parts import Count, Number, Part
from gradline.files.uncertainty_schema import UncertaintyRecord, misfit

FORMAT = "gradline model"
PATH_FORMAT = "gradline path"
VERSION = 2


class BuiltInLoss(Part):
    """A loss of gradline's catalogue: ``gl.losses.by_name(name, **parameters)``."""

    kind: Literal["built-in"]
    name: str
    parameters: dict[str, int | float | str | None]


class Source(Part):
    """A user's function, for the record: its text is never run. source: None where it could not be read."""

    name: str
    source: str | None
    sha256: str | None = Field(description="Of the source text in UTF-8, in hexadecimal digits.")
    numbers: dict[str, int | Number] = Field(description="The numbers the function refers to by name, which are not in its text.")

    @model_validator(mode="after")
    def _hash_fits(self) -> Self:
        if self.sha256 != (None if self.source is None else source_hash(self.source)):
            raise ModelFileError("the sha256 is not that of the source")
        return self


class OwnLoss(Part):
    """A loss the user wrote. prediction: the forward pass, None for the identity."""

    kind: Literal["own"]
    name: str
    framework: Literal["tensorflow", "jax", "torch"] | None
    form: Literal["row", "mean", "sum", "joint"] = Field(description="What the function returns: one number per row, or one scalar.")
    linear_predictors: list[str] | None
    likelihood: bool
    squared_scale: Number | None = Field(description="c, where the loss was found to be c times squared loss.")
    function: Source
    prediction: Source | None
    identity: bool = Field(description="Whether a prediction is the linear predictor itself.")


class PenaltyRecord(Part):
    """What was added to the mean loss. value: at the coefficients."""

    name: str
    parameters: dict[str, int | Number]
    value: Number
    sets_to_zero: bool = Field(default=False, description="Whether it has kinks, so that slopes of exactly zero are its doing.")
    chosen_by: str = Field(default="", description="How the data chose its strength; empty where that was given.")


class CurveRecord(Part):
    """One curve of the formula, in one linear predictor."""

    name: str
    predictor: Count
    start: Count = Field(description="Its first design column, counted from 0.")
    stop: Count = Field(description="The design column after its last.")
    strengths: list[Number] = Field(
        description="Of its penalty, in the unit of the mean loss; one for each column it is a curve of.", min_length=1
    )
    degrees_of_freedom: Number
    reference: Number = Field(description="Degrees of freedom of its test.")
    statistic: Number
    p_value: Number
    statistic_name: Literal["F", "chi2"]


class CertificateRecord(Part):
    """Why the coefficients can be believed, or not."""

    converged: bool
    gradient_norm: Number
    reason: str
    remedy: str
    gap: Number | None = Field(None, description="By how much the objective can be above its minimum at most, where that was proved.")


class ConstraintRow(Part):
    """A row of the constraints: weights times the coefficients at some places is at least ``right``, or equal to it."""

    text: str = Field(description="In words.")
    places: list[Count] = Field(description="Of the coefficients, those of the first linear predictor before those of the second.")
    weights: list[Number]
    right: Number
    equal: bool
    multiplier: Number = Field(description="How fast the lowest objective rises with ``right``.")
    holds: bool = Field(description="Whether it is met as an equation.")


class ConstraintsRecord(Part):
    """What the coefficients must satisfy."""

    rows: list[ConstraintRow] = Field(min_length=1)
    unconstrained: list[list[Number]] | None = Field(description="The optimum without them, shaped like the coefficients; null if unknown.")
    inference: Literal["intersection", "draws", "face"] = Field(description="What intervals are.")


class ModelRecord(Part):
    """A fitted model. P design columns, k linear predictors, q targets."""

    names: list[str] = Field(description="The P design columns, the intercept first where there is one.", min_length=1)
    intercept: bool = Field(description='Whether the first of the names is the intercept, "Intercept".')
    target_names: list[str] = Field(description="The q targets.", min_length=1)
    predictor_names: list[str] = Field(description="The k linear predictors.", min_length=1)
    columns_named: bool = Field(description="Whether the data named its columns, so that predicting finds them by name.")
    coefficients: list[list[Number]] = Field(description="P lists of k numbers; zero for a column left out.")
    aliased: list[Count] = Field(description="Design columns, counted from 0, left out because earlier columns determine them.")
    digits: list[list[Number]] | None = Field(description="Significant decimal digits claimed, shaped like the coefficients.")
    loss: Annotated[BuiltInLoss | OwnLoss, Field(discriminator="kind")]
    penalty: PenaltyRecord | None
    objective: Number = Field(description="The mean loss a row plus the penalty.")
    rows_used: Count
    rows_dropped: dict[str, Count] = Field(description="Rows left out, by reason.")
    certificate: CertificateRecord
    solver: str
    solver_asked: bool = Field(description="Whether the user chose the solver.")
    passes: Count
    seconds: Annotated[float, AllowInfNan(False), Field(ge=0)] | None
    learning_rate: Number | None
    notes: list[str]
    formula: dict[str, JsonValue] | None = Field(None, description="The formula and what it learned from the rows, levels included.")
    beside: dict[Literal["weights", "frequencies", "offset"], str | None] = Field(
        default_factory=dict, description="What came beside columns and targets, each with its column's name, null for an array."
    )
    class_labels: list[str] = Field(default_factory=list, description="What the targets 0, 1, ... stand for; empty for numbers.")
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None = Field(
        None, description="Of the targets and weights of the rows, whatever their order; in hexadecimal digits."
    )
    constraints: ConstraintsRecord | None = None
    uncertainty: UncertaintyRecord | None = Field(None, description="Standard errors and fit measures, or why there are none.")
    curves: list[CurveRecord] = Field(default_factory=list, description="The curves of the formula, s(x) and te(x, z).")
    absorbed: AbsorbedRecord | None = Field(None, description="The levels after the | of the formula.")
    smoothing: str = Field("", description="How the strengths of the curves were chosen; empty where the formula gave them.")

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        columns, predictors = len(self.names), len(self.predictor_names)
        for what, table in (("coefficients", self.coefficients), ("digits", self.digits)):
            if table is not None and (len(table) != columns or any(len(row) != predictors for row in table)):
                raise ModelFileError(
                    f"{what} should hold {columns} lists (one for each name) of {predictors} (one for each linear predictor)"
                )
        if self.intercept != (self.names[0] == INTERCEPT):
            raise ModelFileError(f"intercept is {self.intercept}, but the first name is {self.names[0]!r}")
        if len(set(self.aliased)) < len(self.aliased) or any(place >= columns for place in self.aliased):
            raise ModelFileError(f"aliased should name each of {columns} columns once at most")
        if any(not curve.start < curve.stop <= columns or curve.predictor >= predictors for curve in self.curves):
            raise ModelFileError(f"a curve should lie within {columns} columns and {predictors} linear predictors")
        wrong = misfit(self.uncertainty, columns, predictors, len(self.target_names))
        if wrong:
            raise ModelFileError(f"uncertainty: {wrong}")
        return self


class Document(Part):
    """The whole file."""

    format: Literal["gradline model"]
    version: Annotated[int, Field(ge=1, le=VERSION)]
    gradline: str = Field(description="The gradline that wrote the file.")
    checksum: str = Field(
        description='"sha256:" and the SHA-256 of everything else, as JSON without blanks, keys sorted, non-ASCII characters escaped.'
    )
    model: ModelRecord


class HeldOutRecord(Part):
    """The loss of rows that were held out, at each of m strengths."""

    mean: list[Number]
    error: list[Number] = Field(description="Standard errors of the means.")
    of_fold: list[list[Number]] = Field(description="K lists of m, one for each fold; none of leave-one-out.")
    weights: list[Number] = Field(description="K: of the folds.")
    how: str = Field(description="What was held out.")
    refits: Count = Field(0, description="Of leave-one-out: fits without a row that were made anew.")


class PathPart(Part):
    """The fits of m strengths, from the strongest down."""

    strengths: list[Number] = Field(min_length=1)
    coefficients: list[list[list[Number]]] = Field(description="m lists of P lists of k numbers.")
    losses: list[Number]
    objectives: list[Number]
    gaps: list[Number]
    gradient_norms: list[Number]
    converged: list[bool]
    penalties: list[PenaltyRecord]
    held_out: HeldOutRecord | None
    passes: Count
    breakpoints: list[Number] | None = Field(
        default=None, description="The strengths at which slopes enter and leave, between which they are straight lines of the strength."
    )

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        m = len(self.strengths)
        for name in ("coefficients", "losses", "objectives", "gaps", "gradient_norms", "converged", "penalties"):
            if len(getattr(self, name)) != m:
                raise ModelFileError(f"{name} should hold {m}, one for each strength, not {len(getattr(self, name))}")
        if any(b >= a for a, b in pairwise(self.strengths)):
            raise ModelFileError("strengths should fall")
        held = self.held_out
        if held is not None:
            rows = (held.mean, held.error, *held.of_fold)
            if any(len(row) != m for row in rows) or len(held.weights) != len(held.of_fold):
                raise ModelFileError(f"held_out should hold {m} numbers, one for each strength, and a weight for each fold")
        return self


class PathDocument(Part):
    """The whole file of a path. model: of one of the strengths; the others differ in what the path says."""

    format: Literal["gradline path"]
    version: Annotated[int, Field(ge=1, le=VERSION)]
    gradline: str = Field(description="The gradline that wrote the file.")
    checksum: str = Field(description="As of a model file.")
    model: ModelRecord
    path: PathPart

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        size, k = len(self.model.names), len(self.model.predictor_names)
        if any(len(point) != size or any(len(row) != k for row in point) for point in self.path.coefficients):
            raise ModelFileError(f"each of the path's coefficients should hold {size} lists of {k} numbers")
        return self


def checksum(document: Mapping[str, Any]) -> str:
    """The checksum of a document, whatever checksum it holds."""
    content = {key: value for key, value in document.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def source_hash(source: str) -> str:
    """The SHA-256 of a source text."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def json_schema(document: type[Part] = Document) -> str:
    """The published schema, docs/model-schema.json; of a ``PathDocument``, docs/path-schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **document.model_json_schema(mode="serialization")}
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
