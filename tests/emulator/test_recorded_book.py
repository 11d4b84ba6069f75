"""A local book from recorded snapshots and differences."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.emulator.market_source import BOOK_TICKER, DEPTH, DEPTH20
from app.emulator.recorded_book import BookMessage, RecordedBook
from app.emulator.replay import replay
from app.emulator.synthetic import synthetic

NOW_US = 1_795_000_000_000_000


def diff(first: int, last: int, bids: list[list[str]], asks: list[list[str]]) -> BookMessage:
    data = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks}
    return BookMessage(last, json.dumps(data).encode(), is_snapshot=False)


def snapshot(update_id: int, bids: list[list[str]], asks: list[list[str]]) -> BookMessage:
    data = {"lastUpdateId": update_id, "bids": bids, "asks": asks}
    return BookMessage(update_id, json.dumps(data).encode(), is_snapshot=True)


def test_a_snapshot_is_brought_up_to_date_by_earlier_and_later_differences() -> None:
    """Differences received before the snapshot count if they are newer than it; size 0 removes a level."""
    book = RecordedBook(has_snapshots=True)
    book.apply(diff(1, 9, [["1.00", "9"]], []))
    book.apply(diff(10, 12, [["10.00", "3"]], [["11.00", "0"]]))
    assert book.get(20) is None
    book.apply(snapshot(10, [["9.50", "1"], ["10.00", "2"]], [["11.00", "1"], ["12.00", "4"]]))
    assert book.get(20) == (12, [("10.00", "3"), ("9.50", "1")], [("12.00", "4")])
    book.apply(diff(13, 13, [["10.00", "0.00000000"]], [["10.5", "7"]]))
    assert book.get(1) == (13, [("9.50", "1")], [("10.5", "7")])


def test_after_a_gap_the_book_is_unknown_until_the_next_snapshot() -> None:
    """A book that missed a change is wrong without showing it."""
    book = RecordedBook(has_snapshots=True)
    book.apply(snapshot(10, [["1.0", "1"]], [["2.0", "1"]]))
    book.apply(diff(13, 14, [["1.1", "1"]], []))
    assert (book.get(20), book.gaps) == (None, 1)
    book.apply(diff(15, 15, [["1.2", "1"]], []))
    assert book.get(20) is None
    book.apply(snapshot(14, [["1.1", "1"]], [["2.0", "1"]]))
    assert book.get(20) == (15, [("1.2", "1"), ("1.1", "1")], [("2.0", "1")])


def recording(file: Path, *, per_s: int, with_snapshot: bool) -> Path:
    """Record ten seconds of the synthetic market: quotes, differences, and a snapshot of REST after a second."""
    market = synthetic(7)
    streams = [f"btcusdt@{kind}" for kind in (BOOK_TICKER, DEPTH)]
    lines = [
        (event.due_us, f'{{"stream":"{event.stream}","data":{event.data.decode()}}}')
        for event in market.events(streams, NOW_US, NOW_US + 10_000_000)
    ]
    book = market.book("BTCUSDT", NOW_US + 900_000)
    if with_snapshot and book:
        text = json.dumps({"lastUpdateId": book.update_id, "bids": book.bids, "asks": book.asks})
        lines.append((NOW_US + 1_000_000, text))
    file.write_text("".join(f"{due_us * per_s // 10**6} {text}\n" for due_us, text in sorted(lines)))
    return file


def test_a_replay_of_snapshots_and_differences_is_the_market_itself(tmp_path: Path) -> None:
    """The top 20 made of a nanosecond recording equals the stream of the market that was recorded."""
    played = replay([recording(tmp_path / "day.txt", per_s=10**9, with_snapshot=True)])
    assert played.details()["books"] == {"BTCUSDT": "from snapshots"}
    after_us, end_us = NOW_US + 1_000_001, NOW_US + 10_000_000
    mine = played.events(["btcusdt@depth20@100ms"], after_us, end_us)
    true = synthetic(7).events(["btcusdt@depth20@100ms"], after_us, end_us)
    assert [json.loads(event.data) for event in mine] == [json.loads(event.data) for event in true]
    assert len(mine) > 50
    assert played.events(["btcusdt@depth20@100ms"], NOW_US, NOW_US + 1_000_000) == []
    for now_us in (NOW_US + 9_000_000, NOW_US + 3_000_000, NOW_US + 500_000):
        book, truth = played.book("BTCUSDT", now_us + 1), synthetic(7).book("BTCUSDT", now_us)
        assert book == (None if now_us < after_us else truth)


def test_a_replay_serves_the_same_slices_in_any_order(tmp_path: Path) -> None:
    """The send loop goes back a little whenever subscriptions change."""
    played = replay([recording(tmp_path / "day.txt", per_s=10**6, with_snapshot=True)])
    stream = ["btcusdt@depth20@100ms"]
    whole = played.events(stream, NOW_US, NOW_US + 10_000_000)
    for low, high in ((2, 5), (4, 7), (3, 9), (0, 10), (8, 9)):
        span = NOW_US + low * 1_000_000, NOW_US + high * 1_000_000
        assert played.events(stream, *span) == [event for event in whole if span[0] <= event.due_us < span[1]]


def test_differences_alone_give_the_book_they_have_touched(tmp_path: Path) -> None:
    """It is served once twenty levels of each side are known, and the state says what it is made of."""
    played = replay([recording(tmp_path / "day.txt", per_s=10**3, with_snapshot=False)])
    details: Any = played.details()
    assert "levels that have not changed yet are missing" in details["books"]["BTCUSDT"]
    assert len(played.events(["btcusdt@depth20@100ms"], NOW_US, NOW_US + 10_000_000)) > 20


def test_a_recorders_clock_that_ran_behind_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A message cannot be received before it was made; the file, the share and the amount are said."""
    lines = recording(tmp_path / "good.txt", per_s=10**6, with_snapshot=False).read_text().splitlines()
    assert "clock_behind" not in replay([tmp_path / "good.txt"]).details()
    late = [line.partition(" ") for line in lines]
    (tmp_path / "late.txt").write_text("".join(f"{int(stamp) - 250_000} {text}\n" for stamp, _, text in late))
    details: Any = replay([tmp_path / "late.txt"]).details()
    assert "messages received before their event time, by up to 250 ms" in details["clock_behind"]["late.txt"]
    assert "clock ran behind" in "".join(capsys.readouterr())


