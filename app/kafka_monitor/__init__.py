"""Monitor of one broker: `/healthz`, `/readyz`, `/metrics`, and `/before-stop`, which answers when it may stop.

It runs beside its broker, connects to that one as any client does, and ends when the broker has ended.
"""

import asyncio
import signal
import time
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.kafka_monitor.before_stop import LONGEST_S, BeforeStop
from app.kafka_monitor.monitor import Monitor
from app.logs import logger, report_end, set_up
from app.service import health, ports
from app.settings import Settings

CLOSED_S = 2.0  # a broker whose port has been closed for so long has ended
SHUTDOWN_S = 100.0  # of the broker itself, after it was let go
log = logger("kafka-monitor")


def run(settings: Settings) -> int:
    """Monitor the first broker of `kafka_url` until SIGTERM and the end of that broker; return the exit code."""
    set_up(settings, "kafka-monitor")
    try:
        asyncio.run(_run(settings))
    except ports.PortError as error:
        report_end(settings, "kafka-monitor", str(error))
        return 1
    return 0


async def _run(settings: Settings) -> None:
    monitor, asked_to_end = Monitor(settings), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    checks = health.Checks(monitor.stall_reason, monitor.not_ready_reason)
    async with health.serving(settings.host, settings.metrics_port, checks, more=[before_stop_route(monitor)]):
        log.info("kafka-monitor started", broker=settings.bootstrap)
        task = asyncio.create_task(monitor.run(), name="monitor")
        await asked_to_end.wait()
        await until_closed(monitor, LONGEST_S + SHUTDOWN_S)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    log.info("kafka-monitor stops")


def before_stop_route(monitor: Monitor) -> Route:
    """Return the page that answers when the broker may stop."""

    async def page(_request: Request) -> Response:
        started_s = time.monotonic()
        reason = await BeforeStop(monitor).wait()
        log.info("the broker may stop", reason=reason, after_s=round(time.monotonic() - started_s, 1))
        return PlainTextResponse(reason)

    return Route("/before-stop", page)


async def until_closed(monitor: Monitor, timeout_s: float) -> None:
    """Wait until nothing has listened on the broker's port for two seconds, at most for `timeout_s`."""
    deadline_s, open_s = time.monotonic() + timeout_s, time.monotonic()
    while time.monotonic() < min(deadline_s, open_s + CLOSED_S):
        if monitor.is_answering or await _is_open(*monitor.address):
            open_s = time.monotonic()
        await asyncio.sleep(0.2)


async def _is_open(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
