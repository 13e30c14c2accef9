"""The command in this process, for tables of cases whose words are checked: a process each would import everything anew.

Other tests run the command as a process of its own, through the script that a user calls.
"""

import contextlib
import io
import os
import subprocess
import sys
import warnings
from unittest.mock import patch

from gradline.cli import main

NOT_SHOWN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Warnings that Python does not show a user."""


def show(message, category, filename, lineno, file=None, line=None):
    """On standard error, as a process of its own would."""
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def call_inside(*arguments, folder="."):
    """What ``subprocess.run`` gives of the command: exit code, standard output and standard error, stray warnings included."""
    out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    command = ["gradline", *map(str, arguments)]
    before = os.getcwd()
    code = None
    try:
        os.chdir(folder)
        with (
            patch.object(sys, "argv", command),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
            warnings.catch_warnings(),
        ):
            warnings.resetwarnings()
            for category in NOT_SHOWN:
                warnings.simplefilter("ignore", category)
            warnings.showwarning = show
            try:
                main()
            except SystemExit as stop:
                code = stop.code
    finally:
        os.chdir(before)
    texts = []
    for stream in (out, error):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return subprocess.CompletedProcess(command, code or 0, *texts)
