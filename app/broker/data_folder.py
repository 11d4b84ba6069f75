"""The data folder of the embedded Kafka: its configuration, its cluster id and its checks for damage.

In `.btc/live/kafka`:

- `server.properties`: written at every start.
- `broker.log`: Kafka's output, bounded.
- `sealed.json`: sizes of the segments at the last clean shutdown; absent while Kafka runs.
- `data`: Kafka's own `meta.properties`, `__cluster_metadata-0`, `btc.ticks-0`, …
"""

import base64
import contextlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from app.broker.failure_reasons import BrokerError, damaged_reason, disk_full_reason
from app.kafka.clients import MAX_MESSAGE_BYTES
from app.service.ports import LOOPBACK

MIN_FREE_BYTES = 256 * 2**20
NODE_ID = "1"
_MAGIC_AT, _MAGIC = 16, 2  # the version byte of a record batch (Kafka protocol guide, "Record Batch")


def properties(port: int, controller_port: int, more: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of one node that is broker and controller, on the loopback only."""
    return {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": "data",  # relative to the folder, whose name may contain any character
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.segment.bytes": str(4 * 2**20),
        "transaction.state.log.num.partitions": "2",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",  # after a kill, a start waits that long for the old one; 9 s by default
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "6000",
        "message.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
        "log.segment.bytes": str(64 * 2**20),  # retention removes whole segments: keep them small
        "log.index.size.max.bytes": str(2**20),
        "log.retention.check.interval.ms": "60000",
        "log.cleaner.threads": "1",
        "log.cleaner.backoff.ms": "5000",
        "log.cleaner.dedupe.buffer.size": str(8 * 2**20),  # 128 MiB by default: a third of the heap
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "num.recovery.threads.per.data.dir": "2",
        **more,
    }


def write_properties(folder: Path, values: Mapping[str, str]) -> Path:
    """Write server.properties into the folder and return its path."""
    path = folder / "server.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def new_cluster_id() -> str:
    """Return a random id in Kafka's form: 22 characters of URL-safe base64 that do not start with a dash."""
    while (new_id := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return new_id


def cluster_id(folder: Path) -> str | None:
    """Return the cluster id the folder was formatted with, None when it never was.

    Raises:
        BrokerError: meta.properties is not what Kafka wrote.

    """
    meta = folder / "data" / "meta.properties"
    if not meta.exists():
        return None
    lines = meta.read_text(encoding="utf-8", errors="replace").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    if not values.get("cluster.id") or values.get("node.id") != NODE_ID or values.get("version") != "1":
        raise BrokerError(damaged_reason(folder, "meta.properties is unreadable"))
    return values["cluster.id"]


def create(folder: Path) -> None:
    """Create the folder.

    Raises:
        BrokerError: it cannot be created, or its disk has less than 256 MiB free.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise BrokerError(f"the data folder of the embedded Kafka cannot be created: {error}") from error
    if free_bytes < MIN_FREE_BYTES:
        space = f"{free_bytes / 2**20:.0f} MiB free, {MIN_FREE_BYTES / 2**20:.0f} MiB needed"
        raise BrokerError(disk_full_reason(folder, space))


def check(folder: Path) -> None:
    """Check that the folder holds what Kafka left there.

    Raises:
        BrokerError: a file is missing, unreadable or changed.

    """
    if damage := _damage(folder):
        raise BrokerError(damaged_reason(folder, damage))


def _damage(folder: Path) -> str | None:
    data = folder / "data"
    metadata = data / "__cluster_metadata-0"
    topics = [path for path in data.glob("*-*") if path.is_dir() and path != metadata]
    if cluster_id(folder) is None:
        return "meta.properties is missing" if topics or metadata.exists() else None
    if not all(map(_starts_with_batch, metadata.glob("*.log"))):
        return "the log of __cluster_metadata-0 is unreadable"
    if topics and not any(metadata.glob("*.log")):
        return "the log of __cluster_metadata-0 is missing"  # Kafka would treat the topics as strays and delete them
    return _changed(folder)


def _changed(folder: Path) -> str | None:
    """Return which segment is not as the last clean shutdown left it."""
    recorded = folder / "sealed.json"
    if not recorded.exists():
        return None  # Kafka was killed: its own recovery repairs the ends of the segments
    try:
        sizes = dict(json.loads(recorded.read_text()))
    except ValueError:
        return None  # the disk was full when it was written
    for name, size_bytes in sizes.items():
        segment = folder / "data" / name
        if not segment.exists():
            return f"{name} is missing"
        if segment.stat().st_size != size_bytes or not _starts_with_batch(segment):
            return f"{name} was changed"
    return None


def _starts_with_batch(segment: Path) -> bool:
    with segment.open("rb") as file:
        head = file.read(_MAGIC_AT + 1)
    return not head or (len(head) > _MAGIC_AT and head[_MAGIC_AT] == _MAGIC)


def record_segment_sizes(folder: Path) -> None:
    """Record the segments' sizes after a clean shutdown, so that the next start notices a missing one."""
    data = folder / "data"
    if (data / ".kafka_cleanshutdown").exists():
        sizes = {path.relative_to(data).as_posix(): path.stat().st_size for path in data.glob("*-*/*.log")}
        with contextlib.suppress(OSError):  # a full disk: the next start reports it, and torn JSON is ignored
            (folder / "sealed.json").write_text(json.dumps(sizes))


def forget_segment_sizes(folder: Path) -> None:
    """Remove the recorded sizes before Kafka writes again."""
    (folder / "sealed.json").unlink(missing_ok=True)
