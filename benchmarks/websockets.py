"""Latency and fairness of a thousand WebSocket clients at one update a second."""

import json
import subprocess
import sys
from typing import Any

from app.service import ports
from benchmarks.bench import Bench, running
from benchmarks.processes import until

CLIENTS = 1000


def run(bench: Bench) -> None:
    """Measure a thousand clients, and one for comparison."""
    port, seconds = ports.free_port(), bench.amount(40.0, 10.0)
    with running([sys.executable, "-m", "benchmarks.server", "api", str(port)], bench.folder / "server.log"):
        until(lambda: ports.answers(port), "the API", 30.0)
        single = _clients(port, 1, 10.0)
        bench.say(f"{CLIENTS} clients for {seconds:g} s")
        many = _clients(port, CLIENTS, seconds)
    _record(bench, single, many)


def _clients(port: int, clients: int, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.listeners", str(port), str(clients), str(seconds)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def _record(bench: Bench, single: dict[str, Any], many: dict[str, Any]) -> None:
    bench.record(f"{CLIENTS:,} clients, update → client, p99", many["p99_ms"], "ms", target=200.0,
               baseline=f"p50 {many['p50_ms']:.0f} ms; a single client p99 {single['p99_ms']:.1f} ms")  # fmt: skip
    missed, apart = many["updates_most"] - many["updates_least"], many["slowest_ms"] - many["fastest_ms"]
    bench.record("updates the worst-served client missed", missed, "updates", target=1.0,
               baseline=f"{many['updates_most']} updates each; one may be cut off at either end")  # fmt: skip
    bench.record("slowest client's mean − fastest client's", apart, "ms", target=200.0,
               baseline=f"means from {many['fastest_ms']:.0f} to {many['slowest_ms']:.0f} ms")  # fmt: skip
