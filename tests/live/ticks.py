"""Tick batches out of thin air, for tests that need the worker but no exchange."""

import math

import msgspec

from app.clock import wall_ms
from app.records import Quotes, TickBatch, Ticks, Trades

START = 1_750_000_000


def batch(second: int, *, partition: int = 2, symbol: str = "BTCUSDT", generation: int = 1) -> TickBatch:
    """Return a second with one trade and two quotes, all of them functions of the second."""
    mid = 60_000.0 * math.exp(1e-4 * math.sin(second / 7.0))
    trades = Trades(
        id=[second], time_ms=[second * 1000 + 5], price=[mid], quantity=[0.5], buyer_maker=[second % 2 == 0]
    )
    quotes = Quotes(
        time_ms=[second * 1000 + 1, second * 1000 + 900],
        bid=[mid - 0.01, mid - 0.01],
        bid_size=[1.0, 2.0],
        ask=[mid + 0.01, mid + 0.01],
        ask_size=[2.0, 1.0 + second % 3],
    )
    return TickBatch(
        partition=partition, second=second, closed_ms=wall_ms(), generation=generation,
        symbols={symbol: Ticks(trades=trades, quotes=quotes, last_id=second)},
    )  # fmt: skip


def payload(second: int, **more: int) -> bytes:
    """Return a batch as it travels."""
    return msgspec.json.encode(batch(second, **more))  # type: ignore[arg-type]
