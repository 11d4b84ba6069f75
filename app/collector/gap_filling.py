"""Holes in a symbol's trade ids, opened in the ledger and refilled over REST into the open second.

REST has skipped trades within seconds, usually. What it does not give within `REFILL_S`, and what nobody collected,
is left to the backfill.
"""

import asyncio
import time

from app.collector.collector_metrics import CollectorMetrics
from app.collector.gap_tracker import GapTracker
from app.collector.rest_client import REST_ERRORS, RestClient, is_rest_error
from app.domain.id_spans import Spans, count, intersect
from app.domain.tick_batcher import TickBatcher
from app.domain.trade_ids import TradeIds
from app.logs import logger
from app.metrics import TICKS_REFILLED
from app.retry import Backoff

OUT_OF_ORDER_S = 0.3  # a trade that is only out of order comes within it
REFILL_S, REQUEST_S = 10.0, 3.0  # wall time
MOST_REFILLED = 5_000  # ids: a larger hole is the backfill's from the start
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 2.0
log = logger("collector")


async def fill_gaps(
    batcher: TickBatcher, symbol: str, rest: RestClient, tracker: GapTracker, metrics: CollectorMetrics
) -> None:
    """Open the holes of a symbol, refill what REST has soon, and leave the rest to the backfill."""
    ids, until_s = batcher.buffers[symbol].ids, time.monotonic() + REFILL_S
    backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
    while spans := await _still_missing(ids):
        _open(batcher, symbol, spans, tracker)
        spans = intersect(spans, ids.gaps)
        if not await _is_answered(batcher, symbol, rest, tracker, metrics, spans):
            if time.monotonic() >= until_s:
                _leave_to_backfill(batcher, symbol, tracker, spans)
                return
            await asyncio.sleep(backoff.next_s())


async def _still_missing(ids: TradeIds) -> Spans:
    before = list(ids.gaps)
    await asyncio.sleep(OUT_OF_ORDER_S)
    return intersect(before, ids.gaps)


def _open(batcher: TickBatcher, symbol: str, spans: Spans, tracker: GapTracker) -> None:
    absent = [span for span in spans if _from_ms(batcher, symbol, span[0]) < batcher.first_second * 1000]
    skipped = [span for span in spans if span not in absent]
    for reason, some in (("absent", absent), ("skipped", skipped)):
        if some and (new := tracker.open(symbol, batcher.partition, some, reason, _times_ms(batcher, symbol, some))):
            log.info("trades are missing", symbol=symbol, reason=reason, ids=new, from_id=some[0][0])
    for some in (absent, skipped if count(skipped) > MOST_REFILLED else []):
        _leave_to_backfill(batcher, symbol, tracker, some)


def _times_ms(batcher: TickBatcher, symbol: str, spans: Spans) -> tuple[float, float]:
    holes = batcher.buffers[symbol].holes
    to_ms = [times[1] for start, times in holes.items() if start < spans[-1][1]]
    return _from_ms(batcher, symbol, spans[0][0]), max(to_ms, default=batcher.second * 1000.0)


def _from_ms(batcher: TickBatcher, symbol: str, start: int) -> float:
    holes = batcher.buffers[symbol].holes
    before = max((first for first in holes if first <= start), default=None)
    return batcher.second * 1000.0 if before is None else holes[before][0]


async def _is_answered(
    batcher: TickBatcher, symbol: str, rest: RestClient, tracker: GapTracker, metrics: CollectorMetrics, spans: Spans
) -> bool:
    tracker.refilling += 1
    try:
        async with asyncio.timeout(REQUEST_S):
            return await _refill(batcher, symbol, rest, tracker, metrics, spans)
    except REST_ERRORS as error:
        return not is_rest_error(error)
    finally:
        tracker.refilling -= 1


async def _refill(
    batcher: TickBatcher, symbol: str, rest: RestClient, tracker: GapTracker, metrics: CollectorMetrics, spans: Spans
) -> bool:
    for start, stop in spans:
        at = start
        while at < stop:
            rows = await rest.get_trades(symbol, at)
            if not rows:
                return False  # the exchange's REST API is a little behind its streams
            missing = batcher.buffers[symbol].ids.is_missing  # asked now: ids may have started anew meanwhile
            added = sum(batcher.add(trade) for trade in rows if missing(trade.id))
            TICKS_REFILLED.labels(symbol).inc(added)
            metrics.count_refilled(added)
            _lose(batcher, symbol, tracker, metrics, (at, min(stop, rows[-1].id + 1)))
            at = rows[-1].id + 1
    return True


def _lose(
    batcher: TickBatcher, symbol: str, tracker: GapTracker, metrics: CollectorMetrics, answered: tuple[int, int]
) -> None:
    # Ids that the answer passes over do not exist.
    passed_over = intersect(batcher.buffers[symbol].ids.gaps, [answered])
    if passed_over:
        batcher.give_up(symbol, *answered)
        metrics.count_lost(symbol, tracker.ledger.lose(symbol, passed_over, batcher.second * 1000.0))
        log.warning("the exchange does not have trades", symbol=symbol, ids=count(passed_over), from_id=answered[0])


def _leave_to_backfill(batcher: TickBatcher, symbol: str, tracker: GapTracker, spans: Spans) -> None:
    left = intersect(spans, batcher.buffers[symbol].ids.gaps)
    tracker.ledger.hand_over(symbol, left)
    for start, stop in left:
        batcher.give_up(symbol, start, stop)
