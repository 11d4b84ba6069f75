"""The state of the whole system."""

import pytest

from app.api import examples
from app.api.examples import SECOND, bars, heartbeat, predictions
from app.board.views import Latency
from tests.board.conftest import empty_board


def test_a_process_that_fell_silent_is_late() -> None:
    """After fifteen seconds of wall time without a heartbeat a process is not alive."""
    board = empty_board(wall_ms=100_000.0)
    board.update([heartbeat("worker", 90_000.0), heartbeat("archive", 80_000.0)])
    assert {row.process: row.alive for row in board.status().processes} == {"worker": True, "archive": False}
    assert board.resources("worker", "0")["rss_mb"].tolist() == [118.4]


def test_availability_falls_while_nothing_comes() -> None:
    """Seconds without a prediction count against the objective, those just closing do not."""
    for silent_s, share in [(2, 1.0), (13, 0.5)]:
        board = empty_board(examples.closed_ms(SECOND) + silent_s * 1000.0)
        board.update([predictions(second) for second in range(SECOND - 9, SECOND + 1)])
        assert board.status().availability.share == pytest.approx(share, abs=0.01)


def test_latencies_are_counted_from_the_close_of_the_second() -> None:
    """Stages come from the records' stamps, the board's own only from what arrives live."""
    board = empty_board()
    board.update([bars(), predictions(SECOND - 1)])
    board.update([predictions()], arrived_ms=examples.closed_ms(SECOND) + 11.0)
    latency = board.status().latency
    assert latency["features"].p50_ms == pytest.approx(4.0)
    assert latency["predictions"].n == 2
    assert latency["board"] == Latency(n=1, last_ms=11.0, p50_ms=11.0, p90_ms=11.0, p99_ms=11.0)
