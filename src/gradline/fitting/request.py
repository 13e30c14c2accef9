"""The request of a fit: every argument of ``gl.fit``, checked once."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from gradline.base.errors import ArgumentError, ArgumentTypeError
from gradline.base.words import nearest
from gradline.constraints.arguments import as_inference
from gradline.constraints.held import ConstrainedInference
from gradline.constraints.specs import ConstraintSpec, as_spec
from gradline.inference.asked import cluster_arguments
from gradline.losses.arguments import LossArgument
from gradline.penalties.arguments import as_penalty
from gradline.penalties.kinked_penalty import UnboundPenalty
from gradline.penalties.protocol import Penalty
from gradline.penalties.ridge import AutomaticRidge
from gradline.solvers.first_order.gradient_descent import GradientDescent
from gradline.solvers.protocol import Solver
from gradline.tables.sources.paths import names_path

if TYPE_CHECKING:
    from gradline.formulas.absorbed import AbsorbedTerm

_OF_TABLES = ("features", "missing", "where", "query", "database")
"""Keywords that go with a table only."""


_ELSEWHERE = {
    "cov_type": "covariance=",
    "constraints": "gl.fit(..., penalty=..., constraints=...), one strength at a time",
    "vcov": "covariance=",
    "cov_kwds": "groups=",
    "family": "loss=",
    "alpha": "penalty=gl.penalties.ridge(...)",
    "cv": 'choose="folds", folds=...',
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
    "epochs": "an option of the solver: solver=gl.GradientDescent(epochs=..., batch_size=...)",
    "validation_split": "an option of the solver: solver=gl.GradientDescent(validation=...)",
    "n_iter": "an option of the solver: solver=gl.GradientDescent(steps=...)",
    "random_state": "an option of the solver: solver=gl.GradientDescent(seed=...)",
    "loss_fn": "loss=",
    "loss_function": "loss=",
    "criterion": "loss=",
    "objective": "loss=",
    "cost": "loss=",
    "link": "the loss's own link, or prediction= beside a loss function of your own",
    "activation": "prediction= beside a loss function of your own",
    "positive": "constraints=gl.constraints.nonnegative()",
    "constraint": "constraints=",
    "bounds": "constraints=gl.constraints.bounds(...)",
    "lower_bounds": "constraints=gl.constraints.bounds(lower=...)",
    "upper_bounds": "constraints=gl.constraints.bounds(upper=...)",
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


@dataclass(frozen=True)
class FitRequest:
    """What is asked of a fit, as :func:`gradline.fit` documents it, after everything that can be refused without looking at rows."""

    formula: Any
    data: Any
    target: Any
    loss: LossArgument
    prediction: Callable[[Any], Any] | None
    backend: str | None
    penalty: Penalty | UnboundPenalty | AutomaticRidge | None
    constraints: ConstraintSpec | None
    inference: ConstrainedInference | None
    solver: str | Solver
    weights: Any
    frequencies: Any
    offset: Any
    start: Any
    accuracy: Literal["auto", "full"]
    tolerance: float | None
    intercept: Any
    names: Sequence[str] | None
    features: Any
    missing: Any
    where: str | None
    query: str | None
    database: Any
    covariance: Any
    groups: Any
    progress: bool | None
    smoothing: str = "REML"
    absorbed: tuple[AbsorbedTerm, ...] = ()
    """What stands after ``|`` in the formula, which ``formula`` is without."""

    @classmethod
    def read(cls, positional: tuple[Any, ...], *, formula: Any, data: Any, target: Any, **rest: Any) -> Self:
        """The request that the arguments make. Raises TypeError and ValueError for arguments that do not go together."""
        formula, data, target = _arguments(positional, formula, data, target)
        cluster = rest.pop("cluster", None)
        if cluster is not None:
            if formula is None and rest["features"] is None:
                raise ArgumentTypeError('cluster= goes with a table, as in gl.fit("y ~ x1 + x2", "rows/*.parquet", cluster=...)')
            from gradline.cluster.cluster import on_cluster

            data = on_cluster(data, cluster, **{name: rest[name] for name in ("where", "query", "database")})
        rest["covariance"], rest["groups"] = cluster_arguments(rest["covariance"], rest["groups"])
        rest["penalty"] = as_penalty(rest["penalty"])
        rest["smoothing"] = _smoothing(rest.get("smoothing", "REML"))
        constraints, inference = rest.get("constraints"), rest.get("inference")
        rest["constraints"] = None if constraints is None else as_spec(constraints)
        rest["inference"] = None if constraints is None is inference else as_inference(inference, rest["constraints"], formula is not None)
        absorbed: tuple[AbsorbedTerm, ...] = ()
        if formula is not None and data is None and rest.get("query") is None and rest.get("database") is None:
            shown = repr(formula) if isinstance(formula, str) else "{...}"
            raise ArgumentTypeError(f"give the data: gl.fit({shown}, data)")
        if formula is not None and "|" in str(formula):
            from gradline.formulas.absorbed import without_absorbed

            formula, absorbed = without_absorbed(formula)
        request = cls(formula=formula, data=data, target=target, absorbed=absorbed, **rest)
        if request.of_arrays:
            _refuse_of_tables(data, target, rest)
        elif request.names is not None:
            raise ArgumentTypeError("names= goes with arrays; a table names its own columns")
        return request

    @property
    def leaves_all_to_us(self) -> bool:
        """Whether neither a solver nor anything of its own is asked for."""
        solver = isinstance(self.solver, str) and self.solver == "auto"
        return solver and self.start is None and self.accuracy == "auto" and self.tolerance is None

    @property
    def of_arrays(self) -> bool:
        """Whether the data is X and y, rather than a table."""
        return self.formula is None and self.features is None


def _smoothing(given: Any) -> str:
    """How strengths of curves are chosen. Raises ValueError for a way that there is none of."""
    ways = {"reml": "REML", "leave-one-out": "leave-one-out"}
    found = ways.get(given.lower().replace("_", "-")) if isinstance(given, str) else None
    if found is None:
        hint = "; generalised cross-validation stands for leave-one-out, which is here itself" if str(given).lower() == "gcv" else ""
        raise ArgumentError(f'smoothing must be "REML" or "leave-one-out", not {given!r}{hint}')
    return found


def _arguments(positional: tuple[Any, ...], formula: Any, data: Any, target: Any) -> tuple[Any, Any, Any]:
    """(formula, data, target): the first argument is a formula, or a dict of formulas, or else the data."""
    if len(positional) > 2:
        raise ArgumentTypeError(
            f"fit() takes a formula and data, or X and y, and then keywords; {len(positional)} values came without a keyword"
        )
    rest = list(positional)
    if rest and formula is None and is_formula(rest[0]):
        formula = rest.pop(0)
    if (rest and data is not None) or (len(rest) > 1 and (target is not None or formula is not None)):
        raise ArgumentTypeError("fit() got the same argument twice; give a formula and data, or X and y")
    data, target = [*rest, data][0], [*rest[1:], target][0]
    if formula is None and is_formula(target):
        raise ArgumentTypeError(f"the formula comes first: gl.fit({target!r}, data) rather than gl.fit(data, {target!r})")
    if formula is not None and target is not None:
        raise ArgumentTypeError("the formula names the target already; leave target= out")
    if formula is not None and not is_formula(formula):
        raise ArgumentTypeError(
            f'formula must be a text such as "y ~ x1 + x2", or a dict of one for each linear predictor, not {formula!r}'
        )
    return formula, data, target


def is_formula(value: Any) -> bool:
    """Whether it is a formula, or a dict of formulas, and not the path of a file."""
    if isinstance(value, str):
        return "~" in value and "://" not in value and not names_path(value)
    return isinstance(value, Mapping) and any(isinstance(part, str) and "~" in part for part in value.values())


def _refuse_of_tables(data: Any, target: Any, given: Mapping[str, Any]) -> None:
    """Raises TypeError for keywords of tables beside arrays, and for a table that comes without a formula."""
    looks_like_a_path = isinstance(data, str) and (os.path.exists(data) or "." in data or "/" in data)
    if isinstance(data, str) and not looks_like_a_path and target is not None and (not isinstance(target, str) or os.path.exists(target)):
        raise ArgumentTypeError(
            f'{data!r} is no formula: it lacks the ~ between what is explained and what explains it, as in "y ~ x1 + x2"'
        )
    for keyword in _OF_TABLES:
        if given[keyword] is not None:
            raise ArgumentTypeError(
                f'{keyword}= goes with a table; give a formula, as in gl.fit("y ~ x1 + x2", data, {keyword}=...), or target= and features='
            )
    if target is None or isinstance(target, str) or (isinstance(data, str) and target is not None):
        what = "y ~ x1 + x2" if not isinstance(target, str) else f"{target} ~ x1 + x2"
        raise ArgumentTypeError(
            f'fit() needs a formula and data, as in gl.fit("{what}", data), or gl.fit(data, target="y", features=["x1", "x2"]) by name, or'
            " arrays, as in gl.fit(X, y)"
        )


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
