"""The life of a process: how it waits for Kafka, and how it ends when it cannot start."""

import os
import signal
import socket
import threading
import time
from contextlib import nullcontext

import httpx
import pytest

from app.kafka import topics
from app.kafka.topics import KafkaUnavailableError
from app.service import heartbeat, lifecycle, ports
from app.service.heartbeat import ProcessStatus
from app.service.kafka_watch import KafkaWatch
from app.settings import Settings


async def _nothing(*_: object) -> None:
    return


async def _unexpected(_settings: Settings, _status: ProcessStatus) -> None:
    pytest.fail("the work ran")


def test_a_taken_metrics_port_ends_a_process_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback and no line of uvicorn: what is taken, by which process, and which variable to set."""
    monkeypatch.setattr(lifecycle, "set_up", lambda *_: None)
    monkeypatch.setattr(lifecycle, "await_topics", _nothing)
    monkeypatch.setattr(heartbeat, "heartbeats", lambda *_: nullcontext())
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert lifecycle.run("archive", Settings(metrics_port=port), _unexpected) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"btc archive: port {port} (metrics) is taken by")
    assert line.endswith("set BTC_METRICS_PORT to another port")


def _answers_until_terminated(port: int, found: dict[str, httpx.Response]) -> None:
    """Ask for health until the process answers, then end it with SIGTERM."""
    deadline_s = time.monotonic() + 20
    while len(found) < 2 and time.monotonic() < deadline_s:
        for page in ("healthz", "readyz"):
            try:
                found[page] = httpx.get(f"http://127.0.0.1:{port}/{page}")
            except httpx.TransportError:
                found.clear()
    os.kill(os.getpid(), signal.SIGTERM)


def test_without_kafka_a_process_is_alive_and_not_ready_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its health is answered before Kafka is there, its work does not start, and SIGTERM ends the wait."""
    monkeypatch.setattr(lifecycle, "set_up", lambda *_: None)
    port, found = ports.free_port(), dict[str, httpx.Response]()
    asking = threading.Thread(target=_answers_until_terminated, args=(port, found))
    asking.start()
    settings = Settings(kafka_url="127.0.0.1:9", metrics_port=port)
    assert lifecycle.run("archive", settings, _unexpected) == 0
    asking.join()
    assert (found["healthz"].status_code, found["readyz"].status_code) == (200, 503)
    assert found["readyz"].text.startswith("Kafka at 127.0.0.1:9 cannot be used for")


async def test_topics_are_created_when_kafka_can_do_it_and_a_wrong_one_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Brokers that still start are waited for; another partition count would never change."""
    answers = iter([KafkaUnavailableError("InvalidReplicationFactorError"), topics.TopicError("has 2 partitions")])

    async def ensure(*_: object) -> None:
        raise next(answers)

    monkeypatch.setattr(topics, "ensure", ensure)
    kafka = KafkaWatch(Settings())
    kafka.update("")
    with pytest.raises(topics.TopicError, match="has 2 partitions"):
        await lifecycle.await_topics(Settings(), kafka)
