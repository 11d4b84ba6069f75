"""The board and the API on the embedded Kafka."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from websockets.asyncio.client import connect

from app.api import examples
from app.api.examples import SECOND
from app.api.server import serve
from app.board.board import Board
from app.broker.broker import Broker
from app.kafka import clients, topics
from app.records import FeatureBatch, Gap, ModelRelease, Record
from app.service.heartbeat import ProcessStatus
from app.settings import Settings


def settings_of(kafka: str, prefix: str) -> Settings:
    """Return the settings of one test's topics."""
    return Settings(kafka_url=kafka, topic_prefix=prefix, partitions=2, api_port=0, api_rate_limit=0)


async def write(settings: Settings, records: list[tuple[topics.TopicSpec, Record]]) -> None:
    """Write records as the stream does."""
    async with clients.producer(settings) as producer:
        for spec, record in records:
            await send(producer, settings, spec, msgspec.json.encode(record), getattr(record, "partition", 0))


async def send(
    producer: AIOKafkaProducer, settings: Settings, spec: topics.TopicSpec, value: bytes, partition: int = 0
) -> None:
    """Write one payload."""
    await producer.send_and_wait(spec.full_name(settings), value, key=b"k", partition=partition)


def a_second(second: int) -> list[tuple[topics.TopicSpec, Record]]:
    """Return one second's records as they are on the wire, feature rows included."""
    slim = examples.bars(second)
    fields: dict[str, Any] = {name: getattr(slim, name) for name in slim.__struct_fields__}
    return [
        (topics.FEATURES, FeatureBatch(**fields, feature_schema="x", features={"momentum": [0.5]})),
        (topics.PREDICTIONS, examples.predictions(second)),
        (topics.OUTCOMES, examples.outcomes(second)),
    ]


async def until(true: Callable[[], bool], patience_s: float = 15.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(patience_s):
        while not true():
            await asyncio.sleep(0.02)


async def test_the_board_fills_from_the_tails_and_follows(kafka: str, prefix: str) -> None:
    """What was written before the start is there when it is ready; what comes later arrives; junk stops nothing."""
    settings = settings_of(kafka, prefix)
    await topics.ensure(settings)
    slim = examples.release()
    release = ModelRelease(**{name: getattr(slim, name) for name in slim.__struct_fields__}, artifact=b"x" * 2**20)
    seconds = [pair for second in range(SECOND - 19, SECOND + 1) for pair in a_second(second)]
    await write(settings, [(topics.MODELS, release), (topics.STATUS, examples.heartbeat()), *seconds])
    board = Board(settings)
    assert not board.is_ready
    await board.start()
    await asyncio.wait_for(board.wait_ready(), 15)
    assert board.history("BTCUSDT").second.tolist() == list(range(SECOND - 19, SECOND + 1))
    assert board.models().releases[0].id == slim.id
    assert board.status().latency["board"].n == 0

    async with clients.producer(settings) as producer:
        await send(producer, settings, topics.PREDICTIONS, b"\x00 no json")
    await write(settings, a_second(SECOND + 1))
    await until(lambda: board.status().second == SECOND + 1)
    assert board.status().latency["board"].n == 1
    await board.stop()


async def test_the_board_goes_on_through_a_restart_of_the_broker(broker: Broker, kafka: str, prefix: str) -> None:
    """Kafka stops and starts; nothing written before or after is missing."""
    settings = settings_of(kafka, prefix)
    await topics.ensure(settings)
    board = Board(settings)
    await board.start()
    await write(settings, a_second(SECOND))
    await until(lambda: board.status().second == SECOND)
    await asyncio.to_thread(broker.stop)
    await asyncio.sleep(1)
    await asyncio.to_thread(broker.start)
    await write(settings, a_second(SECOND + 1))
    await until(lambda: board.status().second == SECOND + 1, 40)
    assert board.bars("BTCUSDT").second.tolist() == [SECOND, SECOND + 1]
    await board.stop()


async def write_gaps(settings: Settings, gaps: list[Gap]) -> None:
    """Write records of gaps as the collector does: the key is the gap's id."""
    async with clients.producer(settings) as producer:
        for gap in gaps:
            topic, value = topics.GAPS.full_name(settings), msgspec.json.encode(gap)
            await producer.send_and_wait(topic, value, key=gap.id.encode(), partition=gap.partition)


async def test_the_ledger_survives_restarts_of_the_board(kafka: str, prefix: str) -> None:
    """A gap far older than the seconds it holds is there from the start; what is filled or deleted goes."""
    settings = settings_of(kafka, prefix).model_copy(update={"board_history_s": 60})
    await topics.ensure(settings)
    open_gap = examples.gaps()[-1]
    many = [msgspec.structs.replace(open_gap, id=f"BTCUSDT-trades-{at}", ids=[(at, at)]) for at in range(200)]
    filled = [msgspec.structs.replace(gap, state="filled", ids=[], closed_ms=open_gap.opened_ms + 1) for gap in many]
    await write_gaps(settings, [open_gap, *many, *filled[1:]])
    await write(settings, a_second(SECOND))
    for _ in range(2):
        board = Board(settings, now_ms=lambda: examples.closed_ms(SECOND))
        await board.start()
        await asyncio.wait_for(board.wait_ready(), 30)
        (row,) = board.feed().symbols
        assert {gap.id for gap in row.open_gaps} == {open_gap.id, "BTCUSDT-trades-0"}
        assert row.missing_ids == 6
        await board.stop()

    await board.start()
    await write_gaps(settings, filled[:1])
    await until(lambda: len(board.feed().symbols[0].open_gaps) == 1, 30)
    async with clients.producer(settings) as producer:
        await producer.send_and_wait(topics.GAPS.full_name(settings), None, key=open_gap.id.encode(), partition=0)
    await until(lambda: board.feed().symbols[0].missing_ids == 0, 30)
    assert board.feed().symbols[0].completeness == 1.0
    await board.stop()


async def test_a_second_reaches_a_websocket_client_through_kafka(kafka: str, prefix: str) -> None:
    """Written to the topic, read by the board, sent to the client; then the API stops cleanly."""
    settings = settings_of(kafka, prefix)
    await topics.ensure(settings)
    await write(settings, a_second(SECOND))
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, ProcessStatus(), started=port.set_result))
    url = f"ws://127.0.0.1:{await port}/v1/stream?symbols=BTCUSDT"
    async with connect(url, proxy=None) as client:
        await write(settings, a_second(SECOND + 1))
        async with asyncio.timeout(15):
            while json.loads(await client.recv())["second"] != SECOND + 1:
                pass
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
