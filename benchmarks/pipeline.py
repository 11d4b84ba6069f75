"""Our own processes under load. What enters: a Kafka; what leaves: processes, and what they wrote to its topics."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import msgspec
import psutil

from app.kafka import topics
from app.kafka.clients import assigned_consumer, end_offsets, partitions_of, producer
from app.service import ports
from app.settings import Settings
from benchmarks.bench import end, until

Send = Callable[[int, bytes], Any]  # (partition, payload) → the acknowledgement, to await twice


class _Place(msgspec.Struct):
    partition: int
    second: int
    closed_ms: float
    late: bool = False


class Written(NamedTuple):
    """One message of the walk as the broker has it."""

    partition: int
    second: int
    closed_ms: float
    at_ms: float  # when the broker appended it
    late: bool


class House:
    """Our own commands as processes on one Kafka; all of them end with the `with`."""

    def __init__(self, folder: Path, kafka: str, prefix: str = "bench", **more: Any) -> None:
        self.settings = Settings(
            kafka_url=kafka, topic_prefix=prefix, app_id=prefix, data_dir=folder / prefix,
            worker_port=ports.free_port(), **more,
        )  # fmt: skip
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes.values():
            end(process)

    def start(self, name: str, *arguments: str) -> psutil.Process:
        """Start `btc NAME`."""
        command = [sys.executable, "-m", "app.cli", *(arguments or (name,))]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._processes[name] = process
        return psutil.Process(process.pid)

    def start_worker(self) -> psutil.Process:
        """Start the worker and wait until it is ready."""
        worker = self.start("worker")
        until(self._worker_ready, f"the worker to be ready; its log: {self.tail('worker')}")
        return worker

    def kill(self, name: str) -> None:
        """Kill a process with −9."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> None:
        """End a process in order."""
        end(self._processes.pop(name))

    def tail(self, name: str) -> str:
        """Return the end of a process's log."""
        log = self.folder / f"{name}.log"
        return log.read_text(errors="replace")[-1000:] if log.exists() else ""

    def _worker_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.settings.worker_port}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def _environment(self) -> dict[str, str]:
        changed = {name: getattr(self.settings, name) for name in self.settings.model_fields_set}
        values = {
            f"BTC_{name.upper()}": ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for name, value in changed.items()
        }
        return {**os.environ, **values}

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Send]:
        """Give a function that puts one batch of ticks into a partition; it returns the acknowledgement's future."""
        sender = producer(self.settings, linger_ms=0)
        await sender.start()
        topic = topics.TICKS.full_name(self.settings)
        try:
            yield lambda partition, value: sender.send(topic, value, key=b"%d" % partition, partition=partition)
        finally:
            await sender.stop()

    async def count(self, spec: topics.TopicSpec) -> int:
        """Return how many messages a topic holds."""
        consumer = assigned_consumer(self.settings)
        await consumer.start()
        try:
            return sum((await end_offsets(consumer, self._places(spec))).values())
        finally:
            await consumer.stop()

    async def written(self, spec: topics.TopicSpec) -> list[Written]:
        """Return every message of a topic in the order the broker had them."""
        consumer, decode = assigned_consumer(self.settings), msgspec.json.Decoder(_Place).decode
        found: list[Written] = []
        await consumer.start()
        try:
            consumer.assign(self._places(spec))
            ends = {place: e for place, e in (await end_offsets(consumer, self._places(spec))).items() if e}
            await consumer.seek_to_beginning()
            while any([await consumer.position(place) < e for place, e in ends.items()]):
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    for message in messages:
                        of = decode(message.value)
                        found.append(Written(of.partition, of.second, of.closed_ms, float(message.timestamp), of.late))
        finally:
            await consumer.stop()
        return sorted(found, key=lambda one: one.at_ms)

    def _places(self, spec: topics.TopicSpec) -> list[Any]:
        return partitions_of(spec.full_name(self.settings), spec.partitions(self.settings))


async def drained(house: House, spec: topics.TopicSpec, wanted: int, patience_s: float = 300.0) -> None:
    """Wait until a topic holds so many messages, or none came for a minute."""
    deadline, seen, moved = time.monotonic() + patience_s, -1, time.monotonic()
    while (count := await house.count(spec)) < wanted:
        if count != seen:
            seen, moved = count, time.monotonic()
        if time.monotonic() > deadline or time.monotonic() - moved > 60.0:
            return
        await asyncio.sleep(0.5)
