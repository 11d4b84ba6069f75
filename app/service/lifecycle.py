"""How every process but the worker lives. What enters: its name and its work; what leaves: an exit code.

Logs are set up, topics ensured, health served, heartbeats sent; SIGTERM cancels the work, which then has until its
supervisor's patience to end cleanly. An error a person can mend ends the process in one line.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from app.kafka import topics
from app.logs import logger, set_up
from app.service import health, heartbeat
from app.service.heartbeat import ProcessStatus
from app.settings import Settings

Work = Callable[[Settings, ProcessStatus], Awaitable[None]]
log = logger("process")


class StartupError(RuntimeError):
    """What a person can mend: the message says what, where and what to do."""


def run(name: str, settings: Settings, work: Work) -> int:
    """Run one process until its work ends or SIGTERM; return its exit code."""
    set_up(settings, name)
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_live(name, settings, work))
    except (StartupError, topics.TopicError) as error:
        print(f"btc {name}: {error}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        pass
    return 0


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _live(name: str, settings: Settings, work: Work) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for wish in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wish, task.cancel)
    process_status = ProcessStatus()
    await wait_for_topics(settings)
    async with (
        heartbeat.heartbeats(settings, name, process_status),
        health.serving(settings.host, settings.metrics_port, process_status),
    ):
        log.info(f"{name} started", source=settings.source, kafka=settings.bootstrap)
        with suppress(asyncio.CancelledError):
            await work(settings, process_status)
        log.info(f"{name} stops")


async def wait_for_topics(
    settings: Settings, topic_specs: tuple[topics.TopicSpec, ...] = topics.ALL, patience_s: float = 60.0
) -> None:
    """Ensure the topics; brokers that start up beside us get a minute to answer.

    Raises:
        topics.TopicError: they do not answer by then, or a topic is not what the walk needs.

    """
    deadline = asyncio.get_running_loop().time() + patience_s
    while True:
        try:
            await topics.ensure(settings, topic_specs)
        except topics.TopicError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(1)
        else:
            return
