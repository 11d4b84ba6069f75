"""Ticks to forecasts: keeps the rolling windows of each partition and calls every model once per second."""

from typing import Any

import agents.outcomes
from app import metrics
from app.clock import wall_ms
from app.domain.batch_builders import feature_batch
from app.domain.predictions import predict
from app.domain.windows import SymbolWindows
from app.kafka import topics
from app.logs import logger
from app.streaming.admission import admit, mark_done
from app.streaming.faust_app import app, topic
from app.streaming.fences import FENCES, fence_key
from app.streaming.partition_state import PartitionStates
from app.streaming.publisher import publish
from app.streaming.serving_models import SERVING
from app.streaming.table_store import ring_records, slot_key, store
from tables.windows import WINDOWS

log = logger("predictions")
RING = 320  # slots: the window of 300 s and a margin


def _restored(partition: int) -> SymbolWindows:
    FENCES.restore(partition, WINDOWS.get(fence_key(partition)))
    windows = SymbolWindows()
    for reason in windows.restore(ring_records(WINDOWS, partition, RING)):
        metrics.ERRORS.labels("worker", "window").inc()
        log.warning("a second of the window is lost", partition=partition, reason=reason)
    return windows


STATES = PartitionStates(_restored)


@app.agent(topic(topics.TICKS), name="predictions")
async def predictions(stream: Any) -> None:
    """Update the windows with each second of ticks; publish forecasts of every model, and what they were made from."""
    await SERVING.ready.wait()
    async for event in stream.events():
        batch, partition = event.value, event.message.partition
        # {"partition": 2, "second": 1680652800, "symbols": {"BTCUSDT": {"trades": {"id": [2741216043], …
        async with STATES.processing(event) as windows:
            if not admit("predictions", event, windows.last, FENCES.generation(event)):
                if FENCES.update(event):
                    await store(WINDOWS, fence_key(partition), FENCES.record(partition))
                continue
            record = windows.update(batch)
            # b"…": the second's bars of every symbol, packed for the ring
            rows = windows.feature_rows()
            features = feature_batch(batch, rows, wall_ms())
            # {"symbols": ["BTCUSDT"], "bars": {"mid": [28177.35], …}, "features": {"return_1s": [-0.41], …}}
            calibration = agents.outcomes.STATES.get(partition).calibration()
            forecasts = predict(batch, rows, SERVING.lineup(batch.second), calibration, wall_ms())
            # {"champion": "naive", "mid": [28177.35], "forecasts": [{"model": "naive", "mean": [[0.0, …]], …}]}
            await publish((topics.PREDICTIONS, forecasts), (topics.FEATURES, features), partition=partition)
            await store(WINDOWS, slot_key(partition, batch.second, RING), record)
            # b"2/0": slot 1680652800 % 320 of partition 2
            mark_done("predictions", forecasts, len(rows.symbols))
