"""The emulator's own routes, which Binance does not have: `/emulator` for its state, its sent events and its faults."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.emulator.emulator_clock import EmulatorClock
from app.emulator.errors import ExchangeError, error_response, json_response
from app.emulator.fault_injection import Fault, FaultInjector
from app.emulator.market_source import MarketSource
from app.emulator.query_parameters import number_of, symbol_of
from app.emulator.send_loop import SendLoop
from app.emulator.sent_log import SentLog
from app.emulator.subscribers import Subscribers


class EmulatorRoutes:
    """Routes that show the state of one emulator and inject faults into it."""

    def __init__(
        self,
        source: MarketSource,
        clock: EmulatorClock,
        *,
        clients: Subscribers,
        send_loop: SendLoop,
        faults: FaultInjector,
        sent: SentLog,
    ) -> None:
        self._source, self._clock, self._clients = source, clock, clients
        self._send_loop, self._faults, self._sent = send_loop, faults, sent

    def routes(self) -> list[BaseRoute]:
        """Return the routes to mount."""
        return [
            Route("/emulator", self._state, methods=["GET"]),
            Route("/emulator/sent", self._sent_between, methods=["GET"]),
            Route("/emulator/faults", self._inject_faults, methods=["POST"]),
            Route("/emulator/faults", self._list_faults, methods=["GET"]),
            Route("/emulator/faults", self._end_faults, methods=["DELETE"]),
            Route("/emulator/faults/{number:int}", self._end_faults, methods=["DELETE"]),
        ]

    def state(self) -> dict[str, object]:
        """Return the state, JSON-ready; times are epoch ms, lateness is wall ms."""
        anchored, span = self._clock.anchored, self._source.span_us
        return {
            "source": self._source.label,
            "symbols": self._source.symbols,
            "about": self._source.details(),
            "speed": self._clock.speed,
            "started": anchored is not None,
            "anchor": anchored and {"wall_ms": anchored.wall_anchor_ms, "exchange_ms": anchored.exchange_anchor_ms},
            "span_ms": span and [span[0] / 1000, span[1] / 1000],
            "now_ms": self._clock.now_us() / 1000,
            "finished": self._send_loop.is_finished,
            "clients": len(self._clients.connected),
            "closed": self._clients.closed,
            "requests": self._faults.requests,
            "sent": self._sent.summary(),
            "late_ms": self._sent.late_ms_percentiles(),
        }

    async def _state(self, _request: Request) -> Response:
        return json_response(self.state())

    async def _sent_between(self, request: Request) -> Response:
        try:
            name = symbol_of(request, self._source)
            return json_response(self._sent.between(name, number_of(request, "from") or 0, number_of(request, "to")))
        except ExchangeError as error:
            return error_response(error)

    async def _inject_faults(self, request: Request) -> Response:
        """Inject the fault of the body, or all of a list of faults; none if one of them is wrong."""
        try:
            body = msgspec.json.decode(await request.body(), type=Fault | list[Fault])
            faults = body if isinstance(body, list) else [body]
            for fault in faults:
                self._faults.check(fault)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return error_response(ExchangeError(-1, str(error)))
        return json_response({"numbers": [self._faults.inject(fault).number for fault in faults]})

    async def _list_faults(self, _request: Request) -> Response:
        return json_response(self._faults.state())

    async def _end_faults(self, request: Request) -> Response:
        number = request.path_params.get("number")
        try:
            self._faults.end(number)
        except KeyError:
            return error_response(ExchangeError(-1, f"no fault has the number {number}", 404))
        return json_response({})
