"""Every process outlives a Kafka that comes late and one that goes away for longer than any limit."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.broker.broker import Broker
from app.kafka import topics
from app.records import PredictionBatch, TickBatch
from app.service import ports
from app.settings import Settings
from benchmarks import topic_io
from tests.collector.interleavings import as_read

STUCK_S, OUTAGE_S, HORIZON_S = 8, 30, 5  # the outage is longer than the worker's last limit, 3 × STUCK_S
PROGRAM = f"""
from app.service import limits
limits.STUCK_S, limits.KAFKA_OUTAGE_S = {STUCK_S}, 3.0
from app.cli import main
main()
"""
PORT_OF = {"collect": "metrics_port", "worker": "worker_port", "train": "metrics_port", "archive": "metrics_port",
           "api": "api_port", "dashboard": "metrics_port", "kafka-ui": "kafka_ui_port"}  # fmt: skip


class Running:
    """One process and its health pages."""

    def __init__(self, name: str, common: Settings, folder: Path) -> None:
        port_fields = ("metrics_port", "worker_port", "api_port", "dashboard_port", "kafka_ui_port")
        free = {field: ports.free_port() for field in port_fields}
        settings = common.model_copy(update={**free, "data_dir": folder / name})
        self.name, self._url = name, f"http://127.0.0.1:{free[PORT_OF[name]]}"
        environment = {**os.environ, **Settings(**dict(settings)).environment()}
        with (folder / f"{name}.log").open("ab") as log:
            command = ["nice", "-n", "5", sys.executable, "-c", PROGRAM, name]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def answer(self, page: str) -> tuple[int, str]:
        """Return status and text of a health page; status 0 while nothing answers."""
        try:
            answer = httpx.get(f"{self._url}/{page}", timeout=5.0)
        except httpx.TransportError as error:
            return 0, f"{self.name}: {error!r}"
        return answer.status_code, f"{self.name}: {answer.text}"

    def is_alive(self) -> bool:
        """Return whether it runs and does not ask to be restarted."""
        return self.process.poll() is None and self.answer("healthz")[0] == 200


@pytest.fixture
def own_broker(jars: list[Path], tmp_path: Path) -> Iterator[Broker]:
    """Return a broker that is not started yet."""
    broker = Broker(tmp_path / "kafka", ports.free_port(), say=print)
    yield broker
    broker.stop()


@pytest.fixture
def market() -> Iterator[subprocess.Popen[bytes]]:
    """Return an emulated exchange on the port that is its last argument."""
    command = [sys.executable, "-m", "app.cli", "exchange", "--synthetic", "7", "--port", str(ports.free_port())]
    process = subprocess.Popen(command)
    yield process
    end(process)


@pytest.fixture
def processes(own_broker: Broker, market: subprocess.Popen[bytes], tmp_path: Path) -> Iterator[list[Running]]:
    """Return one process of every kind, started beside the exchange but without Kafka."""
    assert isinstance(market.args, list)
    common = settings_of(own_broker, int(market.args[-1]))
    started = [Running(name, common, tmp_path) for name in PORT_OF]
    yield started
    for one in started:
        one.process.terminate()
    for one in started:
        end(one.process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with SIGTERM, or kill it."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def not_json(log: Path) -> list[str]:
    """Return the lines of a log that are not one JSON object each."""
    found = []
    for line in log.read_text().splitlines():
        try:
            is_object = isinstance(json.loads(line), dict)
        except ValueError:
            is_object = False
        found += [] if is_object else [f"{log.name}: {line}"]
    return found


def settings_of(broker: Broker, market_port: int = 0) -> Settings:
    """Return what all processes have in common."""
    exchange = f"127.0.0.1:{market_port}"
    return Settings(kafka_url=broker.bootstrap, partitions=1, horizons_s=(HORIZON_S,), train_history_s=900,
                    log_format="ecs", exchange_ws_url=f"ws://{exchange}",
                    exchange_rest_url=f"http://{exchange}")  # fmt: skip


async def until(processes: list[Running], page: str, status: int, words: str = "") -> None:
    """Wait until a page of every process answers with this status and these words; none may end meanwhile."""
    deadline_s = time.monotonic() + 120
    for one in processes:
        while not ((found := one.answer(page))[0] == status and words in found[1]):
            assert one.process.poll() is None, f"{one.name} ended"
            assert time.monotonic() < deadline_s, f"{page} of {found}"
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_kafka_comes_late_and_goes_away_and_nobody_ends(
    own_broker: Broker, market: subprocess.Popen[bytes], processes: list[Running], tmp_path: Path
) -> None:
    """Alive and not ready without it, ready with it, each in the process that was started; no second is lost.

    Without the exchange only the collector is not ready. Every line that they log meanwhile is one JSON object.
    """
    await until(processes, "healthz", 200)
    await until(processes, "readyz", 503, f"Kafka at {own_broker.bootstrap} cannot be used")
    await asyncio.to_thread(own_broker.start)
    await until(processes, "readyz", 200)

    await asyncio.to_thread(own_broker.stop)
    await until(processes, "readyz", 503, f"Kafka at {own_broker.bootstrap} cannot be used")
    back_s = time.monotonic() + OUTAGE_S
    while time.monotonic() < back_s:
        assert [one.name for one in processes if not one.is_alive()] == []
        await asyncio.sleep(0.5)
    await asyncio.to_thread(own_broker.start)
    await until(processes, "readyz", 200)

    settings = settings_of(own_broker)
    newest = as_read(await topic_io.records(settings, topics.TICKS, TickBatch))[-1].second
    predicted = await predictions_until(settings, newest)
    ticks = [batch.second for batch in as_read(await topic_io.records(settings, topics.TICKS, TickBatch))]
    assert sorted(set(ticks)) == list(range(min(ticks), max(ticks) + 1))
    assert sorted(predicted) == list(range(min(ticks), max(predicted) + 1))

    collector, *others = processes
    market.kill()
    await until([collector], "readyz", 503, "the exchange at")
    await until(others, "readyz", 200)
    assert [one.name for one in processes if not one.is_alive()] == []

    for one in processes:
        end(one.process)
    assert [line for one in processes for line in not_json(tmp_path / f"{one.name}.log")] == []


async def predictions_until(settings: Settings, second: int) -> set[int]:
    """Return the seconds with predictions once `second` is among them."""
    deadline_s = time.monotonic() + 90
    while True:
        batches = await topic_io.records(settings, topics.PREDICTIONS, PredictionBatch)
        seconds = {batch.second for batch in batches}
        if second in seconds:
            return seconds
        assert time.monotonic() < deadline_s, f"second {second} has no prediction, the newest is {max(seconds)}"
        await asyncio.sleep(0.5)
