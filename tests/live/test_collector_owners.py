"""Two collectors, one of them always being killed or suspended: the ids as read equal the exchange's record."""

import asyncio
import os
import signal
from pathlib import Path

import msgspec

from app.emulator import Exchange, synthetic
from app.emulator.sent_record import SentRecord
from app.kafka.reading import read_topic
from app.kafka.topics import TICKS
from app.records import TickBatch
from app.settings import Settings
from tests.collector.interleavings import as_read
from tests.live.test_collector import Replica, replicas, until

ROUNDS = int(os.environ.get("BTC_OWNER_ROUNDS", "2"))  # of 20 s; 15 are five minutes
STREAM = "btcusdt@aggTrade"


async def read(settings: Settings) -> list[TickBatch]:
    """Return what a reader accepts."""
    return as_read([msgspec.json.decode(one.value, type=TickBatch) async for one in read_topic(settings, TICKS)])


async def newest(settings: Settings) -> int:
    """Return the newest second read, 0 before the first."""
    kept = await read(settings)
    return kept[-1].second if kept else 0


async def test_ids_as_read_equal_the_exchanges_record_while_owners_are_killed_and_suspended(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Kill −9 and SIGSTOP in turn, every 20 s."""
    record = tmp_path / "record"
    async with Exchange(synthetic(7, ticks_per_s=50), record=record) as exchange:
        settings = Settings(
            kafka_url=kafka, topic_prefix=prefix, app_id=prefix,
            exchange_ws_url=exchange.ws_url, exchange_rest_url=exchange.rest_url,
        )  # fmt: skip
        with replicas(settings, tmp_path) as start:
            running: list[Replica] = [start("a")]
            await until(lambda: running[0].fills)
            running.append(start("b"))
            for number in range(ROUNDS):
                await asyncio.sleep(20)
                if number % 2:
                    running[0].process.send_signal(signal.SIGSTOP)
                    await asyncio.sleep(12)
                    running[0].process.send_signal(signal.SIGCONT)
                else:
                    running[0].process.kill()
                    running.append(start("ab"[number // 2 % 2]))
                running.append(running.pop(0))
            await asyncio.sleep(15)
            last = await newest(settings)

            async def is_past() -> bool:
                return await newest(settings) > last + 3

            await until(is_past)
            kept = await read(settings)
    seconds = [batch.second for batch in kept]
    assert seconds == list(range(seconds[0], seconds[-1] + 1))
    ids = [trade_id for batch in kept for trade_id in batch.symbols["BTCUSDT"].trades.id]
    verdict = SentRecord(record).verdict(
        STREAM, ids, start_us=(seconds[0] + 2) * 1_000_000, end_us=(seconds[-1] - 2) * 1_000_000
    )
    assert verdict.is_exactly_once, verdict
