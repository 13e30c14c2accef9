"""Which fold a row is in: by SplitMix64 of its number, whole numbers of any length for reference."""

import numpy as np
import pytest

from gradline.rows.arrays import ArrayRows
from gradline.rows.folds import Folds, picked

MASK = 2**64 - 1


def split_mix(number: int) -> int:
    """Steele, Lea and Flood (2014), figure 15 with the constants of their variant 13."""
    z = number * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


@pytest.mark.parametrize("count", [2, 3, 10, 64, 1000])
@pytest.mark.parametrize("seed", [0, 7])
def test_the_fold_is_a_hash_of_the_row(count, seed):
    rows = ArrayRows(np.zeros((500, 1)), np.zeros((500, 1)))
    found = Folds(count, seed).of(rows.in_memory())
    np.testing.assert_array_equal(found, [split_mix(number + seed + 1) % count for number in range(500)])


def test_a_row_keeps_its_fold_wherever_a_pass_is_cut_and_whatever_was_left_out():
    block, folds = ArrayRows(np.zeros((900, 1)), np.zeros((900, 1))).in_memory(), Folds(7, 3)
    whole, some = folds.of(block), np.arange(5, 900, 4)
    np.testing.assert_array_equal(np.concatenate([folds.of(piece) for piece in block.pieces(2**13)]), whole)
    np.testing.assert_array_equal(folds.of(picked(block, some)), whole[some])


def test_folds_are_as_large_as_each_other_but_for_chance():
    rows = ArrayRows(np.zeros((100_000, 1)), np.zeros((100_000, 1)))
    found = np.bincount(Folds(10).of(rows.in_memory()), minlength=10)
    assert np.abs(found - 10_000).max() < 5 * np.sqrt(9_000)
