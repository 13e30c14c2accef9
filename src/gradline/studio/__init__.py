"""Open the studio: a page where one watches and steers the learning, and models are built by clicking.

``gradline.studio(...)`` is :func:`gradline.studio.opening.studio`. The package can be called: otherwise it would hide the function of its
name as soon as it is imported.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradline.studio.opening import OpenStudio


class _Callable(ModuleType):
    """The package, as a function."""

    def __call__(self, fit_or_data: Any = None, **options: Any) -> OpenStudio:
        from gradline.studio.opening import studio

        return studio(fit_or_data, **options)


sys.modules[__name__].__class__ = _Callable
