"""The life of every process but the worker: logs, health pages, topics, heartbeats, its work, graceful shutdown.

Health is answered from the start: while Kafka is away the process waits for it, alive and not ready.
SIGTERM cancels the work, which then has the grace period of its supervisor to finish. An error the operator can fix
ends the process with one line.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from app.kafka import topics
from app.logs import logger, report_end, set_up
from app.retry import retrying
from app.service import health, heartbeat, ports
from app.service.heartbeat import ProcessStatus
from app.service.kafka_watch import KafkaWatch, watching
from app.settings import Settings

Work = Callable[[Settings, ProcessStatus], Awaitable[None]]
log = logger("process")


class StartupError(RuntimeError):
    """An error the operator can fix: the message says what, where and what to do."""


def run(name: str, settings: Settings, work: Work, *, needs_topics: bool = True) -> int:
    """Run one process until its work ends or SIGTERM; return its exit code.

    With `needs_topics` the work starts when Kafka answers and has the topics; otherwise at once.
    """
    set_up(settings, name)
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_run(name, settings, work, needs_topics=needs_topics))
    except (StartupError, topics.TopicError, ports.PortError) as error:
        report_end(settings, name, str(error))
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


async def _run(name: str, settings: Settings, work: Work, *, needs_topics: bool) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    kafka = KafkaWatch(settings)
    status = ProcessStatus(kafka_reason=kafka.not_ready_reason, kafka_answering_s=kafka.answering_s)
    async with (
        health.serving(settings.host, settings.metrics_port, status.checks()),
        watching(kafka),
        heartbeat.heartbeats(settings, name, status),
    ):
        if needs_topics:
            status.not_ready_reason = lambda: "the topics are being created"
            await await_topics(settings, kafka)
            status.not_ready_reason = lambda: ""
        log.info(f"{name} started", source=settings.source, kafka=settings.bootstrap)
        with suppress(asyncio.CancelledError):
            await work(settings, status)
        log.info(f"{name} stops")


async def await_topics(settings: Settings, kafka: KafkaWatch, specs: tuple[topics.TopicSpec, ...] = topics.ALL) -> None:
    """Wait for Kafka as long as it takes, then create and check the topics.

    Raises:
        topics.TopicError: a topic is not as the pipeline needs it.

    """
    await kafka.wait()
    await retrying(
        lambda: topics.ensure(settings, specs), "create the topics", process="startup",
        on=topics.KafkaUnavailableError, first_wait_s=0.5,
    )  # fmt: skip


async def wait_for_topics(
    settings: Settings, specs: tuple[topics.TopicSpec, ...] = topics.ALL, timeout_s: float = 60.0
) -> None:
    """Create and check the topics, for commands: brokers that are starting get a minute to answer.

    Raises:
        topics.TopicError: they do not answer by then, or a topic is not as the pipeline needs it.

    """
    deadline_s = time.monotonic() + timeout_s
    await retrying(
        lambda: topics.ensure(settings, specs), "create the topics", process="startup", on=topics.TopicError,
        unless=lambda _error: time.monotonic() > deadline_s, first_wait_s=0.5, longest_wait_s=1.0,
    )  # fmt: skip
