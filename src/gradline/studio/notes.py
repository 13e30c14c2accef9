"""The warnings of one computation: collected for the page, and nobody else's touched."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from gradline.base.warnings import GradlineWarning


@contextmanager
def collected() -> Iterator[list[str]]:
    """gradline's warnings of this thread, each once, in the list that is yielded; those of other threads go where they went before.

    The filters of warnings belong to the process: one computation at a time may collect.
    """
    found: list[str] = []
    here = threading.get_ident()
    with warnings.catch_warnings():
        warnings.simplefilter("always", GradlineWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: object, **more: object) -> None:
            if issubclass(category, GradlineWarning) and threading.get_ident() == here:
                if str(message) not in found:
                    found.append(str(message))
            else:
                usual(message, category, *rest, **more)  # type: ignore[arg-type]

        warnings.showwarning = show
        yield found
