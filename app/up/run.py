"""Run of the local stack: start the processes in order, keep them running, stop them.

An attended run lasts until Ctrl-C and keeps the source's folder; an unattended one (`seconds`) takes a fresh folder,
waits for so many exchange seconds or the end of a recording, drains, and returns its report.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

from app.kafka import topics
from app.service import ports
from app.service.lifecycle import StartupError, wait_for_topics
from app.settings import Settings
from app.up.local_sources import write_source_file
from app.up.local_stack import LocalStack, RunOptions, check_ports, run_settings
from app.up.source import unreachable_reason
from app.up.stream_client import StreamClient
from app.up.supervisor import Supervisor
from app.up.unattended import unattended

BROKER_TIMEOUT_S, WORKER_TIMEOUT_S, API_TIMEOUT_S, EXCHANGE_TIMEOUT_S = 180.0, 120.0, 30.0, 60.0


async def run(options: RunOptions, base: Settings, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Start the local stack, run it, and stop it; return the report of an unattended run.

    Raises:
        StartupError: a port is taken, or a process does not start; the message says which and what to do.

    """
    folder = options.source.folder(fresh=options.unattended).absolute()
    settings, exchange_port = run_settings(options, base, folder)
    check_ports(settings, options, embedded=not base.kafka_url)
    write_source_file(settings)
    async with Supervisor(folder / "logs", say) as supervisor:
        stack = LocalStack(options, settings, base, folder, exchange_port, supervisor, say)
        return await _until_stopped(stack, embedded=not base.kafka_url)


async def _until_stopped(stack: LocalStack, *, embedded: bool) -> dict[str, Any] | None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    body = asyncio.create_task(_run(stack, embedded=embedded))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({body, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not body.done():
        stack.say("stopping …")
        body.cancel()
    with suppress(asyncio.CancelledError):
        return await body
    return None


async def _run(stack: LocalStack, *, embedded: bool) -> dict[str, Any] | None:
    if not stack.options.source.emulated:
        await _warn_if_unreachable(stack)
    if embedded:
        await _start_broker(stack)
    await _keep_partitions(stack)
    await wait_for_topics(stack.settings)
    if stack.options.source.emulated:
        await _start_exchange(stack)
    await _start_serving(stack)
    client = StreamClient(stack.settings)
    async with client.running():
        await _start_rest(stack)
        if stack.options.unattended:
            return await unattended(stack, client)
        await _attended(stack, client)
    return None


async def _warn_if_unreachable(stack: LocalStack) -> None:
    url = stack.settings.exchange_rest_url
    if reason := await asyncio.to_thread(unreachable_reason, url):
        stack.say(f"Binance at {url} cannot be reached ({reason}); the collector keeps trying.")
        stack.say("Check the network, or stop this and run: btc up --exchange synthetic")


async def _start_broker(stack: LocalStack) -> None:
    stack.say("Kafka: starting the embedded one")
    await stack.start("broker", "broker", "--data", str(stack.folder / "kafka"))
    await _wait_for(stack, "broker", lambda: ports.answers(stack.settings.broker_port), BROKER_TIMEOUT_S)


async def _keep_partitions(stack: LocalStack) -> None:
    """Use the partition count of the topics that are there, unless the settings name one."""
    try:
        count = await topics.partition_count(stack.settings, topics.TICKS)
    except topics.TopicError:  # Kafka does not answer yet; whoever needs it waits, and says so
        return
    if count and "partitions" not in stack.base.model_fields_set:
        stack.settings = stack.settings.model_copy(update={"partitions": count})


async def _start_exchange(stack: LocalStack) -> None:
    port = str(stack.exchange_port)
    arguments = ["--port", port, "--speed", str(stack.options.speed), *stack.options.source.arguments()]
    if stack.options.source.kind == "synthetic":
        arguments += ["--symbols", ",".join(stack.settings.symbols)]
    await stack.start("exchange", "exchange", *arguments)
    await _wait_for(stack, "exchange", lambda: _answers(stack.exchange_port, "/api/v3/ping"), EXCHANGE_TIMEOUT_S)


async def _start_serving(stack: LocalStack) -> None:
    await stack.start("worker")
    await stack.start("api")
    await _wait_for(stack, "worker", lambda: _answers(stack.settings.worker_port, "/readyz"), WORKER_TIMEOUT_S)
    await _wait_for(stack, "api", lambda: _answers(stack.settings.api_port, "/healthz"), API_TIMEOUT_S)


async def _start_rest(stack: LocalStack) -> None:
    await stack.start("collector", "collect")
    await stack.start("archive")
    await stack.start("trainer", "train")
    if stack.options.ui and not stack.options.unattended:
        await stack.start("dashboard")
        await stack.start("kafka-ui")


def _answers(port: int, path: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code == httpx.codes.OK
    return False


async def _wait_for(stack: LocalStack, name: str, is_ready: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    child = stack.supervisor.children[name]
    while not await asyncio.to_thread(is_ready):
        if child.restarts >= 3:
            raise StartupError(f"{name} does not start: {child.ended[-1]} (its log: {child.log})")
        if time.monotonic() > deadline:
            raise StartupError(f"{name} is not ready after {timeout_s:g} s: see {child.log}")
        await asyncio.sleep(0.2)


async def _attended(stack: LocalStack, client: StreamClient) -> None:
    _say_addresses(stack)
    terminal = sys.stdout.isatty()
    while True:
        await asyncio.sleep(1 if terminal else 10)
        status = client.status(stack.elapsed_s)
        if terminal:
            print(f"\r\033[K{status}", end="", flush=True)
        else:
            stack.say(status)


def _say_addresses(stack: LocalStack) -> None:
    s = stack.settings
    stack.say(f"source     {s.source}" + ("" if stack.options.source.emulated else " (Binance)"))
    stack.say(f"API        http://localhost:{s.api_port}/       docs: http://localhost:{s.api_port}/docs")
    if stack.options.ui:
        stack.say(f"dashboard  http://localhost:{s.dashboard_port}/")
        stack.say(f"Kafka UI   http://localhost:{s.kafka_ui_port}/")
    stack.say(f"logs       {stack.supervisor.folder}        Ctrl-C stops everything")
