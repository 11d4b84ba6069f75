"""The product's own commands as processes on one Kafka, for benchmarks and live tests."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from app.service import ports
from app.settings import Settings

READY_PATIENCE_S = 120.0  # a worker is ready in 6 s; on a machine busy with other work it may take a minute
END_PATIENCE_S = 20.0


class NotReadyError(RuntimeError):
    """Something did not come in time; the message says what, and shows the end of the logs."""


class Processes:
    """Commands that run with one set of settings; all of them end with the `with`, or with `close`."""

    def __init__(self, folder: Path, kafka: str, prefix: str = "bench", **more: Any) -> None:
        self.settings = Settings(
            kafka_url=kafka, topic_prefix=prefix, app_id=prefix, data_dir=folder / prefix, archive_flush_s=1.0,
            api_port=ports.free_port(), worker_port=ports.free_port(), **more,
        )  # fmt: skip
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self, name: str, *arguments: str) -> psutil.Process:
        """Start `btc NAME`, or `btc ARGUMENTS` under that name."""
        command = [sys.executable, "-m", "app.cli", *(arguments or (name,))]
        environment = {**os.environ, **self.settings.environment()}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._running[name] = process
        return psutil.Process(process.pid)

    def start_worker(self) -> psutil.Process:
        """Start the worker and wait until it is ready."""
        worker = self.start("worker")
        self.wait(lambda: _answers(self.settings.worker_port, "/readyz"), "the worker to be ready")
        return worker

    def start_api(self) -> str:
        """Start the API and return its URL once it is ready."""
        self.start("api")
        self.wait(lambda: _answers(self.settings.api_port, "/readyz"), "the API to be ready")
        return f"http://127.0.0.1:{self.settings.api_port}"

    def kill(self, name: str) -> None:
        """Kill a process with −9."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """End a process with SIGTERM and return its exit code; negative where it had to be killed."""
        return end(self._running.pop(name))

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            end(process)
        self._running.clear()

    def tail(self, name: str) -> str:
        """Return the end of a process's log."""
        log = self.folder / f"{name}.log"
        return log.read_text(errors="replace")[-1500:] if log.exists() else ""

    def wait(self, condition: Callable[[], Any], what: str, patience_s: float = READY_PATIENCE_S) -> Any:
        """Wait for a condition and return it; raise NotReadyError with the end of every log."""
        try:
            return until(condition, what, patience_s)
        except NotReadyError as error:
            logs = (f"== {log.name}\n{self.tail(log.stem)}" for log in sorted(self.folder.glob("*.log")))
            raise NotReadyError("\n".join((str(error), *logs))) from None


def end(process: "subprocess.Popen[bytes]") -> int:
    """End a process with SIGTERM, kill it after 20 s; return its exit code."""
    process.terminate()
    try:
        return process.wait(timeout=END_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def until(condition: Callable[[], Any], what: str, patience_s: float = READY_PATIENCE_S, every_s: float = 0.1) -> Any:
    """Wait for something to be true and return it; raise NotReadyError when the patience is over."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise NotReadyError(f"waited {patience_s:g} s in vain for {what}")
        time.sleep(every_s)
    return found


def _answers(port: int, path: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
