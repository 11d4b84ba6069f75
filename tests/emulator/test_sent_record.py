"""The record on disk, judged from outside."""

import asyncio
import errno
import gc
import io
import json
import time
from pathlib import Path

import httpx
import pytest

from app.emulator import MarketSourceError, synthetic
from app.emulator.active_fault import Outgoing
from app.emulator.fault import BITS, Fault
from app.emulator.market_source import Event
from app.emulator.sent_record import SentRecord
from app.emulator.sent_recorder import SentRecorder
from tests.exchange import connected, exchange_with, frames, received

TRADES, QUOTES = "btcusdt@aggTrade", "btcusdt@bookTicker"


def outgoing(key: int, copies: int = 1, faults: int = 0, sent_key: int | None = None) -> Outgoing:
    event = Event(key * 10, "BTCUSDT", "aggTrade", key if sent_key is None else sent_key, TRADES, b"{}")
    return Outgoing(event, key, copies, faults)


def test_a_message_is_read_as_it_was_recorded(tmp_path: Path) -> None:
    """Ids, copies, faults and exchange time; what nobody got counts as not sent."""
    recorder = SentRecorder(tmp_path / "record", "synthetic 7")
    recorder.add(outgoing(1), has_clients=True)
    recorder.add(outgoing(2, 3, BITS["duplicate"] | BITS["damage_id"], 99), has_clients=True)
    recorder.add(outgoing(3), has_clients=False)
    recorder.end([outgoing(4)])
    record = SentRecord(tmp_path / "record")
    rows = record.of(TRADES)
    assert rows["key"].tolist() == [1, 2, 3, 4]
    assert rows["sent_key"].tolist() == [1, 99, 3, 4]
    assert rows["copies"].tolist() == [1, 3, 0, 0]
    assert rows["due_us"].tolist() == [10, 20, 30, 40]
    assert record.touched(TRADES, "damage_id") == record.touched(TRADES, "duplicate") == [2]
    assert record.touched(TRADES, "corrupt") == []
    assert (record.streams, record.source) == ([TRADES], "synthetic 7")
    assert len(record.of("ethusdt@trade")) == 0


def test_the_verdict_names_what_is_wrong(tmp_path: Path) -> None:
    """Missing, doubled, never made; ids outside the span asked for are neither missing nor unknown."""
    recorder = SentRecorder(tmp_path, "x")
    for key in range(1, 7):
        recorder.add(outgoing(key), has_clients=True)
    recorder.end([])
    record = SentRecord(tmp_path)
    verdict = record.verdict(TRADES, [1, 2, 2, 4, 99], end_us=60)
    assert (verdict.missing, verdict.doubled, verdict.unknown) == ([3, 5], [2], [99])
    assert not verdict.is_exactly_once
    assert record.verdict(TRADES, [2, 3, 5, 6], start_us=20, excused=[4]).is_exactly_once


def test_a_record_is_never_mixed_with_another(tmp_path: Path) -> None:
    """A folder with a record is refused, one without cannot be read."""
    with pytest.raises(MarketSourceError, match="name a folder of --record"):
        SentRecord(tmp_path)
    SentRecorder(tmp_path, "x").end([])
    with pytest.raises(MarketSourceError, match="holds a record already; name another folder"):
        SentRecorder(tmp_path, "x")
    with pytest.raises(MarketSourceError, match="cannot be written"):
        SentRecorder(tmp_path / "about.json" / "below", "x")


async def test_an_exchange_that_cannot_start_leaves_its_record_closed(tmp_path: Path) -> None:
    """It can be read, and holds nothing."""
    with pytest.raises(MarketSourceError, match="scenario: silence: symbols: 'NOPE'"):
        async with exchange_with(Fault("silence", symbols=("NOPE",)), record=tmp_path):
            pass
    gc.collect()  # an open file would be a warning, which is an error
    assert len(SentRecord(tmp_path).messages) == 0


