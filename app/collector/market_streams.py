"""Connections for the streams of all symbols, replaced when they fail and before Binance closes them after 24 h."""

import asyncio
import contextlib

from websockets.exceptions import WebSocketException

from app.collector.binance_messages import stream_names
from app.collector.endpoints import UnreachableError, endpoints
from app.collector.market_connection import MarketConnection, OnFrame
from app.logs import logger
from app.metrics import TICKS_RECONNECTS
from app.retry import keep_running, retrying
from app.settings import Settings

STREAMS_PER_CONNECTION = 300  # Binance's limit is 1,024; fewer share the load and the damage
FIRST_RECONNECT_WAIT_S, FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 0.2, 30.0
OVERLAP_S = 5.0  # the old connection stays open until its successor's first frame, at most so long
DRAIN_S = 1.0  # and then a little: its frames may be later than its successor's
PLANNED = {"age", "shutdown notice"}
log = logger("collector")


class ConnectionLostError(Exception):
    """A connection that ended before its time; the message is the reason."""


class MarketStreams:
    """The streams of all symbols; `on_frame` gets every frame, twice where two connections overlap."""

    def __init__(self, settings: Settings, on_frame: OnFrame) -> None:
        self._urls = endpoints(settings.exchange_ws_url)
        self._on_frame, self._max_age_s = on_frame, settings.exchange_life_s
        self._connections: set[MarketConnection] = set()
        self._closing: set[asyncio.Task[None]] = set()
        names = stream_names(settings.symbols, book=settings.book_levels > 0)
        self._groups = [
            names[at : at + STREAMS_PER_CONNECTION] for at in range(0, len(names), STREAMS_PER_CONNECTION)
        ]  # fmt: skip

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def run(self) -> None:
        """Keep all streams connected until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for streams in self._groups:
                    tasks.create_task(self._keep_connected(streams))
        finally:
            await asyncio.gather(*(self._close(connection) for connection in tuple(self._connections)))

    async def _keep_connected(self, streams: list[str]) -> None:
        await keep_running(
            lambda: self._run_connections(streams), "stay connected to the exchange", process="collector",
            on=ConnectionLostError, first_wait_s=FIRST_RECONNECT_WAIT_S, longest_wait_s=LONGEST_WAIT_S,
        )  # fmt: skip

    async def _run_connections(self, streams: list[str]) -> None:
        connection = await self._open(streams)
        while (reason := await self._end_reason(connection)) in PLANNED:
            log.info("a connection to the exchange is replaced", reason=reason, streams=len(streams))
            successor = await self._open(streams)
            await self._hand_over(connection, successor)
            connection = successor
        self._close_later(connection)
        self._urls.rotate(-1)
        raise ConnectionLostError(reason)

    async def _end_reason(self, connection: MarketConnection) -> str:
        reason = await connection.end_reason(self._max_age_s)
        TICKS_RECONNECTS.labels(reason).inc()
        return reason

    async def _open(self, streams: list[str]) -> MarketConnection:
        return await retrying(
            lambda: self._open_once(streams), "connect to the exchange", process="collector", on=UnreachableError,
            first_wait_s=FIRST_WAIT_S, longest_wait_s=LONGEST_WAIT_S,
        )  # fmt: skip

    async def _open_once(self, streams: list[str]) -> MarketConnection:
        url = self._urls[0]
        connection = MarketConnection(url, streams, self._on_frame)
        try:
            await connection.open()
        except (OSError, WebSocketException, TimeoutError) as error:
            self._urls.rotate(-1)
            raise UnreachableError(url, error) from error
        self._connections.add(connection)
        return connection

    async def _hand_over(self, old: MarketConnection, successor: MarketConnection) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(successor.first_frame.wait(), OVERLAP_S)
        self._close_later(old, DRAIN_S)

    def _close_later(self, connection: MarketConnection, after_s: float = 0.0) -> None:
        task = asyncio.create_task(self._close(connection, after_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, connection: MarketConnection, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        self._connections.discard(connection)
        await connection.close()
