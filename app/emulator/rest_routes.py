"""Binance's REST calls `/api/v3/…`, each with its request weight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.emulator import history
from app.emulator.columns import QuoteColumns, Scale, TradeColumns, empty_trades
from app.emulator.emulator_clock import EmulatorClock
from app.emulator.errors import (
    INVALID_INTERVAL,
    INVALID_SYMBOL,
    TOO_MANY_REQUESTS,
    ExchangeError,
    error_response,
    json_response,
    missing_parameter,
)
from app.emulator.exchange_info import exchange_info
from app.emulator.fault_injection import FaultInjector
from app.emulator.klines import INTERVALS_MS
from app.emulator.market_source import MarketSource
from app.emulator.payloads import agg_trade_rows
from app.emulator.query_parameters import limit_of, number_of, symbol_of, symbols_of
from app.emulator.request_weight import RequestWeight
from app.emulator.time_unit import HEADER, is_microseconds

Content = Callable[[Request], Awaitable[object]]
Weight = Callable[[Request], int]


class RestRoutes:
    """REST routes that answer from a market source, up to the exchange's now."""

    def __init__(
        self, source: MarketSource, clock: EmulatorClock, faults: FaultInjector, weight: RequestWeight
    ) -> None:
        self._source, self._clock, self._faults, self.weight = source, clock, faults, weight

    def routes(self) -> list[BaseRoute]:
        """Return the routes to mount, each with its weight (spot API documentation)."""
        return [
            self._route("ping", 1, self._ping),
            self._route("time", 1, self._time),
            self._route("exchangeInfo", 20, self._exchange_info),
            self._route("klines", 2, self._klines),
            self._route("aggTrades", 4, self._agg_trades),
            self._route("ticker/bookTicker", 2, self._book_ticker),
            self._route("depth", _depth_weight, self._depth),
        ]

    def _route(self, path: str, weight: int | Weight, content: Content) -> Route:
        async def endpoint(request: Request) -> Response:
            refused = await self._faults.before_answer(request)
            wait_s = self.weight.spend(weight if isinstance(weight, int) else weight(request))
            used = {"X-MBX-USED-WEIGHT": str(self.weight.used), "X-MBX-USED-WEIGHT-1M": str(self.weight.used)}
            if refused is not None:
                refused.headers.update(used)
                return refused
            if wait_s is not None:
                return error_response(TOO_MANY_REQUESTS, used | {"Retry-After": str(wait_s)})
            if self._faults.is_in_force("delist", request.query_params.get("symbol", "")):
                return error_response(INVALID_SYMBOL, used)
            try:
                return json_response(await content(request), headers=used)
            except ExchangeError as error:
                return error_response(error, used)

        return Route(f"/api/v3/{path}", endpoint, methods=["GET"])

    async def _ping(self, _request: Request) -> object:
        return {}

    async def _time(self, request: Request) -> object:
        if is_microseconds(request.headers, HEADER):
            return {"serverTime": self._clock.now_us() + self._faults.clock_offset_ms() * 1000}
        return {"serverTime": self._server_time_ms()}

    def _server_time_ms(self) -> int:
        return self._clock.now_us() // 1000 + self._faults.clock_offset_ms()

    async def _exchange_info(self, request: Request) -> object:
        names = symbols_of(request, self._source)
        delisted = {name for name in names if self._faults.is_in_force("delist", name)}
        if delisted and "symbols" in request.query_params:
            raise INVALID_SYMBOL
        listed = [name for name in names if name not in delisted]
        halted = {name for name in listed if self._faults.is_in_force("halt", name)}
        return exchange_info(self._source, listed, self._server_time_ms(), halted)

    async def _klines(self, request: Request) -> object:
        name, interval = symbol_of(request, self._source), request.query_params.get("interval")
        if not interval:
            raise missing_parameter("interval")
        if interval not in INTERVALS_MS:
            raise INVALID_INTERVAL
        start_ms, end_ms = number_of(request, "startTime"), number_of(request, "endTime")
        now_us = self._clock.now_us()
        # In a thread: a thousand minutes of a synthetic market take half a second.
        return await run_in_threadpool(
            history.klines,
            self._source,
            name,
            interval,
            start_ms=start_ms,
            end_ms=end_ms,
            limit=limit_of(request),
            now_us=now_us,
        )

    async def _agg_trades(self, request: Request) -> object:
        name, rows = symbol_of(request, self._source), limit_of(request)
        start_ms, end_ms, from_id = (number_of(request, key) for key in ("startTime", "endTime", "fromId"))
        if from_id is not None and (start_ms is not None or end_ms is not None):
            raise ExchangeError(-1128, "Combination of optional parameters invalid.")
        now_us = self._clock.now_us()
        if from_id is not None:
            trades = await self._trades_from(name, from_id, rows, now_us)
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
        trades = replace(trades, ids=self._faults.restarts.shown(name, trades.ids))
        microseconds = is_microseconds(request.headers, HEADER)
        return agg_trade_rows(self._source.scale(name), trades, microseconds=microseconds)

    async def _trades_from(self, name: str, from_id: int, rows: int, now_us: int) -> TradeColumns:
        trades = empty_trades()
        for market_id in self._faults.restarts.asked(name, from_id):
            if not len(trades):
                trades = await run_in_threadpool(history.trades_from_id, self._source, name, market_id, rows, now_us)
        return trades

    async def _book_ticker(self, request: Request) -> object:
        names = symbols_of(request, self._source)
        now_us = self._clock.now_us()
        tickers = [_ticker(name, self._source.scale(name), self._source.quote(name, now_us)) for name in names]
        return tickers[0] if "symbol" in request.query_params else tickers

    async def _depth(self, request: Request) -> object:
        name = symbol_of(request, self._source)
        limit, now_us = limit_of(request, default=100, at_most=5000), self._clock.now_us()
        book = await run_in_threadpool(self._source.book, name, now_us)
        if book is None:
            return _top_of_book(self._source.scale(name), self._source.quote(name, now_us))
        return {"lastUpdateId": book.update_id, "bids": book.bids[:limit], "asks": book.asks[:limit]}


