"""The meat of the sandwich: sums of products of the rows' scores, by one pass over the rows.

The score of a row is s_i = w_i g_i (x) x_i. Scores are whitened by the root of the bread, u_i = root' s_i, so that the sandwich is
root (sum f u u') root' and nothing is squared that would cancel later; where the rows are many, sum f s s' is taken instead, a Gram matrix
with weights f w^2 g g' that costs as much as a curvature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.base.errors import InferenceError
from gradline.base.types import Array, IntArray
from gradline.design.dense import Design
from gradline.inference.bread import RowTerms, forms_of_images, row_terms
from gradline.inference.covariance.clusters import BlockGroups, codes_of_way
from gradline.inference.kinked import RowLoss
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel

CLOSE = 4
"""Times as many codes as rows up to which all are added up."""

FULL_LEVERAGE = 1e-10
"""1 - leverage at or below which nothing of a row's residual is left."""


def whitened(design: Design, roots: Array, score: Array) -> Array:
    """``root' (score_i (x) x_i)`` for every row: roots (k, P, d), score (m, k) -> (m, d)."""
    total = score[:, :1] * design.predict(roots[0])
    for a in range(1, len(roots)):
        total += score[:, a : a + 1] * design.predict(roots[a])
    return total


@dataclass(frozen=True)
class GramKernel(Kernel[Array]):
    """sum f s s', (k P, k P)."""

    loss: RowLoss
    coefficients: Array

    def map(self, block: Block) -> Array:
        return self.at(block, block.linear_predictors(self.coefficients))

    def at(self, block: Block, predictors: Array) -> Array:
        """``map`` where the linear predictors are known."""
        # The gradient alone: the curvature's own derivatives would add a fifth to the pass.
        return self._gram(block, self.loss.gradient(block.targets, predictors))

    def map_evaluated(self, block: Block, predictors: Array, derivatives: RowDerivatives) -> Array:
        """``map`` where a loss without kinks has been differentiated already."""
        assert derivatives.gradient is not None
        return self._gram(block, derivatives.gradient)

    @staticmethod
    def _gram(block: Block, score: Array) -> Array:
        if score.shape[1] == 1 and block.row_weights is None:
            return block.design.gram(np.square(score)[:, :, None])
        counts = block.row_counts
        factor = counts if block.weights is None else counts * np.square(block.weights)
        if score.shape[1] == 1:
            products = factor * np.square(score[:, 0])
            products[counts == 0] = 0.0
            return block.design.gram(products[:, None, None])
        outer = factor[:, None, None] * score[:, :, None] * score[:, None, :]
        outer[counts == 0] = 0.0
        return block.design.gram(outer)

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


@dataclass(frozen=True)
class ScoreKernel(Kernel[Array]):
    """sum f u u', (d, d), of scores scaled up for leverage: (I - w H Q)^-power w g, Q = Z' A^-1 Z.

    power 0 is HC0, 1/2 HC2 and 1 HC3 (MacKinnon and White 1985, J. Econometrics 29); for other losses than squared power 1 is one Newton
    step of the jackknife: leaving the row out moves the coefficients by A^-1 times the adjusted score. roots: (k, P, d) of the bread.
    """

    writes_columns: ClassVar[bool] = True

    loss: RowLoss
    coefficients: Array
    roots: Array
    power: float = 0.0

    def map(self, block: Block) -> Array:
        terms = row_terms(self.loss, self.coefficients, block)
        images = [block.design.predict(root) for root in self.roots]
        score = terms.score
        if self.power:
            score = adjust(terms, forms_of_images(images), self.power, block)
        rows = score[:, :1] * images[0]
        for a in range(1, len(images)):
            rows += score[:, a : a + 1] * images[a]
        rows *= np.sqrt(terms.frequencies)[:, None]
        return np.asarray(np.dot(rows.T, rows))

    def merge(self, first: Array, second: Array) -> Array:
        first += second
        return first


def adjust(terms: RowTerms, forms: Array, power: float, block: Block) -> Array:
    """``(I - w H Q)^-power w g``, (m, k); forms: Q (m, k, k). Raises ValueError naming the first row whose leverage is 1."""
    k = terms.score.shape[1]
    if k == 1:
        left = 1.0 - terms.curvature[:, 0, 0] * forms[:, 0, 0]
        _refuse_full(left, block)
        return np.asarray(terms.score / left[:, None] ** power)
    matrices = np.eye(k) - terms.curvature @ forms
    eigenvalues, vectors = np.linalg.eig(matrices)
    _refuse_full(eigenvalues.real.min(axis=1), block)
    if power == 1.0:
        return np.asarray(np.linalg.solve(matrices, terms.score[:, :, None])[:, :, 0])
    # H Q is similar to a symmetric matrix, so its eigenvalues are real; a defective one would need a row of zeros, which has Q = 0.
    along = np.linalg.solve(vectors, terms.score[:, :, None].astype(vectors.dtype))
    scaled: Array = (vectors @ (along * eigenvalues[:, :, None].astype(vectors.dtype) ** -power))[:, :, 0].real
    return np.ascontiguousarray(scaled)


