"""The whole walk on one machine. What enters: a source and a few wishes; what leaves: doors, and in the end a report.

Attended, it runs until Ctrl-C and keeps the source's folder; unattended (`seconds`), it takes a fresh folder, waits
for so many exchange seconds or the end of a recording, drains, and writes what happened.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app import ports, topics
from app.process import ProcessError, topics_when_kafka_answers
from app.settings import Settings
from app.up import report
from app.up.listen import Listener
from app.up.source import Source
from app.up.supervisor import Supervisor

WORKER_PATIENCE_S = 120.0
DRAIN_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Wishes:
    """What the person at the keyboard asked for."""

    source: Source
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
class House:
    """One run: its settings, its processes and what was seen of them."""

    wishes: Wishes
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
        await self.supervisor.start(name, command, self.environment())


async def run(wishes: Wishes, base: Settings, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Bring the house up, run it, and take it down; return the report of an unattended run.

    Raises:
        ProcessError: a port is taken, or a process does not come up; the message says which and what to do.

    """
    folder = (wishes.source.folder(fresh=wishes.unattended)).absolute()
    settings, exchange_port = _settled(wishes, base, folder)
    _check_ports(settings, wishes, embedded=not base.kafka_url)
    stop = asyncio.Event()
    for wish in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(wish, stop.set)
    async with Supervisor(folder / "logs", say) as supervisor:
        house = House(wishes, settings, folder, exchange_port, supervisor, say)
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


def _settled(wishes: Wishes, base: Settings, folder: Path) -> tuple[Settings, int]:
    """Return the settings of this run: the source's URLs and folder, free ports where nobody will look for them."""
    exchange_port = ports.free_port() if wishes.source.emulated else 0
    changes: dict[str, Any] = {"source": wishes.source.name, "speed": wishes.speed, "data_dir": folder}
    if wishes.symbols:
        changes["symbols"] = wishes.symbols
    if wishes.source.emulated:
        changes["exchange_ws_url"] = f"ws://127.0.0.1:{exchange_port}"
        changes["exchange_rest_url"] = f"http://127.0.0.1:{exchange_port}"
    if wishes.unattended:
        own = ("api_port", "worker_port", "dashboard_port", "kafka_ui_port", "broker_port")
        changes |= dict.fromkeys(own, 0) | {name: ports.free_port() for name in own}
    if not base.kafka_url:
        changes["kafka_url"] = f"127.0.0.1:{changes.get('broker_port', base.broker_port)}"
    return base.model_copy(update=changes), exchange_port


def _check_ports(settings: Settings, wishes: Wishes, *, embedded: bool) -> None:
    wanted = {"API": settings.api_port, "worker": settings.worker_port}
    if wishes.doors and not wishes.unattended:
        wanted |= {"dashboard": settings.dashboard_port, "Kafka UI": settings.kafka_ui_port}
    if embedded:
        wanted["Kafka"] = settings.broker_port
    for name, port in wanted.items():
        if not ports.is_free(port):
            holder = ports.holder(port) or "a process of another user"
            raise ProcessError(f"port {port} ({name}) is taken by {holder}: end it, or set BTC_…_PORT to another")


async def _live(house: House, *, embedded: bool) -> dict[str, Any] | None:
    wishes, say = house.wishes, house.say
    if embedded:
        say("Kafka: starting the embedded one")
        await house.start("broker", "broker", "--data", str(house.folder / "kafka"))
        await _until(house, "broker", lambda: ports.answers(house.settings.broker_port), 180)
    await topics_when_kafka_answers(house.settings)
    if wishes.source.emulated:
        await _start_exchange(house)
    await house.start("worker")
    await house.start("api")
    await _until(house, "worker", lambda: _answers(house.settings.worker_port, "/readyz"), WORKER_PATIENCE_S)
    await _until(house, "api", lambda: _answers(house.settings.api_port, "/healthz"), 30)
    listener = Listener(house.settings)
    async with listener.listening():
        await house.start("collector", "collect")
        await house.start("archive")
        await house.start("trainer", "train")
        if wishes.doors and not wishes.unattended:
            await house.start("dashboard")
            await house.start("kafka-ui")
        if not wishes.unattended:
            await _attended(house, listener)
            return None
        return await _unattended(house, listener)


