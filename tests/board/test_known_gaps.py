"""The ledger of gaps on the board: what counts, what it is bounded by, and what the feed says of it."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from app.api import examples
from app.api.examples import SECOND, bars
from app.board.board import Board
from app.board.known_gaps import MOST_CLOSED, MOST_OPEN, KnownGaps, missing_ids_within, outage_s
from app.board.views import SymbolFeed
from app.records import Gap
from tests.board.conftest import empty_board

NOW_MS = (SECOND + 1) * 1000.0


def gap(name: str, **more: Any) -> Gap:
    """Return an open gap of ten seconds and ten ids, which ended a minute ago."""
    fields: dict[str, Any] = {"id": name, "symbol": "BTCUSDT", "partition": 0, "stream": "trades", "state": "open"}
    fields |= {"reason": "absent", "ids": [(1, 4), (7, 12)], "from_ms": NOW_MS - 70_000, "to_ms": NOW_MS - 60_000}
    return Gap(**fields | {"opened_ms": NOW_MS - 60_000} | more)


def feed(*gaps: Gap, seconds: int = 5) -> SymbolFeed:
    """Return the feed of a board with some seconds of 14 trades, and these gaps."""
    board = empty_board()
    board.update([*(bars(second) for second in range(SECOND - seconds + 1, SECOND + 1)), *gaps])
    (row,) = board.feed().symbols
    return row


def test_completeness_is_the_share_of_ids_that_came() -> None:
    """70 came; 10 are missing, then 4 of them, then none: seconds that came do not hide ids that did not."""
    assert (feed().completeness, feed().missing_ids) == (1.0, 0)
    assert (feed(gap("a")).completeness, feed(gap("a")).missing_ids) == (0.875, 10)
    assert feed(gap("a"), gap("a", ids=[(1, 4)])).missing_ids == 4
    filled = feed(gap("a"), gap("a", state="filled", ids=[], closed_ms=NOW_MS))
    assert (filled.completeness, filled.missing_ids) == (1.0, 0)


def test_lost_ids_stay_missing() -> None:
    """What was given up is no longer open, and not there either."""
    row = feed(gap("a", state="lost", ids=[(1, 10)], closed_ms=NOW_MS))
    assert (row.completeness, row.missing_ids, row.open_gaps) == (0.875, 10, [])
    assert [(one.state, one.closed) for one in row.closed_gaps] == [("lost", NOW_MS / 1000.0)]


def test_an_hour_and_a_quarter_away_is_not_one_hundred_percent() -> None:
    """68,500 ids are missing over 75 minutes: of the last hour's, nearly all."""
    away = gap("a", ids=[(1, 68_500)], from_ms=NOW_MS - 4_500_000, to_ms=NOW_MS)
    row = feed(away)
    assert row.missing_ids == pytest.approx(68_500 * 0.8, abs=20)
    assert (row.completeness or 1.0) < 0.002


def test_filling_shows_what_is_left_of_how_much() -> None:
    """The most ids seen missing, or the count the collector gives, is the whole."""
    (shown,) = feed(gap("a"), gap("a", ids=[(1, 4)])).open_gaps
    assert (shown.ids, shown.total_ids) == (4, 10)
    (told,) = feed(gap("a", ids=[(1, 4)], opened_ids=[(1, 99)])).open_gaps
    assert (told.ids, told.total_ids) == (4, 99)


def test_quote_outages_are_counted_in_seconds_once() -> None:
    """Two that overlap, one that lasts, and one of two hours ago."""
    row = feed(
        gap("a", stream="quotes", ids=[], state="lost"),
        gap("b", stream="quotes", ids=[], state="lost", from_ms=NOW_MS - 65_000, to_ms=NOW_MS - 55_000),
        gap("c", stream="quotes", ids=[], from_ms=NOW_MS - 20_000, to_ms=0.0),
        gap("d", stream="quotes", ids=[], from_ms=NOW_MS - 8e6, to_ms=NOW_MS - 7e6),
        gap("e", stream="book", ids=[], state="lost"),
    )
    assert row.quote_outage_s == pytest.approx(35.0, abs=0.2)
    assert row.book_outage_s == pytest.approx(10.0, abs=0.01)
    assert row.completeness == 1.0
    assert next(one for one in row.open_gaps if one.id == "c").to is None


def test_a_former_owners_record_does_not_open_a_gap_again() -> None:
    """Its generation is lower; it was sent before it knew."""
    ledger = KnownGaps()
    assert ledger.update(gap("a", state="filled", ids=[], generation=2))
    assert not ledger.update(gap("a", generation=1))
    assert ledger.open("BTCUSDT") == []


def test_the_newest_gaps_are_kept_and_the_open_ones_longest() -> None:
    """A storm of gaps does not fill the memory."""
    ledger = KnownGaps()
    for at in range(MOST_OPEN + 20):
        ledger.update(gap(f"o{at}", opened_ms=float(at)))
        ledger.update(gap(f"c{at}", state="filled", ids=[], closed_ms=float(at)))
    assert len(ledger.open("BTCUSDT")) == MOST_OPEN
    assert len(ledger.closed("BTCUSDT")) == MOST_CLOSED
    assert ledger.open("BTCUSDT")[0].id == ledger.closed("BTCUSDT")[0].id.replace("c", "o") == f"o{MOST_OPEN + 19}"


def test_a_gap_deleted_from_its_topic_is_gone() -> None:
    """Retention or an operator removed it."""
    ledger = KnownGaps()
    ledger.update(gap("a"))
    assert ledger.remove("a")
    assert not ledger.remove("a")
    assert (ledger.open("BTCUSDT"), ledger.oldest_open_ms()) == ([], {})


def test_impossible_gaps_are_refused_and_stop_nothing() -> None:
    """Times that are no times, spans that run backwards, a foreign partition."""
    row = feed(gap("a", from_ms=float("inf")), gap("b", ids=[(9, 3)]), gap("c", partition=10**9), gap("d"))
    assert [one.id for one in row.open_gaps] == ["d"]


def test_the_age_of_the_oldest_open_gap_is_exported_per_stream() -> None:
    """An alert compares it with minutes; without an open gap it is 0."""
    board = empty_board()
    board._follower._update([bars(), gap("a"), gap("b", opened_ms=NOW_MS - 5000)])
    age = {"name": "btc_board_gap_age_seconds", "labels": {"stream": "trades"}}
    assert REGISTRY.get_sample_value(**age) == pytest.approx(60.0, abs=0.1)  # type: ignore[arg-type]
    board._follower._update([gap("a", state="lost"), gap("b", state="filled", ids=[])])
    assert REGISTRY.get_sample_value(**age) == 0.0  # type: ignore[arg-type]


def test_a_new_record_of_a_gap_makes_the_feeds_answer_old() -> None:
    """The API caches by version."""
    board: Board = examples.board()
    before = board.versions["gaps"]
    board.update([gap("a")])
    assert board.versions["gaps"] == before + 1


def test_ids_without_time_belong_to_their_moment() -> None:
    """A gap between two trades of one millisecond is within the hour or not."""
    moment = gap("a", ids=[(5, 5)], from_ms=1000.0, to_ms=1000.0)
    assert (missing_ids_within(moment, 0.0, 2000.0), missing_ids_within(moment, 1500.0, 2000.0)) == (1.0, 0.0)
    assert outage_s([], 0.0, 1.0) == 0.0
