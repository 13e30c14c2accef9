"""gradline: linear models whose loss you write as a plain function.

    import gradline as gl

    x, y = gl.datasets.line()
    fit = gl.fit(x, y)
    fit.coefficients

Public names are imported when first used, so that ``import gradline`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gradline.base.version import __version__ as __version__

_NAMES = {
    "Adam": "gradline.solvers.first_order.adam",
    "AdamW": "gradline.solvers.first_order.adam",
    "Cluster": "gradline.cluster.cluster",
    "ActiveSetNewton": "gradline.solvers.kinks.active_set_newton",
    "ConstrainedNewton": "gradline.solvers.constrained.newton",
    "ConstrainedPiecewiseLinear": "gradline.solvers.constrained.piecewise_linear",
    "compare_models": "gradline.effects.comparing",
    "fit": "gradline.api.fitting",
    "Fit": "gradline.api.result",
    "LinearClassifier": "gradline.sklearn.classifier",
    "LinearRegression": "gradline.sklearn.regressor",
    "GradientDescent": "gradline.solvers.first_order.gradient_descent",
    "ArgumentError": "gradline.base.errors",
    "ArgumentTypeError": "gradline.base.errors",
    "DataError": "gradline.base.errors",
    "DivergenceError": "gradline.base.errors",
    "FormulaError": "gradline.base.errors",
    "GradlineError": "gradline.base.errors",
    "InferenceError": "gradline.base.errors",
    "LossError": "gradline.base.errors",
    "ClusterError": "gradline.base.errors",
    "ModelFileError": "gradline.base.errors",
    "SolverError": "gradline.base.errors",
    "LeastSquares": "gradline.solvers.least_squares.least_squares",
    "LBFGS": "gradline.solvers.first_order.lbfgs",
    "Moments": "gradline.moments.moments",
    "Newton": "gradline.solvers.newton.newton",
    "NewtonCG": "gradline.solvers.newton.newton_cg",
    "PiecewiseLinear": "gradline.solvers.kinks.piecewise_linear",
    "ProximalNewton": "gradline.solvers.proximal.newton",
    "GradlineWarning": "gradline.base.warnings",
    "Path": "gradline.api.path",
    "load": "gradline.api.loading",
    "path": "gradline.api.path",
}
_MODULES = ("constraints", "datasets", "losses", "penalties", "plot", "schedules", "studio")

__all__ = [
    "LBFGS",
    "ActiveSetNewton",
    "Adam",
    "AdamW",
    "ArgumentError",
    "ArgumentTypeError",
    "Cluster",
    "ClusterError",
    "ConstrainedNewton",
    "ConstrainedPiecewiseLinear",
    "DataError",
    "DivergenceError",
    "Fit",
    "FormulaError",
    "GradientDescent",
    "GradlineError",
    "GradlineWarning",
    "InferenceError",
    "LeastSquares",
    "LinearClassifier",
    "LinearRegression",
    "LossError",
    "ModelFileError",
    "Moments",
    "Newton",
    "NewtonCG",
    "Path",
    "PiecewiseLinear",
    "ProximalNewton",
    "SolverError",
    "compare_models",
    "constraints",
    "datasets",
    "fit",
    "load",
    "losses",
    "path",
    "penalties",
    "plot",
    "schedules",
    "studio",
]

if TYPE_CHECKING:
    from gradline import constraints, datasets, losses, penalties, plot, schedules
    from gradline.api.fitting import fit
    from gradline.api.loading import load
    from gradline.api.path import Path, path
    from gradline.api.result import Fit
    from gradline.base.errors import (
        ArgumentError,
        ArgumentTypeError,
        ClusterError,
        DataError,
        DivergenceError,
        FormulaError,
        GradlineError,
        InferenceError,
        LossError,
        ModelFileError,
        SolverError,
    )
    from gradline.base.warnings import GradlineWarning
    from gradline.cluster.cluster import Cluster
    from gradline.effects.comparing import compare_models
    from gradline.moments.moments import Moments
    from gradline.sklearn.classifier import LinearClassifier
    from gradline.sklearn.regressor import LinearRegression
    from gradline.solvers.constrained.newton import ConstrainedNewton
    from gradline.solvers.constrained.piecewise_linear import ConstrainedPiecewiseLinear
    from gradline.solvers.first_order.adam import Adam, AdamW
    from gradline.solvers.first_order.gradient_descent import GradientDescent
    from gradline.solvers.first_order.lbfgs import LBFGS
    from gradline.solvers.kinks.active_set_newton import ActiveSetNewton
    from gradline.solvers.kinks.piecewise_linear import PiecewiseLinear
    from gradline.solvers.least_squares.least_squares import LeastSquares
    from gradline.solvers.newton.newton import Newton
    from gradline.solvers.newton.newton_cg import NewtonCG
    from gradline.solvers.proximal.newton import ProximalNewton
    from gradline.studio.opening import studio


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"gradline.{name}")
    else:
        from gradline.api.other_words import elsewhere

        raise AttributeError(elsewhere(name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted({*__all__, "__version__"})
