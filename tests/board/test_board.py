"""The board: its listeners, and records it cannot use."""

import msgspec
from prometheus_client import REGISTRY

from app.api.examples import SECOND, bars, outcomes, predictions
from app.board.records import BoardRecord
from tests.board.conftest import empty_board


def test_listeners_are_called_for_newer_predictions_only() -> None:
    """Bars, repeats and older seconds call no listener."""
    board = empty_board()
    received: list[frozenset[int]] = []
    end = board.subscribe(received.append)
    board.update([bars(), predictions()])
    board.update([predictions(), predictions(SECOND - 5)])
    end()
    board.update([predictions(SECOND + 1)])
    assert received == [frozenset({0})]


def test_a_record_that_cannot_be_shown_stops_nothing() -> None:
    """Columns that do not fit, foreign partitions and impossible seconds are refused; the next one is shown."""
    board = empty_board()
    good = predictions()
    hostile: list[BoardRecord] = [
        msgspec.structs.replace(good, mid=[]),
        msgspec.structs.replace(good, levels=[0.5]),
        msgspec.structs.replace(good, horizons_s=[5]),
        msgspec.structs.replace(good, partition=10**9),
        msgspec.structs.replace(good, second=2**63 - 1, symbols=[]),
        msgspec.structs.replace(bars(), flags=[]),
        msgspec.structs.replace(outcomes(), settled=[msgspec.structs.replace(outcomes().settled[0], realised=[])]),
    ]
    board.update([*hostile, good])
    assert board.latest("BTCUSDT").predictions[0].second == SECOND
    assert board.feed().symbols[0].stale is True


def test_only_what_was_read_from_the_topics_is_exported_as_shown() -> None:
    """The API makes boards of examples for its documentation; they looked like a forecast months old."""
    board = empty_board()
    board._follower._update([predictions(SECOND + 3)])
    assert REGISTRY.get_sample_value("btc_board_second") == SECOND + 3
    empty_board().update([predictions(SECOND + 9)])
    assert REGISTRY.get_sample_value("btc_board_second") == SECOND + 3
