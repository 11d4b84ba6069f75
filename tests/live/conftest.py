"""The embedded Kafka of a test session: `kafka`, its address; `broker`, the node; `prefix` for topics."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.broker.broker import Broker, BrokerError
from app.broker.jars import class_path
from app.service import ports

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as `live`."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def jars() -> list[Path]:
    """Return Kafka's jars, or skip where they cannot be had."""
    try:
        return class_path(print)
    except BrokerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def broker(jars: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Return the session's one broker; a test that stops it starts it again."""
    with Broker(tmp_path_factory.mktemp("kafka"), ports.free_port(), say=print) as running:
        yield running


@pytest.fixture(scope="session")
def kafka(broker: Broker) -> str:
    """Return the address of the session's broker, as 127.0.0.1:port."""
    return broker.bootstrap


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Return a topic prefix no other test has."""
    return f"t{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:10]}"
