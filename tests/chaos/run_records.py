"""Constructed runs for the judge: a real record of the emulator's on disk, and batches as a collector writes them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.clock import Clock
from app.emulator.active_fault import Outgoing
from app.emulator.market_source import AGG_TRADE, Event
from app.emulator.sent_record import SentRecord
from app.emulator.sent_recorder import SentRecorder
from app.records import Gap, TickBatch, Ticks, Trades
from benchmarks.chaos.judge import Expectation
from benchmarks.chaos.readers import TopicsOfRun, WrittenBatch, WrittenGap

SYMBOL = "BTCUSDT"
EXPECTATION = Expectation((SYMBOL,), partitions=1, clock=Clock(0.0, 0.0), until_s=104)


def record_of(
    folder: Path,
    made: dict[int, tuple[int, ...]],
    *,
    copies: int = 1,
    lost: tuple[int, ...] = (),
    kind: str = AGG_TRADE,
) -> SentRecord:
    """Return the record of an exchange that made these ids: second → ids, a tenth of a second apart; `lost` unsent."""
    recorder = SentRecorder(folder, "constructed")
    for second, ids in made.items():
        for place, key in enumerate(ids):
            due_us = second * 1_000_000 + place * 100_000
            event = Event(due_us, SYMBOL, kind, key, f"{SYMBOL.lower()}@{kind}", b"{}")
            recorder.add(Outgoing(event, key, copies), has_clients=key not in lost)
    recorder.end(())
    return SentRecord(folder)


def written(second: int, ids: Iterable[int] = (), *, after_ms: float = 60.0, **changes: Any) -> WrittenBatch:
    """Return a batch with these trades, closed and appended so long after its second's end."""
    appended_ms, trade_ids = (second + 1) * 1000 + after_ms, list(ids)
    trades = Trades(id=trade_ids, time_ms=[second * 1000] * len(trade_ids))
    known: dict[str, Any] = {"partition": 0, "second": second, "closed_ms": appended_ms, "generation": 1,
                             "symbols": {SYMBOL: Ticks(trades=trades)}}  # fmt: skip
    return WrittenBatch(appended_ms, TickBatch(**{**known, **changes}))


def named(first: int, last: int, *, at_ms: float = 103_000.0, **changes: Any) -> WrittenGap:
    """Return a record of the ledger that names these trade ids as lost."""
    known: dict[str, Any] = {"id": f"{SYMBOL}-trades-{first}", "symbol": SYMBOL, "partition": 0, "stream": "trades",
                             "state": "lost", "reason": "skipped", "ids": [(first, last)], "from_ms": 101_000.0,
                             "to_ms": 101_500.0, "opened_ms": 102_000.0, "generation": 1}  # fmt: skip
    return WrittenGap(at_ms, Gap(**{**known, **changes}))


def topics(*parts: WrittenBatch | WrittenGap, backfill: Iterable[WrittenBatch] = ()) -> TopicsOfRun:
    """Return the topics of a run with these batches of `btc.ticks` and records of the ledger."""
    return TopicsOfRun(
        ticks=[one for one in parts if isinstance(one, WrittenBatch)],
        backfill=list(backfill),
        gaps=[one for one in parts if isinstance(one, WrittenGap)],
    )
