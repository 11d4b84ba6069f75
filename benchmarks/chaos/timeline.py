"""When a fault was noticed, when the feed was live again, and when what it cost was there."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from app.clock import Clock
from app.emulator.sent_record import SentRecord
from app.kafka.topics import partition_of
from benchmarks.chaos.judge import Expectation, owed_rows
from benchmarks.chaos.readers import DeliveredTrade, TopicsOfRun, WrittenBatch, accepted, delivered

ON_TIME_MS = 1000.0  # a batch that the broker had so long after its second's end is on time


class Times(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Wall seconds; None: it did not happen (or there was nothing to do, see `refilled`)."""

    detected_s: float | None = None  # from the fault's begin to the first sign of it
    live_again_s: float | None = None  # from its end to the next batch on time, of a second begun after the end
    refilled_s: float | None = None  # from its end to the last trade that was refilled; 0: it came before the end
    refilled: int = 0  # trades that the stream did not bring, or only after their second's batch and the next one


class FaultWindow(NamedTuple):
    """From the begin of the first fault to the end of the last, wall clock, epoch ms."""

    begins_ms: float
    ends_ms: float


def window_of(faults: Iterable[Mapping[str, Any]]) -> FaultWindow:
    """Return the window of the faults of a record, {"number": 0, "at_ms": 1.5, "fault": {"fault": "skip", …}}.

    A fault without a length ends where it begins; an announced end of connections counts from the end itself.
    """
    windows = [_window(one["at_ms"], one["fault"]) for one in faults]
    return FaultWindow(min(one.begins_ms for one in windows), max(one.ends_ms for one in windows))


def _window(at_ms: float, fault: Mapping[str, Any]) -> FaultWindow:
    begins_ms = at_ms + 1000 * fault.get("after_s", 0.0)
    grace_s = fault.get("grace_s", 600.0) if fault["fault"] == "server_shutdown" else 0.0
    return FaultWindow(begins_ms, begins_ms + 1000 * (fault.get("seconds", 0.0) + grace_s))


def times_of(
    record: SentRecord, topics: TopicsOfRun, expectation: Expectation, window: FaultWindow, sign_ms: float | None
) -> Times:
    """Return the times of a run; `sign_ms` is the first sign in logs and metrics, wall clock."""
    signs = [gap.appended_ms for gap in topics.gaps if gap.appended_ms >= window.begins_ms]
    signs += [sign_ms] if sign_ms is not None else []
    refills = list(_refills(record, topics, expectation, window))
    return Times(
        detected_s=(min(signs) - window.begins_ms) / 1000 if signs else None,
        live_again_s=_live_again_s(record, topics, expectation, window),
        refilled_s=max(0.0, max(refills) - window.ends_ms) / 1000 if refills else None,
        refilled=len(refills),
    )


# ── live again ────────────────────────────────────────────────────────────────────────────────────────────────


def _live_again_s(
    record: SentRecord, topics: TopicsOfRun, expectation: Expectation, window: FaultWindow
) -> float | None:
    """Return the time until every partition has written a batch on time, None if one never does."""
    made = {symbol: _ids_by_second(record, symbol, expectation) for symbol in expectation.symbols}
    batches = accepted(topics.ticks)
    found = list[float]()
    for partition in {partition_of(symbol, expectation.partitions) for symbol in expectation.symbols}:
        live = (
            one.appended_ms for one in batches.get(partition, ())
            if expectation.clock.wall_of_ms(one.batch.second * 1000) >= window.ends_ms
            and is_live(one, made, expectation.clock)
        )  # fmt: skip
        found.append(next(live, float("inf")))
    last_ms = max(found)
    return None if last_ms == float("inf") else (last_ms - window.ends_ms) / 1000


def is_live(written: WrittenBatch, made: Mapping[str, Mapping[int, set[int]]], clock: Clock) -> bool:
    """Return whether a batch came on time and has trades of every symbol for which its second had any.

    `made`: symbol → second → the ids that the exchange made in it.
    """
    batch, ends_ms = written.batch, clock.wall_of_ms((written.batch.second + 1) * 1000)
    if batch.late or not ends_ms - 1.0 <= written.appended_ms <= ends_ms + ON_TIME_MS:
        return False
    return all(
        not (ids := made.get(symbol, {}).get(batch.second)) or ids & set(ticks.trades.id)
        for symbol, ticks in batch.symbols.items()
    )


def _ids_by_second(record: SentRecord, symbol: str, expectation: Expectation) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    rows = owed_rows(record, symbol, expectation)
    for key, due_us in zip(rows["key"].tolist(), rows["due_us"].tolist(), strict=True):
        found.setdefault(due_us // 1_000_000, set()).add(key)
    return found


# ── refilled ──────────────────────────────────────────────────────────────────────────────────────────────────


def _refills(record: SentRecord, topics: TopicsOfRun, expectation: Expectation, window: FaultWindow) -> Iterator[float]:
    """Yield when each trade came that was made since the fault began and that the stream did not bring in time."""
    trades = delivered(topics)
    for symbol in expectation.symbols:
        rows = owed_rows(record, symbol, expectation)
        rows = rows[rows["due_us"] / 1000 >= expectation.clock.exchange_ms(window.begins_ms)]
        due_ms = dict(zip(rows["key"].tolist(), (rows["due_us"] / 1000).tolist(), strict=True))
        not_sent = set(rows["key"][(rows["copies"] == 0) | (rows["sent_key"] != rows["key"])].tolist())
        for trade in trades.get(symbol, ()):
            if trade.id in due_ms and (trade.id in not_sent or _is_late(trade, due_ms[trade.id], expectation)):
                yield trade.appended_ms


def _is_late(trade: DeliveredTrade, made_ms: float, expectation: Expectation) -> bool:
    ends_ms = expectation.clock.wall_of_ms((made_ms // 1000 + 2) * 1000)  # of the next second
    return trade.is_backfilled or trade.appended_ms > ends_ms + ON_TIME_MS / 2
