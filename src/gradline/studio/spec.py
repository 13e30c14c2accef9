"""A model built by clicking, as a formula, as the arguments of ``gl.fit``, as Python and as a command."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradline.base.errors import GradlineError
from gradline.formulas.grammar import columns_named, quoted_name
from gradline.studio.messages import Factor, LossChoice, ModelSpec, PenaltyChoice, Problem

_WRITTEN = {
    "none": "{}",
    "log": "log({})",
    "log1p": "log1p({})",
    "sqrt": "sqrt({})",
    "square": "square({})",
    "standardise": "scale({})",
    "factor": "C({})",
    "spline": "s({})",
}


@dataclass(frozen=True)
class FileLoss:
    """A loss of a file: where it is, and what reads it. Read anew for each question, so that an edit of the file is seen."""

    file: str
    name: str
    load: Callable[[], Any]


@dataclass(frozen=True)
class DataPlace:
    """What the command line named, for the Python and the command that give the same model. python: the data as Python has it."""

    data: str | None
    database: str | None = None
    query: str | None = None
    where: str | None = None
    python: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """What goes beside the data."""
        named = {"where": self.where, "query": self.query, "database": self.database}
        return {name: value for name, value in named.items() if value is not None}


def formula_of(spec: ModelSpec) -> str:
    """The formula. Raises Problem where something is missing."""
    if spec.formula is not None:
        if not spec.formula.strip():
            raise Problem("model, formula", "the formula is empty: write what explains what, as in y ~ x")
        return spec.formula.strip()
    if not spec.target:
        raise Problem("model, target", "choose a target: the column that is to be explained")
    for name in (spec.target, *(factor.column for term in spec.terms for factor in term.factors)):
        if "`" in name:
            raise Problem("model, terms", f"column {name!r} holds a backquote, with which a formula quotes names: rename it in the table")
    target = _WRITTEN[spec.target_transform].format(quoted_name(spec.target))
    if spec.target_class is not None:
        target = f"I({target} == {spec.target_class!r})"
    terms: list[str] = []
    for place, term in enumerate(spec.terms):
        if any(factor.transform == "spline" for factor in term.factors) and len(term.factors) > 1:
            raise Problem(f"model, terms, {place}", "a curve has no interactions: give it a term of its own, or use a polynomial")
        written = ":".join(_factor(factor) for factor in term.factors)
        if written in terms:
            raise Problem(f"model, terms, {place}", f"{written} is in the model twice")
        terms.append(written)
    if not spec.intercept:
        terms.append("- 1" if terms else "0")
    right = " + ".join(terms).replace("+ - 1", "- 1") or "1"
    return f"{target} ~ {right}"


def _factor(factor: Factor) -> str:
    name = quoted_name(factor.column)
    if factor.transform == "poly":
        return f"poly({name}, {factor.degree or 2})"
    return _WRITTEN[factor.transform].format(name)


def columns_of(spec: ModelSpec, columns: Sequence[str]) -> list[str]:
    """The columns of the table that a model reads, as far as its text tells; all of them where it has a dot."""
    formula = formula_of(spec)
    named = columns_named(formula, columns)
    if "." in formula.partition("~")[2].replace("`", "").split():
        named = list(columns)
    beside = [name for name in (spec.weights, spec.frequencies, spec.groups) if name in columns and name is not None]
    return list(dict.fromkeys([*named, *beside]))


def arguments_of(spec: ModelSpec, losses: Mapping[str, FileLoss]) -> dict[str, Any]:
    """The keyword arguments of ``gl.fit``. Raises Problem for what is none of them."""
    if spec.covariance == "cluster" and not spec.groups:
        raise Problem("model, groups", "clusters need a column that tells them apart")
    found: dict[str, Any] = {"loss": loss_of(spec.loss, losses), "covariance": spec.covariance}
    if spec.covariance == "cluster":
        found["groups"] = [spec.groups]
    found |= {name: value for name, value in (("weights", spec.weights), ("frequencies", spec.frequencies)) if value}
    if spec.penalty is not None:
        found["penalty"] = penalty_of(spec.penalty)
    return found


def loss_of(choice: LossChoice, losses: Mapping[str, FileLoss]) -> Any:
    """The loss. Raises Problem for an unknown one, for numbers that it refuses, and for a file that cannot be run."""
    if choice.kind == "file":
        return file_loss(choice.name, losses)
    from gradline.losses.arguments import by_name

    try:
        return by_name(choice.name, **choice.options)
    except (GradlineError, TypeError) as error:
        raise Problem("model, loss", str(error)) from None


def file_loss(name: str, losses: Mapping[str, FileLoss]) -> Any:
    """The function of that name in the file of the command line, as it is now."""
    if name not in losses:
        raise Problem("loss", f"there is no loss {name!r} here: name its file when the studio is started, as in --loss mine.py:{name}")
    try:
        return losses[name].load()
    except Exception as error:  # whatever a user's file raises is news for its user, and nothing else
        raise Problem("loss", str(error)) from error


def penalty_of(choice: PenaltyChoice) -> Any:
    """The penalty. Raises Problem for a strength that it refuses."""
    from gradline import penalties

    known: Mapping[str, Callable[..., Any]] = {
        "ridge": penalties.ridge,
        "lasso": penalties.lasso,
        "elastic_net": penalties.elastic_net,
        "group_lasso": penalties.group_lasso,
        "scad": penalties.scad,
        "mcp": penalties.mcp,
    }
    arguments: list[Any] = [choice.strength]
    if choice.name == "elastic_net":
        arguments.append(0.5 if choice.share is None else choice.share)
    try:
        return known[choice.name](*arguments)
    except (GradlineError, TypeError) as error:
        raise Problem("model, penalty", str(error)) from None


def as_python(spec: ModelSpec, place: DataPlace, losses: Mapping[str, FileLoss]) -> str:
    """A script that gives the same model."""
    loss: str | None
    if spec.loss.kind == "file":
        own = losses[spec.loss.name]
        lines, loss = [*_import_of(own), ""], own.name
    else:
        lines, loss = ["import gradline as gl", ""], _loss_in_python(spec.loss)
    data = place.python if place.python is not None else repr(place.data)
    if place.python is not None:
        lines += ["# data: the table that gl.studio was given.", ""]
    arguments = [repr(formula_of(spec)), data]
    if loss is not None:
        arguments.append(f"loss={loss}")
    if spec.penalty is not None:
        arguments.append(f"penalty={_penalty_in_python(spec.penalty)}")
    for name, value in (("weights", spec.weights), ("frequencies", spec.frequencies)):
        if value:
            arguments.append(f"{name}={value!r}")
    arguments.append(f"covariance={spec.covariance!r}")
    if spec.covariance == "cluster":
        arguments.append(f"groups={spec.groups!r}")
    arguments += [f"{name}={value!r}" for name, value in place.options.items()]
    return "\n".join([*lines, "fit = gl.fit(", *(f"    {argument}," for argument in arguments), ")", "print(fit.summary())", ""])


def _import_of(own: FileLoss) -> list[str]:
    import os

    folder, file = os.path.split(os.path.abspath(own.file))
    module = os.path.splitext(file)[0]
    return ["import sys", "", "import gradline as gl", "", f"sys.path.insert(0, {folder!r})", f"from {module} import {own.name}"]


def _loss_in_python(choice: LossChoice) -> str | None:
    if choice.name == "squared" and not choice.options:
        return None
    if not choice.options:
        from gradline.losses.arguments import written

        return written(choice.name).replace("(...)", "()")
    return f"gl.losses.{choice.name}({', '.join(f'{name}={value!r}' for name, value in choice.options.items())})"


def _penalty_in_python(choice: PenaltyChoice) -> str:
    share = f", {0.5 if choice.share is None else choice.share!r}" if choice.name == "elastic_net" else ""
    return f"gl.penalties.{choice.name}({choice.strength!r}{share})"


def as_command(spec: ModelSpec, place: DataPlace, losses: Mapping[str, FileLoss]) -> str:
    """The same model on the command line. Raises Problem where the data is no file that a command could name."""
    if place.python is not None:
        raise Problem("what", "the table was given from Python, and a command reads files: save it first, or take the Python")
    words = ["gradline", "fit"]
    if place.data is not None:
        words.append(place.data)
    words.append(formula_of(spec))
    if spec.loss.kind == "file":
        own = losses[spec.loss.name]
        words += ["--loss-from", f"{own.file}:{own.name}"]
    elif spec.loss.name != "squared" or spec.loss.options:
        options = ",".join(f"{name}={value}" for name, value in spec.loss.options.items())
        words += ["--loss", spec.loss.name + (f":{options}" if options else "")]
    if spec.penalty is not None:
        share = f",{0.5 if spec.penalty.share is None else spec.penalty.share}" if spec.penalty.name == "elastic_net" else ""
        words += ["--penalty", f"{spec.penalty.name}:{spec.penalty.strength}{share}"]
    for name, value in (("weights", spec.weights), ("frequencies", spec.frequencies)):
        if value:
            words += [f"--{name}", value]
    if spec.covariance != "default":
        words += ["--covariance", spec.covariance]
    if spec.covariance == "cluster" and spec.groups:
        words += ["--groups", spec.groups]
    for name, value in place.options.items():
        words += [f"--{name}", value]
    return shlex.join(words)
