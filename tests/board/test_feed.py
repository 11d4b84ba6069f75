"""Completeness and gaps of the feed."""

from app.api.examples import SECOND, bars
from app.board.feed import spans
from app.board.views import MissingSeconds
from tests.board.conftest import empty_board


def test_the_feed_shows_missing_and_gapped_seconds() -> None:
    """Seconds that never came and seconds whose window misses something are listed; no id is missing."""
    board = empty_board()
    for second in range(SECOND - 9, SECOND + 1):
        if second not in {SECOND - 5, SECOND - 4}:
            board.update([bars(second, flags=("gapped",) if second == SECOND - 2 else ())])
    (row,) = board.feed().symbols
    assert (row.missing_s, row.gapped_s, row.completeness) == (2, 1, 1.0)
    assert row.gaps == [
        MissingSeconds(kind="gapped", from_=SECOND - 2, to=SECOND - 2),
        MissingSeconds(kind="missing", from_=SECOND - 5, to=SECOND - 4),
    ]


def test_no_seconds_are_no_spans() -> None:
    """No data is no error."""
    assert spans([]) == []
