"""A partition changes hands. What enters: where it stands in Kafka and what was heard since; what leaves: a cutter
that goes on from there, second by second and id by id.
"""

import asyncio
import math

from app.collector.intake import Intake
from app.collector.market_streams import backoff_s
from app.collector.rest_client import REST_ERRORS, ROWS, RestClient
from app.collector.ticks_log import PartitionTail
from app.domain.tick_batcher import SymbolBuffer, TickBatcher
from app.domain.ticks import Quote, Trade
from app.domain.trade_ids import TradeIds
from app.logs import logger

LONGEST_GAP_S = 3600  # exchange time: a longer absence is not filled after the fact
ATTEMPTS = 6
log = logger("collector")


async def take_over(
    partition: int, symbols: tuple[str, ...], place: PartitionTail | None, intake: Intake, refill: RestClient
) -> TickBatcher:
    """Return the partition's cutter with everything in it that is known up to now."""
    now_ms, rate = intake.clock.exchange_ms(), intake.clock.rate
    older: list[Trade] = []
    if place and now_ms / 1000 - place.second > LONGEST_GAP_S:
        log.warning(
            "too long ago to be filled: this partition starts afresh",
            partition=partition, last_second=place.second, absent_s=int(now_ms / 1000 - place.second),
        )  # fmt: skip
        place = None
    if place and place.second > now_ms / 1000 + 60 * rate:
        log.warning(
            "the topic holds seconds of the future, of another source perhaps: use another BTC_TOPIC_PREFIX",
            partition=partition, last_second=place.second, now=int(now_ms / 1000),
        )  # fmt: skip
    if place is None:
        cutter = TickBatcher(partition, symbols, first_second(symbols, intake), rate)
    else:
        cutter = resumed(partition, symbols, place, rate)
        if intake.recent_since_ms > (place.second + 1) * 1000:
            older = await older_trades(cutter, intake, refill)
    # No await from here on: what is heard next is added by the caller.
    replay(cutter, older, intake)
    return cutter


def first_second(symbols: tuple[str, ...], intake: Intake) -> int:
    """Return the second a partition without history begins with: that of the first event heard of it.

    A trade may be older than the first frame by what it was under way; older than two wall seconds it is late.
    """
    started_s = int(intake.started_ms // 1000)
    earliest = started_s - math.ceil(2 * intake.clock.rate)
    if intake.recent_since_ms > intake.started_ms:
        return int(intake.clock.exchange_ms() // 1000)
    seconds = (event.time_ms // 1000 for event in intake.recent(frozenset(symbols)))
    return max(earliest, min(seconds, default=started_s))


def resumed(partition: int, symbols: tuple[str, ...], place: PartitionTail, rate: float) -> TickBatcher:
    """Return a cutter that goes on from a place, still empty."""
    cutter = TickBatcher(partition, symbols, place.second + 1, rate)
    for symbol in symbols:
        last_id = place.last_ids.get(symbol, -1)
        ids = TradeIds(last_id + 1 if last_id >= 0 else None, place.holes.get(symbol))
        cutter.buffers[symbol] = SymbolBuffer(ids=ids, last_id=last_id)
    return cutter


def replay(cutter: TickBatcher, older: list[Trade], intake: Intake) -> None:
    """Add trades fetched and events heard; quotes of seconds already written are left out."""
    for trade in older:
        cutter.add(trade)
    now_ms, open_ms = intake.clock.exchange_ms(), cutter.second * 1000
    for event in intake.recent(frozenset(cutter.buffers)):
        if isinstance(event, Quote) and event.time_ms < open_ms:
            continue
        if not cutter.implausible_reason(event, now_ms):
            cutter.add(event)


async def older_trades(cutter: TickBatcher, intake: Intake, refill: RestClient) -> list[Trade]:
    """Return over REST the trades of all symbols between the last one written and the first one heard."""
    heard: dict[str, int] = {}
    for event in intake.recent(frozenset(cutter.buffers)):
        if isinstance(event, Trade):
            heard.setdefault(event.symbol, event.id)
    wanted = [
        (symbol, market.ids.next, heard.get(symbol))
        for symbol, market in cutter.buffers.items()
        if market.ids.next is not None
    ]
    parts = await asyncio.gather(*(_between(refill, *want) for want in wanted))
    return [trade for part in parts for trade in part]


async def _between(refill: RestClient, symbol: str, start: int, stop: int | None) -> list[Trade]:
    # What cannot be had here stays a hole in the ids and is tried again from there.
    trades: list[Trade] = []
    failures = 0
    while stop is None or start < stop:
        try:
            rows = await refill.trades(symbol, start)
        except REST_ERRORS as error:
            failures += 1
            log.warning("older trades are not to be had yet", symbol=symbol, from_id=start, reason=str(error))
            if failures == ATTEMPTS:
                break
            await asyncio.sleep(backoff_s(failures))
            continue
        trades += [trade for trade in rows if stop is None or trade.id < stop]
        if len(rows) < ROWS:
            break
        start = rows[-1].id + 1
    return trades
