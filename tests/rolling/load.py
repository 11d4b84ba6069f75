"""Clients that never stop asking. What enters: a service's address; what leaves: what was answered, and what failed."""

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
class Asked:
    """What became of the requests to one door."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    async def keep_asking(self, address: str, paths: Sequence[str], *, kept: bool) -> None:
        """Ask one path after the other, over one kept connection or a new one each time, until cancelled."""
        keep = httpx.Limits(max_connections=1, max_keepalive_connections=int(kept))
        async with httpx.AsyncClient(base_url=f"http://{address}", limits=keep, timeout=PATIENCE_S) as client:
            while True:
                for path in paths:
                    await self._ask(client, path)
                    await asyncio.sleep(PAUSE_S)

    async def _ask(self, client: httpx.AsyncClient, path: str) -> None:
        began = asyncio.get_running_loop().time()
        try:
            answer = await client.get(path)
        except httpx.HTTPError as error:
            self.failed.append(f"{path}: {error!r}")
            return
        self.answered += 1
        self.slowest_s = max(self.slowest_s, asyncio.get_running_loop().time() - began)
        if answer.status_code >= 400:
            self.failed.append(f"{path}: {answer.status_code} {answer.text[:200]}")


@dataclass
class Followed:
    """What one WebSocket client saw; closed, it comes again at once."""

    seconds: set[int] = field(default_factory=set)
    welcomes: int = 0
    failed: list[str] = field(default_factory=list)

    async def keep_following(self, address: str) -> None:
        """Follow the stream until cancelled."""
        while True:
            try:
                async with connect(f"ws://{address}/v1/stream", proxy=None, open_timeout=PATIENCE_S) as socket:
                    self.welcomes += 1
                    async for text in socket:
                        self._take(json.loads(text))
            except (OSError, WebSocketException) as error:
                if not isinstance(error, ConnectionClosed) or error.rcvd is None or error.rcvd.code != SERVICE_RESTART:
                    self.failed.append(repr(error))
                    await asyncio.sleep(0.1)

    def _take(self, message: dict[str, object]) -> None:
        if isinstance(second := message.get("second"), int):
            self.seconds.add(second)


@asynccontextmanager
async def asking(*clients: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run clients while the body runs; one that breaks breaks the test."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client) for client in clients]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