def _refuse_full(left: Array, block: Block) -> None:
    full = np.flatnonzero(left <= FULL_LEVERAGE)
    if full.size:
        raise InferenceError(
            f"row {block.number(int(full[0]))} has leverage 1: it alone determines a coefficient, so the fit without it does not exist."
            ' Leave out the row or its column, or ask for covariance="HC1", which does not need it'
        )


@dataclass(frozen=True)
class ClusterScores:
    """Sums of scores by cluster: codes (c,) and sums (c, d). Parts are joined when they have doubled in size."""

    parts: tuple[tuple[IntArray, Array], ...]

    def joined(self) -> tuple[IntArray, Array]:
        """Each cluster once."""
        codes = np.concatenate([codes for codes, _ in self.parts])
        sums = np.concatenate([sums for _, sums in self.parts])
        return sum_by_code(codes, sums)


def sum_by_code(codes: IntArray, rows: Array) -> tuple[IntArray, Array]:
    """(codes that occur, sums of their rows)."""
    size = int(codes.max()) + 1 if len(codes) else 0
    if 0 < size <= CLOSE * len(codes):
        from scipy import sparse

        # Where codes lie close together they need not be sorted.
        places = sparse.csr_array((np.ones(len(codes)), codes, np.arange(len(codes) + 1)), shape=(len(codes), size))
        present = np.flatnonzero(np.bincount(codes, minlength=size))
        sums = np.asarray(places.T @ np.ascontiguousarray(rows))
        return present, sums if len(present) == size else sums[present]
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    return present, np.add.reduceat(rows[order], starts, axis=0) if len(order) else rows


@dataclass(frozen=True)
class ClusterKernel(Kernel[ClusterScores]):
    """Whitened scores f u summed by cluster, of one way or (way 2) of the intersection of two. Holds one sum for every cluster seen."""

    writes_columns: ClassVar[bool] = True

    loss: RowLoss
    coefficients: Array
    roots: Array
    groups: BlockGroups
    way: int

    def map(self, block: Block) -> ClusterScores:
        block, labels = self.groups.split(block)
        terms = row_terms(self.loss, self.coefficients, block)
        scores, counts = whitened(block.design, self.roots, terms.score), terms.frequencies
        codes = codes_of_way(self.groups, labels, self.way)
        used = counts > 0
        return ClusterScores((sum_by_code(codes[used], counts[used, None] * scores[used]),))

    def merge(self, first: ClusterScores, second: ClusterScores) -> ClusterScores:
        merged = ClusterScores(first.parts + second.parts)
        size = sum(len(codes) for codes, _ in merged.parts)
        return ClusterScores((merged.joined(),)) if size > 2 * len(merged.parts[0][0]) else merged


class Lagged(NamedTuple):
    """Autocovariances of the scores of consecutive rows: sums (lags + 1, d, d); head, tail: the first and last ``lags`` scores."""

    sums: Array
    head: Array
    tail: Array


@dataclass(frozen=True)
class LagKernel(Kernel[Lagged]):
    """sum_t u_t u_(t-l)' for l = 0 .. lags, over rows in their order; rows of weight zero are no part of it."""

    writes_columns: ClassVar[bool] = True

    loss: RowLoss
    coefficients: Array
    roots: Array
    lags: int

    def map(self, block: Block) -> Lagged:
        terms = row_terms(self.loss, self.coefficients, block)
        scores = whitened(block.design, self.roots, terms.score)[terms.frequencies > 0]
        n = len(scores)
        sums = np.stack([np.dot(scores[lag:].T, scores[: n - lag]) if lag < n else _zeros(scores) for lag in self._range])
        return Lagged(sums, scores[: self.lags], scores[n - min(self.lags, n) :])

    def merge(self, first: Lagged, second: Lagged) -> Lagged:
        sums = first.sums + second.sums
        # Row j of the second part, counted from 0, lies lag rows after row j - lag of what came before it.
        for lag in self._range[1:]:
            for j in range(min(lag, len(second.head))):
                place = len(first.tail) + j - lag
                if place >= 0:
                    sums[lag] += np.outer(second.head[j], first.tail[place])
        head = np.concatenate([first.head, second.head])[: self.lags] if len(first.head) < self.lags else first.head
        tail = second.tail
        if len(tail) < self.lags:
            joined = np.concatenate([first.tail, tail])
            tail = joined[max(0, len(joined) - self.lags) :]
        return Lagged(sums, head, tail)

    @property
    def _range(self) -> range:
        return range(self.lags + 1)


def _zeros(scores: Array) -> Array:
    return np.zeros((scores.shape[1], scores.shape[1]))
