"""The order in which sums are added up: a function of the data, whoever adds."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradline.base.threads import single_threaded_blas
from gradline.losses import huber
from gradline.objective.objective import Problem
from gradline.rows.arrays import ArrayRows
from gradline.rows.fold import CHUNK_BLOCKS, SpanFold, block_rows, chunk_blocks, span_rows, sum_blocks
from gradline.rows.kernel import Kernel
from gradline.solvers.least_squares.second_moments import MomentsKernel

ANY_TIME = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Tree(Kernel):
    """Which rows were added to which: a pair for each addition, the first row for each block."""

    def map(self, block):
        return block.first_row

    def merge(self, first, second):
        return (first, second)


def left_to_right(parts):
    total = parts[0]
    for part in parts[1:]:
        total = (total, part)
    return total


def tree_by_hand(n, row_numbers, n_columns, k):
    """The order as the module's docstring tells it."""
    step = block_rows(row_numbers, k)
    starts = list(range(0, n, step))
    size = chunk_blocks(len(starts))
    spans, held = [[]], 0
    for i in range(0, len(starts), size):
        spans[-1].append(left_to_right(starts[i : i + size]))
        held += min(size * step, n - starts[i])
        if held >= span_rows(row_numbers, n_columns, k):
            spans.append([])
            held = 0
    return left_to_right([left_to_right(span) for span in spans if span])


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(("n", "p"), [(1, 2), (3_000, 40), (30_000, 3), (40_000, 120), (60_000, 60), (2_000, 1_500)])
def test_rows_in_memory_are_added_up_in_the_one_order(n, p, threads):
    rows = ArrayRows(np.broadcast_to(0.0, (n, p)), np.zeros((n, 1)), threads=threads)
    assert rows.reduce(Tree()) == tree_by_hand(n, p + 1, p + 1, 1)


@ANY_TIME
@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200))
def test_a_span_ends_with_the_chunk_that_fills_it(sizes, rows):
    fold = SpanFold(lambda first, second: [*first, "+", *second], rows)
    for number, size in enumerate(sizes):
        fold.add([number], size)
    # Nothing is lost or moved, whatever the spans.
    assert [word for word in fold.total() if word != "+"] == list(range(len(sizes)))


@ANY_TIME
@given(st.integers(1, 3000), st.integers(1, 4))
def test_the_data_of_a_span_is_64_times_its_state(n_columns, k):
    assert span_rows(n_columns, n_columns, k) * (n_columns + k) >= 64 * (k * n_columns) ** 2


@ANY_TIME
@given(st.integers(1, 10**6))
def test_many_blocks_are_many_chunks(n_blocks):
    size = chunk_blocks(n_blocks)
    assert 1 <= size <= CHUNK_BLOCKS
    assert -(-n_blocks // size) >= min(n_blocks, 16)


def spans_elsewhere(kernel: Kernel, rows: ArrayRows, pool):
    """The sum as machines would make it: each is sent blocks of a span and sends a state back."""
    n, p, k = rows.n_rows, rows.n_columns, rows.n_targets
    step = block_rows(p, k)
    size = step * chunk_blocks(-(-n // step))
    fold = SpanFold(kernel.merge, span_rows(p, p, k))
    jobs = []
    for start in range(0, n, size):
        blocks = [rows.part(first, min(first + step, n)).in_memory() for first in range(start, min(start + size, n), step)]
        jobs.append((pool.submit(one_chunk, kernel, blocks), min(size, n - start)))
    for job, count in jobs:
        fold.add(job.result(), count)
    return fold.total()


def one_chunk(kernel, blocks):
    with single_threaded_blas():
        return sum_blocks(kernel, iter(blocks))


@pytest.mark.parametrize("loss", ["huber", "moments"])
def test_other_processes_come_to_the_same_bits(loss):
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(23_456, 60)) + 5.0, rng.normal(size=(23_456, 1))
    rows, coefficients = ArrayRows(X, y, threads=3), rng.normal(size=(61, 1))
    problem = Problem(rows, huber(1.0))
    if loss == "huber":
        from gradline.objective.objective import _EvaluateKernel

        kernel = _EvaluateKernel(problem.loss, coefficients, 2)
    else:
        kernel = MomentsKernel()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        there = spans_elsewhere(kernel, rows, pool)
    here = rows.reduce(kernel)
    if loss == "huber":
        pairs = [(here[0].gradient, there[0].gradient), (here[0].curvature, there[0].curvature), (here[0].value, there[0].value)]
    else:
        pairs = [(getattr(here.sums, name), getattr(there.sums, name)) for name in ("products", "sums", "shift", "weight")]
    for first, second in pairs:
        np.testing.assert_array_equal(first, second)
