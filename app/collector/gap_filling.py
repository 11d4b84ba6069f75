"""Trades the stream skipped. What enters: a symbol with holes in its ids; what leaves: the trades, late, over REST."""

import asyncio

from app.collector.rest_client import REST_ERRORS, RestClient
from app.domain.tick_batcher import TickBatcher
from app.logs import logger
from app.metrics import TICKS_REFILLED

FIRST_WAIT_S = 0.3  # what is merely out of order comes by itself
WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # between attempts, wall time
log = logger("collector")


async def fill(cutter: TickBatcher, symbol: str, refill: RestClient) -> int:
    """Fill the symbol's holes or, after two minutes, give them up; return how many trades were had over REST."""
    await asyncio.sleep(FIRST_WAIT_S)
    ids, filled = cutter.buffers[symbol].ids, 0
    skipped = ids.open_count
    for wait_s in WAITS_S:
        try:
            filled += await _attempt(cutter, symbol, refill)
        except REST_ERRORS as error:
            log.warning("skipped trades are not to be had yet", symbol=symbol, ids=ids.open_count, reason=str(error))
        if not ids.gaps:
            break
        await asyncio.sleep(wait_s)
    missing = sum(cutter.give_up(symbol, start, stop) for start, stop in tuple(ids.gaps))
    if skipped:
        log.info("skipped trades", symbol=symbol, ids=skipped, refilled=filled, given_up=missing)
    return filled


async def _attempt(cutter: TickBatcher, symbol: str, refill: RestClient) -> int:
    ids, filled = cutter.buffers[symbol].ids, 0
    for start, stop in tuple(ids.gaps):
        while start < stop:
            rows = await refill.trades(symbol, start)
            if not rows:
                break  # the exchange's REST is a little behind its streams
            got = sum(cutter.add(trade) for trade in rows if trade.id < stop)
            filled += got
            TICKS_REFILLED.labels(symbol).inc(got)
            # Ids that the answer passes over do not exist.
            cutter.give_up(symbol, start, min(stop, rows[-1].id + 1))
            start = rows[-1].id + 1
    return filled
