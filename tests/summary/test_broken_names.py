"""Names of coefficients in a summary: broken where their parts meet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import gradline as gl
from gradline.summary.names import broken


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("smokes[T.yes]", 13, ["smokes[T.yes]"]),
        ("smokes[T.yes]", 12, ["smokes", "[T.yes]"]),
        ("smokes[T.yes]:sex[T.male]", 14, ["smokes[T.yes]:", "sex[T.male]"]),
        ("C(city)[T.New York]", 12, ["C(city)", "[T.New York]"]),
        ("C(city)[T.New York]", 8, ["C(city)", "[T.New", "York]"]),
        ("np.log(income + 1)", 12, ["np.log(", "income + 1)"]),
        ("flipper_length_mm", 10, ["flipper_", "length_mm"]),
        ("incomprehensibilities", 10, ["incomprehe", "nsibilitie", "s"]),
        ("x1 * x2 / x3", 7, ["x1 * x2", "/ x3"]),
        ("地区[T.北京]", 6, ["地区", "[T.", "北京]"]),
    ],
)
def test_names_are_broken_where_their_parts_meet(name, width, lines):
    assert broken(name, width) == lines


@given(st.text(min_size=1, max_size=60), st.integers(8, 30))
def test_nothing_but_spaces_is_lost_and_every_line_fits(name, width):
    lines = broken(name, width)
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")
    assert all(cell_len(line.rstrip(" ")) <= width for line in lines)


def test_a_summary_breaks_no_word():
    rng = np.random.default_rng(0)
    n = 200
    table = {
        "smokes": np.array(["no", "yes"])[rng.integers(0, 2, n)],
        "region_of_residence": np.array(["north", "south west", "east"])[rng.integers(0, 3, n)],
        "y": 1e8 * rng.normal(size=n),
    }
    said = str(gl.fit("y ~ smokes * region_of_residence", table).summary())
    for word in ("smokes[T.yes]:", "[T.south", "residence"):
        assert word in said
    assert max(map(len, said.splitlines())) <= 80
