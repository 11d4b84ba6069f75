"""The codec of the Faust app, and what it does with messages nobody can use."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from faust.exceptions import ProducerSendError, ValueDecodeError

from app.kafka import topics
from app.records import DeadLetter, TickBatch
from app.settings import Settings
from app.streaming import faust_app
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


async def test_a_dead_letter_names_its_offset_and_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_what_is_too_large_for_the_brokers_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would block its partition for ever; the event becomes a dead letter instead."""

    async def send(*_arguments: Any, **_options: Any) -> None:
        raise ProducerSendError("too large") from MessageSizeTooLargeError()

    monkeypatch.setattr(faust_app.app, "send", send)
    with pytest.raises(ProducerSendError):
        await faust_app.publish(topics.DEAD, _letter())


async def test_an_app_that_nobody_wired_does_not_start() -> None:
    """Without its lifecycle it would neither prepare nor wait for events: it says so instead."""
    bare = faust_app.create_app(Settings(app_id="bare"))
    with pytest.raises(RuntimeError, match=r"faust -A app worker"):
        await bare.on_first_start()
    with pytest.raises(RuntimeError, match="no lifecycle"):
        await bare.wait_for_events()


def _letter() -> DeadLetter:
    return DeadLetter(topic="btc.ticks", partition=2, offset=7, reason="test", at_ms=1.0, by="worker")
