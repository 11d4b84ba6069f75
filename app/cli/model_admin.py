"""Model administration: read the releases of `btc.models`, and give one another role.

A release is promoted, rolled back to, or retired by writing it again with another role; workers follow within a
second, without a restart.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from app.domain.registry import Registry
from app.kafka.clients import producer
from app.kafka.reading import UNREADABLE, read_newest, read_records, topic_partitions
from app.kafka.topics import MODELS, STATUS
from app.records import Heartbeat, ModelRelease, Role
from app.releases import packaged
from app.settings import Settings

HEARTBEATS = 200  # the newest ones: those of a minute and more


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


async def exchange_ms(settings: Settings) -> float:
    """Return the exchange time that the running processes report, epoch ms, 0 if none does; raises KafkaError.

    Not the wall clock: a replay's exchange time is that of its recording.
    """
    messages = await read_newest(settings, topic_partitions(settings, STATUS), HEARTBEATS)
    return newest_second([message.value or b"" for found in messages.values() for message in found]) * 1000.0


def newest_second(payloads: Iterable[bytes]) -> float:
    """Return the newest second of exchange time in the heartbeats of collectors and workers; 0 without any."""
    newest = 0.0
    for payload in payloads:
        try:
            beat = msgspec.json.decode(payload, type=Heartbeat)
        except UNREADABLE:
            continue  # the dead letters count it
        if beat.process in ("collector", "worker"):
            newest = max([newest, *(value for name, value in beat.progress.items() if name.startswith("second"))])
    return newest


def rows(known: Registry, now_ms: float) -> list[tuple[str, str, str, str, str]]:
    """Return id, role, when it was made, held-out figures and origin of each release, newest last.

    `now_ms` is exchange time: a challenger that has expired by then does not run.
    """
    running = {release.id: role for release, role in known.to_run(now_ms)}
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
