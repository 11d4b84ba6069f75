"""The command `btc exchange`."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest
import websockets

from app.emulator import run
from app.emulator.sent_record import SentRecord


async def test_the_process_prints_its_urls_and_ends_on_sigterm() -> None:
    """`run` prints one line with both URLs, serves, and returns 0 on SIGTERM."""
    code = "import sys; from app.emulator import run; sys.exit(run(synthetic_seed=7))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("exchange: synthetic 7 at speed 1 on ws://127.0.0.1:")
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(line.split()[-1] + "/api/v3/ping")).json() == {}
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_scenario_runs_in_the_process_and_its_record_is_whole_after_sigterm(tmp_path: Path) -> None:
    """`btc exchange --scenario … --record …`: what a client got is judged from the folder that is left."""
    scenario, record = tmp_path / "faults.yaml", tmp_path / "record"
    scenario.write_text("faults:\n  - {fault: duplicate, copies: 3, count: 2}\n")
    options = ("--ticks-per-s", "300", "--scenario", str(scenario), "--record", str(record))
    code = "import sys; from app.cli import main; sys.argv[0] = 'btc'; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "exchange", *options, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[-3]
    async with websockets.connect(url + "ws/btcusdt@aggTrade", proxy=None, max_queue=None) as socket:
        got = [json.loads(await asyncio.wait_for(socket.recv(), 10))["a"] for _ in range(50)]
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    rows = SentRecord(record).of("btcusdt@aggTrade")
    sent = [int(key) for row in rows for key in [row["key"]] * row["copies"]]
    assert sent[:50] == got
    verdict = SentRecord(record).verdict(
        "btcusdt@aggTrade", got, end_us=int(rows["due_us"][rows["key"] == got[-1]][0]) + 1
    )
    assert (verdict.missing, verdict.doubled, verdict.unknown) == ([], got[:6:3], [])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"symbols": "BTC USDT"}, "'BTC USDT' is not a symbol"),
        ({"symbols": "0"}, "out of range"),
        ({"symbols": "BTCUSDT,btcusdt"}, "twice"),
        ({"synthetic_seed": -1}, "seed -1 is out of range"),
        ({"speed": 0.0}, "speed 0.0 is out of range"),
        ({"ticks_per_s": 0.0}, "ticks per second"),
        ({"port": 70_000}, "cannot listen"),
        ({"replay_files": ["absent.dat.gz"]}, "absent.dat.gz"),
        ({"replay_files": ["a"], "synthetic_seed": 1}, "choose --synthetic or --replay"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_two(
    options: dict[str, object], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong option ends with one clear line on standard error."""
    assert run(**options) == 2  # type: ignore[arg-type]
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
