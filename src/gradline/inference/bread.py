"""The bread of the sandwich: the inverse of the objective's total curvature, held as a root so that no digits are squared away.

A = sum_i f_i w_i H_i (x) x_i x_i' + (sum f w) penalty'' at the coefficients, restricted to the free ones; A^-1 = R R'. A comes from one
pass of Gram matrices; where its Cholesky pivots show that too few digits would be left, from a second pass of triangles (TSQR).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from gradline.base.errors import InferenceError
from gradline.base.types import Array
from gradline.design.dense import Design
from gradline.inference.absent import after_selection
from gradline.inference.kinked import RowLoss, row_loss
from gradline.linalg.coefficient_map import CoefficientMap
from gradline.objective.objective import Problem
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel

SMALLEST_PIVOT = 3e-3
"""Of a Cholesky factor with unit diagonal: rounding enters divided by its square, so that 11 digits are left."""

EXACT_PRODUCTS = 20_000_000
"""n P^2 up to which an ill-conditioned least-squares problem gets standard errors to nearly full precision: well under a second."""


@dataclass(frozen=True, eq=False)
class Bread:
    """root (k P, d): C A^-1 C' = root root', rows in the order of the columns of B stacked; zero rows where a coefficient is not free.

    shape: (P, k). free: the coefficient map. penalty: the penalty's part of A, its diagonal (k P,), or (k P, k P) where it couples
    coefficients. target_root (P, e): where all targets have the same curvature (squared loss), the root of one of them; root is then
    I_k (x) target_root.
    """

    root: Array
    shape: tuple[int, int]
    free: CoefficientMap
    penalty: Array
    target_root: Array | None = None

    @property
    def inverse(self) -> Array:
        """C A^-1 C', (k P, k P)."""
        return np.asarray(self.root @ self.root.T)

    @property
    def roots(self) -> Array:
        """The root for each linear predictor, (k, P, d)."""
        return self.root.reshape(self.shape[1], self.shape[0], -1)

    @property
    def effective_parameters(self) -> float:
        """tr(A^-1 (A - penalty)): the number of free coefficients where nothing is penalised."""
        if self.penalty.ndim == 1:
            return float(self.free.size - np.einsum("ij,ij,i->", self.root, self.root, self.penalty))
        return float(self.free.size - np.einsum("ij,ij->", self.root, self.penalty @ self.root))

    @property
    def penalty_of_one_target(self) -> Array:
        """The part of A of a single target, where each has the same: (P,) or (P, P)."""
        size = self.shape[0]
        return self.penalty[:size] if self.penalty.ndim == 1 else self.penalty[:size, :size]


@dataclass(frozen=True)
class RowTerms:
    """Single copies of a block's rows: score (m, k) = w_i g_i; curvature (m, k, k) = w_i H_i; frequencies (m,), 0 where left out."""

    score: Array
    curvature: Array
    frequencies: Array


def row_terms(loss: RowLoss, coefficients: Array, block: Block) -> RowTerms:
    """The terms at coefficients (P, k). Rows of weight zero get zeros, whatever their loss."""
    return row_terms_at(loss, block, block.linear_predictors(coefficients))


def row_terms_at(loss: RowLoss, block: Block, predictors: Array) -> RowTerms:
    """The same from the linear predictors (m, k)."""
    counts = block.row_counts
    score, curvature = loss.both(block.targets, predictors)
    if block.weights is not None:
        score = block.weights[:, None] * score
        curvature = block.weights[:, None, None] * curvature
    if not counts.all():
        left_out = counts == 0
        score, curvature = np.array(score), np.array(curvature)
        score[left_out], curvature[left_out] = 0.0, 0.0
    return RowTerms(score, curvature, counts)


def quadratic_forms(design: Design, roots: Array) -> Array:
    """``Z_i' root root' Z_i`` for every row, Z_i = I_k (x) x_i: roots (k, P, d) -> (m, k, k)."""
    return forms_of_images([design.predict(root) for root in roots])


def forms_of_images(images: list[Array]) -> Array:
    """The same from the images X root_a, (m, d) each."""
    forms = np.empty((len(images[0]), len(images), len(images)))
    for a, left in enumerate(images):
        for b in range(a + 1):
            forms[:, a, b] = forms[:, b, a] = np.einsum("ij,ij->i", left, images[b])
    return forms


