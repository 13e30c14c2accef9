"""Designs side by side: dense columns, and categoricals kept as codes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.design.categorical import CategoricalDesign
from gradline.design.dense import DenseDesign, moments_of
from gradline.linalg.bordered import BorderedGram


@dataclass(frozen=True, slots=True)
class StackedDesign:
    """A dense design followed by at least one categorical; columns in that order."""

    sparse: ClassVar[bool] = False

    dense_part: DenseDesign
    categorical: tuple[CategoricalDesign, ...]

    @property
    def n_rows(self) -> int:
        return self.dense_part.n_rows

    @property
    def n_columns(self) -> int:
        return self.dense_part.n_columns + sum(part.n_columns for part in self.categorical)

    @property
    def intercept(self) -> bool:
        return self.dense_part.intercept

    def predict(self, coefficients: Array) -> Array:
        places = self._places()
        predictors = self.dense_part.predict(coefficients[places[0]])
        for part, place in zip(self.categorical, places[1:], strict=True):
            predictors += part.predict(coefficients[place])
        return predictors

    def adjoint(self, gradient: Array) -> Array:
        return np.concatenate([self.dense_part.adjoint(gradient), *(part.adjoint(gradient) for part in self.categorical)])

    def gram(self, curvature: Array | None) -> Array:
        return self.gram_blocks(curvature).dense()

    def gram_blocks(self, curvature: Array | None) -> BorderedGram:
        """The Gram matrix with the largest categorical kept apart, so that its zeros are neither held nor solved for."""
        sizes = [part.n_columns for part in self.categorical]
        largest = int(np.argmax(sizes))
        apart, places = self.categorical[largest], self._places()
        others = [(part, place) for i, (part, place) in enumerate(zip(self.categorical, places[1:], strict=True)) if i != largest]
        crossed = [apart.cross_dense(self.dense_part, curvature)]
        crossed += [apart.cross_categorical(part, curvature) for part, _ in others]
        border = np.concatenate(crossed, axis=3)
        k, width = border.shape[1], border.shape[3]
        corner = np.zeros((k, width, k, width))
        self._fill_corner(corner, [part for part, _ in others], curvature)
        return BorderedGram(apart.diagonal(curvature), border, corner.reshape(k * width, k * width), places[1 + largest].start)

    def _fill_corner(self, corner: Array, parts: list[CategoricalDesign], curvature: Array | None) -> None:
        """The columns that are not kept apart, with each other: (k, R, k, R)."""
        size, k = self.dense_part.n_columns, len(corner)
        corner[:, :size, :, :size] = self.dense_part.gram(curvature).reshape(k, size, k, size)
        starts = np.cumsum([size] + [part.n_columns for part in parts])
        for i, part in enumerate(parts):
            here = slice(starts[i], starts[i + 1])
            corner[:, here, :, here] = part.gram(curvature).reshape(k, part.n_columns, k, part.n_columns)
            _mirror(corner, here, slice(0, size), part.cross_dense(self.dense_part, curvature))
            for j, other in enumerate(parts[:i]):
                _mirror(corner, here, slice(starts[j], starts[j + 1]), part.cross_categorical(other, curvature))

    def squares(self, weights: Array | None = None) -> Array:
        if weights is not None:
            return np.concatenate([self.dense_part.squares(weights), *(part.squares(weights) for part in self.categorical)])
        return np.concatenate([self.dense_part.squares(), *(part.squares() for part in self.categorical)])

    def largest(self) -> Array:
        return np.concatenate([self.dense_part.largest(), *(part.largest() for part in self.categorical)])

    def row_squares(self) -> Array:
        return np.asarray(np.square(self.dense()).sum(axis=1))

    def column_moments(self, weights: Array) -> tuple[Array, Array, Array]:
        return moments_of(self.dense(), weights)

    def absolute(self) -> StackedDesign:
        return StackedDesign(self.dense_part.absolute(), tuple(part.absolute() for part in self.categorical))

    def take(self, rows: IntArray) -> StackedDesign:
        return StackedDesign(self.dense_part.take(rows), tuple(part.take(rows) for part in self.categorical))

    def changed(self, origin: Array, unit: Array) -> StackedDesign:
        held = self.dense_part.n_columns
        return StackedDesign(self.dense_part.changed(origin[:held], unit[:held]), self.categorical)

    def less_shares(self, places: IntArray, shares: Array, unit: Array) -> StackedDesign:
        return StackedDesign(self.dense_part.less_shares(places, shares[: self.dense_part.n_columns], unit), self.categorical)

    def beside(self, columns: Array) -> DenseDesign:
        return DenseDesign(np.concatenate([self.slopes(), columns], axis=1), self.intercept)

    def numbers(self) -> Array:
        return self.dense_part.dense()

    def slopes(self) -> Array:
        return self.dense()[:, int(self.intercept) :]

    def dense(self) -> Array:
        return np.concatenate([self.dense_part.dense(), *(part.dense() for part in self.categorical)], axis=1)

    def _places(self) -> list[slice]:
        bounds = np.cumsum([0, self.dense_part.n_columns] + [part.n_columns for part in self.categorical]).tolist()
        return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def _mirror(corner: Array, rows: slice, columns: slice, part: Array) -> None:
    """Put (L, k, k, R) sums where they belong, on both sides of the diagonal."""
    corner[:, rows, :, columns] = part.transpose(1, 0, 2, 3)
    corner[:, columns, :, rows] = part.transpose(2, 3, 1, 0)