def test_a_snapshot_needs_a_file_of_one_symbol(tmp_path: Path) -> None:
    """It carries no symbol: in a file of several it is skipped, with a reason."""
    file = recording(tmp_path / "day.txt", per_s=10**6, with_snapshot=True)
    other = '{"stream":"ethusdt@bookTicker","data":{"u":1,"s":"ETHUSDT","b":"1.0","B":"1","a":"1.1","A":"1"}}'
    file.write_text(file.read_text() + f"{NOW_US} {other}\n")
    malformed: Any = replay([file]).details()["malformed"]
    assert malformed["count"] == 1
    assert "a snapshot of the book without a symbol" in malformed["first"][0]


def test_the_recorded_book_agrees_with_the_recorded_quotes(recordings: Path) -> None:
    """Of a real recording without snapshots: after a minute, 95 % of the best levels are those of bookTicker."""
    played = replay([recordings / "binance-ws" / "spot-btcusdt-20230405.dat.gz"])
    start_us, end_us = played.span_us
    tops = played.events(["btcusdt@depth20@100ms"], start_us + 60_000_000, end_us)
    assert len(tops) > 3000
    best = {event.key: json.loads(event.data) for event in tops}
    quotes = {e.key: json.loads(e.data) for e in played.events(["btcusdt@bookTicker"], start_us, end_us)}
    same = [
        best[key]["bids"][0] == [quote["b"], quote["B"]] and best[key]["asks"][0] == [quote["a"], quote["A"]]
        for key, quote in quotes.items()
        if key in best
    ]
    assert len(same) > 100
    assert sum(same) > 0.95 * len(same)
    assert {event.kind for event in played.events(["btcusdt@depth@100ms"], start_us, end_us)} == {DEPTH}
    assert len(played.events(["btcusdt@kline_1s"], start_us, end_us)) > 400
    assert {event.kind for event in tops} == {DEPTH20}


def test_a_recorder_that_was_behind_is_found_in_a_real_recording(recordings: Path) -> None:
    """Four thin markets, whose receive times lie up to 6 ms before the event times."""
    details: Any = replay([recordings / "binance-ws" / "spot-altcoins-20211011.ws.txt"]).details()
    assert "by up to 6 ms" in details["clock_behind"]["spot-altcoins-20211011.ws.txt"]


def test_a_recorded_top_20_is_served_as_it_came_and_known_to_rest(tmp_path: Path) -> None:
    """Also where no differences were recorded."""
    events = synthetic(7).events(["btcusdt@depth20@100ms"], NOW_US, NOW_US + 2_000_000)
    file = tmp_path / "tops.txt"
    file.write_text("".join(f'{e.due_us} {{"stream":"{e.stream}","data":{e.data.decode()}}}\n' for e in events))
    played = replay([file])
    assert played.events(["btcusdt@depth20@100ms"], NOW_US, NOW_US + 2_000_000) == events
    last_us = max(event.due_us for event in events if event.due_us < NOW_US + 1_000_000)
    assert played.book("BTCUSDT", NOW_US + 1_000_000) == synthetic(7).book("BTCUSDT", last_us)
