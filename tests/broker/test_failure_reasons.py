"""The one line that says why Kafka ended."""

from pathlib import Path

import pytest

from app.broker.failure_reasons import exit_reason, killed_reason, last_error

AT = "[2026-11-22 22:42:36.512] [main] "
FOLDER = Path("kafka")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("java.io.IOException: No space left on device", "the disk of the embedded Kafka is full"),
        ("java.lang.InternalError: a fault occurred in an unsafe memory access operation", "embedded Kafka is full"),
        ("Failed to acquire lock on file .lock in data.", "another Kafka already uses kafka"),
        ("java.net.BindException: Address already in use", "port 9092 (Kafka) is taken"),
        ("java.lang.OutOfMemoryError: JavaProcess heap space", "ran out of memory"),
        ("java.nio.file.AccessDeniedException: data", "may not write in kafka"),
        ("java.io.IOException: Malformed line in checkpoint file", "data folder of the embedded Kafka is damaged"),
        ("org.apache.kafka.common.config.ConfigException: Invalid value", "stopped: org.apache.kafka.common.config"),
    ],
)
def test_each_known_failure_has_its_own_reason(line: str, reason: str) -> None:
    """The reason of a known failure is one line that says what to do."""
    found = exit_reason([f"{AT}ERROR kafka.Kafka$ - Exiting", line, "\tat kafka.Kafka.main(Kafka.scala)"], FOLDER, 9092)
    assert reason in found
    assert "\n" not in found


def test_warnings_are_not_a_reason() -> None:
    """A warning that mentions the metadata log does not make the folder damaged."""
    assert "damaged" not in exit_reason([f"{AT}WARN kafka.X - The metadata log appears to be empty."], FOLDER, 9092)


def test_an_end_without_output_has_a_reason() -> None:
    """Without any output the reason names the log."""
    assert (
        exit_reason([], FOLDER, 9092)
        == "the embedded Kafka in kafka stopped: it wrote nothing; its log is kafka/broker.log"
    )


def test_the_deepest_cause_is_the_error() -> None:
    """Of a stack trace the last cause counts, of a log the last error, else the last line."""
    trace = [
        f"{AT}ERROR kafka.Kafka$ - Exiting",
        "java.lang.RuntimeException: a",
        "\tat x",
        "Caused by: java.io.IOException: b",
    ]
    assert last_error(trace) == "java.io.IOException: b"
    assert last_error([f"{AT}ERROR kafka.X - one", f"{AT}WARN kafka.X - two"]) == "one"
    assert last_error(["Error: could not open libjvm.so", ""]) == "Error: could not open libjvm.so"


def test_a_taken_port_without_a_known_holder_has_a_reason() -> None:
    """If the system does not know the holder, the reason says another process."""
    reason = exit_reason(["java.net.BindException: Address already in use"], Path("kafka"), 1)
    assert reason == "port 1 (Kafka) is taken by another process: end it, or set BTC_BROKER_PORT to another port"


def test_a_kill_names_its_signal() -> None:
    """The reason of a Kafka ended by a signal names the signal."""
    assert "was killed by SIGKILL" in killed_reason(FOLDER, 9)
