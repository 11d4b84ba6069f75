"""Live history: bars as published, without repeats and lower generations."""

from typing import Any

import msgspec
import numpy as np

from app.domain import features
from app.domain.bars import ADDED, CHANNELS
from app.domain.symbol_series import SymbolSeries
from app.records import FeatureBatch
from app.training.cold_start import START_S, synthetic_series
from app.training.live_history import LiveHistory


def batches(series: SymbolSeries, bars: np.ndarray[Any, Any]) -> list[FeatureBatch]:
    """Return the batches that carry these bars."""
    return [
        FeatureBatch(
            partition=0, second=series.start + row, closed_ms=0.0, sent_ms=0.0, feature_schema=features.SCHEMA,
            symbols=["OTHER", series.symbol], bars=dict(zip(CHANNELS, [[0.0, v] for v in bar], strict=True)),
            features={}, flags=[[], []],
        )
        for row, bar in enumerate(bars.tolist())
    ]  # fmt: skip


def test_live_history_equals_the_history_it_was_published_from() -> None:
    """Bars read back from `btc.features` give the same features and mids; repeats change nothing."""
    from app.emulator.instruments import instruments
    from app.emulator.price_process import PriceProcess
    from app.training.cold_start import bars_of

    (instrument,) = instruments(("BTCUSDT",))
    series = synthetic_series(7, "BTCUSDT", START_S, 500)
    live = LiveHistory(["BTCUSDT"], 500)
    sent = batches(series, bars_of(PriceProcess(7), instrument, START_S, 500))
    for batch in [*sent, *sent[-5:]]:
        live.update(batch)
    live.update(msgspec.structs.replace(sent[0], second=START_S + 900, generation=-1))
    (back,) = live.series(min_s=400)
    assert (back.start, back.end, live.quoted_s()) == (series.start, series.end, 500)
    assert (back.features == series.features).all()
    assert (back.mid == series.mid).all()
    assert live.series(min_s=501) == []


def numbered(second: int, generation: int = 0, **more: Any) -> FeatureBatch:
    """Return a batch of one symbol whose every channel is the second."""
    plain = FeatureBatch(
        partition=0, second=second, closed_ms=0.0, sent_ms=0.0, feature_schema=features.SCHEMA, generation=generation,
        symbols=["AUSDT"], bars={name: [float(second)] for name in CHANNELS}, features={}, flags=[[]],
    )  # fmt: skip
    return msgspec.structs.replace(plain, **more)


def test_a_lower_generation_and_a_repeat_are_left_out() -> None:
    """Of two batches with one second the first counts, and a superseded collector's never."""
    live = LiveHistory(["AUSDT"], 100)
    for batch in [numbered(1, 2), numbered(1, 2, symbols=["BUSDT"]), numbered(2, 1), numbered(3, 2), numbered(3, 3)]:
        live.update(batch)
    assert live.bars("AUSDT")[:, 0].tolist() == [1.0, 0.0, 3.0]
    live.update(numbered(4, 2))
    assert live.bars("AUSDT")[:, 0].tolist() == [1.0, 0.0, 3.0], "the repeat had a higher generation"


def test_a_batch_of_other_channels_counts_as_absent() -> None:
    """What an older version published does not train a newer one."""
    live, old = LiveHistory(["AUSDT"], 100), numbered(2)
    del old.bars["ofi"]
    for batch in [numbered(1), old, numbered(3)]:
        live.update(batch)
    assert live.bars("AUSDT")[:, 0].tolist() == [1.0, 0.0, 3.0]


def test_a_symbol_without_batches_has_no_bars() -> None:
    """And is no series."""
    live = LiveHistory(["AUSDT"], 100)
    assert live.bars("AUSDT").shape == (0, len(CHANNELS))
    assert (live.quoted_s(), live.series(min_s=1)) == (0, [])


def test_a_batch_from_before_a_channel_was_added_still_trains() -> None:
    """An upgrade must not throw away a week of history: what was not measured then is 0."""
    live, old = LiveHistory(["AUSDT"], 100), numbered(1)
    for name in ADDED:
        del old.bars[name]
    live.update(old)
    assert live.bars("AUSDT").shape == (1, len(CHANNELS))