def compute_bread(
    problem: Problem, coefficients: Array, free: CoefficientMap, loss: RowLoss | None = None, curvature: Array | None = None
) -> Bread:
    """The bread at coefficients (P, k). loss: the rows' derivatives where they are not the problem's own (``kinked.row_loss``).

    curvature: A over all coefficients (k P, k P), penalty included, where it is known already (``objective curvature times sum f w``); it
    saves the pass. Raises ValueError where A is not positive definite: columns too nearly dependent, fewer rows than coefficients, or
    coefficients that are no minimum.
    """
    loss = row_loss(problem, coefficients) if loss is None else loss
    penalty = penalty_part(problem, coefficients)
    size, k = problem.shape
    if k > 1 and problem.loss.squared_scale() is not None and _alike(penalty, size, k):
        reached = np.asarray(abs(free.matrix).sum(axis=1)).reshape(k, size) > 0
        single = CoefficientMap.selecting(reached[:1].T)
        if free.size == k * single.size and (reached == reached[0]).all():
            # Every target has the same curvature, so one of them is enough.
            own = penalty[:size] if penalty.ndim == 1 else penalty[:size, :size]
            root = _root(problem, coefficients, single, loss, own, None, one=True)
            return of_targets(root, problem.shape, free, penalty)
    root = _root(problem, coefficients, free, loss, penalty, curvature)
    return Bread(root, problem.shape, free, penalty, root if k == 1 else None)


def of_targets(root: Array, shape: tuple[int, int], free: CoefficientMap, penalty: Array) -> Bread:
    """The bread where every target has the curvature of one, whose root (P, e) is given."""
    full = root if shape[1] == 1 else np.asarray(np.kron(np.eye(shape[1]), root), dtype=np.float64)
    return Bread(full, shape, free, penalty, root)


def factor_of_inverse(matrix: Array) -> tuple[Array, float] | None:
    """(R with matrix^-1 = R R', the smallest pivot at unit diagonal) by Cholesky; None unless the matrix is positive definite."""
    diagonal = np.diag(matrix)
    if not (np.isfinite(matrix).all() and (diagonal > 0).all()):
        return None
    scale = np.sqrt(diagonal)
    try:
        lower = np.linalg.cholesky(matrix / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return None
    root = solve_triangular(lower, np.eye(len(lower)), lower=True, check_finite=False).T
    return np.asarray(root / scale[:, None]), float(np.diag(lower).min(initial=1.0))


def _root(
    problem: Problem,
    coefficients: Array,
    free: CoefficientMap,
    loss: RowLoss,
    penalty: Array,
    curvature: Array | None,
    *,
    one: bool = False,
) -> Array:
    if curvature is None:
        curvature = problem.rows.reduce(CurvatureKernel(loss, coefficients, one)) + as_matrix(penalty)
    found = factor_of_inverse(free.restrict_curvature(curvature))
    modest = problem.rows.n_rows * problem.rows.n_columns**2 <= EXACT_PRODUCTS
    if found is None or found[1] < (0.1 if modest else SMALLEST_PIVOT):
        triangle = _triangle(problem, coefficients, free, loss, penalty, one)
        if triangle is not None:
            found = _refined(problem, free, _inverse_of_triangle(triangle)), 1.0
    if found is None:
        raise InferenceError(_why_singular(problem, free))
    return np.asarray(free.matrix @ found[0])


def penalty_part(problem: Problem, coefficients: Array) -> Array:
    """The penalty's part of A: its diagonal (k P,), or (k P, k P). Raises ValueError for a penalty with kinks."""
    if problem.penalty is None:
        return np.zeros(coefficients.size)
    if problem.penalty_kind == "proximal":
        instead = after_selection(problem.loss, problem.penalty)
        raise InferenceError(
            f"no standard errors: the penalty {problem.penalty.name!r} has kinks, where an estimate is not near normal{instead}"
        )
    curvature = problem.penalty_terms(coefficients, 2).curvature
    assert curvature is not None
    part = problem.total_weight * curvature
    return np.asarray(part.T.ravel() if curvature.shape == coefficients.shape else part)


def as_matrix(penalty: Array) -> Array:
    """The penalty's part of A as a matrix, (k P, k P)."""
    return np.diag(penalty) if penalty.ndim == 1 else penalty


def _alike(penalty: Array, size: int, k: int) -> bool:
    """Whether the penalty's part of A is the same for each of k targets, and couples none with another."""
    if penalty.ndim == 1:
        return bool((penalty.reshape(k, size) == penalty[:size]).all())
    return bool((penalty == np.kron(np.eye(k), penalty[:size, :size])).all())


@dataclass(frozen=True)
class CurvatureKernel(Kernel[Array]):
    """sum f w H (x) x x', (k P, k P); ``one``: of the first linear predictor alone."""

    loss: RowLoss
    coefficients: Array
    one: bool = False

    def map(self, block: Block) -> Array:
        k = self.coefficients.shape[1]
        return functools.reduce(self.merge, (self.at(part, part.linear_predictors(self.coefficients)) for part in block.pieces(k * k)))

    def at(self, block: Block, predictors: Array) -> Array:
        """``map`` where the linear predictors are known."""
        terms = row_terms_at(self.loss, block, predictors)
        curvature = terms.curvature[:, :1, :1] if self.one else terms.curvature
        return block.design.gram(terms.frequencies[:, None, None] * curvature)

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


@dataclass(frozen=True)
class _TriangleKernel(Kernel[Array | None]):
    """R of the rows ``S_i' Z_i' C``, with f w H_i = S_i S_i'; None where some H_i has a negative eigenvalue."""

    writes_columns: ClassVar[bool] = True

    loss: RowLoss
    coefficients: Array
    free: CoefficientMap
    one: bool

    def map(self, block: Block) -> Array | None:
        terms = row_terms(self.loss, self.coefficients, block)
        curvature = terms.frequencies[:, None, None] * (terms.curvature[:, :1, :1] if self.one else terms.curvature)
        root = square_roots(curvature)
        if root is None:
            return None
        design = block.design.dense()
        k = curvature.shape[1]
        rows = np.einsum("iac,ip->icap", root, design).reshape(-1, k * design.shape[1])
        return np.asarray(np.linalg.qr(np.asarray((self.free.matrix.T @ rows.T).T), mode="r"))

    def merge(self, first: Array | None, second: Array | None) -> Array | None:
        if first is None or second is None:
            return None
        return np.asarray(np.linalg.qr(np.concatenate([first, second]), mode="r"))


def square_roots(curvature: Array) -> Array | None:
    """S_i with H_i = S_i S_i', (m, k, k); None where an H_i has a negative eigenvalue beyond rounding."""
    if curvature.shape[1] == 1:
        return None if (curvature < 0).any() else np.sqrt(curvature)
    values, vectors = np.linalg.eigh(curvature)
    if (values < -1e-12 * np.abs(values).max(initial=0.0)).any():
        return None
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])


