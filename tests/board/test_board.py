"""The board: what it shows of hand-made records."""

import msgspec
import numpy as np
import pytest

from app.api import examples
from app.api.examples import SECOND, bars, heartbeat, outcomes, predictions, release
from app.board.board import Board, UnknownSymbolError
from app.board.exchange_time import Durations, ExchangeTime
from app.board.feed import spans
from app.board.history import flags_of, marks_of
from app.board.records import Bars, BoardRecord, Release
from app.board.rings import Field, Ring
from app.board.views import Gap, Latency
from app.records import FeatureBatch, ModelRelease
from app.settings import Settings


@pytest.fixture
def board() -> Board:
    """Return a board of thirty seconds."""
    return examples.board()


def fresh(wall_ms: float = examples.closed_ms(SECOND), **settings: object) -> Board:
    """Return an empty board whose wall clock stands still."""
    return Board(Settings(**settings), now_ms=lambda: wall_ms)  # type: ignore[arg-type]


def test_the_newest_prediction_comes_with_prices_quality_and_the_other_models(board: Board) -> None:
    """Latest says what the champion expects, as returns and as prices, and what the others say."""
    (row,) = board.latest("BTCUSDT").predictions
    assert (row.second, row.model, row.role, row.stale) == (SECOND, "tf-20260528-2010", "champion", False)
    first = row.forecasts[0]
    assert row.mid is not None
    assert first.price is not None
    low, high = first.prices["0.05"], first.prices["0.95"]
    assert low is not None
    assert high is not None
    assert first.price == pytest.approx(row.mid * np.exp(first.mean))
    assert low < first.price < high
    assert [other.model for other in row.others] == ["ridge-20260528-2010", "naive"]


def test_a_prediction_turns_stale_by_the_exchange_clock() -> None:
    """Five seconds of exchange time without a newer one mark it stale; at speed 20 that is a quarter of a second."""
    for speed, later_ms, stale in [(1, 4_000, False), (1, 6_000, True), (20, 200, False), (20, 300, True)]:
        board = fresh(examples.closed_ms(SECOND) + later_ms, speed=speed)
        board.update([predictions()])
        assert board.latest("BTCUSDT").predictions[0].stale is stale


def test_a_second_that_is_here_already_is_dropped() -> None:
    """The first of two batches of one second wins."""
    board = fresh()
    board.update([predictions(flags=("gapped",)), predictions(flags=("late",))])
    assert board.latest("BTCUSDT").predictions[0].flags == ["gapped"]


def test_a_batch_of_a_replaced_collector_is_refused() -> None:
    """A batch of a lower generation is refused, even for a newer second."""
    board = fresh()
    board.update([bars(generation=7), predictions(generation=7), predictions(SECOND + 1, generation=6)])
    board.update([bars(SECOND + 1, generation=6)])
    assert board.status().second == SECOND
    assert board.bars("BTCUSDT").second.tolist() == [SECOND]


def test_an_older_second_fills_its_hole_but_is_not_the_newest() -> None:
    """A second that comes late lands in the history and leaves the newest alone."""
    board = fresh()
    board.update([predictions(SECOND), predictions(SECOND - 2)])
    assert board.latest("BTCUSDT").predictions[0].second == SECOND
    assert board.history("BTCUSDT").second.tolist() == [SECOND - 2, SECOND]


def test_past_predictions_know_what_became_of_them(board: Board) -> None:
    """A forecast of 10 s made 10 s ago has its outcome; the newest one is still open."""
    past = board.history("BTCUSDT", 20)
    column = past.horizons["10"]
    assert len(past.second) == 20
    assert column.realised[past.second.tolist().index(SECOND - 10)] == pytest.approx(1.5e-4)
    assert np.isnan(column.realised[-1])
    assert set(column.quantiles) == {"0.05", "0.25", "0.5", "0.75", "0.95"}


def test_outcomes_hold_only_what_is_settled(board: Board) -> None:
    """The ten newest seconds of a 10 s horizon are still open."""
    settled = board.outcomes("BTCUSDT", 10)
    assert settled.second[-1] == SECOND - 10
    assert not np.isnan(settled.realised).any()


