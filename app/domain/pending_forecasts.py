"""Forecasts that wait for their outcome: the checked forecasts of one second of one partition, and their record.

Forecasts are held as float32, the mid as float64; a record loses nothing.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from app.domain.arrays import F32, F64, Bools
from app.records import Forecast, PredictionBatch

Nested = Sequence[float] | Sequence[Sequence[float]] | Sequence[Sequence[Sequence[float]]]
EMPTY: F32 = np.zeros(0, np.float32)


class PendingRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The forecasts of one second as stored in the ring table `tables/pending`; arrays as raw little-endian bytes."""

    second: int
    horizons_s: tuple[int, ...]
    levels: tuple[float, ...]
    symbols: tuple[str, ...]
    models: tuple[tuple[str, str], ...]  # id, kind
    mid: bytes  # float64 [S], 0 where unpriced
    volatility: bytes  # float32 [S]
    values: bytes  # float32 [H,M,S,1+Q]: the mean, then the quantiles
    stale: bytes = b""  # bool [S]: the mid is one carried through a quote outage; empty in older records: none is


class PendingForecasts:
    """The forecasts of one second as arrays; those of a horizon are discarded once settled."""

    def __init__(self, record: PendingRecord) -> None:
        self.second, self.symbols, self.models = record.second, record.symbols, record.models
        self.mid: F64 = np.frombuffer(record.mid, np.float64)
        self.stale: Bools = np.frombuffer(record.stale, np.bool_) if record.stale else np.zeros(len(self.mid), np.bool_)
        self.priced: Bools = (self.mid > 0) & ~self.stale
        self.volatility: F32 = np.frombuffer(record.volatility, np.float32)
        shape = (len(record.horizons_s), len(self.models), len(self.symbols), 1 + len(record.levels))
        values = np.frombuffer(record.values, np.float32).reshape(shape)
        self.values: list[F32] = [part.copy() for part in values]

    def share_names(self, other: "PendingForecasts") -> None:
        """Use the other's names where they are equal, so that three hundred seconds hold them once in memory."""
        self.symbols = other.symbols if other.symbols == self.symbols else self.symbols
        self.models = other.models if other.models == self.models else self.models

    def discard(self, horizons: Sequence[int]) -> None:
        """Discard the forecasts of these positions of horizons."""
        for position in horizons:
            self.values[position] = EMPTY


def decoded(record: bytes) -> PendingRecord:
    """Return the record encoded in `tables/pending`; raises MsgspecError."""
    return msgspec.msgpack.decode(record, type=PendingRecord)


def record_of(batch: PredictionBatch, horizons_s: tuple[int, ...], levels: tuple[float, ...]) -> PendingRecord:
    """Return the record of a batch; raises ValueError with the reason for a batch of other shapes or values."""
    if (tuple(batch.horizons_s), tuple(batch.levels)) != (horizons_s, levels):
        given = f"horizons {batch.horizons_s} and levels {batch.levels}"
        raise ValueError(f"predictions are for {given}, not for {list(horizons_s)} and {list(levels)}")
    _distinct("symbols", batch.symbols)
    _distinct("forecasts' models", [forecast.model for forecast in batch.forecasts])
    count = len(batch.symbols)
    mid = _array("mid", batch.mid, (count,))
    priced = _array("priced", batch.priced, (count,)) > 0
    volatility = _array("volatility", batch.volatility, (count,)).astype(np.float32)
    if (mid[priced] <= 0).any() or (volatility < 0).any():
        raise ValueError("mid must be positive where priced, and volatility must not be negative")
    parts = [_values(forecast, count, len(horizons_s), len(levels)) for forecast in batch.forecasts]
    values = np.stack(parts) if parts else np.zeros((0, count, len(horizons_s), 1 + len(levels)), np.float32)
    return PendingRecord(
        second=batch.second,
        horizons_s=horizons_s,
        levels=levels,
        symbols=tuple(batch.symbols),
        models=tuple((forecast.model, forecast.kind) for forecast in batch.forecasts),
        mid=np.where(priced, mid, 0.0).tobytes(),
        volatility=volatility.tobytes(),
        values=values.transpose(2, 0, 1, 3).tobytes(),
        stale=_stale(batch).tobytes(),
    )


def _stale(batch: PredictionBatch) -> Bools:
    if len(batch.flags) != len(batch.symbols):
        raise ValueError(f"{len(batch.flags)} rows of flags for {len(batch.symbols)} symbols")
    return np.fromiter(("stale" in flags for flags in batch.flags), np.bool_, len(batch.flags))


def _values(forecast: Forecast, symbols: int, horizons: int, levels: int) -> F32:
    """Return the mean, then the quantiles: [S,H,1+Q]."""
    mean = _array(f"mean of {forecast.model}", forecast.mean, (symbols, horizons), np.float32)
    quantiles = _array(f"quantiles of {forecast.model}", forecast.quantiles, (symbols, horizons, levels), np.float32)
    return np.concatenate([mean[..., None], quantiles], axis=-1)


def _array(name: str, values: Nested, shape: tuple[int, ...], dtype: type[np.floating] = np.float64) -> np.ndarray:
    """Return an array of this shape, all finite; ValueError otherwise."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(values, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not {shape} numbers: {error}") from None
    if array.size == 0 and math.prod(shape) == 0:
        return np.zeros(shape, dtype)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, not {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite")
    return array


def _distinct(name: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{name} repeat: {sorted({value for value in values if values.count(value) > 1})}")
