"""The newest prediction of every symbol, as returns and as prices."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from app.board.history import champion_of
from app.board.state import BoardState, Prices
from app.board.symbols import age_s, partition_of
from app.board.views import Horizon, LatestPredictions, Other, Prediction, ServedPrediction
from app.records import Forecast, PredictionBatch

P = TypeVar("P", bound=ServedPrediction)


def latest(state: BoardState, symbol: str | None, wall_ms: float) -> LatestPredictions:
    """Return the newest prediction of one symbol, or of all in alphabetical order, with what every model forecasts."""
    rows = [
        _prediction(Prediction, state, batch, row, wall_ms, others=_others(state, batch, row))
        for batch, row in _rows(state, symbol)
    ]
    rows.sort(key=lambda prediction: prediction.symbol)
    return LatestPredictions(source=state.settings.source, predictions=rows)


def served(state: BoardState, symbol: str | None, wall_ms: float) -> list[ServedPrediction]:
    """Return the same without the models that do not serve."""
    rows = [_prediction(ServedPrediction, state, batch, row, wall_ms) for batch, row in _rows(state, symbol)]
    rows.sort(key=lambda prediction: prediction.symbol)
    return rows


def _rows(state: BoardState, symbol: str | None) -> Iterator[tuple[PredictionBatch, int]]:
    if symbol is None:
        for batch in state.predictions.values():
            for row in range(len(batch.symbols)):
                yield batch, row
        return
    newest = state.predictions.get(partition_of(state, symbol))
    if newest is not None and symbol in newest.symbols:
        yield newest, newest.symbols.index(symbol)


def _prediction(view: type[P], state: BoardState, batch: PredictionBatch, row: int, wall_ms: float, **more: Any) -> P:
    champion, age = champion_of(batch), age_s(state, batch.second, wall_ms)
    return view(
        symbol=batch.symbols[row],
        second=batch.second,
        closed_ms=batch.closed_ms,
        sent_ms=batch.sent_ms,
        age_s=age,
        stale=age > state.settings.prediction_ttl_s,
        mid=batch.mid[row] if batch.priced[row] else None,
        priced=batch.priced[row],
        volatility=batch.volatility[row],
        flags=batch.flags[row],
        model=champion.model if champion else None,
        kind=champion.kind if champion else None,
        role=champion.role if champion else None,
        forecasts=_horizons(state, batch, champion, row) if champion else [],
        **more,
    )


def _others(state: BoardState, batch: PredictionBatch, row: int) -> list[Other]:
    champion = champion_of(batch)
    return [
        Other(model=one.model, kind=one.kind, role=one.role, forecasts=_horizons(state, batch, one, row))
        for one in batch.forecasts
        if one is not champion
    ]


def _horizons(state: BoardState, batch: PredictionBatch, forecast: Forecast, row: int) -> list[Horizon]:
    names = [f"{level:g}" for level in batch.levels]
    expected, prices = _prices(state, batch, forecast)
    columns = (forecast.mean[row], expected[row], forecast.quantiles[row], prices[row])
    return [
        Horizon(
            horizon_s=horizon_s,
            due=batch.second + horizon_s,
            mean=mean,
            price=price,
            quantiles=dict(zip(names, quantiles, strict=True)),
            prices=dict(zip(names, quantile_prices, strict=True)),
        )
        for horizon_s, mean, price, quantiles, quantile_prices in zip(batch.horizons_s, *columns, strict=True)
    ]


def _prices(state: BoardState, batch: PredictionBatch, forecast: Forecast) -> Prices:
    """Return mid · exp(mean) [S][H] and mid · exp(quantile) [S][H][Q] to nine digits, computed once per batch."""
    newest, known = state.prices.get(batch.partition, (None, {}))
    if newest is not batch:
        known = {}
        state.prices[batch.partition] = (batch, known)
    if forecast.model not in known:
        known[forecast.model] = _priced(batch, forecast)
    return known[forecast.model]


def _priced(batch: PredictionBatch, forecast: Forecast) -> Prices:
    mids = [mid if priced and mid > 0 else np.nan for mid, priced in zip(batch.mid, batch.priced, strict=True)]
    mid = np.array(mids)[:, None]
    scale = 10.0 ** (8 - np.floor(np.log10(mid)))
    mean, quantiles = np.exp(np.array(forecast.mean)), np.exp(np.array(forecast.quantiles))
    expected = np.rint(mid * mean * scale) / scale
    prices = np.rint(mid[..., None] * quantiles * scale[..., None]) / scale[..., None]
    return expected.tolist(), prices.tolist()
