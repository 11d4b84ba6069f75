"""Model administration: read the releases of `btc.models`, and give one another role.

A release is promoted, rolled back to, or retired by writing it again with another role; workers follow within a
second, without a restart.
"""

import time
from datetime import UTC, datetime

import msgspec

from app.domain.registry import Registry
from app.kafka.clients import producer
from app.kafka.reading import read_records
from app.kafka.topics import MODELS
from app.records import ModelRelease, Role
from app.releases import packaged
from app.settings import Settings


class ModelError(ValueError):
    """A release that cannot get that role; the message says why and what to do."""


async def registry(settings: Settings) -> Registry:
    """Return all releases: those packaged, then those of the topic in order; raises KafkaError."""
    known = Registry()
    for release in packaged():
        known.update(release)
    async for release in read_records(settings, MODELS, ModelRelease):
        known.update(release)
    return known


async def give_role(settings: Settings, name: str, role: Role) -> ModelRelease:
    """Write a release again with another role and return it.

    Raises:
        ModelError: there is no release of that name.

    """
    known = await registry(settings)
    release = known.releases.get(name)
    if release is None:
        have = ", ".join(known.releases) or "none"
        raise ModelError(f"no release is called {name!r}; there are: {have}")
    changed = msgspec.structs.replace(release, role=role)
    sender = producer(settings)
    await sender.start()
    try:
        await sender.send_and_wait(
            MODELS.full_name(settings), msgspec.json.encode(changed), key=name.encode(), partition=0
        )
    finally:
        await sender.stop()
    return changed


def rows(known: Registry) -> list[tuple[str, str, str, str, str]]:
    """Return id, role, when it was made, held-out figures and origin of each release, newest last."""
    running = {release.id: role for release, role in known.to_run(time.time() * 1000.0)}
    return [
        (
            release.id,
            running.get(release.id, f"{release.role}, not running"),
            datetime.fromtimestamp(release.created_ms / 1000.0, UTC).strftime("%Y-%m-%d %H:%M"),
            ", ".join(f"{name} {value:.4g}" for name, value in list(release.metrics.items())[:4]),
            release.origin,
        )
        for release in known.releases.values()
    ]
