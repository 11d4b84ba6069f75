"""State of every forecaster and symbol as arrays [horizon, model, symbol, …]: growing, shrinking, pointing into it.

What enters: arrays and the positions their models and symbols had before. What leaves: rearranged arrays and indices.
"""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Cells: TypeAlias = tuple[slice, slice, slice] | tuple[Ints, Ints, Ints]
NEW = -1


def cells(shape: Sequence[int], horizons: Ints, models: Sequence[int], symbols: Ints) -> Cells:
    """Return the index of horizons × models × symbols; slices, hence views instead of copies, when it is everything."""
    chosen = (horizons, np.asarray(models, np.int64), symbols)
    if all(np.array_equal(part, np.arange(size)) for part, size in zip(chosen, shape, strict=False)):
        return slice(None), slice(None), slice(None)
    rows, columns, depths = np.ix_(*chosen)
    return rows, columns, depths


def taken(array: NDArray[Scalar], axis: int, before: Sequence[int]) -> NDArray[Scalar]:
    """Return the array with its axis rearranged: place k holds what place before[k] held, zeros where that is NEW."""
    origin = np.asarray(before, np.int64)
    shape = list(array.shape)
    shape[axis] = len(origin)
    out = np.zeros(shape, array.dtype)
    known = np.flatnonzero(origin != NEW)
    at: list[slice | Ints] = [slice(None)] * array.ndim
    at[axis] = known
    out[tuple(at)] = np.take(array, origin[known], axis=axis)
    return out
