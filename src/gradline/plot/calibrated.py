"""Calibration: predicted against observed, bin by bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import gammaincinv, ndtri, stdtrit

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.inference.intervals import check_level
from gradline.losses.protocol import Loss
from gradline.objective.objective import Problem
from gradline.plot import style
from gradline.plot.subject import MOST_PANELS, diagnosed
from gradline.rows.block import Block
from gradline.rows.kernel import Kernel

if TYPE_CHECKING:
    from gradline.model.record import Model

BINS = 10
SAMPLE = 20_000
"""Rows from whose predictions the edges of bins are taken; the bins then count every row."""


@dataclass(frozen=True)
class Bins:
    """Of one output, b bins in rising order of prediction.

    counts (b,): rows, by frequency. predicted, observed (b,): weighted means; for a quantile, ``observed`` is the share of rows not above
    their prediction. lower, upper (b,): the interval of what is observed.
    """

    counts: Array
    predicted: Array
    observed: Array
    lower: Array
    upper: Array


def calibration(fit: Model, data: Any, target: Any = None, *, bins: int = BINS, level: float = 0.95, ax: Any = None, **rows: Any) -> Any:
    """Draw what was observed against what was predicted, in bins of as many rows each, with intervals.

    A right model's dots lie on the diagonal, but for chance. Means for squared loss, counts, amounts and probabilities, a panel for each
    class of several. For quantiles the share of rows below their prediction, which should be the level in every bin. Intervals are
    Wilson's for shares and probabilities, the exact Poisson one for counts, Student's t otherwise. Every row is counted, however many.

    Parameters
    ----------
    fit : Fit
        The fit.
    data, target, **rows
        As for :func:`gradline.plot.residuals`.
    bins : int
        How many, at least 2.
    level : float
        Of the intervals, between 0 and 1.
    ax : Matplotlib Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    Matplotlib Axes
        An array of them for several panels.

    Raises
    ------
    ValueError
        For losses that aim at no mean and no quantile, fewer than two bins, and a level that is not between 0 and 1.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> axes = gl.plot.calibration(gl.fit(x, y), x, y, bins=5)
    """
    given = diagnosed(fit, data, target, rows)
    found = calibration_bins(given.diagnosis.rows.problem, fit.solution.coefficients, bins, level)
    shown = found[:MOST_PANELS]
    quantile = fit.loss_function.quantile_level
    names = fit.observed_names
    classes = fit.loss_function.target_kind == "class"
    axes = style.panels(ax, 1, len(shown), (4.8, 4.4) if len(shown) == 1 else (3.0 * len(shown), 3.2))
    for j, (panel, one) in enumerate(zip(axes[0], shown, strict=True)):
        color = style.look().data
        panel.errorbar(
            one.predicted,
            one.observed,
            np.maximum(np.stack([one.observed - one.lower, one.upper - one.observed]), 0.0),
            fmt="o",
            color=color,
            markersize=5.5,
            elinewidth=1.4,
            capsize=3,
            label="_observed",
            zorder=4,
        )
        name = names[0] if classes else names[j]
        if quantile is None:
            ends = np.array(style.tidy((float(one.predicted.min()), float(one.predicted.max()))))
            panel.plot(ends, ends, color=style.look().ink, linewidth=1.2, label="observed = predicted", zorder=3)
            what = f"mean {name}"
            if classes or fit.loss_function.target_kind == "label":
                number = j if classes else 1
                what = probability_of(fit, number)
            style.dress(panel, f"predicted {what}", "observed share" if "P(" in what else f"observed {what}")
        else:
            panel.axhline(quantile, color=style.look().ink, linewidth=1.2, label=f"level {quantile:g}", zorder=3)
            style.dress(panel, f"predicted {quantile:g} quantile of {name}", "share of rows not above it")
            # Room for the legend above the dots.
            low, high = panel.get_ylim()
            panel.set_ylim(low, high + 0.18 * (high - low))
        # Beside others the last panel has room for the remark only.
        style.heading(panel, "Calibration" if j == 0 else "")
        style.legend(panel, "upper left")
    fewest, most = (int(find(one.counts)) for one in shown[-1:] for find in (np.min, np.max))
    remarks = [f"{fewest:,} to {most:,} rows per dot" if fewest < most else f"{most:,} rows per dot", f"{100 * level:.3g}% intervals"]
    if len(shown) < len(found):
        remarks.append(f"first {len(shown)} of {len(found)}")
    style.note(axes[0, -1], ", ".join(remarks))
    return style.result(axes)


def probability_of(fit: Model, number: int) -> str:
    """What a probability is of, such as "P(species = Gentoo)", or "P(sex == 'male')" of a condition that holds."""
    name, names = fit.observed_names[0], fit.class_names
    if number == 1 and not names and name.startswith("I(") and name.endswith(")"):
        return f"P({name[2:-1]})"
    return f"P({name} = {names[number] if number < len(names) else number})"


def calibration_bins(problem: Problem, coefficients: Array, bins: int = BINS, level: float = 0.95) -> list[Bins]:
    """The bins of each output. Two passes at most, in bounded memory. Raises as ``calibration`` does."""
    loss: Loss = problem.loss
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 2:
        raise ArgumentError(f"bins must be a whole number from 2 up, not {bins!r}")
    check_level(level)
    quantile = loss.quantile_level
    if quantile is None and loss.aims_at != "mean" and loss.squared_scale() is None:
        raise ArgumentError(
            f"the loss {loss.name!r} aims neither at the mean nor at a quantile, so there is nothing observed to hold a prediction against;"
            " gl.plot.residuals draws a trend that uses the loss itself"
        )
    sample = problem.sample(min(SAMPLE, problem.rows.n_rows))
    predicted = _outputs(loss, sample.rows.map(_PredictorsKernel(coefficients)))
    edges = [np.unique(np.quantile(column, np.arange(1, bins) / bins)) for column in predicted.T]
    sums = problem.rows.reduce(_BinKernel(loss, coefficients, tuple(edges), quantile))
    return [_finish(part, loss, quantile, level, sums.weighted) for part in sums.parts]


class _Sums(NamedTuple):
    """weighted: whether any row has a precision weight. parts: for each output, (6, b): rows, and sums of f w, f w p, f w y, f r and f r^2
    with r the residual times the root of w."""

    weighted: bool
    parts: tuple[Array, ...]


@dataclass(frozen=True)
class _PredictorsKernel:
    """The linear predictors of every row."""

    coefficients: Array

    def map(self, block: Block) -> Array:
        return block.linear_predictors(self.coefficients)


@dataclass(frozen=True)
class _BinKernel(Kernel[_Sums]):
    loss: Loss
    coefficients: Array
    edges: tuple[Array, ...]
    quantile: float | None

    def map(self, block: Block) -> _Sums:
        counts = block.row_counts
        used = np.flatnonzero(counts)
        counts = counts[used]
        weights = block.precision[used]
        predicted = _outputs(self.loss, block.linear_predictors(self.coefficients)[used])
        targets = self.loss.observed(block.targets[used])
        if self.loss.target_kind == "class":
            targets = (targets == np.arange(predicted.shape[1])).astype(np.float64)
        elif self.quantile is not None:
            targets = (targets <= predicted).astype(np.float64)
        parts = []
        for j, edges in enumerate(self.edges):
            place, size = np.searchsorted(edges, predicted[:, j], side="left"), len(edges) + 1
            residual = np.sqrt(weights) * (targets[:, j] - (predicted[:, j] if self.quantile is None else self.quantile))
            columns = (
                counts,
                counts * weights,
                counts * weights * predicted[:, j],
                counts * weights * targets[:, j],
                counts * np.sqrt(weights) * residual,
                counts * np.square(residual),
            )
            parts.append(np.stack([np.bincount(place, column, size) for column in columns]).astype(np.float64))
        return _Sums(bool((weights != 1).any()), tuple(parts))

    def merge(self, first: _Sums, second: _Sums) -> _Sums:
        return _Sums(first.weighted or second.weighted, tuple(a + b for a, b in zip(first.parts, second.parts, strict=True)))


def _finish(part: Array, loss: Loss, quantile: float | None, level: float, weighted: bool) -> Bins:
    part = part[:, part[0] > 0]
    counts, weight, predicted, observed, total, squares = part
    predicted, observed, shift = predicted / weight, observed / weight, total / weight
    z = float(ndtri(0.5 + 0.5 * level))
    if not weighted and (quantile is not None or loss.target_kind != "number"):
        lower, upper = wilson(observed, counts, z)
    elif not weighted and loss.is_equidispersed:
        # Garwood (1936), Biometrika 28: the mean counts whose tails hold no less than what was counted.
        tail = 0.5 * (1.0 - level)
        events = observed * counts
        lower = np.where(events > 0, gammaincinv(np.maximum(events, 1e-300), tail), 0.0) / counts
        upper = gammaincinv(events + 1.0, 1.0 - tail) / counts
    else:
        # Of the residuals, so that the spread of predictions within a bin is not taken for noise.
        spare = np.maximum(counts - 1.0, 1.0)
        variance = np.maximum(squares - weight * np.square(shift), 0.0) / spare
        reach = np.where(counts > 1, stdtrit(spare, 0.5 + 0.5 * level) * np.sqrt(variance / weight), np.inf)
        lower, upper = observed - reach, observed + reach
    return Bins(counts, predicted, observed, lower, upper)


def wilson(share: Array, counts: Array, z: float) -> tuple[Array, Array]:
    """The interval of a share of so many rows. Wilson (1927), JASA 22."""
    middle = (share + z**2 / (2.0 * counts)) / (1.0 + z**2 / counts)
    reach = z / (1.0 + z**2 / counts) * np.sqrt(share * (1.0 - share) / counts + z**2 / (4.0 * counts**2))
    return middle - reach, middle + reach


def _outputs(loss: Loss, predictors: Array) -> Array:
    return np.asarray(loss.predict(predictors), dtype=np.float64).reshape(len(predictors), -1)
