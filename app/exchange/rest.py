"""The REST calls `/api/v3/…`; enters: a request; leaves: Binance's answer, with the used weight in its header."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.exchange import history
from app.exchange.columns import QuoteColumns, Scale
from app.exchange.errors import INVALID_INTERVAL, TOO_MANY_REQUESTS, ExchangeError, answer, json, missing
from app.exchange.exchange_clock import ExchangeClock
from app.exchange.faults import Faults
from app.exchange.frames import agg_trade_rows
from app.exchange.klines import INTERVALS_MS
from app.exchange.parameters import limit, number, symbol, symbols
from app.exchange.rules import exchange_info
from app.exchange.source import MarketSource
from app.exchange.weight import Weight

Answer = Callable[[Request], Awaitable[object]]


class Rest:
    """Answers from a source, up to the exchange's now."""

    def __init__(self, source: MarketSource, pace: ExchangeClock, faults: Faults, weight: Weight) -> None:
        self._source, self._pace, self._faults, self.weight = source, pace, faults, weight

    def routes(self) -> list[BaseRoute]:
        """Return the routes to mount, each with its weight (spot API documentation)."""
        return [
            self._route("ping", 1, self._ping),
            self._route("time", 1, self._time),
            self._route("exchangeInfo", 20, self._exchange_info),
            self._route("klines", 2, self._klines),
            self._route("aggTrades", 4, self._agg_trades),
            self._route("ticker/bookTicker", 2, self._book_ticker),
            self._route("depth", 5, self._depth),
        ]

    def _route(self, path: str, weight: int, content: Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            refused = self._faults.respond(request)
            wait_s = self.weight.spend(weight)
            used = {"X-MBX-USED-WEIGHT": str(self.weight.used), "X-MBX-USED-WEIGHT-1M": str(self.weight.used)}
            if refused is not None:
                refused.headers.update(used)
                return refused
            if wait_s is not None:
                return answer(TOO_MANY_REQUESTS, used | {"Retry-After": str(wait_s)})
            try:
                return json(await content(request), headers=used)
            except ExchangeError as error:
                return answer(error, used)

        return Route(f"/api/v3/{path}", endpoint, methods=["GET"])

    async def _ping(self, _request: Request) -> object:
        return {}

    async def _time(self, _request: Request) -> object:
        return {"serverTime": self._pace.now_us() // 1000}

    async def _exchange_info(self, request: Request) -> object:
        return exchange_info(self._source, symbols(request, self._source), self._pace.now_us() // 1000)

    async def _klines(self, request: Request) -> object:
        name, interval = symbol(request, self._source), request.query_params.get("interval")
        if not interval:
            raise missing("interval")
        if interval not in INTERVALS_MS:
            raise INVALID_INTERVAL
        start_ms, end_ms = number(request, "startTime"), number(request, "endTime")
        now_us = self._pace.now_us()
        # In a thread: a thousand minutes of a synthetic market take half a second.
        return await run_in_threadpool(
            history.klines,
            self._source,
            name,
            interval,
            start_ms=start_ms,
            end_ms=end_ms,
            limit=limit(request),
            now_us=now_us,
        )

    async def _agg_trades(self, request: Request) -> object:
        name, rows = symbol(request, self._source), limit(request)
        start_ms, end_ms, from_id = (number(request, key) for key in ("startTime", "endTime", "fromId"))
        if from_id is not None and (start_ms is not None or end_ms is not None):
            raise ExchangeError(-1128, "Combination of optional parameters invalid.")
        now_us = self._pace.now_us()
        if from_id is not None:
            trades = await run_in_threadpool(history.trades_from_id, self._source, name, from_id, rows, now_us)
        else:
            trades = await run_in_threadpool(
                history.trades_between,
                self._source,
                name,
                start_ms=start_ms,
                end_ms=end_ms,
                limit=rows,
                now_us=now_us,
            )
        return agg_trade_rows(self._source.scale(name), trades)

    async def _book_ticker(self, request: Request) -> object:
        names = symbols(request, self._source)
        now_us = self._pace.now_us()
        tickers = [_ticker(name, self._source.scale(name), self._source.quote(name, now_us)) for name in names]
        return tickers[0] if "symbol" in request.query_params else tickers

    async def _depth(self, request: Request) -> object:
        name = symbol(request, self._source)
        limit(request, default=100, most=5000)
        quote = self._source.quote(name, self._pace.now_us())
        return _top_of_book(self._source.scale(name), quote)


def _ticker(name: str, scale: Scale, quote: QuoteColumns | None) -> dict[str, str]:
    # {"symbol":"BTCUSDT","bidPrice":"28165.47…","bidQty":"7.98680…","askPrice":"28165.48…","askQty":"3.26888…"}
    bid_ticks, bid_lots, ask_ticks, ask_lots = _best(quote)
    return {
        "symbol": name,
        "bidPrice": scale.price(bid_ticks),
        "bidQty": scale.qty(bid_lots),
        "askPrice": scale.price(ask_ticks),
        "askQty": scale.qty(ask_lots),
    }


def _top_of_book(scale: Scale, quote: QuoteColumns | None) -> dict[str, object]:
    """Return the one level each side that the source knows."""
    if quote is None:
        return {"lastUpdateId": 0, "bids": [], "asks": []}
    bid_ticks, bid_lots, ask_ticks, ask_lots = _best(quote)
    return {
        "lastUpdateId": int(quote.update_ids[0]),
        "bids": [[scale.price(bid_ticks), scale.qty(bid_lots)]],
        "asks": [[scale.price(ask_ticks), scale.qty(ask_lots)]],
    }


def _best(quote: QuoteColumns | None) -> tuple[int, int, int, int]:
    """Before the first quote Binance shows zeros."""
    if quote is None:
        return 0, 0, 0, 0
    return int(quote.bid_ticks[0]), int(quote.bid_lots[0]), int(quote.ask_ticks[0]), int(quote.ask_lots[0])
