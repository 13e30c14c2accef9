"""What the arguments of fit() stand for: a loss, a penalty, a solver; and what to say to those that stand for nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.words import nearest
from gradline.objective.objective import Problem
from gradline.penalties.arguments import settled
from gradline.penalties.protocol import Penalty
from gradline.penalties.ridge import AutomaticRidge
from gradline.solvers.centring import centred
from gradline.solvers.first_order.gradient_descent import GradientDescent
from gradline.solvers.protocol import Solver
from gradline.solvers.registry import automatic, solve

_SOLVERS = ("ActiveSetNewton", "GradientDescent", "LBFGS", "LeastSquares", "Newton", "PiecewiseLinear")

_ELSEWHERE = {
    "cov_type": "covariance=",
    "vcov": "covariance=",
    "cov_kwds": "groups=",
    "family": "loss=",
    "alpha": "penalty=gl.penalties.ridge(...)",
    "ridge": "penalty=gl.penalties.ridge(...)",
    "freq_weights": "frequencies=",
    "var_weights": "weights=",
    "exposure": "offset=, with the logarithm of the exposure",
    "tol": "tolerance=",
    "max_iter": "a solver with its own limit, such as solver=gl.Newton(max_steps=1000)",
    "maxiter": "a solver with its own limit, such as solver=gl.Newton(max_steps=1000)",
    "subset": "where=",
    "optimizer": "solver=, such as solver=gl.GradientDescent(learning_rate=0.01)",
    "optimiser": "solver=, such as solver=gl.GradientDescent(learning_rate=0.01)",
    "method": "solver=, such as solver=gl.LBFGS()",
    "algorithm": "solver=, such as solver=gl.LBFGS()",
    "lr": "an option of the solver: solver=gl.GradientDescent(learning_rate=...)",
    "eta0": "an option of the solver: solver=gl.GradientDescent(learning_rate=...)",
    "epochs": "an option of the solver: solver=gl.GradientDescent(steps=...)",
    "n_iter": "an option of the solver: solver=gl.GradientDescent(steps=...)",
    "random_state": "an option of the solver: solver=gl.GradientDescent(seed=...)",
    "loss_fn": "loss=",
    "loss_function": "loss=",
    "criterion": "loss=",
    "objective": "loss=",
    "cost": "loss=",
    "link": "the loss's own link, or prediction= beside a loss function of your own",
    "activation": "prediction= beside a loss function of your own",
    "fit_intercept": "intercept=",
    "sample_weight": "weights=",
    "sample_weights": "weights=",
    "lambda_": "penalty=gl.penalties.ridge(...)",
    "lam": "penalty=gl.penalties.ridge(...)",
    "l2": "penalty=gl.penalties.ridge(...)",
    "regularization": "penalty=gl.penalties.ridge(...)",
    "cluster": 'covariance="cluster", groups=',
    "robust": 'covariance="HC1"',
    "se": "covariance=",
    "na_action": "missing=",
    "verbose": "progress=",
    "x0": "start=",
    "init": "start=",
    "initial": "start=",
    "y": "the second value, gl.fit(X, y), or target= by name",
    "X": "the first value, gl.fit(X, y)",
    "x": "the first value, gl.fit(X, y)",
    "df": "data=",
    "table": "data=",
}
"""What other programs' keywords are called here."""


def as_solver(solver: str | Solver, problem: Problem, accuracy: Literal["auto", "full"] = "auto", tolerance: float | None = None) -> Solver:
    """What ``solver=`` stands for. Raises ValueError for an unknown name, and for accuracy or tolerance beside a solver of one's own."""
    if not isinstance(solver, str):
        for keyword, value in (("accuracy", accuracy), ("tolerance", tolerance)):
            if value not in ("auto", None):
                raise ArgumentError(
                    f'{keyword}= goes with solver="auto"; give it to the solver itself, such as gl.{type(solver).__name__}(...)'
                )
        if isinstance(solver, type):
            raise ArgumentTypeError(f"solver={solver.__name__} is a class; make one, as in solver=gl.{solver.__name__}()")
        if not hasattr(solver, "solve"):
            raise ArgumentTypeError(
                f'solver must be "auto" or a solver such as gl.GradientDescent(), not {type(solver).__name__} {solver!r}'
            )
        return solver
    if solver != "auto":
        plain = {name.lower(): name for name in _SOLVERS}
        near = nearest(solver.lower().replace("_", "").replace("-", ""), plain)
        such = f"gl.{plain[near[0]]}()" if near else ", ".join(f"gl.{name}()" for name in _SOLVERS)
        raise ArgumentError(f'solver={solver!r} is not known; give "auto" or a solver such as {such}')
    return automatic(problem, accuracy, tolerance)


def with_penalty(problem: Problem, penalty: Penalty | AutomaticRidge | None) -> Problem:
    """The problem with its penalty; a strength that is left to the data is chosen first, by fits whose solver is the automatic one.

    Raises ValueError for losses without a leave-one-out loss.
    """

    def choose() -> tuple[float, float]:
        from gradline.inference.leave_one_out import ridge_auto

        # Where the columns' units stay as they are, a strength is the same wherever their zeros lie.
        moved = None if problem.loss.squared_scale() is not None else centred(problem)
        tried_on = problem if moved is None or (moved.change.unit != 1.0).any() else moved.problem
        choice = ridge_auto(tried_on, lambda tried, start: solve(automatic(tried), tried, start))
        return float(choice.strength), float(choice.losses.min())

    return replace(problem, penalty=settled(penalty, choose))


def unknown_keyword(name: str, unknown: dict[str, Any], function: Callable[..., Any]) -> str:
    """The message for a keyword that does not exist, with the nearest one that does."""
    known = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"
    ]
    word = next(iter(unknown))
    near = nearest(word, known)
    if word in _ELSEWHERE and word not in known:
        return f"{name}() got an unexpected keyword argument {word!r}; here it is {_ELSEWHERE[word]}"
    if word in GradientDescent.__dataclass_fields__:
        return f"{name}() got an unexpected keyword argument {word!r}; it belongs to the solver: solver=gl.GradientDescent({word}=...)"
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
    return f"{name}() got an unexpected keyword argument {word!r}; {hint}"
