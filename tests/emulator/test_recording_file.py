"""Recording files of both formats, and lines that are not messages."""

import gzip
from pathlib import Path

import pytest

from app.emulator.market_source import MarketSourceError
from app.emulator.recording_file import MalformedLine, RecordedMessage, read_lines
from app.emulator.replay import replay

TRADE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1680652800000,"s":"BTCUSDT","t":%d,"p":"28165.47000000",'
    '"q":"0.00056000","b":1,"a":2,"T":1680652799999,"m":true,"M":true}}'
)
DEEP = b'1680652800004107 {"stream":"btcusdt@trade","data":' + b"[" * 99_999
QUOTE = (
    '{"stream":"btcusdt@bookTicker","data":{"u":36090299876,"s":"BTCUSDT","b":"28165.47000000","B":"7.98680000",'
    '"a":"28165.48000000","A":"3.26888000"}}'
)


@pytest.mark.parametrize(
    "timestamp",
    ["1680652800.004107:", "1680652800.004107", "1680652800004.107", "1680652800004107", "1680652800004107999"],
)
def test_receive_times_may_be_in_any_unit(tmp_path: Path, timestamp: str) -> None:
    """Seconds, ms, µs and ns, told apart by their size, give the same receive time; the market is served."""
    file = tmp_path / "recording.txt"
    file.write_text(f"{timestamp} {QUOTE}\n" * 3)
    assert [m.received_us for m in read_lines(file) if isinstance(m, RecordedMessage)] == [1680652800004107] * 3
    assert replay([file]).span_us[0] == 1680652800004107


def test_a_file_of_two_units_is_refused_and_a_single_line_skipped(tmp_path: Path) -> None:
    """Which of them counts is not for us to guess; one odd line among many is not a message."""
    file = tmp_path / "mixed.txt"
    file.write_text(f"1680652800004107 {QUOTE}\n1680652800.004107: {QUOTE}\n")
    with pytest.raises(
        MarketSourceError, match=r"mixed.txt: receive times of several units \(1 in µs, 1 in s\); write"
    ):
        list(read_lines(file))
    file.write_text(f"1680652800004107 {QUOTE}\n" * 20 + f"1680652800004107000 {QUOTE}\n")
    reason = "receive time 1680652800004107000 is in ns, the file's are in µs"
    assert list(read_lines(file))[20] == MalformedLine("mixed.txt:21", reason)


def test_a_gzip_file_is_recognised_by_its_content(tmp_path: Path) -> None:
    """The name of the file does not matter."""
    file = tmp_path / "recording"
    file.write_bytes(gzip.compress(f"1680652800004107 {QUOTE}\n".encode()))
    assert len(list(read_lines(file))) == 1


def test_lines_that_are_not_messages_are_counted_and_skipped(tmp_path: Path) -> None:
    """Each bad line is reported with file and number, and the good ones are served."""
    bad_price = QUOTE.replace("28165.47000000", "nan")
    lines = ["wss://x <-> 1680652800.1", "hello", "1680652800004107 {", f"12 {QUOTE}", f"1680652800004107 {bad_price}"]
    huge = TRADE.replace("1680652799999", "9" * 40) % 1
    file = tmp_path / "broken.txt"
    file.write_bytes(
        "\n".join([*lines, f"1680652800004107 {huge}", f"1680652800004107 {QUOTE}"]).encode() + b"\n\xff\n" + DEEP
    )
    source = replay([file])
    malformed = source.details()["malformed"]
    assert isinstance(malformed, dict)
    assert malformed["count"] == 7
    locations = [text.split(": ")[0] for text in malformed["first"]]
    assert locations == [f"broken.txt:{number}" for number in (2, 3, 4, 5, 6, 8, 9)]
    assert len(source.events({"btcusdt@bookTicker"}, 0, 2**60)) == 1


def test_a_malformed_line_has_a_reason(tmp_path: Path) -> None:
    """The reason of a timestamp out of range is readable."""
    file = tmp_path / "stamp.txt"
    file.write_text(f"12 {QUOTE}\n")
    assert list(read_lines(file)) == [MalformedLine("stamp.txt:1", "receive time 12 is not between 2009 and 2100")]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("absent.dat.gz", None, "cannot be read"), ("empty.txt", b"", "no trade and no quote"), ("cut.gz", None, "cut")],
)
def test_a_file_that_cannot_be_served_is_an_error_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    """The error of a missing, empty or truncated file names it."""
    file = tmp_path / name
    if name == "cut.gz":
        file.write_bytes(gzip.compress(f"1680652800004107 {QUOTE}\n".encode() * 100)[:-20])
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(MarketSourceError, match=reason) as caught:
        replay([file])
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_overlapping_recordings_serve_a_trade_once(tmp_path: Path) -> None:
    """Two recordings of one stream are merged by time, each trade once."""
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("".join(f"{1680652800000000 + n} {TRADE % n}\n" for n in (1, 2, 3)))
    two.write_text("".join(f"{1680652800000010 + n} {TRADE % n}\n" for n in (3, 4)))
    events = replay([two, one]).events({"btcusdt@aggTrade"}, 0, 2**60)
    assert sorted(event.key for event in events) == [1, 2, 3, 4]
    assert [event.due_us for event in events] == sorted(event.due_us for event in events)


def test_the_real_recordings_read_without_a_bad_line(recordings: Path) -> None:
    """All trades and quotes of both formats are there; the id of a trade is never an order number."""
    bitcoin = replay([recordings / "binance-ws" / "spot-btcusdt-20230405.dat.gz"])
    ids = [event.key for event in bitcoin.events({"btcusdt@aggTrade"}, 0, 2**60)]
    assert sorted(ids) == list(range(3071245454, 3071245454 + 3144))
    assert len(bitcoin.events({"btcusdt@bookTicker"}, 0, 2**60)) == 8015
    thin = replay([recordings / "binance-ws" / "spot-altcoins-20211011.ws.txt"])
    assert [event.key for event in thin.events({"nknusdt@aggTrade", "lrcbtc@aggTrade"}, 0, 2**60)] == [
        15683430,
        9213679,
    ]
    assert thin.scale("LRCBTC").price_decimals == 8
