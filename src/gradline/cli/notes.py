"""gradline's own warnings as one line each on standard error, without file names and line numbers."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gradline.cli.wording import as_options


@contextmanager
def noting_warnings() -> Iterator[list[str]]:
    """Yields the notes so far."""
    from gradline.base.warnings import GradlineWarning

    notes: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", GradlineWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, GradlineWarning):
                notes.append(str(message))
                print(f"note: {as_options(str(message))}", file=sys.stderr)
            else:
                usual(message, category, *rest, **more)

        warnings.showwarning = show
        yield notes
