"""path(): the fits of many strengths of a penalty, and what chooses between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from gradline.api.result import Fit
from gradline.base.errors import ArgumentTypeError
from gradline.base.numbers import counted
from gradline.base.types import Array, IntArray
from gradline.fitting.along import FOLDS
from gradline.fitting.path import PathRequest, run_path
from gradline.fitting.path_of_sums import moments_given, run_path_of_sums
from gradline.fitting.request import FitRequest, unknown_keyword
from gradline.losses.arguments import LossArgument
from gradline.model.path import PathRecord
from gradline.penalties.kinked_penalty import UnboundPenalty
from gradline.penalties.lasso import lasso

if TYPE_CHECKING:
    from gradline.cluster.cluster import Cluster


class Path(PathRecord):
    """A path, as :func:`gradline.path` returns it: one fit for each strength of a penalty, from the strongest down. It holds no rows.

    Examples
    --------
    >>> import gradline as gl
    >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
    >>> path = gl.path(X, y, strengths=20, choose="folds")
    >>> len(path.strengths), path.coefficients.shape
    (20, (20, 4, 1))
    >>> fit = path.fit(path.within_one_error)
    >>> int((fit.slopes != 0).sum())
    3
    """

    @classmethod
    def of(cls, record: PathRecord) -> Self:
        """The same record, with the conveniences of a Path."""
        return cls(**{field.name: getattr(record, field.name) for field in fields(record)})

    @property
    def names(self) -> tuple[str, ...]:
        """The design columns, the intercept first where there is one."""
        return self.template.names

    @property
    def best(self) -> float:
        """The strength of least held-out loss. Raises ValueError where nothing was held out."""
        return float(self.strengths[self.best_place])

    @property
    def within_one_error(self) -> float:
        """The largest strength whose held-out loss is within one standard error of the least: the simplest model that is as good, as far as
        the folds can tell (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). Raises ValueError as ``best``."""
        return float(self.strengths[self.within_one_error_place])

    def fit(self, strength: float | None = None) -> Fit:
        """The fit of one strength.

        Parameters
        ----------
        strength : float, optional
            One of ``strengths``. The best unless given.

        Returns
        -------
        Fit
            Without standard errors.

        Raises
        ------
        ValueError
            For a strength that is not on the path, and where none is given and nothing was held out.

        Examples
        --------
        >>> import gradline as gl
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(200, 5))
        >>> path = gl.path(X, X[:, 0] + np.random.default_rng(1).normal(size=200), choose="folds")
        >>> path.fit().penalty.name
        'lasso'
        """
        return Fit.of(self.model(self.best_place if strength is None else self.place_of(strength)))

    def table(self) -> dict[str, Array | IntArray]:
        """A row for each strength, as columns: what ``pandas.DataFrame`` or ``pyarrow.table`` takes.

        Returns
        -------
        dict
            strength, nonzero, loss, gap, and where rows were held out held_out and error.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> list(gl.path(x, y, strengths=5).table())
        ['strength', 'nonzero', 'loss', 'gap']
        """
        found: dict[str, Array | IntArray] = {
            "strength": self.strengths,
            "nonzero": self.nonzero,
            "loss": self.losses,
            "gap": self.gaps,
        }
        if self.held_out is not None:
            found |= {"held_out": self.held_out.mean, "error": self.held_out.error}
        return found

    def plot(self, *, ax: Any = None, **options: Any) -> Any:
        """Draw the path: see :func:`gradline.plot.path`.

        Parameters
        ----------
        ax, **options
            As for ``gl.plot.path``.

        Returns
        -------
        Matplotlib Axes

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> ax = gl.path(x, y, strengths=5).plot()
        """
        from gradline.plot.paths import path

        return path(self, ax=ax, **options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the path to a JSON file, whole or not at all: no rows, no code that runs.

        Parameters
        ----------
        path : path
            Where to write it, for ``gl.load``.

        Raises
        ------
        OSError
            Where the file cannot be written; the old file is then as it was.

        Examples
        --------
        >>> import gradline as gl, pathlib, tempfile
        >>> found = gl.path(*gl.datasets.line(seed=1), strengths=5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found.save(pathlib.Path(folder) / "path.json")
        ...     same = gl.load(pathlib.Path(folder) / "path.json")
        >>> bool((same.coefficients == found.coefficients).all())
        True
        """
        from gradline.files import save_path

        save_path(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, loss: Any = None, prediction: Callable[[Any], Any] | None = None) -> Self:
        """Read a path that ``save`` wrote.

        Parameters
        ----------
        path : path
            The file.
        loss, prediction : functions, optional
            As for ``gl.load``.

        Returns
        -------
        Path

        Raises
        ------
        OSError, ValueError
            As ``gl.load`` does.

        Examples
        --------
        >>> import gradline as gl
        >>> import pathlib, tempfile
        >>> X, y = gl.datasets.plane(n_outputs=1, seed=1)
        >>> path = gl.path(X, y, strengths=5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "path.json"
        ...     path.save(file)
        ...     same = gl.Path.load(file)
        >>> bool((same.coefficients == path.coefficients).all())
        True
        """
        from gradline.files import load_path

        return cls.of(load_path(path, loss=loss, prediction=prediction))

    def __repr__(self) -> str:
        first, last = self.nonzero[0], self.nonzero[-1]
        chosen = "" if self.held_out is None else f", best {self.best:.6g}, within one error {self.within_one_error:.6g}"
        if chosen and self.best_place == len(self.strengths) - 1 and self.best > 0:
            chosen += "; the best is the smallest tried, and smaller ones may be better: give strengths="
        span = f"{counted(len(self.strengths), 'strength')} from {self.strengths[0]:.6g} to {self.strengths[-1]:.6g}"
        return f"Path({span}, {first} to {last} slopes{chosen})"


