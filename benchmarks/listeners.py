"""Many WebSocket clients in one process: `python -m benchmarks.listeners PORT CLIENTS SECONDS` prints latencies.

Bare sockets that take the time of each update; the wall time of its close is read from the update itself.
"""

import asyncio
import json
import sys
import time

import numpy as np
import uvloop

UPGRADE = (
    b"GET /v1/stream?symbols=BTCUSDT HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
UPDATE, CLOSED = b'{"type":"update"', b'"closed_ms":'


class StreamConnection(asyncio.Protocol):
    """One client."""

    def __init__(self) -> None:
        self.latencies_ms: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the stream."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        """Take the time of an update; it comes in one piece on the loopback."""
        now_ms = 1000.0 * time.time()
        if UPDATE in data[:40]:
            self.latencies_ms.append(now_ms - closed_ms(data))


def closed_ms(data: bytes) -> float:
    """Return the wall time of the close in an update.

    >>> closed_ms(b'{"type":"update","second":5,"closed_ms":6050.25,"sent_ms":1}')
    6050.25
    """
    at = data.index(CLOSED) + len(CLOSED)
    return float(data[at : at + 32].split(b",")[0])


async def main(port: int, clients: int, seconds: float) -> None:
    """Run the clients and print {updates_least, updates_most, p50_ms, p99_ms, slowest_ms, fastest_ms}."""
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(StreamConnection, "127.0.0.1", port))[1] for _ in range(clients)]
    await asyncio.sleep(2.0)
    for one in connections:
        one.latencies_ms.clear()
    await asyncio.sleep(seconds)
    every = np.concatenate([one.latencies_ms for one in connections])
    means = [float(np.mean(one.latencies_ms)) if one.latencies_ms else float("inf") for one in connections]
    counts = [len(one.latencies_ms) for one in connections]
    p50, p99 = np.percentile(every, [50, 99])
    print(json.dumps({
        "updates_least": min(counts), "updates_most": max(counts), "p50_ms": p50, "p99_ms": p99,
        "slowest_ms": max(means), "fastest_ms": min(means),
    }))  # fmt: skip
    for one in connections:
        one.transport.abort()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
