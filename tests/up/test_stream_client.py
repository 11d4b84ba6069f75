"""What the client of the stream counts."""

from typing import Any

from app.settings import Settings
from app.up.stream_client import StreamClient


def _update(second: int, **more: Any) -> dict[str, Any]:
    shown = {"symbol": "BTCUSDT", "mid": 60_000.5, "model": "cold-start", "flags": ["warming"], **more}
    return {"type": "update", "second": second, "closed_ms": 1000.0 * (second + 1), "predictions": [shown]}


def test_updates_give_seconds_latencies_and_flags() -> None:
    """Seconds count from the first to the newest; a second that comes again gives no second latency."""
    client = StreamClient(Settings())
    client.update(_update(100), at_ms=101_020.0)
    client.update(_update(102), at_ms=103_040.0)
    client.update(_update(102, symbol="ETHUSDT", flags=[]), at_ms=103_050.0)
    assert (client.seconds, client.newest, client.latencies_ms) == (3, 102, [20.0, 40.0])
    assert client.flags == {"warming": 2}


def test_other_messages_are_not_counted() -> None:
    """The welcome and the heartbeats of the stream are no predictions."""
    client = StreamClient(Settings())
    client.update({"type": "welcome", "second": 7}, at_ms=1.0)
    assert (client.seconds, client.latencies_ms) == (0, [])


def test_the_status_line_shows_the_newest_prediction() -> None:
    """Time since the start, symbol, price, model, flags, seconds and latency in one line."""
    client = StreamClient(Settings())
    assert client.status(5.0) == "00:05  waiting for the first prediction"
    client.update(_update(100), at_ms=101_020.0)
    assert client.status(65.0) == (
        "01:05  BTCUSDT 60,000.50  served by cold-start  warming  1 s predicted, close → WebSocket 20 ms"
    )
