"""The packaged cold-start release, trained on history of the synthetic exchange.

`btc train --cold-start` writes app/releases/cold_start.npz: the same seeds give the same file.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from app.domain import feature_history
from app.domain.artifact import pack
from app.domain.bars import CHANNELS, Floats, second_bars
from app.domain.symbol_series import SymbolSeries
from app.emulator.columns import QuoteColumns, Scale, TradeColumns
from app.emulator.instruments import Instrument, instruments
from app.emulator.order_flow import simulate_minute, simulate_quotes
from app.emulator.price_process import EPOCH_S, HOUR_S, PriceProcess, simulate_hour
from app.records import Quotes, Ticks, Trades
from app.training.evaluation import Evaluation
from app.training.pipeline import ProgressCallback, TrainingPlan, train

SEEDS = (101, 102, 103, 104)
START_S = EPOCH_S + 14 * 24 * HOUR_S
PACKAGED = Path(__file__).parents[1] / "releases" / "cold_start.npz"


def synthetic_series(
    seed: int, symbol: str, start_s: int, seconds: int, *, martingale: bool = False, ticks_per_s: float = 30.0
) -> SymbolSeries:
    """Return the seconds [start, start + seconds) of a synthetic symbol, quotes included, as if collected."""
    (instrument,) = instruments((symbol,))
    bars = bars_of(PriceProcess(seed, martingale=martingale, ticks_per_s=ticks_per_s), instrument, start_s, seconds)
    known = feature_history.feature_matrix(bars)
    present = np.ones(seconds, bool)
    return SymbolSeries(symbol, start_s, known.features, known.mid, known.volatility, present, known.valid)


def bars_of(process: PriceProcess, instrument: Instrument, start_s: int, seconds: int) -> Floats:
    """Return one symbol's bars [seconds, C] from `start_s`, a full minute, on."""
    bars = np.zeros((seconds, len(CHANNELS)))
    previous, elapsed = np.zeros((1, len(CHANNELS))), np.zeros(1, np.int64)
    for row, ticks in zip(range(seconds), ticks_from(process, instrument, start_s), strict=False):
        previous = second_bars([instrument.symbol], {instrument.symbol: ticks}, previous, elapsed)
        elapsed = np.ones(1, np.int64)
        bars[row] = previous[0]
    return bars


def ticks_from(process: PriceProcess, instrument: Instrument, start_s: int) -> Iterator[Ticks]:
    """Yield one symbol's ticks second by second, without end, from a full minute on."""
    minute_index = start_s // 60
    while True:
        hour = simulate_hour(process, instrument, (minute_index * 60 - EPOCH_S) // HOUR_S)
        minute = simulate_minute(process, instrument, hour, minute_index)
        quotes = simulate_quotes(process, instrument, minute)
        edges_ms = minute_index * 60_000 + 1000 * np.arange(61)
        trade_edges = np.searchsorted(minute.trades.time_ms, edges_ms).tolist()
        quote_edges = np.searchsorted(quotes.due_us, edges_ms * 1000).tolist()
        for trade_range, quote_range in zip(pairwise(trade_edges), pairwise(quote_edges), strict=True):
            yield Ticks(
                trades=_trades(minute.trades.select(slice(*trade_range)), instrument.scale),
                quotes=_quotes(quotes.select(slice(*quote_range)), instrument.scale),
            )
        minute_index += 1


def _trades(rows: TradeColumns, scale: Scale) -> Trades:
    return Trades(
        id=rows.ids.tolist(),
        time_ms=rows.time_ms.tolist(),
        price=(rows.ticks / 10.0**scale.price_decimals).tolist(),
        quantity=(rows.lots / 10.0**scale.qty_decimals).tolist(),
        buyer_maker=rows.buyer_maker.tolist(),
    )


def _quotes(rows: QuoteColumns, scale: Scale) -> Quotes:
    return Quotes(
        time_ms=(rows.due_us // 1000).tolist(),
        bid=(rows.bid_ticks / 10.0**scale.price_decimals).tolist(),
        bid_size=(rows.bid_lots / 10.0**scale.qty_decimals).tolist(),
        ask=(rows.ask_ticks / 10.0**scale.price_decimals).tolist(),
        ask_size=(rows.ask_lots / 10.0**scale.qty_decimals).tolist(),
    )


def make_release(
    horizons_s: tuple[int, ...], *, seeds: Sequence[int] = SEEDS, hours: float = 6.0, epochs: int = 12,
    path: Path = PACKAGED, on_progress: ProgressCallback = lambda figures, text: None,
) -> dict[str, list[Evaluation]]:  # fmt: skip
    """Train the cold-start release on synthetic seeds, write it, and return the evaluations on its held-out block."""
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")
    series = []
    for seed, symbol in zip(seeds, symbols * len(seeds), strict=False):
        on_progress({"seed": seed}, f"making {hours:g} h of {symbol} with seed {seed}")
        series.append(synthetic_series(seed, symbol, START_S, int(hours * HOUR_S)))
    origin = f"cold start: synthetic seeds {', '.join(map(str, seeds))}, {hours:g} h each; no market data"
    trained = train(
        series, TrainingPlan(horizons_s, epochs=epochs, created_ms=START_S * 1000.0, origin=origin), on_progress
    )
    path.write_bytes(pack(trained.parameters))
    return trained.evaluations
