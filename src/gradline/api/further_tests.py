"""What a Fit answers with refits or the rows again: terms, intervals by profiles and bootstraps, classes. Thin: the work is done in
``effects``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from gradline.base.errors import ArgumentTypeError, InferenceError
from gradline.inference.intervals import Interval
from gradline.model.record import Model

if TYPE_CHECKING:
    from gradline.effects.bootstrap import Bootstrap, BootstrapKind
    from gradline.effects.classification import Classification
    from gradline.summary.result_table import ResultTable


class FitTests(Model):
    """Conveniences of a Fit that lead to ``gradline.effects``."""

    def anova(
        self,
        type: Literal[1, 2, 3] = 2,
        data: Any = None,
        target: Any = None,
        *,
        test: Literal["F", "likelihood ratio", "Wald"] | None = None,
        **rows: Any,
    ) -> ResultTable:
        """Each term of the formula tested as a whole.

        Parameters
        ----------
        type : {1, 2, 3}, default 2
            1: each term after those before it. 2: each after all that do not contain it. 3: each after all others, by the coefficients
            as they are coded.
        data, target, **rows
            The rows of the fit, as for ``diagnose``, for likelihood ratios. Squared loss and Wald's tests need none.
        test : {"F", "likelihood ratio", "Wald"}, optional
            Unless given: squared loss the F of the sums of squares (of Wald, where the covariance is robust); other likelihoods the
            likelihood ratio where data is given, of a free dispersion the F of the deviances; Wald's test by the covariance otherwise.

        Returns
        -------
        ResultTable
            term, df, sum_of_squares, F or chi2, p_value. The note says which test it is.

        Raises
        ------
        ValueError
            For a test that the loss does not have, rows that it takes, and other rows than those of the fit.

        Examples
        --------
        >>> import gradline as gl
        >>> fit = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", gl.datasets.penguins())
        >>> table = fit.anova()
        >>> table["term"], [round(value, 1) for value in table["F"][:2]]
        (['flipper_length_mm', 'C(species)', 'Residual'], [175.7, 18.4])
        """
        from gradline.effects.anova import anova

        return anova(self, type, data, target, test, rows)

    def drop_each(self, data: Any = None, target: Any = None, **rows: Any) -> ResultTable:
        """Each term dropped in turn, the others fitted again. Terms that an interaction contains stay.

        Parameters
        ----------
        data, target, **rows
            The rows of the fit, as for ``diagnose``.

        Returns
        -------
        ResultTable
            term, df, deviance or sum_of_squares, aic, F or chi2, p_value; the first row is the fit itself.

        Raises
        ------
        ValueError
            Without data, for penalised fits, and for losses that are no likelihood.

        Examples
        --------
        >>> import gradline as gl
        >>> penguins = gl.datasets.penguins()
        >>> fit = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", penguins)
        >>> fit.drop_each(penguins)["term"]
        ['(none)', 'flipper_length_mm', 'C(species)']
        """
        from gradline.effects.anova import drop_each

        return drop_each(self, data, target, rows)

    def interval(
        self,
        level: float = 0.95,
        method: Literal["wald", "profile", "bootstrap"] = "wald",
        data: Any = None,
        target: Any = None,
        **options: Any,
    ) -> Interval:
        """Confidence intervals of the coefficients.

        Parameters
        ----------
        level : float
            The share of intervals that hold the true coefficient, between 0 and 1.
        method : {"wald", "profile", "bootstrap"}, default "wald"
            By the standard errors; by the profile likelihood; or by the percentiles of a bootstrap. The latter two take the rows again.
        data, target
            The rows of the fit, as for ``diagnose``.
        **options
            ``weights``, ``frequencies``, ``offset``, ``where``, ``query``, ``database``, as for ``diagnose``; for a bootstrap also
            ``replications``, ``kind``, ``groups``, ``seed``, ``webb``, as for ``bootstrap``, and ``ends`` ("percentile" or "basic").

        Returns
        -------
        Interval
            ``lower`` and ``upper``, each shaped like ``coefficients``. NaN where a coefficient has no standard error. Of a profile or a
            bootstrap also ``p_values`` and ``method``; an end may be infinite, where the likelihood never falls far enough.

        Raises
        ------
        ValueError
            Unless 0 < level < 1; where the fit has no standard errors; for a loss without a likelihood, for a profile; without data.

        Examples
        --------
        >>> import gradline as gl
        >>> x, y = gl.datasets.line(seed=1)
        >>> fit = gl.fit(x, y)
        >>> lower, upper = fit.interval(0.99)
        >>> bool(lower[1] < 6 < upper[1])
        True
        >>> lower, upper = fit.interval(0.99, "bootstrap", x, y, seed=1)
        >>> bool(lower[1] < 6 < upper[1])
        True
        """
        if method == "wald":
            if data is not None or target is not None or options:
                raise InferenceError('data and options go with method="profile" or "bootstrap"; the plain interval has no use for them')
            return super().interval(level)
        from gradline.inference.intervals import check_level

        check_level(level)
        if method == "profile":
            from gradline.effects.profile import profile_interval

            own = sorted({"replications", "kind", "groups", "seed", "webb", "ends"} & set(options))
            if own:
                raise ArgumentTypeError(f'{own[0]}= goes with method="bootstrap"')
            return profile_interval(self, level, data, target, options)
        if method != "bootstrap":
            raise InferenceError(f'method must be "wald", "profile" or "bootstrap", not {method!r}')
        ends = options.pop("ends", "percentile")
        return self.bootstrap(data, target, **options).interval(level, ends)

    def bootstrap(
        self,
        data: Any = None,
        target: Any = None,
        *,
        replications: int = 999,
        kind: BootstrapKind | None = None,
        groups: Any = None,
        seed: int = 0,
        webb: bool = False,
        **rows: Any,
    ) -> Bootstrap:
        """The coefficients again and again, of rows drawn anew: for intervals, and for ``effects(bootstrap=...)``.

        Parameters
        ----------
        data, target, **rows
            The rows of the fit, as for ``diagnose``.
        replications : int, default 999
            How many.
        kind : {"cases", "clusters", "wild"}, optional
            Rows drawn with replacement; whole clusters; or the rows as they are, with a random sign for each row's score (each cluster's,
            with groups). "clusters" with groups unless given, else "cases".
        groups : str, or array-like (n,), optional
            The clusters: a column of the table, or labels beside arrays.
        seed : int
            Another draws others. What is drawn depends on it, the replication and the row alone.
        webb : bool, default False
            For "wild": six points in place of two signs, for fewer than some twelve clusters.

        Returns
        -------
        Bootstrap
            ``coefficients`` (R, P, k), ``standard_errors``, ``covariance``, ``interval(level)``, ``table(level)``.

        Raises
        ------
        ValueError
            Without data, for clusters that are not said, for other rows than those of the fit, and where most replications have no optimum.

        Examples
        --------
        >>> import gradline as gl
        >>> penguins = gl.datasets.penguins()
        >>> fit = gl.fit("body_mass_g ~ flipper_length_mm", penguins)
        >>> found = fit.bootstrap(penguins, replications=200, seed=1)
        >>> found.coefficients.shape
        (200, 2, 1)
        """
        from gradline.effects.bootstrap import bootstrap

        options: dict[str, Any] = {"replications": replications, "kind": kind, "groups": groups, "seed": seed, "webb": webb}
        return bootstrap(self, data, target, rows=rows, **options)

    def pseudo_r_squared(self, data: Any, target: Any = None, **rows: Any) -> ResultTable:
        """Pseudo R-squared of a likelihood against the intercept alone: McFadden's, Cox and Snell's, Nagelkerke's, Tjur's.

        Parameters
        ----------
        data, target, **rows
            The rows of the fit, as for ``diagnose``: the intercept is fitted to them by itself.

        Returns
        -------
        ResultTable
            name, value, definition.

        Raises
        ------
        ValueError
            For squared loss, which has an R-squared; for losses without a likelihood, penalised fits and models without an intercept.

        Examples
        --------
        >>> import gradline as gl
        >>> penguins = gl.datasets.penguins()
        >>> fit = gl.fit("I(sex == 'male') ~ body_mass_g", penguins, loss="logistic")
        >>> table = fit.pseudo_r_squared(penguins)
        >>> table["name"][0], round(table["value"][0], 3)
        ('McFadden', 0.141)
        """
        from gradline.effects.pseudo import pseudo_r_squared

        return pseudo_r_squared(self, data, target, rows)

    def classification(self, data: Any, target: Any = None, *, threshold: float = 0.5, **rows: Any) -> Classification:
        """How well a model of classes tells them apart, on the rows of the fit or any others.

        Parameters
        ----------
        data, target, **rows
            Rows with their classes, as for ``residuals``.
        threshold : float, default 0.5
            Of two classes, the probability from which 1 is said. Of more the most probable is said.

        Returns
        -------
        Classification
            ``confusion``, ``accuracy``, ``auc``, ``brier``, ``log_loss``, ``sensitivity``, ``specificity``, ``precision``, ``roc()``.

        Raises
        ------
        ValueError
            For a loss that predicts no classes or no probabilities.

        Examples
        --------
        >>> import gradline as gl
        >>> penguins = gl.datasets.penguins()
        >>> fit = gl.fit("I(sex == 'male') ~ body_mass_g + C(species)", penguins, loss="logistic")
        >>> round(fit.classification(penguins).auc, 3)
        0.936
        """
        from gradline.effects.classification import classification

        return classification(self, data, target, threshold, rows)
