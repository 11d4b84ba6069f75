"""The codec of the Faust app, and what it does with messages nobody can use."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.exceptions import ValueDecodeError
from faust.types import TP

from app.kafka import topics
from app.records import DeadLetter, TickBatch
from app.streaming import faust_app, partition_state
from app.streaming.faust_app import StructSchema
from tests.live.ticks import START, batch, payload


def _message(value: bytes | None) -> Any:
    return SimpleNamespace(value=value, topic="btc.ticks", partition=2, offset=7)


def test_a_struct_travels_there_and_back() -> None:
    """What is dumped is loaded as it was."""
    schema, sent = StructSchema(TickBatch), batch(START)
    value, _headers = schema.dumps_value(None, sent, headers=None)
    assert schema.loads_value(None, _message(value)) == sent


@pytest.mark.parametrize("value", [None, b"", b"\xff{", b"[" * 100_000, payload(START).replace(b"0.5", b"NaN")])
def test_what_does_not_fit_is_an_error_with_a_reason(value: bytes | None) -> None:
    """Empty, not UTF-8, too deep, not a number: all of them one type of error."""
    with pytest.raises(ValueDecodeError) as found:
        StructSchema(TickBatch).loads_value(None, _message(value))
    assert str(found.value)


async def test_a_message_set_aside_names_its_place_and_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead letter holds topic, partition, offset, reason and the first 4 KiB."""
    sent: list[tuple[topics.TopicSpec, DeadLetter]] = []

    async def publish(spec: topics.TopicSpec, record: DeadLetter) -> None:
        sent.append((spec, record))

    monkeypatch.setattr(faust_app, "publish", publish)
    await faust_app.publish_dead_letter(_message(b"x" * 10_000), "too long")
    ((spec, letter),) = sent
    assert spec is topics.DEAD
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("btc.ticks", 2, 7, "too long")
    assert (len(letter.payload), letter.size_bytes) == (4096, 10_000)


async def test_whoever_takes_partitions_away_waits_for_the_event_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebalance and stop go on as soon as the body is through, and after some patience even if it is not."""
    made = partition_state.PartitionStates(lambda partition: partition)
    monkeypatch.setattr(partition_state.PartitionStates, "every", [made])
    monkeypatch.setattr(partition_state, "PATIENCE_S", 0.0)
    await faust_app.app._consumer_wait_empty(None, None)
    async with made.guard(SimpleNamespace(message=_message(b""))):  # type: ignore[arg-type]
        assert not made.idle.is_set()
        await faust_app.app._consumer_wait_empty(None, None)
    assert made.idle.is_set()


async def test_a_revoked_partition_loses_its_rooms_and_no_other() -> None:
    """Rooms are built again from the tables when the partition comes back."""
    made = partition_state.PartitionStates(lambda _partition: object())
    try:
        kept, dropped = made.of(1), made.of(2)
        await partition_state._drop_revoked(None, {TP("btc.ticks", 2)})
        assert made.of(1) is kept
        assert made.of(2) is not dropped
    finally:
        partition_state.PartitionStates.every.remove(made)
