"""Array types of the domain, and reindexing of arrays [horizon, model, symbol, …] when models or symbols change."""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
CellIndex: TypeAlias = tuple[slice, slice, slice] | tuple[Ints, Ints, Ints]
ABSENT = -1  # the position of a model or symbol that an array does not hold


def cell_index(shape: Sequence[int], horizons: Ints, models: Sequence[int], symbols: Ints) -> CellIndex:
    """Return the index of horizons × models × symbols: slices (hence views, no copies) where all are chosen."""
    chosen = (horizons, np.asarray(models, np.int64), symbols)
    if all(np.array_equal(part, np.arange(size)) for part, size in zip(chosen, shape, strict=False)):
        return slice(None), slice(None), slice(None)
    rows, columns, depths = np.ix_(*chosen)
    return rows, columns, depths


def reindexed(array: NDArray[Scalar], axis: int, before: Sequence[int]) -> NDArray[Scalar]:
    """Return the array with one axis reindexed: position k holds what before[k] held, zeros where that is ABSENT."""
    origin = np.asarray(before, np.int64)
    shape = list(array.shape)
    shape[axis] = len(origin)
    out = np.zeros(shape, array.dtype)
    known = np.flatnonzero(origin != ABSENT)
    at: list[slice | Ints] = [slice(None)] * array.ndim
    at[axis] = known
    out[tuple(at)] = np.take(array, origin[known], axis=axis)
    return out
