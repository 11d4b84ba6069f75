"""A REST API of klines for tests of the trainer."""

from typing import Any

import httpx

from app.training.klines import KlineHistory


def kline(second: int) -> list[Any]:
    """Return a one-second kline as Binance sends it."""
    price = f"{100 + (second % 7) * 0.01:.2f}"
    return [second * 1000, price, price, price, price, "1.0", second * 1000 + 999, price, 3, "0.5", price, "0"]


class Binance:
    """An exchange that knows the seconds from `first` to `now`, and may be in a bad mood."""

    def __init__(self, first: int, now: int, moods: list[httpx.Response] | None = None) -> None:
        self.first, self.now, self.moods, self.asked = first, now, moods or [], 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked += 1
        if self.moods:
            return self.moods.pop(0)
        if request.url.path == "/api/v3/time":
            return httpx.Response(200, json={"serverTime": self.now * 1000 + 500})
        start, end = (int(request.url.params[name]) for name in ("startTime", "endTime"))
        known = range(max(self.first, -(-start // 1000)), min(self.now, end // 1000 + 1))
        return httpx.Response(200, json=[kline(second) for second in known[:1000]])

    def klines(self, seconds: int, reports: list[str] | None = None) -> KlineHistory:
        """Return a client of it."""
        client = httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="http://exchange")
        return KlineHistory(client, seconds, (reports if reports is not None else []).append)
