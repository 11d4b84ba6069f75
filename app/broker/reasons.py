"""Why Kafka did not start, or stopped. What enters: the last lines of its log; what leaves: one clear line."""

import re
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

# [2026-11-22 22:42:36.512] [main] ERROR kafka.Kafka$ - Exiting Kafka due to fatal exception
_RECORD = re.compile(r"^(?:\[[^\]]*\] )*(?P<level>FATAL|ERROR|WARN|INFO) (?P<logger>\S+) - (?P<text>.+)$")
_CAUSE = re.compile(r"^(?:Caused by: |Exception in thread \S+ )?(?P<text>(?:[\w$]+\.)+[\w$]*(?:Exception|Error)\b.*)$")
_DAMAGE = (
    r"meta\.properties|cluster\.?id|Corrupt|corrupt|InvalidRecordException|SnapshotParseException|"
    r"UnknownMetadataRecordType|quorum-state|Malformed|Found (?:log|duplicate|directory)|metadata log|"
    r"__cluster_metadata|checkpoint|InconsistentEpoch|BufferUnderflow|RecordBatch"
)


class BrokerError(RuntimeError):
    """The embedded Kafka cannot start or go on: the message is one line with what, where and what to do."""


def afresh(folder: Path, what: str) -> str:
    """Return the line for a folder that Kafka cannot use any more."""
    return f"the data folder of the embedded Kafka is damaged: {what} in {folder}; remove {folder} to start afresh"


def full(folder: Path, room: str = "no space left on the disk") -> str:
    """Return the line for a disk that has no room for Kafka's data."""
    return f"the disk of the embedded Kafka is full: {room} at {folder}; free some space and start again"


def taken(port: int, holder: str | None) -> str:
    """Return the line for a port that another process listens on."""
    by = f"is held by {holder}" if holder else "is taken by another process"
    return (
        f"the embedded Kafka cannot listen: port {port} on 127.0.0.1 {by}; "
        "stop it, or choose another port with BTC_BROKER_PORT"
    )


def shared(folder: Path) -> str:
    """Return the line for a folder another Kafka works in."""
    return f"another Kafka already uses {folder}; stop it, or choose another folder with BTC_DATA_DIR"


def killed(folder: Path, number: int) -> str:
    """Return the line for a Kafka that a signal ended."""
    return (
        f"the embedded Kafka in {folder} was killed by {signal.Signals(number).name}; start it again, its data are safe"
    )


def why(lines: Sequence[str], folder: Path, port: int) -> str:
    """Return the one line that says why Kafka ended, from the last lines of its log.

    >>> why(["java.net.BindException: Address already in use"], Path("kafka"), 9092).partition(";")[0]
    'the embedded Kafka cannot listen: port 9092 on 127.0.0.1 is taken by another process'
    """
    text = "\n".join(line for line in lines if " WARN " not in line and " INFO " not in line)
    said = meaning(lines) or "it said nothing"
    answers = {
        # The fault is how Java meets a memory-mapped index that the disk has no room for.
        r"No space left on device|Disk quota exceeded|fault occurred in an unsafe memory access": full(folder),
        r"Failed to acquire lock": shared(folder),
        r"Address already in use|failed to bind": taken(port, None),
        r"OutOfMemoryError|Could not reserve enough space": f"the embedded Kafka in {folder} ran out of memory; "
        "close other programs and start again",
        r"Permission denied|AccessDenied": f"the embedded Kafka may not write in {folder}; allow it and start again",
        _DAMAGE: afresh(folder, f"Kafka says “{said}”"),
        r"": f"the embedded Kafka in {folder} stopped: {said}; its log is {folder / 'broker.log'}",
    }
    return next(answer for pattern, answer in answers.items() if re.search(pattern, text))


def meaning(lines: Iterable[str]) -> str:
    r"""Return the last line that carries a meaning: the deepest cause, else the last error, else the last words.

    >>> meaning(["[main] ERROR kafka.Kafka$ - Exiting", "java.lang.X: a", "\tat y", "Caused by: java.io.IOError: b"])
    'java.io.IOError: b'
    """
    cause = error = last = ""
    for line in lines:
        if not line.strip() or line.startswith(("\t", "WARNING: ")):
            continue
        if record := _RECORD.match(line):
            last = record["text"]
            error = last if record["level"] in {"ERROR", "FATAL"} else error
        elif found := _CAUSE.match(line):
            cause = found["text"]
        else:
            last = line.strip()
    return (cause or error or last)[:300]
