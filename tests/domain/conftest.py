"""A small random market for the tests of bars, windows, features and history."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from app.records import Quotes, TickBatch, Ticks, Trades

START = 1_700_000_000
Market = Callable[..., list[TickBatch]]


def _ticks(rng: np.random.Generator, price: float, second: int, quoted: bool) -> Ticks:
    trades, quotes = int(rng.poisson(2)), int(rng.poisson(3)) if quoted else 0
    path = price * np.exp(rng.normal(0, 1e-4, trades))
    bid = price * np.exp(rng.normal(0, 1e-4, quotes))
    return Ticks(
        trades=Trades(
            id=list(range(trades)),
            time_ms=[second * 1000] * trades,
            price=path.tolist(),
            quantity=rng.exponential(1.0, trades).tolist(),
            buyer_maker=(rng.random(trades) < 0.5).tolist(),
        ),
        quotes=Quotes(
            time_ms=[second * 1000] * quotes,
            bid=bid.tolist(),
            bid_size=rng.exponential(2.0, quotes).tolist(),
            ask=(bid * 1.0002).tolist(),
            ask_size=rng.exponential(2.0, quotes).tolist(),
        ),
        late=int(rng.random() < 0.05) * min(trades, 1),
        missing=int(rng.random() < 0.01),
    )


def _market(
    seed: int, symbols: Sequence[str] = ("AUSDT", "BUSDT", "CUSDT"), seconds: int = 120, *, holes: float = 0.0,
    pauses: float = 0.0, quoted: bool = True,
) -> list[TickBatch]:  # fmt: skip
    rng = np.random.default_rng(seed)
    prices = dict(zip(symbols, np.exp(rng.normal(3, 2, len(symbols))), strict=True))
    batches = []
    for second in range(START, START + seconds):
        prices = {symbol: price * float(np.exp(rng.normal(0, 2e-4))) for symbol, price in prices.items()}
        ticks = {symbol: _ticks(rng, price, second, quoted) for symbol, price in prices.items()}
        came = {symbol: value for symbol, value in ticks.items() if rng.random() >= pauses}
        if rng.random() >= holes:
            batches.append(TickBatch(partition=0, second=second, closed_ms=0.0, symbols=came))
    return batches


@pytest.fixture(scope="session")
def market() -> Market:
    """Return a maker of random tick batches: seed, symbols, seconds, chances of a hole and of a pause."""
    return _market
