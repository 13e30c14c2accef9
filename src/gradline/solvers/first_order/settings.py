"""What the solvers that train step by step have in common: their options, checked once, and which problems they refuse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.errors import SolverError
from gradline.base.types import Array
from gradline.base.words import Options
from gradline.objective.objective import Problem
from gradline.schedules.decays import Schedule
from gradline.solvers.first_order.callbacks import check_callbacks
from gradline.solvers.refusing import moves_every_coefficient, needs_joint_rows_in_memory, smooth_and_free, writes_codes_out

STEPS = 1000
"""Unless steps or epochs are given."""


@dataclass(frozen=True, kw_only=True)
class Training(Options):
    """Options of every solver that trains step by step. The solvers' own docstrings say what each is."""

    epochs: int | None = None
    batch_size: int | None = None
    shuffle: bool = True
    start: Array | Sequence[float] | None = None
    seed: int | None = None
    callbacks: Sequence[Any] = ()
    record_every: int | None = None
    validation: float | Array | Sequence[int] | None = None
    patience: int | None = None
    min_delta: float = 0.0

    def refuses(self, problem: Problem) -> str | None:
        """Coefficients that are not free, codes of very many levels, a penalty that is not smooth, constraints; with mini-batches, a joint
        scalar and rows read anew at each pass; with a validation part, the latter."""
        rows = problem.rows
        if not rows.resident:
            size = f"{rows.source_name} is too large to be held in memory ({rows.n_rows:,} rows x {rows.n_columns:,} columns)"
            if self.validation is not None:
                return f"validation={self.validation!r} takes rows out, but {size}; fit one file and judge on another"
            if self.batch_size not in (None, rows.n_rows):
                return f"mini-batches draw rows at random, but {size}; leave batch_size out, which takes all rows at each step"
        if problem.joint and self.batch_size not in (None, rows.n_rows):
            return f"mini-batches need a loss of one row; {problem.joint_message}"
        reason = moves_every_coefficient(self, problem) or writes_codes_out(self, problem)  # type: ignore[arg-type]
        return reason or needs_joint_rows_in_memory(problem) or smooth_and_free(self, problem)  # type: ignore[arg-type]


def check_training(settings: Training, steps: int) -> None:
    """Raises ValueError or TypeError for options that cannot be used, alone or together."""
    check_count("steps", steps)
    for name in ("epochs", "batch_size", "record_every", "patience"):
        if getattr(settings, name) is not None:
            check_count(name, getattr(settings, name))
    if settings.epochs is not None:
        if settings.batch_size is None:
            raise SolverError(
                f"epochs={settings.epochs} needs batch_size=: an epoch is one pass over the rows, a batch at a time. Give one, such as"
                f" batch_size=32; with all rows in each step an epoch is one step, so write steps={settings.epochs}"
            )
        if steps != STEPS:
            raise SolverError(f"give steps={steps} or epochs={settings.epochs}, not both: each says when to stop")
    if settings.seed is not None and not (isinstance(settings.seed, int | np.integer) and settings.seed >= 0):
        raise SolverError(f"seed must be a whole number of at least 0, or None, not {settings.seed!r}")
    check_callbacks(settings.callbacks)
    if settings.patience is not None and settings.validation is None:
        raise SolverError(f"patience={settings.patience} needs rows that are held out to be judged on; give validation=0.2 too")
    if not (is_number(settings.min_delta) and math.isfinite(settings.min_delta) and settings.min_delta >= 0):
        raise SolverError(f"min_delta must be a number of at least 0, not {settings.min_delta!r}")
    if settings.min_delta and settings.patience is None:
        raise SolverError(f"min_delta={settings.min_delta:g} is how far the loss must fall within patience=; give patience too")
    if isinstance(settings.validation, float | int) and not (is_number(settings.validation) and 0 < settings.validation < 1):
        raise SolverError(f"validation must be a share of the rows above 0 and below 1, such as 0.2, not {settings.validation!r}")


def batch_of(settings: Training, n_rows: int) -> int | None:
    """Rows in a mini-batch, None where each step takes all rows. Raises ValueError for more than there are."""
    if settings.batch_size is None or settings.batch_size == n_rows:
        return None
    if settings.batch_size > n_rows:
        which = f"the {n_rows} rows there are" if settings.validation is None else f"the {n_rows} rows left to train on"
        raise SolverError(f"batch_size={settings.batch_size} is more than {which}; give at most {n_rows}, or None for all rows")
    return settings.batch_size


def check_rate(rate: object, *, auto: bool) -> None:
    """Raises ValueError for a learning rate that is no positive number and no function of the step. auto: whether "auto" is one."""
    if callable(rate) or (auto and isinstance(rate, str) and rate == "auto"):
        return
    if not (isinstance(rate, int | float | np.integer | np.floating) and is_number(rate) and math.isfinite(rate) and rate > 0):
        known = 'a positive number or "auto"' if auto else "a positive number"
        raise SolverError(
            f"learning_rate must be {known}, not {rate!r}; a schedule is gl.schedules.cosine(...) or any function of the step"
        )


def as_schedule(rate: float | Schedule) -> Schedule:
    """The rate as a function of the step."""
    if callable(rate):
        return rate
    fixed = float(rate)
    return lambda step: fixed


def is_number(value: Any) -> bool:
    """Whether it is a number and no truth value."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_count(name: str, value: object) -> None:
    """Raises ValueError for anything but a whole number of at least 1."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise SolverError(f"{name} must be a whole number of at least 1, not {value!r}")
