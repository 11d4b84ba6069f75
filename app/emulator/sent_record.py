"""Reader of the record on disk, and the verdict on what somebody received.

>>> SentRecord(folder).verdict("btcusdt@aggTrade", [7, 8, 8, 10])  # doctest: +SKIP
Verdict(missing=[9], doubled=[8], unknown=[])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.emulator.market_source import MarketSourceError
from app.emulator.sent_recorder import MESSAGE


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with the ids that were received; each list is sorted."""

    missing: list[int]  # made by the exchange and not received
    doubled: list[int]  # received more than once
    unknown: list[int]  # received and never made, such as a damaged id that was believed

    @property
    def is_exactly_once(self) -> bool:
        """Whether every id was received exactly once."""
        return not (self.missing or self.doubled or self.unknown)


class SentRecord:
    """A record of an exchange that runs or has ended; raises MarketSourceError if the folder holds none."""

    def __init__(self, folder: Path) -> None:
        try:
            about = msgspec.json.decode((folder / "about.json").read_bytes())
            self.source: str = about["source"]
            self._kinds: list[str] = about["faults"]
            self.streams = (folder / "streams.txt").read_text(encoding="utf-8").split()
            self.faults: list[dict[str, Any]] = [
                msgspec.json.decode(line) for line in (folder / "faults.jsonl").read_bytes().splitlines()
            ]
            self.messages: NDArray[np.void] = _rows(folder / "messages.bin")
        except FileNotFoundError as error:
            raise MarketSourceError(f"record {folder}: no {error.filename}; name a folder of --record") from error

    def of(self, stream: str, *, start_us: int = 0, end_us: int = 2**62) -> NDArray[np.void]:
        """Return the rows (of MESSAGE) of a stream due in [start, end), in the order in which they left."""
        if stream not in self.streams:
            return self.messages[:0]
        number = self.streams.index(stream)
        low, high = np.searchsorted(self._numbers, (number, number + 1))
        rows = self.messages[self._by_stream[low:high]]
        return np.asarray(rows[(rows["due_us"] >= start_us) & (rows["due_us"] < end_us)])

    @cached_property
    def _by_stream(self) -> NDArray[np.intp]:
        """Indices of the rows, by stream, each stream's in the order in which they left."""
        return np.argsort(self.messages["stream"], kind="stable")

    @cached_property
    def _numbers(self) -> NDArray[np.uint16]:
        """The streams' numbers in the order of `_by_stream`."""
        return np.asarray(self.messages["stream"][self._by_stream])

    def touched(self, stream: str, fault: str) -> list[int]:
        """Return the true ids of the messages that a fault touched, in the order in which they left."""
        rows = self.of(stream)
        return [int(key) for key in rows["key"][rows["faults"] & (1 << self._kinds.index(fault)) != 0]]

    def verdict(
        self,
        stream: str,
        received: Iterable[int],
        *,
        start_us: int = 0,
        end_us: int = 2**62,
        excused: Iterable[int] = (),
    ) -> Verdict:
        """Compare received ids with those that the exchange made due in [start, end).

        The truth is what was made: it counts whether it was sent or lost by a fault. `excused` ids may be missing.
        """
        made = {int(key) for key in self.of(stream, start_us=start_us, end_us=end_us)["key"]}
        ever = {int(key) for key in self.of(stream)["key"]}
        count = Counter(received)
        return Verdict(
            sorted(made - count.keys() - set(excused)),
            sorted(key for key, times in count.items() if times > 1),
            sorted(count.keys() - ever),
        )


def _rows(file: Path) -> NDArray[np.void]:
    """Map the whole rows of a file that may still grow."""
    count = file.stat().st_size // MESSAGE.itemsize
    return np.memmap(file, MESSAGE, "r", shape=(count,)) if count else np.empty(0, MESSAGE)
