"""Addresses of databases and files, and the passwords in them, which no message, report or model file may show."""

from __future__ import annotations

import re
from urllib.parse import unquote

from gradline.base.errors import DataError

_USER = re.compile(r"((?:^|(?<=[\s'\"]))[a-zA-Z][\w+.-]*:/{0,3})([^/?#\s:'\"]*):(\S*?)@(?=[^@\s]*(?:\s|$))")
"""A scheme, its slashes (as many as there should be or not), the user's name, and the password up to the last @."""

_NAMED = re.compile(r"(?i)\b((?:ssl)?password|passwd|pwd|passphrase|secret_?(?:access_?)?key)(\s*=\s*|%3D)('[^']*'|[^\s&;'\"]+)")
"""``password=...``, in an address or in a text of such pairs."""

HIDDEN = "***"


def hidden(text: str) -> str:
    """The text without the passwords of addresses in it."""
    return _NAMED.sub(rf"\1\2{HIDDEN}", _USER.sub(rf"\1\2:{HIDDEN}@", text))


def passwords(address: str) -> tuple[str, ...]:
    """The passwords in an address, as they are written and as they are meant."""
    found = [match[3] for match in _USER.finditer(address)] + [match[3] for match in _NAMED.finditer(address)]
    return tuple(dict.fromkeys(form for secret in found for form in (secret, unquote(secret)) if form))


def check_address(address: str, name: str) -> None:
    """Raises ValueError for a user name or password with characters that end it too early: what follows would be taken for the host, and
    be shown as such."""
    before = address.partition("://")[2].rpartition("@")[0]
    broken = re.search(r"[@/?#\[\]\s]|%(?![0-9A-Fa-f]{2})", before)
    if broken and not before.startswith("/"):
        raise DataError(
            f"the address of {name} cannot be taken apart, since its user name or password holds characters that mean something else there;"
            " write @ as %40, / as %2F, # as %23, ? as %3F, % as %25 (urllib.parse.quote(password, safe='') does)"
        )
