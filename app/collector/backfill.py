"""Backfill: the exchange's trades of open gaps, fetched beside the live path and written to `btc.backfill`.

A piece is one answer of the exchange, at most 1,000 trades of one symbol: one `TickBatch` per exchange second, each
with `late` set, in order. First the brokers have the piece, then the gap's record shrinks. A collector killed between
the two repeats one piece: the same ids in the same seconds, perhaps with more of them. So readers of `btc.backfill`
take a trade by its symbol and id and drop an id they have; they compare no seconds and no generations, since the
pieces of several gaps are written side by side and each trade is a fact whoever wrote it.
"""

import asyncio
import time
from collections.abc import Callable

from app.clock import wall_ms
from app.collector.collector_metrics import CollectorMetrics
from app.collector.gap_ledger import Piece
from app.collector.gap_tracker import GapTracker
from app.collector.gaps_log import GapsLog
from app.collector.rest_client import REST_ERRORS, RestClient, is_rest_error
from app.domain.id_spans import Spans, intersect, spans_of
from app.domain.ticks import Trade, trade_columns
from app.logs import logger
from app.records import TickBatch, Ticks
from app.retry import Backoff

PAUSE_S = 0.1  # 600 requests a minute of weight 4: 2,400 of Binance's 6,000, the rest is for what is live
IDLE_S = 0.25
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
LIVE_FIRST_S = 5.0  # so long at most it gives way to requests of the live path
log = logger("collector")


class Backfill:
    """Fetches what the ledger hands over, one request at a time; `run` until cancelled."""

    def __init__(
        self, tracker: GapTracker, gaps_log: GapsLog, rest: RestClient, metrics: CollectorMetrics,
        is_live_busy: Callable[[], bool] = lambda: False, pause_s: float = PAUSE_S,
    ) -> None:  # fmt: skip
        self._tracker, self._gaps_log, self._rest, self._metrics = tracker, gaps_log, rest, metrics
        self._is_live_busy, self._pause_s = is_live_busy, pause_s
        self._backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)

    async def run(self) -> None:
        """Fill open gaps until cancelled, the symbols in turn; raises KafkaError."""
        symbol = ""
        while True:
            piece = self._tracker.ledger.next_piece(after=symbol)
            if piece is None:
                await asyncio.sleep(IDLE_S)
                continue
            symbol = piece.symbol
            await self._give_way()
            await self._fill(piece)

    async def _give_way(self) -> None:
        until_s = time.monotonic() + LIVE_FIRST_S
        while self._is_live_busy() and time.monotonic() < until_s:
            await asyncio.sleep(IDLE_S)

    async def _fill(self, piece: Piece) -> None:
        try:
            rows = await self._rest.get_trades(piece.symbol, piece.start)
        except REST_ERRORS as error:
            is_rest_error(error)  # logs it
            await self._back_off()
            return
        if not rows:  # the exchange's REST API is a little behind its streams
            await self._back_off()
            return
        self._backoff.reset()
        await self._write(piece, rows)
        await asyncio.sleep(self._pause_s)

    async def _back_off(self) -> None:
        await asyncio.sleep(self._backoff.next_s())

    async def _write(self, piece: Piece, rows: list[Trade]) -> None:
        generation = self._tracker.ledger.generation(piece.partition)
        if generation is None:  # revoked meanwhile
            return
        answered: Spans = [(piece.start, rows[-1].id + 1)]
        found = intersect(piece.spans, spans_of(row.id for row in rows))
        trades = _within(rows, found)
        await self._gaps_log.write_backfill(batches_of(piece.partition, trades, generation))
        now_ms = float(rows[-1].time_ms)
        filled = self._tracker.ledger.fill(piece.symbol, found, now_ms)
        # Ids that the answer passes over do not exist.
        lost = self._tracker.ledger.lose(piece.symbol, intersect(piece.spans, answered), now_ms)
        await self._tracker.write()
        self._metrics.count_backfilled(piece.symbol, filled, lost)
        if lost:
            log.warning("the exchange does not have trades", symbol=piece.symbol, ids=lost, from_id=piece.start)


def _within(rows: list[Trade], spans: Spans) -> list[Trade]:
    wanted = {one for start, stop in intersect(spans, [(rows[0].id, rows[-1].id + 1)]) for one in range(start, stop)}
    return [row for row in rows if row.id in wanted]


def batches_of(partition: int, trades: list[Trade], generation: int) -> list[TickBatch]:
    """Return trades of one symbol as batches, one for each of their exchange seconds.

    >>> trades = [Trade("BTCUSDT", 7, 100_250, 1.0, 1.0, True), Trade("BTCUSDT", 8, 102_000, 1.0, 1.0, True)]
    >>> [(batch.second, batch.symbols["BTCUSDT"].trades.id) for batch in batches_of(0, trades, 1)]
    [(100, [7]), (102, [8])]
    """
    seconds: dict[int, list[Trade]] = {}
    for trade in trades:
        seconds.setdefault(trade.time_ms // 1000, []).append(trade)
    return [
        TickBatch(
            partition=partition, second=second, closed_ms=wall_ms(), generation=generation, late=True,
            symbols={of[0].symbol: Ticks(trades=trade_columns(of), last_id=of[-1].id)},
        )
        for second, of in sorted(seconds.items())
    ]  # fmt: skip
