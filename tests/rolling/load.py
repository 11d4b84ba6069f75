"""Clients that send requests without pause to one service, and count answers and failures."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

PAUSE_S = 0.05
PATIENCE_S = 10.0
SERVICE_RESTART = 1012


@dataclass
class RequestLoad:
    """Requests to one service, answered and failed."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    async def run(self, address: str, paths: Sequence[str], *, kept: bool) -> None:
        """Request one path after the other, over one kept connection or a new one each time, until cancelled."""
        keep = httpx.Limits(max_connections=1, max_keepalive_connections=int(kept))
        async with httpx.AsyncClient(base_url=f"http://{address}", limits=keep, timeout=PATIENCE_S) as client:
            while True:
                for path in paths:
                    await self._request(client, path)
                    await asyncio.sleep(PAUSE_S)

    async def _request(self, client: httpx.AsyncClient, path: str) -> None:
        started_s = asyncio.get_running_loop().time()
        try:
            answer = await client.get(path)
        except httpx.HTTPError as error:
            self.failed.append(f"{path}: {error!r}")
            return
        self.answered += 1
        self.slowest_s = max(self.slowest_s, asyncio.get_running_loop().time() - started_s)
        if answer.status_code >= 400:
            self.failed.append(f"{path}: {answer.status_code} {answer.text[:200]}")


@dataclass
class StreamLoad:
    """One WebSocket client that connects again when it is closed."""

    seconds: set[int] = field(default_factory=set)
    welcomes: int = 0
    failed: list[str] = field(default_factory=list)

    async def run(self, address: str) -> None:
        """Follow the stream until cancelled."""
        while True:
            try:
                async with connect(f"ws://{address}/v1/stream", proxy=None, open_timeout=PATIENCE_S) as socket:
                    self.welcomes += 1
                    async for text in socket:
                        self._update(json.loads(text))
            except (OSError, WebSocketException) as error:
                if not isinstance(error, ConnectionClosed) or error.rcvd is None or error.rcvd.code != SERVICE_RESTART:
                    self.failed.append(repr(error))
                    await asyncio.sleep(0.1)

    def _update(self, message: dict[str, object]) -> None:
        if isinstance(second := message.get("second"), int):
            self.seconds.add(second)


@asynccontextmanager
async def running(*clients: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run clients while the body runs; one that raises fails the test."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client) for client in clients]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
