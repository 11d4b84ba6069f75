"""Messages carry the identity of the batch they were computed from."""

from collections.abc import Callable

import msgspec
import numpy as np

from app.domain import features
from app.domain.bars import CHANNELS
from app.domain.batch_builders import feature_batch, outcome_batch
from app.domain.windows import SymbolWindows
from app.records import FeatureBatch, TickBatch
from app.streaming.publisher import encode
from tests.domain.prediction_batches import batch


def test_a_feature_batch_has_one_value_per_symbol_in_every_column(market: Callable[..., list[TickBatch]]) -> None:
    """Second, generation and closing time are those of the ticks; the message survives JSON."""
    (ticks,) = market(1, ["A", "B"], 1)
    ticks = msgspec.structs.replace(ticks, partition=3, closed_ms=9.0, generation=2)
    windows = SymbolWindows()
    windows.update(ticks)
    message = feature_batch(ticks, windows.feature_rows(), 10.0)
    assert (message.partition, message.second, message.closed_ms, message.generation) == (3, ticks.second, 9.0, 2)
    assert list(message.features) == list(features.NAMES)
    assert message.bars.keys() == {*CHANNELS, "volatility"}
    assert {len(column) for column in (*message.bars.values(), *message.features.values())} == {2}
    read = msgspec.json.decode(encode(message), type=FeatureBatch)
    for name, column in message.features.items():
        assert np.array_equal(np.asarray(read.features[name], np.float32), np.asarray(column)), name
    assert all(read.bars[name] == np.asarray(column).tolist() for name, column in message.bars.items())


def test_an_outcome_batch_belongs_to_the_second_whose_mids_settled_it() -> None:
    """And carries when it was sent."""
    message = outcome_batch(batch(7, {"A": 1.0}, generation=4), [], [], {"1": 5}, 11.0)
    assert (message.second, message.generation, message.sent_ms, message.settled_total) == (7, 4, 11.0, {"1": 5})
