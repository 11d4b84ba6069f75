"""Latency from the close of the second to a WebSocket client, in an unattended `btc up`.

The whole local stack runs, the trainer too, and a real WebSocket client measures on the same clock: from the wall time
of the close, stamped by the collector, until the client has the update.
"""

import json
import subprocess
import sys
from typing import Any

from benchmarks.bench import Bench, SkippedError


def run(bench: Bench) -> None:
    """Measure an unattended run of the whole local stack: one symbol, then forty."""
    _run(bench, 1, seconds=int(bench.amount(120, 40)))
    _run(bench, 40, seconds=int(bench.amount(120, 40)))


def _run(bench: Bench, symbols: int, seconds: int) -> None:
    report = bench.folder / f"{symbols}.json"
    names = "BTCUSDT" if symbols == 1 else ",".join(f"S{number:02d}USDT" for number in range(symbols))
    bench.say(f"btc up with {symbols} symbols for {seconds} s, after a start of about 15 s")
    command = [sys.executable, "-m", "app.cli", "up", "--exchange", "synthetic:7", "--symbols", names,
               "--seconds", str(seconds), "--report", str(report)]  # fmt: skip
    ran = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=False)
    if not report.exists():
        raise SkippedError(f"btc up wrote no report: {(ran.stderr or ran.stdout).strip()[-300:]}")
    result = json.loads(report.read_text())
    _record(bench, symbols, result)


def _record(bench: Bench, symbols: int, result: dict[str, Any]) -> None:
    latency: dict[str, dict[str, float]] = result["latency_ms"]
    stages = "; ".join(
        f"{stage} p50 {latency[stage]['p50']:.0f}, p99 {latency[stage]['p99']:.0f} ms"
        for stage in ("features", "prediction")
    )
    count = f"{latency['websocket']['n']} seconds, {symbols} symbol{'s' * (symbols > 1)}, the trainer runs; {stages}"
    aims = (12.0, 40.0) if symbols == 1 else (20.0, 80.0)
    for share, aim in zip(("p50", "p99"), aims, strict=True):
        bench.record(f"closed → WebSocket client, {symbols} symbol{'s' * (symbols > 1)}, {share}",
                   latency["websocket"][share], "ms", target=aim, baseline=count)  # fmt: skip
