"""Reindexing of arrays, and indices that are views where they can be."""

import numpy as np

from app.domain.arrays import ABSENT, cell_index, reindexed


def test_reindexed_rows_move_and_new_ones_are_zero() -> None:
    """Along either axis, and the original stays as it was."""
    array = np.array([[1, 2], [3, 4]])
    assert reindexed(array, 0, [1, ABSENT, 0]).tolist() == [[3, 4], [0, 0], [1, 2]]
    assert reindexed(array, 1, [ABSENT, 1]).tolist() == [[0, 2], [0, 4]]
    assert reindexed(array, 0, []).shape == (0, 2)
    assert array.tolist() == [[1, 2], [3, 4]]


def test_the_index_of_everything_is_a_view_and_that_of_a_part_is_not() -> None:
    """Slices cost no copy; chosen positions give what they name, in their order."""
    array = np.arange(24).reshape(2, 3, 4)
    every = cell_index(array.shape, np.arange(2), range(3), np.arange(4))
    assert np.shares_memory(array[every], array)
    part = cell_index(array.shape, np.array([1]), [2, 0], np.array([3, 1]))
    assert array[part].tolist() == [[[23, 21], [15, 13]]]
