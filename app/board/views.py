"""What the board shows. What enters: its state and the wall time; what leaves: plain dicts that msgspec encodes.

Columns over time are numpy arrays, NaN where there is no value (null in JSON). Returns are log returns of the mid.
"""

from typing import Any

import numpy as np

from app.board.history import champion_of, flags_of
from app.board.rings import ALL, Array
from app.board.state import BoardState, Prices
from app.records import Forecast, PredictionBatch

View = dict[str, Any]
MASKED = {"traded": {"price", "high", "low"}, "quoted": {"bid", "bid_size", "ask", "ask_size", "mid"}}


class UnknownSymbolError(LookupError):
    """A symbol the board has never seen; the message names the known ones."""


def home_of(state: BoardState, symbol: str) -> int:
    """Return the partition of a symbol.

    Raises:
        UnknownSymbolError: it was in no batch.

    """
    try:
        return state.history.homes[symbol]
    except KeyError:
        known = sorted(state.history.homes)
        named = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
        raise UnknownSymbolError(f"symbol {symbol} is not known; known are: {named or 'none yet'}") from None


def age_s(state: BoardState, second: int, wall_ms: float) -> float:
    """Return how long ago, in exchange time, a second ended; never negative."""
    return max(0.0, round(state.time.now_s(wall_ms) - (second + 1), 3))


# ── predictions ───────────────────────────────────────────────────────────────────────────────────────────────


def prediction(state: BoardState, batch: PredictionBatch, row: int, wall_ms: float, *, all_models: bool = True) -> View:
    """Return one symbol's newest prediction: the champion's per horizon, and what the others say."""
    champion, mid = champion_of(batch), batch.mid[row]
    age = age_s(state, batch.second, wall_ms)
    shown: View = {
        "symbol": batch.symbols[row],
        "second": batch.second,
        "closed_ms": batch.closed_ms,
        "sent_ms": batch.sent_ms,
        "age_s": age,
        "stale": age > state.settings.prediction_ttl_s,
        "mid": mid if batch.priced[row] else None,
        "priced": batch.priced[row],
        "volatility": batch.volatility[row],
        "flags": batch.flags[row],
        "model": champion.model if champion else None,
        "kind": champion.kind if champion else None,
        "role": champion.role if champion else None,
        "forecasts": _horizons(state, batch, champion, row) if champion else [],
    }
    if all_models:
        shown["others"] = [
            {
                "model": other.model,
                "kind": other.kind,
                "role": other.role,
                "forecasts": _horizons(state, batch, other, row),
            }
            for other in batch.forecasts
            if other is not champion
        ]
    return shown


def _horizons(state: BoardState, batch: PredictionBatch, forecast: Forecast, row: int) -> list[View]:
    names = [f"{level:g}" for level in batch.levels]
    expected, prices = _prices(state, batch, forecast)
    return [
        {
            "horizon_s": horizon_s,
            "due": batch.second + horizon_s,
            "mean": forecast.mean[row][place],
            "price": expected[row][place],
            "quantiles": dict(zip(names, forecast.quantiles[row][place], strict=True)),
            "prices": dict(zip(names, prices[row][place], strict=True)),
        }
        for place, horizon_s in enumerate(batch.horizons_s)
    ]


def _prices(state: BoardState, batch: PredictionBatch, forecast: Forecast) -> Prices:
    """Return mid · exp(mean) [S][H] and mid · exp(quantile) [S][H][Q] to nine digits, computed once per batch."""
    newest, known = state.prices.get(batch.partition, (None, {}))
    if newest is not batch:
        known = {}
        state.prices[batch.partition] = (batch, known)
    if forecast.model not in known:
        mid = np.array(
            [mid if priced and mid > 0 else np.nan for mid, priced in zip(batch.mid, batch.priced, strict=True)]
        )[:, None]
        scale = 10.0 ** (8 - np.floor(np.log10(mid)))
        mean, quantiles = np.exp(np.array(forecast.mean)), np.exp(np.array(forecast.quantiles))
        expected = np.rint(mid * mean * scale) / scale
        prices = np.rint(mid[..., None] * quantiles * scale[..., None]) / scale[..., None]
        known[forecast.model] = (expected.tolist(), prices.tolist())
    return known[forecast.model]


