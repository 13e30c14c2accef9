"""Loading TensorFlow, JAX or PyTorch without their chatter."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradline.base.types import Array

TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


@dataclass(frozen=True)
class Functions:
    """A framework's prediction and loss, the loss of plain arrays, and the source text of the first two."""

    prediction: Callable[[Any], Any]
    loss: Callable[[Any, Any], Any]
    by_hand: Callable[[Array, Array], float]
    source: str


def load(backend: str) -> Functions:
    """Import a framework and the functions written in it. Raises ImportError as the framework itself does."""
    # TensorFlow's C++ side reads this once, when it is loaded.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_standard_error():
        module = importlib.import_module(f"gradline.cli.demonstration.loss_{backend}")
        # The first operation looks for a graphics card, and talks about it too.
        module.by_hand(np.zeros(1), np.zeros(1))
    source = "\n\n".join(inspect.getsource(function) for function in (module.prediction, module.loss))
    return Functions(module.prediction, module.loss, module.by_hand, source)


@contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and let it out only if the body fails.

    TensorFlow's C++ code writes notes on the processor straight to the descriptor, before any log level applies and out of reach of
    sys.stderr; so the descriptor itself points elsewhere for a while.
    """
    try:
        kept = os.dup(2)
    except OSError:  # the process has no standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            _restore(kept)
            held.seek(0)
            os.write(2, held.read())
            raise
        except BaseException:  # interrupted: nobody asks what TensorFlow had to say
            _restore(kept)
            raise
        else:
            _restore(kept)


def _restore(kept: int) -> None:
    _flush()
    os.dup2(kept, 2)
    os.close(kept)


def _flush() -> None:
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
