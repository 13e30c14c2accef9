"""How every command ends: one clear line for an error, a traceback for those who ask."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import typer

from gradline.base.errors import FormulaError
from gradline.cli.wording import as_options
from gradline.tables.sources.addresses import hidden

_EXPECTED = (ValueError, TypeError, ImportError, OSError, MemoryError)
"""What gradline raises for data, models and files that cannot be used; their messages are written for the user."""

_INTERRUPTED = 130


def run(app: typer.Typer) -> NoReturn:
    """Run a typer app and exit the process.

    Exit codes: 0 done, 1 data or a model that cannot be used, 2 wrong usage, 130 interrupted. With ``--debug`` among the arguments the
    traceback of an error is printed before its line.
    """
    debug = "--debug" in sys.argv[1:]
    try:
        code = app(prog_name="gradline", standalone_mode=False) or 0
        if code != _INTERRUPTED:  # how typer reports Ctrl-C
            sys.exit(code)
        _stop("stopped at your request", code)
    except (KeyboardInterrupt, typer.Abort):
        _stop("stopped at your request", _INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as head, has seen enough. Python would complain once more when it flushes the closed pipe on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            traceback.print_exc()
        usage = getattr(error, "format_message", None)
        if usage is not None:
            # Our own messages name the option themselves.
            _stop(usage().removeprefix("Invalid value: ") + _unquoted(usage()), 2)
        if isinstance(error, _EXPECTED):
            _stop(_told(error), 1, picture=isinstance(error, FormulaError))
        hint = "" if debug else "; run gradline --debug ... to see where"
        _stop(f"something went wrong inside gradline, which is a bug worth reporting ({type(error).__name__}: {error}){hint}", 1)


def _unquoted(message: str) -> str:
    """What to write where the shell has cut a formula into words, of which it makes the ~ a home folder."""
    words = sys.argv[1:]
    home = os.path.expanduser("~")
    if "unexpected extra argument" not in message or not any(word in ("~", home) or "~" in word for word in words):
        return ""
    return "; a formula stands in quotes, so that the shell hands it over whole: gradline fit flats.csv 'price ~ area + rooms'"


def _told(error: Exception) -> str:
    """The error's message, without the number that the system gives it."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror and error.filename is None:
        # Whatever gradline itself reads and writes says so: what is left in the system's own words is the output.
        own = error.strerror == os.strerror(error.errno)
        return f"cannot write to standard output: {error.strerror}" if own else error.strerror
    return str(error) or type(error).__name__


def _stop(message: str, code: int, *, picture: bool = False) -> NoReturn:
    """picture: whether lines below the first are a formula with a caret under the place, to be printed as they are."""
    sys.stdout.flush()
    first, newline, rest = message.partition("\n") if picture else (message, "", "")
    print(hidden("gradline: " + as_options(" ".join(first.split())) + newline + rest), file=sys.stderr)
    sys.exit(code)
