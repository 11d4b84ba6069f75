"""First visible signs of a fault: a line in the collector's log, or a metric that rests while all is well."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

SAMPLE_EVERY_S, RESTING_MS = 0.25, 3000.0
FLOW = ("btc_ticks_trades", "btc_ticks_quotes", "btc_ticks_batches")  # rise while all is well


class MetricSamples:
    """Counters of a process, read four times a second, and its memory."""

    def __init__(self, port: int, process: psutil.Process) -> None:
        self.most_rss_mb = 0.0
        self.samples: list[tuple[float, dict[str, float]]] = []  # wall ms, counters
        self._url, self._process = f"http://127.0.0.1:{port}/metrics", process

    async def run(self) -> None:
        """Sample until cancelled; a process that does not answer gives no sample."""
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            while True:
                await self._sample(client)
                await asyncio.sleep(SAMPLE_EVERY_S)

    async def _sample(self, client: httpx.AsyncClient) -> None:
        try:
            self.most_rss_mb = max(self.most_rss_mb, self._process.memory_info().rss / 2**20)
            answer = await client.get(self._url)
            self.samples.append((time.time() * 1000, counters(answer.text)))
        except (httpx.HTTPError, psutil.Error):
            return

    def first_sign_ms(self, begins_ms: float) -> float | None:
        """Return when a counter first rose that had rested for three seconds before the fault, wall ms."""
        before = [values for at_ms, values in self.samples if begins_ms - RESTING_MS <= at_ms < begins_ms]
        if not before:
            return None
        moving = {name for name, value in before[-1].items() if before[0].get(name, 0.0) != value}
        for at_ms, values in self.samples:
            if at_ms >= begins_ms and _rose(before[-1], values, moving):
                return at_ms
        return None


def _rose(before: dict[str, float], after: dict[str, float], moving: set[str]) -> bool:
    return any(value > before.get(name, 0.0) for name, value in after.items() if name not in moving)


def counters(text: str) -> dict[str, float]:
    r"""Return the counters of the collector in an exposition, those of the flow itself left out.

    >>> counters('# TYPE btc_ticks_lost_total counter\nbtc_ticks_lost_total{symbol="A"} 3.0\n')
    {"btc_ticks_lost_total{'symbol': 'A'}": 3.0}
    """
    return {
        f"{sample.name}{sample.labels}": sample.value
        for family in text_string_to_metric_families(text)
        if family.type == "counter" and family.name.startswith("btc_") and not family.name.startswith(FLOW)
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def log_lines(log: Path) -> Iterator[tuple[float, str, str]]:
    """Yield wall ms, level and text of the lines of a log in ECS format; other lines have the time of those before."""
    at_ms = 0.0
    for line in log.read_text(errors="replace").splitlines():
        try:
            fields = json.loads(line)
            at_ms = datetime.fromisoformat(fields["@timestamp"]).timestamp() * 1000
            yield at_ms, str(fields.get("log.level", "")), line
        except (ValueError, KeyError, TypeError):
            yield at_ms, "text", line


def first_line_ms(log: Path, begins_ms: float) -> float | None:
    """Return when the log says something for the first time after a fault's begin, wall ms."""
    return next((at_ms for at_ms, _, _ in log_lines(log) if at_ms >= begins_ms), None)


def tracebacks(log: Path) -> list[str]:
    """Return the lines of a log that hold a traceback: an error nobody expected."""
    return [line for _, level, line in log_lines(log) if level == "critical" or "Traceback" in line]
