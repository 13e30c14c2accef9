"""Who may speak with the server: whoever holds its address, from this machine, with a page that this server has sent.

A token in the printed address is good for one visit: what a list of processes or a screen shows is worth nothing afterwards. It is
exchanged for a key in the page's own path, signed with a secret of the user's, so that a server that is started again on the same port
knows its pages. A cookie would go to every other server of this machine, whatever its port, and not to a page in a notebook's frame.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs

VALID = 30 * 24 * 3600
"""Seconds for which a key is good."""

NAMES = ("127.0.0.1", "localhost")


class Access:
    """port: of the server. secret: that keys are signed with."""

    def __init__(self, port: int, secret: bytes) -> None:
        self.port = port
        self._secret = secret
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    def new_address(self) -> str:
        """An address that is good for one visit."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens.add(token)
        return f"http://127.0.0.1:{self.port}/?token={token}"

    def exchange(self, query: bytes) -> str | None:
        """The path of a page for the token in a query; None for one that is not, or no longer, good."""
        given = parse_qs(query.decode("latin-1")).get("token", [""])[0]
        with self._lock:
            found = next((token for token in self._tokens if hmac.compare_digest(token.encode(), given.encode())), None)
            if found is None:
                return None
            self._tokens.discard(found)
        return f"/s/{self.new_key()}/"

    def new_key(self) -> str:
        """A key, as it stands in a page's path."""
        body = f"{int(time.time()):x}-{secrets.token_hex(8)}"
        return f"{body}-{self._signature(body)}"

    def knows(self, key: str) -> bool:
        """Whether a key was signed with this secret, for this port, and is not too old."""
        body, _, signature = key.rpartition("-")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return False
        made, _, _ = body.partition("-")
        return time.time() - int(made, 16) <= VALID

    def is_here(self, host: str) -> bool:
        """Whether a ``Host`` header is this server's: another name that leads to this machine may be somebody else's page."""
        return host in {f"{name}:{self.port}" for name in NAMES}

    def is_own(self, origin: str | None) -> bool:
        """Whether an ``Origin`` is that of this server's pages, or there is none."""
        return origin is None or origin in {f"http://{name}:{self.port}" for name in NAMES}

    def _signature(self, body: str) -> str:
        found = hmac.new(self._secret, f"{self.port} {body}".encode(), hashlib.sha256).digest()
        return base64.b32encode(found)[:32].decode("ascii").lower()


def lasting_secret() -> bytes:
    """The secret of this user, kept in a file that only they can read; one for this process alone where that cannot be."""
    with suppress(OSError):
        place = _state_folder() / "studio.key"
        with suppress(FileNotFoundError):
            if os.name == "nt" or place.stat().st_mode & 0o077 == 0:
                found = place.read_bytes()
                if len(found) == 32:
                    return found
            place.unlink()
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = secrets.token_bytes(32)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
        return made
    return secrets.token_bytes(32)


def _state_folder() -> Path:
    """Where a program of this system keeps what is to last between its runs."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "gradline"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "gradline"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "gradline"
