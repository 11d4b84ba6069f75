"""Live updates over WebSockets, encoded once per subscription.

A client gets a `hello` with the present state, then one `update` a second:

    {"type": "update", "second": 1780000000, "closed_ms": …, "sent_ms": …, "tensorflow": "champion", "predictions": […]}

A client that cannot keep up is closed with 1013: after a reconnection it starts with the present. When the process
stops it is closed with 1012, and after an error of ours with 1011.
"""

import asyncio
from contextlib import suppress
from typing import Literal

from starlette.websockets import WebSocket, WebSocketDisconnect

from app import metrics
from app.api.client import DIRECT, StarletteTransport, Update, WebSocketClient, WebSocketTransport
from app.api.encoding import ENCODER
from app.api.problems import Problem
from app.api.request_metrics import RequestMetrics
from app.api.responses import StreamMessage
from app.board.board import Board
from app.board.views import ServedPrediction
from app.logs import logger

GATHER_S = 0.02  # a subscription over several partitions waits so long for the last of them
BACKLOG_EVERY_S = 1.0  # old seconds come by the hundred; a client sees where they are, flagged as stale
INTERNAL_ERROR, SERVICE_RESTART = 1011, 1012
ENDS = ("client", "restart", "slow", "error")  # why a session ended
log = logger("api")
Subscription = tuple[str, ...]  # symbols; empty: all of them


class SubscriptionGroup:
    """All clients of one subscription."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.clients: set[WebSocketClient] = set()
        self.waiting: asyncio.TimerHandle | None = None

    def partitions(self, board: Board) -> set[int]:
        """Return the partitions of its symbols."""
        known = board.partition_of
        return {known[symbol] for symbol in self.subscription or known if symbol in known}


class Hub:
    """Publishes each new second to every subscription."""

    def __init__(self, board: Board, request_metrics: RequestMetrics) -> None:
        self._board, self._request_metrics = board, request_metrics
        self._groups: dict[Subscription, SubscriptionGroup] = {}
        self._unsubscribe = board.subscribe(self._changed)
        for reason in ENDS:
            metrics.API_SESSIONS_ENDED.labels(reason)

    def close(self) -> None:
        """End the subscription to the board."""
        self._unsubscribe()

    def join(self, subscription: Subscription, client: WebSocketClient) -> None:
        """Add a client; its first message is a hello."""
        hello = self._message("hello", subscription)
        self._groups.setdefault(subscription, SubscriptionGroup(subscription)).clients.add(client)
        client.send(hello)
        self._count(1)

    def leave(self, subscription: Subscription, client: WebSocketClient) -> None:
        """Remove a client."""
        group = self._groups[subscription]
        group.clients.discard(client)
        if not group.clients:
            if group.waiting is not None:
                group.waiting.cancel()
            del self._groups[subscription]
        self._count(-1)

    def _count(self, change: int) -> None:
        self._request_metrics.websockets += change
        metrics.API_WEBSOCKETS.set(self._request_metrics.websockets)

    def _changed(self, partitions: frozenset[int]) -> None:
        for group in self._groups.values():
            subscribed = group.partitions(self._board)
            if not subscribed & partitions:
                continue
            if self._is_backlog(subscribed):
                if group.waiting is None:
                    group.waiting = asyncio.get_running_loop().call_later(BACKLOG_EVERY_S, self._publish, group)
            elif len(self._board.newest_seconds(subscribed)) == 1:
                self._publish(group)
            elif group.waiting is None:
                group.waiting = asyncio.get_running_loop().call_later(GATHER_S, self._publish, group)

    def _is_backlog(self, partitions: set[int]) -> bool:
        """Return whether the newest forecasts are old: a worker is working off what it missed."""
        board = self._board
        newest = max(board.newest_seconds(partitions), default=0)
        return board.exchange_s() - newest > board.settings.prediction_ttl_s

    def _publish(self, group: SubscriptionGroup) -> None:
        if group.waiting is not None:
            group.waiting.cancel()
            group.waiting = None
        update = self._message("update", group.subscription)
        dropped = sum(client.send(update) for client in group.clients)
        if dropped:
            self._request_metrics.dropped += dropped
            metrics.API_DROPPED.inc(dropped)

    def _message(self, kind: Literal["hello", "update"], subscription: Subscription) -> Update:
        board, rows = self._board, self._served(subscription)
        message = StreamMessage(
            type=kind,
            source=board.settings.source,
            speed=board.settings.speed,
            second=max((row.second for row in rows), default=None),
            closed_ms=max((row.closed_ms for row in rows), default=None),
            sent_ms=max((row.sent_ms for row in rows), default=None),
            tensorflow=board.tensorflow,
            predictions=rows,
        )
        return Update(ENCODER.encode(message))

    def _served(self, subscription: Subscription) -> list[ServedPrediction]:
        rows: list[ServedPrediction] = []
        for symbol in subscription or (None,):
            with suppress(LookupError):  # a symbol that has not come yet
                rows += self._board.served(symbol)
        return rows


def subscription_of(board: Board, query: str) -> Subscription:
    """Return the symbols of a query such as `btcusdt,ethusdt`; none for all.

    Raises:
        Problem: 404, an unknown symbol.

    """
    symbols = tuple(sorted({name.strip().upper() for name in query.split(",")} - {"", "*"}))
    if board.symbols:
        for symbol in symbols:
            try:
                board.require_symbol(symbol)
            except LookupError as error:
                raise Problem(404, str(error)) from error
    return symbols


async def serve(websocket: WebSocket, hub: Hub, board: Board) -> None:
    """Serve one client until it disconnects, or cannot keep up."""
    try:
        subscription = subscription_of(board, websocket.query_params.get("symbols", ""))
    except Problem as problem:
        await websocket.send_denial_response(problem.response())
        return
    await websocket.accept()
    connection: WebSocketTransport = websocket.scope.get("extensions", {}).get(DIRECT) or StarletteTransport(websocket)
    client = WebSocketClient(connection, board.settings.websocket_queue)
    reason = "error"
    try:
        reason = await _serve_session(websocket, hub, subscription, client)
    except Exception:
        log.exception("session failed")
        with suppress(WebSocketDisconnect, RuntimeError):  # it is gone
            await websocket.close(INTERNAL_ERROR)
    finally:
        metrics.API_SESSIONS_ENDED.labels(reason).inc()
    if reason == "slow":
        await connection.close_slow(f"cannot keep up: {client.dropped} updates dropped")


async def _serve_session(websocket: WebSocket, hub: Hub, subscription: Subscription, client: WebSocketClient) -> str:
    """Serve until the session ends; return why, one of `ENDS`, or raise what failed."""
    hub.join(subscription, client)
    sending = asyncio.create_task(client.run())
    disconnect = asyncio.create_task(_wait_for_disconnect(websocket))
    tasks = (sending, disconnect, asyncio.create_task(client.stalled.wait()))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.leave(subscription, client)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if client.stalled.is_set():
        return "slow"
    if not disconnect.cancelled():
        return "restart" if disconnect.result() == SERVICE_RESTART else "client"
    with suppress(WebSocketDisconnect):
        sending.result()
    return "client"


async def _wait_for_disconnect(websocket: WebSocket) -> int:
    """Return the code of the end; messages of clients are ignored."""
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        pass
    return int(message.get("code", 1005))
