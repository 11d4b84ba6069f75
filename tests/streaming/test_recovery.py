"""Recovery of tables against a Kafka client that ends a fetch at the worst moment."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from app.settings import Settings
from app.streaming.faust_app import create_app

TICKS, CHANGELOG = TP("btc.ticks", 0), TP("test-table-changelog", 0)
MESSAGES = 31


class Client:
    """A stand-in for the aiokafka consumer: one changelog with messages; a first fetch that ends during a seek."""

    def __init__(self) -> None:
        self.position_of = {TICKS: 0, CHANGELOG: 0}
        self.end_of = {TICKS: 0, CHANGELOG: MESSAGES}
        self.in_flight, self.to_end = asyncio.Event(), asyncio.Event()
        self._fetcher = self._subscriptions = self
        self._closed, self._max_poll_records = False, 500

    @contextmanager
    def fetch_context(self) -> Iterator[None]:
        """Count nothing."""
        yield

    async def fetched_records(self, partitions: set[TP], *, timeout: float, max_records: int) -> dict[TP, list[Any]]:
        """Return what follows the positions, as aiokafka does: no partitions are all partitions."""
        self.in_flight.set()
        await self.to_end.wait()
        await asyncio.sleep(0)
        taken = [tp for tp in self.position_of if not partitions or tp in partitions]
        found = {tp: [_record(tp, n) for n in range(self.position_of[tp], self.end_of[tp])] for tp in taken}
        self.position_of.update({tp: self.end_of[tp] for tp in taken})
        return {tp: records for tp, records in found.items() if records}

    def seek(self, tp: TP, offset: int) -> None:
        """Set the position."""
        self.position_of[tp] = offset

    async def position(self, tp: TP) -> int:
        """Return the position; meanwhile the fetch in flight ends, and what called it goes on."""
        self.to_end.set()
        for _step in range(20):
            await asyncio.sleep(0)
        return self.position_of[tp]

    async def seek_to_committed(self) -> dict[TP, int | None]:
        """Seek nothing: nothing is committed."""
        return {TICKS: None, CHANGELOG: None}

    async def beginning_offsets(self, partitions: Any) -> dict[TP, int]:
        """Return zeros."""
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Any) -> dict[TP, int]:
        """Return the ends."""
        return {tp: self.end_of[tp] for tp in partitions}

    def assignment(self) -> set[TP]:
        """Return both partitions."""
        return {TICKS, CHANGELOG}

    def highwater(self, tp: TP) -> int:
        """Return the end."""
        return self.end_of[tp]


def _record(tp: TP, offset: int) -> Any:
    return SimpleNamespace(
        topic=tp.topic, partition=tp.partition, offset=offset, timestamp=0, timestamp_type=0, headers=(),
        key=str(offset).encode(), value=b"x", checksum=None, serialized_key_size=1, serialized_value_size=1,
    )  # fmt: skip


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Any]:
    """Return a Faust app with one table, whose consumer thread is this one and asks a `Client`."""
    made = create_app(Settings(data_dir=tmp_path, app_id="test"))
    made.Table("table", key_type=bytes, value_type=bytes, partitions=1, store="memory://")
    made.consumer._thread._consumer = Client()
    made.consumer._thread.call_thread = lambda function, *arguments, **options: function(*arguments, **options)
    made._producer = None
    yield made
    await made.tables.recovery.stop()
    await made._fetcher.stop()
    made.consumer._thread.thread_loop.close()


async def test_what_a_fetch_brings_while_the_flow_is_stopped_is_recovered_all_the_same(app: Any) -> None:
    """A fetch ends between the seek of the changelog and the start of its recovery: the recovery ends."""
    client = app.consumer._thread._consumer
    app.consumer.resume_partitions({TICKS})
    await app._fetcher.start()
    await client.in_flight.wait()
    app.consumer.stop_flow()
    app.consumer.pause_partitions(client.assignment())
    await app.tables.on_start()
    await app.topics._update_indices()
    await app.topics.on_partitions_assigned(client.assignment())
    app.assignor._assignment = SimpleNamespace(actives={CHANGELOG.topic: [0]}, standbys={})
    await app.tables.on_rebalance(client.assignment(), set(), client.assignment(), app.consumer_generation_id)
    async with asyncio.timeout(5):
        await app.tables.recovery.completed.wait()
    assert app.tables.recovery.active_offsets[CHANGELOG] == MESSAGES - 1
    assert app.tables["table"].get(b"30") == b"x"


async def test_only_messages_that_are_handed_on_move_the_position(app: Any) -> None:
    """Faust hands on what is active while the flow runs; aiokafka takes an empty set for every partition."""
    client, thread = app.consumer._thread._consumer, app.consumer._thread
    client.to_end.set()
    fetch = {"timeout": 0.0, "max_records": 500}
    assert await thread._fetch_records(client, set(), **fetch) == {}
    assert client.position_of[CHANGELOG] == 0
    app.consumer.stop_flow()
    assert await thread._fetch_records(client, {CHANGELOG}, **fetch) == {}
    app.consumer.resume_flow()
    fetched = await thread._fetch_records(client, {CHANGELOG}, **fetch)
    assert (len(fetched[CHANGELOG]), client.position_of[CHANGELOG]) == (MESSAGES, MESSAGES)
