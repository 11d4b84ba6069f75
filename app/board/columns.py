"""Past predictions, bars and settled forecasts of one symbol, as columns over time."""

import numpy as np

from app.board.history import ForecastShape, PartitionHistory, flags_of
from app.board.rings import ALL, Array
from app.board.state import BoardState
from app.board.symbols import partition_of
from app.board.views import HorizonColumns, PastBars, PastOutcomes, PastPredictions

MASKED = {"traded": {"price", "high", "low"}, "quoted": {"bid", "bid_size", "ask", "ask_size", "mid"}}
NO_SECONDS, NO_VALUES = np.zeros(0, np.int64), np.zeros(0)


def history(state: BoardState, symbol: str, since: int, until: int, pick: slice = ALL) -> PastPredictions:
    """Return a symbol's past predictions, the champion's of each second.

    `mean` [T] and `quantiles` {level: [T]} per horizon; `realised` [T] is the outcome, NaN while it is open.
    """
    partition, shape = state.history.partitions[partition_of(state, symbol)], state.history.shape
    if shape is None or partition.predictions is None:
        return no_predictions(symbol)
    found = partition.predictions.read(symbol, since, until, pick=pick)
    models = [*state.history.models, *[None] * (256 - len(state.history.models))]
    return PastPredictions(
        next_from=None,
        symbol=symbol,
        second=found["second"],
        mid=found["mid"],
        volatility=_rounded(found["volatility"]),
        model=[models[number] for number in found["model"]],
        flags=_flags(found["marks"]),
        horizons=_horizons(shape, found, _realised(partition, shape, symbol, found["second"])),
    )


def no_predictions(symbol: str) -> PastPredictions:
    """Return a history without any second."""
    return PastPredictions(next_from=None, symbol=symbol, second=NO_SECONDS, mid=NO_VALUES, volatility=NO_VALUES,
                           model=[], flags=[], horizons={})  # fmt: skip


def _horizons(shape: ForecastShape, found: dict[str, Array], realised: Array) -> dict[str, HorizonColumns]:
    return {
        str(horizon_s): HorizonColumns(
            mean=_rounded(found["mean"][:, at]),
            quantiles={f"{level:g}": _rounded(found["quantiles"][:, at, rank])
                       for rank, level in enumerate(shape.levels)},
            realised=realised[:, at],
        )
        for at, horizon_s in enumerate(shape.horizons_s)
    }  # fmt: skip


def _realised(partition: PartitionHistory, shape: ForecastShape, symbol: str, seconds: Array) -> Array:
    values = np.full((len(seconds), len(shape.horizons_s)), np.nan)
    if partition.outcomes is not None and len(seconds):
        known = partition.outcomes.read(symbol, int(seconds[0]), int(seconds[-1]))
        _, at, settled = np.intersect1d(seconds, known["second"], assume_unique=True, return_indices=True)
        values[at] = _rounded(known["realised"][settled])
    return values


def _flags(marks: Array) -> list[list[str]]:
    known = {int(mark): flags_of(int(mark)) for mark in np.unique(marks)}
    return [known[int(mark)] for mark in marks]


def _rounded(values: Array) -> Array:
    return np.round(values.astype(np.float64), 10)


def bars(state: BoardState, symbol: str, since: int, until: int, pick: slice = ALL) -> PastBars:
    """Return a symbol's one-second bars: `second` [T], `flags` [T], `channels` {name: [T]}.

    Values that a mask of the bar denies are NaN: prices before the first trade, quotes before the first quote.
    """
    partition = state.history.partitions[partition_of(state, symbol)]
    if partition.bars is None:
        return no_bars(symbol)
    found = partition.bars.read(symbol, since, until, pick=pick)
    channels = {name: found["bars"][:, at] for at, name in enumerate(partition.channels)}
    return PastBars(next_from=None, symbol=symbol, second=found["second"], flags=_flags(found["marks"]),
                    channels=masked(channels))  # fmt: skip


def no_bars(symbol: str) -> PastBars:
    """Return bars of no second."""
    return PastBars(next_from=None, symbol=symbol, second=NO_SECONDS, flags=[], channels={})


def masked(channels: dict[str, Array]) -> dict[str, Array]:
    """Return channels [T] with NaN where their mask denies a value.

    >>> masked({"quoted": np.array([0.0, 1.0]), "mid": np.array([0.0, 7.0])})["mid"].tolist()
    [nan, 7.0]
    """
    masks = {name: mask for mask, names in MASKED.items() if mask in channels for name in names}
    return {
        name: np.where(channels[masks[name]] > 0, values, np.nan) if name in masks else values
        for name, values in channels.items()
    }


def settled(past: PastPredictions, horizon_s: int, pick: slice = ALL) -> PastOutcomes:
    """Return the forecasts of one horizon whose outcome is known, by the second they were made."""
    column = past.horizons.get(str(horizon_s))
    if column is None:
        return PastOutcomes(next_from=past.next_from, symbol=past.symbol, horizon_s=horizon_s, second=NO_SECONDS,
                            model=[], mean=NO_VALUES, quantiles={}, realised=NO_VALUES)  # fmt: skip
    rows = np.flatnonzero(~np.isnan(column.realised))[pick]
    return PastOutcomes(
        next_from=past.next_from,
        symbol=past.symbol,
        horizon_s=horizon_s,
        second=past.second[rows],
        model=[past.model[row] for row in rows],
        mean=column.mean[rows],
        quantiles={level: values[rows] for level, values in column.quantiles.items()},
        realised=column.realised[rows],
    )
