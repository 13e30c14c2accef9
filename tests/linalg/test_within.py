"""The within transformation against least squares on the levels written out as columns."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradline.base.errors import SolverError
from gradline.linalg import level_columns, level_equations
from gradline.linalg.level_columns import Category
from gradline.linalg.within import HeldLevels, transform


@dataclass(frozen=True)
class Factor:
    codes: np.ndarray
    size: int
    slopes: np.ndarray | None = None
    constant: bool = True

    @property
    def category(self):
        return Category(self.size, 0 if self.slopes is None else self.slopes.shape[1], self.constant)


class Within:
    """The transformation of arrays, in parts of a few rows."""

    def __init__(self, factors, weights=None):
        self.factors, self.weights = factors, weights

    def __call__(self, columns, part_rows=64):
        codes, slopes = tuple(own.codes for own in self.factors), tuple(own.slopes for own in self.factors)
        rows = HeldLevels(tuple(own.category for own in self.factors), codes, slopes, self.weights, columns, part_rows)
        found = transform(rows)
        return found, np.concatenate([part.values for part in rows.left(found.taken)])


def written_out(factors):
    """The levels as columns."""
    parts = []
    for own in factors:
        dummies = np.eye(own.size)[own.codes]
        parts += [dummies] if own.constant else []
        parts += [] if own.slopes is None else [dummies * own.slopes[:, [j]] for j in range(own.slopes.shape[1])]
    return np.hstack(parts)


def left_by_least_squares(factors, columns, weights):
    root = np.ones(len(columns)) if weights is None else np.sqrt(weights)
    D = written_out(factors)
    return columns - D @ np.linalg.lstsq(D * root[:, None], columns * root[:, None], rcond=None)[0]


def example(seed, n, sizes, slopes=0, constant=True, weighted=True):
    rng = np.random.default_rng(seed)
    factors = [Factor(rng.integers(0, size, n), size) for size in sizes]
    if slopes:
        factors[0] = Factor(factors[0].codes, sizes[0], rng.normal(5.0, 1.0, (n, slopes)), constant)
    return factors, rng.normal(50.0, 2.0, (n, 3)), rng.uniform(0.1, 2.0, n) if weighted else None


@pytest.mark.parametrize("direct", [1500, 6, 0], ids=["factored", "small factored", "conjugate gradients"])
@pytest.mark.parametrize(
    ("n", "sizes", "slopes", "constant"),
    [
        (300, (30,), 0, True),
        (300, (30, 7), 0, True),
        (120, (40, 35), 0, True),
        (400, (30, 20, 5), 0, True),
        (600, (30, 8), 2, True),
        (600, (30, 8), 1, False),
    ],
)
def test_what_is_left_is_that_of_least_squares(monkeypatch, direct, n, sizes, slopes, constant):
    monkeypatch.setattr(level_equations, "DIRECT", direct)
    for weighted in (False, True):
        factors, columns, weights = example(len(sizes), n, sizes, slopes, constant, weighted)
        found, left = Within(factors, weights)(columns)
        assert found.converged
        np.testing.assert_allclose(left, left_by_least_squares(factors, columns, weights), atol=2e-11)
        metric = np.ones(n) if weights is None else weights
        np.testing.assert_allclose(found.left, (left * metric[:, None]).T @ left, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.size, metric @ np.square(columns))
        if found.equations.rank is not None:
            assert found.equations.rank == np.linalg.matrix_rank(written_out(factors))


@pytest.mark.parametrize("dense", [2**27, 0], ids=["pairs written out", "pairs sparse"])
def test_how_rows_arrive_and_pairs_are_held_changes_nothing(monkeypatch, dense):
    monkeypatch.setattr(level_equations, "DENSE_PAIRS", dense)
    monkeypatch.setattr(level_columns, "PENDING_ROWS", 7)
    factors, columns, weights = example(5, 700, (300, 12, 4))
    expected = left_by_least_squares(factors, columns, weights)
    for part_rows in (1, 13, 700):
        np.testing.assert_allclose(Within(factors, weights)(columns, part_rows)[1], expected, atol=2e-11)


def test_levels_give_back_what_was_taken_out():
    factors, columns, weights = example(3, 500, (25, 9), slopes=2)
    found, left = Within(factors, weights)(columns)
    total = np.zeros(500)
    for own, (constants, slopes) in zip(factors, found.level_values(found.levels[:, 0]), strict=True):
        total += constants[own.codes]
        total += 0.0 if own.slopes is None else (own.slopes * slopes[own.codes]).sum(axis=1)
    np.testing.assert_allclose(total + left[:, 0], columns[:, 0], rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(2, 30))
def test_nothing_is_left_to_take_out(seed, first, second):
    factors, columns, weights = example(seed, 90, (first, second))
    left = Within(factors, weights)(columns)[1]
    for own in factors:
        sums = np.stack([np.bincount(own.codes, weights * left[:, j], minlength=own.size) for j in range(3)])
        assert np.abs(sums).max() < 1e-9


def test_a_chain_of_levels_that_hardly_hold_together_is_solved_or_refused(monkeypatch):
    # A path of 2 x 400 levels, each joined to the next by one row: the condition is that of a path, about 400^2.
    monkeypatch.setattr(level_equations, "DIRECT", 0)
    codes = np.arange(800)
    factors = [Factor(np.repeat(codes // 2, 2)[1:-1] % 400, 400), Factor(((np.repeat(codes, 2)[1:-1] + 1) // 2) % 401, 401)]
    columns = np.random.default_rng(0).normal(size=(len(factors[0].codes), 2))
    np.testing.assert_allclose(Within(factors)(columns)[1], left_by_least_squares(factors, columns, None), atol=1e-9)
    monkeypatch.setattr(level_equations, "MOST_STEPS", 3)
    with pytest.raises(SolverError, match="not absorbed in 3 steps"):
        Within(factors)(columns)