def test_what_a_bars_mask_denies_is_no_number() -> None:
    """Without a quote there is no mid, whatever stands in the column."""
    batch = bars()
    batch.bars["quoted"][0] = 0.0
    board = fresh()
    board.update([batch])
    channels = board.bars("BTCUSDT").channels
    assert np.isnan(channels["mid"][0])
    assert channels["price"][0] == examples.price(SECOND) + 0.5


def test_other_horizons_than_before_replace_the_history() -> None:
    """A release with other horizons starts the forecasts' history anew instead of mixing columns."""
    board = fresh()
    board.update([predictions(SECOND), outcomes(SECOND), predictions(SECOND + 1, horizons_s=(5, 20))])
    assert board.horizons_s == (5, 20)
    assert board.history("BTCUSDT").second.tolist() == [SECOND + 1]


def test_a_new_symbol_and_a_new_partition_join_at_any_time() -> None:
    """Symbols come and go; each is found where it lives."""
    board = fresh()
    board.update([predictions(), predictions(SECOND, ("ETHUSDT", "XRPUSDT"), partition=3)])
    board.update([predictions(SECOND + 1, ("ETHUSDT", "SOLUSDT", "XRPUSDT"), partition=3)])
    assert board.symbols == ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
    assert board.history("SOLUSDT").second.tolist() == [SECOND + 1]
    assert board.history("XRPUSDT").second.tolist() == [SECOND, SECOND + 1]


def test_an_unknown_symbol_is_answered_with_the_known_ones(board: Board) -> None:
    """The error says which symbols there are."""
    with pytest.raises(UnknownSymbolError, match="DOGEUSD is not known; known are: BTCUSDT"):
        board.bars("DOGEUSD")


def test_the_board_stays_within_its_bytes() -> None:
    """More symbols mean fewer seconds, never more memory."""
    board = fresh(board_max_bytes=2**20)
    names = tuple(f"S{number:03}" for number in range(20))
    for second in range(SECOND, SECOND + 400):
        board.update([bars(second, names), predictions(second, names), outcomes(second, names)])
    assert board._state.history.size_bytes <= 2**20
    assert 60 <= board._state.history.capacity < 400
    kept = board.history("S000").second
    assert kept[-1] == SECOND + 399
    assert len(kept) == board._state.history.capacity


def test_the_feed_shows_missing_and_gapped_seconds() -> None:
    """Completeness counts seconds that never came and seconds with missing trades."""
    board = fresh()
    for second in range(SECOND - 9, SECOND + 1):
        if second not in {SECOND - 5, SECOND - 4}:
            board.update([bars(second, flags=("gapped",) if second == SECOND - 2 else ())])
    (row,) = board.feed().symbols
    assert (row.missing_s, row.gapped_s, row.completeness) == (2, 1, 0.7)
    assert row.gaps == [
        Gap(kind="gapped", from_=SECOND - 2, to=SECOND - 2),
        Gap(kind="missing", from_=SECOND - 5, to=SECOND - 4),
    ]


def test_a_process_that_fell_silent_is_late() -> None:
    """After fifteen seconds of wall time without a heartbeat a process is not alive."""
    board = fresh(wall_ms=100_000.0)
    board.update([heartbeat("worker", 90_000.0), heartbeat("archive", 80_000.0)])
    assert {row.process: row.alive for row in board.status().processes} == {"worker": True, "archive": False}
    assert board.resources("worker", "0")["rss_mb"].tolist() == [118.4]


def test_availability_falls_while_nothing_comes() -> None:
    """Seconds without a prediction count against the objective, those just closing do not."""
    for silent_s, share in [(2, 1.0), (13, 0.5)]:
        board = fresh(examples.closed_ms(SECOND) + silent_s * 1000.0)
        board.update([predictions(second) for second in range(SECOND - 9, SECOND + 1)])
        assert board.status().availability.share == pytest.approx(share, abs=0.01)


def test_latencies_are_counted_from_the_close_of_the_second() -> None:
    """Stages come from the records' stamps, the board's own only from what arrives live."""
    board = fresh()
    board.update([bars(), predictions(SECOND - 1)])
    board.update([predictions()], arrived_ms=examples.closed_ms(SECOND) + 11.0)
    latency = board.status().latency
    assert latency["features"].p50_ms == pytest.approx(4.0)
    assert latency["predictions"].n == 2
    assert latency["board"] == Latency(n=1, last_ms=11.0, p50_ms=11.0, p90_ms=11.0, p99_ms=11.0)


