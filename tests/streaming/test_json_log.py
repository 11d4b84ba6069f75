"""In `ecs` format every line of the worker is one JSON object, from its start to its end."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.service import ports

COMMANDS = [["-m", "app.cli", "worker"], ["-m", "faust", "-A", "app", "worker", "-l", "info"]]


async def start(command: list[str], port: int, folder: Path) -> asyncio.subprocess.Process:
    """Start a worker without Kafka; both of its outputs are one pipe."""
    variables = {"BTC_LOG_FORMAT": "ecs", "BTC_KAFKA_URL": "127.0.0.1:9", "BTC_WORKER_PORT": str(port),
                 "BTC_DATA_DIR": str(folder)}  # fmt: skip
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, env={**os.environ, **variables}, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


def parsed(output: bytes) -> list[dict[str, Any]]:
    """Return the line's objects; raise ValueError with the first line that is none."""
    found = []
    for line in output.splitlines():
        try:
            found.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"not a JSON object: {line!r}") from error
    return found


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=["btc worker", "faust worker"])
async def test_a_worker_that_waits_for_kafka_logs_json_and_ends_on_sigterm(command: list[str], tmp_path: Path) -> None:
    """No banner, no ANSI code of a spinner; its health is answered meanwhile."""
    port = ports.free_port()
    worker = await start(command, port, tmp_path)
    try:
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            while True:
                try:
                    alive, ready = await client.get("/healthz"), await client.get("/readyz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            worker.terminate()
            output, _ = await worker.communicate()
    finally:
        if worker.returncode is None:
            worker.kill()
    assert (worker.returncode, alive.status_code, ready.status_code) == (0, 200, 503)
    assert ready.text.startswith("Kafka at 127.0.0.1:9 cannot be used for")
    assert "waiting for Kafka" in {line["message"] for line in parsed(output)}


@pytest.mark.slow
async def test_a_worker_that_cannot_start_says_so_in_json(tmp_path: Path) -> None:
    """A taken port: the one line an operator reads is a message of the log."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        worker = await start(COMMANDS[0], port, tmp_path)
        async with asyncio.timeout(60):
            output, _ = await worker.communicate()
    ends = [line["message"] for line in parsed(output) if line["message"].startswith("btc worker: ")]
    assert worker.returncode == 1
    assert ends[0].startswith(f"btc worker: port {port} (worker) is taken by")