async def test_what_no_client_got_is_in_the_record_and_in_rest(tmp_path: Path, http: httpx.AsyncClient) -> None:
    """Trades made while nobody listened, and those a fault lost: a client that fills its holes by REST has every id."""
    async with exchange_with(Fault("skip", share=0.2, seed=3), record=tmp_path) as exchange:
        ids = [trade["a"] for trade in await received(exchange, TRADES, count=50)]
        await asyncio.sleep(0.3)
        ids += [trade["a"] for trade in await received(exchange, TRADES, count=50)]
        query: dict[str, str | int] = {"symbol": "BTCUSDT", "fromId": ids[0], "limit": 1000}
        rows = (await http.get(exchange.rest_url + "/api/v3/aggTrades", params=query)).json()
    record = SentRecord(tmp_path)
    made = record.of(TRADES)
    assert made["key"].tolist() == list(range(made["key"][0], made["key"][0] + len(made)))
    assert (made["copies"] == 0).sum() > 20
    until = made["due_us"][made["key"] == ids[-1]][0] + 1
    seen = record.verdict(TRADES, ids, start_us=int(made["due_us"][made["key"] == ids[0]][0]), end_us=int(until))
    assert len(seen.missing) > 20
    filled = ids + [row["a"] for row in rows if row["a"] in set(seen.missing)]
    start_us = int(made["due_us"][made["key"] == ids[0]][0])
    assert record.verdict(TRADES, filled, start_us=start_us, end_us=int(until)).is_exactly_once
    assert set(record.touched(TRADES, "skip")) - set(seen.missing) <= set(made["key"].tolist()) - set(ids)


async def test_every_frame_of_a_client_is_in_the_record(tmp_path: Path) -> None:
    """In the order in which it got them, while clients of other streams come and go; quotes too."""
    faults = (Fault("reorder", window=5), Fault("duplicate", share=0.3, seed=1))
    async with exchange_with(*faults, record=tmp_path) as exchange, connected(exchange, TRADES, QUOTES) as socket:
        got: list[tuple[str, int]] = []
        for _ in range(5):
            await received(exchange, "btcusdt@trade", count=2)
            texts = [json.loads(text) for text in await frames(socket, 100)]
            got += [(one["stream"], one["data"].get("a" if "T" in one["data"] else "u")) for one in texts]
        exchange.recorder.flush()  # type: ignore[union-attr]
        record = SentRecord(tmp_path)
        assert [fault["fault"]["fault"] for fault in record.faults] == ["reorder", "duplicate"]
    rows = SentRecord(tmp_path)
    for stream in (TRADES, QUOTES):
        sent = [int(key) for row in rows.of(stream) for key in [row["key"]] * row["copies"]]
        mine = [key for name, key in got if name == stream]
        assert sent[: len(mine)] == mine


async def test_a_record_that_cannot_be_written_ends_the_exchange(tmp_path: Path) -> None:
    """A judge that forgets is none."""
    with pytest.raises(MarketSourceError, match="cannot be written"):  # noqa: PT012
        async with exchange_with(record=tmp_path) as exchange, connected(exchange, TRADES):
            recorder = exchange.recorder
            assert recorder is not None
            recorder._messages.close()
            recorder._messages = FullDisk()  # type: ignore[assignment]
            async with asyncio.timeout(10):
                await exchange.wait()


class FullDisk(io.RawIOBase):
    """A file that takes nothing."""

    def write(self, _data: object) -> int:
        """Fail."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_message_costs_a_few_microseconds(tmp_path: Path) -> None:
    """100,000 messages are recorded in well below a second."""
    recorder, one = SentRecorder(tmp_path, "x"), outgoing(7)
    begun = time.process_time()
    for _ in range(100_000):
        recorder.add(one, has_clients=True)
        recorder.flush_if_due()
    recorder.end([])
    assert time.process_time() - begun < 1.0
    assert (tmp_path / "messages.bin").stat().st_size == 100_000 * 40
    assert len(SentRecord(tmp_path).of(TRADES)) == 100_000


def test_symbols_of_one_market_are_told_apart(tmp_path: Path) -> None:
    """Each stream has a number of its own."""
    recorder = SentRecorder(tmp_path, "x")
    market = synthetic(7, 3)
    for event in market.events(["btcusdt@aggTrade", "ethusdt@aggTrade"], 1_795_000_000 * 10**6, 1_795_000_010 * 10**6):
        recorder.add(Outgoing(event, event.key), has_clients=True)
    recorder.end([])
    record = SentRecord(tmp_path)
    bitcoin, ether = (record.of(f"{name}@aggTrade")["key"] for name in ("btcusdt", "ethusdt"))
    assert len(bitcoin) > 20
    assert not set(bitcoin.tolist()) & set(ether.tolist())
