"""The last book of each second."""

from app.collector.recent_books import SECONDS, RecentBooks
from app.domain.ticks import BookSnapshot
from app.records import Book


def snapshot(update_id: int, time_ms: int) -> BookSnapshot:
    """Return a book without levels."""
    return BookSnapshot("BTCUSDT", Book(time_ms=time_ms, update_id=update_id, bid=[], bid_size=[], ask=[], ask_size=[]))


def test_only_the_last_one_of_a_second_and_only_the_last_seconds_are_kept() -> None:
    """Bounded, however long it runs."""
    books = RecentBooks()
    for update_id in range(10 * 100):
        books.update(snapshot(update_id, 100 * update_id))
    kept = [one.book.update_id for one in books.of(["BTCUSDT", "ETHUSDT"])]
    assert kept == [10 * second + 9 for second in range(100 - SECONDS, 100)]
