"""Edits of raw payloads."""

import contextlib
import json
import random

from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, KLINE, TRADE, Event
from app.emulator.payload_edits import corrupted, with_ids_moved, with_times_moved


def event(kind: str, data: bytes) -> Event:
    return Event(0, "BTCUSDT", kind, 7, f"btcusdt@{kind}", data)


def test_ids_are_moved_and_nothing_else() -> None:
    """Prices, order numbers and times keep their values."""
    trade = b'{"e":"trade","E":7,"s":"BTCUSDT","t":7,"p":"7.00000000","q":"7","b":7,"a":7,"T":7,"m":true}'
    assert with_ids_moved(event(TRADE, trade), 3).data == trade.replace(b'"t":7', b'"t":10')
    aggregate = b'{"e":"aggTrade","E":7,"a":7,"p":"7","f":7,"l":7,"T":7}'
    moved = with_ids_moved(event(AGG_TRADE, aggregate), -8)
    assert (moved.data, moved.key) == (b'{"e":"aggTrade","E":7,"a":-1,"p":"7","f":-1,"l":-1,"T":7}', -1)
    quote = b'{"u":7,"s":"BTCUSDT","b":"7","B":"7","a":"7","A":"7"}'
    assert with_ids_moved(event(BOOK_TICKER, quote), 1).data == quote.replace(b'"u":7', b'"u":8')


def test_times_are_moved_where_there_are_some() -> None:
    """A kline keeps its second."""
    assert with_times_moved(event(AGG_TRADE, b'{"E":5,"a":5,"T":4}'), 10).data == b'{"E":15,"a":5,"T":14}'
    assert with_times_moved(event(KLINE, b'{"E":5,"k":{"t":1,"T":2}}'), 10).data == b'{"E":15,"k":{"t":1,"T":2}}'


def test_a_corrupt_payload_is_text_but_no_trade() -> None:
    """Whatever the form, it decodes as UTF-8."""
    good = event(AGG_TRADE, b'{"e":"aggTrade","a":7}')
    for seed in range(50):
        text = corrupted(good, random.Random(seed)).data.decode()
        with contextlib.suppress(ValueError):
            decoded = json.loads(text)
            assert not isinstance(decoded, dict) or "a" not in decoded
