"""What the pages show. Pure: shapes, and how a payload is made readable."""

import json
from dataclasses import dataclass, field

SHORT = 240  # characters of a value in a list
LONG = 256 * 1024  # characters of a value on its own page


@dataclass(frozen=True)
class Partition:
    """Where a partition's log begins and ends."""

    number: int
    first: int
    end: int

    @property
    def messages(self) -> int:
        """Offsets between begin and end; compacted topics hold fewer."""
        return max(0, self.end - self.first)


@dataclass(frozen=True)
class Topic:
    """One topic."""

    name: str
    partitions: list[Partition]

    @property
    def messages(self) -> int:
        """Of all partitions."""
        return sum(partition.messages for partition in self.partitions)


@dataclass(frozen=True)
class TopicMessage:
    """One message, its value cut to what a page shows."""

    partition: int
    offset: int
    at_ms: int
    key: str
    value: str
    size_bytes: int


@dataclass(frozen=True)
class Lag:
    """How far a group is behind on one partition; `committed` is None before its first commit."""

    topic: str
    partition: int
    committed: int | None
    end: int

    @property
    def behind(self) -> int:
        """Messages still to read; unknown counts as none."""
        return 0 if self.committed is None else max(0, self.end - self.committed)


@dataclass(frozen=True)
class ConsumerGroup:
    """One consumer group."""

    name: str
    state: str
    members: list[str] = field(default_factory=list)
    lags: list[Lag] = field(default_factory=list)

    @property
    def behind(self) -> int:
        """Of all its partitions."""
        return sum(lag.behind for lag in self.lags)


@dataclass(frozen=True)
class Overview:
    """Everything on the first page."""

    brokers: int
    topics: list[Topic]
    groups: list[ConsumerGroup]


def readable(payload: bytes | None, limit: int) -> str:
    r"""Return a payload as text of at most `limit` characters: JSON as it is, other text, or hexadecimal.

    >>> readable(b'{"a": 1}', 240), readable(b"\xff\x00", 240), readable(None, 240)
    ('{"a": 1}', 'ff 00', 'null')
    """
    if payload is None:
        return "null"
    head = payload[: limit * 4]
    try:
        text = head.decode() if len(head) == len(payload) else head.decode(errors="ignore")
    except UnicodeDecodeError:
        text = head[: limit // 3].hex(" ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def pretty(payload: bytes | None) -> str:
    r"""Return a payload for its own page: JSON indented where it is small enough.

    >>> pretty(b'{"a":1}')
    '{\n  "a": 1\n}'
    """
    if payload is not None and len(payload) <= LONG:
        try:
            return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
        except ValueError:
            pass  # not JSON: shown as it is
    return readable(payload, LONG)
