"""Routes that Binance has not: `/emulator` shows what the emulator does and did, and takes faults."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.exchange.errors import ExchangeError, answer, json
from app.exchange.exchange_clock import ExchangeClock
from app.exchange.faults import Fault, Faults
from app.exchange.parameters import number, symbol
from app.exchange.send_loop import SendLoop
from app.exchange.sent_log import SentLog
from app.exchange.source import MarketSource
from app.exchange.subscribers import Subscribers


class Emulator:
    """Looks at the parts of one exchange."""

    def __init__(
        self,
        source: MarketSource,
        pace: ExchangeClock,
        *,
        clients: Subscribers,
        feed: SendLoop,
        faults: Faults,
        sent: SentLog,
    ) -> None:
        self._source, self._pace, self._clients = source, pace, clients
        self._feed, self._faults, self._sent = feed, faults, sent

    def routes(self) -> list[BaseRoute]:
        """Return the routes to mount."""
        return [
            Route("/emulator", self._state, methods=["GET"]),
            Route("/emulator/sent", self._sent_between, methods=["GET"]),
            Route("/emulator/faults", self._set_fault, methods=["POST"]),
        ]

    def state(self) -> dict[str, object]:
        """Everything that can be seen, JSON-ready; times are epoch ms."""
        clock, span = self._pace.clock, self._source.span_us
        return {
            "source": self._source.label,
            "symbols": self._source.symbols,
            "about": self._source.about(),
            "speed": self._pace.speed,
            "started": clock is not None,
            "anchor": clock and {"wall_ms": clock.wall_anchor_ms, "exchange_ms": clock.exchange_anchor_ms},
            "span_ms": span and [span[0] / 1000, span[1] / 1000],
            "now_ms": self._pace.now_us() / 1000,
            "finished": self._feed.finished,
            "clients": len(self._clients.everyone),
            "closed": self._clients.closed,
            "sent": self._sent.summary(),
            "late_ms": self._sent.lateness(),
        }

    async def _state(self, _request: Request) -> Response:
        return json(self.state())

    async def _sent_between(self, request: Request) -> Response:
        try:
            name = symbol(request, self._source)
            return json(self._sent.between(name, number(request, "from") or 0, number(request, "to")))
        except ExchangeError as error:
            return answer(error)

    async def _set_fault(self, request: Request) -> Response:
        try:
            self._faults.set(msgspec.json.decode(await request.body(), type=Fault))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return answer(ExchangeError(-1, str(error)))
        return json({})
