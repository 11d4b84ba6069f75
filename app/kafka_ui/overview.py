"""Topics, messages and consumer groups as the pages show them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Partition:
    """The first offset and the end offset of a partition."""

    number: int
    first: int
    end: int

    @property
    def messages(self) -> int:
        """Offsets between first and end; compacted topics hold fewer."""
        return max(0, self.end - self.first)


@dataclass(frozen=True)
class Topic:
    """One topic."""

    name: str
    partitions: list[Partition]

    @property
    def messages(self) -> int:
        """Messages of all partitions."""
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
        """Messages still to read on all partitions."""
        return sum(lag.behind for lag in self.lags)


@dataclass(frozen=True)
class Overview:
    """Everything on the first page."""

    brokers: int
    topics: list[Topic]
    groups: list[ConsumerGroup]
