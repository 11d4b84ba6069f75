"""Outages of quotes are opened at the last quote and lost at the next."""

from app.collector.gap_ledger import GapLedger
from app.collector.quote_outages import QuoteOutages
from app.domain.ticks import Quote, Trade

SYMBOL = "BTCUSDT"


def followed(quotes_ms: list[int], trades_ms: list[int]) -> tuple[QuoteOutages, GapLedger]:
    """Return outages after these events."""
    ledger = GapLedger()
    ledger.add_partition(0, 3)
    outages = QuoteOutages(ledger)
    for at_ms in quotes_ms:
        outages.update(quote(at_ms))
    for at_ms in trades_ms:
        outages.update(Trade(SYMBOL, at_ms, at_ms, 1.0, 1.0, True))
    return outages, ledger


def quote(at_ms: int) -> Quote:
    """Return a quote of a time."""
    return Quote(SYMBOL, at_ms, at_ms, 1.0, 1.0, 2.0, 1.0)


def test_quotes_that_stop_while_trades_go_on_are_an_outage_until_the_next_quote() -> None:
    """Opened while it lasts, lost when it ends."""
    outages, ledger = followed([1_000, 1_500], list(range(2_000, 8_000, 500)))
    outages.check(0, [SYMBOL], 6_000.0)
    assert ledger.take_changes() == []
    outages.check(0, [SYMBOL], 7_000.0)
    (gap,) = ledger.take_changes()
    assert (gap.id, gap.state, gap.reason, gap.from_ms, gap.generation) == (
        "BTCUSDT-quotes-1", "open", "silent", 1_500.0, 3,
    )  # fmt: skip
    outages.update(quote(9_000))
    (gap,) = ledger.take_changes()
    assert (gap.id, gap.state, gap.from_ms, gap.to_ms) == ("BTCUSDT-quotes-1", "lost", 1_500.0, 9_000.0)


def test_a_symbol_that_is_quiet_has_no_outage() -> None:
    """No trades either, or quotes that are always so far apart."""
    quiet, ledger = followed([1_000, 1_500], [])
    quiet.check(0, [SYMBOL], 60_000.0)
    rare, rare_ledger = followed([1_000, 31_000], list(range(31_000, 60_000, 1000)))
    rare.check(0, [SYMBOL], 61_000.0)
    assert (ledger.take_changes(), rare_ledger.take_changes()) == ([], [])


def test_without_a_connection_every_symbol_has_an_outage_after_a_second() -> None:
    """Trades are away too."""
    outages, ledger = followed([1_000, 1_500], [])
    outages.check(0, [SYMBOL], 2_600.0, is_connected=False)
    assert [gap.reason for gap in ledger.take_changes()] == ["disconnected"]
