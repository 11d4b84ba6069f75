"""The content of recordings as events and columns."""

from pathlib import Path

import msgspec

from app.emulator.recorded_data import load_recordings

TRADE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1680652800000,"s":"BTCUSDT","t":7,"p":"28165.47000000",'
    '"q":"0.00056000","b":1,"a":2,"T":1680652799999,"m":true,"M":true}}'
)
AGGREGATE = (
    '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1680652800000,"s":"BTCUSDT","a":3,"p":"28165.50000000",'
    '"q":"1.00000000","f":7,"l":9,"T":1680652799999,"m":false,"M":true}}'
)
DEPTH = '{"stream":"btcusdt@depth","data":{}}'


def recording(folder: Path, *messages: str) -> Path:
    file = folder / "recording.txt"
    file.write_text("".join(f"{1680652800000000 + number} {message}\n" for number, message in enumerate(messages)))
    return file


def test_a_recorded_trade_is_also_an_aggregate(tmp_path: Path) -> None:
    """Without recorded aggregates each trade is served as one of its own; its id is `t`, never an order number."""
    data = load_recordings([recording(tmp_path, TRADE)])
    assert [(event.stream, event.key) for event in data.events] == [("btcusdt@trade", 7), ("btcusdt@aggTrade", 7)]
    aggregate = msgspec.json.decode(data.events[1].data)
    assert (aggregate["a"], aggregate["f"], aggregate["l"], aggregate["m"]) == (7, 7, 7, True)
    assert data.trades["BTCUSDT"].ticks.tolist() == [2816547]


def test_recorded_aggregates_replace_those_made_from_trades(tmp_path: Path) -> None:
    """If the symbol's aggregates were recorded, only they are served, as they came."""
    data = load_recordings([recording(tmp_path, TRADE, AGGREGATE)])
    assert [(event.stream, event.key) for event in data.events] == [("btcusdt@trade", 7), ("btcusdt@aggTrade", 3)]
    assert data.events[1].data == msgspec.json.encode(msgspec.json.decode(AGGREGATE)["data"])


def test_a_recording_in_microseconds_keeps_them(tmp_path: Path) -> None:
    """REST lists them too; the recorder's clock was not behind."""
    fine = AGGREGATE.replace("1680652800000", "1680652800000250").replace("1680652799999", "1680652799999125")
    data = load_recordings([recording(tmp_path, *[fine] * 2)])
    trades = data.trades["BTCUSDT"]
    assert (trades.time_ms.tolist(), trades.microsecond.tolist()) == ([1680652799999], [125])
    assert data.clocks[0].most_ms < 1.0


def test_decimals_are_as_many_as_the_recording_needs(tmp_path: Path) -> None:
    """28165.47 needs two decimals, 0.00056 five."""
    scale = load_recordings([recording(tmp_path, TRADE)]).scales["BTCUSDT"]
    assert (scale.price_decimals, scale.qty_decimals) == (2, 5)


def test_other_streams_are_counted(tmp_path: Path) -> None:
    """Messages of streams that are not served are no errors; a trade without its id is one."""
    data = load_recordings([recording(tmp_path, DEPTH, DEPTH, TRADE.replace('"t":7,', ""))])
    assert (dict(data.not_served), data.malformed_count) == ({"depth": 2}, 1)
    assert data.malformed[0].reason == "a trade without id"
