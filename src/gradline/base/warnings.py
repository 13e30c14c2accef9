"""The warnings gradline gives, as one class so that a user can silence or raise them together."""

from __future__ import annotations

import warnings


class GradlineWarning(UserWarning):
    """Something a user should know about a fit that is still usable.

    Examples
    --------
    >>> import gradline as gl
    >>> import warnings
    >>> x, y = gl.datasets.line(seed=1)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", gl.GradlineWarning)
    ...     fit = gl.fit(x, y, solver=gl.GradientDescent(learning_rate=0.01, steps=10))
    >>> [warning.category.__name__ for warning in caught]
    ['GradlineWarning']
    >>> fit.certificate.converged
    False
    """


def warn(message: str, category: type[Warning] = GradlineWarning) -> None:
    """Warn from the caller of gradline, not from inside it. category: another program's, where its conventions ask for that."""
    import sys

    depth, frame = 2, sys._getframe(1)  # stacklevel 1 would be this function
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "gradline":
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)
