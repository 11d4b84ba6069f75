"""The agents without brokers: tables are dictionaries, published records are kept in a list."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

import faust
import pytest
from faust.types import TP, Message

import agents.outcomes
import agents.predictions
from app.clock import wall_ms
from app.kafka import topics
from app.records import DeadLetter, Record
from app.streaming import admission, dead_letters, faust_app, publisher
from app.streaming.serving_models import SERVING
from tables.pending import PENDING
from tables.scores import SCORES
from tables.windows import WINDOWS

PARTITION = 2
AGENTS = (agents.predictions, agents.outcomes)


class AgentRun:
    """What the agents published and stored."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.published: list[tuple[str, Any]] = []
        self.tables: dict[str, dict[bytes, bytes]] = {}
        self.partitions: set[int] = set()
        self._offset = 0
        self._patch = patch
        self.publish_instead(self._publish)

    def publish_instead(self, publish: Callable[..., Awaitable[None]]) -> None:
        """Let the agents publish through another function."""
        for module in (dead_letters, *AGENTS):
            self._patch.setattr(module, "publish", publish)

    async def _publish(self, *records: tuple[topics.TopicSpec, Any], partition: int = 0) -> None:
        self.published += [(spec.name, record) for spec, record in records]
        self.partitions.add(partition)

    async def store(self, table: Any, key: bytes, value: bytes) -> None:
        """Keep what is stored."""
        self.tables.setdefault(table.name, {})[key] = value

    def event(self, record: Record, partition: int = PARTITION) -> faust.Event:
        """Return a record as it comes out of a topic, its numbers rising."""
        self._offset += 1
        message: Any = Message(
            "some.topic", partition, self._offset, wall_ms() / 1000, 1, {}, b"0", publisher.encode(record), None,
            tp=TP("some.topic", partition),
        )  # fmt: skip
        return faust.Event(faust_app.app, b"0", record, {}, message)

    def stream(self, events: Iterable[faust.Event]) -> Any:
        """Return events as an agent takes them."""
        return _Stream(list(events))

    def of(self, name: str) -> list[Any]:
        """Return what was published to one topic."""
        return [record for topic, record in self.published if topic == name]

    @property
    def letters(self) -> list[DeadLetter]:
        """Return the dead letters."""
        return self.of("dead")

    def forget(self) -> None:
        """Start over: empty tables, states and progress, nothing published."""
        self.published.clear()
        self.tables.clear()
        self._patch.setattr(admission, "PROGRESS", admission.Progress())
        for module in AGENTS:
            module.STATES.drop(PARTITION)


class _Stream:
    def __init__(self, events: list[faust.Event]) -> None:
        self._events = events

    async def events(self) -> AsyncIterator[faust.Event]:
        for event in self._events:
            yield event


async def work(agent: Any, agent_run: AgentRun, records: Iterable[Record]) -> None:
    """Let an agent work off records; records of another partition come through ours all the same."""
    await agent.fun(agent_run.stream([agent_run.event(record) for record in records]))


@pytest.fixture
def agent_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[AgentRun]:
    """Give agents with empty tables, states and progress, and without brokers."""
    made = AgentRun(monkeypatch)
    for module in AGENTS:
        monkeypatch.setattr(module, "store", made.store)
    for table in (WINDOWS, PENDING, SCORES):
        monkeypatch.setattr(
            type(table), "get", lambda self, key: made.tables.get(self.name, {}).get(key), raising=False
        )
    ready = asyncio.Event()
    ready.set()
    monkeypatch.setattr(SERVING, "ready", ready)
    made.forget()
    yield made
    made.forget()
