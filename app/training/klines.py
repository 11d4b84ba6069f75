"""One-second klines of the exchange's REST API as training history.

Klines hold last trades, not mids, and no quotes: good for fitting, not for evaluation.
"""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import stamina
from numpy.typing import NDArray

from app.domain import feature_history
from app.domain.bars import Channel
from app.domain.symbol_series import SymbolSeries
from app.retry import error_reason

PAGE = 1000  # rows of one answer, weight 2
ATTEMPTS = 6
OVERLOAD = (418, 429)
Report = Callable[[str], None]
Table = NDArray[np.float64]  # [N, 12], a row per second


class HistoryError(RuntimeError):
    """The exchange gives no history; the message says where and why."""


class KlineHistory:
    """The klines of some symbols, kept in memory and extended by what is new."""

    def __init__(self, client: httpx.AsyncClient, seconds: int, report: Report) -> None:
        self._client = client
        self._seconds = seconds
        self._report = report
        self._tables: dict[str, Table] = {}

    async def now_ms(self) -> int:
        """Return the exchange's time, epoch milliseconds."""
        return int((await self._get("/api/v3/time", {}))["serverTime"])

    async def series(self, symbol: str) -> SymbolSeries | None:
        """Return the newest `seconds` of a symbol, fetching only new rows; None if the exchange has none.

        Raises:
            HistoryError: the exchange does not answer, or refuses.

        """
        end_ms = await self.now_ms() // 1000 * 1000  # the current second is not complete yet
        table = self._tables.get(symbol, np.zeros((0, 12)))
        table = table[table[:, 0] >= end_ms - 1000 * self._seconds]
        start_ms = int(table[-1, 0]) + 1000 if len(table) else end_ms - 1000 * self._seconds
        while start_ms < end_ms:
            rows = await self._page(symbol, start_ms, end_ms)
            if not len(rows):
                break
            table = np.concatenate([table, rows])
            start_ms = int(table[-1, 0]) + 1000
            self._report(f"history {symbol} {len(table)}/{self._seconds} s")
        self._tables[symbol] = table
        return series_of_klines(symbol, table) if len(table) else None

    async def _page(self, symbol: str, start_ms: int, end_ms: int) -> Table:
        query = {"symbol": symbol, "interval": "1s", "startTime": start_ms, "endTime": end_ms - 1, "limit": PAGE}
        rows = await self._get("/api/v3/klines", query)
        return np.array(rows, dtype=np.float64).reshape(-1, 12)

    async def _get(self, path: str, query: dict[str, Any]) -> Any:
        url = f"{self._client.base_url}{path}"
        attempts = stamina.retry_context(
            on=self._retry_wait, attempts=ATTEMPTS, timeout=None, wait_initial=0.5, wait_max=30.0
        )
        try:
            async for attempt in attempts:
                with attempt:
                    return (await self._client.get(path, params=query)).raise_for_status().json()
        except httpx.HTTPStatusError as error:
            if _is_temporary(error.response):
                raise HistoryError(f"{url} does not answer: HTTP {error.response.status_code}") from error
            raise HistoryError(f"{url}: {error.response.text[:200]}") from error
        except (httpx.TransportError, ValueError) as error:
            raise HistoryError(f"{url} does not answer: {error_reason(error)}") from error

    def _retry_wait(self, error: Exception) -> bool | float:
        """Return whether to try again, as seconds where the exchange names them."""
        if not isinstance(error, httpx.HTTPStatusError):
            return isinstance(error, httpx.TransportError | ValueError)
        answer = error.response
        if answer.status_code not in OVERLOAD or "Retry-After" not in answer.headers:
            return _is_temporary(answer)
        wait_s = float(answer.headers["Retry-After"])
        self._report(f"the exchange asks for a pause of {wait_s:g} s (HTTP {answer.status_code})")
        return wait_s


def _is_temporary(answer: httpx.Response) -> bool:
    return answer.status_code in OVERLOAD or answer.status_code >= 500


def series_of_klines(symbol: str, table: Table) -> SymbolSeries:
    """Return one-second klines, rows of Binance's 12 columns, as a series."""
    bars = feature_history.bars_of_klines(table.tolist())
    known = feature_history.feature_matrix(bars)
    present = bars[:, Channel.PRESENT] > 0
    start = int(table[:, 0].min()) // 1000
    return SymbolSeries(symbol, start, known.features, known.mid, known.volatility, present, known.valid, mids=False)
