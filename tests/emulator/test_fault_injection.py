"""Faults without sockets: when they act, on what, and when they end."""

import pytest
from starlette.requests import Request

from app.emulator.active_fault import Outgoing
from app.emulator.fault import BITS
from app.emulator.fault_injection import Fault, FaultInjector
from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, Event


def event(key: int = 1, symbol: str = "BTCUSDT", kind: str = AGG_TRADE) -> Event:
    field = b"a" if kind == AGG_TRADE else b"u"
    return Event(0, symbol, kind, key, f"{symbol.lower()}@{kind}", b'{"%b":%d,"E":5000}' % (field, key))


def request(path: str = "/api/v3/ping", query: bytes = b"") -> Request:
    return Request({"type": "http", "headers": [], "path": path, "query_string": query, "server": ("x", 1)})


@pytest.fixture
def now() -> list[float]:
    """Return the monotonic time in seconds as a list of one value that a test may set."""
    return [100.0]


@pytest.fixture
def faults(now: list[float]) -> FaultInjector:
    """Return an injector without a fault."""
    return FaultInjector(lambda: now[0])


def sent(faults: FaultInjector, *events: Event) -> list[Event]:
    """Return what leaves the exchange in place of these events, each as often as it is sent."""
    passed = [one for event in events if (one := faults.outgoing(event))]
    return [one.event for one in (*passed, *faults.released()) for _ in range(one.copies)]


async def test_without_a_fault_nothing_changes(faults: FaultInjector) -> None:
    """Events pass, requests are answered."""
    assert faults.outgoing(event()) == Outgoing(event(), 1)
    assert await faults.before_answer(request()) is None
    assert faults.gate(b"GET /api/v3/ping HTTP/1.1") == "pass"


async def test_a_silence_drops_events_until_it_ends(faults: FaultInjector, now: list[float]) -> None:
    """Events are lost for the given seconds; REST goes on."""
    faults.inject(Fault("silence", 2.0))
    dropped = faults.outgoing(event())
    assert dropped == Outgoing(event(), 1, copies=0, faults=BITS["silence"])
    assert await faults.before_answer(request()) is None
    now[0] += 2.0
    assert sent(faults, event()) == [event()]


def test_a_fault_touches_its_symbols_and_streams_alone(faults: FaultInjector) -> None:
    """One stream of one symbol may be silent while everything else runs."""
    faults.inject(Fault("silence", symbols=("BTCUSDT",), streams=(AGG_TRADE,)))
    others = [event(1, "ETHUSDT"), event(2, kind=BOOK_TICKER)]
    assert sent(faults, event(), *others) == others


def test_a_fault_begins_later_and_touches_so_many(faults: FaultInjector, now: list[float]) -> None:
    """`after_s` and `count` bound it, and its state says what it touched."""
    active = faults.inject(Fault("skip", after_s=3, count=2))
    assert sent(faults, event(1)) == [event(1)]
    now[0] += 3
    assert sent(faults, event(2), event(3), event(4)) == [event(4)]
    assert (active.touched, faults.state()[0]["in_force"]) == (2, False)


def test_a_share_is_drawn_from_a_seed(faults: FaultInjector, now: list[float]) -> None:
    """The same seed loses the same events, about as many as asked for."""
    faults.inject(Fault("skip", share=0.25, seed=5))
    again = FaultInjector(lambda: now[0])
    again.inject(Fault("skip", share=0.25, seed=5))
    events = [event(key) for key in range(1000)]
    kept = sent(faults, *events)
    assert kept == sent(again, *events)
    assert 700 < len(kept) < 800


def test_several_faults_act_together(faults: FaultInjector) -> None:
    """A damaged id is sent twice; the record keeps the true id and both faults."""
    faults.inject(Fault("duplicate", copies=2))
    faults.inject(Fault("damage_id", by=-5))
    out = faults.outgoing(event(10))
    assert out is not None
    assert (out.key, out.event.key, out.copies) == (10, 5, 2)
    assert out.event.data == b'{"a":5,"E":5000}'
    assert out.faults == BITS["duplicate"] | BITS["damage_id"]


def test_a_burst_comes_at_its_end(faults: FaultInjector, now: list[float]) -> None:
    """What was held back follows in order, all at once."""
    faults.inject(Fault("burst", 2.0))
    assert sent(faults, event(1), event(2)) == []
    assert len(faults.held()) == 2
    now[0] += 2.0
    assert sent(faults) == [event(1), event(2)]
    assert sent(faults, event(3)) == [event(3)]


