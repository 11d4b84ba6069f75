"""Heartbeats: what every process publishes about itself to `btc.status` every five seconds."""

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import msgspec
import psutil
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY

from app.clock import wall_ms
from app.kafka import topics
from app.kafka.clients import producer
from app.logs import logger
from app.records import Heartbeat
from app.retry import error_reason, retrying
from app.service.health import Checks
from app.settings import Settings

EVERY_S = 5.0
MB = 1e6
log = logger("heartbeat")


@dataclass
class ProcessStatus(Checks):
    """What a process shows of its work; the work may set the fields at any time."""

    progress: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    refresh: Callable[[], None] = lambda: None  # called before each heartbeat
    kafka_reason: Callable[[], str] = lambda: ""  # why nothing can be done without Kafka
    kafka_answering_s: Callable[[], float] = lambda: math.inf  # no stall is older: without Kafka nothing can move on

    def checks(self) -> Checks:
        """Return what the health pages answer: the work's reasons, and before it is ready also Kafka's."""
        return Checks(
            stall_reason=lambda: self.stall_reason(),  # noqa: PLW0108  the work sets its own later
            not_ready_reason=lambda: self.kafka_reason() or self.not_ready_reason(),
        )


def release_version() -> str:
    """Return the installed version of this package."""
    try:
        return version("btc-forecast")
    except PackageNotFoundError:  # a checkout that was not installed
        return "0+unknown"


def errors_survived() -> dict[str, int]:
    """Return how often each kind of error was survived, from the metrics of this process."""
    found: dict[str, int] = {}
    for family in REGISTRY.collect():
        if family.name in {"btc_errors", "btc_dead_letters", "btc_archive_errors", "btc_model_refused"}:
            for sample in family.samples:
                if sample.name.endswith("_total") and sample.value:
                    kind = sample.labels.get("kind") or sample.labels.get("reason") or family.name.removeprefix("btc_")
                    found[kind] = found.get(kind, 0) + int(sample.value)
    return found


def measure(process: str, instance: str, status: ProcessStatus, me: psutil.Process) -> Heartbeat:
    """Return this moment's heartbeat: resources in MB and CPU seconds, counters since the process started."""
    status.refresh()
    times = me.cpu_times()
    net, disk = psutil.net_io_counters(), _disk(me)
    return Heartbeat(
        process=process,
        instance=instance,
        pid=os.getpid(),
        at_ms=wall_ms(),
        started_ms=me.create_time() * 1000.0,
        version=release_version(),
        cpu_s=times.user + times.system,
        cpu_percent=me.cpu_percent(),
        rss_mb=me.memory_info().rss / MB,
        net_sent_mb=net.bytes_sent / MB,
        net_received_mb=net.bytes_recv / MB,
        disk_read_mb=disk[0] / MB,
        disk_written_mb=disk[1] / MB,
        progress={name: float(value) for name, value in status.progress.items()},
        errors=errors_survived(),
        note=status.note,
    )


def _disk(me: psutil.Process) -> tuple[int, int]:
    try:
        counters = me.io_counters()
    except (psutil.AccessDenied, AttributeError):  # macOS has none
        return 0, 0
    return counters.read_bytes, counters.write_bytes


@asynccontextmanager
async def heartbeats(settings: Settings, process: str, status: ProcessStatus) -> AsyncIterator[None]:
    """Send a heartbeat at once and every five seconds while the body runs."""
    task = asyncio.create_task(_send_heartbeats(settings, process, status), name=f"heartbeat of {process}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=2)


async def _send_heartbeats(settings: Settings, process: str, status: ProcessStatus) -> None:
    sender = producer(settings, acks=1, enable_idempotence=False)
    me = psutil.Process()
    me.cpu_percent()
    topic = topics.STATUS.full_name(settings)
    try:
        await retrying(sender.start, "send heartbeats", process=process, on=KafkaError)
        while True:
            started = time.monotonic()
            try:
                heartbeat = measure(process, settings.instance, status, me)
                await sender.send_and_wait(topic, msgspec.json.encode(heartbeat), key=process.encode(), partition=0)
            except Exception as error:  # noqa: BLE001 – a process without heartbeats looks dead; this must go on
                log.warning("heartbeat not sent", reason=error_reason(error))
            await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - started)))
    finally:
        await sender.stop()
