"""Quix Streams with the worker's own work: the same batches, windows, features and models, by the same functions.

It keeps each second's bars in Quix's state and publishes a `PredictionBatch`. It does not do what the outcomes agent
does (settlement, calibration, scores), and publishes no features.
"""

import sys
from typing import Any

kafka, topic, folder, *paths = sys.argv[1:]
sys.path += paths  # this project and its packages, after those of Quix Streams

from quixstreams import Application  # type: ignore[import-not-found]  # noqa: E402

# isort: split
import msgspec  # noqa: E402

from app import releases  # noqa: E402
from app.clock import wall_ms  # noqa: E402
from app.domain.baselines import naive, ridge  # noqa: E402
from app.domain.model import bucket_for, compile_release  # noqa: E402
from app.domain.predictions import ModelEntry, ModelLineup, predict  # noqa: E402
from app.domain.windows import SymbolWindows  # noqa: E402
from app.records import TickBatch  # noqa: E402
from app.settings import settings  # noqa: E402
from app.streaming.publisher import encode  # noqa: E402

RING = 320  # slots, as in the worker's table
(release,) = releases.packaged()
model = compile_release(release.artifact, {bucket_for(100)})
horizons_s, parameters = settings().horizons_s, model.parameters
lineup = ModelLineup(
    (
        ModelEntry("naive", "naive", "champion", naive(parameters.naive, horizons_s)),
        ModelEntry("ridge", "ridge", "baseline", ridge(parameters.scaler, *parameters.ridge, horizons_s)),
        ModelEntry(release.id, release.kind, "challenger", model),
    ),
    horizons_s,
)
decode = msgspec.json.Decoder(TickBatch).decode
windows: dict[int, SymbolWindows] = {}


def forecast(message: bytes, state: Any) -> bytes:
    """Return the encoded forecasts of one second, and keep its bars in the state."""
    batch = decode(message)
    own = windows.setdefault(batch.partition, SymbolWindows())
    record = own.update(batch)
    predictions = predict(batch, own.feature_rows(), lineup, None, wall_ms())
    state.set_bytes(str(batch.second % RING), record)
    return encode(predictions)


app = Application(
    broker_address=kafka, consumer_group="peer-quix-same", auto_offset_reset="earliest", state_dir=folder,
    loglevel="ERROR", producer_extra_config={"compression.type": "zstd"},
)  # fmt: skip
ticks = app.topic(f"{topic}.ticks", value_deserializer="bytes", key_deserializer="bytes")
predicted = app.topic(f"{topic}.predictions", value_serializer="bytes", key_serializer="bytes")
app.dataframe(ticks).apply(forecast, stateful=True).to_topic(predicted)

if __name__ == "__main__":
    app.run()
