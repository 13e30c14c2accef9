"""Where text goes: the one place that makes rich's consoles, and knows a notebook from a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def console(**options: Any) -> Console:
    """A rich Console for plain words: no markup, no guesses at what a number or an emoji is. options: as rich takes them.

    In a notebook rich would show what is printed as an output of its own, whatever file it was to be written to, and ask for ipywidgets.
    This console writes to its file, everywhere.
    """
    from rich.console import Console

    return Console(**{"highlight": False, "markup": False, "emoji": False, "force_jupyter": False, **options})


def in_notebook() -> bool:
    """Whether IPython runs the code for a notebook (Jupyter, VS Code, Colab), not in a terminal."""
    ipython, terminal = sys.modules.get("IPython"), sys.modules.get("IPython.terminal.interactiveshell")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and not (terminal is not None and isinstance(shell, terminal.TerminalInteractiveShell))
