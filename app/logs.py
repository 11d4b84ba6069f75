"""Structured logging: lines for people, or JSON in ECS fields."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import ecs_logging
import structlog

from app.settings import Settings

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.format_exc_info,
]


def set_up(settings: Settings, process: str) -> None:
    """Send this process's log to standard error, in the format the settings name."""
    logging.basicConfig(level=settings.log_level, stream=sys.__stderr__, format="%(message)s", force=True)
    for chatty in ("aiokafka", "asyncio", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("aiokafka").addFilter(_is_no_failed_connection)
    structlog.contextvars.bind_contextvars(**{"service.name": f"btc-{process}", "service.node.name": settings.instance})
    structlog.configure(
        processors=[*SHARED, *_tail(settings)],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
        cache_logger_on_first_use=True,
    )
    if settings.log_format == "ecs":
        logging.getLogger().handlers[0].setFormatter(ecs_logging.StdlibFormatter())


def report_end(settings: Settings, process: str, reason: str, stream: TextIO | None = None) -> None:
    """Say why a process ends: the one line an operator reads, `btc worker: …`; in `ecs` format an error of the log."""
    if settings.log_format == "ecs":
        logger("process").error(f"btc {process}: {reason}")
    else:
        print(f"btc {process}: {reason}", file=stream or sys.stderr, flush=True)


def _is_no_failed_connection(record: logging.LogRecord) -> bool:
    # Each client says it at each attempt; "waiting for Kafka" says it once a minute.
    return not record.getMessage().startswith("Unable connect to")


def _tail(settings: Settings) -> list[Any]:
    if settings.log_format == "ecs":
        return [ecs_logging.StructlogFormatter()]
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S"),
        _without_service,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=1),
    ]


def _without_service(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # On a console the supervisor already names the process.
    return {key: value for key, value in event.items() if not key.startswith("service.")}


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one part of the system."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(part=name)
    return bound
