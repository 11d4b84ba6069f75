"""python-binance alone: its socket manager drains the streams of some symbols, and nothing is done with the messages.

`python -m benchmarks.peers.python_binance_alone WS_URL SYMBOL,SYMBOL…` runs until SIGTERM, then prints
{"messages": 1200, "errors": 0}. Its queue is 1,000 times as long as by default: with 100 messages its first overflow
would end it for good.
"""

import asyncio
import json
import os
import signal
import sys

from binance import AsyncClient, BinanceSocketManager

from app.collector.binance_messages import stream_names

QUEUE = 100_000


class Drain:
    """Counts what it takes from one multiplex socket: messages, and the errors that come in between."""

    def __init__(self) -> None:
        self.messages = self.errors = 0

    async def run(self, url: str, symbols: tuple[str, ...]) -> None:
        """Take messages until the library's reader ends and raises ReadLoopClosed."""
        manager = BinanceSocketManager(AsyncClient(), max_queue_size=QUEUE)
        manager.STREAM_URL = f"{url.rstrip('/')}/"
        manager.ws_kwargs = {"proxy": None}  # a proxy of the environment would capture loopback
        async with manager.multiplex_socket(stream_names(symbols)) as socket:
            while True:
                message = await socket.recv()
                self.messages += 1
                self.errors += message.get("e") == "error"

    def end(self) -> None:
        """Print the counts and end the process at once: the library's own close may wait for ever."""
        print(json.dumps({"messages": self.messages, "errors": self.errors}), flush=True)
        os._exit(0)


async def main(url: str, symbols: tuple[str, ...]) -> None:
    """Drain until SIGTERM."""
    drain = Drain()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, drain.end)
    await drain.run(url, symbols)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], tuple(sys.argv[2].split(","))))
