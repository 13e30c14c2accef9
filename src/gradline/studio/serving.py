"""A port of this machine, and the server that listens at it."""

from __future__ import annotations

import errno
import importlib.util
import socket
import threading
from typing import Any

from gradline.base.errors import ArgumentError
from gradline.studio.access import Access
from gradline.studio.answers import Studio
from gradline.studio.app import LONGEST_MESSAGE, make_app

PORT = 8765
"""Where the studio is, unless it is told otherwise: the same each time, so that a page finds it again."""

TRIED = 50
"""Ports looked at for a free one."""


def require_server() -> None:
    """Raises ImportError, with the pip command, where what serves the studio is not installed."""
    absent = [name for name in ("fastapi", "uvicorn", "websockets", "pyarrow", "duckdb") if importlib.util.find_spec(name) is None]
    if absent:
        raise ImportError(f'the studio needs {", ".join(absent)}; run: pip install "gradline[studio]"')


def open_port(port: int | None) -> socket.socket:
    """A socket that listens at a port of this machine alone. port: None for the usual one, or the next that is free; 0 for any.

    Raises ValueError for a number that is no port, and OSError, naming the next free one, for a port that was asked for and is in use.
    """
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535):
        raise ArgumentError(f"port must be a whole number from 0 to 65535, not {port!r}")
    if port is None:
        for tried in range(PORT, PORT + TRIED):
            found = _listening(tried)
            if found is not None:
                return found
        port = 0
    found = _listening(port)
    if found is None:
        free = next((other for other in range(port + 1, min(port + TRIED, 65535)) if _is_free(other)), None)
        hint = "" if free is None else f"; port {free} is free"
        raise OSError(f"port {port} is in use, perhaps by another studio{hint}")
    return found


def _listening(port: int) -> socket.socket | None:
    """A listening socket; None where the port is in use."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A port whose server was killed a moment ago may be taken again; on Windows the option would mean sharing a live one.
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port))
        found.listen(128)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            return None
        if error.errno == errno.EACCES:
            raise OSError(f"port {port} is not for every user: give one above 1023") from None
        raise
    return found


def _is_free(port: int) -> bool:
    found = _listening(port)
    if found is None:
        return False
    found.close()
    return True


class Server:
    """A studio at a port. ``run`` serves until it is stopped; ``start`` does so in a thread."""

    def __init__(self, studio: Studio, listening: socket.socket, secret: bytes, *, framed: bool = False) -> None:
        import uvicorn

        self._socket = listening
        self.port: int = listening.getsockname()[1]
        self.access = Access(self.port, secret)
        options: dict[str, Any] = {"log_level": "error", "access_log": False, "ws_max_size": LONGEST_MESSAGE, "server_header": False}
        self._server = uvicorn.Server(uvicorn.Config(make_app(studio, self.access, framed=framed), timeout_graceful_shutdown=1, **options))
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve, in this thread, until Ctrl-C."""
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Serve in a thread of its own, which ends with the process."""
        self._thread = threading.Thread(target=self.run, name="gradline-studio-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no more. May be called twice."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._socket.close()
