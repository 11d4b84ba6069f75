"""One line says why Kafka ended."""

from pathlib import Path

import pytest

from app.broker.reasons import killed, meaning, taken, why

AT = "[2026-11-22 22:42:36.512] [main] "
FOLDER = Path("kafka")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("java.io.IOException: No space left on device", "the disk of the embedded Kafka is full"),
        ("java.lang.InternalError: a fault occurred in an unsafe memory access operation", "embedded Kafka is full"),
        ("Failed to acquire lock on file .lock in data.", "another Kafka already uses kafka"),
        ("java.net.BindException: Address already in use", "port 9092 on 127.0.0.1 is taken"),
        ("java.lang.OutOfMemoryError: Java heap space", "ran out of memory"),
        ("java.nio.file.AccessDeniedException: data", "may not write in kafka"),
        ("java.io.IOException: Malformed line in checkpoint file", "data folder of the embedded Kafka is damaged"),
        ("org.apache.kafka.common.config.ConfigException: Invalid value", "stopped: org.apache.kafka.common.config"),
    ],
)
def test_a_known_end_has_its_own_line(line: str, told: str) -> None:
    """Each known end is told in words that say what to do."""
    said = why([f"{AT}ERROR kafka.Kafka$ - Exiting", line, "\tat kafka.Kafka.main(Kafka.scala)"], FOLDER, 9092)
    assert told in said
    assert "\n" not in said


def test_warnings_are_no_reason() -> None:
    """A warning that mentions the metadata log does not make the folder damaged."""
    assert "damaged" not in why([f"{AT}WARN kafka.X - The metadata log appears to be empty."], FOLDER, 9092)


def test_a_silent_end_is_told() -> None:
    """Even a Kafka that said nothing gets a line that names its log."""
    assert why([], FOLDER, 9092) == "the embedded Kafka in kafka stopped: it said nothing; its log is kafka/broker.log"


def test_the_deepest_cause_is_the_meaning() -> None:
    """Of a stack trace the last cause counts, of a log the last error, else the last words."""
    trace = [
        f"{AT}ERROR kafka.Kafka$ - Exiting",
        "java.lang.RuntimeException: a",
        "\tat x",
        "Caused by: java.io.IOException: b",
    ]
    assert meaning(trace) == "java.io.IOException: b"
    assert meaning([f"{AT}ERROR kafka.X - one", f"{AT}WARN kafka.X - two"]) == "one"
    assert meaning(["Error: could not open libjvm.so", ""]) == "Error: could not open libjvm.so"


def test_a_port_without_a_known_holder_is_still_told() -> None:
    """Where the system does not tell the holder, the line does without."""
    assert "port 1 on 127.0.0.1 is taken by another process" in taken(1, None)


def test_a_kill_names_its_signal() -> None:
    """A Kafka ended by a signal says which."""
    assert "was killed by SIGKILL" in killed(FOLDER, 9)