def test_models_name_the_champion_and_the_role_of_tensorflow() -> None:
    """The champion's name, TensorFlow's role, and releases without their artifacts."""
    board = fresh()
    board.update([release(), predictions()])
    models = board.models()
    assert (models.champion, models.tensorflow) == ("tf-20260528-2010", "champion")
    assert models.releases[0].id == "tf-20260528-2010"
    board._state.remove_release("tf-20260528-2010")
    assert board.models().releases == []


def test_scores_are_those_of_the_newest_second(board: Board) -> None:
    """Each symbol, model and horizon has one row."""
    assert len(board.scores().scores) == 6
    assert {row.symbol for row in board.scores("*").scores} == {"*"}
    assert board.scores("BTCUSDT").settled_total["10"] == 1200


def test_listeners_are_called_for_newer_predictions_only() -> None:
    """Bars, repeats and older seconds call no listener."""
    board = fresh()
    received: list[frozenset[int]] = []
    end = board.subscribe(received.append)
    board.update([bars(), predictions()])
    board.update([predictions(), predictions(SECOND - 5)])
    end()
    board.update([predictions(SECOND + 1)])
    assert received == [frozenset({0})]


def test_every_kind_of_answer_has_its_own_version(board: Board) -> None:
    """A heartbeat makes the status old, not the bars."""
    before = board.versions.copy()
    board.update([heartbeat("trainer")])
    assert {kind for kind in board.versions if board.versions[kind] != before[kind]} == {"status"}


def test_feature_rows_and_artifacts_are_not_decoded() -> None:
    """The board's records read the wire's ones and skip what it does not show."""
    whole = bars()
    wire = FeatureBatch(
        **{name: getattr(whole, name) for name in whole.__struct_fields__}, feature_schema="x", features={"f": [1.0]}
    )
    assert msgspec.json.decode(msgspec.json.encode(wire), type=Bars) == whole
    slim = release()
    full = ModelRelease(**{name: getattr(slim, name) for name in slim.__struct_fields__}, artifact=b"0" * 1000)
    assert msgspec.json.decode(msgspec.json.encode(full), type=Release) == slim


def test_a_ring_forgets_by_overwriting() -> None:
    """A slot holds the newest of its seconds; one that is too old does not come back."""
    ring = Ring({"value": Field()}, 4)
    for second in range(10, 16):
        ring.store(second, ["A"], {"value": [float(second)]})
    ring.store(9, ["A"], {"value": [9.0]})
    assert ring.read("A", 0, 99)["value"].tolist() == [12.0, 13.0, 14.0, 15.0]
    ring.resize(2)
    assert ring.read("A", 0, 99, pick=slice(-1, None))["second"].tolist() == [15]
    assert ring.read("B", 0, 99)["value"].tolist() == []


def test_late_seconds_do_not_set_the_exchange_clock_back() -> None:
    """A takeover closes old seconds late; the clock stays with the timely ones."""
    time = ExchangeTime(rate=1.0)
    time.update(100, 101_050.0)
    time.update(101, 112_000.0)
    assert time.now_s(112_000.0) == pytest.approx(111.95)


def test_flags_survive_their_bits() -> None:
    """Seven flags fit a byte; an unknown one is left out."""
    assert flags_of(int(marks_of([["late", "fallback", "from_the_future"]])[0])) == ["late", "fallback"]


def test_durations_and_spans_of_nothing_are_nothing() -> None:
    """No data is no error."""
    assert Durations().get() == Latency(n=0)
    assert spans([]) == []


def test_what_decodes_and_yet_cannot_be_shown_stops_nothing() -> None:
    """Columns that do not fit, foreign partitions and impossible seconds are set aside; the next one is good."""
    board = fresh()
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


def test_an_unpriced_symbol_has_no_prices() -> None:
    """Without a mid there are returns, but no prices."""
    board = fresh()
    board.update([msgspec.structs.replace(predictions(), mid=[0.0], priced=[False])])
    (row,) = board.latest("BTCUSDT").predictions
    assert row.mid is None
    price = row.forecasts[0].price
    assert price is not None
    assert np.isnan(price)
