"""The reasons why the embedded Kafka did not start or ended, each as one line with what to do."""

import re
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

# [2026-11-22 22:42:36.512] [main] ERROR kafka.Kafka$ - Exiting Kafka due to fatal exception
_RECORD = re.compile(r"^(?:\[[^\]]*\] )*(?P<level>FATAL|ERROR|WARN|INFO) (?P<logger>\S+) - (?P<text>.+)$")
_CAUSE = re.compile(r"^(?:Caused by: |Exception in thread \S+ )?(?P<text>(?:[\w$]+\.)+[\w$]*(?:Exception|Error)\b.*)$")
# Java reports the unsafe memory access when a memory-mapped index does not fit on the disk.
_DISK_FULL = r"No space left on device|Disk quota exceeded|fault occurred in an unsafe memory access"
_DAMAGE = (
    r"meta\.properties|cluster\.?id|Corrupt|corrupt|InvalidRecordException|SnapshotParseException|"
    r"UnknownMetadataRecordType|quorum-state|Malformed|Found (?:log|duplicate|directory)|metadata log|"
    r"__cluster_metadata|checkpoint|InconsistentEpoch|BufferUnderflow|RecordBatch"
)


class BrokerError(RuntimeError):
    """The embedded Kafka cannot start or has ended; the message is one line: what, where, what to do."""


def damaged_reason(folder: Path, damage: str) -> str:
    """Return the reason for a folder that Kafka cannot use any more."""
    return f"the data folder of the embedded Kafka is damaged: {damage} in {folder}; remove {folder} to start afresh"


def disk_full_reason(folder: Path, space: str = "no space left on the disk") -> str:
    """Return the reason for a disk without space for Kafka's data."""
    return f"the disk of the embedded Kafka is full: {space} at {folder}; free some space and start again"


def folder_in_use_reason(folder: Path) -> str:
    """Return the reason for a folder that another Kafka uses."""
    return f"another Kafka already uses {folder}; stop it, or choose another folder with BTC_DATA_DIR"


def killed_reason(folder: Path, number: int) -> str:
    """Return the reason for a Kafka that a signal ended."""
    return (
        f"the embedded Kafka in {folder} was killed by {signal.Signals(number).name}; start it again, its data are safe"
    )


def exit_reason(lines: Sequence[str], folder: Path, port: int) -> str:
    """Return the reason why Kafka ended, from the last lines of its log.

    >>> exit_reason(["java.net.BindException: Address already in use"], Path("kafka"), 9092).partition(":")[0]
    'port 9092 (Kafka) is taken by another process'
    """
    text = "\n".join(line for line in lines if " WARN " not in line and " INFO " not in line)
    error = last_error(lines) or "it wrote nothing"
    reasons = {
        _DISK_FULL: disk_full_reason(folder),
        r"Failed to acquire lock": folder_in_use_reason(folder),
        r"Address already in use|failed to bind": f"port {port} (Kafka) is taken by another process: end it, or set "
        "BTC_BROKER_PORT to another port",
        r"OutOfMemoryError|Could not reserve enough space": f"the embedded Kafka in {folder} ran out of memory; "
        "close other programs and start again",
        r"Permission denied|AccessDenied": f"the embedded Kafka may not write in {folder}; allow it and start again",
        _DAMAGE: damaged_reason(folder, f"Kafka's error: {error}"),
        r"": f"the embedded Kafka in {folder} stopped: {error}; its log is {folder / 'broker.log'}",
    }
    return next(reason for pattern, reason in reasons.items() if re.search(pattern, text))


def last_error(lines: Iterable[str]) -> str:
    r"""Return the deepest cause in the lines, else the last error, else the last line; empty if there is none.

    >>> last_error(["[main] ERROR kafka.Kafka$ - Exiting", "java.lang.X: a", "\tat y", "Caused by: java.io.IOError: b"])
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
