"""Recording of every frame as it came: one gzip file per symbol and UTC day, a frame per line behind its receive time.

    btcusdt_20261125.gz     1764028800123456789 {"stream":"btcusdt@aggTrade","data":{…}}

hftbacktest's collector writes the same lines under the same names, and `btc exchange --replay` reads them. A process
that starts again on the same day writes `btcusdt_20261125_2.gz`, and so on. Times are those of the wall clock, in ns.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from app.collector.frame_files import DAY_NS, FrameFiles
from app.collector.receipt import Receipt
from app.logs import logger

WRITE_EVERY_S = 5.0
MOST_WAITING_BYTES = 64 * 2**20  # of frames that a slow disk has not taken yet
OTHERS = "others"  # frames without a symbol: answers, notices
OnFrame = Callable[[str | bytes, float, Receipt], bool]
_SYMBOL = re.compile(rb'\{"stream":"([a-z0-9]{1,20})@')
log = logger("collector")


class FrameRecorder:
    """Frames on their way to disk: `receive` takes one and passes it on, `run` writes until cancelled.

    A disk that cannot be written ends the recording with one message, and nothing else. Frames that a slow disk does
    not take in time are left out and counted in a message.
    """

    def __init__(self, folder: Path, on_frame: OnFrame) -> None:
        self._files, self._on_frame = FrameFiles(folder), on_frame
        self._waiting: defaultdict[tuple[str, int], bytearray] = defaultdict(bytearray)  # by symbol and day
        self._waiting_bytes = self._left_out = 0
        self._is_over = False

    def receive(self, raw: str | bytes, at_ms: float, receipt: Receipt) -> bool:
        """Keep a frame for the disk and pass it on; return what its receiver says."""
        if not self._is_over:
            self._keep(raw.encode(errors="replace") if isinstance(raw, str) else raw, receipt.ns)
        return self._on_frame(raw, at_ms, receipt)

    async def run(self) -> None:
        """Write what came, every five seconds and at the end; return when the disk refuses."""
        try:
            while not self._is_over:
                await asyncio.sleep(WRITE_EVERY_S)
                await self._write()
        finally:
            await self._write()

    def _keep(self, frame: bytes, ns: int) -> None:
        if self._waiting_bytes > MOST_WAITING_BYTES:
            self._left_out += 1
            return
        found = _SYMBOL.match(frame)
        lines = self._waiting[found[1].decode() if found else OTHERS, ns // DAY_NS]
        before = len(lines)
        lines += b"%d %b\n" % (ns, frame.replace(b"\n", b" "))
        self._waiting_bytes += len(lines) - before

    async def _write(self) -> None:
        lines, self._waiting = self._waiting, defaultdict(bytearray)
        size_bytes = self._waiting_bytes
        try:
            await asyncio.to_thread(self._files.write, lines)
        except OSError as error:
            self._end(error)
        self._waiting_bytes -= size_bytes
        if self._left_out:
            log.warning("the disk is too slow for the recording, frames are left out", frames=self._left_out)
            self._left_out = 0

    def _end(self, error: OSError) -> None:
        self._is_over = True
        self._waiting.clear()
        log.error(
            "the recording of frames ends here, the collection goes on",
            folder=str(self._files.folder), reason=error.strerror or str(error),
        )  # fmt: skip
