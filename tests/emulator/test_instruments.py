"""The instruments of a synthetic market."""

import pytest

from app.emulator.instruments import KNOWN, TICKS_PER_PRICE, instruments
from app.emulator.market_source import MarketSourceError


def test_a_number_of_symbols_lists_the_best_known_first() -> None:
    """Counts beyond the known names are filled with numbered ones; all keep ids of their own."""
    listed = instruments("40")
    assert [instrument.symbol for instrument in listed[:2]] == ["BTCUSDT", "ETHUSDT"]
    assert listed[-1].symbol == "S0040USDT"
    assert len({instrument.first_trade_id for instrument in listed}) == 40
    assert all(instrument.scale.price_decimals + instrument.scale.qty_decimals <= 8 for instrument in listed)


def test_names_and_numbers_may_be_written_in_several_ways() -> None:
    """A number, its text, names in one text and names in a tuple give the same instruments."""
    assert instruments(2) == instruments("2") == instruments(" btcusdt,ETHUSDT") == instruments(("BTCUSDT", "ethusdt"))


def test_a_tick_is_small_against_the_price() -> None:
    """The first price of a made-up symbol is at least 100,000 ticks: rounding to ticks must not be predictable."""
    made_up = instruments(200)[len(KNOWN) :]
    assert all(one.first_price * 10**one.scale.price_decimals > 0.999 * TICKS_PER_PRICE for one in made_up)


@pytest.mark.parametrize("symbols", ["", "A", "BTC-USDT", "BTCUSDT,BTCUSDT", 0, 10_001])
def test_wrong_symbols_are_an_error(symbols: str | int) -> None:
    """A name that is no symbol, a name twice and a number out of range raise MarketSourceError."""
    with pytest.raises(MarketSourceError, match="symbols: "):
        instruments(symbols)
