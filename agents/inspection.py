"""Reads what no other agent reads, only to set aside what cannot be read: outcomes, releases, heartbeats, dead letters.

The readers of these topics (board, trainer, archive, ensemble) skip what they cannot decode; this is where it is
named, once, however many readers there are.
"""

from typing import Any

from app.kafka import topics
from app.streaming.faust_app import app, topic


async def inspect(stream: Any) -> None:
    """Decode every message; the topic sets aside those that do not."""
    async for _record in stream:
        pass


for _spec in (topics.OUTCOMES, topics.MODELS, topics.STATUS, topics.DEAD):
    app.agent(topic(_spec), name=f"inspection_{_spec.name}")(inspect)
