"""The instruments of a synthetic market: symbols, each with a first price, decimals and trade ids of its own."""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass

from app.emulator.columns import Scale
from app.emulator.market_source import MarketSourceError

# (first price, price decimals, quantity decimals): orders of magnitude of the real ones.
KNOWN: dict[str, tuple[float, int, int]] = {
    "BTCUSDT": (60_000.0, 2, 5),
    "ETHUSDT": (3_000.0, 2, 4),
    "BNBUSDT": (600.0, 3, 3),
    "SOLUSDT": (150.0, 3, 3),
    "XRPUSDT": (0.6, 6, 1),
    "DOGEUSDT": (0.15, 6, 0),
    "ADAUSDT": (0.45, 6, 1),
    "AVAXUSDT": (30.0, 4, 2),
    "LINKUSDT": (14.0, 4, 2),
    "LTCUSDT": (80.0, 3, 3),
}
MAX_SYMBOLS = 10_000
# Relative ticks must stay well below a second's volatility (about 3e-5): rounding alone would be predictable.
TICKS_PER_PRICE = 100_000


@dataclass(frozen=True, slots=True)
class Instrument:
    """One traded symbol: its first price in the quote currency and its decimals."""

    symbol: str
    first_price: float
    scale: Scale

    @property
    def first_trade_id(self) -> int:
        """First trade id; no two symbols share ids, so that a mix-up shows."""
        return 1 + zlib.crc32(self.symbol.encode()) % 1_000_000_007


def instruments(symbols: str | int | tuple[str, ...] | list[str]) -> tuple[Instrument, ...]:
    """Return the instruments of `3`, "3", "btcusdt,ETHUSDT" or names; raises MarketSourceError for a wrong symbol."""
    if isinstance(symbols, str):
        symbols = int(symbols) if symbols.strip().isdigit() else symbols.split(",")
    names = _numbered(symbols) if isinstance(symbols, int) else [name.strip().upper() for name in symbols]
    for name in names:
        if not re.fullmatch(r"[A-Z0-9]{2,20}", name):
            raise MarketSourceError(
                f"symbols: {name!r} is not a symbol; write names such as BTCUSDT,ETHUSDT or a number"
            )
    if len(set(names)) < len(names):
        raise MarketSourceError("symbols: the same name twice; list every symbol once")
    return tuple(_instrument(name) for name in names)


def _numbered(count: int) -> list[str]:
    """Return so many names: the known ones first, then S0011USDT, S0012USDT, …"""
    if not 1 <= count <= MAX_SYMBOLS:
        raise MarketSourceError(f"symbols: {count} is out of range; choose 1 to {MAX_SYMBOLS}")
    return [*KNOWN, *(f"S{n:04d}USDT" for n in range(len(KNOWN) + 1, count + 1))][:count]


def _instrument(name: str) -> Instrument:
    if name in KNOWN:
        price, price_decimals, qty_decimals = KNOWN[name]
        return Instrument(name, price, Scale(price_decimals, qty_decimals))
    price = round(10 ** (zlib.crc32(name.encode()) % 3000 / 1000), 2)  # 1 to 1,000
    decimals = max(2, math.ceil(math.log10(TICKS_PER_PRICE / price)))
    return Instrument(name, price, Scale(decimals, max(0, 7 - decimals)))