async def _start_exchange(house: House) -> None:
    port = str(house.exchange_port)
    arguments = ["--port", port, "--speed", str(house.wishes.speed), *house.wishes.source.arguments()]
    if house.wishes.source.kind == "synthetic":
        arguments += ["--symbols", ",".join(house.settings.symbols)]
    await house.start("exchange", "exchange", *arguments)
    await _until(house, "exchange", lambda: _answers(house.exchange_port, "/api/v3/ping"), 60)


def _answers(port: int, path: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code == httpx.codes.OK
    return False


async def _until(house: House, name: str, ready: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    child = house.supervisor.children[name]
    while not await asyncio.to_thread(ready):
        if child.restarts >= 3:
            raise ProcessError(f"{name} does not start: {child.ended[-1]} (its log: {child.log})")
        if time.monotonic() > deadline:
            raise ProcessError(f"{name} is not ready after {patience_s:g} s: see {child.log}")
        await asyncio.sleep(0.2)


async def _attended(house: House, listener: Listener) -> None:
    s = house.settings
    house.say(f"source     {s.source}" + ("" if house.wishes.source.emulated else " (Binance)"))
    house.say(f"API        http://localhost:{s.api_port}/       docs: http://localhost:{s.api_port}/docs")
    if house.wishes.doors:
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


async def _unattended(house: House, listener: Listener) -> dict[str, Any]:
    told = 0.0
    kill = house.wishes.kill
    while not await _enough(house, listener):
        if kill and listener.seconds >= kill[1]:
            asyncio.create_task(_kill(house, listener, kill[0])).add_done_callback(lambda task: task.exception())
            kill = None
        if time.monotonic() - told > 10:
            told = time.monotonic()
            house.say(listener.line(told - house.began_s))
        await asyncio.sleep(0.25)
    house.say("draining …")
    await house.supervisor.stop("collector")
    await _drained(house)
    return await _write(house, listener)


async def _enough(house: House, listener: Listener) -> bool:
    if house.wishes.seconds is not None and listener.seconds >= house.wishes.seconds:
        return True
    if house.wishes.source.kind != "replay":
        return False
    with suppress(httpx.HTTPError, ValueError):
        async with httpx.AsyncClient() as client:
            state = (await client.get(f"http://127.0.0.1:{house.exchange_port}/emulator", timeout=2)).json()
        return bool(state.get("finished"))
    return False


async def _kill(house: House, listener: Listener, name: str) -> None:
    house.say(f"killing {name} with -9, as asked")
    before, at_s = listener.newest, time.monotonic()
    house.supervisor.kill(name)
    while listener.newest <= before + 1:
        await asyncio.sleep(0.05)
    house.recovery_s.setdefault(name, []).append(round(time.monotonic() - at_s, 2))


async def _drained(house: House) -> None:
    """Wait until the newest collected second of every partition is settled, or the patience is over."""
    deadline = time.monotonic() + DRAIN_PATIENCE_S
    while time.monotonic() < deadline:
        ends = [await report.newest(house.settings, corridor) for corridor in (topics.TICKS, topics.OUTCOMES)]
        if ends[0] and ends[0] == ends[1]:
            return
        await asyncio.sleep(0.3)


async def _write(house: House, listener: Listener) -> dict[str, Any]:
    await asyncio.sleep(5)  # one heartbeat more of everybody
    walked = await report.walked(house.settings)
    children = house.supervisor.children.values()
    restarts = {child.name: child.restarts for child in children}
    result: dict[str, Any] = {
        "source": house.settings.source,
        "speed": house.settings.speed,
        "symbols": list(house.settings.symbols),
        "seconds": walked.seconds(),
        "latency_ms": {
            "features": report.spread_ms(walked.features_ms),
            "prediction": report.spread_ms(walked.prediction_ms),
            "websocket": report.spread_ms(listener.latencies_ms),
        },
        "models": walked.models,
        "restarts": restarts,
        "recovery_s": house.recovery_s,
        "errors": dict(walked.errors),
        "resources": {
            child.name: {"rss_mb": round(child.rss_mb, 1), "cpu_s": round(child.cpu_before_s + child.cpu_s, 1)}
            for child in children
        },
        "flags": dict(listener.flags),
        "wall_s": round(time.monotonic() - house.began_s, 1),
    }
    killed = house.wishes.kill[0] if house.wishes.kill else ""
    result["reasons"] = report.reasons(result, killed)
    result["ok"] = not result["reasons"]
    if house.wishes.report:
        await asyncio.to_thread(house.wishes.report.write_text, json.dumps(result, indent=2) + "\n")
    return result
