"""The whole walk on one machine. What enters: a source and a few options; what leaves: doors, and in the end a report.

Attended, it runs until Ctrl-C and keeps the source's folder; unattended (`seconds`), it takes a fresh folder, waits
for so many exchange seconds or the end of a recording, drains, and writes what happened.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

from app.service import ports
from app.service.lifecycle import StartupError, wait_for_topics
from app.settings import Settings
from app.up.local_stack import LocalStack, RunOptions, check_ports, run_settings
from app.up.source import unreachable_reason
from app.up.stream_client import StreamClient
from app.up.supervisor import Supervisor
from app.up.unattended import unattended

WORKER_PATIENCE_S = 120.0


async def run(options: RunOptions, base: Settings, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Bring the house up, run it, and take it down; return the report of an unattended run.

    Raises:
        StartupError: a port is taken, or a process does not come up; the message says which and what to do.

    """
    folder = (options.source.folder(fresh=options.unattended)).absolute()
    settings, exchange_port = run_settings(options, base, folder)
    check_ports(settings, options, embedded=not base.kafka_url)
    stop = asyncio.Event()
    for wish in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(wish, stop.set)
    async with Supervisor(folder / "logs", say) as supervisor:
        house = LocalStack(options, settings, folder, exchange_port, supervisor, say)
        body = asyncio.create_task(_live(house, embedded=not base.kafka_url))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({body, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not body.done():
            say("stopping …")
            body.cancel()
        with suppress(asyncio.CancelledError):
            return await body
    return None


async def _live(house: LocalStack, *, embedded: bool) -> dict[str, Any] | None:
    options, say = house.options, house.say
    if not options.source.emulated:
        await _warn_if_live_is_silent(house)
    if embedded:
        say("Kafka: starting the embedded one")
        await house.start("broker", "broker", "--data", str(house.folder / "kafka"))
        await _until(house, "broker", lambda: ports.answers(house.settings.broker_port), 180)
    await wait_for_topics(house.settings)
    if options.source.emulated:
        await _start_exchange(house)
    await house.start("worker")
    await house.start("api")
    await _until(house, "worker", lambda: _answers(house.settings.worker_port, "/readyz"), WORKER_PATIENCE_S)
    await _until(house, "api", lambda: _answers(house.settings.api_port, "/healthz"), 30)
    listener = StreamClient(house.settings)
    async with listener.listening():
        await house.start("collector", "collect")
        await house.start("archive")
        await house.start("trainer", "train")
        if options.doors and not options.unattended:
            await house.start("dashboard")
            await house.start("kafka-ui")
        if not options.unattended:
            await _attended(house, listener)
            return None
        return await unattended(house, listener)


async def _warn_if_live_is_silent(house: LocalStack) -> None:
    url = house.settings.exchange_rest_url
    if reason := await asyncio.to_thread(unreachable_reason, url):
        house.say(f"Binance at {url} cannot be reached ({reason}); the collector keeps trying.")
        house.say("See to the network, or stop this and run: btc up --exchange synthetic")


async def _start_exchange(house: LocalStack) -> None:
    port = str(house.exchange_port)
    arguments = ["--port", port, "--speed", str(house.options.speed), *house.options.source.arguments()]
    if house.options.source.kind == "synthetic":
        arguments += ["--symbols", ",".join(house.settings.symbols)]
    await house.start("exchange", "exchange", *arguments)
    await _until(house, "exchange", lambda: _answers(house.exchange_port, "/api/v3/ping"), 60)


def _answers(port: int, path: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code == httpx.codes.OK
    return False


async def _until(house: LocalStack, name: str, ready: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    child = house.supervisor.children[name]
    while not await asyncio.to_thread(ready):
        if child.restarts >= 3:
            raise StartupError(f"{name} does not start: {child.ended[-1]} (its log: {child.log})")
        if time.monotonic() > deadline:
            raise StartupError(f"{name} is not ready after {patience_s:g} s: see {child.log}")
        await asyncio.sleep(0.2)


async def _attended(house: LocalStack, listener: StreamClient) -> None:
    s = house.settings
    house.say(f"source     {s.source}" + ("" if house.options.source.emulated else " (Binance)"))
    house.say(f"API        http://localhost:{s.api_port}/       docs: http://localhost:{s.api_port}/docs")
    if house.options.doors:
        house.say(f"dashboard  http://localhost:{s.dashboard_port}/")
        house.say(f"Kafka UI   http://localhost:{s.kafka_ui_port}/")
    house.say(f"logs       {house.supervisor.folder}        Ctrl-C stops everything")
    while True:
        await asyncio.sleep(1 if sys.stdout.isatty() else 10)
        line = listener.line(time.monotonic() - house.began_s)
        if sys.stdout.isatty():
            print(f"\r\033[K{line}", end="", flush=True)
        else:
            house.say(line)
