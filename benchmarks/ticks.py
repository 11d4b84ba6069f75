"""Random markets as payloads of `btc.ticks` and, for the peers, as one message per tick."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.records import Quotes, Ticks, Trades

Floats = NDArray[np.float64]
START = 1_750_000_000
VOLATILITY = 6e-5


class Market:
    """Symbols that move at random, with so many trades and quotes a second each."""

    def __init__(self, symbols: int, trades: int, quotes: int, seed: int = 7) -> None:
        self.names = [f"COIN{number:04d}USDT" for number in range(symbols)]
        self.ticks_per_second = symbols * (trades + quotes)
        self._trades, self._quotes = trades, quotes
        self._random = np.random.default_rng(seed)
        self._mid = np.exp(self._random.uniform(0, 10, symbols))
        self._last_id = 0

    def second(self, second: int) -> dict[str, Ticks]:
        """Return every symbol's ticks of the next second."""
        count, random = len(self.names), self._random
        path = self._mid[:, None] * np.exp(np.cumsum(random.normal(0, VOLATILITY, (count, self._quotes)), axis=1))
        sizes = np.round(random.gamma(2, 0.5, (count, 2 * self._quotes + self._trades)), 5) + 1e-5
        sold = random.random((count, self._trades)) < 0.5
        first, self._last_id, self._mid = self._last_id, self._last_id + self._trades, path[:, -1]
        half = 1e-5 * self._mid
        return {
            name: self._ticks(second, first, path[row], half[row], sizes[row], sold[row])
            for row, name in enumerate(self.names)
        }

    def _ticks(self, second: int, first: int, path: Floats, half: float, sizes: Floats,
               sold: NDArray[np.bool_]) -> Ticks:  # fmt: skip
        bid, ask = np.round(path - half, 6), np.round(path + half, 6)
        at = np.linspace(0, len(path) - 1, self._trades).astype(int)
        trades = Trades(
            id=list(range(first, first + self._trades)),
            time_ms=(second * 1000 + np.linspace(0, 999, self._trades).astype(int)).tolist(),
            price=np.where(sold, bid[at], ask[at]).tolist(),
            quantity=sizes[: self._trades].tolist(),
            buyer_maker=sold.tolist(),
        )
        quotes = Quotes(
            time_ms=(second * 1000 + np.linspace(0, 999, self._quotes).astype(int)).tolist(),
            bid=bid.tolist(), bid_size=sizes[self._trades : self._trades + self._quotes].tolist(),
            ask=ask.tolist(), ask_size=sizes[self._trades + self._quotes :].tolist(),
        )  # fmt: skip
        return Ticks(trades=trades, quotes=quotes, last_id=first + self._trades - 1)


def body(symbols: dict[str, Ticks]) -> bytes:
    """Return a batch's symbols encoded: the part that takes long."""
    return msgspec.json.encode(symbols)


def payload(partition: int, second: int, closed_ms: float, symbols: bytes) -> bytes:
    """Return a batch as on the wire, around a body that was encoded before.

    >>> payload(2, 5, 6050.0, b"{}")
    b'{"partition":2,"second":5,"closed_ms":6050.0,"generation":1,"symbols":{}}'
    """
    return b'{"partition":%d,"second":%d,"closed_ms":%.1f,"generation":1,"symbols":%b}' % (
        partition, second, closed_ms, symbols,
    )  # fmt: skip


def one_by_one(symbols: dict[str, Ticks]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the trades and quotes of a second as the peers read them: symbol, {symbol, time_ms, price, quantity}."""
    for name, ticks in symbols.items():
        trades, quotes = ticks.trades, ticks.quotes
        for time_ms, price, quantity in zip(
            [*trades.time_ms, *quotes.time_ms], [*trades.price, *quotes.bid], [*trades.quantity, *quotes.bid_size],
            strict=True,
        ):  # fmt: skip
            tick = {"symbol": name, "time_ms": time_ms, "price": price, "quantity": quantity}
            yield name.encode(), msgspec.json.encode(tick)
