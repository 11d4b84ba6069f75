"""A client for a running exchange, and a small market."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.emulator.replay import ReplayMarket, replay

START_MS = 1_700_000_000_000
# id, ms after START_MS, price, quantity, whether the taker sold
TRADES = ((1, 0, "100.00", "1", "false"), (2, 400, "102.50", "0.5", "true"), (3, 1200, "99.50", "2", "false"),
          (4, 3100, "101.00", "1", "true"), (5, 3900, "101.50", "1", "false"))  # fmt: skip


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Return a plain HTTP client that uses no proxy."""
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def small_market(tmp_path: Path) -> ReplayMarket:
    """Return a market of five trades and one quote of BTCUSDT, each received 5 ms after its trade time."""
    lines = [
        f'{(START_MS + ms + 5) * 1000} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":{START_MS + ms},'
        f'"s":"BTCUSDT","t":{key},"p":"{price}","q":"{qty}","T":{START_MS + ms},"m":{maker},"M":true}}}}'
        for key, ms, price, qty, maker in TRADES
    ]
    quote = '{"u":9,"s":"BTCUSDT","b":"99.00","B":"3","a":"99.50","A":"2"}'
    lines.append(f'{(START_MS + 1000) * 1000} {{"stream":"btcusdt@bookTicker","data":{quote}}}')
    file = tmp_path / "small.txt"
    file.write_text("\n".join(lines))
    return replay([file])
