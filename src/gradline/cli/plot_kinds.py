"""What ``gradline plot --kind`` draws, and why a kind does not apply to a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradline.api.result import Fit
    from gradline.tables.table import Table

KINDS = ("fit", "effects", "residuals", "calibration", "roc", "path")

WITH_LEVEL = ("fit", "effects", "calibration")

ALONG = 25
"""Values along a column of numbers at which effects are predicted."""


@dataclass(frozen=True)
class Asked:
    """The options as they were given, None where one was not."""

    kind: str
    level: float | None
    interval: str | None
    of: str | None

    @property
    def share(self) -> float:
        """The level of bands and intervals."""
        return 0.95 if self.level is None else self.level


def check_asked(asked: Asked) -> None:
    """Raises BadParameter for options that do not go together."""
    from gradline.cli.options import usage

    if asked.level is not None:
        if asked.kind not in WITH_LEVEL:
            raise usage(f"--kind {asked.kind} has no intervals; --level goes with --kind {', '.join(WITH_LEVEL[:-1])} or {WITH_LEVEL[-1]}")
        if not 0.0 < asked.level < 1.0:
            raise usage(f"--level must be between 0 and 1, such as 0.95, not {asked.level:g}")
    if asked.interval is not None:
        if asked.kind != "fit":
            raise usage("--interval goes with --kind fit")
        if asked.interval not in ("confidence", "prediction", "none"):
            raise usage(f"--interval must be confidence, prediction or none, not {asked.interval!r}")
    if asked.of is not None and asked.kind != "effects":
        raise usage("--of goes with --kind effects")


def draw(fitted: Fit, table: Table, asked: Asked) -> Any:
    """The Axes of a picture over rows. Raises ValueError where the kind does not apply, with what to ask for instead."""
    from gradline import plot

    if asked.kind == "fit":
        interval: Any = "auto" if asked.interval is None else None if asked.interval == "none" else asked.interval
        return plot.fit(fitted, table, interval=interval, level=asked.share)
    if asked.kind == "residuals":
        return plot.residuals(fitted, table)
    if asked.kind == "calibration":
        _check_calibration(fitted)
        return plot.calibration(fitted, table, level=asked.share)
    if asked.kind == "roc":
        _check_roc(fitted)
        return plot.roc(fitted.classification(table))
    return plot.effects(_effects(fitted, table, asked))


def draw_path(model: Path) -> Any:
    """The Axes of a path: of a file of gradline path, or of a model that was chosen along one."""
    from gradline import plot
    from gradline.api.loading import load
    from gradline.api.path import Path as FittedPath
    from gradline.base.errors import ArgumentError, GradlineError
    from gradline.model.path import path_of

    try:
        return FittedPath.load(model).plot()
    except GradlineError as error:
        try:
            fitted = load(model)
        except GradlineError:
            raise error from None
    found = path_of(fitted)
    if found is None:
        raise ArgumentError(
            f"{str(model)!r} was not chosen along a path, so it has none to draw: make one with gradline path --path-out, or ask for"
            " --kind fit"
        )
    return plot.path(found)


def _check_calibration(fitted: Fit) -> None:
    from gradline.base.errors import ArgumentError

    loss = fitted.loss_function
    if loss.quantile_level is None and loss.aims_at != "mean" and loss.squared_scale() is None:
        raise ArgumentError(
            f"calibration holds means, shares and quantiles against what was predicted, and the loss {loss.name!r} aims at none: ask"
            " for --kind residuals"
        )


def _check_roc(fitted: Fit) -> None:
    from gradline.base.errors import ArgumentError

    loss = fitted.loss_function
    if loss.target_kind not in ("label", "class"):
        raise ArgumentError(
            f"a ROC curve is of classes, and the loss {loss.name!r} predicts numbers: ask for --kind calibration or --kind residuals"
        )
    if not loss.is_likelihood:
        raise ArgumentError(
            f"a ROC curve here is of probabilities, and the loss {loss.name!r} gives none: ask for --kind fit, or fit with --loss logistic"
        )


def _effects(fitted: Fit, table: Table, asked: Asked) -> Any:
    from gradline.base.errors import ArgumentError

    if asked.of is None:
        return fitted.effects(data=table, level=asked.share)
    encoder = fitted.encoder
    columns = list(fitted.names[int(fitted.has_intercept) :]) if encoder is None else list(encoder.feature_columns)
    if asked.of not in columns:
        raise ArgumentError(f"the model does not read a column {asked.of!r}, so it has no effect of it: ask for --of {', '.join(columns)}")
    if encoder is not None and encoder.kinds[asked.of] != "number":
        return fitted.predictions(at={asked.of: "all"}, data=table, level=asked.share)
    return fitted.predictions(at={asked.of: _along(table, asked.of)}, data=table, level=asked.share)


def _along(table: Table, column: str) -> list[float]:
    """Values from the least to the largest that a sample of rows has; the values themselves where they are few."""
    import numpy as np

    found = np.array(table.sample(5000, 0, [column]).column(column).to_pylist(), dtype=np.float64)
    values = np.unique(found[np.isfinite(found)])
    return [float(value) for value in (values if len(values) <= ALONG else np.linspace(values[0], values[-1], ALONG))]
