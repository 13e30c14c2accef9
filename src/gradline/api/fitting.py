"""fit(): the one way from data to a Fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from gradline.api.result import Fit
from gradline.base.errors import ArgumentTypeError
from gradline.fitting.request import FitRequest, unknown_keyword
from gradline.fitting.run import run
from gradline.losses.arguments import LossArgument
from gradline.penalties.kinked_penalty import UnboundPenalty
from gradline.penalties.protocol import Penalty
from gradline.penalties.ridge import AutomaticRidge
from gradline.solvers.protocol import Solver

if TYPE_CHECKING:
    from gradline.cluster.cluster import Cluster


@overload
def fit(
    formula: str | Mapping[str, str],
    data: Any = None,
    /,
    *,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    penalty: Penalty | UnboundPenalty | AutomaticRidge | None = None,
    constraints: Any = None,
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
    smoothing: Literal["REML", "leave-one-out"] = "REML",
    inference: Literal["intersection", "draws", "face"] | None = None,
    cluster: Cluster | None = None,
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
    penalty: Penalty | UnboundPenalty | AutomaticRidge | None = None,
    constraints: Any = None,
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
    smoothing: Literal["REML", "leave-one-out"] = "REML",
    inference: Literal["intersection", "draws", "face"] | None = None,
    cluster: Cluster | None = None,
    progress: bool | None = None,
) -> Fit: ...
@overload
def fit(
    data: Any,
    target: Any,
    *,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    penalty: Penalty | UnboundPenalty | AutomaticRidge | None = None,
    constraints: Any = None,
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
    smoothing: Literal["REML", "leave-one-out"] = "REML",
    inference: Literal["intersection", "draws", "face"] | None = None,
    progress: bool | None = None,
) -> Fit: ...
def fit(
    formula_or_X: Any = None,
    data_or_y: Any = None,
    /,
    *more: Any,
    data: Any = None,
    target: Any = None,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    backend: str | None = None,
    penalty: Penalty | UnboundPenalty | AutomaticRidge | None = None,
    constraints: Any = None,
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
    smoothing: Literal["REML", "leave-one-out"] = "REML",
    inference: Literal["intersection", "draws", "face"] | None = None,
    cluster: Cluster | None = None,
    progress: bool | None = None,
    **unknown: Any,
) -> Fit:
    """Fit a linear model to the exact optimum of a loss.

    Call it with a formula and a table, ``fit("y ~ x1 + C(g)", data)``; by column names, ``fit(data, target="y", features=["x1"])``; or with
    arrays, ``fit(X, y)``.

    Parameters
    ----------
    formula_or_X : str, mapping of str, or array-like (n, p)
        A formula such as ``"y ~ x1 + C(g)"``, or one for each linear predictor, such as ``{"mean": "y ~ x1 + x2", "log_scale": "~ x2"}``.
        After ``|`` stand categories whose levels are absorbed, as in ``"y ~ x1 | firm + year"``.
        Otherwise the table (with ``target=`` and ``features=``) or X: an array (n, p), one column (n,), or a data frame of numbers.
    data_or_y : table, or array-like (n,) or (n, q)
        Beside a formula the table: a path of Parquet, CSV, JSON lines or Arrow files (a list, a glob pattern, a folder), an open file or
        buffer, "-" for standard input, a data frame, an Arrow table, a dict of arrays, a DuckDB relation, or a generator of batches. Tables
        beyond memory are read anew at each pass.
        Beside X the target: (n,), or (n, q) for q outputs at once.
    data, target, formula, features
        The same by keyword. ``target`` and ``features`` also name columns of a table, in place of a formula.
    loss : str, loss of ``gl.losses``, or function, default "squared"
        What is minimised: a name, a loss such as ``gl.losses.huber(1.35)``, or your own function ``loss(y, prediction)``, written in
        TensorFlow, JAX or PyTorch, that returns one number per row, or one scalar such as their mean.
    prediction : function, optional
        With a loss of your own: the forward pass from the linear predictor to the prediction that the loss sees. The identity unless given.
    backend : {"tensorflow", "jax", "torch"}, optional
        The framework of your own loss, where it cannot be read off the function.
    penalty : penalty of ``gl.penalties``, optional
        On the slopes, never on the intercept: ``gl.penalties.ridge(0.1)``, or ``ridge("auto")`` for a strength chosen by leave-one-out.
    constraints : str, constraints of ``gl.constraints``, or a list of these, optional
        What the coefficients must satisfy: ``"x1 >= 0, x2 + x3 = 1, 0 <= x4 <= 1"``, or ``gl.constraints.nonnegative()``, ``bounds``,
        ``linear``, ``sum_to``, ``monotone``, ``convex``. With several linear predictors a coefficient is called ``"mean:x1"``.
    solver : "auto", a name or a solver, default "auto"
        "auto" takes the best solver for the loss; or one such as ``gl.GradientDescent(learning_rate=0.01)``; or the name of one, such as
        "adam" or "newton", with its default options.
    weights : array-like (n,), or str
        Precision weights, which leave degrees of freedom alone; a zero leaves its row out, whatever it holds. Of a table, the name of a
        column. Rows go by position: pandas objects must have one index. What is masked in a NumPy array is missing.
    frequencies : array-like (n,), or str
        Repeat counts: 2 equals the row twice. Of a table, the name of a column.
    offset : array-like (n,) or (n, k), or str
        Added to the linear predictor. Of a table, the name of a column.
    start : array-like (P,) or (P, k), optional
        Coefficients to start from, the intercept first.
    accuracy : {"auto", "full"}, default "auto"
        For squared loss: "full" asks for every digit at any size (see ``gl.LeastSquares``).
    tolerance : float, optional
        For other losses: when Newton's method or L-BFGS stops.
    intercept : bool, default True
        Whether a model of arrays or of named columns has an intercept. A formula says ``0 +`` instead.
    names : sequence of str, optional
        For the columns of X, where the data does not name them.
    missing : {"drop", "error"}, optional
        Of a table: "drop" (as where it is not given) leaves rows with a missing value out and counts them in ``rows_dropped``; "error"
        refuses them.
    where : str, optional
        Of a table: a condition in SQL that rows must fulfil.
    query, database : str, optional
        SQL that selects the rows, over ``data`` or in a database: a DuckDB or SQLite file, or an address.
    covariance : str or tuple, optional
        The kind of standard errors. Unless given, the loss's own where it is free (squared loss) or costs little (up to two million numbers
        in memory). "default" asks for it at any size. "classical", "HC0" to "HC3", "cluster", ``("newey-west", lags)`` and, for losses with
        kinks, "constant-density" name one; of a penalised fit also "bayesian", the default of curves, "debiased" and, for squared loss with
        a lasso or an elastic net, "selective". False asks for none.
    groups : array-like (n,) or (n, 2), or str
        With ``covariance="cluster"``: a label for each row, or two for two-way clusters. Of a table, the names of one or two columns.
    smoothing : {"REML", "leave-one-out"}, default "REML"
        How the strengths of curves, ``s(x)`` and ``te(x, z)`` of a formula, are chosen: by restricted likelihood, or by the loss of rows
        left out.
    inference : {"intersection", "draws", "face"}, optional
        With ``constraints=``: what intervals are. "intersection" (as where it is not given): those without the constraints, cut to the
        coefficients that are allowed. "draws": those of draws around the optimum without constraints, each moved to the nearest
        coefficients allowed. "face": as if the constraints that bind had been known to bind.
    cluster : Cluster, optional
        Of a table of Parquet files: the processes that read its rows, ``gl.Cluster(client)`` or ``gl.Cluster.local(workers=2)``. The
        numbers are those of one machine. A table of up to eight million numbers is held and fitted in this process all the same.
    progress : bool, optional
        Whether to show a progress bar. Unless given, in a terminal or a notebook only.

    Returns
    -------
    Fit
        The coefficients with their names, certificate, errors and tests. It holds no rows.

    Raises
    ------
    TypeError, ValueError
        For data or arguments that cannot be used, naming the column, row or value.
    OSError
        For files and databases that cannot be read.
    ImportError
        Where the framework of the loss is not installed, with the pip command.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> fit = gl.fit(x, y)
    >>> print(f"y = {fit.slopes[0]:.2f} x {fit.intercept:+.2f}")
    y = 6.04 x -4.97

    >>> penguins = gl.datasets.penguins()
    >>> fit = gl.fit("body_mass_g ~ flipper_length_mm", penguins, loss=gl.losses.huber(200))
    >>> fit.names
    ('Intercept', 'flipper_length_mm')
    """
    if unknown:
        raise ArgumentTypeError(unknown_keyword("fit", unknown, fit))
    request = FitRequest.read(
        _given(formula_or_X, data_or_y, *more),
        formula=formula,
        data=data,
        target=target,
        loss=loss,
        prediction=prediction,
        backend=backend,
        penalty=penalty,
        constraints=constraints,
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
        smoothing=smoothing,
        inference=inference,
        cluster=cluster,
        progress=progress,
    )
    return Fit.of(run(request))


def _given(*positional: Any) -> tuple[Any, ...]:
    """The arguments without the Nones at the end, which are not given."""
    count = max((i + 1 for i, value in enumerate(positional) if value is not None), default=0)
    return positional[:count]
