"""Least squares from second moments: centred, scaled to unit diagonal, by Cholesky, with a claim of digits.

The claim. Every moment carries a relative error of about gamma times the sizes of its two columns before centring, so that
coefficient j is off by about gamma |row j of S^-1| |S b|-like sizes: the error of the normal equations grows with the square of the
condition (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 20.4), and this is where it is priced.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.linalg.double_double import UNIT
from gradline.solvers.least_squares.refinement import claimed_digits
from gradline.solvers.least_squares.scaled_rows import ALIAS_TOLERANCE
from gradline.solvers.least_squares.second_moments import SecondMoments

SMALLEST_PIVOT = 1e-7
"""Of a column's size before centring: with less left, moments cannot tell the column from a combination of the others."""


@dataclass(frozen=True)
class NormalEquations:
    """The fit of targets on columns by moments, in the user's units.

    coefficients (P, k), the intercept first where there is one, zero where aliased. error: absolute error bounds (P, k). digits (P, k),
    NaN where aliased. inverse: (P, P), of X' W X with the ridge added, for columns divided by 2^exponents (P,), zero where aliased.
    root: (P, d), inverse = root root'. squares: weighted sums of squared residuals (k,); squares_error: bounds of their errors.
    total_squares (k,): about the mean with an intercept, about zero without; target_squares (k,): about zero. aliased: columns
    left out. gradient_norm: what rounding leaves of
    X' W (y - X b) less the ridge, by the moments.
    """

    coefficients: Array
    error: Array
    digits: Array
    inverse: Array
    root: Array
    exponents: IntArray
    squares: Array
    squares_error: Array
    total_squares: Array
    target_squares: Array
    aliased: tuple[int, ...]
    gradient_norm: float


def solve_normal_equations(
    moments: SecondMoments, columns: IntArray, targets: IntArray, *, intercept: bool, ridge: float = 0.0
) -> NormalEquations:
    """Least squares of the target columns on the others; ridge is added to the diagonal: ``sum w |y - X b|^2 + ridge sum b^2``."""
    used = np.concatenate([columns, targets])
    p, exponents = len(columns), moments.exponents[used]
    products, sums = moments.products[np.ix_(used, used)], moments.sums[used]
    offset = np.ldexp(moments.shift[used], -exponents)
    weight = moments.weight
    centred = products - np.outer(sums, sums) / weight
    spread = np.diag(products).copy()
    if not intercept:
        mean = offset + sums / weight
        centred += weight * np.outer(mean, mean)
        spread += weight * offset**2
    # Unit diagonal: Cholesky's error is then within a factor P of the best for any scaling (van der Sluis 1969).
    size = np.sqrt(np.maximum(np.diag(centred), 0.0))
    total = size[p:] ** 2
    unit = np.where(size > 0, size, 1.0)
    matrix = centred / np.outer(unit, unit)
    inflation = np.sqrt(np.maximum(spread, 0.0)) / unit
    gram, right = matrix[:p, :p].copy(), matrix[:p, p:]
    penalty = ridge * np.ldexp(1.0, np.clip(-2 * exponents[:p], -1000, 1000)) / unit[:p] ** 2
    gram[np.diag_indices(p)] = (size[:p] > 0) + penalty
    # With an intercept a constant column is left with rounding noise only.
    noise = ALIAS_TOLERANCE * (p + 1) * np.sqrt(weight) * np.abs(offset[:p] + sums[:p] / weight) if intercept else np.zeros(p)
    live = (size[:p] > noise) | (penalty > 0)
    factor, kept = _cholesky(gram, live, inflation[:p])
    inverse_factor = np.linalg.inv(factor) if len(kept) else factor
    inverse = inverse_factor.T @ inverse_factor
    scaled = inverse @ right[kept]
    # One step of refinement removes what Cholesky itself added; the error of the moments stays.
    scaled += inverse @ (right[kept] - gram[np.ix_(kept, kept)] @ scaled)
    gamma = UNIT * (64.0 + moments.steps)
    reach = np.sqrt(np.einsum("lj,lj->j", inflation[kept, None] * scaled, inflation[kept, None] * scaled) + inflation[p:] ** 2)
    error = gamma * np.outer(np.sqrt((inverse**2) @ (inflation[kept] ** 2)), reach)
    fitted = np.einsum("ij,ij->j", scaled, matrix[np.ix_(kept, kept)] @ scaled)
    squares = total * (1.0 - 2.0 * np.einsum("ij,ij->j", right[kept], scaled) + fitted)
    remainder = (right[kept] - gram[np.ix_(kept, kept)] @ scaled) * np.outer(unit[kept], unit[p:])
    with np.errstate(over="ignore"):
        gradient_norm = float(np.linalg.norm(np.ldexp(remainder, exponents[kept, None] + exponents[None, p:])))
    squares_error = gamma * total * reach**2

    def to_units(values: Array, power: int) -> Array:
        """Slopes or their errors from unit diagonal back to the user's units."""
        ratio = unit[None, p:] / unit[kept, None]
        return np.asarray(np.ldexp(values * ratio, power * (exponents[None, p:] - exponents[kept, None])))

    slopes, slope_errors = np.zeros((p, len(targets))), np.zeros((p, len(targets)))
    slopes[kept], slope_errors[kept] = to_units(scaled, 1), to_units(error, 1)
    full = np.zeros((p, p))
    full[np.ix_(kept, kept)] = inverse / np.outer(unit[kept], unit[kept])
    root = np.zeros((p, len(kept)))
    root[kept] = inverse_factor.T / unit[kept, None]
    powers = exponents[:p]
    aliased = tuple(sorted(set(range(p)) - set(kept)))
    if intercept:
        slopes, slope_errors, full, root = _with_intercept(moments, used, p, slopes, slope_errors, full, root)
        aliased = tuple(j + 1 for j in aliased)
        powers = np.concatenate([[0], powers])
    digits = claimed_digits(slopes, slope_errors)
    digits[list(aliased)] = np.nan
    scale_y = np.ldexp(1.0, 2 * exponents[p:])
    return NormalEquations(
        coefficients=slopes,
        error=slope_errors,
        digits=digits,
        inverse=full,
        root=root,
        exponents=powers,
        squares=np.maximum(squares, 0.0) * scale_y,
        squares_error=squares_error * scale_y,
        total_squares=total * scale_y,
        target_squares=(total + weight * np.square(offset[p:] + sums[p:] / weight) * int(intercept)) * scale_y,
        aliased=aliased,
        gradient_norm=gradient_norm,
    )


