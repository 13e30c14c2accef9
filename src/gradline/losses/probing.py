"""What a user's loss is, found by calling it on a few rows.

A traced function keeps no promise by its looks: whether it returns one number per row, the mean or the sum of such numbers, or a scalar
that mixes rows, is found by comparing what it returns on subsets of rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradline.autodiff.calling import argument_order
from gradline.autodiff.captured import captured_arrays
from gradline.autodiff.tape import Finding, Form, NotCompiledError, Tape, UserLoss
from gradline.base.errors import LossError
from gradline.base.types import Array
from gradline.base.warnings import warn

_ROWS = 5
_SUBSET = np.array([0, 2, 3])
_TOLERANCE = 1e-9
_CONFIRMING_ROWS = 20_000
_MAGNITUDES = (1e-2, 1.0, 1e2, 1e4, 1e6)


def probe(tape: Tape, loss: UserLoss, targets: Array, offset: Array | None, name: str) -> Finding:
    """Classify a user's loss on a handful of rows. targets (m, q), m >= 1; offset (m, k) or None.

    Raises ValueError, naming the loss and what was wrong with it.
    """
    generator = np.random.default_rng(20130)
    rows = np.arange(_ROWS) % len(targets)
    y = targets[rows]
    points = [(y, eta) for eta in _predictors(y, loss, None if offset is None else offset[rows], generator)]
    usual = _one_number_a_row(tape, loss, np.tile(y, (len(points), 1)), np.concatenate([eta for _, eta in points]), name)
    if usual is not None:
        return usual
    values = [_call(tape, y, eta, name) for y, eta in points]
    finite = [(y, eta, value) for (y, eta), value in zip(points, values, strict=True) if np.isfinite(value).all()]
    if not finite:
        (y, eta), value = points[0], values[0]
        row = 0 if value.ndim == 0 else int(np.flatnonzero(~np.isfinite(value))[0])
        returned = "NaN" if np.isnan(value).any() else "infinity"
        raise LossError(
            f"the loss {name!r} returned {returned}, for example with y = {show_row(y[row])} and linear predictor = {show_row(eta[row])};"
            " it must be finite wherever a fit may go (where it needs a positive prediction, pass prediction=tf.exp, jnp.exp or torch.exp)"
        )
    forms = {_form(tape, y, eta, value, name) for y, eta, value in finite}
    forms.discard(None)
    # Ambiguous only where every value is zero; a mean then does no harm.
    form: Form = forms.pop() if len(forms) == 1 else ("joint" if forms else "mean")  # type: ignore[assignment]
    _check_gradient(tape, [(y, eta) for y, eta, _ in finite], name)
    scale = None if form == "joint" or loss.n_targets != loss.n_predictors else _squared_scale(tape, finite)
    return Finding(form, scale)


def _one_number_a_row(tape: Tape, loss: UserLoss, y: Array, eta: Array, name: str) -> Finding | None:
    """The finding of a function that gives one number a row, in three calls; None where something is amiss, to be looked at in parts.

    What a framework's call costs depends little on the number of rows.
    """
    subset = np.isin(np.arange(len(y)) % _ROWS, _SUBSET)
    try:
        value, part = _call(tape, y, eta, name), _call(tape, y[subset], eta[subset], name)
        if value.ndim != 1 or part.ndim != 1 or not np.isfinite(value).all():
            return None
        by_points = value.reshape(-1, _ROWS)
        apart = np.abs(part - value[subset]).reshape(len(by_points), -1)
        if (apart > _TOLERANCE * np.abs(by_points).max(axis=1)[:, None]).any():
            return None
        gradient = tape.gradient(y, eta)
    except Exception:  # whatever it is, the look at parts says it
        return None
    if gradient is None or not np.any(gradient != 0):
        return None
    scale = None if loss.n_targets != loss.n_predictors else _squared_scale(tape, [(y, eta, value)])
    return Finding("row", scale)


def confirm(tape: Tape, loss: UserLoss, finding: Finding, targets: Array, name: str) -> Finding:
    """Hold a finding made on a handful of rows against the data at large; targets (m, q). Returns the finding, or a humbler one.

    A loss may look squared until a residual is large (Huber's), or like a mean until a rare target comes along (one that masks rows).
    """
    y = _spread_rows(targets)
    generator = np.random.default_rng(20140)
    form, scale = finding.form, finding.squared_scale
    if form in ("mean", "sum") and not _adds_up(tape, loss, form, y, generator, name):
        return Finding("joint", None)
    if scale is not None and not _stays_squared(tape, form, scale, y, generator, name):
        scale = None
    return Finding(form, scale)


def check_order(loss: UserLoss, call: Callable[[UserLoss, Array, Array], np.ndarray[Any, Any]], targets: Array, name: str) -> None:
    """Warn where it is not known which argument of the function is the target, and where it matters.

    call(loss, y, eta): what a loss returns. It matters where the function, its arguments exchanged, returns something else.
    """
    order = argument_order(loss.function)
    if order.known:
        return
    y = targets[np.arange(_ROWS) % len(targets)]
    exchanged = replace(loss, function=_Exchanged(loss.called))
    for eta in _predictors(y, loss, None, np.random.default_rng(20150)):
        try:
            given, other = call(loss, y, eta), call(exchanged, y, eta)
        except Exception:  # one order cannot be computed: then there is no choice between them
            return
        if np.isfinite(given).all() and np.isfinite(other).all() and not np.allclose(given, other, rtol=1e-9, atol=0.0):
            break
    else:
        return
    first, second = ("prediction", "y") if order.prediction_first else ("y", "prediction")
    if order.names is None:
        told = "the signature of the loss does not tell"
        assumed = f"the first was taken for {'the prediction' if order.prediction_first else 'y'}"
    else:
        told = f"the names of its arguments, {order.names[0]!r} and {order.names[1]!r}, do not tell"
        assumed = f"{order.names[0]!r} was taken for {first} and {order.names[1]!r} for {second}"
    warn(
        f"the loss {name!r} is another one with its two arguments exchanged, and {told} which of them is the target: {assumed}."
        " Call the two y and prediction, in the order that is right, or pass a function that does: lambda y, prediction: ..."
    )


@dataclass(frozen=True)
class _Exchanged:
    """A function of (y, prediction) with these two exchanged."""

    function: Callable[[Any, Any], Any]

    def __call__(self, y: Any, prediction: Any) -> Any:
        return self.function(prediction, y)


def data_inside(loss: UserLoss) -> str:
    """What to write instead where a function reads arrays that may have an entry a row; empty where it reads none."""
    arrays = {name: value for f in (loss.function, loss.prediction) for name, value in captured_arrays(f) if value.shape[0] > _ROWS}
    if not arrays:
        return ""
    name = next(iter(arrays))
    custom = 'gl.losses.custom(loss, linear_predictors=["prediction"])'
    return (
        f". The loss reads {name!r}, an array of {arrays[name].shape[0]:,} entries, but it is called with some of the rows at a time, so"
        f" that what differs from row to row must come with the rows. If {name} multiplies each row's loss, give it as weights={name}."
        f" Otherwise make it a second target: gl.fit(X, np.column_stack([y, {name}]), loss={custom}), where loss(both, prediction) finds"
        f" y in both[:, 0] and {name} in both[:, 1]"
    )


def _spread_rows(targets: Array) -> Array:
    """Targets from all over the data, the smallest and the largest among them."""
    m = len(targets)
    if m <= _CONFIRMING_ROWS:
        return targets
    extremes = np.concatenate([targets.argmin(axis=0), targets.argmax(axis=0)])
    rows = np.unique(np.concatenate([np.linspace(0, m - 1, _CONFIRMING_ROWS).astype(np.int64), extremes]))
    spread: Array = targets[rows]
    return spread


def _adds_up(tape: Tape, loss: UserLoss, form: Form, y: Array, generator: np.random.Generator, name: str) -> bool:
    """Whether a scalar of all rows is what the scalars of the low and the high targets say it is."""
    if len(y) < 2:
        return True
    eta = generator.normal(size=(len(y), loss.n_predictors)) + (y if loss.n_targets == loss.n_predictors else 0.0)
    order = np.argsort(y[:, 0], kind="stable")
    parts = [order, order[: len(y) // 2], order[len(y) // 2 :]]
    share = [1.0 if form == "sum" else len(part) / len(y) for part in parts]
    whole, first, second = (float(weight * _call(tape, y[part], eta[part], name)) for weight, part in zip(share, parts, strict=True))
    if not np.isfinite([whole, first, second]).all():
        return True
    return abs(whole - first - second) <= 1e-8 * (abs(first) + abs(second))


def _stays_squared(tape: Tape, form: Form, scale: float, y: Array, generator: np.random.Generator, name: str) -> bool:
    """Whether the loss is ``scale`` times the square for every target and for residuals from small to far beyond the data's."""
    size = float(np.abs(y - np.median(y, axis=0)).max()) or float(np.abs(y).max()) or 1.0
    for magnitude in _MAGNITUDES:
        eta = y - size * magnitude * generator.uniform(0.5, 1.5, size=y.shape) * generator.choice([-1.0, 1.0], size=y.shape)
        squares = scale * np.sum(np.square(y - eta), axis=1)
        expected = squares if form == "row" else squares.mean() if form == "mean" else squares.sum()
        value = _call(tape, y, eta, name)
        if np.isfinite(expected).all() and not np.allclose(value, expected, rtol=1e-8, atol=0.0):
            return False
    return True


def _predictors(targets: Array, loss: UserLoss, offset: Array | None, generator: np.random.Generator) -> list[Array]:
    """Linear predictors to try: near the targets, moderate, and positive ones."""
    m, k = len(targets), loss.n_predictors
    spread = np.std(targets) or np.abs(targets).max() or 1.0
    noise = generator.normal(size=(4, m, k))
    near = targets if loss.n_targets == k else np.zeros((m, k))
    start = np.zeros((m, k)) if offset is None else offset
    return [near + spread * noise[0], start + 0.5 * noise[1], near + 4.0 * spread * noise[2], np.abs(noise[3]) + 0.1]


def _call(tape: Tape, y: Array, eta: Array, name: str) -> np.ndarray[Any, Any]:
    """What the function returns as an array of shape () or (m,); anything else is refused."""
    seen = f"y of shape {_seen(y)} and a prediction from linear predictors of shape {_seen(eta)}"
    try:
        value = tape.call(y, eta)
    except NotCompiledError:
        raise
    except Exception as error:
        hint = ""
        if "double" in str(error).lower() and "float" in str(error).lower():
            hint = ". gradline computes in float64: give constants as tf.constant(1.0, tf.float64), or cast with tf.cast(..., y.dtype)"
        elif any(words in str(error) for words in _ASKED_FOR_TRUTH):
            hint = (
                ". The loss sees many rows at once, so that an if or max() of them has no answer: choose row by row,"
                " with tf.where(y > prediction, a, b), jnp.where or torch.where, or tf.maximum and its like"
            )
        said = re.sub(r"\s*\[Op:\w+\](?: name: ?\S*)?\s*$", "", str(error)).rstrip(". ")
        raise LossError(f"the loss {name!r} raised {type(error).__name__} when called with {seen}: {said}{hint}") from error
    if value.dtype.kind == "f" and value.dtype.itemsize < 8:
        raise LossError(
            f"the loss {name!r} returned {value.dtype} numbers, too coarse to fit by; gradline computes in float64, so do not cast"
        )
    if value.dtype.kind not in "fiu":
        what = repr(value.item()) if value.ndim == 0 else f"an array of {value.dtype}"
        raise LossError(f"the loss {name!r} returned {what}; return one number per row, or one scalar such as their mean")
    if value.shape not in ((), (len(y),)):
        hint = ""
        if value.ndim == 2 and value.shape[1] == 1:
            hint = "; drop the last axis"
        elif value.ndim == 2 and value.shape == y.shape:
            hint = "; sum or average over the outputs, the last axis"
        elif value.ndim == 2 and value.shape == (len(y), len(y)):
            hint = "; y and the prediction were broadcast against each other: give both the same shape"
        raise LossError(
            f"the loss {name!r} returned shape {value.shape} for {seen}; return shape ({len(y)},), one number per row, or a scalar{hint}"
        )
    return value.astype(np.float64)


_ASKED_FOR_TRUTH = ("truth value", "Boolean value of Tensor", "is ambiguous")
"""What NumPy, JAX, TensorFlow and PyTorch say where many rows meet an if."""


def _form(tape: Tape, y: Array, eta: Array, value: Array, name: str) -> Form | None:
    part = _call(tape, y[_SUBSET], eta[_SUBSET], name)
    if value.ndim == 1:
        if part.ndim != 1 or not _close(part, value[_SUBSET], value):
            raise LossError(
                f"the loss {name!r} returns one number per row but mixes rows: the loss of a row changes when other rows are left out."
                " Compute each row's number from that row's y and prediction only, or return one scalar"
            )
        return "row"
    single = np.array([float(_call(tape, y[i : i + 1], eta[i : i + 1], name).reshape(-1)[0]) for i in range(len(y))])
    if not np.isfinite(single).all():
        return "joint"
    is_mean = _close(value, single.mean(), single) and _close(part, single[_SUBSET].mean(), single)
    is_sum = _close(value, single.sum(), single) and _close(part, single[_SUBSET].sum(), single)
    if is_mean and is_sum:
        return None
    return "mean" if is_mean else "sum" if is_sum else "joint"


def _check_gradient(tape: Tape, points: list[tuple[Array, Array]], name: str) -> None:
    for y, eta in points:
        try:
            gradient = tape.gradient(y, eta)
        except NotCompiledError:
            raise
        except Exception as error:
            raise LossError(f"the loss {name!r} cannot be differentiated; {type(error).__name__}: {error}") from error
        if gradient is None:
            raise LossError(
                f"the loss {name!r} does not depend on its prediction, so nothing can be learned: no gradient flows from what it returns"
                " to the prediction (was it computed from y alone, or through NumPy, rounding or a stopped gradient?)"
            )
        if np.any(gradient != 0):
            return
    raise LossError(
        f"the loss {name!r} does not depend on its prediction: its gradient is zero at every row tried, so nothing can be learned"
    )


def _squared_scale(tape: Tape, points: list[tuple[Array, Array, Array]]) -> float | None:
    ratios = []
    for y, eta, value in points:
        # The value of one row, whatever the form: a row, a mean and a sum agree on one row.
        for i in range(len(y)):
            row = float(value[i]) if value.ndim else float(np.asarray(tape.call(y[i : i + 1], eta[i : i + 1])))
            ratios.append(row / float(np.sum((y[i] - eta[i]) ** 2)))
    scale = float(np.median(ratios))
    if scale > 0 and np.allclose(ratios, scale, rtol=1e-9, atol=0):
        return 1.0 if abs(scale - 1.0) < 1e-12 else scale
    return None


def _close(a: Any, b: Any, reference: Array) -> bool:
    scale = float(np.abs(reference).max(initial=0.0))
    return bool(np.all(np.abs(np.asarray(a) - np.asarray(b)) <= _TOLERANCE * scale))


def _seen(array: Array) -> tuple[int, ...]:
    return (len(array),) if array.shape[1] == 1 else array.shape


def show_row(row: Array) -> str:
    """A row's numbers as a message shows them."""
    return f"{row[0]:.6g}" if row.size == 1 else "[" + ", ".join(f"{v:.6g}" for v in row) + "]"
