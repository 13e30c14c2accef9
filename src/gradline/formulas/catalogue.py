"""The transforms that learn from all rows first, by the names a formula calls them by."""

from __future__ import annotations

from collections.abc import Callable

from gradline.formulas.learner import Options, State, Transform
from gradline.formulas.splines.knots import BasisSpline, CubicSpline, apply_basis_spline, apply_cubic_spline
from gradline.formulas.splines.penalised import CurveBasis, apply_curve, curve_labels
from gradline.formulas.transforms.polynomials import apply_polynomials, learn_polynomials
from gradline.formulas.transforms.scaling import Moments, Standardized, apply_scaling


def _numbered(first: int, state_columns: Callable[[Options, State], int]) -> Callable[[Options, State], tuple[str, ...]]:
    return lambda options, state: tuple(str(first + j) for j in range(state_columns(options, state)))


def _basis_labels(options: Options, state: State) -> tuple[str, ...]:
    first = 0 if options["include_intercept"] else 1
    return tuple(str(j) for j in range(first, len(state["knots"]) - options["degree"] - 1))


def _cubic_columns(cyclic: bool) -> Callable[[Options, State], int]:
    return lambda options, state: len(state["knots"]) - int(cyclic) - len(state["constraints"] or ())


_CUBIC = {"df": None, "knots": None, "lower_bound": None, "upper_bound": None, "constraints": None, "extrapolation": "extend"}


def _cubic(cyclic: bool) -> Transform:
    return Transform(
        _CUBIC, lambda options, key: CubicSpline(options, key, cyclic), apply_cubic_spline(cyclic), _numbered(1, _cubic_columns(cyclic))
    )


_CURVE = Transform({"k": 10, "by": None, "degree": 3, "order": 2, "strength": None}, CurveBasis, apply_curve, curve_labels)

TRANSFORMS: dict[str, Transform] = {
    "center": Transform({}, Moments, apply_scaling),
    "scale": Transform({"center": True, "scale": True, "ddof": 1}, Moments, apply_scaling),
    "standardize": Transform({"center": True, "rescale": True, "ddof": 0}, Standardized, apply_scaling),
    "poly": Transform(
        {"degree": 1, "raw": False}, learn_polynomials, apply_polynomials, _numbered(1, lambda options, state: int(options["degree"]))
    ),
    "bs": Transform(
        {
            "df": None,
            "knots": None,
            "degree": 3,
            "include_intercept": False,
            "lower_bound": None,
            "upper_bound": None,
            "extrapolation": "raise",
        },
        BasisSpline,
        apply_basis_spline,
        _basis_labels,
        lambda options: bool(options["include_intercept"]),
    ),
    "cr": _cubic(cyclic=False),
    "cs": _cubic(cyclic=False),
    "cc": _cubic(cyclic=True),
    "s": _CURVE,
    "te": _CURVE,
}
"""By the name a formula calls them by."""
