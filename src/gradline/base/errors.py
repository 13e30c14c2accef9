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
    """What gradline raises where it refuses something; the module's text draws the family."""


class ArgumentError(GradlineError, ValueError):
    """An argument that cannot be used, or that does not go with another."""


class ArgumentTypeError(GradlineError, TypeError):
    """An argument of the wrong kind."""


class DataError(GradlineError, ValueError):
    """Data that cannot be used. The column, row or value is named."""


class FormulaError(DataError):
    """A formula that cannot be read, or that does not go with the data."""


class LossError(GradlineError, ValueError):
    """A loss of your own that cannot be used, or targets that a loss is not defined for."""


class SolverError(GradlineError, ValueError):
    """A problem that a solver refuses; the message says who can solve it."""


class DivergenceError(SolverError):
    """A learning rate above the largest stable one, found before the first step."""


class InferenceError(GradlineError, ValueError):
    """Errors, tests or predictions that a fit does not have; the message says why, and how to get them."""


class ModelFileError(GradlineError, ValueError):
    """A model file that is damaged, of a later version, or no model file at all."""


class ClusterError(GradlineError, RuntimeError):
    """Workers that cannot be used, that went away, or that did not answer; the message says which rows were theirs."""
