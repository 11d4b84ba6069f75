"""The embedded Kafka stores messages, ends with its parent and reports what is wrong."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.broker.broker import Broker, BrokerError
from app.kafka.clients import MAX_MESSAGE_BYTES
from app.service import ports

pytestmark = pytest.mark.usefixtures("jars")

RUN = """
import sys
from pathlib import Path
from app.broker.broker import run
sys.exit(run(Path(sys.argv[1]), int(sys.argv[2])))
"""
ROOT = Path(__file__).parents[2]


async def create(bootstrap: str, topic: str, **configs: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=configs)])
    await admin.close()


async def write(bootstrap: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=MAX_MESSAGE_BYTES) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", max_partition_fetch_bytes=MAX_MESSAGE_BYTES
    )
    async with consumer:
        return [(await consumer.getone()).value for _ in range(count)]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    """Return a broker of the test's own, not started."""
    made = Broker(tmp_path / "kafka", ports.free_port())
    yield made
    made.stop()


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Return a function that starts `run` in a process of its own."""
    started = []

    def start(port: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RUN, str(tmp_path / "kafka"), str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def test_what_is_written_is_read_back(kafka: str, prefix: str) -> None:
    """A message written to a topic is read from it."""
    await create(kafka, f"{prefix}.ticks")
    await write(kafka, f"{prefix}.ticks", b"a tick")
    assert await read(kafka, f"{prefix}.ticks", 1) == [b"a tick"]


async def test_a_message_of_eight_mebibytes_passes(kafka: str, prefix: str) -> None:
    """A topic that allows 8 MiB accepts a message of that size, headers included."""
    big = os.urandom(MAX_MESSAGE_BYTES - 1024)
    await create(kafka, f"{prefix}.models", **{"max.message.bytes": str(MAX_MESSAGE_BYTES)})
    await write(kafka, f"{prefix}.models", big)
    assert await read(kafka, f"{prefix}.models", 1) == [big]


async def test_topics_are_not_created_automatically(kafka: str, prefix: str) -> None:
    """A description of a topic that does not exist does not create it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.describe_topics([f"{prefix}.typo"])
    assert f"{prefix}.typo" not in await admin.list_topics()
    await admin.close()


async def test_data_and_cluster_id_survive_a_restart(own: Broker) -> None:
    """The same object stops and starts again, with the same data and the same cluster id."""
    own.start()
    before = own.cluster_id
    await create(own.bootstrap, "kept")
    await write(own.bootstrap, "kept", b"1", b"2")
    own.stop()
    own.start()
    assert await read(own.bootstrap, "kept", 2) == [b"1", b"2"]
    assert own.cluster_id == before


async def test_data_survive_a_killed_broker(own: Broker) -> None:
    """Java killed with −9 loses nothing that was acknowledged."""
    own.start()
    await create(own.bootstrap, "kept")
    await write(own.bootstrap, "kept", b"1", b"2")
    os.kill(own.pid, signal.SIGKILL)
    assert own.wait() == -signal.SIGKILL
    own.start()
    assert await read(own.bootstrap, "kept", 2) == [b"1", b"2"]


def test_a_later_start_needs_no_network(own: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the jars in the cache, proxies that do not exist make no difference."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    own.start()
    assert ports.answers(own.port)


def test_a_taken_port_is_named_with_its_holder(own: Broker) -> None:
    """A port on which another process listens is an error with the port and the process."""
    with socket.create_server(("127.0.0.1", own.port)), pytest.raises(BrokerError) as caught:
        own.start()
    assert f"port {own.port}" in str(caught.value)
    assert f"(pid {os.getpid()})" in str(caught.value)


def test_a_folder_in_use_is_named(own: Broker) -> None:
    """Two brokers cannot share a folder; the error of the second names it."""
    own.start()
    with pytest.raises(BrokerError, match=r"another Kafka already uses .*kafka; stop it"):
        Broker(own.data_dir, ports.free_port()).start()
    assert ports.answers(own.port)


async def test_a_lost_segment_is_one_clear_line(own: Broker) -> None:
    """A segment deleted between two runs is named, with the folder and what to do."""
    own.start()
    await create(own.bootstrap, "kept")
    await write(own.bootstrap, "kept", b"1")
    own.stop()
    (own.data_dir / "data/kept-0/00000000000000000000.log").unlink()
    with pytest.raises(BrokerError, match=r"damaged: kept-0/0+\.log is missing in .*; remove .* to start afresh"):
        own.start()


async def test_metadata_that_kafka_cannot_read_is_one_clear_line(own: Broker) -> None:
    """If Kafka finds its metadata torn, its own error is the reason."""
    own.start()
    os.kill(own.pid, signal.SIGKILL)
    own.wait()
    (own.data_dir / "data/bootstrap.checkpoint").write_bytes(b"garbage" * 20)
    (own.data_dir / "data/__cluster_metadata-0/quorum-state").write_bytes(b"garbage")
    with pytest.raises(BrokerError, match=r"damaged: Kafka's error: .*; remove .* to start afresh") as caught:
        own.start()
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_no_java_outlives_a_killed_parent(runner: Callable[[int], subprocess.Popen[str]]) -> None:
    """Java ends when Python is killed with −9."""
    parent = runner(ports.free_port())
    assert parent.stderr
    assert "listens on" in parent.stderr.readline()
    (java,) = psutil.Process(parent.pid).children()
    parent.kill()
    java.wait(5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_shuts_down_cleanly_on_a_signal(
    runner: Callable[[int], subprocess.Popen[str]], number: signal.Signals, tmp_path: Path
) -> None:
    """SIGTERM and SIGINT shut Kafka down cleanly, with exit code 0."""
    process = runner(ports.free_port())
    assert process.stderr
    process.stderr.readline()
    process.send_signal(number)
    assert process.wait(20) == 0
    assert (tmp_path / "kafka/data/.kafka_cleanshutdown").exists()


def test_run_reports_that_kafka_died(runner: Callable[[int], subprocess.Popen[str]]) -> None:
    """If Java ends by itself, `run` prints one line that says why and fails."""
    process = runner(ports.free_port())
    assert process.stderr
    process.stderr.readline()
    (java,) = psutil.Process(process.pid).children()
    java.kill()
    assert process.wait(10) == 128 + signal.SIGKILL
    assert "was killed by SIGKILL" in process.stderr.readline()


def test_kafka_outlives_the_thread_that_started_it(own: Broker) -> None:
    """Java runs until the process ends, not the thread that started it."""
    import threading

    thread = threading.Thread(target=own.start)
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert ports.answers(own.port)
