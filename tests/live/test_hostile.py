"""Messages nobody can use, on every topic."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from app.kafka import topics
from benchmarks import topic_io
from benchmarks.processes import Processes
from tests.live.ticks import START, payload

PARTITION = 2
EMPTY = b""
HOSTILE = {
    "not JSON": b"\x00\xff\xfe{{{",
    "empty": EMPTY,
    "another shape": b'{"hello": "world"}',
    "a list": b"[1, 2, 3]",
    "wrong types": b'{"partition": 2, "second": "now", "closed_ms": [], "symbols": 7}',
    "NaN": b'{"partition": 2, "second": 1750000001, "closed_ms": NaN, "symbols": {}}',
    "beyond float": payload(START + 1).replace(b'"quantity":[0.5]', b'"quantity":[1e999]'),
    "eight MiB": b'{"junk": "' + b"x" * (8 * 2**20 - 2000) + b'"}',
    "deep": b"[" * 100_000,
}
# These decode, but are not what they say.
LIES = {
    "another partition": payload(START + 1, partition=5),
    "the far future": payload(9_000_000_000),
}


@pytest.fixture(scope="module")
def processes(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Run one worker for the tests of this file."""
    with Processes(tmp_path_factory.mktemp("hostile"), kafka, "hostile") as running:
        yield running


async def _until_settled(processes: Processes, second: int) -> None:
    for _attempt in range(600):
        outcomes = await topic_io.records(processes.settings, topics.OUTCOMES)
        if any(outcome.second >= second for outcome in outcomes):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"second {second} was never settled")


async def test_hostile_messages_are_set_aside_and_good_ones_pass(processes: Processes) -> None:
    """What agents read becomes a dead letter with its place, other readers count it; no good second is lost."""
    await topics.ensure(processes.settings)
    processes.start_worker()
    async with topic_io.sending(processes.settings) as sender:
        for number, second in enumerate(range(START, START + 12)):
            await sender.send(topics.TICKS, payload(second), PARTITION)
            for spec in topics.ALL if number == 6 else ():
                partition = PARTITION if spec.partitioned else 0
                for value in (*HOSTILE.values(), None):
                    await sender.send(spec, value, partition)
        for lie in LIES.values():
            await sender.send(topics.TICKS, lie, PARTITION)
        await sender.send(topics.TICKS, payload(START + 12), PARTITION)
        await _until_settled(processes, START + 12)
    letters = await topic_io.records(processes.settings, topics.DEAD)
    counts = Counter(letter.topic.rpartition(".")[2] for letter in letters)
    each = len(HOSTILE) + 1
    assert counts == {"ticks": each + len(LIES), "predictions": each}, "topics that the agents read"
    refused = f'btc_model_refused_total{{reason="undecodable"}} {each}.0'
    await asyncio.to_thread(processes.wait, lambda: refused in _metrics(processes), "the releases to be counted", 30.0)
    assert all(letter.reason for letter in letters)
    assert max(letter.size_bytes for letter in letters) > 8_000_000
    assert max(len(letter.payload) for letter in letters) <= 4096
    wanted = list(range(START, START + 13))
    for spec in (topics.FEATURES, topics.PREDICTIONS, topics.OUTCOMES):
        seconds = [found.second for found in await topic_io.records(processes.settings, spec, _Second) if found.second]
        assert sorted(set(seconds)) == wanted, spec.name


def _metrics(processes: Processes) -> str:
    return httpx.get(f"http://127.0.0.1:{processes.settings.worker_port}/metrics", timeout=5).text


class _Second(msgspec.Struct):
    second: int = 0
