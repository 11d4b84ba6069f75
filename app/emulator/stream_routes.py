"""Binance's WebSocket endpoints `/stream?streams=a/b`, `/ws/<stream>` and `/ws`, each also with `timeUnit`."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from app.emulator.fault_injection import FaultInjector
from app.emulator.handshake_limit import HandshakeLimit
from app.emulator.subscribers import Subscriber, Subscribers
from app.emulator.subscription_messages import MAX_STREAMS, reply
from app.emulator.time_unit import is_microseconds

MESSAGES_PER_S = 5
POLICY_VIOLATION = 1008


class StreamRoutes:
    """WebSocket routes; a connection ends after `life_s` wall seconds, as on Binance after a day."""

    def __init__(self, clients: Subscribers, faults: FaultInjector, life_s: float, handshakes: HandshakeLimit) -> None:
        self._handshakes = handshakes
        self._clients, self._faults = clients, faults
        self._life_s = life_s

    def routes(self) -> list[BaseRoute]:
        """Return the routes to mount."""
        return [
            WebSocketRoute("/stream", self.combined),
            WebSocketRoute("/ws", self.raw),
            WebSocketRoute("/ws/{streams:path}", self.raw),
        ]

    async def combined(self, websocket: WebSocket) -> None:
        """Serve `/stream?streams=btcusdt@aggTrade/btcusdt@bookTicker`: payloads with the name of their stream."""
        await self._serve(websocket, websocket.query_params.get("streams", ""), combined=True)

    async def raw(self, websocket: WebSocket) -> None:
        """Serve `/ws/btcusdt@aggTrade`: bare payloads."""
        await self._serve(websocket, websocket.path_params.get("streams", ""), combined=False)

    async def _serve(self, websocket: WebSocket, streams: str, *, combined: bool) -> None:
        names = [name for name in streams.split("/") if name]
        if len(names) > MAX_STREAMS:
            await websocket.close(POLICY_VIOLATION)
            return
        address = websocket.client.host if websocket.client else ""
        if refusal := self._handshakes.refusal(address):
            await websocket.send_denial_response(refusal)
            return
        if refusal := self._faults.handshake_refusal(names):
            await websocket.send_denial_response(refusal)
            return
        await websocket.accept()
        client = Subscriber(websocket.state.connection, combined, is_microseconds(websocket.query_params))
        self._clients.add(client, names)
        self._faults.connected(client)
        ending = asyncio.get_running_loop().call_later(self._life_s, self._end, client, "lifetime", 1000, "24 hours")
        try:
            await self._answer_messages(websocket, client)
        finally:
            ending.cancel()
            self._clients.remove(client)

    async def _answer_messages(self, websocket: WebSocket, client: Subscriber) -> None:
        recent: deque[float] = deque(maxlen=MESSAGES_PER_S)
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text: str | bytes = message.get("text") or message.get("bytes") or b""
            now = time.monotonic()
            if len(recent) == MESSAGES_PER_S and now - recent[0] < 1.0:
                self._end(client, "flood", POLICY_VIOLATION, "Too many requests")
                return
            recent.append(now)
            client.connection.write_messages([reply(text, client, self._clients)])

    def _end(self, client: Subscriber, cause: str, code: int, reason: str) -> None:
        self._clients.closed[cause] += 1
        client.connection.close(code, reason)