def _cholesky(gram: Array, live: Array, inflation: Array) -> tuple[Array, list[int]]:
    """(lower factor of the columns kept, their places): later columns that earlier ones determine are left out."""
    kept = np.flatnonzero(live)
    threshold = SMALLEST_PIVOT * np.maximum(inflation, 1.0)
    while True:
        part = gram[np.ix_(kept, kept)]
        try:
            factor = np.asarray(np.linalg.cholesky(part))
        except np.linalg.LinAlgError:
            factor = None
        if factor is not None and (np.diag(factor) > threshold[kept]).all():
            return factor, kept.tolist()
        kept = np.delete(kept, _first_dependent(part, threshold[kept]))


def _first_dependent(gram: Array, threshold: Array) -> int:
    """The first column whose Cholesky pivot is too small: found by doubling the leading block, then by bisection."""

    def sound(count: int) -> bool:
        try:
            return bool((np.diag(np.linalg.cholesky(gram[:count, :count])) > threshold[:count]).all())
        except np.linalg.LinAlgError:
            return False

    low, high = 0, len(gram)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sound(middle) else (low, middle)
    return low


def _with_intercept(
    moments: SecondMoments, used: IntArray, p: int, slopes: Array, errors: Array, inverse: Array, root: Array
) -> tuple[Array, Array, Array, Array]:
    """The intercept's coefficient, error bound and rows of the inverse and of its root, put first."""
    means = moments.means[used]
    x, y = means[:p], means[p:]
    first = y - x @ slopes
    first_error = np.abs(x) @ errors + UNIT * (4.0 + np.sqrt(p)) * (np.abs(y) + np.abs(x) @ np.abs(slopes))
    scaled = np.ldexp(x, -moments.exponents[used[:p]])
    border = -(inverse @ scaled)
    full = np.empty((p + 1, p + 1))
    full[0, 0] = 1.0 / moments.weight - scaled @ border
    full[0, 1:] = full[1:, 0] = border
    full[1:, 1:] = inverse
    # By columns, not by factoring the inverse: far from zero a column's mean is all but the intercept, and no digit would be left of that.
    extended = np.zeros((p + 1, root.shape[1] + 1))
    extended[0, 0], extended[0, 1:], extended[1:, 1:] = 1.0 / np.sqrt(moments.weight), -(scaled @ root), root
    return np.concatenate([first[None, :], slopes]), np.concatenate([first_error[None, :], errors]), full, extended
