"""Resuming a partition: its batcher goes on second by second and id by id from the newest batch in Kafka."""

import asyncio
import math

import stamina

from app.clock import Clock
from app.collector.market_data import MarketData
from app.collector.rest_client import REST_ERRORS, ROWS, RestClient, is_rest_error
from app.collector.ticks_log import PartitionTail
from app.domain.id_check import IdCheck
from app.domain.tick_batcher import SymbolBuffer, TickBatcher
from app.domain.ticks import Trade
from app.domain.trade_ids import TradeIds
from app.logs import logger

LONGEST_GAP_S = 3600  # exchange time: a longer absence is not filled after the fact
AHEAD_S = 60  # wall time: a newest batch so far in the future is another source's
ATTEMPTS, FIRST_WAIT_S, LONGEST_WAIT_S = 6, 0.2, 30.0
log = logger("collector")


async def take_over(
    partition: int, symbols: tuple[str, ...], tail: PartitionTail | None, market: MarketData, rest: RestClient
) -> TickBatcher:
    """Return the partition's batcher with every event in it that is known up to now."""
    rate, older = market.clock.rate, list[Trade]()
    tail = tail and _usable_tail(partition, tail, market.clock)
    if tail is None:
        batcher = TickBatcher(partition, symbols, first_second(symbols, market), rate)
    else:
        batcher = resume(partition, symbols, tail, rate)
        if market.recent_since_ms > (tail.second + 1) * 1000:
            older = await fetch_older_trades(batcher, market, rest)
    # No await from here on: events that come later are added by the caller.
    add_events(batcher, older, market)
    return batcher


def _usable_tail(partition: int, tail: PartitionTail, clock: Clock) -> PartitionTail | None:
    now_s = clock.exchange_ms() / 1000
    if now_s - tail.second > LONGEST_GAP_S:
        log.warning(
            "too long ago to be filled: this partition starts anew",
            partition=partition, last_second=tail.second, absent_s=int(now_s - tail.second),
        )  # fmt: skip
        return None
    if tail.second > now_s + AHEAD_S * clock.rate:
        log.warning(
            "the topic holds seconds of the future, perhaps of another source: use another BTC_TOPIC_PREFIX",
            partition=partition, last_second=tail.second, now=int(now_s),
        )  # fmt: skip
    return tail


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


def resume(partition: int, symbols: tuple[str, ...], tail: PartitionTail, rate: float) -> TickBatcher:
    """Return a batcher without events that goes on after the newest batch."""
    batcher = TickBatcher(partition, symbols, tail.second + 1, rate)
    for symbol in symbols:
        last_id = tail.last_ids.get(symbol, -1)
        ids = TradeIds(last_id + 1 if last_id >= 0 else None, tail.gaps.get(symbol))
        check = IdCheck(newest_ms=batcher.second * 1000 - 1)  # whatever is written is older
        batcher.buffers[symbol] = SymbolBuffer(ids=ids, check=check, last_id=last_id)
    return batcher


def add_events(batcher: TickBatcher, older: list[Trade], market: MarketData) -> None:
    """Add fetched trades and recent events, except quotes and books of seconds that are already written."""
    for trade in older:
        batcher.add(trade)
    now_ms, open_ms = market.clock.exchange_ms(), batcher.second * 1000
    for event in market.recent(frozenset(batcher.buffers)):
        if not isinstance(event, Trade) and event.time_ms < open_ms:
            continue
        if not batcher.implausible_reason(event, now_ms):
            for believed in batcher.check(event, now_ms):
                batcher.add(believed)


async def fetch_older_trades(batcher: TickBatcher, market: MarketData, rest: RestClient) -> list[Trade]:
    """Return the trades of all symbols between the last one written and the first recent one, over REST."""
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
    # What cannot be fetched now stays a gap in the ids and is tried again from there.
    trades: list[Trade] = []
    while stop is None or start < stop:
        try:
            rows = await _get_trades(rest, symbol, start)
        except REST_ERRORS:
            log.warning("older trades cannot be fetched now", symbol=symbol, from_id=start)
            break
        trades += [trade for trade in rows if stop is None or trade.id < stop]
        if len(rows) < ROWS:
            break
        start = rows[-1].id + 1
    return trades


@stamina.retry(
    on=is_rest_error, attempts=ATTEMPTS, timeout=None, wait_initial=FIRST_WAIT_S, wait_max=LONGEST_WAIT_S,
    wait_jitter=FIRST_WAIT_S,
)  # fmt: skip
async def _get_trades(rest: RestClient, symbol: str, from_id: int) -> list[Trade]:
    return await rest.get_trades(symbol, from_id)
