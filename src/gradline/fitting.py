"""fit(): the one road from data to Fit."""

from __future__ import annotations

import difflib
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from gradline import losses
from gradline.losses.protocol import Loss
from gradline.losses.user_loss import BoundLoss, CustomLoss, custom
from gradline.messages import warn
from gradline.penalties import Penalty, Ridge
from gradline.problem import Problem
from gradline.result import INTERCEPT, Fit
from gradline.rows.arrays import ArrayRows
from gradline.rows.inputs import Columns, as_columns, as_row_numbers, as_weights, check_finite, check_length
from gradline.solvers.choice import automatic
from gradline.solvers.gradient_descent import GradientDescent
from gradline.solvers.solution import Solver, as_start
from gradline.types import Array

LossArgument = str | Loss | CustomLoss | Callable[[Any, Any], Any]


def fit(
    data: Any,
    target: Any,
    *,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    backend: str | None = None,
    penalty: Penalty | None = None,
    solver: str | Solver = "auto",
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    intercept: bool = True,
    names: Sequence[str] | None = None,
    progress: bool | None = None,
    **unknown: Any,
) -> Fit:
    """Fit a linear model.

    data: X, an array (n, p), one column (n,), or a data frame of numbers. target: y, (n,) or (n, q) for q outputs at once.
    loss: "squared", a loss of ``gl.losses``, or your own function ``loss(y, prediction)`` written in TensorFlow, JAX or PyTorch, which
    returns one number a row, or one scalar such as their mean. prediction: with your own function, the forward pass from the linear
    predictor to the prediction it sees; the identity unless given. backend: "tensorflow", "jax" or "torch", where it cannot be read off
    your function. penalty: on the slopes, such as ``gl.penalties.ridge(0.1)``. solver: "auto" (see ``gradline.solvers.choice``), or a
    solver object such as ``gl.GradientDescent(learning_rate=0.01)``. weights: precision weights (n,); frequencies: repeat counts (n,);
    a zero leaves its row out. offset: added to the linear predictor, (n,) or (n, k). start: coefficients to start from, the intercept
    first. accuracy: for squared loss, "full" asks for every digit at any size (see ``gl.LeastSquares``). tolerance: for other losses,
    when Newton's method or L-BFGS stops. intercept: whether the model has one. names: for the columns of X, where the data does not
    name them. progress: a progress bar; unless said, in a terminal or a notebook only.

    Raises TypeError and ValueError for data or arguments that cannot be used, naming the column, row or value; ImportError, with the
    pip command, when the loss's framework is not installed.
    """
    if unknown:
        raise TypeError(unknown_keyword("fit", unknown, fit))
    started = time.perf_counter()
    columns = _columns(data, names)
    targets = as_columns(target, "y", "y")
    n = len(columns.values)
    check_length(len(targets.values), "y", n)
    check_finite(columns.values, "X", columns.names)
    check_finite(targets.values, "y", targets.names if targets.values.shape[1] > 1 else None)
    y = np.ascontiguousarray(targets.values, dtype=np.float64)
    row_weights = None if weights is None else as_weights(weights, "weights", n, whole=False)
    counts = None if frequencies is None else as_weights(frequencies, "frequencies", n, whole=True)
    y = _without_idle_targets(y, row_weights, counts)
    unbound = as_loss(loss, prediction, backend)
    if not isinstance(unbound, CustomLoss):
        unbound = unbound.resolve(y.max(axis=0))
        unbound.check_targets(y)
    k = _predictor_count(unbound, y.shape[1])
    offsets = None if offset is None else _offset(offset, n, k)
    bound = unbound.bind(y, offsets) if isinstance(unbound, CustomLoss) else unbound
    rows = ArrayRows(columns.values, y, weights=row_weights, frequencies=counts, offset=offsets, intercept=_as_flag(intercept))
    design_names = ((INTERCEPT,) if rows.intercept else ()) + columns.names
    problem = Problem(rows, bound, as_penalty(penalty), design_names)
    if problem.joint and (row_weights is not None or counts is not None):
        raise ValueError(f"weights and frequencies need a loss of one row; {problem.joint_message}")
    chosen = as_solver(solver, problem, accuracy, tolerance)
    solution = chosen.solve(problem, None if start is None else as_start(start, problem.shape), progress)
    if solution.aliased:
        left_out = ", ".join(repr(design_names[i]) for i in solution.aliased)
        warn(f"left out of the model, since earlier columns determine it: {left_out}. Its coefficient is NaN; predictions ignore it")
    for note in solution.notes:
        warn(note)
    used = n if rows.row_weights is None else int(np.count_nonzero(rows.row_weights))
    return Fit(
        design_names,
        targets.names,
        bound,
        solution,
        used,
        {} if used == n else {"weight zero": n - used},
        named=columns.named or names is not None,
        penalty=problem.penalty,
        solver_asked=solver != "auto",
        seconds=time.perf_counter() - started,
    )


