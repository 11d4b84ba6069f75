"""Start of a Kafka node, without Kafka: what ends a start that does not succeed."""

from pathlib import Path

import pytest

from app.broker import node
from app.broker.failure_reasons import BrokerError
from app.service import ports


class EndedProcess:
    """A Java process that has ended with this exit code and output."""

    def __init__(self, code: int, *tail: str) -> None:
        self.code, self.tail, self.stopped = code, tail, False

    def wait(self, _timeout_s: float | None = None) -> int:
        """Return the exit code at once."""
        return self.code

    def stop(self) -> None:
        """Record that the process was stopped."""
        self.stopped = True


def test_the_reason_of_a_killed_process_is_its_signal() -> None:
    """A negative exit code is a signal, whatever the log says."""
    reason = node.process_end_reason(EndedProcess(-9, "ERROR x - No space left"), Path("kafka"), 9092)  # type: ignore[arg-type]
    assert "was killed by SIGKILL" in reason


def test_the_reason_of_an_ended_process_is_its_last_error() -> None:
    """Another exit code is explained by the output."""
    reason = node.process_end_reason(EndedProcess(1, "Failed to acquire lock"), Path("kafka"), 9092)  # type: ignore[arg-type]
    assert reason.startswith("another Kafka already uses kafka")


def test_a_format_that_fails_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unformatted folder is formatted first; a tool that fails is stopped, and its error is the reason."""
    tool = EndedProcess(1, "java.nio.file.AccessDeniedException: data")
    monkeypatch.setattr(node, "JavaProcess", lambda *_arguments, **_options: tool)
    with pytest.raises(BrokerError, match="may not write"):
        node.start_node(tmp_path, ports.free_port(), [], [], heap_mb=64, properties={"num.io.threads": "1"})
    assert tool.stopped
    assert "num.io.threads=1\n" in (tmp_path / "server.properties").read_text()
