"""Faust's internals still have the shape that `faust_fixes` relies on, and the fixes do what they are for."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import faust
import mode
import msgspec
import pytest
from faust.cli.worker import worker as worker_command
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer, ConsumerThread, ThreadDelegateConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage

from app.settings import Settings
from app.streaming import faust_fixes
from app.streaming.faust_app import create_app


@pytest.fixture
async def app() -> faust.App:
    """Return an app that was not started."""
    return create_app(Settings(app_id="fixes"))


@pytest.fixture
async def consumer(app: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Return the app's consumer, not started, with partition 2 of the ticks assigned to it."""
    made = app._new_consumer()
    monkeypatch.setattr(app.topics, "acks_enabled_for", lambda _topic: True)
    made._committed_offset[TP("btc.ticks", 2)] = 0
    yield made
    made._thread.thread_loop.close()


def message(offset: int = 7) -> Message:
    """Return a message as a consumer reads it: `tracked` once an agent took it."""
    tp = TP("btc.ticks", 2)
    return ConsumerMessage(tp.topic, tp.partition, offset, 0.0, 0, {}, b"2", b"{}", None, tp=tp)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (faust.App, "_new_consumer", ["self"]),
        (faust.App, "_consumer_wait_empty", ["self", "consumer", "logger"]),
        (faust.App, "on_first_start", ["self"]),
        (faust.Worker, "_sentinel_task", ["self"]),
        (faust.App, "on_shutdown", ["self"]),
        (Consumer, "ack", ["self", "message"]),
        (Consumer, "stop_flow", ["self"]),
        (Recovery, "on_recovery_completed", ["self", "generation_id"]),
        (TableManager, "_update_channels", ["self"]),
        (AIOKafkaConsumerThread, "_fetch_records", ["self", "consumer", "active_partitions", "timeout", "max_records"]),
        (Recovery, "__init__", ["self", "app", "tables", "kwargs"]),
    ],
)
def test_what_is_replaced_has_the_parameters_it_had(owner: type, name: str, parameters: list[str]) -> None:
    """A changed parameter would make the replacement fail in the middle of a rebalance."""
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


@pytest.mark.parametrize(
    ("owner", "method", "words"),
    [
        (faust.App, "_on_partitions_revoked", ["_consumer_wait_empty"]),
        (faust.App, "_stop_consumer", ["_consumer_wait_empty"]),
        (Consumer, "ack", ["message.acked", "_committed_offset"]),
        (Consumer, "__init__", ["self._committed_offset", "self._read_offset"]),
        (TableManager, "on_stop", ["self._recovery"]),
        (TableManager, "on_start", ["self._update_channels()", "self.recovery.start()"]),
        (Consumer, "getmany", ["self._buffered_partitions", "self.flow_active"]),
        (AIOKafkaConsumerThread, "getmany", ["self._fetch_records"]),
        (ThreadDelegateConsumer, "__init__", ["self._thread"]),
        (Recovery, "__init__", ["self.active_offsets", "self.completed"]),
        (Recovery, "_set_recovery_ended", ["self.in_recovery"]),
    ],
)
def test_faust_calls_what_is_replaced_and_keeps_what_is_read(owner: type, method: str, words: list[str]) -> None:
    """A method that Faust no longer calls, or an attribute it no longer keeps, is a fix that silently does nothing."""
    source = inspect.getsource(getattr(owner, method))
    assert [word for word in words if word not in source] == []


def test_the_thread_s_consumer_is_the_one_whose_offsets_are_read() -> None:
    """The app's consumer delegates to a thread; offsets are kept on the outer one, where `lag` reads them."""
    assert issubclass(ThreadDelegateConsumer, Consumer)
    assert not issubclass(ConsumerThread, Consumer)


async def test_only_what_an_agent_processed_is_acknowledged(consumer: Any) -> None:
    """A message that was read ahead and thrown away stays unread for the next owner of its partition."""
    skipped, processed = message(1), message(2)
    processed.tracked = True
    consumer.ack(skipped)
    consumer.ack(processed)
    assert list(consumer._acked[TP("btc.ticks", 2)]) == [2]


