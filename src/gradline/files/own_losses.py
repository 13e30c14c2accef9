"""A user's own loss in a model file: its text for the record, and what stands for it until the function itself is given again."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any, cast

from gradline.autodiff.framework import function_name, references
from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import ModelFileError
from gradline.base.types import Array
from gradline.base.warnings import warn
from gradline.files.schema import OwnLoss, Source, source_hash
from gradline.losses.defaults import LossDefaults
from gradline.losses.own_loss import bound_again
from gradline.losses.protocol import Loss, Parameter, UnboundLoss, Written


def describe(function: Any) -> Source:
    """A function, partial or object as a record: the text of its definition, its hash, and the numbers it refers to."""
    source = _source(function)
    numbers = {name: value for name, value in _named_values(function) if isinstance(value, int | float) and not isinstance(value, bool)}
    name = function_name(function) if callable(function) else type(function).__name__
    return Source(name=name, source=source, sha256=None if source is None else source_hash(source), numbers=numbers)


def describe_loss(loss: Loss) -> OwnLoss:
    """The record of a loss that is not of the catalogue."""
    if isinstance(loss, StoredLoss):
        return loss.record
    own = loss.written
    return OwnLoss(
        kind="own",
        name=loss.name,
        framework=own.framework,
        form=own.form,
        linear_predictors=None if own.linear_predictors is None else list(own.linear_predictors),
        likelihood=loss.is_likelihood,
        squared_scale=loss.squared_scale(),
        function=describe(own.function),
        prediction=None if own.prediction is None else describe(own.prediction),
        identity=own.identity,
    )


@dataclasses.dataclass(frozen=True)
class StoredLoss(LossDefaults):
    """A user's loss of which only the record is at hand: it knows its names, and predicts where that needs none of the user's code."""

    record: OwnLoss
    names: tuple[str, ...]
    """The linear predictors, (k,)."""

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def parameters(self) -> dict[str, Parameter]:
        return {}

    @property
    def written(self) -> Written:
        """What the record says of it; the function is not at hand."""
        return Written(None, framework=self.record.framework, form=self.record.form, identity=self.record.identity)

    @property
    def is_at_hand(self) -> bool:
        return False

    @property
    def is_likelihood(self) -> bool:
        return self.record.likelihood

    @property
    def is_convex(self) -> bool:
        return self.record.squared_scale is not None

    @property
    def joint(self) -> bool:
        """Whether the function is a scalar that is neither the mean nor the sum of its one-row values."""
        return self.record.form == "joint"

    def squared_scale(self) -> float | None:
        return self.record.squared_scale

    def n_predictors(self, n_targets: int) -> int:
        return len(self.names)

    def predictor_names(self, n_targets: int) -> tuple[str, ...]:
        return self.names

    def predict(self, predictors: Array) -> Array:
        if not self.record.identity:
            what = "prediction" if self.record.prediction is not None else "loss"
            shown = (self.record.prediction or self.record.function).name
            raise ModelFileError(
                f"this model's forward pass is its author's own function {shown!r}, which a model file keeps as text and never runs:"
                f" give it again, gl.load(path, loss={self.name}{f', prediction={shown}' if what == 'prediction' else ''}),"
                ' or ask for kind="linear"'
            )
        return predictors

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        raise ModelFileError(
            f"the loss {self.name!r} is its author's own function, which a model file keeps as text and never runs:"
            f" give it again, gl.load(path, loss={self.name})"
        )


def given_again(record: OwnLoss, given: UnboundLoss, names: tuple[str, ...], n_targets: int) -> Loss:
    """The user's loss for a loaded model, whose linear predictors are names.

    Warns where its text or numbers are not those of the fit. Raises ValueError where it cannot belong to the model.
    """
    written = given.written
    if written.framework is None:
        if record.framework is not None:
            raise ModelFileError(f"the model's loss is the function {record.name!r}, but loss= is {given.name!r}; give that function")
        _compare("loss", record.function, describe(written.function))
        # A loss that is an object is bound from the start.
        return cast(Loss, given)
    if record.framework is None:
        raise ModelFileError(f"the model's loss is an object of the class {record.function.name!r}; give such an object as loss=")
    if (written.prediction is None) != (record.prediction is None):
        if record.prediction is None:
            raise ModelFileError("the model was fitted without prediction=, so that none can be given now")
        raise ModelFileError(f"the model was fitted with prediction={record.prediction.name}; give that function too")
    if written.linear_predictors not in (None, names):
        raise ModelFileError(f"the model's linear predictors are {', '.join(names)}, not {', '.join(written.linear_predictors or ())}")
    _compare("loss", record.function, describe(written.function))
    if record.prediction is not None:
        _compare("prediction", record.prediction, describe(written.prediction))
    own = None if record.linear_predictors is None else tuple(record.linear_predictors)
    as_then = written._replace(form=record.form, linear_predictors=own)
    return bound_again(as_then, record.likelihood, n_targets, len(names), record.squared_scale)


def _compare(keyword: str, kept: Source, given: Source) -> None:
    if kept.source is None or given.source is None:
        whose = "kept" if kept.source is None else "read now"
        warn(f"the text of {keyword}={given.name} could not be {whose}, so nobody can tell whether it is what the model was fitted with")
    elif kept.sha256 != given.sha256:
        warn(
            f"{keyword}={given.name} is not the text the model was fitted with, {kept.name!r}: its SHA-256 was {str(kept.sha256)[:12]}..."
            f" and is {str(given.sha256)[:12]}...; predictions may differ"
        )
    elif kept.model_dump()["numbers"] != given.model_dump()["numbers"]:
        now = {name: given.numbers.get(name) for name in kept.numbers | given.numbers}
        changed = [f"{name} was {kept.numbers.get(name)} and is {now[name]}" for name in now if kept.numbers.get(name) != now[name]]
        warn(f"{keyword}={given.name} refers to other numbers than it did in the fit: {', '.join(changed)}; predictions may differ")


def _source(function: Any) -> str | None:
    while isinstance(function, functools.partial):
        function = function.func
    if not (inspect.isfunction(function) or inspect.ismethod(function) or inspect.isclass(function)):
        function = type(function)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError, SyntaxError):  # typed at a prompt, built in, or made by exec
        return None


def _named_values(function: Any) -> Iterator[tuple[str, Any]]:
    """What a function reads that its text does not hold: later entries of a name win."""
    if isinstance(function, functools.partial):
        yield from _named_values(function.func)
        yield from ((f"argument {place + 1}", value) for place, value in enumerate(function.args))
        yield from function.keywords.items()
    elif inspect.isfunction(function):
        yield from ((name, value) for name, value in references(function) if name != "default")
        yield from ((parameter.name, parameter.default) for parameter in inspect.signature(function).parameters.values())
    elif dataclasses.is_dataclass(function):
        yield from ((field.name, getattr(function, field.name)) for field in dataclasses.fields(function))
    else:
        yield from getattr(function, "__dict__", {}).items()