def latest(state: BoardState, symbol: str | None, wall_ms: float, *, all_models: bool = True) -> View:
    """Return the newest prediction of one symbol, or of all of them."""
    batches = list(state.predictions.values())
    if symbol is not None:
        home = state.predictions.get(home_of(state, symbol))
        batches = [home] if home and symbol in home.symbols else []
    rows = [
        prediction(state, batch, row, wall_ms, all_models=all_models)
        for batch in batches
        for row, name in enumerate(batch.symbols)
        if symbol in {None, name}
    ]
    return {"source": state.settings.source, "predictions": sorted(rows, key=lambda row: str(row["symbol"]))}


# ── columns over time ─────────────────────────────────────────────────────────────────────────────────────────


def _flags(marks: Array) -> list[list[str]]:
    known = {int(mark): flags_of(int(mark)) for mark in np.unique(marks)}
    return [known[int(mark)] for mark in marks]


def _rounded(values: Array) -> Array:
    return np.round(values.astype(np.float64), 10)


def history(state: BoardState, symbol: str, since: int, until: int, pick: slice = ALL) -> View:
    """Return a symbol's past predictions, the champion's of each second.

    `mean` [T] and `quantiles` {level: [T]} per horizon; `realised` [T] is what became of them, NaN while it is open.
    """
    lane = state.history.lanes[home_of(state, symbol)]
    shape = state.history.shape
    if shape is None or lane.predictions is None:
        return {"symbol": symbol, "second": [], "mid": [], "volatility": [], "model": [], "flags": [], "horizons": {}}
    found = lane.predictions.read(symbol, since, until, pick=pick)
    realised = _realised(state, symbol, found["second"])
    models = [*state.history.models, *[None] * (256 - len(state.history.models))]
    return {
        "symbol": symbol,
        "second": found["second"],
        "mid": found["mid"],
        "volatility": _rounded(found["volatility"]),
        "model": [models[number] for number in found["model"]],
        "flags": _flags(found["marks"]),
        "horizons": {
            str(horizon_s): {
                "mean": _rounded(found["mean"][:, place]),
                "quantiles": {
                    f"{level:g}": _rounded(found["quantiles"][:, place, rank])
                    for rank, level in enumerate(shape.levels)
                },
                "realised": realised[:, place],
            }
            for place, horizon_s in enumerate(shape.horizons_s)
        },
    }


def _realised(state: BoardState, symbol: str, seconds: Array) -> Array:
    shape, lane = state.history.shape, state.history.lanes[state.history.homes[symbol]]
    assert shape is not None
    values = np.full((len(seconds), len(shape.horizons_s)), np.nan)
    if lane.outcomes is not None and len(seconds):
        known = lane.outcomes.read(symbol, int(seconds[0]), int(seconds[-1]))
        _, here, there = np.intersect1d(seconds, known["second"], assume_unique=True, return_indices=True)
        values[here] = _rounded(known["realised"][there])
    return values


def bars(state: BoardState, symbol: str, since: int, until: int, pick: slice = ALL) -> View:
    """Return a symbol's one-second bars: `second` [T], `flags` [T], `channels` {name: [T]}.

    What a mask of the bar denies is NaN: prices before the first trade, quotes before the first quote.
    """
    lane = state.history.lanes[home_of(state, symbol)]
    if lane.bars is None:
        return {"symbol": symbol, "second": [], "flags": [], "channels": {}}
    found = lane.bars.read(symbol, since, until, pick=pick)
    channels = {name: found["bars"][:, place] for place, name in enumerate(lane.channels)}
    for mask, names in MASKED.items():
        for name in names & channels.keys() if mask in channels else ():
            channels[name] = np.where(channels[mask] > 0, channels[name], np.nan)
    return {"symbol": symbol, "second": found["second"], "flags": _flags(found["marks"]), "channels": channels}


def outcomes(state: BoardState, symbol: str, horizon_s: int, *, since: int, until: int, pick: slice = ALL) -> View:
    """Return what was forecast and what came: only the settled ones, by the second they were made."""
    past = history(state, symbol, since, until)
    column = past["horizons"].get(str(horizon_s))
    if column is None:
        return {"symbol": symbol, "horizon_s": horizon_s, "second": [], "model": [], "mean": [], "quantiles": {},
                "realised": []}  # fmt: skip
    settled = np.flatnonzero(~np.isnan(column["realised"]))
    settled = settled[pick]
    return {
        "symbol": symbol,
        "horizon_s": horizon_s,
        "second": past["second"][settled],
        "model": [past["model"][place] for place in settled],
        "mean": column["mean"][settled],
        "quantiles": {level: values[settled] for level, values in column["quantiles"].items()},
        "realised": column["realised"][settled],
    }
