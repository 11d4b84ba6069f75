"""Binance's JSON payloads of trades and quotes, as the spot API documentation shows them."""

from __future__ import annotations

from collections.abc import Iterator

from app.emulator.columns import QuoteColumns, Scale, TradeColumns
from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, TRADE, Event


def stream_name(symbol: str, kind: str) -> str:
    """Return the name of a stream: ("BTCUSDT", "aggTrade") → "btcusdt@aggTrade"."""
    return f"{symbol.lower()}@{kind}"


def combined_payload(stream: str, data: bytes) -> bytes:
    """Return a payload as a combined stream carries it: {"stream":"btcusdt@aggTrade","data":{…}}."""
    return b'{"stream":"' + stream.encode() + b'","data":' + data + b"}"


def agg_trade_events(symbol: str, scale: Scale, trades: TradeColumns) -> Iterator[Event]:
    """Yield one event per trade; every aggregate holds one trade, so `f` = `l` = `a`."""
    stream = stream_name(symbol, AGG_TRADE)
    for key, due_us, time_ms, price, qty, maker, microsecond in _rows(scale, trades):
        # {"e":"aggTrade","E":1680652800000,"s":"BTCUSDT","a":7,"p":"28165.47000000","q":"0.00056000",
        #  "f":7,"l":7,"T":1680652799999,"m":true,"M":true}
        data = (
            f'{{"e":"aggTrade","E":{due_us // 1000},"s":"{symbol}","a":{key},"p":"{price}","q":"{qty}",'
            f'"f":{key},"l":{key},"T":{time_ms},"m":{maker},"M":true}}'
        )
        yield Event(due_us, symbol, AGG_TRADE, key, stream, data.encode(), microsecond)


def trade_events(symbol: str, scale: Scale, trades: TradeColumns) -> Iterator[Event]:
    """Yield the same trades for the raw stream `<symbol>@trade`, with the same ids."""
    stream = stream_name(symbol, TRADE)
    for key, due_us, time_ms, price, qty, maker, microsecond in _rows(scale, trades):
        data = (
            f'{{"e":"trade","E":{due_us // 1000},"s":"{symbol}","t":{key},"p":"{price}","q":"{qty}",'
            f'"T":{time_ms},"m":{maker},"M":true}}'
        )
        yield Event(due_us, symbol, TRADE, key, stream, data.encode(), microsecond)


def quote_events(symbol: str, scale: Scale, quotes: QuoteColumns) -> Iterator[Event]:
    """Yield one event per change of the best bid or ask; like Binance's, the payload carries no time."""
    stream = stream_name(symbol, BOOK_TICKER)
    for key, due_us, bid, bid_qty, ask, ask_qty in _quote_rows(scale, quotes):
        # {"u":36090299876,"s":"BTCUSDT","b":"28165.47000000","B":"7.98680000","a":"28165.48000000","A":"3.26888000"}
        data = f'{{"u":{key},"s":"{symbol}","b":"{bid}","B":"{bid_qty}","a":"{ask}","A":"{ask_qty}"}}'
        yield Event(due_us, symbol, BOOK_TICKER, key, stream, data.encode())


def agg_trade_rows(scale: Scale, trades: TradeColumns, *, microseconds: bool = False) -> list[dict[str, object]]:
    """Return the rows of REST `aggTrades`, times in ms or µs."""
    return [
        {"a": key, "p": price, "q": qty, "f": key, "l": key, "m": maker == "true", "M": True}
        | {"T": time_ms * 1000 + microsecond if microseconds else time_ms}
        for key, _, time_ms, price, qty, maker, microsecond in _rows(scale, trades)
    ]


def _rows(scale: Scale, trades: TradeColumns) -> Iterator[tuple[int, int, int, str, str, str, int]]:
    return zip(
        trades.ids.tolist(),
        trades.due_us.tolist(),
        trades.time_ms.tolist(),
        map(scale.price, trades.ticks.tolist()),
        map(scale.qty, trades.lots.tolist()),
        ("true" if maker else "false" for maker in trades.buyer_maker.tolist()),
        trades.microsecond.tolist(),
        strict=True,
    )


def _quote_rows(scale: Scale, quotes: QuoteColumns) -> Iterator[tuple[int, int, str, str, str, str]]:
    return zip(
        quotes.update_ids.tolist(),
        quotes.due_us.tolist(),
        map(scale.price, quotes.bid_ticks.tolist()),
        map(scale.qty, quotes.bid_lots.tolist()),
        map(scale.price, quotes.ask_ticks.tolist()),
        map(scale.qty, quotes.ask_lots.tolist()),
        strict=True,
    )