def test_reordered_events_come_once_each_within_their_window(faults: FaultInjector) -> None:
    """Each window of a stream leaves in another order than it came; what is left follows at the end."""
    active = faults.inject(Fault("reorder", window=4, seed=1))
    out = [one.key for key in range(8) for one in sent(faults, event(key))]
    assert sorted(out[:4]) == [0, 1, 2, 3] != out[:4]
    assert sorted(out[4:]) == [4, 5, 6, 7] != out[4:]
    assert sent(faults, event(8), event(9)) == []
    faults.end(active.number)
    assert sorted(one.key for one in sent(faults)) == [8, 9]


def test_ids_that_restart_are_the_true_ids(faults: FaultInjector) -> None:
    """Streams and REST count from the first id on; ids before stay reachable."""
    faults.inject(Fault("restart_ids", first_id=1))
    assert [one.key for one in sent(faults, event(500), event(501))] == [1, 2]
    out = faults.outgoing(event(502))
    assert out is not None
    assert out.key == out.event.key == 3
    assert faults.restarts.asked("BTCUSDT", 2) == (501, 2)
    assert faults.restarts.asked("ETHUSDT", 2) == (2,)
    faults.end()
    assert sent(faults, event(503)) == [event(503)]


def test_a_wrong_clock_moves_times(faults: FaultInjector, now: list[float]) -> None:
    """Step and drift add up; REST alone or events alone can be wrong."""
    faults.inject(Fault("clock", by_s=10, drift=0.5, targets=("rest",)))
    now[0] += 4
    assert faults.clock_offset_ms() == 12_000
    assert sent(faults, event()) == [event()]
    faults.inject(Fault("clock", by_s=-1, targets=("events",)))
    assert sent(faults, event())[0].data == b'{"a":1,"E":4000}'
    assert faults.clock_offset_ms() == 12_000


@pytest.mark.parametrize(("name", "status"), [("too_many_requests", 429), ("ban", 418)])
async def test_refusals_say_how_long_to_wait(faults: FaultInjector, now: list[float], name: str, status: int) -> None:
    """The seconds left, at least one, until the fault ends; events pass."""
    faults.inject(Fault(name, 5.0))
    refusal = await faults.before_answer(request())
    assert refusal is not None
    assert (refusal.status_code, refusal.headers["Retry-After"]) == (status, "5")
    assert sent(faults, event()) == [event()]
    now[0] += 5.0
    assert await faults.before_answer(request()) is None


async def test_rest_faults_may_be_for_some_calls_and_symbols(faults: FaultInjector) -> None:
    """`paths` and `symbols` choose; others are answered."""
    faults.inject(Fault("ban", paths=("aggTrades",), symbols=("BTCUSDT",), retry_after_s=7))
    refusal = await faults.before_answer(request("/api/v3/aggTrades", b"symbol=BTCUSDT"))
    assert refusal is not None
    assert refusal.headers["Retry-After"] == "7"
    assert await faults.before_answer(request("/api/v3/aggTrades", b"symbol=ETHUSDT")) is None
    assert await faults.before_answer(request("/api/v3/time")) is None


def test_gates_never_close_our_own_routes(faults: FaultInjector) -> None:
    """A black hole swallows streams and REST, but the fault can be ended."""
    faults.inject(Fault("unreachable_rest", paths=("time",)))
    assert faults.gate(b"GET /api/v3/time?x=1 HTTP/1.1") == "abort"
    assert faults.gate(b"GET /api/v3/ping HTTP/1.1") == "pass"
    faults.inject(Fault("black_hole", endpoints=("streams",)))
    assert faults.gate(b"GET /stream?streams=x HTTP/1.1") == "drop"
    assert faults.gate(b"GET /api/v3/ping HTTP/1.1") == faults.gate(b"DELETE /emulator/faults HTTP/1.1") == "pass"
    assert faults.gate(b'{"fault": "x"}') == "pass"


def test_a_symbol_that_is_not_served_is_an_error() -> None:
    """A fault that could never act is a mistake."""
    with pytest.raises(ValueError, match="symbols: 'NOPE' is not served; choose among BTCUSDT"):
        FaultInjector(symbols=("BTCUSDT",)).inject(Fault("silence", symbols=("NOPE",)))


def test_a_number_that_does_not_exist_cannot_be_ended(faults: FaultInjector) -> None:
    """Ending all is never an error."""
    faults.end()
    with pytest.raises(KeyError):
        faults.end(3)
