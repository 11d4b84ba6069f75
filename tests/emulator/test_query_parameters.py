"""Query parameters: their values, and Binance's errors for wrong ones."""

import pytest
from starlette.requests import Request

from app.emulator.errors import ExchangeError
from app.emulator.query_parameters import limit_of, number_of, symbol_of, symbols_of
from app.emulator.synthetic import synthetic

MARKET = synthetic(7, "BTCUSDT,ETHUSDT")


def request(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


def test_symbols_may_be_one_several_or_all() -> None:
    """`symbol` wins over `symbols`; without both, all symbols are meant."""
    assert symbol_of(request("symbol=ETHUSDT"), MARKET) == "ETHUSDT"
    assert symbols_of(request("symbol=ETHUSDT&symbols=[]"), MARKET) == ["ETHUSDT"]
    assert symbols_of(request('symbols=["ETHUSDT","BTCUSDT"]'), MARKET) == ["ETHUSDT", "BTCUSDT"]
    assert symbols_of(request(""), MARKET) == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize(
    ("query", "code"), [("", -1102), ("symbol=", -1102), ("symbol=XRPUSDT", -1121), ("symbol=btcusdt", -1121)]
)
def test_a_symbol_is_mandatory_and_known(query: str, code: int) -> None:
    """A missing symbol and an unknown one have different codes; names are upper case."""
    with pytest.raises(ExchangeError) as caught:
        symbol_of(request(query), MARKET)
    assert caught.value.code == code


@pytest.mark.parametrize("query", ["symbols=BTCUSDT", "symbols=[1]", "symbols={}"])
def test_symbols_are_a_json_list_of_names(query: str) -> None:
    """Anything else is refused with −1100."""
    with pytest.raises(ExchangeError) as caught:
        symbols_of(request(query), MARKET)
    assert caught.value.code == -1100


def test_numbers_are_whole_and_optional() -> None:
    """Digits only, at most fifteen of them; a missing number is None."""
    assert number_of(request("startTime=42"), "startTime") == 42
    assert number_of(request(""), "startTime") is None
    for text in ("-1", "1.5", "", "x", "1" * 16):
        with pytest.raises(ExchangeError, match="startTime"):
            number_of(request(f"startTime={text}"), "startTime")


def test_a_limit_is_bounded() -> None:
    """500 by default, 1,000 at most, and zero is refused."""
    assert [limit_of(request(query)) for query in ("", "limit=7", "limit=9999")] == [500, 7, 1000]
    with pytest.raises(ExchangeError) as caught:
        limit_of(request("limit=0"))
    assert caught.value.code == -1130
