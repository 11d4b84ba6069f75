"""Frames become events in exchange time."""

import json

import pytest

from app.clock import Clock
from app.collector.intake import KEPT_MS, Intake
from app.collector.rest_client import RestClient
from app.domain.ticks import Event, Quote, Trade
from app.settings import Settings

NOW_MS = 1_733_464_456_000.0


class NoRest(RestClient):
    """An exchange nobody asks."""

    def __init__(self) -> None:
        pass


def trade(trade_id: int, symbol: str = "BTCUSDT") -> str:
    """Return a trade's frame."""
    data = {"e": "aggTrade", "s": symbol, "a": trade_id, "p": "1.0", "q": "1.0", "T": int(NOW_MS), "m": True}
    return json.dumps({"stream": f"{symbol.lower()}@aggTrade", "data": data})


def quote(update_id: int) -> str:
    """Return a quote's frame."""
    data = {"u": update_id, "s": "BTCUSDT", "b": "1.0", "B": "1.0", "a": "2.0", "A": "1.0"}
    return json.dumps({"stream": "btcusdt@bookTicker", "data": data})


@pytest.fixture
def heard() -> list[Event]:
    """Return what the intake told."""
    return []


@pytest.fixture
def intake(heard: list[Event]) -> Intake:
    """Return an intake without a clock."""
    return Intake(Settings(), NoRest(), heard.append)


async def test_frames_wait_for_the_clock_and_keep_the_time_of_their_receipt(intake: Intake, heard: list[Event]) -> None:
    """The clock of a replay can be read only after its first frame."""
    for at_wall_ms, frame in ((1000.0, quote(1)), (1010.0, quote(2))):
        intake.receive(frame, at_wall_ms)
    assert heard == []
    intake._set(Clock(NOW_MS, 1020.0, 20.0))
    assert [event.time_ms - NOW_MS for event in heard] == [-400.0, -200.0]
    assert intake.ready.is_set()
    assert intake.started_ms == NOW_MS - 400.0


async def test_a_frame_that_cannot_be_read_is_counted_and_skipped(intake: Intake, heard: list[Event]) -> None:
    """The next one is read."""
    intake._waiting.append((trade(1), 0.0))
    intake._set(Clock(NOW_MS, 0.0))
    for frame in ("{", trade(2).replace('"1.0"', '"NaN"'), b"\xff", trade(3)):
        assert intake.receive(frame, 1.0) is False
    assert intake.malformed == 3
    assert [event.id for event in heard if isinstance(event, Trade)] == [1, 3]


async def test_symbols_nobody_asked_for_are_left_out(intake: Intake, heard: list[Event]) -> None:
    """Whatever the exchange sends."""
    intake._waiting.append((trade(1, "ETHUSDT"), 0.0))
    intake._set(Clock(NOW_MS, 0.0))
    assert heard == []


async def test_what_was_heard_is_kept_for_thirty_seconds(intake: Intake) -> None:
    """Longer than the group needs to notice that a member is gone."""
    intake._waiting.append((trade(1), 0.0))
    intake._set(Clock(NOW_MS, 0.0))
    intake.receive(quote(2), KEPT_MS)
    assert [type(event) for event in intake.recent(frozenset({"BTCUSDT"}))] == [Trade, Quote]
    intake.receive(quote(3), KEPT_MS + 1)
    assert [type(event) for event in intake.recent(frozenset({"BTCUSDT"}))] == [Quote, Quote]


async def test_a_shutdown_notice_tells_the_line_and_nobody_else(intake: Intake, heard: list[Event]) -> None:
    """The line opens its successor."""
    intake._waiting.append((trade(1), 0.0))
    intake._set(Clock(NOW_MS, 0.0))
    assert intake.receive('{"stream":"!serverShutdown","data":{"e":"serverShutdown"}}', 1.0) is True
    assert len(heard) == 1


async def test_the_usual_delay_of_trades_is_learnt(intake: Intake) -> None:
    """In wall time, so a replay's speed divides it."""
    intake._waiting.append((quote(1), 0.0))
    intake._set(Clock(NOW_MS, 0.0, 20.0))
    for trade_id in range(200):
        intake.receive(trade(trade_id), 30.0)
    assert 29.0 <= intake.transit_ms <= 31.0
