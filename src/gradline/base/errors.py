"""The family of errors: everything that gradline refuses is a ``GradlineError``, and a ValueError or TypeError as before.

    GradlineError
    ├── ArgumentError (ValueError)         an argument that cannot be used, or that does not go with another
    ├── ArgumentTypeError (TypeError)      an argument of the wrong kind
    ├── DataError (ValueError)             data that cannot be used: the column, row or value is named
    │   └── FormulaError                   a formula that cannot be read, or that does not go with the data
    ├── LossError (ValueError)             a loss of your own that cannot be used, and targets that a loss is not defined for
    ├── SolverError (ValueError)           a problem that a solver refuses, and who can solve it
    │   └── DivergenceError                a learning rate above the largest stable one
    ├── InferenceError (ValueError)        errors, tests or predictions that a fit does not have, and why
    ├── ModelFileError (ValueError)        a model file that is damaged, of a later version, or no model file
    └── ClusterError (RuntimeError)        workers that cannot be used, that went away, or that did not answer

Files and databases that cannot be read raise OSError, packages that are not installed ImportError, as everywhere in Python. A failure
inside gradline itself is none of these.
"""

from __future__ import annotations


class GradlineError(Exception):
    """What gradline raises where it refuses something; the module's text draws the family.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line()
    >>> try:
    ...     gl.fit(x, y[:10])
    ... except gl.GradlineError as error:
    ...     print(error)
    y has 10 rows but X has 1000; they must match, row by row
    """


class ArgumentError(GradlineError, ValueError):
    """An argument that cannot be used, or that does not go with another.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line()
    >>> try:
    ...     gl.fit(x, y, solver='bfgs')
    ... except gl.ArgumentError as error:
    ...     print(error)
    solver='bfgs' is not known; give "auto" or a solver such as gl.LBFGS()
    """


class ArgumentTypeError(GradlineError, TypeError):
    """An argument of the wrong kind.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line()
    >>> try:
    ...     gl.fit(x, y, loss=3)
    ... except gl.ArgumentTypeError as error:
    ...     print(error)
    loss must be a name, a loss of gl.losses or a function loss(y, prediction), not int 3
    """


class DataError(GradlineError, ValueError):
    """Data that cannot be used. The column, row or value is named.

    Examples
    --------
    >>> import gradline as gl
    >>> try:
    ...     gl.fit([1.0, 2.0, 3.0], [1.0, float("nan"), 3.0])
    ... except gl.DataError as error:
    ...     print(error)
    y holds NaN in row 1; drop that row or fill the value in before fitting
    """


class FormulaError(DataError):
    """A formula that cannot be read, or that does not go with the data.

    Examples
    --------
    >>> import gradline as gl
    >>> try:
    ...     gl.fit("body_mass_g ~ flipper_length_mm +", gl.datasets.penguins())
    ... except gl.FormulaError as error:
    ...     print(error)
    malformed formula: something is missing next to '+'
        body_mass_g ~ flipper_length_mm +
                                        ^
    """


class LossError(GradlineError, ValueError):
    """A loss of your own that cannot be used, or targets that a loss is not defined for.

    Examples
    --------
    >>> import gradline as gl
    >>> try:
    ...     gl.fit([0.0, 1.0, 2.0], [1.0, -1.0, 4.0], loss="poisson")
    ... except gl.LossError as error:
    ...     print(error)
    loss poisson: row 1 holds -1; targets must be counts: 0 or above
    """


class SolverError(GradlineError, ValueError):
    """A problem that a solver refuses; the message says who can solve it.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line()
    >>> try:
    ...     gl.fit(x, y, loss=gl.losses.absolute, solver=gl.Newton())
    ... except gl.SolverError as error:
    ...     print(error)
    Newton needs a smooth loss, and 'absolute' has kinks; use gl.PiecewiseLinear or gl.ActiveSetNewton
    """


class DivergenceError(SolverError):
    """A learning rate above the largest stable one, found before the first step.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line(seed=1)
    >>> try:
    ...     gl.fit(20 * x, y, solver=gl.GradientDescent(learning_rate=0.01))
    ... except gl.DivergenceError as error:
    ...     print(str(error).partition(":")[0])
    learning_rate=0.01 is above 0.00256236, the largest stable rate for this data
    """


class InferenceError(GradlineError, ValueError):
    """Errors, tests or predictions that a fit does not have; the message says why, and how to get them.

    Examples
    --------
    >>> import gradline as gl
    >>> x, y = gl.datasets.line()
    >>> fit = gl.fit(x, y, covariance=False)
    >>> try:
    ...     fit.standard_errors
    ... except gl.InferenceError as error:
    ...     print(str(error).partition(":")[0])
    this fit holds no standard errors or fit measures
    """


class ModelFileError(GradlineError, ValueError):
    """A model file that is damaged, of a later version, or no model file at all.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import gradline as gl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.json"
    ...     _ = path.write_text("no model")
    ...     try:
    ...         gl.load(path)
    ...     except gl.ModelFileError:
    ...         print("no model file")
    no model file
    """


class ClusterError(GradlineError, RuntimeError):
    """Workers that cannot be used, that went away, or that did not answer; the message says which rows were theirs.

    Examples
    --------
    >>> import gradline as gl
    >>> from concurrent.futures import Future
    >>> class Bare:  # stands for a worker on which nothing is installed
    ...     def submit(self, function, *arguments):
    ...         future = Future()
    ...         future.set_exception(ModuleNotFoundError("No module named 'gradline'", name="gradline"))
    ...         return future
    >>> try:
    ...     gl.Cluster(Bare(), threads=1).check()
    ... except gl.ClusterError as error:
    ...     print(str(error).partition(";")[0])
    worker process 1 cannot import gradline (No module named 'gradline')
    """