def as_loss(loss: LossArgument, prediction: Callable[[Any], Any] | None = None, backend: str | None = None) -> Loss | CustomLoss:
    """What ``loss=`` stands for. Raises ValueError for an unknown name, TypeError for something that is no loss."""
    if isinstance(loss, str):
        loss = losses.by_name(loss)
    if isinstance(loss, CustomLoss | BoundLoss) or hasattr(loss, "derivatives"):
        for keyword, value in (("prediction", prediction), ("backend", backend)):
            if value is not None:
                raise ValueError(
                    f"{keyword}= goes with a loss function of your own; this loss, {getattr(loss, 'name', loss)!r}, has its own already"
                )
        return loss.custom if isinstance(loss, BoundLoss) else loss  # type: ignore[return-value]
    if callable(loss) and str(getattr(loss, "__module__", "")).startswith("gradline.losses."):
        name = getattr(loss, "__name__", "")
        raise TypeError(f"loss={name} is what makes the loss: call it, as in loss=gl.losses.{name}(...)")
    if not callable(loss):
        raise TypeError(f"loss must be a name, a loss of gl.losses or a function loss(y, prediction), not {type(loss).__name__} {loss!r}")
    return custom(loss, prediction, backend=backend)


def as_penalty(penalty: Any) -> Penalty | None:
    """What ``penalty=`` stands for. Raises TypeError for something that is no penalty."""
    if penalty is not None and not hasattr(penalty, "curvature"):
        raise TypeError(f"penalty must be a penalty such as gl.penalties.ridge(0.1), not {type(penalty).__name__} {penalty!r}")
    # A ridge of strength zero decides nothing between columns that say the same, so it must not stand for a penalty.
    return None if isinstance(penalty, Ridge) and penalty.strength == 0 else penalty


def as_solver(solver: str | Solver, problem: Problem, accuracy: Literal["auto", "full"] = "auto", tolerance: float | None = None) -> Solver:
    """What ``solver=`` stands for. Raises ValueError for an unknown name, and for accuracy or tolerance beside a solver of one's own."""
    if not isinstance(solver, str):
        for keyword, value in (("accuracy", accuracy), ("tolerance", tolerance)):
            if value not in ("auto", None):
                raise ValueError(
                    f'{keyword}= goes with solver="auto"; give it to the solver itself, such as gl.{type(solver).__name__}(...)'
                )
        if isinstance(solver, type):
            raise TypeError(f"solver={solver.__name__} is a class; make one, as in solver=gl.{solver.__name__}()")
        if not hasattr(solver, "solve"):
            raise TypeError(f'solver must be "auto" or a solver such as gl.GradientDescent(), not {type(solver).__name__} {solver!r}')
        return solver
    if solver != "auto":
        raise ValueError(f'solver={solver!r} is not known; give "auto" or a solver such as gl.GradientDescent(learning_rate=0.01)')
    return automatic(problem, accuracy, tolerance)


def unknown_keyword(name: str, unknown: dict[str, Any], function: Callable[..., Any]) -> str:
    """The message for a keyword that does not exist, with the nearest one that does."""
    known = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD and p.name != "self"]
    word = next(iter(unknown))
    near = difflib.get_close_matches(word, known, 1)
    if word in GradientDescent.__dataclass_fields__:
        return f"{name}() got an unexpected keyword argument {word!r}; it belongs to the solver: solver=gl.GradientDescent({word}=...)"
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
    return f"{name}() got an unexpected keyword argument {word!r}; {hint}"


def _columns(data: Any, names: Sequence[str] | None) -> Columns:
    columns = as_columns(data)
    if names is None:
        return columns
    if isinstance(names, str):
        raise TypeError(f"names must be a sequence with one name for each column, not the single string {names!r}")
    given = tuple(str(name) for name in names)
    if len(given) != len(columns.names):
        raise ValueError(f"names has {len(given)} entries, but X has {len(columns.names)} columns")
    if len(set(given)) < len(given):
        raise ValueError("names holds the same name twice; each column needs its own")
    return Columns(columns.values, given, columns.named)


def _as_flag(intercept: Any) -> bool:
    if not isinstance(intercept, bool | np.bool_) and not (isinstance(intercept, int) and intercept in (0, 1)):
        raise TypeError(f"intercept must be True or False, not {intercept!r}")
    return bool(intercept)


def _without_idle_targets(y: Array, weights: Array | None, frequencies: Array | None) -> Array:
    """y with something harmless where a row counts for nothing: a row of weight zero equals the row left out, whatever it holds."""
    given = [held for held in (weights, frequencies) if held is not None]
    idle = np.zeros(len(y), dtype=np.bool_)
    for held in given:
        idle |= held == 0
    if not idle.any():
        return y
    if idle.all():
        raise ValueError("weights times frequencies is zero in every row; at least one row must count")
    return np.where(idle[:, None], y[np.flatnonzero(~idle)[0]], y)


def _predictor_count(loss: Loss | CustomLoss, n_targets: int) -> int:
    if isinstance(loss, CustomLoss):
        return n_targets if loss.linear_predictors is None else len(loss.linear_predictors)
    return loss.n_predictors(n_targets)


def _offset(offset: Any, n_rows: int, n_predictors: int) -> Array:
    if np.ndim(offset) <= 1:
        column = as_row_numbers(offset, "offset", n_rows)
        return np.repeat(column[:, None], n_predictors, axis=1)
    columns = as_columns(offset, "offset")
    check_length(len(columns.values), "offset", n_rows)
    if columns.values.shape[1] != n_predictors:
        raise ValueError(f"offset has {columns.values.shape[1]} columns, but there are {n_predictors} linear predictors")
    check_finite(columns.values, "offset", columns.names)
    return np.ascontiguousarray(columns.values, dtype=np.float64)
