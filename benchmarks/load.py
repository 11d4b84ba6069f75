"""Many HTTP clients in one process: `python -m benchmarks.load PORT CONNECTIONS SECONDS` prints their latencies.

A connection sends the next request as soon as it has its answer. Bare sockets: a client library would
cost more than the server.
"""

import asyncio
import json
import sys
import time

import numpy as np
import uvloop

PATH = "/v1/predictions/latest"
REQUEST = f"GET {PATH}?symbol=BTCUSDT HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n".encode()


class LoadConnection(asyncio.Protocol):
    """One connection."""

    def __init__(self, took_s: list[float], until_s: float) -> None:
        self._took_s, self._until_s = took_s, until_s
        self._received, self._size, self._sent_s = b"", 0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._request()

    def _request(self) -> None:
        self._received, self._size, self._sent_s = b"", 0, time.perf_counter()
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Send the next request once the answer is complete."""
        self._received += data
        self._size = self._size or size_of(self._received)
        if not self._size or len(self._received) < self._size:
            return
        now = time.perf_counter()
        self._took_s.append(now - self._sent_s)
        if now < self._until_s:
            self._request()
        else:
            self._transport.close()


def size_of(received: bytes) -> int:
    r"""Return the bytes of an answer, head included; 0 while the head is not complete.

    >>> size_of(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")
    41

    Raises:
        ValueError: the answer is not 200, or does not say its length.

    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = received[:end].lower()
    if b" 200 " not in head[:16]:
        raise ValueError(f"answer {head[:40]!r}")
    at = head.index(b"content-length:") + 15
    return end + 4 + int(head[at:].split(b"\r\n")[0])


async def main(port: int, connections: int, seconds: float) -> None:
    """Load a server and print {rate, p50_ms, p99_ms}."""
    took_s: list[float] = []
    loop, until_s = asyncio.get_running_loop(), time.perf_counter() + seconds
    for _ in range(connections):
        await loop.create_connection(lambda: LoadConnection(took_s, until_s), "127.0.0.1", port)
    await asyncio.sleep(seconds + 0.3)
    p50, p99 = np.percentile(took_s, [50, 99])
    print(json.dumps({"rate": len(took_s) / seconds, "p50_ms": 1e3 * p50, "p99_ms": 1e3 * p99}))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
