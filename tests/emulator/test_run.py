"""The command `btc exchange`."""

import asyncio
import os
import signal
import sys

import httpx
import pytest

from app.emulator import run


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
