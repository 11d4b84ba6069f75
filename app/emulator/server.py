"""The exchange's server: WebSocket streams, REST and the emulator's own routes on one port."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette

from app.emulator.connection_faults import ConnectionFaults
from app.emulator.emulator_clock import EmulatorClock
from app.emulator.emulator_routes import EmulatorRoutes
from app.emulator.fault_injection import Fault, FaultInjector
from app.emulator.handshake_limit import PER_5_MIN, HandshakeLimit
from app.emulator.listener import bind
from app.emulator.market_source import MarketSource, MarketSourceError
from app.emulator.request_weight import RequestWeight
from app.emulator.rest_routes import RestRoutes
from app.emulator.send_loop import SendLoop
from app.emulator.sent_log import SentLog, events_kept_per_stream
from app.emulator.sent_recorder import SentRecorder
from app.emulator.stream_routes import StreamRoutes
from app.emulator.subscribers import Subscribers
from app.emulator.websocket_protocol import MAX_UNREAD_BYTES, ExchangeWebSocketProtocol
from app.service.uvicorn_fixes import EmbeddedServer, gated

DAY_S = 86_400.0
MAX_MESSAGE_BYTES = 64 * 1024  # of a client


class Exchange:
    """A running exchange: `async with Exchange(source) as exchange: exchange.ws_url, exchange.rest_url`.

    `hold` stops the exchange's clock until the first client subscribes (default: only for recordings). `life_s`,
    `ping_s` and `pong_s` are wall seconds. The faults of `scenario` are injected as soon as clients can connect.
    `handshakes_per_5_min` limits each address (0: not at all). `record` is a folder for the record of everything sent.

    Raises:
        MarketSourceError: the speed is not above 0, the record cannot be written, or (on entering) the server cannot
            listen on the port or the scenario names a symbol that is not served.

    """

    def __init__(
        self,
        source: MarketSource,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        hold: bool | None = None,
        life_s: float = DAY_S,
        ping_s: float = 20.0,
        pong_s: float = 60.0,
        handshakes_per_5_min: int = PER_5_MIN,
        unread_bytes: int = MAX_UNREAD_BYTES,
        scenario: Sequence[Fault] = (),
        record: Path | None = None,
    ) -> None:
        if not speed > 0:
            raise MarketSourceError(f"speed {speed} is out of range; choose a number above 0")
        self._scenario = scenario
        span_us = source.span_us
        self.source, self.host, self.port = source, host, port
        self.clock = EmulatorClock(span_us and span_us[0], speed, hold=span_us is not None if hold is None else hold)
        self.sent, self.faults, self.clients = (
            SentLog(events_kept_per_stream(len(source.symbols))),
            FaultInjector(symbols=source.symbols),
            Subscribers(unread_bytes),
        )
        self.recorder = SentRecorder(record, source.label) if record else None
        self.faults.record = self.recorder
        self.send_loop = SendLoop(source, self.clock, self.clients, self.faults, self.sent, self.recorder)
        self.clients.on_change = self.send_loop.reset
        self.faults.connections = ConnectionFaults(self.clients, self.clock.now_us)
        self.emulator = EmulatorRoutes(
            source, self.clock, clients=self.clients, send_loop=self.send_loop, faults=self.faults, sent=self.sent
        )
        self.rest = RestRoutes(source, self.clock, self.faults, RequestWeight())
        streams = StreamRoutes(self.clients, self.faults, life_s, HandshakeLimit(handshakes_per_5_min))
        app = Starlette(routes=[*streams.routes(), *self.rest.routes(), *self.emulator.routes()])
        self._server = _Server(_config(app, gated(self.faults.gate), ping_s, pong_s))
        self._tasks: list[asyncio.Task[Any]] = []

    @property
    def ws_url(self) -> str:
        """Base URL of the streams, python-binance's STREAM_URL: `ws://127.0.0.1:4711/`."""
        return f"ws://{self.host}:{self.port}/"

    @property
    def rest_url(self) -> str:
        """Base URL of REST, without `/api`: `http://127.0.0.1:4711`."""
        return f"http://{self.host}:{self.port}"

    def _check_scenario(self) -> None:
        for fault in self._scenario:
            try:
                self.faults.check(fault)
            except ValueError as error:
                raise MarketSourceError(f"scenario: {fault.fault}: {error}") from error

    def stop(self) -> None:
        """Ask the server to end; `wait` returns soon after."""
        self._server.should_exit = True

    async def wait(self) -> None:
        """Return when the server has ended; raises the error of a part that failed."""
        await asyncio.wait(self._tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        _raise_from(self._tasks)

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            if self.recorder:
                self.recorder.end(())
            raise
        return self

    async def _start(self) -> None:
        self._check_scenario()
        listener = bind(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._tasks = [
            asyncio.create_task(self._server.serve(sockets=[listener])),
            asyncio.create_task(self.send_loop.run()),
        ]
        self._tasks.append(asyncio.create_task(self._server.ready.wait(), name="ready"))
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        _raise_from(self._tasks)
        for fault in self._scenario:
            self.faults.inject(fault)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            _raise_from(self._tasks)
        finally:
            if self.recorder:
                self.recorder.end(self.faults.held())


async def serve(
    source: MarketSource,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 1.0,
    hold: bool | None = None,
    scenario: Sequence[Fault] = (),
    record: Path | None = None,
    ready: Callable[[Exchange], None] | None = None,
) -> None:
    """Serve until cancelled, SIGTERM or SIGINT; `ready` is called when clients can connect. Errors: see `Exchange`."""
    async with Exchange(
        source, host=host, port=port, speed=speed, hold=hold, scenario=scenario, record=record
    ) as exchange:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
                loop.add_signal_handler(number, exchange.stop)
        if ready:
            ready(exchange)
        await exchange.wait()


def _raise_from(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Raise the error of a task that failed; a cancellation is none."""
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            known = error.subgroup(MarketSourceError) if isinstance(error, ExceptionGroup) else None
            raise known.exceptions[0] if known else error


class _Server(EmbeddedServer):
    """A server that sets an event when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then set `ready`: clients can connect."""
        await super().startup(sockets)
        self.ready.set()


def _config(app: Starlette, http: type[asyncio.Protocol], ping_s: float, pong_s: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=http,
        ws=ExchangeWebSocketProtocol,
        ws_ping_interval=ping_s,
        ws_ping_timeout=pong_s,
        ws_per_message_deflate=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
