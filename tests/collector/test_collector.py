"""The collector's health and the end of a membership, without a broker."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY

from app.clock import Clock, steady_ms
from app.collector import collector as module
from app.collector.collector import Collector, MembershipEndedError
from app.collector.market_streams import MarketStreams
from app.collector.partitions import Partitions
from app.kafka import topics
from app.settings import Settings


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """Return a collector that is not running."""
    collector = Collector(Settings(exchange_rest_url="http://127.0.0.1:9", exchange_ws_url="ws://127.0.0.1:9"))
    yield collector
    await collector._rest.close()


class TwoPartitions(Partitions):
    """Partitions of a membership that fills two; one of them is this much behind, or ahead."""

    def __init__(self, lag_s: float = 0.0, ahead_s: float = 0.0) -> None:
        self.seconds_behind, self.seconds_ahead = lag_s, ahead_s

    @property
    def count(self) -> int:
        """How many partitions are filled here."""
        return 2

    @property
    def lag_s(self) -> float:
        """The lag of the slowest one."""
        return self.seconds_behind

    @property
    def ahead_s(self) -> float:
        """How far an open second lies in the future."""
        return self.seconds_ahead


def connect(collector: Collector, clock: Clock) -> None:
    """Receive a first frame and the exchange's clock."""
    collector._market.receive("{}", steady_ms())
    collector._market.update_clock(clock)


async def test_a_collector_is_ready_with_a_connection_the_exchanges_clock_and_a_membership(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this order; without the exchange it is alive, for a restart does not bring it back."""
    assert collector.not_ready_reason() == "the exchange at ws://127.0.0.1:9 cannot be reached"
    assert collector.stall_reason() == ""
    monkeypatch.setattr(MarketStreams, "connection_count", 1)
    assert collector.not_ready_reason() == "the exchange's clock is not known yet"
    connect(collector, Clock(1000.0, steady_ms()))
    assert collector.not_ready_reason() == "Kafka cannot be used yet"
    collector._partitions = TwoPartitions()
    assert collector.not_ready_reason() == ""


async def test_a_collector_stalls_when_a_partition_is_not_written_for_half_a_minute(collector: Collector) -> None:
    """However new the seconds of the other one are."""
    connect(collector, Clock(3_000_000.0, steady_ms(), 20.0))
    assert collector.stall_reason() == ""  # it fills no partition
    collector._partitions = TwoPartitions(lag_s=31.0)
    assert collector.stall_reason() == "no second was written for 31 s"
    collector._partitions = TwoPartitions(lag_s=29.0)
    assert collector.stall_reason() == ""


async def test_without_kafka_a_collector_does_not_stall_and_after_its_return_it_has_its_time(
    collector: Collector,
) -> None:
    """98 s without a second written, all of them without Kafka: a restart would only add a takeover."""
    connect(collector, Clock(3_000_000.0, steady_ms()))
    collector._partitions = TwoPartitions(lag_s=98.0)
    for answering_s, reason in ((0.0, ""), (29.0, ""), (31.0, "no second was written for 98 s")):
        collector._kafka_answering_s = partial(float, answering_s)
        assert collector.stall_reason() == reason


async def test_a_collector_says_that_the_exchange_is_silent_or_its_topic_in_the_future(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections stand, seconds are written; figures for heartbeat and alerts say the same."""
    monkeypatch.setattr(MarketStreams, "connection_count", 1)
    now_ms = steady_ms()
    connect(collector, Clock(3_000_000.0, now_ms))
    collector._partitions = TwoPartitions(lag_s=2.0, ahead_s=3590.0)
    assert collector.not_ready_reason() == "btc.ticks is 3590 s ahead of the exchange's clock"
    collector._show_lags()
    assert (collector.progress["lag_s"], collector.progress["ahead_s"]) == (2.0, 3590.0)
    collector._market.receive("{}", now_ms - 61_000)
    assert collector.not_ready_reason() == "the exchange has sent nothing for 61 s"
    collector._show_lags()
    assert collector.progress["silent_s"] >= 61.0
    assert REGISTRY.get_sample_value("btc_ticks_future_seconds") == 3590.0


@pytest.mark.parametrize(
    "error", [KafkaError("gone"), ExceptionGroup("tasks", [ExceptionGroup("more", [KafkaError("gone")])])]
)
async def test_an_error_of_kafka_ends_the_membership_with_its_reason(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """As itself, or from the tasks of a group."""
    monkeypatch.setattr(topics, "ensure", failing(error))
    with pytest.raises(MembershipEndedError, match="KafkaError: gone"):
        await collector._run_membership()


async def test_a_mistake_in_the_code_is_not_taken_for_an_error_of_kafka(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the process."""
    group = ExceptionGroup("tasks", [KafkaError("gone"), ZeroDivisionError()])
    monkeypatch.setattr(topics, "ensure", failing(group))
    with pytest.raises(ExceptionGroup, match="tasks"):
        await collector._run_membership()


async def test_a_membership_that_ended_is_followed_by_another(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a pause, with the reason in the log."""
    attempts = asyncio.Queue[int]()

    async def ensure(*_arguments: object) -> None:
        attempts.put_nowait(1)
        raise KafkaError("gone")

    monkeypatch.setattr(topics, "ensure", ensure)
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.001)
    task = asyncio.create_task(collector._run_memberships())
    async with asyncio.timeout(2.0):
        for _ in range(3):
            await attempts.get()
    task.cancel()
    assert "cannot stay in the collectors' group, trying again" in "".join(capsys.readouterr())


def failing(error: Exception) -> object:
    """Return a stand-in for a coroutine function that raises."""

    async def ensure(*_arguments: object) -> None:
        raise error

    return ensure
