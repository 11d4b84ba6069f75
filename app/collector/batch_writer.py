"""Writing of closed batches to `btc.ticks`, in order, while further seconds close."""

import asyncio
from collections.abc import Callable

from app.collector.collector_metrics import CollectorMetrics
from app.collector.market_data import MarketData
from app.collector.ticks_log import TicksLog
from app.records import TickBatch

FLUSH_TIMEOUT_S = 5.0
SYMBOL_BYTES, ROW_BYTES = 500, 200  # five columns of Python numbers, each with its place in a list


class BatchWriter:
    """A queue of batches and the task that writes them: `start`, `put`, `flush`, `stop`."""

    def __init__(
        self, ticks_log: TicksLog, market: MarketData, metrics: CollectorMetrics,
        on_written: Callable[[TickBatch], None] = lambda _batch: None,
    ) -> None:  # fmt: skip
        self._ticks_log, self._market, self._metrics = ticks_log, market, metrics
        self._on_written = on_written  # called once the brokers have a batch
        self._queue: asyncio.Queue[list[TickBatch]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.waiting_bytes = 0  # in memory, estimated, of all queued batches

    @property
    def waiting(self) -> int:
        """How many rounds of batches wait for the acknowledgements of those before them."""
        return self._queue.qsize()

    def start(self) -> None:
        """Start writing."""
        self._task = asyncio.create_task(self._write(), name="writer of batches")

    def put(self, batches: list[TickBatch]) -> None:
        """Queue batches that closed together."""
        self.waiting_bytes += sum(map(size_bytes, batches))
        self._queue.put_nowait(batches)

    async def flush(self) -> None:
        """Wait until the brokers have every batch."""
        await self._queue.join()

    async def run(self) -> None:
        """Wait until the writing fails and raise its error; a cancellation leaves the writing alone."""
        assert self._task is not None
        await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Wait until everything is written, the writing failed, or five seconds have passed; then end the writing."""
        assert self._task is not None
        flushed = asyncio.create_task(self.flush())
        await asyncio.wait([self._task, flushed], timeout=FLUSH_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        for task in (self._task, flushed):
            task.cancel()
        await asyncio.gather(self._task, flushed, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            batches = await self._queue.get()
            await self._ticks_log.write(batches)
            for batch in batches:
                self._on_written(batch)
                self._metrics.count_written(batch, self._market.clock)
            self.waiting_bytes -= sum(map(size_bytes, batches))
            self._queue.task_done()


def size_bytes(batch: TickBatch) -> int:
    """Return about how much memory a batch takes.

    >>> size_bytes(TickBatch(partition=0, second=1, closed_ms=1.0, symbols={}))
    0
    """
    rows = sum(len(ticks.trades.id) + len(ticks.quotes.bid) for ticks in batch.symbols.values())
    return SYMBOL_BYTES * len(batch.symbols) + ROW_BYTES * rows
