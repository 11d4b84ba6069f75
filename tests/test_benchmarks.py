"""Pure functions of the benchmarks: figures, tables, payloads."""

import msgspec

from app.records import Quotes, TickBatch, Ticks, Trades
from benchmarks.feed_lag import Step, growth_mib_per_minute, highest_held, live_seconds
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


SECOND = 1_750_000_000


def _message(second: int, newest_ms: int | None, appended_ms: float, **more: object) -> tuple[bytes, float]:
    trade = {"id": [7], "price": [1.0], "quantity": [1.0], "buyer_maker": [True]}
    trades = Trades() if newest_ms is None else Trades(time_ms=[newest_ms], **trade)  # type: ignore[arg-type]
    symbols = {"BTCUSDT": Ticks(trades=trades, quotes=Quotes(), missing=2)}
    known: dict[str, object] = {"partition": 0, "closed_ms": 0.0, "symbols": symbols}
    return msgspec.json.encode(TickBatch(second=second, **{**known, **more})), appended_ms  # type: ignore[arg-type]


def _step(**changes: object) -> Step:
    known: dict[str, object] = {"sent": 5000.0, "emulator_late_ms": 2.0, "dropped": 0,
                                "lags_ms": [80.0] * 30, "collector_cores": 0.5, "emulator_cores": 0.5}  # fmt: skip
    return Step(**{**known, **changes})  # type: ignore[arg-type]


def test_latency_counts_from_the_end_of_the_second_and_lag_from_the_newest_trade() -> None:
    """A collector that closes by the clock while frames wait shows it in the lag, not in the latency."""
    end_ms = 1000 * (SECOND + 1)
    (one,) = live_seconds([_message(SECOND, end_ms - 4000, end_ms + 60.0)])
    assert (one.latency_ms, one.lag_ms, one.missing) == (60.0, 4060.0, 2)


def test_only_live_seconds_with_trades_are_measured() -> None:
    """Fences, silent seconds, seconds filled after the fact and the warm-up are left out."""
    at_ms = 1000 * SECOND
    sent = [
        _message(0, None, at_ms, symbols={}),
        _message(SECOND, at_ms, at_ms + 1.0),
        _message(SECOND + 1, None, at_ms + 2.0),
        _message(SECOND + 2, at_ms, at_ms + 3.0, late=True),
        _message(SECOND + 4, at_ms, at_ms + 5.0),
        _message(SECOND + 3, at_ms, at_ms + 4.0),
    ]
    assert [one.second - SECOND for one in live_seconds(sent, warm_up_s=1)] == [3, 4]
    assert live_seconds([]) == []


def test_a_rate_is_not_held_when_the_lag_grows_or_is_long() -> None:
    """A lag that grows within the step, one that is long all the time, no batch at all: the collector is behind."""
    assert _step().side_at_limit == ""
    assert _step(lags_ms=[80.0 + 20 * number for number in range(30)]).side_at_limit == "collector"
    assert _step(lags_ms=[3000.0] * 30).side_at_limit == "collector"
    assert _step(lags_ms=[]).side_at_limit == "collector"
    assert _step(dropped=1).side_at_limit == "collector"


def test_an_emulator_that_sends_late_ends_the_ramp_as_its_own_limit() -> None:
    """Beyond it nothing is known of the collector, not even where it was cut off."""
    assert _step(emulator_late_ms=300.0, lags_ms=[3000.0] * 30).side_at_limit == "emulator"
    assert _step(emulator_late_ms=300.0, dropped=1).side_at_limit == "emulator"
    assert _step(emulator_late_ms=99.0).side_at_limit == ""


def test_the_highest_rate_is_that_of_the_last_step_that_was_held() -> None:
    """The text says which side ended the ramp, or that nothing did."""
    held = _step(sent=4_900.0)
    assert highest_held([held, _step(sent=9_000.0, lags_ms=[3000.0] * 9)]) == (
        4_900.0,
        "the collector is at its limit at 9,000 messages/s",
    )
    assert highest_held([held])[1].endswith("the limit lies beyond")
    assert highest_held([_step(dropped=1)])[0] == 0.0


def test_growth_of_memory_leaves_the_start_out() -> None:
    """The slope is of the last 60 %; one sample has none."""
    assert growth_mib_per_minute([(0.0, 50.0), (30.0, 100.0), (60.0, 101.0), (90.0, 102.0)]) == 2.0
    assert growth_mib_per_minute([(0.0, 50.0)]) == 0.0
