"""Payloads of the stream `<symbol>@kline_1s`: each second, once it is over."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from app.emulator.columns import Scale, TradeColumns
from app.emulator.klines import kline_rows
from app.emulator.market_source import KLINE, Event
from app.emulator.payloads import stream_name

SECOND_MS = 1000


def kline_events(
    symbol: str, scale: Scale, trades: TradeColumns, *, first_ms: int, last_ms: int, before: int | None
) -> Iterator[Event]:
    """Yield the kline of every second that opens in first_ms … last_ms, when its last trade was sent.

    `before` is the last price in ticks before them; without it, klines begin with the first trade.
    """
    stream = stream_name(symbol, KLINE)
    for row in kline_rows(trades, scale, SECOND_MS, first_ms=first_ms, last_ms=last_ms, before=before):
        open_ms = int(str(row[0]))
        first, after = np.searchsorted(trades.time_ms, (open_ms, open_ms + SECOND_MS)).tolist()
        due_us = (open_ms + SECOND_MS) * 1000
        if after > first:
            due_us = max(due_us, int(trades.due_us[first:after].max()))
        ids = (int(trades.ids[first]), int(trades.ids[after - 1])) if after > first else (-1, -1)
        data = {"e": "kline", "E": due_us // 1000, "s": symbol, "k": _kline(symbol, row, ids)}
        yield Event(due_us, symbol, KLINE, open_ms, stream, msgspec.json.encode(data))


def _kline(symbol: str, row: list[object], ids: tuple[int, int]) -> dict[str, object]:
    # {"t":1733561823000,"T":1733561823999,"s":"BTCUSDT","i":"1s","f":4222889129,"L":4222889132,"o":"99512.02000000",
    #  "c":"99512.02000000","h":"99512.02000000","l":"99512.01000000","v":"0.00701000","n":4,"x":true,
    #  "q":"697.57925570","V":"0.00656000","Q":"652.79885120","B":"0"}
    opened, high, low, closed, volume = row[1:6]
    turnover, count, bought, bought_turnover, unused = row[7:12]
    return {
        "t": row[0], "T": row[6], "s": symbol, "i": "1s", "f": ids[0], "L": ids[1], "o": opened, "c": closed, "h": high,
        "l": low, "v": volume, "n": count, "x": True, "q": turnover, "V": bought, "Q": bought_turnover, "B": unused,
    }  # fmt: skip
