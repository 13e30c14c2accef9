"""What the page may ask, read strictly: anything else is refused with the place where it stands. studio/PROTOCOL.md tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

PROTOCOL = 1

Transform = Literal["none", "log", "log1p", "sqrt", "square", "standardise", "factor", "spline", "poly"]


class Part(BaseModel):
    """A part of a question: nothing unknown in it, names as JavaScript writes them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Factor(Part):
    """A column with what is done to it; degree: of "poly"."""

    column: str
    transform: Transform = "none"
    degree: int | None = Field(default=None, ge=1, le=9)


class Term(Part):
    """One factor, or the interaction of several."""

    factors: tuple[Factor, ...] = Field(min_length=1, max_length=3)


class LossChoice(Part):
    """A loss of the catalogue with its numbers, or one of the file of the command line."""

    kind: Literal["catalogue", "file"] = "catalogue"
    name: str = "squared"
    options: Mapping[str, float | int | str] = {}


class PenaltyChoice(Part):
    """share: the L1 share of the elastic net."""

    name: Literal["ridge", "lasso", "elastic_net", "group_lasso", "scad", "mcp"]
    strength: float | Literal["auto"] = "auto"
    share: float | None = None


class ModelSpec(Part):
    """A model as it is built by clicking. formula: typed by hand; then target, terms and intercept are not looked at.

    target_class: of a text target of two classes, the one that counts as 1; None for the last in order.
    """

    target: str = ""
    target_class: str | None = None
    target_transform: Literal["none", "log", "log1p", "sqrt"] = "none"
    terms: tuple[Term, ...] = ()
    intercept: bool = True
    formula: str | None = Field(default=None, max_length=10_000)
    loss: LossChoice = LossChoice()
    weights: str | None = None
    frequencies: str | None = None
    covariance: Literal["default", "classical", "HC0", "HC1", "HC2", "HC3", "cluster", "none"] = "default"
    groups: str | None = None
    penalty: PenaltyChoice | None = None


class Columns(Part):
    """What is in columns."""

    names: tuple[str, ...] = Field(max_length=200)


class Fitting(Part):
    """A fit, or the path of its penalty."""

    model: ModelSpec


class Effects(Part):
    """Effects of columns, of all of them for None."""

    fit: str
    variables: tuple[str, ...] | None = None
    by: str | None = None


class OfFit(Part):
    """What is asked of a fit, by its key."""

    fit: str


class Predict(Part):
    """Predictions for rows typed in."""

    fit: str
    rows: tuple[Mapping[str, str | float | bool | None], ...] = Field(max_length=1000)
    interval: Literal["confidence", "prediction"] | None = None


class Take(Part):
    """Something to take away."""

    fit: str
    what: Literal["python", "command", "model", "report"]


class Points(Part):
    """Rows of one or two inputs and a target."""

    inputs: tuple[str, ...] = Field(min_length=1, max_length=2)
    target: str
    x: tuple[tuple[float, ...], ...] = Field(max_length=100_000)
    y: tuple[float, ...] = Field(max_length=100_000)
    weights: tuple[float, ...] | None = None


class PointsLoss(Part):
    """The page's own engine knows losses of other kinds than "file"."""

    kind: Literal["file"]
    name: str


class Settings(Part):
    """As ``Settings`` of studio/src/engine/types.ts."""

    loss: PointsLoss
    method: Literal["descent", "newton"] = "descent"
    rate: float | Literal["auto"] = "auto"
    momentum: float = 0.0
    nesterov: bool = False
    batch: int | None = None
    seed: int = 0
    start: tuple[float, ...] = ()
    standardised: bool = False


class OnPoints(Part):
    """The optimum on points, or how fast one may walk there."""

    points: Points
    settings: Settings


class Walk(OnPoints):
    """The first steps of a walk."""

    steps: int = Field(ge=1, le=200_000)


class Surface(OnPoints):
    """The loss on a grid of the first two coefficients, or of the two slopes."""

    first: tuple[float, float]
    second: tuple[float, float]
    size: int = Field(ge=2, le=200)


class Compare(OnPoints):
    """Losses of the file on the same points."""

    losses: tuple[PointsLoss, ...] = Field(max_length=8)


QUESTIONS: Mapping[str, type[Part]] = {
    "columns": Columns,
    "fit": Fitting,
    "effects": Effects,
    "diagnostics": OfFit,
    "path": Fitting,
    "predict": Predict,
    "take": Take,
    "walk": Walk,
    "optimum": OnPoints,
    "stability": OnPoints,
    "surface": Surface,
    "compare": Compare,
}


class Problem(Exception):
    """What is wrong with a question, for the page to show. path: where in it; message: what is wrong and what to do."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path, self.message = path, message


@dataclass(frozen=True)
class Question:
    """A question that was understood. lane: a new question of a lane takes the place of older ones."""

    id: int
    ask: str
    lane: str | None
    content: Part


def read(message: Any) -> Question | int:
    """A message of the page: a question, or the number of one that it gives up.

    Raises Problem for anything else.
    """
    if not isinstance(message, dict):
        raise Problem("", "a message is a JSON object")
    cancelled = message.get("cancel")
    if isinstance(cancelled, int):
        return cancelled
    number, ask, lane = message.get("id"), message.get("ask"), message.get("lane")
    if not isinstance(number, int) or isinstance(number, bool):
        raise Problem("id", "a question has a whole number as its id")
    if not isinstance(ask, str) or ask not in QUESTIONS:
        raise Problem("ask", f"there is no question {ask!r}; there are {', '.join(QUESTIONS)}")
    if lane is not None and not isinstance(lane, str):
        raise Problem("lane", "a lane is a name")
    try:
        content = QUESTIONS[ask].model_validate(message.get("with", {}))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Problem(", ".join(str(part) for part in first["loc"]), first["msg"]) from None
    return Question(number, ask, lane, content)


def of_a_moment(question: Question) -> bool:
    """Whether a question is answered at once, and need not wait behind a fit."""
    match question.content:
        case Columns():
            return True
        case Take(what=what):
            return what != "report"
    return False
