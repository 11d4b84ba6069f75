"""Connections for the streams of all symbols, replaced when they fail and before Binance closes them after 24 h."""

import asyncio
import contextlib
import time

from websockets.exceptions import WebSocketException

from app.clock import wall_ms
from app.collector.binance_messages import stream_names
from app.collector.connection_governor import Attempt, ConnectionGovernor
from app.collector.endpoints import UnreachableError
from app.collector.market_connection import STUCK, MarketConnection, OnFrame
from app.collector.stream_watch import OnOutage, StreamState, StreamWatch
from app.logs import logger
from app.metrics import TICKS_RECONNECTS
from app.retry import keep_running, retrying
from app.settings import Settings

STREAMS_PER_CONNECTION = 300  # Binance's limit is 1,024; fewer share the load and the damage
FIRST_RECONNECT_WAIT_S, FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 0.2, 30.0
FIRST_REPLACE_WAIT_S, LONGEST_REPLACE_WAIT_S = 0.5, 8.0  # of a connection that lived shorter than LIVED_S
LIVED_S = 60.0
OVERLAP_S = 5.0  # the old connection stays open until its successor's first frame, at most so long
DRAIN_S = 1.0  # and then a little: its frames may be later than its successor's
SILENCE = "silence"
OVERLAPPED = {"age", "shutdown notice", SILENCE, STUCK}  # the old connection stays open until the new one is
log = logger("collector")


class ConnectionLostError(Exception):
    """A connection that ended before its time; the message is the reason."""


class MarketStreams:
    """The streams of all symbols; `on_frame` gets every frame, twice where two connections overlap.

    `on_outage` is told, when it is over, from when to when streams were not heard, and why: their connection was lost,
    or a stream was stuck.
    """

    def __init__(self, settings: Settings, on_frame: OnFrame, on_outage: OnOutage | None = None) -> None:
        self._on_frame, self._max_age_s = on_frame, settings.exchange_life_s
        self._connections: dict[MarketConnection, Attempt] = {}
        self._closing: set[asyncio.Task[None]] = set()
        names = stream_names(settings.symbols, book=settings.book_levels > 0)
        self._groups = [
            names[at : at + STREAMS_PER_CONNECTION] for at in range(0, len(names), STREAMS_PER_CONNECTION)
        ]  # fmt: skip
        self._watches = [StreamWatch(streams, on_outage) for streams in self._groups]
        self._governor = ConnectionGovernor(settings.exchange_ws_url, len(self._groups))

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def states(self) -> dict[str, StreamState]:
        """Return the state of each stream: its last frame, and whether a connection carries it."""
        return {name: state for watch in self._watches for name, state in watch.states.items()}

    def ignore(self, symbols: frozenset[str]) -> None:
        """Expect nothing of these symbols: they do not trade."""
        for watch in self._watches:
            watch.ignored = symbols

    async def run(self) -> None:
        """Keep all streams connected until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for streams, watch in zip(self._groups, self._watches, strict=True):
                    tasks.create_task(self._keep_connected(streams, watch))
        finally:
            await asyncio.gather(*(self._close(connection) for connection in tuple(self._connections)))

    async def _keep_connected(self, streams: list[str], watch: StreamWatch) -> None:
        await keep_running(
            lambda: self._run_connections(streams, watch), "stay connected to the exchange", process="collector",
            on=ConnectionLostError, first_wait_s=FIRST_RECONNECT_WAIT_S, longest_wait_s=LONGEST_WAIT_S,
        )  # fmt: skip

    async def _run_connections(self, streams: list[str], watch: StreamWatch) -> None:
        connection, wait_s = await self._open(streams, watch), FIRST_REPLACE_WAIT_S
        while (reason := await self._end_reason(connection)) in OVERLAPPED:
            log.info("a connection to the exchange is replaced", reason=reason, streams=len(streams))
            successor, wait_s = await self._open_successor(connection, reason, wait_s, streams, watch)
            await self._hand_over(connection, successor, is_silent=reason == SILENCE)
            connection = successor
        self._governor.failed(self._connections[connection])
        watch.down(reason, wall_ms())
        self._close_later(connection)
        raise ConnectionLostError(reason)

    async def _end_reason(self, connection: MarketConnection) -> str:
        reason = await connection.end_reason(self._max_age_s)
        TICKS_RECONNECTS.labels(reason).inc()
        return reason

    async def _open_successor(
        self, old: MarketConnection, reason: str, wait_s: float, streams: list[str], watch: StreamWatch
    ) -> tuple[MarketConnection, float]:
        """Return the successor of a connection, which may be lost meanwhile, and the next wait."""
        loss = asyncio.create_task(self._note_loss(old, watch))
        try:
            next_wait_s = await self._wait_before_replacing(old, reason, wait_s)
            return await self._open(streams, watch), next_wait_s
        finally:
            loss.cancel()

    async def _note_loss(self, connection: MarketConnection, watch: StreamWatch) -> None:
        watch.down(await connection.lost_reason(), wall_ms())

    async def _wait_before_replacing(self, connection: MarketConnection, reason: str, wait_s: float) -> float:
        """Wait, if the connection did not live long, and return how long the next one would wait."""
        attempt = self._connections[connection]
        if reason == SILENCE:
            self._governor.failed(attempt)
        if reason in {"age", SILENCE} or time.monotonic() - attempt.started_s > LIVED_S:
            return FIRST_REPLACE_WAIT_S
        await asyncio.sleep(wait_s)
        return min(2 * wait_s, LONGEST_REPLACE_WAIT_S)

    async def _open(self, streams: list[str], watch: StreamWatch) -> MarketConnection:
        return await retrying(
            lambda: self._open_once(streams, watch), "connect to the exchange", process="collector",
            on=UnreachableError, first_wait_s=FIRST_WAIT_S, longest_wait_s=LONGEST_WAIT_S,
        )  # fmt: skip

    async def _open_once(self, streams: list[str], watch: StreamWatch) -> MarketConnection:
        attempt = await self._governor.admit()
        connection = MarketConnection(
            attempt.url, streams, self._on_frame, watch, lambda: self._governor.worked(attempt)
        )  # fmt: skip
        try:
            await connection.open()
        except (OSError, WebSocketException, TimeoutError) as error:
            self._governor.failed(attempt, error)
            raise UnreachableError(attempt.url, error) from error
        self._governor.opened(attempt)
        self._connections[connection] = attempt
        return connection

    async def _hand_over(self, old: MarketConnection, successor: MarketConnection, *, is_silent: bool) -> None:
        if not is_silent:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(successor.first_frame.wait(), OVERLAP_S)
        self._close_later(old, DRAIN_S)

    def _close_later(self, connection: MarketConnection, after_s: float = 0.0) -> None:
        task = asyncio.create_task(self._close(connection, after_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, connection: MarketConnection, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        self._connections.pop(connection, None)
        await connection.close()
