"""How many terms a formula stands for is known before they are made: what nobody can have meant is refused at once."""

import math

import numpy as np
import pytest
from memory_table import MemoryTable

from gradline.formulas.formula import FormulaError, parse

COLUMNS = ["y", "a", "b", "c", "d", *(f"x{i}" for i in range(300))]


def product(count, sign=" * "):
    return sign.join(f"x{i}" for i in range(count))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"y ~ {product(40)}", "more than 25,000 terms"),
        (f"y ~ ({product(40)})", "terms, more than can be estimated"),
        (f"{product(40)} ~ y", "more than 25,000 terms"),
        (f"y ~ {product(15)}", "32,768 terms"),
        ("y ~ (a + b + c)**50", "power 50 of 3 terms .* \\*\\* 3 has all their interactions already"),
        ("y ~ (a + b + c)^50", "\\*\\* 3 has all"),
        ("y ~ ((a + b)**40)**40", "\\*\\* 2 has all"),
        ("y ~ (a + b)**99999999999", "\\*\\* 2 has all"),
        (f"y ~ ({product(300, ' + ')})**2", "45,150 terms"),
        ("y ~ .**2", "terms"),
        ("y ~ . * .", "terms"),
        ("y ~ (a * b * c * d)**40 - a", "32,767 terms"),
        ("y ~ a / (b + .)**3", "terms"),
    ],
)
def test_formulas_that_nobody_can_have_meant(text, message):
    with pytest.raises(FormulaError, match=message):
        parse(text, COLUMNS)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("y ~ (a + b + c)**3", 8),
        (f"y ~ ({product(40, ' + ')})**2", 1 + math.comb(40, 1) + math.comb(40, 2)),
        (f"y ~ {product(10)}", 2**10),
        ("y ~ a * a * a * a * a * a * a * a * a * a * a * a * a * a * a * a * a * a * a * a * a * a", 2),
        ("y ~ a / (b + c)", 4),
    ],
)
def test_formulas_that_can(text, count):
    assert len(parse(text, COLUMNS).checked.sides[""].terms) == count


def test_interactions_of_many_categories():
    """Each doubles the ways to code the term, and multiplies its columns."""
    n = np.arange(102)
    columns = {"y": n * 1.0, "x": n * 1.0, "n": n, "m": n % 100, "k": n % 51}
    table = MemoryTable(columns | {f"g{i}": ["a", "b", "c"] * 34 for i in range(40)})
    for text in (f"y ~ {':'.join(f'g{i}' for i in range(40))}", f"y ~ {':'.join(f'g{i}' for i in range(12))}", "y ~ g0:x:C(n):C(m):C(k)"):
        with pytest.raises(FormulaError, match="than can be estimated"):
            parse(text, table.columns).learn(table)
