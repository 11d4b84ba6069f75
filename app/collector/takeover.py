"""Resuming a partition: live at once, in order where that needs no wait.

An absence no longer than the windows is filled second by second and id by id, if REST answers within `IN_ORDER_S`.
Otherwise the partition begins with what was received. The ids go on from the newest batch either way, so what lies
between is a hole in them, whatever its age.
"""

import asyncio
import math

from app.clock import Clock
from app.collector.market_data import MarketData
from app.collector.rest_client import REST_ERRORS, ROWS, RestClient, is_rest_error
from app.collector.ticks_log import PartitionTail
from app.domain.id_check import IdCheck
from app.domain.tick_batcher import SymbolBuffer, TickBatcher
from app.domain.ticks import Trade
from app.domain.trade_ids import IMPLAUSIBLE_JUMP, TradeIds
from app.logs import logger

WINDOWS_S = 300  # exchange time: a longer absence is not filled in order, no forecast would use it
IN_ORDER_S = 2.0  # wall time for all of a partition's older trades
AHEAD_S = 60  # wall time: a newest batch so far in the future is another source's
log = logger("collector")


async def take_over(
    partition: int, symbols: tuple[str, ...], tail: PartitionTail | None, market: MarketData, rest: RestClient
) -> TickBatcher:
    """Return the partition's batcher with every event in it that is known up to now."""
    rate = market.clock.rate
    if tail is None:
        return add_events(TickBatcher(partition, symbols, first_second(symbols, market), rate), [], market)
    _check_future(partition, tail, market.clock)
    batcher = resume(partition, symbols, tail, tail.second + 1, rate)
    older = await _older_trades(batcher, market, rest)
    # No await from here on: events that come later are added by the caller.
    if older is None:
        batcher = resume(partition, symbols, tail, max(tail.second + 1, first_second(symbols, market)), rate)
    return add_events(batcher, older or [], market)


async def _older_trades(batcher: TickBatcher, market: MarketData, rest: RestClient) -> list[Trade] | None:
    """Return the trades between the newest batch and what was received, None if they are not to be waited for."""
    start_ms = batcher.second * 1000
    if market.recent_since_ms <= start_ms:
        return []
    if market.recent_since_ms - start_ms > WINDOWS_S * 1000:
        return None
    try:
        async with asyncio.timeout(IN_ORDER_S):
            return await fetch_older_trades(batcher, market, rest)
    except REST_ERRORS as error:
        is_rest_error(error)  # logs it
        return None


def _check_future(partition: int, tail: PartitionTail, clock: Clock) -> None:
    now_s = clock.exchange_ms() / 1000
    if tail.second > now_s + AHEAD_S * clock.rate:
        log.warning(
            "the topic holds seconds of the future, perhaps of another source: use another BTC_TOPIC_PREFIX",
            partition=partition, last_second=tail.second, now=int(now_s),
        )  # fmt: skip


def first_second(symbols: tuple[str, ...], market: MarketData) -> int:
    """Return the second an empty partition begins with: that of the first event received of its symbols.

    A trade may be older than the first frame by its transit; older than two wall seconds it is late.
    """
    started_s = int(market.started_ms // 1000)
    earliest = started_s - math.ceil(2 * market.clock.rate)
    if market.recent_since_ms > market.started_ms:
        return int(market.clock.exchange_ms() // 1000)
    seconds = (event.time_ms // 1000 for event in market.recent(frozenset(symbols)))
    return max(earliest, min(seconds, default=started_s))


def resume(partition: int, symbols: tuple[str, ...], tail: PartitionTail, second: int, rate: float) -> TickBatcher:
    """Return a batcher without events that begins with a second and goes on after the newest ids written."""
    batcher = TickBatcher(partition, symbols, second, rate)
    hours_away = math.ceil(max(second - tail.second, 0) / 3600)
    for symbol in symbols:
        last_id = tail.last_ids.get(symbol, -1)
        ids = TradeIds(last_id + 1 if last_id >= 0 else None)
        # Whatever is written is older.
        check = IdCheck(newest_ms=(tail.second + 1) * 1000 - 1, first_jump=IMPLAUSIBLE_JUMP * hours_away)
        batcher.buffers[symbol] = SymbolBuffer(
            ids=ids, check=check, last_id=last_id, newest_ms=(tail.second + 1) * 1000
        )
    return batcher


def add_events(batcher: TickBatcher, older: list[Trade], market: MarketData) -> TickBatcher:
    """Add fetched trades and recent events; return the batcher.

    Quotes and books of seconds before the open one are left out.
    """
    for trade in older:
        batcher.add(trade)
    now_ms, open_ms = market.clock.exchange_ms(), batcher.second * 1000
    for event in market.recent(frozenset(batcher.buffers)):
        if not isinstance(event, Trade) and event.time_ms < open_ms:
            continue
        if not batcher.implausible_reason(event, now_ms):
            for believed in batcher.check(event, now_ms):
                batcher.add(believed)
    return batcher


async def fetch_older_trades(batcher: TickBatcher, market: MarketData, rest: RestClient) -> list[Trade]:
    """Return the trades between the last one written and the first recent one; raises one of `REST_ERRORS`."""
    first_ids: dict[str, int] = {}
    for event in market.recent(frozenset(batcher.buffers)):
        if isinstance(event, Trade):
            first_ids.setdefault(event.symbol, event.id)
    fetches = [
        _fetch_between(rest, symbol, state.ids.next, first_ids.get(symbol))
        for symbol, state in batcher.buffers.items()
        if state.ids.next is not None
    ]
    return [trade for trades in await asyncio.gather(*fetches) for trade in trades]


async def _fetch_between(rest: RestClient, symbol: str, start: int, stop: int | None) -> list[Trade]:
    trades: list[Trade] = []
    while stop is None or start < stop:
        rows = await rest.get_trades(symbol, start)
        trades += [trade for trade in rows if stop is None or trade.id < stop]
        if len(rows) < ROWS:
            break
        start = rows[-1].id + 1
    return trades
