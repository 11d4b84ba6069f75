"""A thousand WebSocket clients. What enters: one update a second; what leaves: p99, who was served, fairness."""

import json
import subprocess
import sys
from typing import Any

from app.service import ports
from benchmarks.bench import Bench, running, until

CLIENTS = 1000


def run(bench: Bench) -> None:
    """Measure a thousand clients beside one."""
    port, seconds = ports.free_port(), bench.of(40.0, 10.0)
    with running([sys.executable, "-m", "benchmarks.server", "api", str(port)], bench.folder / "server.log"):
        until(lambda: ports.answers(port), "the API", 30.0)
        alone = _heard(port, 1, 10.0)
        bench.say(f"{CLIENTS} clients for {seconds:g} s")
        all_of_them = _heard(port, CLIENTS, seconds)
    _note(bench, alone, all_of_them)


def _heard(port: int, clients: int, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.listeners", str(port), str(clients), str(seconds)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def _note(bench: Bench, alone: dict[str, Any], heard: dict[str, Any]) -> None:
    bench.note(f"{CLIENTS:,} clients, update → client, p99", heard["p99_ms"], "ms", target=200.0,
               baseline=f"p50 {heard['p50_ms']:.0f} ms; a single client p99 {alone['p99_ms']:.1f} ms")  # fmt: skip
    missed, apart = heard["updates_most"] - heard["updates_least"], heard["slowest_ms"] - heard["fastest_ms"]
    bench.note("updates the worst-served client missed", missed, "updates", target=1.0,
               baseline=f"{heard['updates_most']} updates each; one at either end is the clock's")  # fmt: skip
    bench.note("slowest client's mean − fastest client's", apart, "ms", target=200.0,
               baseline=f"means from {heard['fastest_ms']:.0f} to {heard['slowest_ms']:.0f} ms")  # fmt: skip
