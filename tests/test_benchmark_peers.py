"""The peers of the benchmarks that need nothing but the emulator."""

import asyncio
import json
import sys

from tests.exchange import exchange_with

PEER = "benchmarks.peers.python_binance_alone"
ENOUGH = 200  # messages: twice what python-binance's queue holds by default


async def test_python_binance_alone_takes_every_message_until_it_is_ended() -> None:
    """It counts at least what the emulator had sent before SIGTERM, without an error, and ends at once."""
    async with exchange_with() as exchange:
        arguments = ("-m", PEER, exchange.ws_url, "BTCUSDT")
        peer = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(60):
                while (sent := _sent(exchange.sent.summary())) < ENOUGH:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.5)  # what was sent is on its way
                peer.terminate()
                output, _ = await peer.communicate()
        finally:
            if peer.returncode is None:
                peer.kill()
    counts = json.loads(output)
    assert (peer.returncode, counts["errors"]) == (0, 0)
    assert counts["messages"] >= sent


def _sent(summary: dict[str, dict[str, dict[str, int]]]) -> int:
    return sum(stream["count"] for streams in summary.values() for stream in streams.values())