def _depth_weight(request: Request) -> int:
    """5 for up to 100 levels, 25 for 500, 50 for 1,000, 250 for 5,000."""
    text = request.query_params.get("limit", "100")
    limit = int(text) if text.isdecimal() else 100
    return next((weight for levels, weight in ((100, 5), (500, 25), (1000, 50)) if limit <= levels), 250)


def _ticker(name: str, scale: Scale, quote: QuoteColumns | None) -> dict[str, str]:
    # {"symbol":"BTCUSDT","bidPrice":"28165.47…","bidQty":"7.98680…","askPrice":"28165.48…","askQty":"3.26888…"}
    bid_ticks, bid_lots, ask_ticks, ask_lots = _best_levels(quote)
    return {
        "symbol": name,
        "bidPrice": scale.price(bid_ticks),
        "bidQty": scale.qty(bid_lots),
        "askPrice": scale.price(ask_ticks),
        "askQty": scale.qty(ask_lots),
    }


def _top_of_book(scale: Scale, quote: QuoteColumns | None) -> dict[str, object]:
    """Return the best level of each side: a source without a book knows no other."""
    if quote is None:
        return {"lastUpdateId": 0, "bids": [], "asks": []}
    bid_ticks, bid_lots, ask_ticks, ask_lots = _best_levels(quote)
    return {
        "lastUpdateId": int(quote.update_ids[0]),
        "bids": [[scale.price(bid_ticks), scale.qty(bid_lots)]],
        "asks": [[scale.price(ask_ticks), scale.qty(ask_lots)]],
    }


def _best_levels(quote: QuoteColumns | None) -> tuple[int, int, int, int]:
    """Return best bid and ask with their sizes; zeros before the first quote, as on Binance."""
    if quote is None:
        return 0, 0, 0, 0
    return int(quote.bid_ticks[0]), int(quote.bid_lots[0]), int(quote.ask_ticks[0]), int(quote.ask_lots[0])
