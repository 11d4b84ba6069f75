"""Frames become events in exchange time."""

import json

import pytest

from app.clock import Clock, steady_ms
from app.collector import market_data
from app.collector.collector_metrics import CollectorMetrics
from app.collector.market_data import RECENT_MS, MarketData
from app.collector.receipt import Receipt
from app.domain.ticks import BookSnapshot, Event, Quote, Trade
from app.settings import Settings

NOW_MS = 1_733_464_456_000.0


def trade(trade_id: int, symbol: str = "BTCUSDT") -> str:
    """Return a trade's frame."""
    data = {"e": "aggTrade", "s": symbol, "a": trade_id, "p": "1.0", "q": "1.0", "T": int(NOW_MS), "m": True}
    return json.dumps({"stream": f"{symbol.lower()}@aggTrade", "data": data})


def quote(update_id: int) -> str:
    """Return a quote's frame."""
    data = {"u": update_id, "s": "BTCUSDT", "b": "1.0", "B": "1.0", "a": "2.0", "A": "1.0"}
    return json.dumps({"stream": "btcusdt@bookTicker", "data": data})


@pytest.fixture
def events() -> list[Event]:
    """Return the events that `market` published."""
    return []


@pytest.fixture
def metrics() -> CollectorMetrics:
    """Return the metrics of `market`."""
    return CollectorMetrics()


@pytest.fixture
def market(metrics: CollectorMetrics, events: list[Event]) -> MarketData:
    """Return market data without a clock."""
    return MarketData(Settings(), metrics, on_event=events.append)


def start(market: MarketData, first: str, rate: float = 1.0) -> None:
    """Receive a first frame at wall time 0 and the clock of that moment."""
    market.receive(first, 0.0)
    market.update_clock(Clock(NOW_MS, 0.0, rate))


async def test_frames_wait_for_the_clock_and_keep_the_time_of_their_receipt(
    market: MarketData, events: list[Event]
) -> None:
    """The clock of a replay can be read only after its first frame."""
    for at_wall_ms, frame in ((1000.0, quote(1)), (1010.0, quote(2))):
        market.receive(frame, at_wall_ms)
    assert events == []
    assert market.first_frame.is_set()
    market.update_clock(Clock(NOW_MS, 1020.0, 20.0))
    assert [event.time_ms - NOW_MS for event in events] == [-400.0, -200.0]
    assert market.ready.is_set()
    assert market.started_ms == NOW_MS - 400.0


async def test_a_malformed_frame_is_counted_and_skipped(
    market: MarketData, metrics: CollectorMetrics, events: list[Event]
) -> None:
    """The next one is read."""
    start(market, trade(1))
    for frame in ("{", trade(2).replace('"1.0"', '"NaN"'), b"\xff", trade(3)):
        assert market.receive(frame, 1.0) is False
    assert metrics.progress["malformed"] == 3
    assert [event.id for event in events if isinstance(event, Trade)] == [1, 3]


async def test_symbols_that_are_not_in_the_settings_are_ignored(market: MarketData, events: list[Event]) -> None:
    """Whatever the exchange sends."""
    start(market, trade(1, "ETHUSDT"))
    assert events == []


async def test_events_are_kept_for_thirty_seconds(market: MarketData) -> None:
    """Longer than the group needs to notice that a member is gone."""
    start(market, trade(1))
    market.receive(quote(2), RECENT_MS)
    assert [type(event) for event in market.recent(frozenset({"BTCUSDT"}))] == [Trade, Quote]
    market.receive(quote(3), RECENT_MS + 1)
    assert [type(event) for event in market.recent(frozenset({"BTCUSDT"}))] == [Quote, Quote]


async def test_a_shutdown_notice_is_returned_to_the_connection_and_is_no_event(
    market: MarketData, events: list[Event]
) -> None:
    """The connection opens its successor."""
    start(market, trade(1))
    assert market.receive('{"stream":"!serverShutdown","data":{"e":"serverShutdown"}}', 1.0) is True
    assert len(events) == 1


async def test_the_usual_transit_of_trades_is_learnt(market: MarketData) -> None:
    """In wall time, so a replay's speed divides it."""
    start(market, quote(1), rate=20.0)
    for trade_id in range(200):
        market.receive(trade(trade_id), 30.0)
    assert 29.0 <= market.transit_ms <= 31.0


