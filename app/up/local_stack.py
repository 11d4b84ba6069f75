"""The local stack: the options and settings of one `btc up`, and how its processes are started."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.service import ports
from app.service.lifecycle import StartupError
from app.settings import Settings
from app.up.source import TickSource
from app.up.supervisor import Supervisor

LOCAL_PARTITIONS = 1  # one worker needs no more, and each costs a batch a second; a data folder keeps what it has
BACKGROUND = ("archive", "trainer", "dashboard", "kafka-ui")  # no forecast waits for them, so they yield the CPU
BACKGROUND_NICE = 10
OWN_PORTS = ("api_port", "worker_port", "dashboard_port", "kafka_ui_port", "broker_port")


@dataclass(frozen=True)
class RunOptions:
    """The options of one `btc up`."""

    source: TickSource
    speed: float = 1.0
    symbols: tuple[str, ...] = ()
    seconds: int | None = None  # exchange seconds; None: until Ctrl-C
    until_end: bool = False  # unattended to the recording's end
    report: Path | None = None
    kill: tuple[str, float] | None = None  # process, after so many seconds collected
    ui: bool = True  # the dashboard and the Kafka UI too

    @property
    def unattended(self) -> bool:
        """Whether the run ends by itself."""
        return self.seconds is not None or self.until_end


@dataclass
class LocalStack:
    """One run: its settings, its processes and what was measured of them."""

    options: RunOptions
    settings: Settings
    base: Settings  # as the environment sets them
    folder: Path
    exchange_port: int
    supervisor: Supervisor
    say: Callable[[str], None]
    started_s: float = field(default_factory=time.monotonic)
    recovery_s: dict[str, list[float]] = field(default_factory=dict)

    @property
    def elapsed_s(self) -> float:
        """Wall time since the start, seconds."""
        return time.monotonic() - self.started_s

    async def start(self, name: str, *arguments: str) -> None:
        """Start `btc NAME`, or `btc ARGUMENTS` under that name, under supervision."""
        command = [sys.executable, "-m", "app.cli", *(arguments or (name,))]
        environment = {**self.settings.environment(), "PYTHONUNBUFFERED": "1"}
        await self.supervisor.start(name, command, environment, BACKGROUND_NICE if name in BACKGROUND else 0)


def run_settings(options: RunOptions, base: Settings, folder: Path) -> tuple[Settings, int]:
    """Return the settings of a run and its exchange's port; an unattended run takes free ports."""
    exchange_port = ports.free_port() if options.source.emulated else 0
    changes: dict[str, Any] = {"source": options.source.name, "speed": options.speed, "data_dir": folder}
    if "partitions" not in base.model_fields_set:
        changes["partitions"] = LOCAL_PARTITIONS
    if options.symbols:
        changes["symbols"] = options.symbols
    if options.source.emulated:
        changes["exchange_ws_url"] = f"ws://127.0.0.1:{exchange_port}"
        changes["exchange_rest_url"] = f"http://127.0.0.1:{exchange_port}"
    if options.unattended:
        changes |= {name: ports.free_port() for name in OWN_PORTS}
    if not base.kafka_url:
        changes["kafka_url"] = f"127.0.0.1:{changes.get('broker_port', base.broker_port)}"
    return base.model_copy(update=changes), exchange_port


def check_ports(settings: Settings, options: RunOptions, *, embedded: bool) -> None:
    """Raise StartupError if a port of this run is taken, naming the process that holds it."""
    needed = {"api_port": "API", "worker_port": "worker"}
    if options.ui and not options.unattended:
        needed |= {"dashboard_port": "dashboard", "kafka_ui_port": "Kafka UI"}
    if embedded:
        needed["broker_port"] = "Kafka"
    for setting, name in needed.items():
        if reason := ports.taken_reason(getattr(settings, setting), name, f"BTC_{setting.upper()}"):
            raise StartupError(reason)
