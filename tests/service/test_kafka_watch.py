"""Whether Kafka can be used, and what a process says while it cannot."""

import asyncio

import pytest

from app.service.kafka_watch import REPEAT_S, KafkaWatch, unusable_reason, watching
from app.settings import Settings

SETTINGS = Settings(kafka_url="kafka-0:9092", min_insync_replicas=2)


class Watched:
    """A watch with a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.kafka = KafkaWatch(SETTINGS, lambda: self.now_s)


@pytest.fixture
def watched() -> Watched:
    """Return a watch that has not asked yet."""
    return Watched()


def test_before_the_first_answer_it_names_the_brokers_the_time_and_what_to_check(watched: Watched) -> None:
    """At once: a process that starts before Kafka is not ready."""
    watched.kafka.update("connection refused")
    watched.now_s += 7
    assert watched.kafka.not_ready_reason() == (
        "Kafka at kafka-0:9092 cannot be used for 7 s: connection refused; "
        "is it running, is BTC_KAFKA_URL right, may this process reach it?"
    )
    assert watched.kafka.answering_s() == 0.0


def test_an_outage_counts_when_it_is_longer_than_the_restart_of_a_broker(watched: Watched) -> None:
    """A rolling update of the brokers makes no process unready."""
    watched.kafka.update("")
    watched.now_s += 50
    watched.kafka.update("connection refused")
    watched.now_s += 9
    assert watched.kafka.not_ready_reason() == ""
    watched.now_s += 1
    assert "cannot be used for 10 s" in watched.kafka.not_ready_reason()


def test_the_time_of_answering_starts_again_after_an_outage(watched: Watched) -> None:
    """What stood still meanwhile gets its full time to move on."""
    watched.kafka.update("")
    watched.now_s += 50
    watched.kafka.update("")
    assert watched.kafka.answering_s() == 50.0
    watched.kafka.update("gone")
    assert watched.kafka.answering_s() == 0.0
    watched.kafka.update("")
    watched.now_s += 3
    assert (watched.kafka.answering_s(), watched.kafka.not_ready_reason()) == (3.0, "")


def test_one_outage_is_logged_once_a_minute_and_its_end_once(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """An hour without Kafka is 60 lines, not 3,600."""
    for _second in range(int(REPEAT_S) + 1):
        watched.kafka.update("gone")
        watched.now_s += 1
    watched.kafka.update("")
    watched.kafka.update("")
    lines = "".join(capsys.readouterr())
    assert lines.count("waiting for Kafka") == 2
    assert lines.count("Kafka answers") == 1


@pytest.mark.parametrize(
    ("leader", "isr", "reason"),
    [
        (1, [1, 2], ""),
        (-1, [1, 2], "partition btc.ticks/3 has no leader"),
        (1, [1], "partition btc.ticks/3 has 1 of 2 in-sync replicas"),
    ],
)
def test_brokers_that_answer_must_also_take_writes(leader: int, isr: list[int], reason: str) -> None:
    """Nothing moves on without a leader and enough in-sync replicas, and a restart does not bring them."""
    partition = {"partition": 3, "leader": leader, "isr": isr}
    assert unusable_reason([{"topic": "btc.ticks", "partitions": [partition]}], SETTINGS) == reason
    assert unusable_reason([{"topic": "others", "partitions": [partition]}], SETTINGS) == ""


async def test_it_waits_for_brokers_that_are_not_there_and_says_why() -> None:
    """Port 9 refuses: the wait goes on, with the reason."""
    kafka = KafkaWatch(Settings(kafka_url="127.0.0.1:9"))
    async with watching(kafka), asyncio.timeout(20):
        while "Unable to bootstrap" not in kafka.not_ready_reason():
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(kafka.wait(), 0)
