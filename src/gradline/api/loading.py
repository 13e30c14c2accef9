"""load(): a Fit from a model file, or a Path from that of a path."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradline.api.result import Fit
from gradline.files import reading

if TYPE_CHECKING:
    from gradline.losses.own_loss import CustomLoss
    from gradline.losses.protocol import Loss


def load(
    path: str | os.PathLike[str],
    *,
    loss: Callable[[Any, Any], Any] | CustomLoss | Loss | None = None,
    prediction: Callable[[Any], Any] | None = None,
) -> Fit:
    """Read a model that ``Fit.save`` wrote, or a path that ``Path.save`` wrote. It predicts as the original did, to the bit.

    Parameters
    ----------
    path : path
        The model file.
    loss, prediction : functions, optional
        For a model whose loss is a function of your own, the same functions again: the file keeps their text for the record and never runs
        it. Without them such a model predicts where the forward pass is the identity, and gives linear predictors.

    Returns
    -------
    Fit
        A ``gl.Path`` where the file holds one; ``gl.Path.load`` reads these only, and says so to checkers of types.

    Warns
    -----
    GradlineWarning
        Where the text or the numbers of a function are not those of the fit.

    Raises
    ------
    OSError
        Where the file cannot be read; FileNotFoundError where there is none.
    ValueError
        For a file that is cut short, edited, of a later version, a pickle or anything else than a model file, saying which; and for
        functions that do not belong to the model.

    Examples
    --------
    >>> import gradline as gl, pathlib, tempfile
    >>> fit = gl.fit(*gl.datasets.line(seed=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "line.json"
    ...     fit.save(path)
    ...     same = gl.load(path)
    >>> bool((same.coefficients == fit.coefficients).all())
    True
    """
    if reading.holds_path(path):
        from gradline.api.path import Path

        found: Any = Path.load(path, loss=loss, prediction=prediction)
        return found  # type: ignore[no-any-return]
    return Fit.of(reading.load(path, loss=loss, prediction=prediction))
