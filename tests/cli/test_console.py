import warnings

import pytest

from gradline.base.warnings import GradlineWarning
from gradline.cli.console import Printer, number, plural, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000000"),
        (-0.0, "0.000000"),
        (6.0441584, "6.044158"),
        (-4.97, "-4.970000"),
        (1234567.0, "1,234,567.000000"),
        (1e7, "1.000000e+07"),
        (2.5e-30, "2.500000e-30"),
        (float("inf"), "inf"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_short_numbers():
    assert short(6.0) == "6"
    assert short(0.00128123) == "0.00128123"


def test_counts():
    assert plural(1, "point") == "1 point"
    assert plural(1000, "point") == "1,000 points"


def test_piped_output_is_plain_and_80_wide(capsys):
    printer = Printer()
    printer.heading("A heading with [brackets]")
    printer.say("word " * 40)
    printer.say("indented " * 20, indent=2)
    printer.note("take care of this " * 8)
    printer.table(["", "a", "b"], [["first", "1", "2"], ["second", "3", "4"]])
    printer.source("def f(x):\n    return x\n")
    with printer.waiting("working ..."):
        pass
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line or line != line.rstrip() for line in lines)
    assert any(line.startswith("A heading with [brackets] ") for line in lines)
    assert "    return x" in lines


def test_warnings_become_notes_and_others_stay(capsys):
    def work():
        with Printer().noting_warnings():
            warnings.warn("mind the step", GradlineWarning, stacklevel=1)
            warnings.warn("not ours", RuntimeWarning, stacklevel=1)

    with pytest.warns(RuntimeWarning, match="not ours"):
        work()
    assert capsys.readouterr().out == "Note: mind the step\n"
