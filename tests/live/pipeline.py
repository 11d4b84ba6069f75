"""A house of real processes for a test. What enters: a Kafka, an exchange; what leaves: processes that end with it."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from app.kafka import topics
from app.kafka.clients import assigned_consumer, end_offsets, partitions_of, producer
from app.service import ports
from app.settings import Settings

PATIENCE_S = 120.0  # a worker is ready in 6 s; on a machine busy with other work it may take a minute


class House:
    """Our own commands as processes, with settings of their own."""

    def __init__(self, folder: Path, kafka: str, prefix: str, **more: Any) -> None:
        self.settings = Settings(
            kafka_url=kafka, topic_prefix=prefix, app_id=prefix, data_dir=folder, api_port=ports.free_port(),
            worker_port=ports.free_port(), archive_flush_s=1.0, **more,
        )  # fmt: skip
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self) -> dict[str, str]:
        """Return the settings as variables, as a person would set them."""
        changed = {name: getattr(self.settings, name) for name in self.settings.model_fields_set}
        values = {
            f"BTC_{name.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
            for name, value in changed.items()
        }
        return {**os.environ, **values}

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `btc NAME`."""
        command = [sys.executable, "-m", "app.cli", *(arguments or (name,))]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self._processes[name]

    def start_worker(self) -> float:
        """Start the worker and wait until it is ready; return how long that took, in seconds."""
        began = time.monotonic()
        self.start("worker")
        self.wait(lambda: self._answers(self.settings.worker_port, "/readyz"), "worker ready")
        return time.monotonic() - began

    def start_api(self) -> str:
        """Start the API and return its URL once it is ready."""
        self.start("api")
        self.wait(lambda: self._answers(self.settings.api_port, "/readyz"), "API ready")
        return f"http://127.0.0.1:{self.settings.api_port}"

    def kill(self, name: str) -> None:
        """Kill a process with −9."""
        self._processes[name].kill()
        self._processes.pop(name).wait()

    def end(self, name: str) -> int:
        """End a process with SIGTERM and return its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(timeout=20)

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait(self, condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
        """Wait for a condition; on failure show the end of every log."""
        deadline = time.monotonic() + patience_s
        while not (found := condition()):
            if time.monotonic() > deadline:
                logs = {log.name: log.read_text(errors="replace")[-1500:] for log in self._folder.glob("*.log")}
                raise AssertionError(
                    f"waited in vain for: {what}\n" + "\n".join(f"== {n}\n{t}" for n, t in logs.items())
                )
            time.sleep(0.1)
        return found

    @staticmethod
    def _answers(port: int, path: str) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    async def all(self, spec: topics.TopicSpec, shape: Any = None) -> list[Any]:
        """Return every message a topic holds now, as records in the order of their partitions and offsets."""
        consumer = assigned_consumer(self.settings)
        places = partitions_of(spec.full_name(self.settings), spec.partitions(self.settings))
        found: list[Any] = []
        await consumer.start()
        try:
            consumer.assign(places)
            ends = {place: end for place, end in (await end_offsets(consumer, places)).items() if end}
            await consumer.seek_to_beginning()
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    found += messages
        finally:
            await consumer.stop()
        found.sort(key=lambda message: (message.partition, message.offset))
        record = shape or spec.record
        return [made for message in found if (made := _decoded(message.value, record)) is not None]

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Callable[..., Any]]:
        """Give a function that sends raw bytes to a spec's partition and waits for the acknowledgement."""
        sender = producer(self.settings)
        await sender.start()

        async def send(spec: topics.TopicSpec, value: bytes | None, partition: int) -> None:
            await sender.send_and_wait(spec.full_name(self.settings), value, key=b"0", partition=partition)

        try:
            yield send
        finally:
            await sender.stop()


def _decoded(value: bytes | None, record: Any) -> Any:
    try:
        return msgspec.json.decode(value or b"", type=record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # a test put it there