def path(
    formula_or_X: Any = None,
    data_or_y: Any = None,
    /,
    *more: Any,
    penalty: UnboundPenalty | None = None,
    strengths: int | Sequence[float] | Array = 100,
    choose: Literal["folds", "blocks", "leave-one-out"] | None = None,
    folds: int = FOLDS,
    groups: Any = None,
    seed: int = 0,
    loss: LossArgument = "squared",
    prediction: Callable[[Any], Any] | None = None,
    backend: str | None = None,
    data: Any = None,
    target: Any = None,
    formula: str | Mapping[str, str] | None = None,
    features: Any = None,
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    intercept: Any = True,
    names: Sequence[str] | None = None,
    missing: Any = None,
    where: str | None = None,
    query: str | None = None,
    database: Any = None,
    cluster: Cluster | None = None,
    progress: bool | None = None,
    **unknown: Any,
) -> Path:
    """Fit many strengths of a penalty that sets slopes to zero, and see which predicts best.

    Called as ``gl.fit`` is: with a formula and a table, by names, or with arrays. For squared loss everything follows from one pass over
    the rows: sums of each fold, of which every training set is made by adding the others.

    Parameters
    ----------
    formula_or_X, data_or_y, data, target, formula, features
        As for ``gl.fit``. Squared loss takes ``gl.Moments`` as data, and needs no rows then; in a list of them each is a fold.
    penalty : penalty of ``gl.penalties`` without a strength, optional
        ``gl.penalties.lasso()`` unless given. Of a sum of penalties one leaves its strength to the path.
    strengths : int, or array-like of float, default 100
        How many, from the least that leaves no slope down to a ten-thousandth of it (a hundredth with more columns than rows), in equal
        ratios; or the strengths themselves.
    choose : "folds", "blocks" or "leave-one-out", optional
        Hold rows out, and record their loss: a fold of random rows at a time; a block of consecutive rows at a time, for rows in order of
        time; or each row by itself, which costs little more than the path. For losses other than squared, leave-one-out follows the fits
        without a row to their end on up to 1,000 rows, and takes one Newton step a row beyond.
    folds : int, default 10
        How many folds or blocks. Which fold a row is in follows from its number, so that it is the same on every machine.
    groups : str, or array-like (n,), optional
        The column of a table, or beside arrays a label for each row. Rows of one label are held out together, with ``choose="folds"``.
    seed : int
        Another gives other folds.
    loss, prediction, backend, weights, frequencies, offset, intercept, names : optional
        As for ``gl.fit``.
    missing, where, query, database, cluster, progress : optional
        As for ``gl.fit``.

    Returns
    -------
    Path
        strengths, coefficients, losses, gaps, and what was held out. ``breakpoints``: the strengths at which slopes enter and leave, for
        squared loss and a lasso; None for all else, where slopes are no straight lines of the strength.

    Raises
    ------
    TypeError, ValueError
        As ``gl.fit`` does; for a penalty with a strength of its own, more folds than rows or groups, and leave-one-out of a penalty
        that is not convex, a loss with kinks, or rows that are not in memory where the loss is not squared.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 8))
    >>> y = 2 * X[:, 0] - X[:, 3] + np.random.default_rng(1).normal(size=300)
    >>> found = gl.path(X, y, choose="folds")
    >>> [name for name, slope in zip(found.names, found.fit(found.within_one_error).coefficients) if slope and name != "Intercept"]
    ['x1', 'x4']
    """
    if unknown:
        raise ArgumentTypeError(unknown_keyword("path", unknown, path))
    sums = moments_given(data_or_y, data)
    if sums is not None:
        beside = {"weights": weights, "frequencies": frequencies, "offset": offset, "names": names, "missing": missing, "where": where}
        beside |= {"query": query, "database": database, "cluster": cluster, "groups": groups, "prediction": prediction, "backend": backend}
        beside |= {"loss": None if loss == "squared" else loss}
        chosen = lasso() if penalty is None else penalty
        asked = formula_or_X if formula is None else formula
        return Path.of(
            run_path_of_sums(sums, asked, target, features, intercept, chosen, strengths, choose, refused=beside, progress=progress)
        )
    positional = (formula_or_X, data_or_y, *more)
    given = positional[: max((i + 1 for i, value in enumerate(positional) if value is not None), default=0)]
    request = FitRequest.read(
        given,
        formula=formula,
        data=data,
        target=target,
        loss=loss,
        prediction=prediction,
        backend=backend,
        penalty=lasso() if penalty is None else penalty,
        solver="auto",
        weights=weights,
        frequencies=frequencies,
        offset=offset,
        start=None,
        accuracy="auto",
        tolerance=None,
        intercept=intercept,
        names=names,
        features=features,
        missing=missing,
        where=where,
        query=query,
        database=database,
        covariance=None,
        groups=None,
        cluster=cluster,
        progress=progress,
    )
    if groups is not None and choose == "folds" and not request.of_arrays:
        request = replace(request, groups=groups)
    return Path.of(run_path(request, PathRequest(strengths, choose, folds, groups, seed)))
