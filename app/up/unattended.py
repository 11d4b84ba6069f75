"""A run that ends by itself. What enters: a house that is up; what leaves: its report."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import httpx

from app.kafka import topics
from app.up import report
from app.up.local_stack import LocalStack
from app.up.stream_client import StreamClient

DRAIN_PATIENCE_S = 30.0


async def unattended(house: LocalStack, listener: StreamClient) -> dict[str, Any]:
    """Wait for the wished seconds or the recording's end, drain, and return what happened."""
    told = 0.0
    kill = house.options.kill
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


async def _enough(house: LocalStack, listener: StreamClient) -> bool:
    if house.options.seconds is not None and listener.seconds >= house.options.seconds:
        return True
    if house.options.source.kind != "replay":
        return False
    with suppress(httpx.HTTPError, ValueError):
        async with httpx.AsyncClient() as client:
            state = (await client.get(f"http://127.0.0.1:{house.exchange_port}/emulator", timeout=2)).json()
        return bool(state.get("finished"))
    return False


async def _kill(house: LocalStack, listener: StreamClient, name: str) -> None:
    house.say(f"killing {name} with -9, as asked")
    before, at_s = listener.newest, time.monotonic()
    house.supervisor.kill(name)
    while listener.newest <= before + 1:
        await asyncio.sleep(0.05)
    house.recovery_s.setdefault(name, []).append(round(time.monotonic() - at_s, 2))


async def _drained(house: LocalStack) -> None:
    """Wait until the newest collected second of every partition is settled, or the patience is over."""
    deadline = time.monotonic() + DRAIN_PATIENCE_S
    while time.monotonic() < deadline:
        ends = [await report.newest(house.settings, spec) for spec in (topics.TICKS, topics.OUTCOMES)]
        if ends[0] and ends[0] == ends[1]:
            return
        await asyncio.sleep(0.3)


async def _write(house: LocalStack, listener: StreamClient) -> dict[str, Any]:
    await asyncio.sleep(5)  # one heartbeat more of everybody
    walked = await report.run_record(house.settings)
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
    killed = house.options.kill[0] if house.options.kill else ""
    result["reasons"] = report.reasons(result, killed)
    result["ok"] = not result["reasons"]
    if house.options.report:
        await asyncio.to_thread(house.options.report.write_text, json.dumps(result, indent=2) + "\n")
    return result
