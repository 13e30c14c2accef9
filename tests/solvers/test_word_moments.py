"""Moments in two words against rational arithmetic, and the fits that rest on them."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exact import least_squares, rational
from hypothesis import given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.design.dense import DenseDesign
from gradline.rows.block import Block
from gradline.solvers.least_squares import word_moments
from gradline.solvers.least_squares.word_moments import WordMomentsKernel, solve_word_moments


def moments(x, y, shift, intercept=True, parts=3):
    kernel = WordMomentsKernel(shift)
    found = None
    for rows in np.array_split(np.arange(len(y)), parts):
        part = kernel.map(Block(DenseDesign(x[rows], intercept), y[rows, None]))
        found = part if found is None else kernel.merge(found, part)
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.integers(-60, 60), far=st.sampled_from([0.0, 1.0, 1e3, 1e8]), rows=st.integers(1, 90))
def test_sums_are_right_to_two_words(seed, scale, far, rows):
    rng = np.random.default_rng(seed)
    columns = np.ldexp(rng.normal(size=(rows, 3)) * 10.0 ** rng.uniform(-6, 0, (rows, 3)) + far, scale)
    shift = columns.mean(axis=0) if seed % 2 else np.ldexp(rng.normal(size=3), scale)
    found = moments(columns[:, :2], columns[:, 2], shift, parts=min(rows, 2))
    moved = [[a - Fraction(float(s)) for a, s in zip(row, shift, strict=True)] for row in rational(columns)]
    for i in range(3):
        size = sum(abs(row[i]) for row in moved)
        assert abs(sum(map(Fraction, found.sums[:, i].tolist())) - sum(row[i] for row in moved)) <= size / 2**90
        for j in range(3):
            # The bits of a slice are counted from the largest entry of a column.
            size = rows * max(abs(row[i]) for row in moved) * max(abs(row[j]) for row in moved)
            right = sum(row[i] * row[j] for row in moved)
            assert abs(sum(map(Fraction, found.products[:, i, j].tolist())) - right) <= size / 2**90


@pytest.mark.parametrize("chunk", [2048, 100])
def test_a_chunk_of_the_largest_products_is_exact(chunk, monkeypatch):
    # Every entry uses all 53 bits and has the same sign, so that sums of slices grow to all that a double holds.
    monkeypatch.setattr(word_moments, "CHUNK_ROWS", chunk)
    rng = np.random.default_rng(1)
    columns = 1.0 - np.ldexp(rng.integers(1, 1000, (5000, 2)).astype(float), -53)
    found = moments(columns[:, :1], columns[:, 1], np.zeros(2))
    right = sum(a * b for a, b in rational(columns))
    assert abs(sum(map(Fraction, found.products[:, 0, 1].tolist())) - right) <= right / 2**96


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("noise", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("far", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("near", [1.0, 0.03])
def test_coefficients_are_the_exact_ones_rounded(intercept, noise, far, near):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 3))
    x[:, 1] = x[:, 0] + near * x[:, 1]
    x += far
    y = x @ [1.0, -2.0, 0.5] + noise * rng.normal(size=400)
    shift = np.append(x.mean(axis=0), y.mean()) if intercept else np.zeros(4)
    found = solve_word_moments(moments(x, y, shift, intercept), shift, intercept=intercept)
    if found is None:
        # Columns far from zero without an intercept are nearly one column.
        assert far > 0
        assert not intercept
        return
    design = np.column_stack([np.ones(len(x)), x]) if intercept else x
    exact = least_squares(design, y)
    for value, digits, right in zip(found.coefficients, found.digits, exact, strict=True):
        assert digits >= 15
        assert abs(Fraction(float(value)) - right) <= abs(right) / 2**52
    left = [a - sum(b * c for b, c in zip(row, exact, strict=True)) for row, a in zip(rational(design), rational(y), strict=True)]
    assert found.squares == pytest.approx(float(sum(value**2 for value in left)), rel=1e-12)


def test_nothing_is_claimed_that_is_not_there():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(500, 3))
    shift = np.zeros(4)
    for columns, y in [
        (x, x @ [1.0, 2.0, 3.0]),  # no residual is left
        (np.column_stack([x[:, :2], x[:, 0] + 1e-6 * x[:, 2]]), rng.normal(size=500)),  # nearly one column
        (np.column_stack([x[:, :2], x[:, 0] - x[:, 1]]), rng.normal(size=500)),  # one column
        (np.column_stack([x[:, :2], np.zeros(500)]), rng.normal(size=500)),
    ]:
        assert solve_word_moments(moments(columns, y, shift, False), shift, intercept=False) is None


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_fit_of_little_noise_from_a_file_takes_two_passes_and_has_every_digit(tmp_path, monkeypatch, threads):
    from gradline.preparing import from_table as fitting_tables

    monkeypatch.setattr(fitting_tables, "MOST_HELD", 1000)
    monkeypatch.setattr("gradline.base.threads.available_cores", lambda: threads)
    rng = np.random.default_rng(7)
    n = 300_000
    x = rng.integers(-1000, 1000, size=(n, 8)) / 64.0
    noise = rng.integers(-8, 9, size=n) / 2.0**14
    y = x @ np.arange(8) + 3 + noise
    path = tmp_path / "little.parquet"
    pq.write_table(pa.table({**{f"x{i}": x[:, i] for i in range(8)}, "y": y}), path, row_group_size=50_000)
    fit = gl.fit("y ~ " + " + ".join(f"x{i}" for i in range(8)), path)
    assert fit.solution.passes == 2
    assert fit.certificate.reason == "normal equations solved in two words"
    assert fit.digits.min() == 15.9
    # These numbers are short, so that sums of their products are exact in whole numbers.
    design = np.column_stack([np.ones(n, dtype=np.int64), np.round(64 * x).astype(np.int64)])
    design[:, 0] *= 64
    short = np.round(2**14 * noise).astype(np.int64)
    gram, right = design.T @ design, design.T @ short
    moved = exact_solution(gram, right)
    true = [3, *range(8)]
    for value, extra, whole in zip(fit.coefficients, moved, true, strict=True):
        exact = whole + extra * 64 / 2**14
        assert abs(Fraction(float(value)) - exact) <= abs(exact) / 2**52
    reference = gl.fit(x, y, accuracy="full") if threads == 1 else None
    if reference is not None:
        assert np.allclose(fit.standard_errors, reference.standard_errors, rtol=1e-9)
        assert fit.loss == pytest.approx(reference.loss, rel=1e-10)


def exact_solution(gram, right):
    from exact import solve

    return solve([[Fraction(int(v)) for v in row] for row in gram], [Fraction(int(v)) for v in right])


def test_errors_that_least_squares_left_behind_read_no_row_again(tmp_path, monkeypatch):
    from gradline.preparing import from_table as fitting_tables
    from gradline.tables.rows import TableRows

    monkeypatch.setattr(fitting_tables, "MOST_HELD", 1000)
    rng = np.random.default_rng(8)
    x = rng.normal(size=(300_000, 8))
    path = tmp_path / "rows.parquet"
    names = [f"x{i}" for i in range(8)]
    pq.write_table(pa.table({**dict(zip(names, x.T, strict=True)), "y": x[:, 0] + rng.normal(size=len(x))}), path)
    passes = []
    once = TableRows._pass
    monkeypatch.setattr(TableRows, "_pass", lambda self, kernels: passes.append(kernels) or once(self, kernels))
    fit = gl.fit("y ~ " + " + ".join(names), path, covariance="default")
    assert len(passes) == 1
    design = np.column_stack([np.ones(len(x)), x])
    left = pq.read_table(path)["y"].to_numpy() - design @ fit.coefficients
    expected = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * (left @ left) / (len(x) - 9))
    assert np.allclose(fit.standard_errors, expected, rtol=1e-10)
    with pytest.raises(ValueError, match="needs the rows the model was fitted to"):
        fit.covariance("HC1")