def _triangle(problem: Problem, coefficients: Array, free: CoefficientMap, loss: RowLoss, penalty: Array, one: bool) -> Array | None:
    triangle = problem.rows.reduce(_TriangleKernel(loss, coefficients, free, one))
    if triangle is None:
        return None
    if penalty.any():
        root = _root_of_penalty(penalty, free)
        if root is None:
            return None
        triangle = np.concatenate([triangle, root])
        triangle = np.asarray(np.linalg.qr(triangle, mode="r"))
    if triangle.shape[0] < free.size:
        return None
    norms = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
    # The same measure by which least squares decides that a column is aliased.
    if not (np.abs(np.diag(triangle)) > 8.0 * free.size * 2.0**-52 * norms).all():
        return None
    return triangle


def _root_of_penalty(penalty: Array, free: CoefficientMap) -> Array | None:
    """S with S' S the penalty's part of the curvature of free coefficients, (., d); None where that has a negative eigenvalue."""
    if penalty.ndim == 1:
        return np.asarray(free.matrix.T.multiply(np.sqrt(penalty)).toarray().T)
    root = square_roots(penalty[None])
    return None if root is None else np.asarray(free.matrix.T @ root[0]).T


def _inverse_of_triangle(triangle: Array) -> Array:
    scale = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
    inverse = solve_triangular(triangle / scale, np.eye(len(triangle)), check_finite=False)
    return np.asarray(inverse / scale[:, None])


def _refined(problem: Problem, free: CoefficientMap, root: Array) -> Array:
    """The root with its rows stretched to the lengths of an inverse computed to nearly full precision: squared loss on modest data.

    A root by triangles is off by rounding times the condition number, which takes half the digits of a standard error on NIST's Filip.
    """
    scale, rows = problem.loss.squared_scale(), problem.rows
    strength = problem.ridge_strength
    size = rows.n_columns
    columns = np.flatnonzero(np.asarray(abs(free.matrix).sum(axis=1)).ravel() > 0)
    if scale is None or strength is None or rows.n_rows * size**2 > EXACT_PRODUCTS or free.size != len(columns) or columns[-1] >= size:
        return root
    from gradline.solvers.least_squares.exact_inverse import inverse_gram

    exact = inverse_gram(rows, strength / scale)
    if len(columns) + len(exact.aliased) != size or set(exact.aliased) & set(columns.tolist()):
        return root
    wanted = np.ldexp(np.sqrt(np.diag(exact.inverse)), -exact.exponents)[columns] / np.sqrt(2.0 * scale)
    length = np.sqrt(np.einsum("ij,ij->i", root, root))
    with np.errstate(all="ignore"):
        ratio = wanted / length
    return root * ratio[:, None] if np.isfinite(ratio).all() and (np.abs(ratio - 1.0) < 0.1).all() else root


def _why_singular(problem: Problem, free: CoefficientMap) -> str:
    if problem.rows.n_rows < free.size and problem.penalty is None:
        rows = "1 row" if problem.rows.n_rows == 1 else f"{problem.rows.n_rows} rows"
        return (
            f"no standard errors: {rows} cannot determine {free.size} coefficients; leave columns out, give more rows,"
            " or add a ridge (penalty=gl.penalties.ridge(0.1))"
        )
    return (
        f"no standard errors: the curvature of the loss {problem.loss.name!r} is not positive definite at the coefficients; they are no"
        " strict minimum (see the fit's certificate), or columns are too nearly dependent: leave one out, or add a ridge"
    )
