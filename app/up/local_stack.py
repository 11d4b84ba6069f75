"""One run on this machine. What enters: options and settings; what leaves: a house whose processes can be started."""

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

BACKSTAGE = ("archive", "trainer", "dashboard", "kafka-ui")  # no forecast waits for them, so they wait for forecasts
NICE = 10


@dataclass(frozen=True)
class RunOptions:
    """What the person at the keyboard asked for."""

    source: TickSource
    speed: float = 1.0
    symbols: tuple[str, ...] = ()
    seconds: int | None = None  # exchange seconds; None: until Ctrl-C
    until_end: bool = False  # unattended to the recording's end
    report: Path | None = None
    kill: tuple[str, float] | None = None  # process, after so many seconds collected
    doors: bool = True  # dashboard and Kafka UI too

    @property
    def unattended(self) -> bool:
        """Whether the run ends by itself."""
        return self.seconds is not None or self.until_end


@dataclass
class LocalStack:
    """One run: its settings, its processes and what was seen of them."""

    options: RunOptions
    settings: Settings
    folder: Path
    exchange_port: int
    supervisor: Supervisor
    say: Callable[[str], None]
    began_s: float = field(default_factory=time.monotonic)
    recovery_s: dict[str, list[float]] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return what every process reads its settings from."""
        return {
            "BTC_KAFKA_URL": self.settings.kafka_url or f"127.0.0.1:{self.settings.broker_port}",
            "BTC_SOURCE": self.settings.source,
            "BTC_SPEED": str(self.settings.speed),
            "BTC_SYMBOLS": ",".join(self.settings.symbols),
            "BTC_DATA_DIR": str(self.folder),
            "BTC_EXCHANGE_WS_URL": self.settings.exchange_ws_url,
            "BTC_EXCHANGE_REST_URL": self.settings.exchange_rest_url,
            "BTC_API_PORT": str(self.settings.api_port),
            "BTC_DASHBOARD_PORT": str(self.settings.dashboard_port),
            "BTC_KAFKA_UI_PORT": str(self.settings.kafka_ui_port),
            "BTC_WORKER_PORT": str(self.settings.worker_port),
            "PYTHONUNBUFFERED": "1",
        }

    async def start(self, name: str, *arguments: str) -> None:
        """Start one of our own commands under supervision."""
        command = [sys.executable, "-m", "app.cli", *(arguments or (name,))]
        await self.supervisor.start(name, command, self.environment(), NICE if name in BACKSTAGE else 0)


def run_settings(options: RunOptions, base: Settings, folder: Path) -> tuple[Settings, int]:
    """Return the settings of this run: the source's URLs and folder, free ports where nobody will look for them."""
    exchange_port = ports.free_port() if options.source.emulated else 0
    changes: dict[str, Any] = {"source": options.source.name, "speed": options.speed, "data_dir": folder}
    if options.symbols:
        changes["symbols"] = options.symbols
    if options.source.emulated:
        changes["exchange_ws_url"] = f"ws://127.0.0.1:{exchange_port}"
        changes["exchange_rest_url"] = f"http://127.0.0.1:{exchange_port}"
    if options.unattended:
        own = ("api_port", "worker_port", "dashboard_port", "kafka_ui_port", "broker_port")
        changes |= dict.fromkeys(own, 0) | {name: ports.free_port() for name in own}
    if not base.kafka_url:
        changes["kafka_url"] = f"127.0.0.1:{changes.get('broker_port', base.broker_port)}"
    return base.model_copy(update=changes), exchange_port


def check_ports(settings: Settings, options: RunOptions, *, embedded: bool) -> None:
    """Raise StartupError if a port we need is taken, naming its holder."""
    wanted = {"API": settings.api_port, "worker": settings.worker_port}
    if options.doors and not options.unattended:
        wanted |= {"dashboard": settings.dashboard_port, "Kafka UI": settings.kafka_ui_port}
    if embedded:
        wanted["Kafka"] = settings.broker_port
    for name, port in wanted.items():
        if not ports.is_free(port):
            holder = ports.holder(port) or "a process of another user"
            raise StartupError(f"port {port} ({name}) is taken by {holder}: end it, or set BTC_…_PORT to another")
