"""Trades and quotes of one minute of the synthetic market, simulated along the hour's price path.

- Mid: each second's move is split into steps by a Brownian bridge and each step happens at one random instant, so the
  mid at any moment is a martingale too; a smooth path would reveal the rest of its second.
- Trades: a Hawkes process (Hawkes 1971) in its branching form (Hawkes & Oakes 1974): `BRANCHING` of all trades are
  children of an earlier one, after an exponential delay. An hour's number of trades is fixed by its hour of the week
  (so that ids are known at any time and have no gap), a minute's by its volatility; what would fall beyond the minute's
  end is moved to its start. A first trade buys with probability (1 + tanh(x)) / 2, a child mostly copies its parent.
- Quotes: bid and ask stay between steps; the queues change with every step, every trade and now and then, with
  imbalance tanh(0.8 x + noise). x is the latent signal of `price_process`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.emulator.columns import Bools, Floats, Ints, QuoteColumns, TradeColumns, empty_trades
from app.emulator.instruments import Instrument
from app.emulator.price_process import FLOW, QUOTES, PriceProcess, SimulatedHour

MINUTE_US = 60_000_000
SECOND_US = 1_000_000
BRANCHING = 0.6
CHILD_DELAY_US = 250_000.0
COPIES_PARENT = 0.85
ORDER_USDT = 250.0  # median trade
DEPTH_ORDERS = 60.0  # median queue at the best price, in median trades
UPDATE_IDS_PER_MINUTE = 10_000_000


@dataclass(frozen=True, slots=True)
class SimulatedMinute:
    """One minute of one symbol. Step 0 holds the prices at its start, step k those after the k-th move."""

    index: int  # minutes since 1970
    move_us: Ints  # [moves] offsets in the minute
    bid_ticks: Ints  # [moves + 1]
    ask_ticks: Ints  # [moves + 1]
    signal: Floats  # [60]
    trades: TradeColumns

    @property
    def start_us(self) -> int:
        """First epoch µs."""
        return self.index * MINUTE_US


def simulate_minute(process: PriceProcess, instrument: Instrument, hour: SimulatedHour, index: int) -> SimulatedMinute:
    """Return the minute with this index (minutes since 1970), which must lie in the hour."""
    first_s = index * 60 - hour.start_s
    random = process.generator(instrument.symbol, FLOW, index)
    move_us, mid_ticks = _moves(random, process, instrument, hour, first_s)
    spread = 1 + (random.random(len(mid_ticks)) < 0.06) * random.geometric(0.6, len(mid_ticks))
    spread[0] = spread[-1] = 1  # the next minute continues where this one ends
    bid_ticks = np.floor(mid_ticks).astype(np.int64) - (spread - 1) // 2
    signal = hour.signal[first_s : first_s + 60]
    first_id, next_id = hour.first_ids[first_s // 60 : first_s // 60 + 2].tolist()
    minute = SimulatedMinute(index, move_us, bid_ticks, bid_ticks + spread, signal, empty_trades())
    return replace(minute, trades=_trades(random, instrument, minute, first_id, next_id - first_id))


def simulate_quotes(process: PriceProcess, instrument: Instrument, minute: SimulatedMinute) -> QuoteColumns:
    """Return every change of the best bid and ask in the minute."""
    random = process.generator(instrument.symbol, QUOTES, minute.index)
    trades_us = minute.trades.due_us - minute.start_us
    after_trades = trades_us + random.integers(30, 300, len(trades_us))
    idle = random.integers(0, MINUTE_US, max(0, round(process.ticks_per_s * 20) - len(minute.move_us)))
    offset_us = np.sort(np.concatenate((minute.move_us, after_trades[after_trades < MINUTE_US], idle)))
    count = len(offset_us)
    step = np.searchsorted(minute.move_us, offset_us, side="right")
    signal = minute.signal[offset_us // SECOND_US]
    imbalance = np.tanh(0.8 * signal + 0.35 * random.standard_normal(count))
    depth = median_order_lots(instrument) * DEPTH_ORDERS * np.exp(0.3 * random.standard_normal(count))
    return QuoteColumns(
        update_ids=minute.index * UPDATE_IDS_PER_MINUTE + np.arange(count),
        due_us=minute.start_us + offset_us,
        bid_ticks=minute.bid_ticks[step],
        bid_lots=1 + (depth * (1 + imbalance)).astype(np.int64),
        ask_ticks=minute.ask_ticks[step],
        ask_lots=1 + (depth * (1 - imbalance)).astype(np.int64),
    )


def _moves(
    random: np.random.Generator, process: PriceProcess, instrument: Instrument, hour: SimulatedHour, first_s: int
) -> tuple[Ints, Floats]:
    """Return when the mid moves, [moves] µs in the minute, and its values, [moves + 1] in ticks."""
    steps = 4 if process.ticks_per_s >= 24 else 1
    log_mid = hour.log_mid[first_s : first_s + 61]
    sigma = hour.sigma[first_s : first_s + 60, None]
    noise = random.standard_normal((60, steps))
    moves = np.diff(log_mid)[:, None] / steps + sigma / np.sqrt(steps) * (noise - noise.mean(axis=1, keepdims=True))
    path = log_mid[:-1, None] + np.cumsum(moves, axis=1)
    path[:, -1] = log_mid[1:]
    width_us = SECOND_US // steps
    move_us = np.arange(60 * steps) * width_us + random.integers(0, width_us, 60 * steps)
    return move_us, np.exp(np.concatenate((log_mid[:1], path.ravel()))) * 10.0**instrument.scale.price_decimals


def _trades(
    random: np.random.Generator, instrument: Instrument, minute: SimulatedMinute, first_id: int, count: int
) -> TradeColumns:
    """Return the minute's trades, `count` of them, ids from `first_id` on."""
    offset_us, buys = _arrivals(random, minute.signal, count)
    step = np.searchsorted(minute.move_us, offset_us, side="right")
    lots = 1 + (median_order_lots(instrument) * np.exp(1.3 * random.standard_normal(count))).astype(np.int64)
    due_us = minute.start_us + offset_us
    return TradeColumns(
        ids=np.arange(first_id, first_id + count),
        due_us=due_us,
        time_ms=due_us // 1000,
        ticks=np.where(buys, minute.ask_ticks[step], minute.bid_ticks[step]),
        lots=lots,
        buyer_maker=~buys,
        microsecond=due_us % 1000,
    )


