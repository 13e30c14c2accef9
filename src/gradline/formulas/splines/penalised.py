"""P-splines: B-splines on evenly spaced knots, whose neighbouring coefficients a penalty of differences holds together.

Eilers and Marx (1996), Statistical Science 11. The knots are those of mgcv's bs="ps": the range of the data, a thousandth wider at either
end, in k - degree equal cells, and as many more cells beyond as the degree asks for. Beyond the range a curve goes on as a line.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from gradline.base.types import Array
from gradline.formulas.errors import FormulaError
from gradline.formulas.learner import Options, State

WIDER = 0.001
"""Share of the range by which the knots reach further at either end."""

MOST_COLUMNS = 2000
"""Basis functions of one term: its penalty is a matrix of 32 MB."""


class CurveBasis:
    """The learner of s() and te(): ranges and whether there are values enough, then the means of the basis, by which it is centred."""

    def __init__(self, options: Options, key: str) -> None:
        self.options, self.key = options, key
        self.sizes, self.degree = sizes_of(options), int(options["degree"])
        for k, order in zip(self.sizes, orders_of(options), strict=True):
            if k <= self.degree:
                raise FormulaError(f"{key}: k must be at least {self.degree + 1} for splines of degree {self.degree}, not {k}")
            if k <= order:
                raise FormulaError(f"{key}: differences of order {order} need k of at least {order + 1}, not {k}")
        if int(np.prod(self.sizes)) > MOST_COLUMNS:
            raise FormulaError(f"{key}: {int(np.prod(self.sizes)):,} basis functions are more than {MOST_COLUMNS:,}; give a smaller k")
        self.low, self.high = np.full(len(self.sizes), np.inf), np.full(len(self.sizes), -np.inf)
        self.distinct = [np.empty(0) for _ in self.sizes]
        self.state: dict[str, Any] | None = None
        self.total: Array = np.zeros(int(np.prod(self.sizes)))
        self.count = 0

    def update(self, values: Array) -> None:
        if not len(values):
            return
        columns = values[:, None] if values.ndim == 1 else values
        if self.state is not None:
            self.total = self.total + _plain_basis(columns, self.options, self.state).sum(axis=1)
            self.count += len(values)
            return
        self.low, self.high = np.minimum(self.low, columns.min(axis=0)), np.maximum(self.high, columns.max(axis=0))
        for j, (known, k) in enumerate(zip(self.distinct, self.sizes, strict=True)):
            # Whether there are k of them is all that matters.
            if known.size <= k:
                self.distinct[j] = np.unique(np.concatenate([known, np.unique(columns[:, j])]))[: k + 1]

    def finish(self) -> State | None:
        if self.state is not None:
            return {**self.state, "means": (self.total / max(self.count, 1)).tolist()}
        for j, (known, k) in enumerate(zip(self.distinct, self.sizes, strict=True)):
            which = self.key if len(self.sizes) == 1 else f"the {('first', 'second', 'third', 'fourth')[min(j, 3)]} of {self.key}"
            if not known.size:
                raise FormulaError(f"{self.key} finds no values to place its knots by")
            if known.size == 1:
                raise FormulaError(f"{which} has one value in all rows, {known[0]:g}, and a curve needs a column that varies: leave it out")
            if known.size < k:
                least = max(self.degree, orders_of(self.options)[j]) + 1
                advice = f"write k={known.size} or less" if known.size >= least else "take the column as it is, or as a category, C(...)"
                raise FormulaError(f"{which} has {known.size} different values, too few for k={k} basis functions: {advice}")
        self.state = {"low": self.low.tolist(), "high": self.high.tolist()}
        return None


def sizes_of(options: Options) -> tuple[int, ...]:
    """k of each of the columns."""
    return _each(options["k"], int(options["columns"]))


def orders_of(options: Options) -> tuple[int, ...]:
    """The order of the differences along each of the columns."""
    return _each(options["order"], int(options["columns"]))


def _each(value: Any, count: int) -> tuple[int, ...]:
    return tuple(int(part) for part in value) if isinstance(value, tuple | list) else (int(value),) * count


def is_centred(options: Options) -> bool:
    """Whether the basis sums to zero over the rows: not where a column of numbers multiplies it, whose own slope is then part of it."""
    return bool(options["by"] != "number")


def curve_labels(options: Options, state: State) -> tuple[str, ...]:
    """Numbers of the columns from 1 on."""
    return tuple(str(j + 1) for j in range(int(np.prod(sizes_of(options))) - int(is_centred(options))))


def apply_curve(values: Array, options: Options, state: State, key: str) -> Array:
    """Values (m,), or (m, d) of a product of curves, to the basis (m, c)."""
    count = int(options["columns"])
    columns = np.repeat(values[:, None], count, axis=1) if values.ndim == 1 else values
    if columns.shape[1] != count or len(state["low"]) != count or len(state["high"]) != count:
        raise FormulaError(f"{key} is of {count} columns")
    basis = _plain_basis(columns, options, state)
    if is_centred(options):
        basis = Centring(np.asarray(state["means"], dtype=np.float64)).columns(basis)
    return basis.T


class Centring:
    """The orthonormal basis Z (c, c - 1) of what is orthogonal to the means (c,): all but the first column of a Householder reflection."""

    def __init__(self, means: Array) -> None:
        self.v = means / np.linalg.norm(means)
        self.v[0] += 1.0 if self.v[0] >= 0 else -1.0
        self.factor = 2.0 / float(self.v @ self.v)

    def columns(self, basis: Array) -> Array:
        """Z' basis, (c, m) -> (c - 1, m). Column by column, so that rounding does not depend on how many rows come at once."""
        along = np.zeros(basis.shape[1])
        for weight, row in zip(self.v, basis, strict=True):
            along += weight * row
        along *= self.factor
        found = basis[1:]
        for weight, row in zip(self.v[1:], found, strict=True):
            row -= weight * along
        return found

    def matrix(self, matrix: Array) -> Array:
        """Z' matrix Z, (c, c) -> (c - 1, c - 1)."""
        half = self.columns(matrix.copy())
        return self.columns(half.T.copy())


