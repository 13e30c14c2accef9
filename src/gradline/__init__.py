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

__version__ = "0.1.0"

_NAMES = {
    "ActiveSetNewton": "gradline.solvers.active_set_newton",
    "fit": "gradline.fitting",
    "Fit": "gradline.result",
    "LinearRegression": "gradline.estimators",
    "GradientDescent": "gradline.solvers.gradient_descent",
    "DivergenceError": "gradline.solvers.gradient_descent",
    "LeastSquares": "gradline.solvers.least_squares",
    "LBFGS": "gradline.solvers.lbfgs",
    "Moments": "gradline.moments",
    "Newton": "gradline.solvers.newton",
    "PiecewiseLinear": "gradline.solvers.piecewise_linear",
    "GradlineWarning": "gradline.messages",
    "load": "gradline.model_file",
}
_MODULES = ("datasets", "losses", "penalties", "plot")

__all__ = [
    "LBFGS",
    "ActiveSetNewton",
    "DivergenceError",
    "Fit",
    "GradientDescent",
    "GradlineWarning",
    "LeastSquares",
    "LinearRegression",
    "Moments",
    "Newton",
    "PiecewiseLinear",
    "datasets",
    "fit",
    "load",
    "losses",
    "penalties",
    "plot",
]

if TYPE_CHECKING:
    from gradline import datasets, losses, penalties, plot
    from gradline.estimators import LinearRegression
    from gradline.fitting import fit
    from gradline.messages import GradlineWarning
    from gradline.model_file import load
    from gradline.moments import Moments
    from gradline.result import Fit
    from gradline.solvers.active_set_newton import ActiveSetNewton
    from gradline.solvers.gradient_descent import DivergenceError, GradientDescent
    from gradline.solvers.lbfgs import LBFGS
    from gradline.solvers.least_squares import LeastSquares
    from gradline.solvers.newton import Newton
    from gradline.solvers.piecewise_linear import PiecewiseLinear


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"gradline.{name}")
    else:
        raise AttributeError(f"module 'gradline' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
