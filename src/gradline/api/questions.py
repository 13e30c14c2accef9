"""What a Fit answers beyond its coefficients: effects, predictions, contrasts. Thin: the work is done in ``effects`` and ``model``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from gradline.model.record import Model

if TYPE_CHECKING:
    import os

    from gradline.cluster.cluster import Cluster
    from gradline.effects.estimates import Adjust
    from gradline.summary.result_table import ResultTable

Kind = Literal["average", "at means", "each row"]
Scale = Literal["mean", "linear"]


class FitQuestions(Model):
    """Conveniences of a Fit that lead to ``gradline.effects``."""

    def effects(
        self,
        variables: str | Sequence[str] | None = None,
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        kind: Kind = "average",
        data: Any = None,
        scale: Scale = "mean",
        change: Any = None,
        compare: Literal["difference", "ratio"] = "difference",
        level: float = 0.95,
        bootstrap: Any = None,
    ) -> ResultTable:
        """What a column does to the prediction: its slope for a number, a level against the reference for a category.

        Parameters
        ----------
        variables : str, or list of str, optional
            Columns of the model. All of them unless given.
        by : str, or list of str, optional
            Columns of the data by whose values rows are told apart: an effect for each group.
        at : dict, optional
            Columns and the values they are set to, one or several each, or "all" for every level: an effect for each combination.
        kind : {"average", "at means", "each row"}, default "average"
            Averaged over the rows of data, whose other columns stay as they are; with the other columns at their means (categories at
            their commonest level); or for each row.
        data : table, or array-like (n, p), optional
            Rows, as for ``predict``: a Fit holds none. Not needed where the effect does not depend on them, as of a linear model without
            interactions, or where ``at`` sets every column that it depends on.
        scale : {"mean", "linear"}, default "mean"
            Of the prediction, or of the linear predictor.
        change : float, or pair, optional
            In place of the slope, the difference that a step of this size makes; or that a move from one value to another makes.
        compare : {"difference", "ratio"}, default "difference"
            Of two predictions, the difference or the ratio.
        level : float, default 0.95
            Of the intervals.
        bootstrap : Bootstrap, optional
            From ``Fit.bootstrap``: errors and intervals are those of its replications, in place of the delta method.

        Returns
        -------
        ResultTable
            variable, contrast, what tells the rows apart, estimate, standard_error, t or z, p_value, lower, upper.

        Raises
        ------
        ValueError
            For a column that is not in the model, a level that it does not have, rows that are needed and not given, and a fit without
            standard errors.

        Examples
        --------
        >>> import gradline as gl
        >>> penguins = gl.datasets.penguins()
        >>> fit = gl.fit("body_mass_g ~ flipper_length_mm * C(species)", penguins)
        >>> slopes = fit.effects("flipper_length_mm", by="species", data=penguins)
        >>> [round(slope, 1) for slope in slopes["estimate"]]
        [32.8, 34.6, 54.6]
        """
        from gradline.effects.marginal import effects

        return effects(
            self,
            variables,
            by=by,
            at=at,
            kind=kind,
            data=data,
            scale=scale,
            change=change,
            compare=compare,
            level=level,
            bootstrap=bootstrap,
        )

    def predict_to(
        self,
        folder: str | os.PathLike[str],
        data: Any,
        kind: Literal["mean", "linear"] = "mean",
        *,
        keep: Sequence[str] = (),
        unseen: Literal["error", "reference", "missing"] = "error",
        interval: Literal["confidence", "prediction"] | None = None,
        level: float | None = None,
        calibration: Any = None,
        weight: float | None = None,
        cluster: Cluster | None = None,
    ) -> list[str]:
        """Predict for a table of any size into a folder of Parquet files, which together hold a row for each row of the table, in order.

        Each file is written whole or not at all, by the process that reads its rows. A file ``_SUCCESS`` comes last.

        Parameters
        ----------
        folder : path
            A new folder, or an empty one; with ``cluster=`` on storage that every worker sees.
        data : table
            New rows: a path of Parquet or other files, a data frame, and what else ``gl.fit`` takes with a formula.
        kind, unseen, interval, level, calibration, weight
            As for ``predict``. Ends of intervals are further columns.
        keep : sequence of str
            Columns to copy beside the predictions.
        cluster : Cluster, optional
            The processes that read a table of Parquet files.

        Returns
        -------
        list of str
            The files, in the order of the rows.

        Raises
        ------
        ValueError
            For a folder that holds files, and as ``predict`` does.

        Examples
        --------
        >>> import gradline as gl, tempfile
        >>> penguins = gl.datasets.penguins()
        >>> fit = gl.fit("body_mass_g ~ flipper_length_mm", penguins)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     len(fit.predict_to(folder, penguins, keep=["species"]))
        1
        """
        from gradline.model.predict_folder import predict_folder

        return predict_folder(self, folder, data, kind, unseen, interval, level, calibration, weight, keep, cluster)

    def predictions(
        self,
        *,
        at: Mapping[str, Any] | None = None,
        by: str | Sequence[str] | None = None,
        kind: Kind = "average",
        data: Any = None,
        scale: Scale = "mean",
        level: float = 0.95,
        bootstrap: Any = None,
    ) -> ResultTable:
        """Predictions at chosen values, with their errors and intervals.

        Parameters
        ----------
        at : dict, optional
            Columns and values, as for ``effects``: a prediction for each combination.
        by : str, or list of str, optional
            Columns of the data whose groups are told apart.
        kind : {"average", "at means", "each row"}, default "average"
            Where the columns that ``at`` leaves open come from, as for ``effects``.
        data : table, or array-like (n, p), optional
            Rows, as for ``predict``. Not needed where ``at`` sets every column of the model.
        scale : {"mean", "linear"}, default "mean"
            Of the prediction, or of the linear predictor.
        level : float, default 0.95
            Of the intervals.
        bootstrap : Bootstrap, optional
            As for ``effects``.

        Returns
        -------
        ResultTable
            The columns that were set, estimate, standard_error, lower, upper. There is no p value: that a prediction is zero is seldom
            a question.

        Raises
        ------
        ValueError
            As for ``effects``.

        Examples
        --------
        >>> import gradline as gl
        >>> fit = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", gl.datasets.penguins())
        >>> table = fit.predictions(at={"flipper_length_mm": [190, 200], "species": "all"})
        >>> len(table), round(table["estimate"][0])
        (6, 3703)
        """
        from gradline.effects.marginal import predictions

        return predictions(self, at=at, by=by, kind=kind, data=data, scale=scale, level=level, bootstrap=bootstrap)

    def contrasts(
        self,
        term: str,
        contrasts: Literal["pairs", "reference", "sequential"] | Mapping[str, Mapping[Any, float]] = "pairs",
        *,
        adjust: Adjust = None,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        kind: Kind = "average",
        data: Any = None,
        scale: Scale = "mean",
        compare: Literal["difference", "ratio"] = "difference",
        level: float = 0.95,
        bootstrap: Any = None,
    ) -> ResultTable:
        """The levels of a category compared with each other.

        Parameters
        ----------
        term : str
            A category, by its column or as the formula has it: "C(g)". Several joined by a colon stand for their cells.
        contrasts : {"pairs", "reference", "sequential"} or dict, default "pairs"
            Every pair; each level against the reference; each against the one before. Or weights by level that add up to zero:
            ``{"a against the others": {"a": 1, "b": -0.5, "c": -0.5}}``.
        adjust : {"holm", "bonferroni", "tukey"}, optional
            For how many contrasts there are in each group. "tukey" is for pairs.
        by, at, kind, data, scale, compare, level, bootstrap
            As for ``effects``.

        Returns
        -------
        ResultTable

        Raises
        ------
        ValueError
            For a term that does not exist or has no levels, and as for ``effects``.

        Examples
        --------
        >>> import gradline as gl
        >>> fit = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", gl.datasets.penguins())
        >>> table = fit.contrasts("C(species)", "pairs", adjust="tukey")
        >>> table["contrast"]
        ['Chinstrap - Adelie', 'Gentoo - Adelie', 'Gentoo - Chinstrap']
        """
        from gradline.effects.contrasts import contrasts as found

        return found(
            self,
            term,
            contrasts,
            adjust=adjust,
            by=by,
            at=at,
            kind=kind,
            data=data,
            scale=scale,
            compare=compare,
            level=level,
            bootstrap=bootstrap,
        )
