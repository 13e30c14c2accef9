"""The penalised blocks of a model's coefficients, a curve in one linear predictor each, and the terms of the criterion that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.types import Array, IntArray
from gradline.formulas.curves import Curve
from gradline.objective.objective import Problem
from gradline.penalties.curves import CurvePenalty, PenalisedBlock
from gradline.smoothing.criterion import Part, Terms
from gradline.smoothing.limits import PredictorSet

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class Block:
    """name: of the curve, with the linear predictor where there are several. predictor: its number. curve: what it is."""

    name: str
    predictor: int
    curve: Curve

    @property
    def rank(self) -> int:
        """Directions that the penalty holds."""
        return len(self.curve.spectrum)

    @property
    def count(self) -> int:
        """Strengths."""
        return len(self.curve.matrices)

    def places(self, size: int) -> IntArray:
        """Among the coefficients of P columns, a linear predictor after the other."""
        return np.arange(self.curve.start, self.curve.stop) + self.predictor * size


def blocks_of(
    curves: Sequence[Curve], mask: BoolArray | None, predictors: Sequence[str], constant: Sequence[bool] = ()
) -> tuple[Block, ...]:
    """A block for every linear predictor that has the curve. mask (P, k), None where each has all columns. constant: which linear
    predictors have an intercept only, as a dispersion or a threshold; none where empty."""
    found = []
    sloped = [j for j in range(len(predictors)) if not (constant and constant[j])]
    for j in sloped:
        for curve in curves:
            if mask is None or mask[curve.start, j]:
                found.append(Block(curve.name if len(sloped) == 1 else f"{predictors[j]}: {curve.name}", j, curve))
    return tuple(found)


def penalty_of(blocks: Sequence[Block], strengths: Sequence[Sequence[float]], intercept: bool, how: str = "") -> CurvePenalty:
    """The penalty of the blocks at their strengths, in the unit of the mean loss."""
    first = int(intercept)
    parts = []
    for block, own in zip(blocks, strengths, strict=True):
        roots = tuple(_root(matrix, int((block.curve.spectrum[:, j] > 0).sum())) for j, matrix in enumerate(block.curve.matrices))
        parts.append(
            PenalisedBlock(block.name, block.predictor, block.curve.start - first, block.curve.stop - first, tuple(map(float, own)), roots)
        )
    return CurvePenalty(tuple(parts), how)


def _root(matrix: Array, rank: int) -> Array:
    """F (rank, c) with F'F = matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(np.sqrt(np.maximum(values[-rank:], 0.0))[:, None] * vectors[:, -rank:].T)


def terms_of(blocks: Sequence[Block], places: Callable[[Block], IntArray], size: int) -> Terms:
    """The penalty's matrices at their places. size: of the coefficients."""
    parts, members, free = list[Part](), list[tuple[int, ...]](), list[bool]()
    for number, block in enumerate(blocks):
        first = len(parts)
        parts += [Part(places(block), matrix, number, column) for column, matrix in enumerate(block.curve.matrices)]
        members.append(tuple(range(first, len(parts))))
        free += [block.curve.strengths is None] * block.count
    null = size - sum(block.rank for block in blocks)
    return Terms(tuple(parts), tuple(block.curve.spectrum for block in blocks), tuple(members), np.array(free), null)


def start_of(terms: Terms, blocks: Sequence[Block], curvature: Array, weight: float) -> Array:
    """rho where each penalty weighs as much as the data, or where the formula puts it. weight: strengths of the total loss are those of the
    mean times it."""
    given = [value for block in blocks for value in (block.curve.strengths or (np.nan,) * block.count)]
    fixed = np.array([np.nan if value is None else value for value in given])
    with np.errstate(divide="ignore"):
        return np.where(terms.free, np.log(terms.balanced(curvature)), np.log(weight * np.maximum(fixed, 1e-300)))


def strengths_of(blocks: Sequence[Block], rho: Array, weight: float) -> tuple[tuple[float, ...], ...]:
    """Of each block, in the unit of the mean loss; what the formula gives stays as it is."""
    found, place = list[tuple[float, ...]](), 0
    for block in blocks:
        own = block.curve.strengths
        found.append(tuple(float(np.exp(value)) / weight for value in rho[place : place + block.count]) if own is None else own)
        place += block.count
    return tuple(found)


def among(places: IntArray, size: int) -> IntArray:
    """Where each of ``size`` coefficients is among those at the places, -1 for the others."""
    found = np.full(size, -1)
    found[places] = np.arange(len(places))
    return found


@dataclass(frozen=True, eq=False)
class SearchedModel:
    """What the strengths are found for. places (d,): of its coefficients, among the k P there are. terms: of its blocks. strengths: the
    numbers of theirs among all. nuisance: of its coefficients, those of linear predictors that are one number for all rows."""

    places: IntArray
    terms: Terms
    strengths: IntArray
    nuisance: IntArray

    @classmethod
    def of(cls, problem: Problem, blocks: Sequence[Block], held: PredictorSet) -> SearchedModel:
        """held: linear predictors whose coefficients stay where they are."""
        size, k = problem.shape
        movable = np.asarray(abs(problem.free.matrix).sum(axis=1)).ravel() > 0
        for predictor in held:
            movable[predictor * size : (predictor + 1) * size] = False
        places = np.flatnonzero(movable)
        inverse = among(places, size * k)
        own = [block for block in blocks if block.predictor not in held]
        numbers = np.flatnonzero([block.predictor not in held for block in blocks for _ in range(block.count)])
        terms = terms_of(own, lambda block: inverse[block.places(size)], len(places))
        constant = np.flatnonzero(problem.loss.intercept_only or (False,) * k)
        return cls(places, terms, numbers, np.flatnonzero(np.isin(places // size, constant)))
