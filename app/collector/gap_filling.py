"""Fetching trades that the stream skipped: gaps in a symbol's trade ids are filled over REST."""

import asyncio

import stamina

from app.collector.rest_client import REST_ERRORS, RestClient, is_rest_error
from app.domain.tick_batcher import TickBatcher
from app.domain.trade_ids import TradeIds
from app.logs import logger
from app.metrics import TICKS_REFILLED

OUT_OF_ORDER_S = 0.3  # a trade that is only out of order comes within it
ATTEMPTS, FIRST_WAIT_S, LONGEST_WAIT_S = 9, 0.5, 60.0  # two minutes in all
log = logger("collector")


class GapsLeftError(Exception):
    """The exchange's REST API does not have all trades yet."""


async def fill_gaps(batcher: TickBatcher, symbol: str, rest: RestClient) -> int:
    """Fill the gaps of a symbol, or give them up after two minutes; return how many trades REST had."""
    await asyncio.sleep(OUT_OF_ORDER_S)
    ids, filled = batcher.buffers[symbol].ids, 0
    skipped = ids.open_count
    attempts = stamina.retry_context(
        on=_is_retried, attempts=ATTEMPTS, timeout=None, wait_initial=FIRST_WAIT_S, wait_max=LONGEST_WAIT_S,
        wait_jitter=FIRST_WAIT_S,
    )  # fmt: skip
    try:
        async for attempt in attempts:
            with attempt:
                filled += await _fill_once(batcher, symbol, rest)
                _check_filled(ids)
    except (GapsLeftError, *REST_ERRORS) as error:
        log.warning("missing trades could not be fetched", symbol=symbol, ids=ids.open_count, reason=str(error))
    missing = sum(batcher.give_up(symbol, start, stop) for start, stop in tuple(ids.gaps))
    if skipped:
        log.info("skipped trades", symbol=symbol, ids=skipped, refilled=filled, not_fetched=missing)
    return filled


def _check_filled(ids: TradeIds) -> None:
    if ids.gaps:
        raise GapsLeftError("the exchange does not have them")


def _is_retried(error: Exception) -> bool:
    return isinstance(error, GapsLeftError) or is_rest_error(error)


async def _fill_once(batcher: TickBatcher, symbol: str, rest: RestClient) -> int:
    ids, filled = batcher.buffers[symbol].ids, 0
    for start, stop in tuple(ids.gaps):
        while start < stop:
            rows = await rest.get_trades(symbol, start)
            if not rows:
                break  # the exchange's REST API is a little behind its streams
            added = sum(batcher.add(trade) for trade in rows if trade.id < stop)
            filled += added
            TICKS_REFILLED.labels(symbol).inc(added)
            # Ids that the answer passes over do not exist.
            batcher.give_up(symbol, start, min(stop, rows[-1].id + 1))
            start = rows[-1].id + 1
    return filled
