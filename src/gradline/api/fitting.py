"""fit(): the one road from data to a Fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, overload

from gradline.api.result import Fit
from gradline.fitting.request import FitRequest
from gradline.fitting.run import run
from gradline.penalties.ridge import AutomaticRidge, Penalty
from gradline.preparing.arguments import LossArgument, unknown_keyword
from gradline.solvers.protocol import Solver


@overload
def fit(
    formula: str | Mapping[str, str],
    data: Any = None,
    /,
    *,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    penalty: Penalty | AutomaticRidge | None = None,
    solver: str | Solver = "auto",
    weights: str | None = None,
    frequencies: str | None = None,
    offset: str | None = None,
    missing: Literal["drop", "error"] | None = None,
    where: str | None = None,
    query: str | None = None,
    database: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    backend: str | None = None,
    covariance: Any = None,
    groups: Any = None,
    progress: bool | None = None,
) -> Fit: ...
@overload
def fit(
    data: Any = None,
    /,
    *,
    target: str | Sequence[str],
    features: Sequence[str],
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    penalty: Penalty | AutomaticRidge | None = None,
    solver: str | Solver = "auto",
    weights: str | None = None,
    frequencies: str | None = None,
    offset: str | None = None,
    missing: Literal["drop", "error"] | None = None,
    where: str | None = None,
    query: str | None = None,
    database: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    intercept: bool = True,
    backend: str | None = None,
    covariance: Any = None,
    groups: Any = None,
    progress: bool | None = None,
) -> Fit: ...
@overload
def fit(
    data: Any,
    target: Any,
    *,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    penalty: Penalty | AutomaticRidge | None = None,
    solver: str | Solver = "auto",
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    intercept: bool = True,
    names: Sequence[str] | None = None,
    backend: str | None = None,
    covariance: Any = None,
    groups: Any = None,
    progress: bool | None = None,
) -> Fit: ...
def fit(
    *positional: Any,
    data: Any = None,
    target: Any = None,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    backend: str | None = None,
    penalty: Penalty | AutomaticRidge | None = None,
    solver: str | Solver = "auto",
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    start: Any = None,
    accuracy: Literal["auto", "full"] = "auto",
    tolerance: float | None = None,
    intercept: Any = True,
    names: Sequence[str] | None = None,
    formula: Any = None,
    features: Any = None,
    missing: Any = None,
    where: str | None = None,
    query: str | None = None,
    database: Any = None,
    covariance: Any = None,
    groups: Any = None,
    progress: bool | None = None,
    **unknown: Any,
) -> Fit:
    """Fit a linear model: ``fit("y ~ x1 + C(g)", data)``, ``fit(data, target="y", features=["x1", "x2"])`` or ``fit(X, y)``.

    With a formula, or one for each linear predictor such as ``{"mean": "y ~ x1 + x2", "log_scale": "~ x2"}``, data is a table: a path of
    Parquet, CSV, JSON lines or Arrow files (a list, a glob pattern, a folder), a data frame, an Arrow table, a dict of arrays, a DuckDB
    relation, a generator of batches; see ``gradline.tables.table.open_table``. Tables beyond memory are read anew at each pass. query:
    SQL that selects the rows, over ``data`` or with database=, a DuckDB or SQLite file or an address, where data may be a table's name.
    where: a condition in SQL. weights, frequencies, offset are names of columns. missing: "drop" leaves rows with a missing value out and
    counts them in ``rows_dropped``; "error" refuses them. target, features: columns by name in place of a formula.

    With arrays, data is X, an array (n, p), one column (n,), or a data frame of numbers; target is y, (n,) or (n, q) for q outputs at once.
    weights: precision weights (n,); frequencies: repeat counts (n,); a zero leaves its row out. offset: added to the linear predictor,
    (n,) or (n, k). names: for the columns of X, where the data does not name them. intercept: whether the model has one.

    loss: "squared", a loss of ``gl.losses``, or your own function ``loss(y, prediction)`` written in TensorFlow, JAX or PyTorch, which
    returns one number a row, or one scalar such as their mean. prediction: with your own function, the forward pass from the linear
    predictor to the prediction it sees; the identity unless given. backend: "tensorflow", "jax" or "torch", where it cannot be read off
    your function. penalty: on the slopes, such as ``gl.penalties.ridge(0.1)`` or ``ridge("auto")``. solver: "auto" (see
    ``gradline.solvers.registry``), or a solver object such as ``gl.GradientDescent(learning_rate=0.01)``. start: coefficients to
    start from, the intercept first. accuracy: for squared loss, "full" asks for every digit at any size (see ``gl.LeastSquares``).
    tolerance: for other losses, when Newton's method or L-BFGS stops. progress: a progress bar; unless said, in a terminal or a
    notebook only.

    covariance: the kind of standard errors. Unless given, the loss's own where it is free (squared loss) or costs little (up to two
    million numbers in memory); "default" asks for it at any size, for a pass or two; "classical", "HC0" to "HC3", "cluster",
    ("newey-west", lags) and, for kinked losses, "constant-density" name one; False asks for none. groups: with "cluster", a label a row
    (two for two-way clusters), or for a table the names of one or two columns. See docs/inference.md.

    Raises TypeError and ValueError for data or arguments that cannot be used, naming the column, row or value; OSError for files and
    databases that cannot be read; ImportError, with the pip command, when the loss's framework is not installed.
    """
    if unknown:
        raise TypeError(unknown_keyword("fit", unknown, fit))
    request = FitRequest.read(
        positional,
        formula=formula,
        data=data,
        target=target,
        loss=loss,
        prediction=prediction,
        backend=backend,
        penalty=penalty,
        solver=solver,
        weights=weights,
        frequencies=frequencies,
        offset=offset,
        start=start,
        accuracy=accuracy,
        tolerance=tolerance,
        intercept=intercept,
        names=names,
        features=features,
        missing=missing,
        where=where,
        query=query,
        database=database,
        covariance=covariance,
        groups=groups,
        progress=progress,
    )
    return Fit.of(run(request))
