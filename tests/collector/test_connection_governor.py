"""One budget and one view of the endpoints for all connections of a process, with a clock of the test."""

from email.utils import formatdate

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from app.clock import wall_ms
from app.collector.connection_governor import Attempt, ConnectionGovernor, retry_after_s


class Time:
    """Monotonic seconds that the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return now."""
        return self.now_s


def refusal(status: int, retry_after: str | None = None) -> InvalidStatus:
    """Return the error of a handshake that was refused."""
    return InvalidStatus(Response(status, "", Headers({"Retry-After": retry_after} if retry_after else {})))


def admitted(governor: ConnectionGovernor) -> Attempt:
    """Return an attempt that must be allowed now."""
    attempt = governor.try_admit()
    assert attempt is not None
    return attempt


def test_a_storm_is_held_to_thirty_attempts_in_five_minutes() -> None:
    """Every connection works and ends at once, for half an hour; three replicas stay below 100."""
    time, attempts = Time(), list[float]()
    governor = ConnectionGovernor("ws://a", connections=3, now=time)
    while time.now_s < 1800:
        if attempt := governor.try_admit():
            attempts.append(time.now_s)
            governor.worked(attempt)
        time.now_s += 0.1
    most = max(sum(start <= at < start + 300 for at in attempts) for start in attempts)
    assert most <= 31
    assert len(attempts) >= 75


def test_ten_connections_leave_a_black_hole_within_fifteen_seconds() -> None:
    """TCP accepts and nothing is answered: an attempt fails after 4 s. It costs one attempt, not ten."""
    time = Time()
    governor = ConnectionGovernor("ws://hole,ws://b", connections=10, now=time)
    pending, opened = list[Attempt](), 0
    while opened < 10 and time.now_s < 60:
        if attempt := governor.try_admit():
            if attempt.url == "ws://b":
                governor.opened(attempt)
                governor.worked(attempt)
                opened += 1
            else:
                pending.append(attempt)
        for attempt in [one for one in pending if time.now_s - one.started_s >= 4.0]:
            governor.failed(attempt, TimeoutError())
            pending.remove(attempt)
        time.now_s += 0.1
    assert opened == 10
    assert time.now_s < 4.0


def test_ten_live_connections_move_to_another_endpoint_at_once() -> None:
    """All are lost together soon after they were opened."""
    time = Time()
    governor = ConnectionGovernor("ws://a,ws://b", connections=10, now=time)
    live = list[Attempt]()
    for _ in range(10):
        live.append(admitted(governor))
        governor.worked(live[-1])
    for attempt in live:
        governor.failed(attempt)
    time.now_s = 0.2
    for _ in range(10):
        attempt = admitted(governor)
        assert attempt.url == "ws://b"
        governor.worked(attempt)


def test_attempts_on_dead_endpoints_leave_tokens_for_the_return() -> None:
    """After an hour without any endpoint all ten connections open at once."""
    time = Time()
    governor = ConnectionGovernor("ws://a", connections=10, now=time)
    probes = 0
    while time.now_s < 3600:
        if attempt := governor.try_admit():
            probes += 1
            governor.failed(attempt, TimeoutError())
        time.now_s += 0.5
    assert 60 <= probes <= 130
    time.now_s += 60.0
    for _ in range(10):
        governor.worked(admitted(governor))


@pytest.mark.parametrize("status", [418, 429])
def test_a_ban_concerns_every_connection_and_every_endpoint(status: int) -> None:
    """It is the address that is banned: asking elsewhere would prolong it."""
    time = Time()
    governor = ConnectionGovernor("ws://a,ws://b", connections=2, now=time)
    governor.failed(admitted(governor), refusal(status, "90"))
    assert governor.wait_s() == 90.0
    for time.now_s in (0.0, 50.0, 89.9):
        assert governor.try_admit() is None
    time.now_s = 90.0
    assert admitted(governor).url == "ws://a"


def test_a_ban_without_retry_after_lasts_two_minutes() -> None:
    """A 429 one."""
    governor = ConnectionGovernor("ws://a", connections=1, now=Time())
    governor.failed(admitted(governor), refusal(418))
    assert governor.wait_s() == 120.0


def test_another_refusal_with_retry_after_concerns_its_endpoint_alone() -> None:
    """503 of one host says nothing of another."""
    time = Time()
    governor = ConnectionGovernor("ws://a,ws://b", connections=1, now=time)
    governor.failed(admitted(governor), refusal(503, "600"))
    attempt = admitted(governor)
    assert attempt.url == "ws://b"
    governor.failed(attempt, OSError())
    time.now_s = 30.0
    assert admitted(governor).url == "ws://b"  # although a was put back for 15 s alone


def test_retry_after_is_a_number_or_a_date_and_never_beyond_the_longest_ban() -> None:
    """What is neither counts as none."""
    assert retry_after_s(refusal(429, "7")) == 7.0
    assert 25 < retry_after_s(refusal(429, formatdate(wall_ms() / 1000 + 30, usegmt=True))) <= 30
    assert retry_after_s(refusal(429, "9" * 30)) == 3 * 86_400
    assert retry_after_s(refusal(429, "soon")) == retry_after_s(refusal(429)) == 0.0
