"""Service in front of replicas, as kube-proxy does it, in this process.

Each new connection goes to one of the endpoints, an open one stays where it is, and what a replica refuses or cuts is
refused or cut for the client.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 65_536


class Service:
    """One address for many replicas."""

    def __init__(self) -> None:
        self.endpoints: list[int] = []
        self.address = ""
        self._choice = random.Random(7)
        self._pipes: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Service"]:
        """Accept connections while the body runs."""
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for pipe in self._pipes:
                pipe.cancel()
            await asyncio.gather(*self._pipes, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._forward(reader, writer))
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            replica = await asyncio.open_connection("127.0.0.1", self._choice.choice(self.endpoints))
        except (OSError, IndexError):  # refused, or no endpoint at all
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
            return
        await asyncio.gather(_pipe(reader, replica[1]), _pipe(replica[0], writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