async def test_a_later_clock_changes_the_time_and_not_the_start(market: MarketData) -> None:
    """The clock is read once a minute."""
    start(market, quote(1))
    market.update_clock(Clock(NOW_MS + 7.0, 0.0))
    assert (market.started_ms, market.clock.exchange_ms(0.0)) == (NOW_MS, NOW_MS + 7.0)


async def test_trade_times_are_given_on_once_also_while_frames_wait_for_the_clock(metrics: CollectorMetrics) -> None:
    """They may be all that shows it; unreadable frames are counted later."""
    times: list[tuple[str, int, float]] = []
    market = MarketData(
        Settings(), metrics, lambda _event: None, lambda symbol, time_ms, at_ms: times.append((symbol, time_ms, at_ms))
    )
    for at_ms, frame in ((1.0, trade(1)), (2.0, quote(1)), (3.0, "{"), (4.0, trade(1, "ETHUSDT"))):
        market.receive(frame, at_ms)
    assert (times, metrics.progress["malformed"]) == ([("BTCUSDT", int(NOW_MS), 1.0)], 0)
    market.update_clock(Clock(NOW_MS, 0.0))
    market.receive(trade(2), 5.0)
    assert times[1:] == [("BTCUSDT", int(NOW_MS), 5.0)]
    assert metrics.progress["malformed"] == 1


async def test_a_quote_is_as_old_as_a_trade_that_comes_now(market: MarketData, events: list[Event]) -> None:
    """It carries no time: receipt less the usual transit, so that trades are not ahead of the quotes they made."""
    start(market, quote(1))
    for trade_id in range(200):
        market.receive(trade(trade_id), 80.0)
    market.receive(quote(2), 100.0)
    assert 19.0 <= events[-1].time_ms - NOW_MS <= 21.0


async def test_frames_that_wait_for_the_clock_keep_their_receipt(market: MarketData, events: list[Event]) -> None:
    """When it came, and by which connection."""
    market.receive(trade(1), 0.0, Receipt(77, 3))
    market.update_clock(Clock(NOW_MS, 0.0))
    (event,) = events
    assert isinstance(event, Trade)
    assert (event.received_ns, event.connection) == (77, 3)


async def test_of_the_books_of_a_second_the_last_one_is_kept(market: MarketData, events: list[Event]) -> None:
    """It is all that a takeover needs."""
    start(market, trade(1))
    for update_id, at_ms in ((160, 5.0), (161, 905.0), (162, 1005.0)):
        data = {"lastUpdateId": update_id, "bids": [["1.0", "2.0"]], "asks": [["1.5", "3.0"]]}
        market.receive(json.dumps({"stream": "btcusdt@depth20@100ms", "data": data}), at_ms, Receipt(78, 4))
    books = [event.book for event in events if isinstance(event, BookSnapshot)]
    assert [(book.update_id, book.time_ms - NOW_MS) for book in books] == [(160, 5), (161, 905), (162, 1005)]
    kept = [one.book for one in market.recent(frozenset({"BTCUSDT"})) if isinstance(one, BookSnapshot)]
    assert [book.update_id for book in kept] == [161, 162]
    assert list(market.recent(frozenset({"ETHUSDT"}))) == []


async def test_what_is_kept_is_bounded_in_bytes_and_what_was_dropped_is_known(
    market: MarketData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A takeover fetches what it can no longer take from here."""
    monkeypatch.setattr(market_data, "MOST_RECENT", 3)
    start(market, trade(1))
    now = steady_ms()
    market.update_clock(Clock(NOW_MS, now))
    for number in range(2, 6):
        market.receive(trade(number), now + number)
    assert [event.id for event in market.recent(frozenset({"BTCUSDT"})) if isinstance(event, Trade)] == [3, 4, 5]
    assert market.recent_since_ms == pytest.approx(NOW_MS + 2)


async def test_frames_that_wait_for_the_clock_are_bounded_in_bytes(
    market: MarketData, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go."""
    monkeypatch.setattr(market_data, "MOST_WAITING_BYTES", 3 * len(trade(1)))
    for number in range(1, 9):
        market.receive(trade(number), float(number))
    market.update_clock(Clock(NOW_MS, 0.0))
    assert [event.id for event in events if isinstance(event, Trade)] == [5, 6, 7, 8]
