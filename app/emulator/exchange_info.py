"""The answer of `exchangeInfo`: rate limits, and the trading rules of each symbol."""

from __future__ import annotations

from collections.abc import Container

from app.emulator.columns import BINANCE_DECIMALS, Scale
from app.emulator.market_source import MarketSource
from app.emulator.request_weight import LIMIT_PER_MINUTE

QUOTE_ASSETS = ("FDUSD", "USDT", "USDC", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY")


def exchange_info(
    source: MarketSource, symbols: list[str], now_ms: int, halted: Container[str] = ()
) -> dict[str, object]:
    """Return the answer for these symbols; those that are `halted` have the status HALT."""
    limit = {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": LIMIT_PER_MINUTE,
    }
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [limit],
        "exchangeFilters": [],
        "symbols": [_symbol(name, source.scale(name), is_halted=name in halted) for name in symbols],
    }


def _symbol(name: str, scale: Scale, *, is_halted: bool) -> dict[str, object]:
    quote = next((asset for asset in QUOTE_ASSETS if name.endswith(asset) and name != asset), name[-3:])
    tick, step = _unit(scale.price_decimals), _unit(scale.qty_decimals)
    price = {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000.00000000", "tickSize": tick}
    lot = {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000.00000000", "stepSize": step}
    return {
        "symbol": name,
        "status": "HALT" if is_halted else "TRADING",
        "baseAsset": name.removesuffix(quote),
        "baseAssetPrecision": BINANCE_DECIMALS,
        "quoteAsset": quote,
        "quotePrecision": BINANCE_DECIMALS,
        "quoteAssetPrecision": BINANCE_DECIMALS,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [price, lot],
        "permissions": [],
    }


def _unit(decimals: int) -> str:
    return Scale(decimals, 0).price(1)
