"""The exchange's REST API: trades by id, and the exchange's clock.

Binance's request budget is respected: at most four requests at once, and none while a 429 or 418 blocks them for as
long as `Retry-After` says.
"""

import asyncio
import time
from collections import deque
from typing import Any

from aiohttp import ClientError

from app.clock import Clock, steady_ms
from app.collector.binance_messages import server_time_ms, symbol_statuses, trades_of_rows
from app.collector.binance_numbers import MalformedError
from app.collector.clock_readings import ClockReading, best_reading
from app.collector.endpoints import endpoints
from app.collector.python_binance_fixes import (
    REQUEST_ERRORS,
    block_s,
    is_unknown_symbol,
    rest_client,
    used_weight,
)
from app.collector.receipt import Receipt
from app.domain.ticks import Trade
from app.logs import logger
from app.retry import error_reason

ROWS = 1000  # Binance's limit per request
CONCURRENT_REQUESTS = 4
MOST_WEIGHT, PAUSE_S = 4800, 10.0  # of Binance's 6,000 a minute: beyond it, pause so long
SAMPLES = 5  # readings of the exchange's clock; that with the shortest round trip counts
REST_ERRORS = (OSError, ClientError, TimeoutError, *REQUEST_ERRORS, MalformedError)
log = logger("collector")


def is_rest_error(error: Exception) -> bool:
    """Return whether another attempt may help, and log the error; for `stamina.retry_context(on=…)`."""
    if isinstance(error, REST_ERRORS):
        log.warning("a REST request failed", reason=error_reason(error))
    return isinstance(error, REST_ERRORS)


class RestClient:
    """Requests to the endpoint in use; after a failed request the next endpoint is used."""

    def __init__(self, urls: str) -> None:
        self._clients = deque(rest_client(url) for url in endpoints(urls))
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
        self._blocked_until_s = 0.0  # monotonic

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.close_connection()

    async def get_trades(self, symbol: str, from_id: int) -> list[Trade]:
        """Return up to 1,000 trades from this id on, rising; empty if there is none yet.

        Raises:
            One of `REST_ERRORS`: the exchange did not answer, refused, or sent a malformed trade.

        """
        rows = await self._request("get_aggregate_trades", symbol=symbol, fromId=from_id, limit=ROWS)
        trades = trades_of_rows(symbol, rows, Receipt(time.time_ns()))
        if trades and trades[0].id < from_id:  # the exchange has numbered its trades anew
            raise MalformedError(f"trades of {symbol} from id {trades[0].id} on, but {from_id} was asked for")
        return trades

    async def get_clock(self, rate: float) -> ClockReading:
        """Return the exchange's clock, from the shortest of five round trips; raises one of `REST_ERRORS`."""
        return best_reading([await self._read_clock(rate) for _ in range(SAMPLES)])

    async def get_statuses(self, symbols: tuple[str, ...]) -> dict[str, str] | None:
        """Return the trading status of these symbols, None if the exchange does not know one of them.

        Raises:
            One of `REST_ERRORS`: the exchange did not answer, refused, or sent a malformed answer.

        """
        try:
            return symbol_statuses(await self._request("get_symbols_info", symbols=symbols))
        except REQUEST_ERRORS as error:
            if is_unknown_symbol(error):
                return None
            raise

    async def _read_clock(self, rate: float) -> ClockReading:
        sent_ms = steady_ms()
        answer = await self._request("get_server_time")
        error_ms = (steady_ms() - sent_ms) / 2
        # The server's millisecond began half a millisecond ago, on average.
        return ClockReading(Clock(server_time_ms(answer) + 0.5, sent_ms + error_ms, rate), error_ms)

    async def _request(self, call: str, **arguments: Any) -> Any:
        async with self._slots:
            await asyncio.sleep(max(self._blocked_until_s - time.monotonic(), 0.0))
            client = self._clients[0]
            try:
                answer = await getattr(client, call)(**arguments)
            except REST_ERRORS as error:
                if client is self._clients[0] and not is_unknown_symbol(error):
                    self._clients.rotate(-1)
                if wait_s := block_s(error, default_s=PAUSE_S):
                    log.warning("the exchange blocks REST requests", reason=error_reason(error), wait_s=wait_s)
                    self._block(wait_s)
                raise
            if used_weight(client) > MOST_WEIGHT:
                self._block(PAUSE_S)
            return answer

    def _block(self, wait_s: float) -> None:
        self._blocked_until_s = max(self._blocked_until_s, time.monotonic() + wait_s)
