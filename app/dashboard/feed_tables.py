"""Tables and tiles of the Feed page: each symbol's completeness, and the gaps of the ledger."""

from collections.abc import Iterable, Sequence

from app.board.views import LedgerGap, SymbolFeed
from app.dashboard import formatting, markup

Rows = list[Sequence[str]]
Tile = tuple[str, str, str]

SYMBOLS = (("Symbol", ""), ("Complete", "n"), ("Ids missing", "n"), ("Open gaps", "n"), ("No quotes", "n wide"),
           ("Seconds missing", "n wide"), ("Late", "n wide"), ("Age", "n"), ("Flags", ""))  # fmt: skip
GAPS = (("Symbol", ""), ("Stream", "wide"), ("State", ""), ("Why", "wide"), ("Missed", "n"), ("Filled", "n"),
        ("From", "n wide"), ("Noticed", "n"), ("For", "n"))  # fmt: skip
TONES = {"open": "warn", "filled": "good", "lost": "bad"}
MEANINGS = {
    "open": "still missing; trades are fetched by their id",
    "filled": "nothing is missing any more",
    "lost": "cannot be had again",
}
NOTES = (
    "Complete: trade ids of the last hour that came, at once or fetched later, out of all of them.",
    "A gap in trades counts ids. Quotes and book cannot be fetched again: their gaps count seconds, and end as lost.",
    "What is fetched later goes to the archive; forecasts made meanwhile stay flagged as gapped.",
)


def tiles(here: SymbolFeed) -> list[Tile]:
    """Return what the ledger says of one symbol."""
    return [
        ("Complete", complete(here.completeness), "share of the last hour's trade ids that came, at once or later"),
        ("Ids missing", formatting.number(here.missing_ids, 0), "trade ids of the last hour not there: open or lost"),
        ("Open gaps", formatting.number(len(here.open_gaps), 0), "holes in trades, quotes or book, open now"),
        ("No quotes", formatting.span(here.quote_outage_s), "seconds of the last hour without the quote stream"),
        ("Late", formatting.span(here.late_s), "seconds that came complete, but after the fact"),
    ]


def complete(share: float | None) -> str:
    """Return a share as percent, never rounded up to 100.

    >>> complete(0.999999), complete(1.0), complete(0.5)
    ('99.99 %', '100.00 %', '50.00 %')
    """
    return formatting.percent(None if share is None else int(share * 10_000 + 1e-9) / 10_000, 2)


def symbols(found: Iterable[SymbolFeed]) -> Rows:
    """Return one row per symbol."""
    return [
        (
            str(row.symbol),
            complete(row.completeness),
            formatting.number(row.missing_ids, 0),
            formatting.number(len(row.open_gaps), 0),
            formatting.span(row.quote_outage_s),
            formatting.span(row.missing_s),
            formatting.span(row.late_s),
            formatting.span(row.age_s),
            markup.flags([*row.flags, *(["stale"] if row.stale and "stale" not in row.flags else [])]),
        )
        for row in found
    ]


def gaps(found: Iterable[SymbolFeed], exchange_s: float, limit: int = 20) -> Rows:
    """Return the open gaps of all symbols, the newest first, then the newest closed ones."""
    every = [(row.symbol, gap) for row in found for gap in (*row.open_gaps, *row.closed_gaps)]
    every.sort(key=lambda one: (one[1].closed is not None, -(one[1].closed or one[1].opened)))
    return [_gap(symbol, gap, exchange_s) for symbol, gap in every[:limit]]


def _gap(symbol: str, gap: LedgerGap, exchange_s: float) -> Sequence[str]:
    return (
        symbol,
        gap.stream,
        markup.pill(gap.state, TONES[gap.state], MEANINGS[gap.state]),
        gap.reason,
        _missed(gap),
        _filled(gap),
        formatting.clock(gap.from_),
        formatting.clock(gap.opened),
        formatting.span((gap.closed or max(exchange_s, gap.opened)) - gap.opened),
    )


def _missed(gap: LedgerGap) -> str:
    if gap.stream != "trades":
        return f"{gap.seconds:,.1f} s"
    ids = max(gap.ids, gap.total_ids)
    return f"{ids:,} id{'' if ids == 1 else 's'}" if ids else formatting.DASH  # filled before this board started


def _filled(gap: LedgerGap) -> str:
    if gap.stream != "trades":
        return formatting.DASH
    whole = max(gap.ids, gap.total_ids)
    if not whole:
        return formatting.percent(1.0, 0)
    return f"{whole - gap.ids:,} of {whole:,}"


def verdict(found: Sequence[SymbolFeed]) -> str:
    """Return in one sentence whether anything is missing now."""
    opened = sum(len(row.open_gaps) for row in found)
    missing = sum(row.missing_ids for row in found)
    if opened:
        return markup.verdict("warn", f"{opened} gap{'' if opened == 1 else 's'} open now.")
    if missing:
        return markup.verdict("bad", f"No gap is open; {missing:,} trade ids of the last hour are lost.")
    closed = sum(len(row.closed_gaps) for row in found)
    before = f"; the last {closed} are closed" if closed else ", and the ledger holds no old one"
    return markup.verdict("good", f"No gap is open{before}.")
