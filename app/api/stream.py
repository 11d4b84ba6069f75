"""Live updates. What enters: the board's new seconds; what leaves: WebSocket messages, encoded once per subscription.

A client gets a `hello` with the present state, then one `update` a second:

    {"type": "update", "second": 1780000000, "closed_ms": …, "sent_ms": …, "tensorflow": "champion", "predictions": […]}

A client that cannot keep up is closed with 1013: reconnecting, it begins with the present.
"""

import asyncio
from contextlib import suppress

from starlette.websockets import WebSocket

from app import metrics
from app.api.cache import ENCODER
from app.api.client import DIRECT, StarletteTransport, Update, WebSocketClient, WebSocketTransport
from app.api.problems import Problem
from app.api.request_metrics import RequestMetrics
from app.board.board import Board, View

GATHER_S = 0.02  # a subscription over several partitions waits so long for the last of them
Subscription = tuple[str, ...]  # symbols; empty: all of them


class SubscriptionGroup:
    """All clients of one subscription."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.clients: set[WebSocketClient] = set()
        self.waiting: asyncio.TimerHandle | None = None

    def partitions(self, board: Board) -> set[int]:
        """Return where its symbols live."""
        homes = board.partitions
        return {homes[symbol] for symbol in self.subscription or homes if symbol in homes}


class Hub:
    """Brings each new second to every subscription."""

    def __init__(self, board: Board, experience: RequestMetrics) -> None:
        self._board, self._experience = board, experience
        self._groups: dict[Subscription, SubscriptionGroup] = {}
        self._unsubscribe = board.subscribe(self._changed)

    def close(self) -> None:
        """Stop listening to the board."""
        self._unsubscribe()

    def join(self, subscription: Subscription, client: WebSocketClient) -> None:
        """Add a client; its first message is a hello."""
        self._groups.setdefault(subscription, SubscriptionGroup(subscription)).clients.add(client)
        client.put(self._message("hello", subscription))
        self._count(1)

    def leave(self, subscription: Subscription, client: WebSocketClient) -> None:
        """Forget a client."""
        group = self._groups[subscription]
        group.clients.discard(client)
        if not group.clients:
            if group.waiting is not None:
                group.waiting.cancel()
            del self._groups[subscription]
        self._count(-1)

    def _count(self, change: int) -> None:
        self._experience.websockets += change
        metrics.API_WEBSOCKETS.set(self._experience.websockets)

    def _changed(self, partitions: frozenset[int]) -> None:
        for group in self._groups.values():
            homes = group.partitions(self._board)
            if not homes & partitions:
                continue
            newest = {
                self._board.state.predictions[home].second for home in homes & self._board.state.predictions.keys()
            }
            if len(newest) == 1:
                self._publish(group)
            elif group.waiting is None:
                group.waiting = asyncio.get_running_loop().call_later(GATHER_S, self._publish, group)

    def _publish(self, group: SubscriptionGroup) -> None:
        if group.waiting is not None:
            group.waiting.cancel()
            group.waiting = None
        update = self._message("update", group.subscription)
        dropped = sum(client.put(update) for client in group.clients)
        if dropped:
            self._experience.dropped += dropped
            metrics.API_DROPPED.inc(dropped)

    def _message(self, kind: str, subscription: Subscription) -> Update:
        return Update(ENCODER.encode({"type": kind, **self._shown(subscription)}))

    def _shown(self, subscription: Subscription) -> View:
        board, rows = self._board, []
        for symbol in subscription or (None,):
            with suppress(LookupError):  # a symbol that is still to come
                rows += board.latest(symbol, all_models=False)["predictions"]
        return {
            "source": board.settings.source,
            "speed": board.settings.speed,
            "second": max((row["second"] for row in rows), default=None),
            "closed_ms": max((row["closed_ms"] for row in rows), default=None),
            "sent_ms": max((row["sent_ms"] for row in rows), default=None),
            "tensorflow": board.tensorflow,
            "predictions": rows,
        }


def subscription_of(board: Board, wanted: str) -> Subscription:
    """Return the symbols of a query such as `btcusdt,ethusdt`; none for all.

    Raises:
        Problem: 404, a symbol that is not known.

    """
    symbols = tuple(sorted({name.strip().upper() for name in wanted.split(",")} - {"", "*"}))
    if board.symbols:
        for symbol in symbols:
            try:
                board.need(symbol)
            except LookupError as error:
                raise Problem(404, str(error)) from error
    return symbols


async def serve(websocket: WebSocket, hub: Hub, board: Board) -> None:
    """Serve one client until it leaves, or cannot keep up."""
    try:
        subscription = subscription_of(board, websocket.query_params.get("symbols", ""))
    except Problem as problem:
        await websocket.send_denial_response(problem.response())
        return
    await websocket.accept()
    connection: WebSocketTransport = websocket.scope.get("extensions", {}).get(DIRECT) or StarletteTransport(websocket)
    client = WebSocketClient(connection, board.settings.websocket_queue)
    hub.join(subscription, client)
    tasks = [asyncio.create_task(work) for work in (client.run(), _listen(websocket), client.hopeless.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.leave(subscription, client)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if client.hopeless.is_set():
        await connection.give_up(f"cannot keep up: {client.dropped} updates dropped")


async def _listen(websocket: WebSocket) -> None:
    # What clients say is not listened to, but their leaving is.
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
