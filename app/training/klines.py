"""History over REST. What enters: the exchange's address and symbols; what leaves: series of one-second klines.

Klines hold last trades, not mids, and no quotes: good to learn from, not to judge by.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from app.domain import history
from app.domain.bars import Channel
from app.domain.series import Series

PAGE = 1000  # rows of one answer, weight 2
TRIES = 6
OVERLOAD = (418, 429)
Say = Callable[[str], None]
Table = NDArray[np.float64]  # [N, 12], a row per second


class HistoryError(RuntimeError):
    """The exchange gives no history: where and why."""


class Klines:
    """What the exchange remembers of some symbols, kept and topped up."""

    def __init__(self, client: httpx.AsyncClient, seconds: int, say: Say) -> None:
        self._client = client
        self._seconds = seconds
        self._say = say
        self._tables: dict[str, Table] = {}

    async def now_ms(self) -> int:
        """Return the exchange's own time, epoch milliseconds."""
        return int((await self._get("/api/v3/time", {}))["serverTime"])

    async def series(self, symbol: str) -> Series | None:
        """Return the newest `seconds` of a symbol, fetching only what is new; None: the exchange has none.

        Raises:
            HistoryError: the exchange does not answer, or refuses.

        """
        end_ms = await self.now_ms() // 1000 * 1000  # the running second is not whole yet
        table = self._tables.get(symbol, np.zeros((0, 12)))
        table = table[table[:, 0] >= end_ms - 1000 * self._seconds]
        start_ms = int(table[-1, 0]) + 1000 if len(table) else end_ms - 1000 * self._seconds
        while start_ms < end_ms:
            rows = await self._page(symbol, start_ms, end_ms)
            if not len(rows):
                break
            table = np.concatenate([table, rows])
            start_ms = int(table[-1, 0]) + 1000
            self._say(f"history {symbol} {len(table)}/{self._seconds} s")
        self._tables[symbol] = table
        return series_of_klines(symbol, table) if len(table) else None

    async def _page(self, symbol: str, start_ms: int, end_ms: int) -> Table:
        query = {"symbol": symbol, "interval": "1s", "startTime": start_ms, "endTime": end_ms - 1, "limit": PAGE}
        rows = await self._get("/api/v3/klines", query)
        return np.array(rows, dtype=np.float64).reshape(-1, 12)

    async def _get(self, path: str, query: dict[str, Any]) -> Any:
        reason = ""
        for attempt in range(TRIES):
            wait_s = min(30.0, 0.5 * 2.0**attempt)
            try:
                answer = await self._client.get(path, params=query)
                if answer.status_code in OVERLOAD:
                    wait_s = float(answer.headers.get("Retry-After", wait_s))
                    self._say(f"the exchange asks for a pause of {wait_s:g} s (HTTP {answer.status_code})")
                elif answer.status_code < 500:
                    return answer.raise_for_status().json()
                reason = f"HTTP {answer.status_code}"
            except httpx.HTTPStatusError as error:
                raise HistoryError(f"{self._client.base_url}{path}: {error.response.text[:200]}") from error
            except (httpx.TransportError, ValueError) as error:
                reason = str(error) or type(error).__name__
            await asyncio.sleep(wait_s)
        raise HistoryError(f"{self._client.base_url}{path} does not answer: {reason}")


def series_of_klines(symbol: str, table: Table) -> Series:
    """Return one-second klines, rows of Binance's 12 columns, as a series."""
    bars = history.bars_of_klines(table.tolist())
    known = history.feature_matrix(bars)
    present = bars[:, Channel.PRESENT] > 0
    start = int(table[:, 0].min()) // 1000
    return Series(symbol, start, known.features, known.mid, known.volatility, present, known.valid, mids=False)