async def test_a_cancelled_event_is_not_acknowledged(consumer: Any) -> None:
    """Faust acknowledges at the end of an event whatever happened in it, unless the message says it was done."""
    cancelled = message(3)
    cancelled.tracked = True
    faust_fixes.leave_unacknowledged(cancelled)
    assert consumer.ack(cancelled) is False
    assert list(consumer._acked[TP("btc.ticks", 2)]) == []


async def test_a_dead_letter_is_acknowledged(app: Any, consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent processes it, and read again it would be no better."""
    monkeypatch.setattr(type(app), "consumer", consumer)
    faust_fixes.acknowledge(app, message(4))
    assert list(consumer._acked[TP("btc.ticks", 2)]) == [4]


async def test_asking_builds_neither_recovery_nor_consumer(app: Any) -> None:
    """Built too early they belong to the event loop that asks, and the worker waits for its tables for ever."""
    assert faust_fixes.is_recovered(app) is False
    assert (faust_fixes.recovered_offsets(app), faust_fixes.committed_offsets(app)) == ({}, {})
    assert (app.tables._recovery, app._consumer) == (None, None)


async def test_the_recovery_is_the_fixed_one(app: Any) -> None:
    """And it is built once."""
    assert type(app.tables) is faust_fixes.FixedTableManager
    assert type(app.tables.recovery) is faust_fixes.FixedRecovery
    assert app.tables.recovery is app.tables.recovery


async def test_the_flow_stops_before_the_last_step_of_a_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's own step seeks and resumes: what flows in between would be thrown away and committed."""
    steps: list[str] = []

    async def last_step(_self: Recovery, generation_id: int = 0) -> None:
        steps.append(f"seek of generation {generation_id}")

    monkeypatch.setattr(Recovery, "on_recovery_completed", last_step)
    recovery = object.__new__(faust_fixes.FixedRecovery)
    recovery.app = SimpleNamespace(
        consumer=SimpleNamespace(stop_flow=lambda: steps.append("consumer stops")),
        flow_control=SimpleNamespace(suspend=lambda: steps.append("flow stops")),
    )
    await recovery.on_recovery_completed(3)
    assert steps == ["consumer stops", "flow stops", "seek of generation 3"]


@pytest.mark.parametrize(
    ("committed", "read", "end", "lag"),
    [(5, 9, 12, 7), (None, 9, 12, 3), (None, None, 12, None), (5, 9, None, None), (12, 12, 12, 0)],
)
def test_lag_counts_from_the_committed_offset(committed: Any, read: Any, end: Any, lag: Any) -> None:
    """Without a commit, from what was read; unknown is not zero."""
    tp = TP("btc.ticks", 2)
    consumer = SimpleNamespace(highwater=lambda _tp: end, _committed_offset={tp: committed}, _read_offset={tp: read})
    assert faust_fixes.lag(SimpleNamespace(consumer=consumer), tp) == lag


def test_a_record_is_shown_by_the_models_command() -> None:
    """`faust -A app models` lists what is registered."""

    class Shown(msgspec.Struct):
        """One thing."""

        price: float

    faust_fixes.register_record("test.Shown", Shown)
    from faust.models.base import registry

    assert registry["test.Shown"]._options.fields == {"price": str}


async def test_a_rebalance_waits_for_the_app_s_events(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for the messages that were read ahead."""
    waited = asyncio.Event()

    async def wait_for_events() -> None:
        waited.set()

    monkeypatch.setattr(app, "wait_for_events", wait_for_events)
    await app._consumer_wait_empty(None, None)
    assert waited.is_set()


def test_faust_still_prints_where_the_silent_worker_silences_it() -> None:
    """The banner, the spinner and the set-up of the log; without them `ecs` lines would not all be JSON."""
    assert "self.say(self.banner(worker))" in inspect.getsource(worker_command.on_worker_created)
    assert "self.spinner = " in inspect.getsource(faust.Worker.__init__)
    assert "self._setup_logging()" in inspect.getsource(mode.Worker)


async def test_a_worker_ends_as_soon_as_its_services_have_ended() -> None:
    """Mode sleeps for a second before it closes its loop, at every stop."""
    async with asyncio.timeout(0.5):
        await faust_fixes.FixedWorker._sentinel_task(SimpleNamespace())  # type: ignore[arg-type]
