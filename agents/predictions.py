"""Features to forecasts: calls every model once per second and partition, and corrects its quantiles."""

from dataclasses import dataclass
from typing import Any

import msgspec

from app.clock import wall_ms
from app.domain.calibration import calibration_of
from app.domain.predictions import predict
from app.kafka import topics
from app.streaming.admission import admit, mark_done
from app.streaming.faust_app import app, publish, topic
from app.streaming.partition_state import PartitionStates
from app.streaming.serving_models import SERVING
from tables.scores import SCORES


@dataclass
class Published:
    """The newest second published of one partition; after a restart, the newest one that was settled."""

    last: int | None


def _restored(partition: int) -> Published:
    learned = SCORES.get(str(partition).encode())
    return Published(msgspec.msgpack.decode(learned, type=_Settled).last if learned else None)


class _Settled(msgspec.Struct):
    """The part of a scores record that is needed: a second that was settled had been published."""

    last: int


STATES = PartitionStates(_restored)


@app.agent(topic(topics.FEATURES), name="predictions")
async def predictions(stream: Any) -> None:
    """Publish the forecasts of champion, challengers and baselines for each second."""
    await SERVING.ready.wait()
    async for event in stream.events():
        batch, partition = event.value, event.message.partition
        # {"second": 1680652800, "symbols": ["BTCUSDT"], "features": {"return_1s": [-0.41], …}, "flags": [[]]}
        async with STATES.processing(event) as published:
            if not admit("predictions", event, published.last):
                continue
            learned = SCORES.get(str(partition).encode())
            calibration = calibration_of(learned) if learned else None
            out = predict(batch, SERVING.lineup(batch.second), calibration, wall_ms())
            # {"champion": "naive", "mid": [28177.35], "forecasts": [{"model": "naive", "mean": [[0.0, …]], …}]}
            await publish(topics.PREDICTIONS, out, partition)
            published.last = batch.second
            mark_done("predictions", out)
