"""Sums that can be kept: the second moments of a table's columns, from which any least-squares sub-model follows without the rows.

    january = gl.Moments(frame)
    year = january + gl.Moments(february_frame)
    year.fit("sales ~ price + season")
    year.save("year.json")

They add up across days, sites and people who may not share rows. A file holds sums over rows and never a row; with very few rows, or
sums that differ by one row, a row can be worked out from them, so share sums of many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradline.base.errors import ArgumentError
from gradline.base.types import Array
from gradline.constraints.specs import as_spec
from gradline.moments.columns import NO_COLUMNS, SideBySide, checked, finite, moments_on, named_columns, row_numbers, sum_rows
from gradline.moments.file import read_moments, write_moments
from gradline.moments.least_squares import fit_moments, parse_formula, places_of
from gradline.moments.moments_fit import MomentsFit
from gradline.penalties.arguments import meets_columns_later
from gradline.penalties.kinds import ridge_strength
from gradline.rows.array_checks import as_array
from gradline.rows.labels import check_same_labels, of_arguments
from gradline.solvers.least_squares.second_moments import SecondMoments

if TYPE_CHECKING:
    from gradline.cluster.cluster import Cluster


class DesignOfSums(NamedTuple):
    """features: the columns of a model, whose sums come first; target: whose come last. intercept: whether it has one."""

    features: tuple[str, ...]
    target: str
    intercept: bool
    sums: SecondMoments


class Moments:
    """Weighted count, means and second moments of the named columns of a table. Immutable.

    Built in one pass on all cores, without a copy of the data. Moments of the same columns add up, also with ``sum()``.

    Parameters
    ----------
    data : mapping or data frame
        From names to 1-D arrays, a data frame (pandas, polars, Arrow), or what else ``gl.fit`` reads: a path, an open file, a relation.
        Its columns of numbers are taken, which must be finite, and held in memory. Others are left out; a fit that names one says why.
    columns : sequence of str, optional
        The columns to take. All that hold numbers unless given.
    weights, frequencies : array or str, optional
        Precision weights, and how often each row counts. Arrays, or names of columns, which are then no columns of the moments. A row of
        weight zero may hold anything.
    threads : int, optional
        How many to use. All cores unless given; the result is the same.
    cluster : Cluster, optional
        Of a table of Parquet files: the processes that read its rows, so that none is held here. The sums are those of one machine but for
        their last digits.

    Raises
    ------
    ValueError
        Naming the column (or weight) that is not finite, of another length or negative, and for pandas objects whose indexes
        disagree.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> monday = gl.Moments({"x": x[:500], "y": y[:500]})
    >>> week = monday + gl.Moments({"x": x[500:], "y": y[500:]})
    >>> week.n, week.names
    (1000, ('x', 'y'))
    """

    def __init__(
        self,
        data: Mapping[str, Any] | Any,
        *,
        columns: Sequence[str] | None = None,
        weights: str | Sequence[float] | Array | None = None,
        frequencies: str | Sequence[float] | Array | None = None,
        threads: int | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        if cluster is not None:
            names, sums, left_out = moments_on(cluster, data, columns, weights, frequencies)
            self._take(names, sums, left_out)
            return
        with_weights = [name for name in (weights, frequencies) if isinstance(name, str)]
        if isinstance(columns, str):
            raise ArgumentError(f"columns= takes a list of names, as in columns=[{columns!r}]")
        found = named_columns(data, None if columns is None else [*columns, *with_weights])
        row_weights = row_numbers(found, weights, "weights")
        counts = row_numbers(found, frequencies, "frequencies")
        numbers = {name: column for name, column in found.numbers.items() if name not in with_weights}
        if not numbers:
            reason = next(iter(found.left_out.values()), "give a mapping from names to arrays, a data frame or a file")
            raise ArgumentError(f"no columns: {reason}")
        table = SideBySide(numbers)  # raises for columns of different lengths
        check_same_labels([*found.labelled, *of_arguments(weights=weights, frequencies=frequencies)])
        whole = {name: finite(column, f"column {name!r}", row_weights, counts) for name, column in numbers.items()}
        sums = sum_rows(SideBySide(whole), np.empty((table.shape[0], 0)), row_weights, counts, threads)
        self._take(tuple(numbers), sums, found.left_out)

    @classmethod
    def from_arrays(
        cls,
        X: np.ndarray[Any, Any],
        y: np.ndarray[Any, Any] | None = None,
        *,
        names: Sequence[str] | None = None,
        weights: Sequence[float] | Array | None = None,
        frequencies: Sequence[float] | Array | None = None,
        threads: int | None = None,
    ) -> Moments:
        """Moments of an array, and optionally of targets.

        Parameters
        ----------
        X : array (n, p)
            The columns.
        y : array (n,) or (n, q), optional
            The target, named y, or targets, named y1, y2, ...
        names : sequence of str, optional
            p names for the columns of X: x1, x2, ... unless given.
        weights, frequencies, threads
            As for the class, arrays only.

        Returns
        -------
        Moments

        Raises
        ------
        ValueError
            For shapes that do not go together, two columns of one name, and what the class refuses.

        Examples
        --------
        >>> import gradline as gl
        >>> gl.Moments.from_arrays([[1.0], [2.0], [4.0]], [1.0, 2.0, 6.0]).means["y"]
        3.0
        """
        values = as_array(X, "X")
        if values.ndim != 2:
            raise ArgumentError(f"X has {values.ndim} dimensions: give a table of rows by columns")
        labels = [f"x{j + 1}" for j in range(values.shape[1])] if names is None else list(names)
        if len(labels) != values.shape[1]:
            raise ArgumentError(f"{len(labels)} names for {values.shape[1]} columns of X")
        targets = np.empty((len(values), 0)) if y is None else as_array(y, "y")
        targets = targets[:, None] if targets.ndim == 1 else targets
        if targets.ndim != 2 or len(targets) != len(values):
            raise ArgumentError(
                f"y has shape {targets.shape}, but X has {len(values)} rows: give one target per row, or a column for each target"
            )
        labels += ["y"] if targets.shape[1] == 1 else [f"y{j + 1}" for j in range(targets.shape[1])]
        for j, label in enumerate(labels):
            if label in labels[:j]:
                raise ArgumentError(f"two columns are named {label!r}")
        row_weights, counts = row_numbers(NO_COLUMNS, weights, "weights"), row_numbers(NO_COLUMNS, frequencies, "frequencies")
        check_same_labels(of_arguments(X=X, y=y, weights=weights, frequencies=frequencies))
        values, targets = (
            checked(table, labels[first:], row_weights, counts) for table, first in ((values, 0), (targets, values.shape[1]))
        )
        moments = cls.__new__(cls)
        moments._take(tuple(labels), sum_rows(values, targets, row_weights, counts, threads))
        return moments

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return self._names

    @property
    def n(self) -> int:
        """Rows of positive weight, counted as often as their frequency says."""
        return round(self._sums.count)

    @property
    def weight(self) -> float:
        """The sum of weights times frequencies."""
        return self._sums.weight

    @property
    def means(self) -> dict[str, float]:
        """The weighted mean of each column."""
        return dict(zip(self._names, self._sums.means.tolist(), strict=True))

    @property
    def covariance(self) -> Array:
        """The weighted covariance of the columns, (M, M): second moments about the means over the sum of the weights."""
        sums = self._sums
        inner = sums.centred() / sums.weight
        return np.asarray(np.ldexp(inner, sums.exponents[:, None] + sums.exponents[None, :]))

    def __add__(self, other: Moments) -> Moments:
        """The moments of both sets of rows. Raises ValueError naming the columns in which they differ."""
        return self._merged(other, 1)

    def __radd__(self, other: Any) -> Moments:
        """Nothing and these rows: ``sum()`` of a list of moments begins with 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: Moments) -> Moments:
        """The moments with the other's rows taken away, which must be among these.

        What is left carries the rounding of what was taken: remove a small part of a large sum, not the other way round.
        """
        return self._merged(other, -1)

    def fit(
        self,
        formula: str | None = None,
        *,
        target: str | None = None,
        features: Sequence[str] | None = None,
        intercept: bool = True,
        penalty: Any = None,
        constraints: Any = None,
    ) -> MomentsFit:
        """Least squares of any column on any others, without the rows, in the time of a p by p Cholesky factorisation.

        Parameters
        ----------
        formula : str, optional
            ``"y ~ x1 + x2"``: plain names joined by +, with ``- 1`` or ``+ 0`` for no intercept, ``"y ~ ."`` for all others and
            ``"y ~ . - x1"`` for all of them but one. A name that is not a word goes in backticks.
        target : str, optional
            The column to fit, instead of a formula.
        features : sequence of str, optional
            With target: the columns to fit it on, all others unless given.
        intercept : bool
            With target: whether there is an intercept.
        penalty : float or penalty, optional
            A ridge, or its strength s: mean loss + s / 2 sum b^2, the intercept not penalised. Or a penalty of ``gl.penalties`` with
            kinks, such as a lasso, with its strength: the fit then has no standard errors, and says in ``gap`` how far it can be above
            the best objective. ``gl.path`` tries many strengths.
        constraints : str, constraints of ``gl.constraints``, or a list of these, optional
            What the coefficients must satisfy, as for :func:`gradline.fit`.

        Returns
        -------
        MomentsFit
            Coefficients, standard errors and fit measures.

        Raises
        ------
        ValueError
            For a formula that cannot be read, columns that are not there, penalties whose strength is left to the data or that are not
            quadratic but for their kinks, and within constraints one whose kinks are not those of absolute values, as a group lasso's.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1, noise=0)
        >>> gl.Moments({"x": x, "y": y}).fit("y ~ x").coefficients.round(6)
        array([-5.,  6.])
        """
        target, labels, intercept = self._columns(formula, target, features, intercept)
        spec = None if constraints is None else as_spec(constraints)
        unbound = meets_columns_later(penalty)
        if unbound is not None:
            from gradline.moments.penalised import penalised

            return penalised(self._sums, self._names, target, labels, intercept, unbound, spec)
        strength = _ridge_strength(penalty)
        plain = fit_moments(self._sums, self._names, target, labels, intercept, strength)
        if spec is None:
            return plain
        from gradline.moments.constrained import within_constraints

        return within_constraints(plain, self._sums, [self._names.index(name) for name in (*labels, target)], strength, spec)

    def save(self, path: str | Path) -> None:
        """Write one small JSON file, whole or not at all.

        Parameters
        ----------
        path : path
            Where to write it, for ``gl.Moments.load``.

        Raises
        ------
        OSError
            Where the file cannot be written.

        Examples
        --------
        >>> import gradline as gl
        >>> import pathlib, tempfile
        >>> x, y = gl.datasets.line(seed=1)
        >>> sums = gl.Moments({"x": x, "y": y})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "sums.json"
        ...     sums.save(path)
        ...     same = gl.Moments.load(path)
        >>> same.fit("y ~ x").coefficients.round(2)
        array([-4.97,  6.04])
        """
        write_moments(Path(path), self._names, self._sums)

    @classmethod
    def load(cls, path: str | Path) -> Moments:
        """Read what ``save`` wrote.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        Moments

        Raises
        ------
        ValueError
            Where the file is cut short, edited, of another kind or from a later version.
        OSError
            Where it cannot be read.

        Examples
        --------
        >>> import gradline as gl
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "moments.json"
        >>> gl.Moments({"x": [1.0, 2.0], "y": [3.0, 5.0]}).save(path)
        >>> gl.Moments.load(path).means
        {'x': 1.5, 'y': 4.0}
        """
        moments = cls.__new__(cls)
        moments._take(*read_moments(Path(path)))
        return moments

    def design(
        self, formula: str | None = None, *, target: str | None = None, features: Sequence[str] | None = None, intercept: bool = True
    ) -> DesignOfSums:
        """The sums of one model's columns, its target last: what ``gl.path`` takes of moments.

        Parameters
        ----------
        formula, target, features, intercept
            As for ``fit``.

        Returns
        -------
        DesignOfSums
            features, target, intercept and sums.

        Raises
        ------
        ValueError
            As ``fit`` does.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> gl.Moments({"x": x, "y": y}).design("y ~ x").features
        ('x',)
        """
        target, labels, intercept = self._columns(formula, target, features, intercept)
        places = places_of(self._names, target, labels)
        return DesignOfSums(tuple(labels), target, intercept, self._sums.select(np.array(places, dtype=np.int64)))

    def _columns(
        self, formula: str | None, target: str | None, features: Sequence[str] | None, intercept: bool
    ) -> tuple[str, list[str], bool]:
        """(target, features, intercept) that a formula or names ask for."""
        if (formula is None) == (target is None):
            raise ArgumentError('give either a formula, such as "y ~ x1 + x2", or target= and features=')
        if formula is not None:
            if features is not None or not intercept:
                raise ArgumentError('features= and intercept= go with target=; in a formula write them: "y ~ x1 + x2 - 1"')
            target, features, intercept = parse_formula(formula, (*self._names, *self._left_out))
            if re.search(r"[~+]\s*\.\s*([-+]|$)", formula):
                self._refuse_all_others(features)
        assert target is not None
        if features is None:
            features = [name for name in self._names if name != target]
            self._refuse_all_others(self._left_out)
        for name in (target, *features):
            if name in self._left_out:
                raise ArgumentError(f"{name!r} is not in the moments: {self._left_out[name]}")
        return target, list(features), intercept

    def __repr__(self) -> str:
        shown = ", ".join(self._names[:6]) + (", ..." if len(self._names) > 6 else "")
        return f"Moments({self.n:,} rows, {len(self._names)} columns: {shown})"

    def _take(self, names: tuple[str, ...], sums: SecondMoments, left_out: Mapping[str, str] | None = None) -> None:
        self._names, self._sums, self._left_out = names, sums, dict(left_out or {})

    def _refuse_all_others(self, meant: Iterable[str]) -> None:
        """Raises ValueError where "all other columns" would not be all that are meant."""
        for name, reason in ((name, self._left_out[name]) for name in meant if name in self._left_out):
            raise ArgumentError(
                f"all other columns would leave out {name!r} ({reason}); name the features, or the columns at the start:"
                f" gl.Moments(data, columns={list(self._names[:6])!r})"
            )

    def _merged(self, other: Moments, sign: int) -> Moments:
        if not isinstance(other, Moments):
            return NotImplemented
        mine, theirs = set(self._names), set(other._names)
        if mine != theirs:
            parts = [
                f"only the {which} has {', '.join(sorted(extra))}"
                for which, extra in (("first", mine - theirs), ("second", theirs - mine))
                if extra
            ]
            raise ArgumentError(f"moments of different columns cannot be merged: {'; '.join(parts)}")
        order = np.array([other._names.index(name) for name in self._names])
        sums = other._sums.select(order)
        if sign < 0 and not (sums.count <= self._sums.count and sums.weight <= self._sums.weight * (1 + 1e-9)):
            raise ArgumentError(f"{other.n:,} rows cannot be taken away from {self.n:,}: the second must be part of the first")
        result = Moments.__new__(Moments)
        result._take(self._names, self._sums + sums if sign > 0 else self._sums - sums, self._left_out | other._left_out)
        return result


def _ridge_strength(penalty: Any) -> float:
    """The strength of a ridge given as None, a number or a penalty. Raises ValueError for anything else."""
    is_number = isinstance(penalty, int | float | np.number) and not isinstance(penalty, bool)
    strength = penalty if is_number else ridge_strength(penalty)
    if strength is None:
        raise ArgumentError(f"moments can fit a ridge, or a penalty with kinks such as a lasso, not {penalty!r}")
    if not (np.isfinite(strength) and strength >= 0):
        raise ArgumentError(f"a ridge strength is a finite number from 0 up, not {strength!r}")
    return float(strength)
