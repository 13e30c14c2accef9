"""How well a model tells classes apart: the confusion matrix, the ROC curve and its area, Brier's score; for the rows of the fit or any
others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError, InferenceError
from gradline.base.numbers import short
from gradline.base.types import Array
from gradline.base.written_tables import WrittenTable
from gradline.losses.protocol import Loss
from gradline.model.attach_data import AttachedData, attach_data
from gradline.rows.block import Block

if TYPE_CHECKING:
    from gradline.model.record import Model

MOST_NUMBERS = 2**27
"""Scores that are held to be sorted, 1 GiB."""


class RocCurve(NamedTuple):
    """false_positive, true_positive (t,): the share of the rows of either class whose score is at least the threshold (t,); from (0, 0)
    to (1, 1)."""

    false_positive: Array
    true_positive: Array
    threshold: Array


_ALIKE = 1e-12
"""Relative: probabilities that differ by less are the same. Rows with the same columns tie, however their sums were rounded."""


@dataclass(frozen=True, eq=False)
class Classification:
    """What ``Fit.classification`` returns. probabilities (n, K) and labels (n,): of rows with all values, counts (n,) of each. threshold:
    at or above which the probability of 1 says 1, of two classes; of more the most probable is said. target: its name. names: of the
    classes, empty where they are numbers alone."""

    probabilities: Array
    labels: np.ndarray[Any, Any]
    counts: Array
    threshold: float
    target: str
    names: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, (K,); their numbers where nothing more is known."""
        return self.names if len(self.names) == self.n_classes else tuple(str(j) for j in range(self.n_classes))

    @property
    def n_classes(self) -> int:
        """K."""
        return int(self.probabilities.shape[1])

    @cached_property
    def predicted(self) -> np.ndarray[Any, Any]:
        """The class that is said for each row, (n,)."""
        if self.n_classes == 2:
            return (self.probabilities[:, 1] >= self.threshold).astype(np.int64)
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def confusion(self) -> Array:
        """(K, K): rows of each class, by the class that is said."""
        found = np.zeros((self.n_classes, self.n_classes))
        np.add.at(found, (self.labels, self.predicted), self.counts)
        return found

    @property
    def accuracy(self) -> float:
        """The share of rows whose class is said."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def sensitivity(self) -> float:
        """Of two classes: the share of the rows of class 1 that are said to be of it (recall)."""
        return self._share(self.confusion[1, 1], self._two("sensitivity")[1].sum())

    @property
    def specificity(self) -> float:
        """Of two classes: the share of the rows of class 0 that are said to be of it."""
        return self._share(self.confusion[0, 0], self._two("specificity")[0].sum())

    @property
    def precision(self) -> float:
        """Of two classes: the share of class 1 among the rows that are said to be of it; NaN where none is."""
        return self._share(self.confusion[1, 1], self._two("precision")[:, 1].sum())

    @cached_property
    def brier(self) -> float:
        """The mean of (probability - label)^2; of more than two classes summed over them. Brier (1950), Monthly Weather Review 78."""
        if self.n_classes == 2:
            return float(self.counts @ np.square(self.probabilities[:, 1] - self.labels) / self.counts.sum())
        seen = np.eye(self.n_classes)[self.labels]
        return float(self.counts @ np.square(self.probabilities - seen).sum(axis=1) / self.counts.sum())

    @cached_property
    def log_loss(self) -> float:
        """The mean of -log of the probability of the class seen; infinite where that is zero."""
        with np.errstate(divide="ignore"):
            return float(self.counts @ -np.log(self.probabilities[np.arange(len(self.labels)), self.labels]) / self.counts.sum())

    @cached_property
    def auc(self) -> float:
        """The area under the ROC curve: how often a row of class 1 has the higher probability than one of class 0, ties as half. Of more
        classes the mean over each against the others. NaN where a class has no rows. Hanley and McNeil (1982), Radiology 143."""
        if self.n_classes == 2:
            return _area(self.roc())
        return float(np.mean([_area(self.roc(j)) for j in range(self.n_classes)]))

    def roc(self, label: int = 1) -> RocCurve:
        """The curve of a class against the others."""
        score, own = self.probabilities[:, label], self.labels == label
        order = np.argsort(-score, kind="stable")
        ranked = score[order]
        steps = np.append(np.flatnonzero(ranked[:-1] - ranked[1:] > _ALIKE * ranked[:-1]), len(order) - 1)
        hits, misses = np.cumsum(np.where(own, self.counts, 0.0)[order])[steps], np.cumsum(np.where(own, 0.0, self.counts)[order])[steps]
        with np.errstate(invalid="ignore", divide="ignore"):
            return RocCurve(np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1]), np.append(np.inf, ranked[steps]))

    def _two(self, what: str) -> Array:
        if self.n_classes != 2:
            raise InferenceError(f"{what} is of two classes, and there are {self.n_classes}: see confusion")
        return self.confusion

    @staticmethod
    def _share(part: float, whole: float) -> float:
        return float(part / whole) if whole > 0 else float("nan")

    @property
    def measures(self) -> dict[str, float]:
        """By name."""
        found = {
            "rows": float(self.counts.sum()),
            "accuracy": self.accuracy,
            "AUC": self.auc,
            "Brier score": self.brier,
            "log loss": self.log_loss,
        }
        if self.n_classes == 2:
            found |= {"sensitivity": self.sensitivity, "specificity": self.specificity, "precision": self.precision}
        return found

    def written(self) -> WrittenTable:
        """The confusion matrix, with the measures below."""
        heading = (f"{self.target}, seen", *(f"said {name}" for name in self.class_names))
        rows = tuple((name, *(f"{value:,.10g}" for value in row)) for name, row in zip(self.class_names, self.confusion, strict=True))
        said = "; ".join(f"{name} {short(value, 5)}" for name, value in self.measures.items() if name != "rows")
        how = (
            f"{self.class_names[1]} is said from a probability of {self.threshold:g}"
            if self.n_classes == 2
            else "the most probable class is said"
        )
        return WrittenTable(heading, rows, 1, f"Classification of {self.target}", (said, how))

    def __str__(self) -> str:
        return self.written().to_text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.written().to_html()


def _area(curve: RocCurve) -> float:
    return float(np.trapezoid(curve.true_positive, curve.false_positive))


@dataclass(frozen=True)
class _ScoredKernel:
    """Probabilities of the classes, the class and how many rows it is, (m, K + 2)."""

    loss: Loss
    coefficients: Array

    def map(self, block: Block) -> Array:
        found = np.asarray(self.loss.predict(block.linear_predictors(self.coefficients)), dtype=np.float64).reshape(block.n_rows, -1)
        if found.shape[1] == 1:
            found = np.concatenate([1.0 - found, found], axis=1)
        return np.concatenate([found, block.targets, block.row_counts[:, None]], axis=1)


def classification(model: Model, data: Any, target: Any, threshold: float, rows: dict[str, Any]) -> Classification:
    """See :meth:`gradline.Fit.classification`."""
    check_classes(model)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float | np.number) or not 0.0 <= threshold <= 1.0:
        raise ArgumentError(f"threshold must be a probability from 0 to 1, not {threshold!r}")
    return classified(model, attach_data(model, data, target, same=False, levels=True, **rows), threshold)


def check_classes(model: Model) -> None:
    """Raises ValueError for a model that predicts no probabilities of the classes of one target."""
    loss = model.loss_function
    if loss.target_kind not in ("label", "class"):
        raise InferenceError(f"the loss {loss.name!r} predicts numbers, not classes: see residuals and diagnose")
    if not loss.is_likelihood:
        raise InferenceError(f"the loss {loss.name!r} gives no probability of a class, which these measures are of")
    if len(model.target_names) != 1:
        raise InferenceError("several targets are classified one by one: fit each by itself")


def classified(model: Model, found: AttachedData, threshold: float = 0.5) -> Classification:
    """The classification of rows that are at hand. Raises ValueError for more rows than can be held."""
    loss = model.loss_function
    parts, held = list[Array](), 0
    for part in found.iterate(_ScoredKernel(loss, model.solution.coefficients)):
        parts.append(part[~np.isnan(part).any(axis=1) & (part[:, -1] > 0)])
        held += parts[-1].size
        if held > MOST_NUMBERS:
            raise InferenceError("the rows are more than can be held to be sorted; take a sample of them with where= or query=")
    scored = np.concatenate(parts)
    if not len(scored):
        raise InferenceError("no row has all the values that it takes")
    return Classification(
        scored[:, :-2], scored[:, -2].astype(np.int64), scored[:, -1], float(threshold), model.target_names[0], model.class_names
    )
