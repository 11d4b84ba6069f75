"""The cold-start release: history of the synthetic exchange, made again bit for bit."""

from pathlib import Path

import numpy as np
import pytest

from app.domain.artifact import unpack
from app.domain.bars import Channel
from app.emulator.instruments import instruments
from app.emulator.price_process import PriceProcess
from app.training.cold_start import START_S, bars_of, make_release, synthetic_series


def test_the_same_seed_gives_the_same_history_and_another_one_another() -> None:
    """Features and mids, bit for bit."""
    one, same, other = (synthetic_series(seed, "BTCUSDT", START_S, 90) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.features, same.features)
    np.testing.assert_array_equal(one.mid, same.mid)
    assert (one.mid != other.mid).any()


def test_bars_are_the_same_whichever_full_minute_they_are_cut_at() -> None:
    """Prices of the second minute do not depend on where the history begins."""
    (instrument,) = instruments(("BTCUSDT",))
    whole, later = (
        bars_of(PriceProcess(7), instrument, start, stop) for start, stop in ((START_S, 90), (START_S + 60, 30))
    )
    np.testing.assert_array_equal(whole[60:, Channel.MID], later[:, Channel.MID])
    np.testing.assert_array_equal(whole[60:, Channel.VOLUME], later[:, Channel.VOLUME])


@pytest.mark.slow
def test_a_release_is_written_that_says_what_it_was_trained_on(tmp_path: Path) -> None:
    """Two seeds, a little history: the file is a valid artifact and names its seeds."""
    path = tmp_path / "cold_start.npz"
    evaluations = make_release((5, 10), seeds=(1, 2), hours=0.5, epochs=1, path=path)
    assert evaluations.keys() == {"naive", "ridge", "tensorflow"}
    assert unpack(path.read_bytes()).header.origin == "cold start: synthetic seeds 1, 2, 0.5 h each; no market data"
