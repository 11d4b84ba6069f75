"""Binance's limit of WebSocket handshakes of an address."""

import pytest
import websockets
from websockets.exceptions import InvalidStatus

from app.emulator import Exchange, synthetic
from app.emulator.handshake_limit import HandshakeLimit


class Time:
    """Monotonic seconds that the test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        """Return now."""
        return self.now_s


def test_an_address_has_three_hundred_handshakes_in_five_minutes() -> None:
    """The next one gets 429 until the first is five minutes old; other addresses are not concerned."""
    time = Time()
    limit = HandshakeLimit(now=time)
    for time.now_s in range(300):
        assert limit.refusal("a") is None
    time.now_s = 299.5
    refusal = limit.refusal("a")
    assert refusal is not None
    assert (refusal.status_code, refusal.headers["Retry-After"]) == (429, "2")
    assert limit.refusal("b") is None
    time.now_s += 2
    assert limit.refusal("a") is None


def test_who_goes_on_is_banned() -> None:
    """Refused handshakes count too."""
    limit = HandshakeLimit(limit=2, now=Time())
    refusals = [limit.refusal("a") for _ in range(5)]
    assert [refusal and refusal.status_code for refusal in refusals] == [None, None, 429, 429, 418]


def test_the_limit_can_be_switched_off() -> None:
    """For tests that open many connections."""
    limit = HandshakeLimit(limit=0, now=Time())
    assert all(limit.refusal("a") is None for _ in range(1000))


async def test_the_exchange_refuses_the_handshake_itself() -> None:
    """With status and Retry-After, before a connection is open."""
    async with Exchange(synthetic(7), handshakes_per_5_min=1) as exchange:
        async with websockets.connect(f"{exchange.ws_url}ws", proxy=None):
            pass
        with pytest.raises(InvalidStatus) as refused:
            await websockets.connect(f"{exchange.ws_url}ws", proxy=None)
    assert refused.value.response.status_code == 429
    assert 295 <= int(refused.value.response.headers["Retry-After"]) <= 301
