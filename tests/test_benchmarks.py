"""Pure functions of the benchmarks: figures, tables, payloads."""

import msgspec

from app.records import TickBatch
from benchmarks.figures import Figure, markdown, merged, number_text, percentile, rows
from benchmarks.listeners import closed_ms
from benchmarks.load import size_of
from benchmarks.ticks import Market, body, one_by_one, payload


def _figure(**changes: object) -> Figure:
    known: dict[str, object] = {"benchmark": "model", "what": "call", "value": 1.2, "unit": "×", "target": 1.3}
    return Figure(**{**known, **changes})  # type: ignore[arg-type]


def test_a_figure_knows_on_which_side_of_its_target_it_lies() -> None:
    """At most and at least are met on different sides; without a target nothing is met or missed."""
    assert _figure().met is True
    assert _figure(value=1.4).met is False
    assert _figure(value=1.4, bound="least").met is True
    assert _figure(target=None).met is None
    assert _figure(target=5000.0, unit="symbols", bound="least").target_text == "≥ 5,000 symbols"


def test_the_table_shows_what_is_met_and_what_is_short() -> None:
    """Each row holds the figure, its target, the verdict, the load and the baseline; a pipe does not break it."""
    (row,) = rows([_figure(value=1.4, load=3.14, baseline="a|b", quick=True)])
    assert row == ("model: call (quick)", "1.4 ×", "≤ 1.3 ×", "short", "3.1", "a|b")
    assert "a\\|b" in markdown([_figure(baseline="a|b")])


def test_measuring_one_benchmark_again_keeps_the_others() -> None:
    """Figures measured again replace those of their benchmark only, in the given order."""
    before = [_figure(benchmark="api", what="old"), _figure(benchmark="model", what="old"), _figure(benchmark="gone")]
    after = merged(before, [_figure(benchmark="model", what="new")], ("model", "api"))
    assert [(figure.benchmark, figure.what) for figure in after] == [("model", "new"), ("api", "old")]


def test_numbers_are_rounded_to_about_three_digits() -> None:
    """Large numbers carry separators and no decimals, small ones two or three."""
    assert [number_text(value) for value in (0.0, 0.0123, 1.3, 14.26, 565_000.4)] == [
        "0",
        "0.012",
        "1.3",
        "14.3",
        "565,000",
    ]
    assert percentile(range(101), 99) == 99.0


def test_an_assembled_payload_is_a_batch_of_the_wire() -> None:
    """The batch put together from an encoded body decodes to the record, and the peers get as many ticks."""
    market = Market(symbols=3, trades=2, quotes=4)
    ticks = market.second(1_750_000_000)
    batch = msgspec.json.decode(payload(5, 1_750_000_000, 1.5, body(ticks)), type=TickBatch)
    assert (batch.partition, batch.second, batch.symbols) == (5, 1_750_000_000, ticks)
    assert len(list(one_by_one(ticks))) == market.ticks_per_second == 18
    later = market.second(1_750_000_001)["COIN0000USDT"]
    assert later.trades.id == [2, 3]


def test_the_load_clients_read_just_enough_of_an_answer() -> None:
    """An HTTP answer's size is known once its head is whole; an update's close is read from its bytes."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    assert size_of(answer[:20]) == 0
    assert size_of(answer) == len(answer)
    assert closed_ms(b'\x81\x7e{"type":"update","closed_ms":6050.25,"sent_ms":6051.0}') == 6050.25
