"""Feature rows in, everybody's forecasts out; one call per model and micro-batch."""

from dataclasses import dataclass
from typing import Any

import msgspec

from app import topics
from app.clock import wall_ms
from app.domain.calibration import calibration_of
from app.domain.predictions import predict
from app.ensemble import ENSEMBLE
from app.rooms import Rooms
from app.rounds import done, fresh
from app.stream import app, publish, topic
from tables.scores import SCORES


@dataclass
class Published:
    """The newest second published of one partition; after a restart, the newest one the outcomes have seen of it."""

    last: int | None


def _restored(partition: int) -> Published:
    learned = SCORES.get(str(partition).encode())
    return Published(msgspec.msgpack.decode(learned, type=_Settled).last if learned else None)


class _Settled(msgspec.Struct):
    """What counts here of a scores record: a second that was settled had been published."""

    last: int


ROOMS = Rooms(_restored)


@app.agent(topic(topics.FEATURES), name="predictions")
async def predictions(stream: Any) -> None:
    """Feature rows → forecasts of the champion, the challengers and the baselines."""
    await ENSEMBLE.ready.wait()
    async for event in stream.events():
        batch, partition = event.value, event.message.partition
        async with ROOMS.guard(event):
            published = ROOMS.of(partition)
            if not fresh("predictions", event, published.last):
                continue
            learned = SCORES.get(str(partition).encode())
            calibration = calibration_of(learned) if learned else None
            out = predict(batch, ENSEMBLE.line_up(batch.second), calibration, wall_ms())
            await publish(topics.PREDICTIONS, out, partition)
            published.last = batch.second
            done("predictions", out)
