"""Faults: when they act and when they end."""

import pytest
from starlette.requests import Request

from app.emulator.fault_injection import Fault, FaultInjector
from app.emulator.market_source import Event

EVENT = Event(0, "BTCUSDT", "trade", 1, "btcusdt@trade", b"{}")
REQUEST = Request({"type": "http", "headers": []})


@pytest.fixture
def now() -> list[float]:
    """Return the monotonic time in seconds as a list of one value that a test may set."""
    return [100.0]


@pytest.fixture
def faults(now: list[float]) -> FaultInjector:
    """Return an injector without a fault."""
    return FaultInjector(lambda: now[0])


def test_without_a_fault_nothing_changes(faults: FaultInjector) -> None:
    """Events pass and requests are answered."""
    assert list(faults.outgoing(EVENT)) == [EVENT]
    assert faults.refusal(REQUEST) is None


def test_a_silence_drops_events_until_it_ends(faults: FaultInjector, now: list[float]) -> None:
    """Events are lost for the given seconds; REST goes on."""
    faults.inject(Fault("silence", 2.0))
    assert list(faults.outgoing(EVENT)) == []
    assert faults.refusal(REQUEST) is None
    now[0] += 2.0
    assert list(faults.outgoing(EVENT)) == [EVENT]


def test_refusals_say_how_long_to_wait(faults: FaultInjector, now: list[float]) -> None:
    """429 with the seconds left, at least one, until the fault ends; events pass."""
    faults.inject(Fault("too_many_requests", 5.0))
    refusal = faults.refusal(REQUEST)
    assert refusal is not None
    assert (refusal.status_code, refusal.headers["Retry-After"]) == (429, "5")
    assert list(faults.outgoing(EVENT)) == [EVENT]
    now[0] += 5.0
    assert faults.refusal(REQUEST) is None


def test_an_unknown_fault_is_an_error(faults: FaultInjector) -> None:
    """The message names the faults there are."""
    with pytest.raises(ValueError, match="choose disconnect, silence or too_many_requests"):
        faults.inject(Fault("earthquake"))
