"""Quote outages, from the ticks of a second to flags, forecasts, settlement and training."""

from typing import Any

import numpy as np
import pytest

from app.domain.bars import Channel
from app.domain.feature_history import FeatureHistory, feature_matrix, on_second_grid
from app.domain.quote_outage import is_outage, learned_silence_s, limit_s
from app.domain.settlement import Settlements
from app.domain.windows import FeatureRows, SymbolWindows
from app.records import Quotes, TickBatch, Ticks, Trades
from tests.domain.prediction_batches import HORIZONS_S, LEVELS, batch

TRADE = Trades(id=[1], time_ms=[0], price=[10.0], quantity=[1.0], buyer_maker=[False])
QUOTE = Quotes(time_ms=[0], bid=[9.0], bid_size=[1.0], ask=[11.0], ask_size=[1.0])
WINDOW_S = 40


def seconds(ticks: list[Ticks]) -> list[FeatureRows]:
    """Return what the windows say after each second of one symbol."""
    windows, rows = SymbolWindows(WINDOW_S), []
    for second, one in enumerate(ticks):
        windows.update(TickBatch(partition=0, second=second, closed_ms=0.0, symbols={"AUSDT": one}))
        rows.append(windows.feature_rows())
    return rows


def flagged(rows: list[FeatureRows], flag: str) -> list[int]:
    """Return the seconds that carry a flag."""
    return [row.second for row in rows if flag in row.flags[0]]


def history(rows: list[FeatureRows]) -> FeatureHistory:
    """Return the features of the same seconds, as training computes them."""
    bars = np.array([[row.bars[channel.name.lower()][0] for channel in Channel] for row in rows])
    return feature_matrix(on_second_grid(np.arange(len(rows)), bars), WINDOW_S)


def test_a_mid_carried_while_trades_go_on_is_stale_after_five_seconds() -> None:
    """The market trades, no quote comes: the old mid is no price to forecast from."""
    rows = seconds([Ticks(trades=TRADE, quotes=QUOTE)] * 20 + [Ticks(trades=TRADE)] * 10 + [Ticks(quotes=QUOTE)])
    assert flagged(rows, "stale") == list(range(25, 30))


def test_an_outage_the_collector_reports_is_stale_at_once() -> None:
    """A hole in the quotes is known before it is long."""
    rows = seconds([Ticks(trades=TRADE, quotes=QUOTE)] * 3 + [Ticks(trades=TRADE, quote_outage=True)] * 2)
    assert flagged(rows, "stale") == [3, 4]
    assert flagged(rows, "gapped") == [3, 4]


def test_a_quote_outage_leaves_the_window_gapped_as_long_as_the_window_holds_it() -> None:
    """Returns and order flow of those seconds were not seen."""
    quoted, silent = Ticks(trades=TRADE, quotes=QUOTE), Ticks(trades=TRADE)
    rows = seconds([quoted] * 10 + [silent] * 6 + [quoted] * 60)
    assert flagged(rows, "gapped") == list(range(15, 15 + WINDOW_S))


def test_a_coin_that_is_quoted_every_forty_seconds_is_not_stale_between_its_quotes() -> None:
    """Its own silence is usual, also when nothing trades; ten times as long is not."""
    rows = seconds(([Ticks(quotes=QUOTE)] + [Ticks()] * 39) * 20 + [Ticks()] * 400)
    stale = flagged(rows, "stale")
    assert [second for second in stale if 200 <= second < 800] == []
    assert stale[-1] == 1199


def test_what_is_usual_is_learned_and_an_outage_is_not() -> None:
    """After five minutes of silence a coin quoted every second is judged by seconds again within a minute."""
    after_outage = learned_silence_s(np.zeros(1), np.array([300.0]))
    assert limit_s(after_outage).tolist() == [25.0]
    for _ in range(20):
        after_outage = learned_silence_s(after_outage, np.zeros(1))
    assert limit_s(after_outage).tolist() == [5.0]
    assert not is_outage(np.array([5.0]), after_outage)[0]


def test_training_never_measures_to_or_from_a_mid_of_an_outage() -> None:
    """The seconds have no price in history and are not learned from; the others are those of the live path."""
    rows = seconds([Ticks(trades=TRADE, quotes=QUOTE)] * 70 + [Ticks(trades=TRADE)] * 8 + [Ticks(quotes=QUOTE)] * 50)
    past = history(rows)
    assert np.flatnonzero(past.mid == 0).tolist() == list(range(75, 78))
    assert not past.valid[75:115].any()
    for row in rows:
        np.testing.assert_array_equal(past.features[row.second], row.features[0])


@pytest.mark.parametrize(("then", "now"), [(["stale"], []), ([], ["stale"]), (["stale"], ["stale"])])
def test_a_mid_carried_through_an_outage_settles_nothing(then: list[str], now: list[str]) -> None:
    """Neither a forecast made from an old mid nor one due at an old mid is scored; the other symbol is."""
    settlements = Settlements(HORIZONS_S, LEVELS)
    flags: Any = [then, []]
    settlements.settle(batch(9, {"A": 1.0, "B": 1.0}, flags=flags))
    record = settlements.pending_record(batch(9, {"A": 1.0, "B": 1.0}, flags=flags))
    restored = Settlements(HORIZONS_S, LEVELS)
    restored.restore([record], None)
    for one in (settlements, restored):
        (settled,), _, totals = one.settle(batch(10, {"A": 1.0, "B": 1.0}, flags=[now, []]))
        assert (settled.symbols, settled.void) == (["B"], {"stale": ["A"]})
        assert totals["1"] == 1