def _arrivals(random: np.random.Generator, signal: Floats, count: int) -> tuple[Ints, Bools]:
    """Return self-exciting arrival times, sorted, µs in the minute, and whether the taker bought."""
    size = min(count, max(1, round(count * (1 - BRANCHING))))
    times = random.random(size) * MINUTE_US
    buys = random.random(size) < (1 + np.tanh(signal[(times // SECOND_US).astype(np.int64)])) / 2
    all_times, all_buys = [times], [buys]
    missing = count - size
    while missing > 0:
        # Given its size, a generation's parents are drawn evenly from the one before.
        size = min(missing, max(1, round(size * BRANCHING)))
        parent = random.integers(0, len(times), size)
        times = times[parent] + random.exponential(CHILD_DELAY_US, size)
        buys = buys[parent] ^ (random.random(size) >= COPIES_PARENT)
        all_times.append(times)
        all_buys.append(buys)
        missing -= size
    offset_us = np.concatenate(all_times).astype(np.int64) % MINUTE_US
    order = np.argsort(offset_us, kind="stable")
    return offset_us[order], np.concatenate(all_buys)[order]


def median_order_lots(instrument: Instrument) -> float:
    """Return the median size of a trade."""
    return max(2.0, ORDER_USDT / instrument.first_price * 10.0**instrument.scale.qty_decimals)
