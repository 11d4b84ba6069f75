"""Rate of cached answers over 64 connections, compared with a bare Starlette route on the same server.

Both servers run all the time and take turns, so that other load on the machine meets both.
"""

import json
import statistics
import subprocess
import sys
from functools import partial

from app.service import ports
from benchmarks.bench import Bench, running
from benchmarks.load import PATH
from benchmarks.processes import until

CONNECTIONS = 64


def run(bench: Bench) -> None:
    """Measure in alternating rounds; the median counts."""
    servers = {kind: ports.free_port() for kind in ("api", "bare")}
    command = [sys.executable, "-m", "benchmarks.server"]
    log = bench.folder / "servers.log"
    with running([*command, "api", str(servers["api"])], log), running([*command, "bare", str(servers["bare"])], log):
        for kind, port in servers.items():
            until(partial(ports.answers, port), f"the {kind} server", 30.0)
        rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in servers}
        for number in range(int(bench.amount(13, 5))):
            for kind in servers if number % 2 else reversed(servers):
                rounds[kind].append(_load(servers[kind], bench.amount(3.0, 1.0)))
            ours, bare = (rounds[kind][-1]["rate"] for kind in servers)
            bench.say(f"round {number + 1}: ours {ours:.0f}, bare {bare:.0f} answers/s")
    _record(bench, rounds["api"][1:], rounds["bare"][1:])


def _load(port: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(CONNECTIONS), str(seconds)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(ran.stdout)
    return answer


def _record(bench: Bench, ours: list[dict[str, float]], bare: list[dict[str, float]]) -> None:
    ratio = statistics.median(one["rate"] / other["rate"] for one, other in zip(ours, bare, strict=True))
    rate, theirs = (statistics.median(one["rate"] for one in of) for of in (ours, bare))
    p99, other = (statistics.median(one["p99_ms"] for one in of) for of in (ours, bare))
    baseline = f"{rate:,.0f} ÷ {theirs:,.0f} answers/s of {PATH}, median of {len(ours)} alternating rounds"
    bench.record(
        "cached answer ÷ bare Starlette route, answers/s", ratio, "×", target=0.7, bound="least", baseline=baseline
    )
    bench.record(
        f"p99 at {CONNECTIONS} connections without pause",
        p99,
        "ms",
        target=20.0,
        baseline=f"bare Starlette {other:.1f} ms",
    )
