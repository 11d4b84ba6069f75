"""An unattended run: wait for its end, drain the topics, write the report."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import httpx

from app.kafka import topics
from app.up.local_stack import LocalStack
from app.up.report import report
from app.up.stream_client import StreamClient
from app.up.topic_statistics import newest_seconds, read_statistics

DRAIN_TIMEOUT_S = 30.0
LAST_HEARTBEATS_S = 5.0
STATUS_EVERY_S = 10.0


async def unattended(stack: LocalStack, client: StreamClient) -> dict[str, Any]:
    """Wait for the seconds asked for or the recording's end, drain, and return the report."""
    await _wait_for_end(stack, client)
    stack.say("draining …")
    await stack.supervisor.stop("collector")
    await _drain(stack)
    await asyncio.sleep(LAST_HEARTBEATS_S)  # they carry the newest error counts
    result = report(stack, await read_statistics(stack.settings), client)
    if stack.options.report:
        await asyncio.to_thread(stack.options.report.write_text, json.dumps(result, indent=2) + "\n")
    return result


async def _wait_for_end(stack: LocalStack, client: StreamClient) -> None:
    shown_s = 0.0
    kill = stack.options.kill
    while not await _is_over(stack, client):
        if kill and client.seconds >= kill[1]:
            asyncio.create_task(_kill(stack, client, kill[0])).add_done_callback(lambda task: task.exception())
            kill = None
        if time.monotonic() - shown_s > STATUS_EVERY_S:
            shown_s = time.monotonic()
            stack.say(client.status(stack.elapsed_s))
        await asyncio.sleep(0.25)


async def _is_over(stack: LocalStack, client: StreamClient) -> bool:
    if stack.options.seconds is not None and client.seconds >= stack.options.seconds:
        return True
    return stack.options.source.kind == "replay" and await _is_replay_finished(stack.exchange_port)


async def _is_replay_finished(exchange_port: int) -> bool:
    with suppress(httpx.HTTPError, ValueError):
        async with httpx.AsyncClient() as http:
            state = (await http.get(f"http://127.0.0.1:{exchange_port}/emulator", timeout=2)).json()
        return bool(state.get("finished"))
    return False


async def _kill(stack: LocalStack, client: StreamClient, name: str) -> None:
    stack.say(f"killing {name} with -9, as asked")
    before, killed_s = client.newest, time.monotonic()
    stack.supervisor.kill(name)
    while client.newest <= before + 1:
        await asyncio.sleep(0.05)
    stack.recovery_s.setdefault(name, []).append(round(time.monotonic() - killed_s, 2))


async def _drain(stack: LocalStack) -> None:
    """Wait until the newest collected second of every partition is settled, or until the timeout."""
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while time.monotonic() < deadline:
        collected = await newest_seconds(stack.settings, topics.TICKS)
        if collected and collected == await newest_seconds(stack.settings, topics.OUTCOMES):
            return
        await asyncio.sleep(0.3)
