"""The lasso and the elastic net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradline.base.types import Array
from gradline.penalties.kinked import SparseGroups
from gradline.penalties.kinked_penalty import KinkedPenalty, PenaltyColumns, factors
from gradline.penalties.numbers import checked_share, checked_strength
from gradline.penalties.quadratic import Diagonal
from gradline.penalties.sums import PenaltySpec, scales_of

Weights = Mapping[str, float] | Sequence[float] | Array | None


@dataclass(frozen=True, eq=False)
class ElasticNet(PenaltySpec):
    """``strength (l1_share sum |b| + (1 - l1_share) / 2 sum b^2)``: see :func:`elastic_net`."""

    strength: float | str
    l1_share: float
    weights: Weights = None
    scaled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", checked_strength(self.strength, f"the {self.name}"))
        object.__setattr__(self, "l1_share", checked_share(self.l1_share, f"the {self.name}"))

    @property
    def name(self) -> str:
        return "elastic_net"

    def bind(self, columns: PenaltyColumns) -> KinkedPenalty:
        """The penalty of these columns."""
        k = len(columns.predictors)
        each = np.tile(factors(self.weights, columns, self.name), k)
        scales = scales_of(self.scaled, columns, f"the {self.name}")
        strength = float(self.strength)
        part = SparseGroups(strength * self.l1_share * each, np.full(len(each), -1), np.zeros(0))
        ridge = strength * (1.0 - self.l1_share) * each * np.square(scales)
        smooth = Diagonal(ridge.reshape(k, -1).T) if ridge.any() else None
        return KinkedPenalty(self.name, part, scales, smooth, self)


@dataclass(frozen=True, eq=False)
class Lasso(ElasticNet):
    """``strength sum |b|``: see :func:`lasso`."""

    l1_share: float = 1.0

    @property
    def name(self) -> str:
        return "lasso"


def lasso(strength: float | Literal["auto", "leave-one-out"] = "auto", *, weights: Weights = None, scaled: bool = False) -> Lasso:
    """A lasso: the fit minimises mean loss + strength * sum |b| over the slopes, and some of them become zero.

    The intercept is not penalised. Tibshirani (1996), J. R. Statist. Soc. B 58. For squared loss scikit-learn's Lasso takes
    alpha = strength / 2 for the same answer, and glmnet with standardize = FALSE lambda = strength / 2, since both halve the loss.

    Parameters
    ----------
    strength : float, "auto" or "leave-one-out"
        At least 0, in the unit of the mean loss per unit of a slope. At 0 nothing is penalised. "auto" takes the strength of least loss in
        ten folds, "leave-one-out" that of least loss of each row by the fit without it.
    weights : dict, or array-like (p,), optional
        A factor of the strength for each column, or each term of the formula: ``{"x1": 0, "C(g)": 2}``. 1 where nothing is said, 0 for a
        column that is not penalised. Factors of one over a first fit's coefficients make an adaptive lasso.
    scaled : bool
        Penalise each slope times its column's standard deviation, so that the unit of a column does not matter, as glmnet does by default.

    Returns
    -------
    penalty
        For ``penalty=`` of ``gl.fit``. Penalties add up with ``+``.

    Raises
    ------
    ValueError
        For a strength or a factor that is negative or not finite; by the fit, for a name that no column has.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 5))
    >>> fit = gl.fit(X, 3 * X[:, 0] + X[:, 1], penalty=gl.penalties.lasso(0.5))
    >>> [bool(slope == 0) for slope in fit.slopes]
    [False, False, True, True, True]
    """
    return Lasso(strength, weights=weights, scaled=scaled)


def elastic_net(
    strength: float | Literal["auto", "leave-one-out"] = "auto", l1_share: float = 0.5, *, weights: Weights = None, scaled: bool = False
) -> ElasticNet:
    """An elastic net: mean loss + strength * (l1_share * sum |b| + (1 - l1_share) / 2 * sum b^2). The intercept is not penalised.

    Zou and Hastie (2005), J. R. Statist. Soc. B 67. It sets slopes to zero as a lasso does, and keeps columns that say the same
    together. For squared loss scikit-learn's ElasticNet takes alpha = strength / 2 and l1_ratio = l1_share. glmnet's Gaussian family
    divides the part of squares by the standard deviation of the target.

    Parameters
    ----------
    strength : float, "auto" or "leave-one-out"
        At least 0, or how to choose it, as for ``lasso``.
    l1_share : float
        Between 0, a ridge, and 1, a lasso.
    weights : dict, or array-like (p,), optional
        A factor of the strength for each column or term, as for ``lasso``.
    scaled : bool
        Penalise each slope times its column's standard deviation.

    Returns
    -------
    penalty
        For ``penalty=`` of ``gl.fit``.

    Raises
    ------
    ValueError
        For a strength or a factor that is negative or not finite, and a share that is not between 0 and 1.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> fit = gl.fit(X, 3 * X[:, 0], penalty=gl.penalties.elastic_net(0.5, l1_share=0.5))
    >>> bool(0 < fit.slopes[0] < 3)
    True
    """
    return ElasticNet(strength, l1_share, weights, scaled)
