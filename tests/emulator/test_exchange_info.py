"""The answer of `exchangeInfo`."""

import msgspec

from app.emulator.exchange_info import exchange_info
from app.emulator.synthetic import synthetic


def test_a_symbol_has_its_assets_and_steps() -> None:
    """The quote asset is the longest known ending, also if it is a coin; steps follow the decimals."""
    market = synthetic(7, "BTCUSDT,ETHBTC,ABCXYZ")
    info = msgspec.json.decode(msgspec.json.encode(exchange_info(market, ["BTCUSDT", "ETHBTC", "ABCXYZ"], 42)))
    assets = [(symbol["baseAsset"], symbol["quoteAsset"]) for symbol in info["symbols"]]
    assert assets == [("BTC", "USDT"), ("ETH", "BTC"), ("ABC", "XYZ")]
    price, lot = info["symbols"][0]["filters"]
    assert (price["tickSize"], lot["stepSize"]) == ("0.01000000", "0.00001000")
    assert info["serverTime"] == 42


def test_a_halted_symbol_says_so() -> None:
    """The others trade."""
    info = msgspec.json.decode(
        msgspec.json.encode(exchange_info(synthetic(7, "BTCUSDT,ETHUSDT"), ["BTCUSDT", "ETHUSDT"], 0, {"ETHUSDT"}))
    )
    assert [symbol["status"] for symbol in info["symbols"]] == ["TRADING", "HALT"]


def test_the_rate_limit_is_the_one_that_is_applied() -> None:
    """Clients read from it how much weight a minute allows."""
    info = msgspec.json.decode(msgspec.json.encode(exchange_info(synthetic(7), [], 0)))
    assert info["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    ]
