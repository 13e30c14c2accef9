"""studio(): the studio from Python, in a notebook's cell or in a browser."""

from __future__ import annotations

import atexit
import os
import secrets
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from gradline.base.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from gradline.api.result import Fit
    from gradline.studio.serving import Server


class OpenStudio:
    """A running studio, as :func:`gradline.studio` returns it. A notebook shows it in place; elsewhere open ``url`` in a browser."""

    def __init__(self, server: Server) -> None:
        self._server: Server | None = server
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """An address of the page, good for one visit: each time it is read it is a new one.

        Raises
        ------
        ValueError
            After ``close``.
        """
        if self._server is None:
            raise ArgumentError("this studio is closed: open another with gl.studio(...)")
        return self._server.access.new_address()

    @property
    def port(self) -> int:
        """Where it listens, on this machine alone."""
        if self._server is None:
            raise ArgumentError("this studio is closed: open another with gl.studio(...)")
        return self._server.port

    def close(self) -> None:
        """Stop the server. May be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
            atexit.unregister(self.close)

    def __enter__(self) -> OpenStudio:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._server is None:
            return "studio, closed"
        return f"studio at {self.url} (good for one visit)"

    def _repr_html_(self) -> str:
        if self._server is None:
            return "<p>This studio is closed.</p>"
        style = "width: 100%; height: 85vh; min-height: 480px; border: 1px solid #8888; border-radius: 4px"
        return f'<iframe title="gradline studio" src="{escape(self.url)}" style="{style}"></iframe>'


def studio(
    fit_or_data: Any = None,
    *,
    data: Any = None,
    loss: Callable[[Any, Any], Any] | None = None,
    port: int | None = None,
) -> OpenStudio:
    """Open the studio: a page where one watches and steers the learning. It listens on this machine alone.

    Parameters
    ----------
    fit_or_data : Fit, table, or (X, y), optional
        A fit to look at, or a table to fit models to: whatever ``gl.fit`` takes, or a pair of arrays. Without it, the page teaches
        gradient descent on points.
    data : table, optional
        Beside a fit, its rows: a fit holds none, and diagnostics need them.
    loss : callable, optional
        A loss of your own, ``loss(y, prediction)``, for the page to offer beside those of ``gl.losses``.
    port : int, optional
        Where to listen. The usual one, 8765, or the next that is free, unless given; 0 for any.

    Returns
    -------
    OpenStudio
        ``url`` opens it in a browser, ``close()`` stops it. In a notebook the last line of a cell shows it in place.

    Raises
    ------
    OSError
        For a port that is in use; the message names a free one.
    TypeError, ValueError
        For what is no table, no fit and no loss.
    ImportError
        Without FastAPI and uvicorn: ``pip install "gradline[studio]"``.

    Examples
    --------
    >>> import gradline as gl
    >>> with gl.studio(gl.datasets.penguins(), port=0) as studio:
    ...     studio.url.startswith("http://127.0.0.1:")
    True
    """
    from gradline.studio.serving import Server, open_port, require_server

    require_server()
    from gradline.studio.answers import Studio
    from gradline.studio.spec import DataPlace, FileLoss
    from gradline.tables.table import open_table

    if loss is not None and not callable(loss):
        raise ArgumentTypeError(f"loss must be a function loss(y, prediction), not {type(loss).__name__} {loss!r}")
    given, rows = _fit_and_rows(fit_or_data, data)
    place = DataPlace(os.fspath(rows)) if isinstance(rows, str | os.PathLike) else DataPlace(None, python="data")
    table = None if rows is None else open_table(rows)
    losses = [] if loss is None else [FileLoss("Python", getattr(loss, "__name__", "loss"), lambda: loss)]
    reopen = (lambda: open_table(rows)) if place.data is not None else None
    server = Server(Studio(table, place, losses, given, reopen), open_port(port), secrets.token_bytes(32), framed=True)
    server.start()
    return OpenStudio(server)


def _fit_and_rows(fit_or_data: Any, data: Any) -> tuple[Fit | None, Any]:
    from gradline.api.result import Fit

    if isinstance(fit_or_data, Fit):
        return fit_or_data, _as_table(data)
    if data is not None:
        if fit_or_data is not None:
            raise ArgumentTypeError("data= goes with a fit, as in gl.studio(fit, data=table); a table alone comes first: gl.studio(table)")
        return None, _as_table(data)
    return None, _as_table(fit_or_data)


def _as_table(data: Any) -> Any:
    """A table; of a pair (X, y), the columns x or x1, x2, ... and y."""
    if not (isinstance(data, tuple) and len(data) == 2):
        return data
    import numpy as np

    X, y = np.asarray(data[0]), np.asarray(data[1])
    if y.ndim != 1 or X.ndim not in (1, 2) or len(X) != len(y):
        raise ArgumentTypeError(f"a pair is (X, y) of as many rows each, y being one column, not of shapes {X.shape} and {y.shape}")
    columns = {"x": X} if X.ndim == 1 else {f"x{j + 1}": X[:, j] for j in range(X.shape[1])}
    return {**columns, "y": y}
