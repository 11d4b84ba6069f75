"""The record on disk of what the exchange made and sent: every message, in order, and the faults that touched it.

A folder holds `messages.bin` (rows of MESSAGE), `streams.txt` (a stream's line number is its number in the rows),
`faults.jsonl` (every injected fault) and `about.json`. `sent_record` reads it. The record is the judge of fault tests,
so what cannot be written ends the exchange.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from app.clock import wall_ms
from app.emulator.active_fault import ActiveFault, Outgoing
from app.emulator.fault import KINDS
from app.emulator.market_source import MarketSourceError

MESSAGE = np.dtype([
    ("stream", "<u2"),
    ("copies", "<u2"),  # how often each client got it; 0: not sent, because of a fault or without a client
    ("faults", "<u4"),  # a bit per fault, in the order of about.json
    ("key", "<i8"),  # true id: trade id, update id, opening time of a kline
    ("sent_key", "<i8"),  # the id in the message, another one if it was damaged
    ("due_us", "<i8"),  # exchange time
    ("at_us", "<i8"),  # wall time
])  # fmt: skip
_pack = struct.Struct("<HHIqqqq").pack
FLUSH_BYTES, FLUSH_MS = 1 << 20, 500.0
MAX_STREAMS = 2**16


class SentRecorder:
    """Appends to a record; raises MarketSourceError if the folder holds one already or cannot be written."""

    def __init__(self, folder: Path, label: str) -> None:
        self.folder, self.messages = folder, 0
        self._streams: dict[str, int] = {}
        self._buffer, self._flushed_ms = bytearray(), wall_ms()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._messages: IO[bytes] = (folder / "messages.bin").open("xb", buffering=0)
            (folder / "about.json").write_bytes(msgspec.json.encode({"source": label, "faults": KINDS}))
            self._names: IO[str] = (folder / "streams.txt").open("x", buffering=1, encoding="utf-8")
            self._faults: IO[bytes] = (folder / "faults.jsonl").open("xb", buffering=0)
        except FileExistsError as error:
            raise MarketSourceError(f"record {folder}: it holds a record already; name another folder") from error
        except OSError as error:
            raise MarketSourceError(f"record {folder}: cannot be written ({error.strerror})") from error

    @property
    def streams(self) -> frozenset[str]:
        """Every stream that was recorded once: it is recorded on, with and without clients."""
        return frozenset(self._streams)

    def add(self, outgoing: Outgoing, *, has_clients: bool) -> None:
        """Add a message that was sent, or that was made and not sent."""
        event = outgoing.event
        number = self._streams.get(event.stream)
        if number is None:
            number = self._add_stream(event.stream)
        copies = outgoing.copies if has_clients else 0
        self._buffer += _pack(
            number, copies, outgoing.faults, outgoing.key, event.key, event.due_us, int(wall_ms() * 1000)
        )
        self.messages += 1

    def fault_begins(self, active: ActiveFault) -> None:
        """Record a fault that was injected."""
        fault = {"number": active.number, "fault": active.fault, "at_ms": wall_ms()}
        self._write(self._faults, msgspec.json.encode(fault) + b"\n")

    def flush_if_due(self) -> None:
        """Write what waits, at least twice a second."""
        if self._buffer and (len(self._buffer) >= FLUSH_BYTES or wall_ms() - self._flushed_ms >= FLUSH_MS):
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._write(self._messages, self._buffer)
        self._buffer, self._flushed_ms = bytearray(), wall_ms()

    def end(self, held: Iterable[Outgoing]) -> None:
        """Add what a fault still holds back as not sent, write what waits, and close the files."""
        with ExitStack() as files:
            for file in (self._messages, self._names, self._faults):
                files.callback(file.close)
            for outgoing in held:
                self.add(outgoing, has_clients=False)
            self.flush()

    def _add_stream(self, stream: str) -> int:
        if len(self._streams) == MAX_STREAMS:
            raise MarketSourceError(f"record {self.folder}: more than {MAX_STREAMS} streams")
        self._names.write(stream + "\n")
        return self._streams.setdefault(stream, len(self._streams))

    def _write(self, file: IO[bytes], data: bytes | bytearray) -> None:
        try:
            while data:
                data = data[file.write(data) :]  # a nearly full disk takes a part
        except OSError as error:
            raise MarketSourceError(f"record {self.folder}: cannot be written ({error.strerror})") from error