def _plain_basis(columns: Array, options: Options, state: State) -> Array:
    """(c, m): of several columns the products of their bases, the last column's running fastest."""
    degree = int(options["degree"])
    parts = [even_basis(columns[:, j], float(state["low"][j]), float(state["high"][j]), k, degree) for j, k in enumerate(sizes_of(options))]
    if len(parts) == 1:
        return parts[0]
    found = np.empty((int(np.prod([len(part) for part in parts])), columns.shape[0]))
    for place, rows in enumerate(product(*parts)):
        found[place] = rows[0]
        for row in rows[1:]:
            found[place] *= row
    return found


def even_basis(x: Array, low: float, high: float, k: int, degree: int) -> Array:
    """B-splines on evenly spaced knots, (k, m), for data that reach from low to high; beyond the outermost knots each goes on as a line."""
    wider = WIDER * (high - low)
    start, cells = low - wider, k - degree
    width = (high - low + 2.0 * wider) / cells
    missing = np.isnan(x)
    u = np.where(missing, 0.0, (x - start) / width)
    inside = np.clip(u, 0.0, float(cells))
    cell = np.minimum(inside.astype(np.int64), cells - 1)
    basis = np.zeros((k, len(x)))
    rows = np.arange(len(x))
    for i, part in enumerate(_local(inside - cell, degree)):
        basis[cell + i, rows] = part
    beyond = np.flatnonzero(u != inside)
    if beyond.size:
        slope = np.zeros((k + 1, beyond.size))
        for i, part in enumerate(_local((inside - cell)[beyond], degree - 1)):
            slope[cell[beyond] + 1 + i, np.arange(beyond.size)] = part
        with np.errstate(invalid="ignore"):  # an infinite value, whose columns are then no numbers
            basis[:, beyond] += (u - inside)[beyond] * (slope[:-1] - slope[1:])
    basis[:, missing] = np.nan
    return basis


def _local(t: Array, degree: int) -> list[Array]:
    """The degree + 1 splines that are not zero at t in [0, 1] of a cell (de Boor 1978, chapter X), at knots one apart."""
    found = [np.ones(len(t))]
    for d in range(1, degree + 1):
        wider, saved = [], np.zeros(len(t))
        for r, part in enumerate(found):
            shared = part / d
            wider.append(saved + (r + 1 - t) * shared)
            saved = (t + (d - r - 1)) * shared
        found = [*wider, saved]
    return found


def difference_penalties(options: Options, state: State) -> tuple[tuple[Array, ...], Array]:
    """The penalty matrices of a term's columns, (c, c) for each column of the data, and their joint spectrum (r, d): up to a constant the
    log determinant of their sum, each times its strength, is that of the spectrum times the strengths, where it is not zero."""
    sizes, orders = sizes_of(options), orders_of(options)
    own = [np.diff(np.eye(k), n=order, axis=0) for k, order in zip(sizes, orders, strict=True)]
    own = [part.T @ part for part in own]
    matrices, spectra = list[Array](), list[Array]()
    for j, part in enumerate(own):
        whole: Array = np.ones((1, 1))
        values: Array = np.ones(1)
        for i, k in enumerate(sizes):
            eigenvalues: Array = np.asarray(np.linalg.eigvalsh(part), dtype=np.float64)
            eigenvalues[: orders[j]] = 0.0
            whole = np.asarray(np.kron(whole, part if i == j else np.eye(k)), dtype=np.float64)
            values = np.asarray(np.kron(values, eigenvalues if i == j else np.ones(k)), dtype=np.float64)
        matrices.append(whole)
        spectra.append(values)
    spectrum = np.stack(spectra, axis=1)
    if is_centred(options):
        z = Centring(np.asarray(state["means"], dtype=np.float64))
        matrices = [z.matrix(matrix) for matrix in matrices]
    return tuple(matrices), spectrum[(spectrum > 0).any(axis=1)]
